"""Masks of faces: drawn from landmarks, with what a parser saw added or taken away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, isfinite

import torch
from torch import Tensor

from .blending.feather import feathered
from .face import FEW, Face, Faces
from .geometry import compose, invert, shift, transform_box
from .parse import FaceClass, Parsing
from .pixels.coverage import fill, gaussian, grow, reach_of
from .pixels.raster import Border, warp
from .pixels.window import Window, around, disjoint, padded, part
from .progress import Progress, ignore
from .regions import LAYERS, Outlines, Region, outlines_of
from .report import counted, shortened


@dataclass(frozen=True)
class Edge:
    """Where a mask ends. Lengths are pixels, or shares of the longer side of the face's box."""

    grow: float = 0.0  # outwards; below 0 inwards
    feather: float = 0.0  # how wide the soft edge is; it lies inside
    shares: bool = False

    def __post_init__(self):
        if not isfinite(self.grow):
            raise ValueError(f"grow is {self.grow:g}: give a number")
        if not 0 <= self.feather < float("inf"):
            raise ValueError(f"feather is {self.feather:g}: choose 0 or more")

    def of(self, face: Face, longest: float) -> Edge:
        """In pixels, `longest` at most: what is longer than a frame is as good as that."""
        unit = max(face.width, face.height) if self.shares else 1.0
        if not isfinite(unit):
            raise ValueError(f"its box {face.box} has no size")
        grow, feather = self.grow * unit, self.feather * unit
        return Edge(max(min(grow, longest), -longest), min(feather, longest))


@dataclass(frozen=True, eq=False)
class Parts:
    """What a parser saw, and what of it is put into the masks or kept out of them.

    What is kept out stays free however far a mask grows, but for the background: inside of a face
    it is what covers the face, such as a hand, and is taken away; outside, all is background.
    """

    parsing: Parsing
    add: tuple[FaceClass, ...] = ()
    subtract: tuple[FaceClass, ...] = ()


@dataclass(frozen=True, eq=False)
class Drawn:
    masks: Tensor  # (N, H, W), 1 is covered
    frames: tuple[int, ...]  # the frame of each mask
    shares: tuple[float, ...]  # how much of its frame each mask covers, 0..1
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Seen:
    """Of one face: what a parser adds and takes away, each (h, w) on the parser's crop."""

    matrix: Tensor  # from the picture to the crop
    added: Tensor | None
    removed: Tensor | None
    kept_out: Tensor | None  # what is removed, but for the background


def face_masks(
    faces: Faces,
    regions: Sequence[Region],
    edge: Edge = Edge(),
    together: bool = True,
    softness: float = 0.0,
    parts: Parts | None = None,
    progress: Progress = ignore,
) -> Drawn:
    """One mask for each frame, or for each face in their order, of all the regions at once.

    A frame without a face gets an empty mask, but for the whole picture; so does a batch without
    any, once. `softness` is the mask blur of `gaussian`, which comes last.
    """
    if not regions and not (parts and parts.add):
        raise ValueError("no region is chosen: choose at least one, such as 'face and forehead'")
    seen = [None] * len(faces) if parts is None else list(_seen(faces, parts))
    frames = range(faces.frames) if together else [face.frame for face in faces] or [0]
    if Region.PICTURE in regions:
        whole = torch.ones(len(frames), *faces.size)
        return Drawn(whole, tuple(frames), (1.0,) * len(frames), faces.notes)
    masks = torch.zeros(len(frames), *faces.size)
    frame = (0, 0, faces.size[1], faces.size[0])
    touched: list[list[Window]] = [[] for _ in frames]
    guessed: list[int] = []
    for index, face in enumerate(faces):
        outlines, measured, own = _outlined(face, index, edge, faces.size)
        guessed += [] if measured else [index]
        target = face.frame if together else index
        drawn = _draw(outlines, regions, own, faces.size, seen[index])
        if drawn is not None:
            window, mask = drawn
            below = part(masks[target], frame, window)
            torch.maximum(below, mask, out=below)
            touched[target].append(window)
        progress(index + 1, len(faces))
    shares = tuple(
        _soften(mask, windows, softness) for mask, windows in zip(masks, touched, strict=True)
    )
    return Drawn(masks, tuple(frames), shares, _notes(faces, guessed))


def describe_masks(drawn: Drawn) -> str:
    """A line of totals, the notes, then a line for every mask."""
    number, height, width = drawn.masks.shape
    lines = [f"{counted(number, 'mask')} of {width} x {height} px", *drawn.notes]
    for index, (frame, share) in enumerate(zip(drawn.frames, drawn.shares, strict=True)):
        covers = f"covers {share:.2%} of the picture" if share else "is empty"
        lines.append(f"{index}: frame {frame}, {covers}")
    return shortened(lines)


