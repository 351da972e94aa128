"""Edges that fade in, by how deep in a mask each pixel lies; and rings around them.

A window is a part of a picture: where a mask reaches the window's border, it goes on beyond it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..pixels.distance import depth
from ..pixels.window import VISIBLE


def feathered(mask: Tensor, pixels: float) -> Tensor:
    """`mask` (h, w) fading in over its outer `pixels`: nowhere above it, and 0 where it is 0."""
    if pixels <= 0:
        return mask
    share = (depth(mask > VISIBLE, pixels + 1) - 0.5).clamp_(min=0) / pixels
    return _eased(share) * mask


def square(size: tuple[int, int], pixels: float, device: torch.device | str = "cpu") -> Tensor:
    """1 in the middle of a patch of `size`, fading to 0 at its four sides over `pixels`."""
    if pixels <= 0:
        return torch.ones(size, device=device)
    down, across = (_fade(length, pixels, device) for length in size)
    return down[:, None] * across


def _fade(length: int, pixels: float, device: torch.device | str) -> Tensor:
    place = torch.arange(length, device=device, dtype=torch.float32) + 0.5
    return _eased(torch.minimum(place, length - place) / pixels)


def _eased(share: Tensor) -> Tensor:
    """A step from 0 to 1 without corners, as `share` goes from 0 to 1."""
    share = share.clamp(0, 1)
    return share.square() * (3 - 2 * share)


def ring(mask: Tensor, width: float) -> Tensor:
    """Weights (h, w) of the band around the edge of `mask`, `width` pixels to either side.

    1 at the edge and falling; all 0 where the mask has no edge or `width` is 0.
    """
    inside = mask >= 0.5
    if width <= 0 or not inside.any() or inside.all():
        return torch.zeros_like(mask, dtype=torch.float32)
    limit = width + 1
    distance = torch.where(inside, depth(inside, limit), depth(~inside, limit)) - 0.5
    return (1 - distance / width).clamp_(min=0)
