"""A picture as bands of detail, each at half the size of the one before.

Planes are (C, h, w) here. Halving means 2x2 areas, doubling is linear between their centres;
at an odd side the last area is as large as what is left.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor


def halve(planes: Tensor) -> Tensor:
    return functional.avg_pool2d(planes[None], 2, ceil_mode=True)[0]


def double(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Twice as large, cut to `size`."""
    larger = functional.interpolate(
        planes[None], scale_factor=2, mode="bilinear", align_corners=False
    )
    return larger[0, :, : size[0], : size[1]]


def shrink(mask: Tensor) -> Tensor:
    """`mask` (h, w) at half the size, and only where all that a pixel doubles to is in it."""
    for _ in range(2):
        odd = len(mask) % 2
        padded = functional.pad(mask, (0, 0, 1, 1 + odd), value=float("inf"))
        pairs = torch.minimum(padded[0::2], padded[1::2])
        mask = torch.minimum(pairs[:-1], pairs[1:]).T
    return mask


def soften(mask: Tensor) -> Tensor:
    """`mask` (h, w) fading in over its outer pixels, nowhere above it."""
    for _ in range(2):
        wide = torch.cat([mask[:1], mask, mask[-1:]])
        least = torch.minimum(torch.minimum(wide[:-2], wide[2:]), mask)
        wide = torch.cat([least[:1], least, least[-1:]])
        mask = ((wide[:-2] + wide[2:]) / 4 + least / 2).T
    return mask
