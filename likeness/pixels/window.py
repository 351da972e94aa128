"""Rectangles of whole pixels (x0, y0, x1, y1) in which a picture is worked on; ends are outside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, floor

from torch import Tensor

Window = tuple[int, int, int, int]

VISIBLE = 0.5 / 255  # less of a mask than this changes no pixel of an 8-bit picture


def around(boxes: Iterable[Sequence[float]], margin: float, limits: Window) -> Window | None:
    """All pixels that the boxes and a margin touch, within limits; None if that is nothing."""
    x0, y0, x1, y1 = surround(boxes)
    left, top = max(floor(x0 - margin), limits[0]), max(floor(y0 - margin), limits[1])
    right, bottom = min(ceil(x1 + margin), limits[2]), min(ceil(y1 + margin), limits[3])
    return (left, top, right, bottom) if left < right and top < bottom else None


def surround(boxes: Iterable[Sequence[float]]) -> tuple:
    """The smallest box around all of them."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def bounds(mask: Tensor) -> Window | None:
    """The box around all of `mask` (H, W) that shows; None when nothing does."""
    rows = _most(mask, 1) > VISIBLE
    if not rows.any():
        return None
    y0, y1 = _ends(rows)
    x0, x1 = _ends(_most(mask[y0:y1], 0) > VISIBLE)
    return x0, y0, x1, y1


def _most(mask: Tensor, axis: int) -> Tensor:
    """The largest number along an axis; what is none does not count."""
    most = mask.amax(dim=axis)
    return mask.nan_to_num(0.0).amax(dim=axis) if most.isnan().any() else most


def _ends(marked: Tensor) -> tuple[int, int]:
    places = marked.nonzero()
    return int(places[0]), int(places[-1]) + 1


def padded(window: Window, pixels: int) -> Window:
    x0, y0, x1, y1 = window
    return x0 - pixels, y0 - pixels, x1 + pixels, y1 + pixels


def part(image: Tensor, window: Window, inner: Window) -> Tensor:
    """The view of `inner` in an image (h, w, ...) that shows `window`."""
    x0, y0, x1, y1 = inner
    return image[y0 - window[1] : y1 - window[1], x0 - window[0] : x1 - window[0]]


def disjoint(windows: Iterable[Window]) -> list[Window]:
    """Windows around the same pixels of which no two overlap; those that do become one."""
    apart: list[Window] = []
    for window in windows:
        while touching := [each for each in apart if overlap(each, window)]:
            apart = [each for each in apart if each not in touching]
            window = surround([window, *touching])
        apart.append(window)
    return apart


def overlap(one: Window, other: Window) -> bool:
    return all(one[axis] < other[axis + 2] and other[axis] < one[axis + 2] for axis in (0, 1))
