"""Reading points out of heat maps (..., h, w), which peak where the points are.

Points are (x, y) in cells of the map, cell centres at whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

REACH = 2  # cells around the highest one that a blob is fitted to
FLOOR = 0.1  # share of the peak below which a cell says nothing about it
FLAT = 1e-6  # a curvature that is none
QUARTER = 0.25


@dataclass(frozen=True, eq=False)
class Peaks:
    points: Tensor  # (..., 2) float64
    heights: Tensor  # (...), the highest cell of each map


def fitted(maps: Tensor) -> Peaks:
    """A Gaussian of any width and slant, fitted to the cells about the highest one.

    Least squares of the logarithm, each cell weighted by the square of its own value, as noise
    there counts (Guo, "A simple algorithm for fitting a Gaussian function", 2011). Exact for a
    Gaussian, also where it is cut off by the map's edge. A map without a peak keeps its cell.
    """
    cells, heights, around = _highest(maps, REACH)
    share = (around / heights[..., None, None]).flatten(-2).nan_to_num(0, 0, 0)
    weights = torch.where(share > FLOOR, share.square(), 0)
    x, y = _offsets(around)
    terms = torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y], dim=1)
    left = torch.einsum("...p,pi,pj->...ij", weights, terms, terms)
    right = torch.einsum("...p,...p,pi->...i", weights, share.clamp(min=FLOOR).log(), terms)
    ridge = 1e-9 * torch.eye(terms.shape[1]).to(left)
    _, a, b, xx, xy, yy = torch.linalg.solve(left + ridge, right).unbind(-1)
    area = 4 * xx * yy - xy * xy
    is_peak = (xx < -FLAT) & (area > FLAT)
    moved = torch.stack([xy * b - 2 * yy * a, xy * a - 2 * xx * b], dim=-1) / area[..., None]
    moved = torch.where(is_peak[..., None], moved, 0).clamp(-1, 1)
    return Peaks(cells + moved, heights)


def quartered(maps: Tensor) -> Peaks:
    """The highest cell, and a quarter towards the higher neighbour each way, as face-alignment.

    Cells at the map's edge stay whole.
    """
    cells, heights, around = _highest(maps, 1)
    slope = [around[..., 1, 2] - around[..., 1, 0], around[..., 2, 1] - around[..., 0, 1]]
    last = torch.tensor([maps.shape[-1] - 1, maps.shape[-2] - 1]).to(cells)
    inside = ((cells > 0) & (cells < last)).all(-1, keepdim=True)
    return Peaks(cells + QUARTER * inside * torch.stack(slope, dim=-1).sign(), heights)


def _highest(maps: Tensor, reach: int) -> tuple[Tensor, Tensor, Tensor]:
    """The highest cell of each map, its height, and the cells within `reach` of it; 0 outside."""
    height, width = maps.shape[-2:]
    flat = maps.double().reshape(-1, height, width)
    heights, best = flat.flatten(1).max(1)
    x, y = best % width, best // width
    wide = functional.pad(flat, (reach,) * 4)
    window = torch.arange(2 * reach + 1).to(best)
    rows = y[:, None, None] + window[:, None]
    columns = x[:, None, None] + window
    around = wide[torch.arange(len(flat)).to(best)[:, None, None], rows, columns]
    shape = maps.shape[:-2]
    cells = torch.stack([x, y], dim=1).double()
    return cells.view(*shape, 2), heights.view(shape), around.view(*shape, *around.shape[1:])


def _offsets(around: Tensor) -> tuple[Tensor, Tensor]:
    """x and y of the flattened cells, from the middle one."""
    side = around.shape[-1]
    steps = torch.arange(side).to(around) - side // 2
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return x.flatten(), y.flatten()
