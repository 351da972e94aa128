"""Crops put back where they were cut, with no pixel changed that was not meant to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from math import log

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from .blending.classic import facexlib_alpha, facexlib_parsed, insightface_alpha
from .blending.colour import match_colour
from .blending.feather import feathered, ring, square
from .blending.grain import add_grain
from .blending.mixing import bands, gradient, mix, mix_into
from .blending.seam import against, edge_of
from .crop import Crop, Crops
from .geometry import scale_of
from .laid import (
    Way,
    as_large_as,
    difference,
    ending,
    inside_picture,
    laid,
    to_window,
    window_of,
)
from .pixels.raster import Border, duplicate, resize, warp
from .pixels.threads import one_thread
from .pixels.window import Window
from .progress import Progress, ignore

RING = 0.08  # width of the ring that colours are compared on, as a share of the extent
MOST = 10  # of a share or a strength: more is a slip
THIN = 0.02  # width of the fade that even a patch without faded sides gets, as a share of it
ASPECT = 0.02  # how far a patch may be from the shape it was cut in

Sides = tuple[Tensor, Tensor]


class Method(str, Enum):
    """How a patch and its surroundings meet."""

    FEATHER = "feather"
    BANDS = "multi-band"
    GRADIENT = "gradient-domain"
    INSIGHTFACE = "as insightface"
    FACEXLIB = "as facexlib"


@dataclass(frozen=True)
class Blend:
    method: Method = Method.FEATHER
    feather: float = 0.1  # share of the extent, inwards
    colour: float = 0.0  # how much of the colour difference on the ring is taken out
    grain: float = 0.0  # how much of the missing noise is put back
    # Whether a patch that has a mask of its own fades out at its sides too. None: as the method has
    # it, which is yes, but for facexlib's; insightface's always does.
    sides: bool | None = None

    def __post_init__(self):
        for name in ("feather", "colour", "grain"):
            if not 0 <= getattr(self, name) <= MOST:
                raise ValueError(f"{name} is {getattr(self, name):g}: choose 0 to {MOST}")

    @property
    def is_plain(self) -> bool:
        """Only mixes the patch and the picture by how much of each counts."""
        return self.method not in MIXES and not self.colour and not self.grain


@dataclass(frozen=True, eq=False)
class Pasted:
    images: Tensor
    seams: tuple[float | None, ...]  # of each crop: the step at its edge over what it was before
    masks: Tensor | None = None  # (B, H, W): how much of each pixel is new, where it was asked for


CLASSIC = (Method.INSIGHTFACE, Method.FACEXLIB)  # their edges follow rules of their own
# The others mix in proportion to alpha.
MIXES: dict[Method, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    Method.BANDS: bands,
    Method.GRADIENT: gradient,
}


def paste(
    images: Tensor,
    patches: Tensor,
    crops: Crops,
    way: Way = Way.REPLACE,
    blend: Blend = Blend(),
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
    blend: Blend = Blend(),
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
    allowed = _allowed(masks, crop, window, frame.shape[:2], blend)
    share = _share(crop, blend, patch_mask)
    if blend.colour:
        patch = _matched(patch, crop, blend.colour, share, masks, frame.shape[:2])
    picks = blend.method is Method.FACEXLIB
    layer, alpha = laid(patch, share, crop, window, way, picks)
    alpha = _classic(alpha, crop, window, blend, patch_mask is not None, factor)
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


def _share(crop: Crop, blend: Blend, patch_mask: Tensor | None) -> Tensor | None:
    """How much of the patch counts, in its own pixels; None: all of it."""
    size, pixels = tuple(crop.original.shape[:2]), blend.feather * crop.extent
    device = crop.original.device
    own = None if patch_mask is None else patch_mask.detach().to(device).nan_to_num(0.0)
    own = None if own is None else resize(own, size).clamp(0, 1)
    if blend.method is Method.FACEXLIB:
        return None if own is None else facexlib_parsed(own)
    if own is not None:
        own = feathered(own, pixels)
    if blend.method is not Method.INSIGHTFACE and crop.mask is None:
        hard = own is not None and blend.sides is False
        around = square(size, THIN * max(size) if hard else pixels, device)
        own = around if own is None else torch.minimum(own, around)
    return own


def _classic(
    alpha: Tensor, crop: Crop, window: Window, blend: Blend, own: bool, factor: float
) -> Tensor:
    """With the edge that insightface or facexlib would make."""
    if blend.method is Method.INSIGHTFACE:
        theirs = insightface_alpha(to_window(crop, window), crop.original.shape[:2], alpha.shape)
    elif blend.method is Method.FACEXLIB and (blend.sides or not own):
        local, size = to_window(crop, window), crop.original.shape[:2]
        theirs = facexlib_alpha(local, size, alpha.shape, factor=factor)
    else:
        return alpha
    return torch.minimum(alpha, theirs.to(alpha))


def _allowed(
    masks: Sequence[Tensor], crop: Crop, window: Window, size: tuple[int, int], blend: Blend
) -> Tensor | None:
    """Where all of the picture's masks let the window change, softened inwards."""
    if not masks:
        return None
    x0, y0, x1, y1 = ending(crop, window)
    inner = reduce(torch.minimum, (mask[y0:y1, x0:x1].float() for mask in masks)).nan_to_num(0.0)
    # Where the patch ends, the mask does; the picture's own edge is none.
    ends = int(x0 > 0), int(x1 < size[1]), int(y0 > 0), int(y1 < size[0])
    soft = feathered(pad(inner, ends), blend.feather * crop.extent / scale_of(crop.matrix))
    beside = x0 - window[0], window[2] - x1, y0 - window[1], window[3] - y1
    return pad(soft, [more - end for more, end in zip(beside, ends, strict=True)])


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
