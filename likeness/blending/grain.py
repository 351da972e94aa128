"""The grain of a picture, put back into a patch that came out of a network too smooth.

Grain is what the smoothest blocks of a picture still hold, octave by octave and with its colour.
Planes are (C, h, w).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .pyramid import double, halve

OCTAVES = 3  # grain of about 1, 2 and 4 pixels; what is coarser is texture
BLOCK = 8  # pixels of the octave a side
FEWEST = 8  # blocks that tell anything
MOST = 4096
ALIKE = 0.25  # share of the blocks that comes nearest to the colour of the patch
SMOOTHEST = 0.25  # share of those that is looked at
CHANCE = 0.15  # variance that may be missing by chance, as a share of what there should be
STEEPEST = 2.0  # a coarser octave with more than so many times the variance is texture
PLAIN = 0.8167  # variance of plain noise without its coarser part
WHOLE = 0.9  # alpha from which on a pixel belongs to the patch alone
# Variance that plain noise made at one octave (column) has when it is taken apart into octaves
# again (row): measured on 6 megapixels, good to the last digit but one.
LEAKAGE = ((0.787, 0.0490, 0.0055), (0.0553, 0.2037, 0.0319), (0.0047, 0.0262, 0.1358))

ERASED = 1e-8  # variance in all: a fortieth of a level of 8 bits
TINY = 1e-30

Octave = tuple[Tensor, Tensor]  # the detail of one size, and the planes it was taken from


def add_grain(result: Tensor, picture: Tensor, alpha: Tensor, strength: float, seed: int) -> Tensor:
    """`result` (h, w, 3) with as much grain inside alpha (h, w) as `picture` has around it.

    Only what is missing is added, times `strength`; where alpha fades the picture's own grain is
    still there in part, and less is added. What was under alpha before counts too, where it is
    smoother: there may be nothing but hair around. What is no number does not count. The same
    `seed` gives the same grain on every device.
    """
    inside = alpha > 0
    if strength == 0 or not inside.any():
        return result
    known = (picture.isfinite() & result.isfinite()).all(dim=2)
    wanted, present = (
        _octaves(image.movedim(2, 0).contiguous().masked_fill_(~known, 0))
        for image in (picture, result)
    )
    noise = _noise(present, seed)
    grain = torch.zeros_like(noise[-1][0])
    factors = _factors(wanted, present, noise, alpha, known)
    for (plain, _), factor in zip(reversed(noise), reversed(factors), strict=True):
        if grain.shape != plain.shape:
            grain = double(grain, plain.shape[1:])
        grain += torch.tensordot(factor.to(plain), plain, 1)
    missing = (alpha * (2 - alpha)).clamp_(min=0).sqrt_() * strength
    return torch.where(inside[..., None], result + (grain * missing).movedim(0, 2), result)


def _octaves(planes: Tensor) -> list[Octave]:
    octaves = []
    for _ in range(OCTAVES):
        smaller = halve(planes)
        octaves.append((planes - double(smaller, planes.shape[1:]), planes))
        planes = smaller
    return octaves


def _noise(like: list[Octave], seed: int) -> list[Octave]:
    """Plain noise of each octave by itself, of variance 1 before its coarser part is taken out."""
    generator = torch.Generator().manual_seed(seed)
    octaves = []
    for detail, _ in like:
        planes = torch.randn(detail.shape, generator=generator).to(detail.device)
        octaves.append((planes - double(halve(planes), planes.shape[1:]), planes))
    return octaves


def _factors(
    wanted: list[Octave],
    present: list[Octave],
    noise: list[Octave],
    alpha: Tensor,
    known: Tensor,
) -> list[Tensor]:
    """For each octave the matrix (3, 3) that makes the missing grain of plain noise.

    What the smoothest blocks hold is less than the mean of all; the same blocks of the plain noise
    tell by how much. An octave whose blocks are too large for the window is taken to hold what
    plain noise would: a quarter of the variance of the finer one.
    """
    missing, last = [], torch.zeros(3, 3, dtype=torch.float64)
    around = ((alpha == 0) & known).float()[None]
    whole = ((alpha >= WHOLE * alpha.max()) & known).float()[None]
    for ours, theirs, plain in zip(wanted, present, noise, strict=True):
        tone = (theirs[1] * whole).sum((1, 2)) / whole.sum().clamp(min=1)
        finer, last = last, last / 4
        target = _smoother(_grain(ours, around, tone), _grain(ours, whole, tone))
        here, unit = _grain(theirs, whole, tone), _grain(plain, whole, torch.zeros_like(tone))
        if target is not None and here is not None and unit is not None:
            last = _missing(target, here) * (PLAIN / (unit.trace() / 3))
            if missing:
                last = last * (STEEPEST * finer.trace() / last.trace().clamp(min=TINY)).clamp(max=1)
        missing.append(last)
        around, whole = halve(around), halve(whole)
    apart = torch.linalg.inv(torch.tensor(LEAKAGE, dtype=torch.float64))
    return [_root(each) for each in torch.tensordot(apart, torch.stack(missing), 1)]


def _smoother(around: Tensor | None, below: Tensor | None) -> Tensor | None:
    """The lesser grain; what was erased below, to one colour, tells nothing."""
    if around is None or below is None:
        return below if around is None else around
    return below if ERASED < below.trace() < around.trace() else around


def _missing(wanted: Tensor, present: Tensor) -> Tensor:
    """The covariance that has to be added; 0 where it may be missing by chance."""
    root = _root(wanted - present)
    missing = root @ root
    return torch.zeros_like(missing) if missing.trace() <= CHANCE * wanted.trace() else missing


def _root(covariance: Tensor) -> Tensor:
    values, axes = torch.linalg.eigh(covariance)
    return axes @ torch.diag(values.clamp(min=0).sqrt()) @ axes.T


def _grain(octave: Octave, region: Tensor, tone: Tensor) -> Tensor | None:
    """Covariance (3, 3) of the smoothest blocks in the region (1, h, w) that have about this tone.

    On the CPU in float64; None where there are too few blocks to tell.
    """
    detail, planes = octave
    at = _cut(region).amin((0, 2, 4)).eq(1).nonzero()
    if len(at) < FEWEST:
        return None
    rows, columns = at[:: -(-len(at) // MOST)].unbind(1)
    detail, planes = (_cut(each)[:, rows, :, columns].flatten(2) for each in (detail, planes))
    spreads = detail @ detail.mT / detail.shape[2]
    alike = (planes.mean(2) - tone).square().sum(1).argsort()
    spreads = spreads[alike[: max(FEWEST, round(len(alike) * ALIKE))]]
    smoothest = spreads.diagonal(dim1=1, dim2=2).sum(1).argsort()
    chosen = smoothest[: max(FEWEST, round(len(smoothest) * SMOOTHEST))]
    return spreads[chosen].double().mean(0).cpu()


def _cut(planes: Tensor) -> Tensor:
    """(C, rows, BLOCK, columns, BLOCK), what fits of it."""
    rows, columns = (side // BLOCK for side in planes.shape[1:])
    fitting = planes[:, : rows * BLOCK, : columns * BLOCK]
    return fitting.unflatten(1, (rows, BLOCK)).unflatten(3, (columns, BLOCK))
