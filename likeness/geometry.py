"""Coordinates, and the maps between a picture and a patch of it.

Images are (B, H, W, C) floats in 0..1, RGB. Points are (x, y), x to the right and y down, with
pixel centres at whole numbers, as in OpenCV. Boxes are (x0, y0, x1, y1). Sizes are (height, width).
A matrix is 2x3 float64 and maps points of the first thing named to the second.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def identity() -> Tensor:
    return torch.tensor(IDENTITY, dtype=torch.float64)


def similarity(source: Tensor, target: Tensor) -> Tensor:
    """Least-squares scale, rotation and shift taking `source` (N, 2) to `target` (N, 2).

    A similarity of the plane is one complex product and one sum: w = a z + b.
    """
    z, w = (torch.view_as_complex(p.double().contiguous()) for p in (source, target))
    z_mean, w_mean = z.mean(), w.mean()
    spread = (z - z_mean).abs().square().sum()
    if spread == 0:
        raise ValueError(f"no similarity can be fitted: all {len(z)} points are at one place")
    a = ((z - z_mean).conj() * (w - w_mean)).sum() / spread
    b = w_mean - a * z_mean
    rows = [torch.stack([a.real, -a.imag, b.real]), torch.stack([a.imag, a.real, b.imag])]
    return torch.stack(rows)


def scaling(source: tuple[int, int], target: tuple[int, int]) -> Tensor:
    """From a picture of size `source` to the same picture resized to `target`, edge to edge."""
    y, x = (after / before for before, after in zip(source, target, strict=True))
    return torch.tensor([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2]], dtype=torch.float64)


def shift(x: float, y: float) -> Tensor:
    return torch.tensor([[1, 0, x], [0, 1, y]], dtype=torch.float64)


def turn(at: tuple[float, float], degrees: float, scale: float, to: tuple[float, float]) -> Tensor:
    """Carries `at` to `to`, enlarges by `scale`, undoes a turn of `degrees`, clockwise as seen."""
    angle = math.radians(degrees)
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    linear = torch.tensor([[cosine, sine], [-sine, cosine]], dtype=torch.float64)
    start = torch.tensor(to, dtype=torch.float64) - linear @ torch.tensor(at, dtype=torch.float64)
    return torch.cat([linear, start[:, None]], dim=1)


def quarter_turns(size: tuple[int, int], turns: int) -> Tensor:
    """From a picture of `size` to the same picture turned counter-clockwise, as `np.rot90` does."""
    height, width = size
    rows = {
        0: IDENTITY,
        1: ((0, 1, 0), (-1, 0, width - 1)),
        2: ((-1, 0, width - 1), (0, -1, height - 1)),
        3: ((0, -1, height - 1), (1, 0, 0)),
    }
    return torch.tensor(rows[turns % 4], dtype=torch.float64)


def invert(matrix: Tensor) -> Tensor:
    (a, b, x), (c, d, y) = matrix.tolist()  # in plain numbers ten times as fast as in tensors
    area = a * d - b * c
    if area == 0:
        raise ValueError(f"the map {matrix.tolist()} leaves nothing of a picture: no way back")
    rows = ((d, -b, b * y - d * x), (-c, a, c * x - a * y))
    return torch.tensor([[each / area for each in row] for row in rows], dtype=torch.float64)


def compose(second: Tensor, first: Tensor) -> Tensor:
    """The map that does `first`, then `second`."""
    (a, b, x), (c, d, y) = second.tolist()
    top, bottom = first.tolist()
    rows = [
        [one * left + other * right for left, right in zip(top, bottom, strict=True)]
        for one, other in ((a, b), (c, d))
    ]
    rows[0][2] += x
    rows[1][2] += y
    return torch.tensor(rows, dtype=torch.float64)


def transform(points: Tensor, matrix: Tensor) -> Tensor:
    """`points` (..., 2) through `matrix`, in the dtype they came in."""
    moved = points.to(matrix) @ matrix[:, :2].T + matrix[:, 2]
    return moved.to(points)


def scale_of(matrix: Tensor) -> float:
    """How much larger things get; for a stretch that differs by direction, the mean of it."""
    (a, b, _), (c, d, _) = matrix.tolist()
    return math.sqrt(abs(a * d - b * c))


def transform_box(box: tuple[float, float, float, float], matrix: Tensor) -> tuple:
    """The upright box around the four moved corners of `box`."""
    x0, y0, x1, y1 = box
    (a, b, x), (c, d, y) = matrix.tolist()
    across = [a * left + b * top + x for left in (x0, x1) for top in (y0, y1)]
    down = [c * left + d * top + y for left in (x0, x1) for top in (y0, y1)]
    return min(across), min(down), max(across), max(down)
