"""Which picture each mask is of, what a crop of it is to show, and how it is set upright."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache

from torch import Tensor

from ..face import Face, Faces
from ..pixels.window import Window, bounds, surround
from ..progress import Progress, ignore
from .framing import turned_bounds, upright
from .painted import Layer, Painted, paint

STRAIGHT = 0.1  # degrees of a turn that is not worth a resampling


class Empty(str, Enum):
    """What is done about a mask on which nothing is painted; the values are what a user reads."""

    PASS = "leave the picture as it is"
    ERROR = "error"


@dataclass(frozen=True, eq=False)
class Aim:
    """What one crop is to show."""

    frame: int
    mask: Painted
    allowed: Tensor  # (H, W), where the picture may change
    turned: Tensor | None  # (2, 3), sets the picture upright
    box: Window  # around all that is to be seen, in the picture or in the upright one


def aims(
    images: Tensor,
    mask: Layer,
    context: Layer | None = None,
    blend: Layer | None = None,
    faces: Faces | None = None,
    empty: Empty = Empty.PASS,
    progress: Progress = ignore,
) -> tuple[list[Aim], list[str]]:
    """What to crop from `images` (B, H, W, C), and in words what is left out."""
    _require("mask", mask, images)
    pairs = pair(mask.masks, images, faces)
    for name, layer in (("context_mask", context), ("blend_mask", blend)):
        if layer is not None:
            _require(name, layer, images, len(pairs))
    painted, seen, allowed = map(_painter, (mask, context, blend))
    found: list[Aim] = []
    notes: list[str] = []
    for number, (frame, which, face) in enumerate(pairs):
        progress(number, 2 * len(pairs))  # the other half is the cutting
        here = painted(which)
        if here.box is None and empty is Empty.ERROR:
            raise ValueError(
                f"mask: mask {which} (of {len(mask.masks)}) is empty, nothing is painted on it: "
                f"paint something, or set empty to '{Empty.PASS.value}'"
            )
        if here.box is None:
            notes.append(f"mask {which} is empty, so nothing is cut from frame {frame}")
            continue
        if faces is not None and face is None:
            face = _face_under(here.box, faces, frame)
            notes += [f"no face is under mask {which}, its crop is not turned"] * (face is None)
        turned, box = _set_upright(here, seen(number), face)
        may = allowed(number) or here
        if may.box is None:
            notes.append(
                f"the blend mask of mask {which} is empty: the stitch changes nothing there"
            )
        found.append(Aim(frame, here, may.whole, turned, box))
    return found, notes


def pair(masks: Tensor, images: Tensor, faces: Faces | None) -> list[tuple[int, int, Face | None]]:
    """Frame, mask and, where the masks are of the faces one by one, face of every crop."""
    count, frames = len(masks), len(images)
    if faces is not None and _are_of(masks, faces):
        return [(face.frame, number, face) for number, face in enumerate(faces)]
    if count in (1, frames):
        return [(frame, frame % count, None) for frame in range(frames)]
    if frames == 1:
        return [(0, number, None) for number in range(count)]
    raise ValueError(
        f"mask: masks of shape {tuple(masks.shape)} cannot be dealt out to pictures of shape "
        f"{tuple(images.shape)}: give one mask for each picture, one for all, or several for a "
        "single picture"
    )


def _are_of(masks: Tensor, faces: Faces) -> bool:
    """Whether the masks are of the faces, one of each, and not of the frames."""
    if len(masks) != len(faces) or faces.frames not in (1, len(masks)):
        return len(masks) == len(faces)
    # They may as well be of the frames, or painted by hand in an order of their own.
    empty = faces.frames == 1
    boxes = map(bounds, masks)
    return all(
        _overlap(box, face.box) > 0 if box else empty
        for box, face in zip(boxes, faces, strict=True)
    )


def _face_under(box: Window, faces: Faces, frame: int) -> Face | None:
    """The face of the frame that `box` covers most of."""
    covered = [(_overlap(box, face.box), face) for face in faces.of(frame)]
    most, face = max(covered, key=lambda each: each[0], default=(0.0, None))
    return face if most > 0 else None


def _overlap(one: Window, other: tuple[float, float, float, float]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)


def _set_upright(
    mask: Painted, context: Painted | None, face: Face | None
) -> tuple[Tensor | None, Window]:
    """The turn, if any, and the box around all of both after it."""
    layers = [each for each in (mask, context) if each is not None and each.box is not None]
    if face is None or not abs(face.roll) > STRAIGHT:
        return None, surround(layer.box for layer in layers)
    turned = upright(mask.box, face.roll)
    moved = (turned_bounds(layer.whole, layer.box, turned) for layer in layers)
    return turned, surround(moved)


def _painter(layer: Layer | None) -> Callable[[int], Painted | None]:
    """Softens the masks by their numbers, each of them once; the only one serves all."""
    if layer is None:
        return lambda number: None
    softened = cache(lambda number: paint(layer.masks[number], layer.blur))
    return lambda number: softened(number % len(layer.masks))


def _require(name: str, layer: Layer, images: Tensor, count: int | None = None) -> None:
    """Refuse masks of another size than the pictures, or not 1 or `count` of them."""
    shape, pictures = tuple(layer.masks.shape), tuple(images.shape)
    if len(shape) != 3 or shape[1:] != pictures[1:3]:
        raise ValueError(
            f"{name}: a mask of shape {shape} does not fit pictures of shape {pictures}: (masks, "
            "height, width) is expected, as high and wide as they are. Resize the mask. (For a "
            "picture without alpha, Load Image gives an empty one of 64 x 64: paint a mask in its "
            "mask editor.)"
        )
    if count is not None and shape[0] not in (1, count):
        raise ValueError(
            f"{name}: there are {shape[0]} for {count} crops: give one for each, or one for all"
        )
    if not 0 <= layer.blur < float("inf"):
        raise ValueError(f"{name}: a blur of {layer.blur:g} px is none, give 0 or more")
