"""What a node says about faces, in a few lines a person can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .face import Face, Faces

if TYPE_CHECKING:
    from .detect import Analyzer

LONGEST = 40  # lines; a batch of a thousand frames is summed up


def describe(faces: Faces) -> str:
    """A line of totals, the notes, then a line for every face."""
    lines = [_totals(faces), *faces.notes]
    for frame in range(faces.frames):
        here = faces.of(frame)
        prefix = f"frame {frame}, " if faces.frames > 1 else ""
        lines += [f"{prefix}{number}: {describe_face(face)}" for number, face in enumerate(here)]
    if len(lines) > LONGEST:
        lines[LONGEST:] = [f"... and {len(lines) - LONGEST} more lines"]
    return "\n".join(lines)


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


def describe_analyzer(analyzer: Analyzer) -> str:
    lines = [f"{analyzer.name}: {', '.join(analyzer.parts)}"]
    if analyzer.providers:
        lines.append(f"runs on {', '.join(analyzer.providers)}")
    return "\n".join([*lines, *analyzer.notes])


def _totals(faces: Faces) -> str:
    count = f"{len(faces)} face{'' if len(faces) == 1 else 's'}"
    if faces.frames == 1:
        return count if len(faces) else "no face"
    filled = len({face.frame for face in faces})
    return f"{count} in {filled} of {faces.frames} frames"
