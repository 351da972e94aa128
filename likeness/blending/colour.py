"""Lab, and giving a patch the colours of the place it came from.

Lab is CIE L*a*b* of sRGB under daylight (D65, 2 degrees): L in 0..100, a and b about -100..100.
The curves go on below 0 and above 1, so that no colour is lost on the way there and back.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
WHITE = (0.95047, 1.0, 1.08883)
LAB = ((0.0, 116.0, 0.0), (500.0, -500.0, 0.0), (0.0, 200.0, -200.0))
LIFT = 16 / 116
CELLS = 128  # a patch is looked at through about so many cells a side: colour, not grain
PLAIN = 0.05  # variance in Lab that even a flat surface is taken to have
MOST = 3.0  # contrast is changed by this factor or its inverse at most


def to_lab(rgb: Tensor) -> Tensor:
    """(..., 3) sRGB in 0..1 to Lab."""
    linear = torch.where(rgb > 0.04045, ((rgb.clamp(min=0) + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    ratio = _through(linear, _cone().to(rgb))
    root = ratio.clamp(min=0.008) ** (1 / 3)
    bent = torch.where(ratio > 0.008856, root, 7.787 * ratio + LIFT)
    lab = _through(bent, rgb.new_tensor(LAB))
    lab[..., 0] -= 16
    return lab


def to_rgb(lab: Tensor) -> Tensor:
    """(..., 3) Lab to sRGB; colours that a screen has not come out below 0 or above 1."""
    lab = lab.clone()
    lab[..., 0] += 16
    bent = _through(lab, torch.linalg.inv(torch.tensor(LAB, dtype=torch.float64)).to(lab))
    ratio = torch.where(bent > 0.2068966, bent**3, (bent - LIFT) / 7.787)
    linear = _through(ratio, torch.linalg.inv(_cone()).to(lab))
    curved = 1.055 * linear.clamp(min=0.003) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, curved, 12.92 * linear)


def _cone() -> Tensor:
    """From linear RGB to X, Y, Z as shares of white."""
    return (
        torch.tensor(XYZ, dtype=torch.float64) / torch.tensor(WHITE, dtype=torch.float64)[:, None]
    )


def _through(colours: Tensor, matrix: Tensor) -> Tensor:
    return colours @ matrix.T


def match_colour(patch: Tensor, original: Tensor, weights: Tensor, strength: float) -> Tensor:
    """`patch` (h, w, 3) with the mean and spread of colour that `original` has under `weights`.

    Of all changes of mean and covariance in Lab this is the one that moves colours least. Where
    `weights` (h, w) is 0, or either picture is no number, neither is looked at; where that is so
    everywhere, nothing changes.
    """
    if strength == 0:
        return patch
    known = (patch.isfinite() & original.isfinite()).all(dim=2)
    weights = torch.where(known, weights, 0)
    seen = [_averaged(image, weights) for image in (patch, original)]
    shares = seen[0][1]
    if shares.sum() == 0:
        return patch
    (mean, spread), (aim, aimed) = (_moments(colours, shares) for colours, _ in seen)
    change = torch.lerp(torch.eye(3, dtype=torch.float64), _transport(spread, aimed), strength)
    shift = mean + strength * (aim - mean) - change @ mean
    lab = to_lab(patch) @ change.T.to(patch) + shift.to(patch)
    return to_rgb(lab)


def _averaged(image: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Lab (N, 3) of the cells that have weight, and their weights (N,), on the CPU in float64."""
    step = max(1, min(weights.shape) // CELLS)
    weighed = torch.where(weights[..., None] > 0, image * weights[..., None], 0)
    stack = torch.cat([weighed, weights[..., None]], dim=2).movedim(2, 0)[None]
    cells = functional.avg_pool2d(stack, step, ceil_mode=True)[0].flatten(1).T
    cells = cells[cells[:, 3] > 0].double().cpu()
    shares = cells[:, 3]
    return to_lab(cells[:, :3] / shares[:, None]), shares


def _moments(colours: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
    shares = shares / shares.sum()
    mean = shares @ colours
    away = colours - mean
    plain = PLAIN * torch.eye(3, dtype=colours.dtype)
    return mean, away.T @ (away * shares[:, None]) + plain


def _transport(spread: Tensor, aim: Tensor) -> Tensor:
    """The symmetric matrix T with T spread T = aim, its factors kept within reason."""
    root = _power(spread, 0.5)
    back = _power(spread, -0.5)
    change = back @ _power(root @ aim @ root, 0.5) @ back
    factors, axes = torch.linalg.eigh((change + change.T) / 2)
    return axes @ torch.diag(factors.clamp(1 / MOST, MOST)) @ axes.T


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, axes = torch.linalg.eigh(matrix)
    return axes @ torch.diag(values.clamp(min=1e-12) ** exponent) @ axes.T
