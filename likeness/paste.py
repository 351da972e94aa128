"""Crops put back where they were cut, with no pixel changed that was not meant to be."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import reduce
from math import log

import numpy as np
import torch
from torch import Tensor

from .alpha import allowed_by, as_classic, share_of
from .blend import CLASSIC, FEATHERED, MIXES, Blend, Method
from .blending.colour import match_colour
from .blending.feather import ring
from .blending.grain import add_grain
from .blending.mixing import mix, mix_into
from .blending.seam import against, edge_of
from .crop import Crop, Crops
from .laid import (
    Way,
    as_large_as,
    difference,
    inside_picture,
    laid,
    window_of,
)
from .pixels.raster import Border, duplicate, warp
from .pixels.threads import one_thread
from .pixels.window import Window
from .progress import Progress, ignore

RING = 0.08  # width of the ring that colours are compared on, as a share of the extent
ASPECT = 0.02  # how far a patch may be from the shape it was cut in

Sides = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Pasted:
    images: Tensor
    seams: tuple[float | None, ...]  # of each crop: the step at its edge over what it was before
    masks: Tensor | None = None  # (B, H, W): how much of each pixel is new, where it was asked for


def paste(
    images: Tensor,
    patches: Tensor,
    crops: Crops,
    way: Way = Way.REPLACE,
    blend: Blend = FEATHERED,
    masks: Tensor | None = None,
    patch_masks: Tensor | None = None,
    progress: Progress = ignore,
    keep_masks: bool = False,
) -> Pasted:
    """`images` (B, H, W, C) with the patches (N or 1, h, w, C) where the crops were cut.

    `masks` (B or 1, H, W) and `patch_masks` (N or 1, h, w) say where the picture may change; where
    they are 0, and outside the crops, it stays bit for bit. An alpha channel stays as it is.
    """
    _check(images, patches, crops, masks, patch_masks)
    # numpy's zeros cost nothing until they are written to.
    kept = torch.from_numpy(np.zeros(images.shape[:3], np.float32)) if keep_masks else None
    if not crops.cut:
        return Pasted(images, (), kept)
    result, seams = duplicate(images), []
    for number, crop in enumerate(crops.cut):
        own = None if patch_masks is None else patch_masks[number % len(patch_masks)]
        given = [] if masks is None else [masks[crop.frame % len(masks)]]
        patch = patches[number % len(patches), ..., :3]
        frame = result[crop.frame, ..., :3]
        new = None if kept is None else kept[crop.frame]
        sides = paste_into(frame, patch, crop, way, blend, given, own, new)
        seams.append(None if sides is None else against(*sides))
        progress(number + 1, len(crops.cut))
    return Pasted(result, tuple(seams), None if kept is None else kept.to(images.device))


def paste_into(
    frame: Tensor,
    patch: Tensor,
    crop: Crop,
    way: Way = Way.REPLACE,
    blend: Blend = FEATHERED,
    masks: Sequence[Tensor] = (),
    patch_mask: Tensor | None = None,
    new: Tensor | None = None,
    amount: float = 1.0,
    factor: float = 1.0,
) -> Sides | None:
    """Write one patch (h, w, 3) into `frame` (H, W, 3); returns the seam's sides.

    Those are the pixels on either side of its edge before and after, for `against`; None where it
    has no edge.

    `masks` (H, W) are of the whole frame, `patch_mask` (h, w) is of the patch. Into `new` (H, W)
    is written how much of each pixel the patch makes up, where that is more than was there. Of
    all that, `amount` (0..1) is mixed in. The frame has `factor` times the side of the picture that
    the patch was cut from.
    """
    patch = patch.detach().to(frame.device).float()
    masks = [each.detach().to(frame.device) for each in (crop.mask, *masks) if each is not None]
    with one_thread() if blend.is_plain else nullcontext():
        crop = as_large_as(crop, patch)
        # insightface and facexlib measure the whole patch, whatever of it is masked.
        shown = [] if blend.method in CLASSIC else masks
        window = window_of(crop, frame.shape[:2], shown)
        if window is None:
            return None
        if way is Way.CHANGE and not difference(patch, crop.original).any():
            return None
        return _paste_into(
            frame, patch, crop, way, blend, masks, patch_mask, window, new, amount, factor
        )


def _paste_into(
    frame: Tensor,
    patch: Tensor,
    crop: Crop,
    way: Way,
    blend: Blend,
    masks: Sequence[Tensor],
    patch_mask: Tensor | None,
    window: Window,
    new: Tensor | None,
    amount: float,
    factor: float,
) -> Sides | None:
    allowed = allowed_by(masks, crop, window, frame.shape[:2], blend)
    share = share_of(crop, blend, patch_mask)
    if blend.colour:
        patch = _matched(patch, crop, blend.colour, share, masks, frame.shape[:2])
    picks = blend.method is Method.FACEXLIB
    layer, alpha = laid(patch, share, crop, window, way, picks)
    alpha = as_classic(alpha, crop, window, blend, patch_mask is not None, factor)
    alpha = alpha if allowed is None else torch.minimum(alpha, allowed)
    edge = edge_of(alpha)
    alpha = alpha if amount == 1 else alpha * amount
    x0, y0, x1, y1 = window
    here = frame[y0:y1, x0:x1]
    if new is not None:
        below = new[y0:y1, x0:x1]
        torch.maximum(below, alpha.to(below), out=below)
    before = None if edge is None else edge.pixels(here)
    if way is Way.CHANGE:
        layer[..., :3] += here
        layer[..., :3].clamp_(0, 1)
    _blended_into(here, layer, alpha, blend, window)
    return None if edge is None else (before, edge.pixels(here))


def _blended_into(here: Tensor, there: Tensor, alpha: Tensor, blend: Blend, window: Window) -> None:
    """Write what `there` (h, w, 3 or more) makes of a window of the frame."""
    mixed = MIXES.get(blend.method)
    if mixed is None and not blend.grain:
        mix_into(here, there, alpha)
        return
    before = here.float()
    after = (mixed or mix)(before, there[..., :3], alpha)
    after = add_grain(after, before, alpha, blend.grain, seed=window[0] + window[1])
    here.copy_(torch.where(alpha[..., None] > 0, after.clamp(0, 1).to(here.dtype), here))


def _matched(
    patch: Tensor,
    crop: Crop,
    strength: float,
    share: Tensor | None,
    masks: Sequence[Tensor],
    size: tuple[int, int],
) -> Tensor:
    """The patch in the colours that the picture of `size` has around what changes."""
    inside = [
        warp(mask, crop.matrix, patch.shape[:2], Border.REPLICATE).nan_to_num(0.0) for mask in masks
    ]
    inside += [] if share is None else [share]
    changes = reduce(torch.minimum, [torch.ones_like(patch[..., 0]), *inside]).clone()
    changes[[0, -1]] = 0  # where the patch ends
    changes[:, [0, -1]] = 0
    weights = ring(changes, RING * crop.extent) * inside_picture(crop, size)
    return match_colour(patch, crop.original, weights, strength).clamp(0, 1)


def _check(
    images: Tensor,
    patches: Tensor,
    crops: Crops,
    masks: Tensor | None,
    patch_masks: Tensor | None,
) -> None:
    frames, height, width = images.shape[:3]
    if (frames, (height, width)) != (crops.frames, crops.size):
        raise ValueError(
            f"the crops are of {crops.frames} pictures of {crops.size[1]} x {crops.size[0]} px, "
            f"there are {frames} of {width} x {height} px to paste into: connect the pictures that "
            "they were cut from, or changed ones of the same size"
        )
    if images.shape[3] not in (3, 4) or patches.shape[3] not in (3, 4):
        raise ValueError(
            f"pictures of shape {tuple(images.shape)} and patches of shape {tuple(patches.shape)} "
            "cannot be pasted: both need 3 channels, or 4 with alpha"
        )
    number = max(len(crops.cut), 1)
    _counted(patches, number, "patches")
    was, now = crops.patches.shape[1:3], patches.shape[1:3]
    if abs(log(now[0] / now[1] * was[1] / was[0])) > ASPECT:
        raise ValueError(
            f"the patches are {now[1]} x {now[0]} px and were cut as {was[1]} x {was[0]} px: "
            "paste them in that size, or enlarged or reduced as a whole"
        )
    if patch_masks is not None:
        _counted(patch_masks, number, "masks of patches")
    require_masks(masks, images)


def require_masks(masks: Tensor | None, images: Tensor) -> None:
    """Refuse masks, where there are any, that are not of these pictures (B, H, W, C)."""
    frames, height, width = images.shape[:3]
    if masks is not None and (masks.shape[1:] != (height, width) or len(masks) not in (1, frames)):
        raise ValueError(
            f"masks of shape {tuple(masks.shape)} do not fit pictures of shape "
            f"{tuple(images.shape)}: give one mask of {width} x {height} px for each, or for all"
        )


def _counted(values: Tensor, number: int, name: str) -> None:
    if len(values) not in (1, number):
        raise ValueError(
            f"there are {len(values)} {name} for {number} crops: give one for each in their order, "
            "or a single one for all"
        )
