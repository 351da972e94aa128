"""Face Pose Map: the people of every picture, or of every crop, on a black map of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..crop import Crops
from ..face import Faces
from ..progress import Progress, ignore
from ..report import counted, shortened
from .drawing import draw
from .figures import Figure, Figures, Parts, from_faces, moved, only

GUESSED = (
    "faces that are guessed are the average face laid by five points: Refine Landmarks measures "
    "their own"
)


@dataclass(frozen=True, eq=False)
class PoseMaps:
    """The maps, and who is to be seen on each."""

    maps: Tensor  # (N, h, w, 3)
    seen: tuple[tuple[Figure, ...], ...]  # of each map
    frames: tuple[int, ...]  # that each map is of
    parts: Parts
    notes: tuple[str, ...] = ()


def gather(faces: Faces | None, poses: Figures | None) -> Figures:
    """Everybody. With both, faces are those of `faces`, and bodies and hands are those of poses."""
    if faces is None:
        if poses is None:
            raise ValueError("there is nobody to draw: connect faces, or pose, or both")
        return poses
    people = from_faces(faces)
    bodies = () if poses is None else [replace(each, face=None) for each in poses.found]
    return replace(people, found=(*bodies, *people.found))


def pose_maps(
    people: Figures,
    parts: Parts = Parts.FACE_AND_BODY,
    crops: Crops | None = None,
    progress: Progress = ignore,
) -> PoseMaps:
    """A map of every frame; or of every crop, with the people of its frame where they are in it."""
    drawn = replace(people, found=tuple(only(each, parts) for each in people.found))
    if crops is None:
        size = people.size
        shown = [(frame, drawn.of(frame)) for frame in range(people.frames)]
    else:
        size = tuple(crops.patches.shape[1:3])
        shown = [
            (crop.frame, [moved(each, crop.matrix) for each in drawn.of(crop.frame)])
            for crop in crops.cut
        ]
    maps = torch.zeros(max(len(shown), 1), *size, 3)
    seen = []
    for number, (_, figures) in enumerate(shown):
        here = tuple(each for each in figures if _is_seen(each, size))
        maps[number] = draw(here, size)
        seen.append(here)
        progress(number + 1, len(shown))
    frames = tuple(frame for frame, _ in shown)
    return PoseMaps(maps, tuple(seen), frames, parts, people.notes)


def describe(drawn: PoseMaps) -> str:
    """A line of totals, the notes, then who is on each map."""
    height, width = drawn.maps.shape[1:3]
    lines = [f"{counted(len(drawn.maps), 'map')} of {width} x {height} px, {drawn.parts.value}"]
    lines += drawn.notes
    if not drawn.seen:
        lines.append("nothing was cut: a black map stands in")
    if any(_is_guess(each) for seen in drawn.seen for each in seen):
        lines.append(GUESSED)
    for number, (frame, seen) in enumerate(zip(drawn.frames, drawn.seen, strict=True)):
        lines.append(f"{number}: frame {frame}, {_counted(seen)}")
    return shortened(lines)


def _is_seen(figure: Figure, size: tuple[int, int]) -> bool:
    """Whether one of its points lies on a map of `size`."""
    parts = [part for part in (figure.face, figure.body, *figure.hands) if part is not None]
    x, y = torch.cat([torch.zeros(0, 2), *parts]).unbind(1)
    return bool(((x > -0.5) & (y > -0.5) & (x < size[1] - 0.5) & (y < size[0] - 0.5)).any())


def _is_guess(figure: Figure) -> bool:
    return figure.guessed and figure.face is not None


def _counted(seen: Sequence[Figure]) -> str:
    faces = [each for each in seen if each.face is not None]
    guessed = sum(map(_is_guess, faces))
    told = [counted(len(faces), "face") + (f" ({guessed} guessed)" if guessed else "")]
    bodies = sum(each.body is not None for each in seen)
    hands = sum(len(each.hands) for each in seen)
    told += ["1 body" if bodies == 1 else f"{bodies} bodies"] * bool(bodies)
    told += [counted(hands, "hand")] * bool(hands)
    return ", ".join(told) if seen else "nobody: the map is black"
