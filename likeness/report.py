"""What a node says about faces, in a few lines a person can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .face import Face, Faces
from .geometry import scale_of

if TYPE_CHECKING:
    from .crop import Crops
    from .detect import Analyzer
    from .paste import Pasted

UNSEEN = "no edge: nothing changed, or the whole picture"
LONGEST = 40  # lines; a batch of a thousand frames is summed up


def describe(faces: Faces) -> str:
    """A line of totals, the notes, then a line for every face."""
    lines = [_totals(faces), *faces.notes]
    for frame in range(faces.frames):
        here = faces.of(frame)
        prefix = f"frame {frame}, " if faces.frames > 1 else ""
        lines += [f"{prefix}{number}: {describe_face(face)}" for number, face in enumerate(here)]
    return shortened(lines)


def describe_face(face: Face) -> str:
    x0, y0, *_ = face.box
    parts = [
        f"{face.width:.0f} x {face.height:.0f} px at ({x0:.0f}, {y0:.0f})",
        f"score {face.score:.2f}",
        f"roll {face.roll:+.0f}°",
    ]
    if face.sex is not None:
        parts.append(face.sex.value)
    if face.age is not None:
        parts.append(f"age {face.age:.0f}")
    if face.space is not None:
        parts.append(f"identity by {face.space}")
    return ", ".join(parts)


def describe_crops(crops: Crops) -> str:
    """A line of totals, the notes, then a line for every crop."""
    height, width = crops.patches.shape[1:3]
    lines = [f"{counted(len(crops.cut), 'crop')} of {width} x {height} px", *crops.notes]
    if not crops.cut:
        lines[0] = "nothing was cut: a grey picture stands in, and pasting changes nothing"
    for number, crop in enumerate(crops.cut):
        scale = scale_of(crop.matrix)
        size = f"{crop.extent / scale:.0f} px in the picture, {crop.extent:.0f} px in the crop"
        lines.append(f"{number}: frame {crop.frame}, {size} ({scale:.2f}x)")
    return shortened(lines)


def describe_pasted(crops: Crops, pasted: Pasted) -> str:
    """A line of totals, then how well the edge of every crop is hidden."""
    lines = [f"{counted(len(crops.cut), 'crop')} pasted into {counted(crops.frames, 'picture')}"]
    if not crops.cut:
        lines = ["nothing was cut, nothing was pasted: the pictures are as they came"]
    for number, (crop, step) in enumerate(zip(crops.cut, pasted.seams, strict=True)):
        shown = UNSEEN if step is None else f"seam {step:.2f} (1 is no seam)"
        lines.append(f"{number}: frame {crop.frame}, {shown}")
    return shortened(lines)


def describe_analyzer(analyzer: Analyzer) -> str:
    lines = [f"{analyzer.name}: {', '.join(analyzer.parts)}"]
    if analyzer.providers:
        lines.append(f"runs on {', '.join(analyzer.providers)}")
    return "\n".join([*lines, *analyzer.notes])


def _totals(faces: Faces) -> str:
    count = counted(len(faces), "face")
    if faces.frames == 1:
        return count if len(faces) else "no face"
    filled = len({face.frame for face in faces})
    return f"{count} in {filled} of {faces.frames} frames"


def counted(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def shortened(lines: list[str]) -> str:
    """The lines as one text, the end left out where there are too many."""
    if len(lines) > LONGEST:
        lines = [*lines[:LONGEST], f"... and {len(lines) - LONGEST} more lines"]
    return "\n".join(lines)
