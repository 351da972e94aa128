"""Filters along one axis as banded matrices: exact on every device.

A matrix is multiplied in blocks of rows, each with only the span of the source that it reads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

BLOCK = 32  # rows
LOBES = 3  # of the Lanczos kernel


@dataclass(frozen=True, eq=False)
class Filter:
    """Row i of the result is the sum of `weight[i]` times the rows `index[i]` of the source."""

    index: np.ndarray  # (rows, taps)
    weight: np.ndarray  # (rows, taps)


def apply(image: Tensor, kernel: Filter, axis: int) -> Tensor:
    """`image` float32, filtered along `axis`."""
    moved = image.movedim(axis, 0)
    rows = moved.reshape(moved.shape[0], -1)
    result = rows.new_empty(len(kernel.index), rows.shape[1])
    for start in range(0, len(result), BLOCK):
        index = kernel.index[start : start + BLOCK]
        low, high = int(index.min()), int(index.max()) + 1
        dense = np.zeros((len(index), high - low))
        np.add.at(
            dense, (np.arange(len(index))[:, None], index - low), kernel.weight[start:][:BLOCK]
        )
        matrix = torch.from_numpy(dense).to(rows)
        torch.matmul(matrix, rows[low:high], out=result[start : start + BLOCK])
    return result.reshape(-1, *moved.shape[1:]).movedim(0, axis).contiguous()


def lanczos(before: int, after: int) -> Filter:
    """From `before` to `after` pixels edge to edge, as Pillow's LANCZOS does it."""
    scale = before / after
    stretch = max(scale, 1.0)
    centre = (np.arange(after) + 0.5) * scale
    first = np.maximum(np.trunc(centre - LOBES * stretch + 0.5), 0).astype(int)
    last = np.minimum(np.trunc(centre + LOBES * stretch + 0.5), before).astype(int)
    index = first[:, None] + np.arange((last - first).max())
    at = (index + 0.5 - centre[:, None]) / stretch
    weight = np.where(np.abs(at) < LOBES, np.sinc(at) * np.sinc(at / LOBES), 0.0)
    weight *= index < last[:, None]
    return _normalised(index, weight, before)


def enlarging(length: int, factor: int) -> Filter:
    """Between the middles of the two nearest pixels, edge to edge, `factor` times as large."""
    at = ((np.arange(length * factor) + 0.5) / factor - 0.5).clip(0, length - 1)
    first = np.floor(at).astype(int)
    weight = np.stack([first + 1 - at, at - first], axis=1)
    return _normalised(first[:, None] + np.arange(2), weight, length)


def symmetric(length: int, weights: np.ndarray) -> Filter:
    """An odd number of `weights` around each pixel; the border mirrors about the last one."""
    radius = len(weights) // 2
    index = np.arange(length)[:, None] + np.arange(-radius, radius + 1)
    return Filter(mirrored(index, length), np.broadcast_to(weights, index.shape))


def gaussian_weights(sigma: float, radius: int) -> np.ndarray:
    if sigma == 0:
        return (np.arange(-radius, radius + 1) == 0).astype(float)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return weights / weights.sum()


def mirrored(index: np.ndarray, length: int) -> np.ndarray:
    """Positions outside 0..length-1 reflected at the middle of the first and last pixel."""
    period = max(2 * (length - 1), 1)
    inside = index % period
    return np.minimum(inside, period - inside) if length > 1 else np.zeros_like(index)


def _normalised(index: np.ndarray, weight: np.ndarray, length: int) -> Filter:
    return Filter(np.minimum(index, length - 1), weight / weight.sum(axis=1, keepdims=True))