def _outlined(
    face: Face, index: int, edge: Edge, size: tuple[int, int]
) -> tuple[Outlines, bool, Edge]:
    """The outlines, whether they were measured, and the edge in pixels."""
    try:
        return *outlines_of(face), edge.of(face, sum(size))
    except ValueError as problem:
        raise ValueError(
            f"face {index} (frame {face.frame}) cannot be masked: {problem}. Leave it out with "
            "Select Faces, or take its landmarks from Refine Landmarks."
        ) from problem


def _draw(
    outlines: Outlines,
    regions: Sequence[Region],
    edge: Edge,
    size: tuple[int, int],
    seen: _Seen | None,
) -> tuple[Window, Tensor] | None:
    """The mask of one face in the part of the frame that it touches; None if that is nothing."""
    layers = [
        (polygon, bool(covering & set(regions)))
        for polygons, covering in LAYERS
        for polygon in polygons(outlines)
    ]
    boxes = [_box(polygon) for polygon, covered in layers if covered]
    if seen is not None and seen.added is not None:
        height, width = seen.added.shape
        boxes.append(transform_box((0, 0, width - 1, height - 1), invert(seen.matrix)))
    frame = (0, 0, size[1], size[0])
    # Beyond the frame a mask is drawn as far as it can reach back into it.
    beyond = ceil(abs(edge.grow) + edge.feather) + 2
    window = around(boxes, max(edge.grow, 0) + 2, padded(frame, beyond))
    inside = window and around([window], 0, frame)
    if not window or not inside:
        return None
    mask = torch.zeros(window[3] - window[1], window[2] - window[0])
    for polygon, covered in layers:
        here = around([_box(polygon)], 2, window)
        if here:
            below = part(mask, window, here)
            cover = fill(polygon, here)
            below.copy_(torch.maximum(below, cover) if covered else below * (1 - cover))
    return inside, part(_finish(mask, edge, window, seen), window, inside)


def _finish(mask: Tensor, edge: Edge, window: Window, seen: _Seen | None) -> Tensor:
    """With what the parser saw, grown and feathered."""
    added = removed = kept_out = None
    if seen is not None:
        here = compose(shift(-window[0], -window[1]), invert(seen.matrix))
        added, removed, kept_out = (
            None if each is None else warp(each, here, tuple(mask.shape), Border.BLACK)
            for each in (seen.added, seen.removed, seen.kept_out)
        )
    mask = mask if added is None else torch.maximum(mask, added)
    mask = mask if removed is None else torch.minimum(mask, 1 - removed)
    mask = grow(mask, edge.grow)
    mask = mask if kept_out is None else torch.minimum(mask, 1 - kept_out)
    return feathered(mask, edge.feather)


def _soften(mask: Tensor, windows: list[Window], softness: float) -> float:
    """Blur a whole mask (H, W) where something was drawn; returns how much of it is covered."""
    frame = (0, 0, mask.shape[1], mask.shape[0])
    covered = 0.0
    for window in disjoint([around([each], reach_of(softness), frame) for each in windows]):
        here = part(mask, frame, window)
        if softness > 0:
            here.copy_(gaussian(here, softness))
        covered += float(here.sum())
    return covered / mask.numel()


def _seen(faces: Faces, parts: Parts) -> Iterator[_Seen]:
    """Of every face what its parsing says; faces are told by their frame and their box."""
    parsing = parts.parsing
    numbers = {(face.frame, face.box): number for number, face in enumerate(parsing.faces)}
    missing = [index for index, face in enumerate(faces) if (face.frame, face.box) not in numbers]
    if missing or (parsing.faces.frames, parsing.faces.size) != (faces.frames, faces.size):
        listed = ", ".join(map(str, missing[:FEW])) or "of other pictures"
        raise ValueError(
            f"the parsing does not know all of the faces ({listed}): give Parse Face and Face Mask "
            "the same faces, of the same pictures"
        )
    kept_out = [name for name in parts.subtract if name is not FaceClass.BACKGROUND]
    seen = [
        parsing.patch_masks(names).cpu() if names else None
        for names in (parts.add, parts.subtract, kept_out)
    ]
    for face in faces:
        number = numbers[face.frame, face.box]
        here = (None if each is None else each[number] for each in seen)
        yield _Seen(parsing.crops.cut[number].matrix, *here)


def _notes(faces: Faces, guessed: list[int]) -> tuple[str, ...]:
    if not len(faces):
        return (*faces.notes, "no face: nothing is masked")
    if not guessed:
        return faces.notes
    listed = ", ".join(map(str, guessed[:FEW])) + (", ..." if len(guessed) > FEW else "")
    note = (
        f"face {listed}: drawn by the mean shape, which its five points place. For its own outline "
        "take landmarks from Refine Landmarks, an insightface pack or core's face landmarks"
    )
    return (*faces.notes, note)


def _box(polygon: Tensor) -> tuple[float, float, float, float]:
    return (*polygon.amin(0).tolist(), *polygon.amax(0).tolist())
