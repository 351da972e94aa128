"""How deep in a shape each pixel lies."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor


def depth(inside: Tensor, limit: float) -> Tensor:
    """Distance of each pixel of `inside` (h, w), bool, to the nearest one outside, in pixels.

    Pixels outside have 0. What is deeper than `limit` is told as `limit`.
    """
    if inside.device.type != "cpu":
        return _depth_by_rows(inside, limit)
    import cv2

    shape = np.ascontiguousarray(inside.numpy()).view(np.uint8)
    distances = cv2.distanceTransform(shape, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return torch.from_numpy(distances).clamp_(max=limit)


def _depth_by_rows(inside: Tensor, limit: float) -> Tensor:
    """The same as `depth`, in whole-picture steps: along the rows, then across them."""
    width = inside.shape[1]
    far = width + limit
    column = torch.arange(width, device=inside.device, dtype=torch.float32).expand(inside.shape)
    before = torch.where(inside, -far, column).cummax(1).values
    after = torch.where(inside, width + far, column).flip(1).cummin(1).values.flip(1)
    along = torch.minimum(column - before, after - column).clamp_(max=limit).square_()
    nearest = along.clone()
    for step in range(1, min(math.ceil(limit), len(inside) - 1) + 1):
        away = along + step * step
        torch.minimum(nearest[step:], away[:-step], out=nearest[step:])
        torch.minimum(nearest[:-step], away[step:], out=nearest[:-step])
    return nearest.sqrt_().clamp_(max=limit)
