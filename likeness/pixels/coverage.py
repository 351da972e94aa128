"""How much of each pixel a shape covers: polygons filled exactly, masks grown and softened."""

from __future__ import annotations

from math import floor

import numpy as np
import torch
from torch import Tensor

from .distance import depth
from .raster import blur

LEVELS = 4  # of coverage that growing tells apart
TO_EDGE = 0.43  # from a pixel's centre to its edge: 0.5 along the axes, 0.35 at 45 degrees

LARGEST = 4096  # pixels of a mask blur


def fill(polygon: Tensor, window: tuple[int, int, int, int]) -> Tensor:
    """The share of each pixel of `window` (x0, y0, x1, y1) that lies in `polygon` (n, 2), exactly.

    Along each row the edges are summed up by the area to the right of them. Where a polygon
    crosses itself all of its loops count.
    """
    x0, y0, x1, y1 = window
    height, width = y1 - y0, x1 - x0
    total = np.zeros((height, width + 2))
    corners = polygon.numpy().astype(np.float64) - (x0 - 0.5, y0 - 0.5)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        _add_edge(total, start, end)
    np.cumsum(total, axis=1, out=total)
    return torch.from_numpy(np.abs(total[:, :width])).float().clamp_(max=1)


def _add_edge(total: np.ndarray, start: np.ndarray, end: np.ndarray) -> None:
    """Cut the edge at every border between pixels, and add what each piece covers of its own.

    `total` (h, w + 2) takes the change from pixel to pixel. What lies left of it counts in full.
    """
    height, width = total.shape[0], total.shape[1] - 2
    step = end - start
    if step[1] == 0:
        return
    first, last = np.sort((np.array([0, height]) - start[1]) / step[1]).clip(0, 1)
    if not first < last:
        return
    cuts = [np.array([first, last])]
    for axis, most in ((0, width), (1, height)):
        ends = start[axis] + step[axis] * np.array([first, last])
        low, high = max(ends.min(), 0), min(ends.max(), most)
        if step[axis] != 0 and low < high:
            cuts.append((np.arange(np.ceil(low), np.floor(high) + 1) - start[axis]) / step[axis])
    along = np.sort(np.concatenate(cuts).clip(first, last))
    x, y = (start[axis] + step[axis] * along for axis in (0, 1))
    rise = np.diff(y)
    x, y = ((each[1:] + each[:-1]) / 2 for each in (x.clip(0, width), y))
    row, column = y.astype(int).clip(0, height - 1), x.astype(int)
    np.add.at(total, (row, column), rise * (1 - x + column))
    np.add.at(total, (row, column + 1), rise * (x - column))


def grow(mask: Tensor, pixels: float) -> Tensor:
    """`mask` (h, w) reaching `pixels` farther in every direction, or less far if negative.

    Round, and finer than a pixel: each level of coverage is grown by itself. What lies outside of
    the window is not known and counts for nothing.
    """
    if pixels < 0:
        return 1 - grow(1 - mask, -pixels)
    if pixels == 0:
        return mask
    levels = [(level + 0.5) / LEVELS for level in range(LEVELS)]
    grown = [
        (pixels + 0.5 + TO_EDGE - _distance(mask, level, pixels)).clamp_(0, 1) for level in levels
    ]
    return torch.maximum(torch.stack(grown).mean(0), mask)


def _distance(mask: Tensor, level: float, limit: float) -> Tensor:
    """From each pixel to the nearest one that is covered by more than `level`."""
    outside = mask <= level
    return depth(outside, limit + 1) if not outside.all() else torch.full_like(mask, limit + 1)


def gaussian(mask: Tensor, blur_by: float) -> Tensor:
    """`mask` (H, W) with A1111's mask blur: a Gaussian of that sigma, cut off where it cuts it."""
    return blur(mask, float(blur_by), reach_of(blur_by)).clamp_(0, 1)


def reach_of(blur_by: float) -> int:
    """How many pixels A1111's mask blur reaches."""
    if not 0 <= blur_by <= LARGEST:
        raise ValueError(f"a blur of {blur_by:g} px is none: choose 0 to {LARGEST}")
    return floor(2.5 * blur_by + 0.5)
