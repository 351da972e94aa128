"""Three ways to put a patch into a picture under a soft mask: mix, bands, gradient.

A picture and its patch are (h, w, C) windows of one size, alpha is (h, w) in 0..1. Where alpha is
0 the result is the picture, bit for bit, and the patch is not looked at: it may be anything there.
Nothing is clipped to 0..1.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .membrane import membrane
from .pyramid import double, halve, shrink, soften

TINY = 1e-12
BAND = 1 << 16  # pixels that are mixed at once
KEPT = 0.35  # share of the mask's area in which even the coarsest light and colour change


def mix(picture: Tensor, patch: Tensor, alpha: Tensor) -> Tensor:
    """The patch where alpha is 1, exactly; between the two in proportion."""
    weights = alpha[..., None].expand_as(picture).contiguous()
    mixed = torch.where(weights < 1, torch.lerp(picture, patch, weights), patch)
    return torch.where(weights > 0, mixed, picture)


def mix_into(picture: Tensor, patch: Tensor, alpha: Tensor) -> None:
    """Write the mix into `picture`, which may be a view; on the CPU many times as fast.

    Of `patch` (h, w, 3 or more) the picture's channels count.
    """
    dense = picture.dtype == torch.float32 and picture.stride()[1:] == (picture.shape[2], 1)
    if picture.device.type == "cpu" and dense and picture.shape[2] == 3:
        _mix_by_opencv(picture.numpy(), patch.numpy(), alpha.numpy())
    else:
        mixed = mix(picture.float(), patch[..., : picture.shape[2]], alpha).to(picture.dtype)
        picture.copy_(torch.where(alpha[..., None] > 0, mixed, picture))


def _mix_by_opencv(picture: np.ndarray, patch: np.ndarray, alpha: np.ndarray) -> None:
    """In bands of rows that stay in the processor's cache, where alpha is not 0."""
    import cv2

    rows = max(1, BAND // max(1, picture.shape[1]))
    for row in range(0, len(picture), rows):
        share = alpha[row : row + rows]
        for columns, whole in _spans(share):
            here = picture[row : row + rows, columns]
            if whole:
                here[...] = _colours(patch[row : row + rows, columns])
                continue
            there = _colours(patch[row : row + rows, columns])
            part = np.ascontiguousarray(share[:, columns])
            mixed = cv2.multiply(cv2.subtract(there, here), cv2.merge([part] * 3))
            cv2.add(here, mixed, dst=mixed)
            # Not by cv2.compare, which refuses a single pixel.
            cv2.copyTo(there, (part >= 1).view(np.uint8), mixed)
            cv2.copyTo(mixed, (part > 0).view(np.uint8), here)


def _colours(patch: np.ndarray) -> np.ndarray:
    import cv2

    dense = np.ascontiguousarray(patch)
    return cv2.cvtColor(dense, cv2.COLOR_RGBA2RGB) if dense.shape[2] == 4 else dense


def _spans(share: np.ndarray) -> list[tuple[slice, bool]]:
    """The columns in which `share` (h, w) is not 0, and whether it is 1 in all of them."""
    some = np.flatnonzero(share.max(axis=0) > 0)
    if not len(some):
        return []
    first, last = int(some[0]), int(some[-1]) + 1
    full = np.flatnonzero(share.min(axis=0) >= 1)
    if not len(full) or full[-1] - full[0] >= len(full):
        return [(slice(first, last), False)]
    begin, end = int(full[0]), int(full[-1]) + 1
    parts = ((first, begin, False), (begin, end, True), (end, last, False))
    return [(slice(left, right), whole) for left, right, whole in parts if left < right]


def bands(picture: Tensor, patch: Tensor, alpha: Tensor) -> Tensor:
    """Fine detail changes at the edge of alpha, coarse light and colour gradually farther inside.

    A Laplacian pyramid of the difference, each band under a mask of its own softness. Beyond the
    mask the difference is taken to go on as it is at the edge.
    """
    inside = alpha > 0
    *finer, (coarsest, known, weight) = _levels(_planes(patch - picture, inside), alpha)
    changed, whole = coarsest * weight, _continued(coarsest, known)
    for planes, known, weight in reversed(finer):
        smooth = double(whole, weight.shape)
        detail = torch.sub(planes, smooth).mul_(known)
        whole = smooth.add_(detail)
        changed = double(changed, weight.shape).addcmul_(detail, weight)
    return torch.where(inside[..., None], picture + changed.movedim(0, 2), picture)


def _continued(planes: Tensor, known: Tensor) -> Tensor:
    """With values beside what is known, too: as far as doubling looks."""
    around, amount = (double(halve(each), known.shape) for each in (planes * known, known[None]))
    return torch.where(known > 0, planes, around / amount.clamp(min=TINY))


def _levels(difference: Tensor, alpha: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Of each level the mean difference (C, h, w), where it is known, and its mask (h, w).

    As many as leave enough of the mask's area to the coarsest.
    """
    levels = [(difference, (alpha > 0).float(), alpha)]
    weighed, amount, mask = difference * alpha, alpha, alpha
    while max(mask.shape) > 1:
        weighed, amount = halve(weighed), halve(amount[None])[0]
        mask = shrink(mask)
        weight = soften(soften(mask))
        if weight.mean() < KEPT * amount.mean():
            break
        levels.append((weighed / amount.clamp(min=TINY), (amount > 0).float(), weight))
    return levels


def gradient(picture: Tensor, patch: Tensor, alpha: Tensor) -> Tensor:
    """The patch's detail in the picture's light and colour, which reach in from alpha's edge.

    What the two differ by where alpha ends is taken out, and smoothly less of it farther inside.
    Then mixed by alpha.
    """
    inside = alpha > 0
    correction = membrane(_planes(picture - patch, inside), inside).movedim(0, 2)
    return mix(picture, patch + correction, alpha)


def _planes(image: Tensor, inside: Tensor) -> Tensor:
    """(C, h, w) of an image (h, w, C), 0 outside, whatever it is there, and where it is none."""
    planes = image.movedim(2, 0).contiguous().masked_fill_(~inside, 0)
    return planes.nan_to_num_(0.0, 0.0, 0.0)
