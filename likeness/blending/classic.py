"""The soft edges that insightface and facexlib paste with, computed in the window of the patch.

Both erode a white square laid into the picture, then blur it. The square is quasi-concave: on any
rectangle it is least at one of the four corners, so no neighbourhood needs to be searched. The
window has to hold all that the patch touches, and a ring around it where the picture goes on.
"""

from __future__ import annotations

from math import isqrt, sqrt

import numpy as np
import torch
from torch import Tensor

from ..pixels.banded import apply, symmetric
from ..pixels.raster import blur, footprint, room_for

SOLID = 20 / 255  # covered by more than this is inside, for insightface
PARSED = 512  # side of the patch that facexlib parses
SOFTNESS = 11 * sqrt(2)  # of its parsed mask in such a patch: two blurs of sigma 11
SMALL_KERNELS = {  # OpenCV's, by radius; larger ones are bells
    0: (1,),
    1: (1, 2, 1),
    2: (1, 4, 6, 4, 1),
    3: (4, 14, 28, 36, 28, 14, 4),
    4: (4, 13, 30, 51, 60, 51, 30, 13, 4),
}
ROUNDING = 1e-6  # by which a blur of ones may miss 1
FRAME = 10  # pixels of it that count for nothing at every side


def insightface_alpha(
    local: Tensor, patch: tuple[int, int], window: tuple[int, int], exact_blur: bool = False
) -> Tensor:
    """INSwapper's paste mask (h, w): eroded by a tenth of the face, blurred by a twentieth.

    `local` is from the patch to the window. The size of the face is that of the box around what
    of the patch is in the picture.
    """
    mask = footprint(patch, local, window)
    extents = [(mask.amax(axis) > SOLID).nonzero() for axis in (0, 1)]
    if not len(extents[0]):
        return torch.zeros_like(mask)
    width, height = (int(inside[-1] - inside[0]) for inside in extents)
    side = isqrt(width * height)
    solid = torch.gt(mask, SOLID, out=room_for(mask))  # many times as fast as masked_fill
    eroded = _least(torch.maximum(mask, solid, out=solid), max(side // 10, 10))
    return _softened(eroded, max(side // 20, 5), exact_blur)


def facexlib_alpha(
    local: Tensor,
    patch: tuple[int, int],
    window: tuple[int, int],
    exact_blur: bool = False,
    factor: float = 1.0,
) -> Tensor:
    """FaceRestoreHelper's square mask (h, w): a twentieth of the face eroded and blurred.

    `factor` is how much larger than the picture that the patch was cut from this one is.
    """
    mask = _least(footprint(patch, local, window), int(2 * factor))
    edge = isqrt(int(mask.sum(dtype=torch.float64))) // 20
    eroded = _least(mask, 2 * edge or 3)  # an empty kernel is one of 3 x 3 to OpenCV
    return _softened(eroded, edge, exact_blur)


def facexlib_parsed(parsed: Tensor, exact_blur: bool = False) -> Tensor:
    """FaceRestoreHelper's parsed mask of a patch (h, w): softened, nothing at the outer edge."""
    share = max(parsed.shape) / PARSED
    soft = blur(parsed, SOFTNESS * share, reduced=not exact_blur)
    frame = round(FRAME * share)
    inner = torch.zeros_like(soft)
    inside = (slice(frame, soft.shape[0] - frame), slice(frame, soft.shape[1] - frame))
    inner[inside] = soft[inside]
    return inner


def _least(mask: Tensor, side: int) -> Tensor:
    """The least within a box of `side` pixels, off centre where that is even, as OpenCV's erode.

    True of masks without a dent or a hole: the least corner is taken. The mask is used up.
    """
    before, after = side // 2, side - 1 - side // 2
    across = _lesser(mask.T, before, after, room_for(mask).T)
    return _lesser(across.T, before, after, mask)


def _lesser(mask: Tensor, before: int, after: int, into: Tensor) -> Tensor:
    """The lesser of each pixel's neighbours so many rows before and after, or of the last ones."""
    length = len(mask)
    if before + after >= length:
        rows = torch.arange(length, device=mask.device)
        first, last = (rows - before).clamp(min=0), (rows + after).clamp(max=length - 1)
        return torch.minimum(mask[first], mask[last], out=into)
    inside = length - before - after
    torch.minimum(mask[:1], mask[after : after + before], out=into[:before])
    torch.minimum(mask[:inside], mask[before + after :], out=into[before : length - after])
    torch.minimum(mask[inside : inside + after], mask[-1:], out=into[length - after :])
    return into


def _softened(mask: Tensor, radius: int, exact: bool) -> Tensor:
    """With the kernel that OpenCV takes for this radius."""
    if radius in SMALL_KERNELS:
        weights = np.array(SMALL_KERNELS[radius]) / sum(SMALL_KERNELS[radius])
        for axis in (0, 1):
            mask = apply(mask, symmetric(mask.shape[axis], weights), axis)
        return mask
    soft = blur(mask, 0.3 * (radius - 1) + 0.8, radius, reduced=not exact)
    return soft.mul_(1 + ROUNDING).clamp_(max=1)
