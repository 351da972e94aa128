"""Masks as people paint them: where something shows, and softened there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..pixels.coverage import gaussian, reach_of
from ..pixels.window import Window, around, bounds
from .framing import extent_of


@dataclass(frozen=True, eq=False)
class Layer:
    """Masks (N, H, W), and the sigma in pixels of the blur that A1111 would give them."""

    masks: Tensor
    blur: float = 0.0


@dataclass(frozen=True, eq=False)
class Painted:
    whole: Tensor  # (H, W), of the picture
    box: Window | None  # around what shows of it


def paint(mask: Tensor, blur: float = 0.0) -> Painted:
    """`mask` (H, W) in 0..1 and softened; the same tensor where there is nothing to do.

    Only the surroundings of what shows are worked on.
    """
    box = bounds(mask)
    if box is None:
        return Painted(mask, None)
    reach = reach_of(blur)
    low, high = mask.aminmax()
    if not reach and low >= 0 and high <= 1:  # so no value is NaN
        return Painted(mask, box)
    x0, y0, x1, y1 = around([box], 2 * reach, extent_of(mask))  # with what mirrors at its edges
    here = mask[y0:y1, x0:x1].float().nan_to_num(0.0).clamp(0, 1)
    whole = _blank(mask)
    whole[y0:y1, x0:x1] = gaussian(here, blur) if reach else here
    inner = bounds(whole[y0:y1, x0:x1])
    if inner is None:
        return Painted(whole, None)
    return Painted(whole, (x0 + inner[0], y0 + inner[1], x0 + inner[2], y0 + inner[3]))


def _blank(mask: Tensor) -> Tensor:
    """Zeros of its size; on the CPU only what is written to takes memory."""
    if mask.device.type == "cpu":
        return torch.from_numpy(np.zeros(mask.shape, np.float32))
    return torch.zeros(mask.shape, device=mask.device)
