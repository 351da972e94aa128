"""What a node says about faces, in a few lines a person can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .face import Face, Faces
from .geometry import scale_of
from .models import MODELS, find, terms

if TYPE_CHECKING:
    from .crop import Crops
    from .detect import Analyzer
    from .identity import People
    from .montage.montage import Montage
    from .paste import Pasted
    from .restoring.restore import Restoration, Restored
    from .restoring.restorer import Restorer
    from .swapping.swap import Swapped
    from .swapping.swapper import Swapper

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


def describe_swapped(swapped: Swapped) -> str:
    """A line of totals, the notes, then who went onto every face and how like them it is."""
    done = [swap for swap in swapped.swaps if swap.left is None]
    pictures = counted(len({swap.face.frame for swap in done}), "picture")
    lines = [f"{counted(len(done), 'face')} swapped in {pictures} by {swapped.swapper}"]
    if not swapped.swaps:
        lines = ["no face to swap: the pictures are as they came"]
    lines += swapped.notes
    for number, swap in enumerate(swapped.swaps):
        parts = [f"{number}: frame {swap.face.frame}, {swap.person}"]
        if swap.left is not None:
            parts.append(f"left as it was: {swap.left}")
        if swap.before is not None or swap.after is not None:
            parts.append(f"similarity {_cosine(swap.before)} -> {_cosine(swap.after)}")
        if swap.seam is not None:
            parts.append(f"seam {swap.seam:.2f}")
        lines.append(", ".join(parts))
    if swapped.swaps and all(swap.after is None for swap in swapped.swaps):
        lines.append(
            "how like the person the result is was not measured: that takes an analyzer and an "
            "identity by the same insightface pack"
        )
    return shortened(lines)


def describe_swapper(swapper: Swapper | Montage) -> str:
    """What it is, what it needs of a person, its licence, the notes."""
    rows = [model for model in MODELS if model.file == swapper.name]
    lines = [swapper.name]
    if hasattr(swapper, "takes"):
        lines = [f"{swapper.name}: {swapper.size} px, takes {swapper.takes}"]
    lines += map(terms, rows)
    return "\n".join([*lines, *swapper.notes])


def describe_restored(restored: Restored) -> str:
    """A line of totals, the notes, then what became of every face."""
    done = [each for each in restored.restorations if each.left is None]
    pictures = counted(len({each.face.frame for each in done}), "picture")
    total = counted(len(restored.restorations), "face")
    lines = [f"{len(done)} of {total} restored in {pictures} by {restored.restorer}"]
    if not restored.restorations:
        lines = ["no face to restore"]
    lines += restored.notes
    for number, each in enumerate(restored.restorations):
        lines.append(f"{number}: frame {each.face.frame}, {_restoration(each)}")
    return shortened(lines)


def _restoration(each: Restoration) -> str:
    if each.left is not None:
        return f"left as it was: {each.left}"
    parts = [f"{max(each.face.width, each.face.height):.0f} px"]
    if each.likeness is not None:
        parts.append(f"similarity to before {each.likeness:.2f}")
    if each.likeness != each.unguarded:
        parts[-1] += f" at strength {each.amount:.2f}, unguarded {each.unguarded:.2f}"
    before, after = each.sharpness
    parts += [f"sharpness {before:.0f} -> {after:.0f}", f"changed by {each.change:.1%}"]
    if each.seam is not None:
        parts.append(f"seam {each.seam:.2f}")
    return ", ".join(parts)


def describe_restorer(restorer: Restorer) -> str:
    """What it is, its licence, the notes."""
    told = "takes a fidelity" if restorer.has_fidelity else "takes no fidelity"
    licence = terms(find(restorer.like))  # whatever name a user gave the file
    return "\n".join([f"{restorer.name}: {restorer.size} px, {told}", licence, *restorer.notes])


def describe_analyzer(analyzer: Analyzer) -> str:
    lines = [f"{analyzer.name}: {', '.join(analyzer.parts)}"]
    if analyzer.providers:
        lines.append(f"runs on {', '.join(analyzer.providers)}")
    return "\n".join([*lines, *analyzer.notes])


def describe_people(people: People) -> str:
    """For every person a line of what is known, then the notes."""
    lines = [f"{len(people)} people"] if len(people) != 1 else []
    for person in people:
        parts = [counted(person.photos, "photo")]
        if person.agreement is not None:
            parts.append(f"agreement {person.agreement:.2f} (1 is the same photo)")
        known = person.embedding is not None
        parts.append(f"embedding by {person.space}" if known else "no embedding")
        side = 0 if person.portrait is None else person.portrait.image.shape[0]
        parts.append(f"portrait of {side} x {side} px" if side else "no portrait")
        lines += [f"{person}: {', '.join(parts)}", *person.notes]
    return shortened(lines)


def _cosine(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


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
