"""The smoothest surface through given values at the edge of a region: Laplace's equation.

Each pixel of the region is tied to its four neighbours there, and for each neighbour that is
outside to the value given for the pixel itself. Solved coarse to fine, by multigrid.
Planes are (C, h, w).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

from .pyramid import double

SMALLEST = 1  # pixel a side of the coarsest grid
STEPS = 8  # on the coarsest grid
DAMPING = 0.8  # of Jacobi's step: what smooths best in the plane


@dataclass(frozen=True, eq=False)
class Grid:
    inside: Tensor  # (h, w), 1 or 0
    ties: Tensor  # (h, w), how firmly each pixel is held to its given value
    pulls: Tensor  # (C, h, w), ties times given values
    held: Tensor  # (h, w), number of neighbours inside, plus ties
    inverse: Tensor  # (h, w), 1 / held; 0 outside


def membrane(values: Tensor, inside: Tensor) -> Tensor:
    """Planes that equal `values` (C, h, w) along the edge of `inside` (h, w), bool, smooth within.

    0 outside. The border of the window is no edge; a region that fills it all has none, and 0
    everywhere.
    """
    grids = [_finest(values, inside)]
    while max(grids[-1].inside.shape) > SMALLEST:
        grids.append(_coarser(grids[-1], len(grids) - 1))
    surface = torch.zeros_like(grids[-1].pulls)
    for level in range(len(grids) - 1, -1, -1):
        grid = grids[level]
        if level + 1 < len(grids):
            surface = _spread(surface, grids[level + 1].inside, grid)
        surface = _cycle(surface, grid.pulls, grids[level:])
    return surface


def _grid(inside: Tensor, ties: Tensor, pulls: Tensor) -> Grid:
    held = _neighbours(inside[None])[0] + ties
    return Grid(inside, ties, pulls, held, inside / held.clamp(min=1e-6))


def _finest(values: Tensor, inside: Tensor) -> Grid:
    solid = inside.float()
    ties = (_neighbours(torch.ones_like(solid)[None]) - _neighbours(solid[None]))[0] * solid
    return _grid(solid, ties, values * ties)


def _coarser(grid: Grid, level: int) -> Grid:
    """Half as many pixels a side.

    In a whole pixel a tie reaches from the centre to just past the edge, and is weaker the longer
    it is; a pixel that is partly outside is at the edge, and its ties stay as firm as they were.
    """
    reach = 2.0**-level
    weaker = (1 + reach) / (2 + reach)
    whole, ties, *pulls = _sums(torch.cat([grid.inside[None], grid.ties[None], grid.pulls]))
    firmness = torch.where(whole == 4, weaker, 1.0)
    return _grid((whole > 0).float(), ties * firmness, torch.stack(pulls) * firmness)


def _cycle(surface: Tensor, pulls: Tensor, grids: list[Grid]) -> Tensor:
    """One multigrid cycle nearer to the solution for `pulls`; `surface` is used up."""
    grid, *coarser = grids
    if not coarser:
        return _relax(surface, pulls, grid, STEPS)
    surface = _relax(surface, pulls, grid, 1)
    error = _neighbours(surface).add_(pulls).addcmul_(surface, grid.held, value=-1)
    error *= grid.inside
    start = torch.zeros_like(coarser[0].pulls)
    correction = _cycle(start, _sums(error), coarser)
    surface.addcmul_(double(correction, grid.inside.shape), grid.inside)
    return _relax(surface, pulls, grid, 2)


def _relax(surface: Tensor, pulls: Tensor, grid: Grid, steps: int) -> Tensor:
    for _ in range(steps):
        settled = _neighbours(surface).add_(pulls).mul_(grid.inverse)
        surface.lerp_(settled, DAMPING)
    return surface


def _neighbours(planes: Tensor) -> Tensor:
    """The sum of the four neighbours of each pixel; 0 beyond the border."""
    total = torch.zeros_like(planes)
    total[:, 1:] += planes[:, :-1]
    total[:, :-1] += planes[:, 1:]
    total[:, :, 1:] += planes[:, :, :-1]
    total[:, :, :-1] += planes[:, :, 1:]
    return total


def _sums(planes: Tensor) -> Tensor:
    """Over 2x2 pixels."""
    return functional.avg_pool2d(planes[None], 2, ceil_mode=True, divisor_override=1)[0]


def _spread(surface: Tensor, inside: Tensor, grid: Grid) -> Tensor:
    """A coarse surface on the finer grid; what lies outside takes no part."""
    size = grid.inside.shape
    weight = double(inside[None], size)[0].clamp_(min=1e-6)
    return double(surface, size).mul_(grid.inside / weight)
