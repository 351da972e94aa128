"""Which part of a picture an inpainting crop takes, by the box rule of diffusers and A1111."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from math import ceil, exp, floor, log, sqrt

import torch
from torch import Tensor

from ..geometry import shift, transform, transform_box, turn
from ..pixels.raster import Border, warp
from ..pixels.window import VISIBLE, Window, around, padded

MEGAPIXEL = 1024 * 1024  # as ComfyUI counts it
LONGEST = 4.0  # the sides of a crop whose shape follows the mask; no model draws longer strips
ROOM = 2**28  # pixels that a crop may have, or show of a picture that is smaller than that

Size = tuple[int, int]


class Target(str, Enum):
    """What size the crops get; the values are what a user reads."""

    FIXED = "fixed size"
    BUDGET = "megapixels"
    SAME = "as it is"
    DIFFUSERS = "as diffusers"


class Unit(str, Enum):
    PERCENT = "percent"  # of the longer side of the mask's box
    PIXELS = "pixels"


class Outside(str, Enum):
    """What happens where a crop would leave the picture."""

    SHIFT = "shift inside"
    MIRROR = "mirror"
    REPEAT = "repeat edge"


# A shifted crop leaves a picture that is too small for it all the same.
BORDERS = {
    Outside.SHIFT: Border.REPLICATE,
    Outside.MIRROR: Border.REFLECT,
    Outside.REPEAT: Border.REPLICATE,
}


@dataclass(frozen=True)
class Framing:
    target: Target = Target.FIXED
    width: int = 1024  # of a fixed size
    height: int = 1024
    megapixels: float = 1.0
    multiple: int = 8  # of which the sides are, where they follow the mask
    padding: float = 50.0
    unit: Unit = Unit.PERCENT
    outside: Outside = Outside.SHIFT

    def __post_init__(self):
        limits = {
            "width": (8, 16384),
            "height": (8, 16384),
            "megapixels": (0.01, 64.0),
            "multiple": (1, 512),
            "padding": (0, 16384),
        }
        for name, (least, most) in limits.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name):g}: choose {least:g} to {most:g}")

    @property
    def border(self) -> Border:
        return BORDERS[self.outside]


def extent_of(picture: Tensor, matrix: Tensor | None = None) -> Window:
    """The box around all of `picture` (H, W, ...), or around what `matrix` makes of it."""
    height, width = picture.shape[:2]
    if matrix is None:
        return 0, 0, width, height
    x0, y0, x1, y1 = transform_box((-0.5, -0.5, width - 0.5, height - 0.5), matrix)
    return floor(x0 + 0.5), floor(y0 + 0.5), ceil(x1 + 0.5), ceil(y1 + 0.5)


def turned_bounds(mask: Tensor, box: Window, matrix: Tensor) -> Window:
    """The box around what shows of `mask` inside `box`, after the picture went through `matrix`."""
    x0, y0, x1, y1 = box
    marked = (mask[y0:y1, x0:x1] > VISIBLE).to(torch.uint8).cpu()
    rows = marked.amax(dim=1).nonzero()[:, 0]
    first = marked[rows].argmax(dim=1)
    last = x1 - x0 - 1 - marked[rows].flip(1).argmax(dim=1)
    ends = torch.cat([torch.stack([first - 0.5, rows], 1), torch.stack([last + 0.5, rows], 1)])
    half = torch.tensor([0.0, 0.5])
    corners = torch.cat([ends - half, ends + half]) + torch.tensor([x0, y0])
    moved = transform(corners.double(), matrix) + 0.5  # from pixel centres to pixel edges
    low, high = moved.amin(0).floor().int().tolist(), moved.amax(0).ceil().int().tolist()
    return (*low, *high)


def cut_out(picture: Tensor, box: Window, border: Border) -> Tensor:
    """`box` of `picture` (H, W, ...): a view, or a copy where the box leaves the picture."""
    x0, y0, x1, y1 = box
    height, width = picture.shape[:2]
    if min(x0, y0) >= 0 and x1 <= width and y1 <= height:
        return picture[y0:y1, x0:x1]
    return warp(picture, shift(-x0, -y0), (y1 - y0, x1 - x0), border)


def upright(box: Window, degrees: float) -> Tensor:
    """Turns the picture about the middle of `box`, which stays where it is."""
    middle = ((box[0] + box[2] - 1) / 2, (box[1] + box[3] - 1) / 2)
    return turn(middle, degrees, 1.0, middle)


def to_aspect(box: Window, width: int, height: int, limits: Window | None) -> Window:
    """Grown to the shape of `width` x `height`, and shifted so that it stays inside `limits`.

    With a picture as limits this is the rule of diffusers and A1111, to the pixel. Where there is
    too little room the box ends with it, and keeps another shape.
    """
    x0, y0, x1, y1 = box
    aspect = width / height
    if (x1 - x0) / (y1 - y0) > aspect:
        more = int((x1 - x0) / aspect - (y1 - y0))
        y0, y1 = _spread(y0, y1, more, limits and limits[1::2])
    else:
        more = int((y1 - y0) * aspect - (x1 - x0))
        x0, x1 = _spread(x0, x1, more, limits and limits[::2])
    return x0, y0, x1, y1


def with_padding(box: Window, framing: Framing, limits: Window | None) -> Window:
    """As far as `limits`, which it lies in, let it grow."""
    longer = max(box[2] - box[0], box[3] - box[1])
    share = longer / 100 if framing.unit is Unit.PERCENT else 1
    pixels = round(framing.padding * share)
    return padded(box, pixels) if limits is None else around([box], pixels, limits)


def patch_size(boxes: Sequence[Window], framing: Framing) -> Size:
    """The one size, height before width, that suits all the padded boxes."""
    height, width = SIZES[framing.target](boxes, framing)
    if height * width > ROOM:
        raise ValueError(
            f"target: a crop would be {width:,} x {height:,} px, more than fits into memory: "
            "choose less padding, or another target"
        )
    return height, width


def framed(box: Window, patch: Size, framing: Framing, limits: Window | None) -> Window:
    """The part of the picture that becomes a patch of that size, without a change of shape.

    It is as large as the patch when the target is "as it is". It leaves the limits only where they
    are too narrow.
    """
    height, width = patch
    if framing.target is Target.SAME:
        return _to_size(_to_size(box, patch, limits), patch, None)
    box = to_aspect(box, width, height, limits)
    return box if framing.target is Target.DIFFUSERS else to_aspect(box, width, height, None)


def require_memory(boxes: Sequence[Window], picture: Tensor) -> None:
    """Refuse boxes far larger than `picture` (H, W, ...): most of each would be made up."""
    height, width = picture.shape[:2]
    for x0, y0, x1, y1 in boxes:
        if (x1 - x0) * (y1 - y0) > max(ROOM, height * width):
            raise ValueError(
                f"padding: a crop would show {x1 - x0:,} x {y1 - y0:,} px about a picture of "
                f"{width:,} x {height:,} px, more than fits into memory: choose less padding, or "
                "a width and height nearer to the shape of the mask"
            )


def _to_size(box: Window, patch: Size, limits: Window | None) -> Window:
    x0, y0, x1, y1 = box
    x0, x1 = _spread(x0, x1, patch[1] - (x1 - x0), limits and limits[::2])
    y0, y1 = _spread(y0, y1, patch[0] - (y1 - y0), limits and limits[1::2])
    return x0, y0, x1, y1


def _spread(low: int, high: int, more: int, limits: tuple[int, int] | None) -> tuple[int, int]:
    """`more` pixels longer, half on either side; inside the limits, and shorter if they are."""
    low, high = low - more // 2, high + more - more // 2
    if limits is None:
        return low, high
    least, most = limits
    over = max(high - most, 0)
    low, high = low - over, high - over
    under = max(least - low, 0)
    return low + under, min(high + under, most)


def _budget(boxes: Sequence[Window], framing: Framing) -> Size:
    """The area is given, the shape is the mean of the boxes'."""
    shapes = [log((x1 - x0) / (y1 - y0)) for x0, y0, x1, y1 in boxes] or [0.0]
    aspect = min(max(exp(sum(shapes) / len(shapes)), 1 / LONGEST), LONGEST)
    height = sqrt(framing.megapixels * MEGAPIXEL / aspect)
    nearest = (round(side / framing.multiple) for side in (height, height * aspect))
    return tuple(max(count, 1) * framing.multiple for count in nearest)


def _same(boxes: Sequence[Window], framing: Framing) -> Size:
    """As large as the largest, filled up to the multiple."""
    heights = [y1 - y0 for _, y0, _, y1 in boxes]
    widths = [x1 - x0 for x0, _, x1, _ in boxes]
    counts = (-(-max(sides, default=1) // framing.multiple) for sides in (heights, widths))
    return tuple(count * framing.multiple for count in counts)


def _fixed(boxes: Sequence[Window], framing: Framing) -> Size:
    return framing.height, framing.width


SIZES: dict[Target, Callable[[Sequence[Window], Framing], Size]] = {
    Target.FIXED: _fixed,
    Target.BUDGET: _budget,
    Target.SAME: _same,
    Target.DIFFUSERS: _fixed,
}
