"""How much of a patch counts, pixel by pixel: its own mask and sides, the picture's masks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor
from torch.nn.functional import pad

from .blend import Blend, Method
from .blending.classic import facexlib_alpha, facexlib_parsed, insightface_alpha
from .blending.feather import feathered, square
from .crop import Crop
from .geometry import scale_of
from .laid import ending, to_window
from .pixels.raster import resize
from .pixels.window import Window

THIN = 0.02  # width of the fade that even a patch without faded sides gets, as a share of it


def share_of(crop: Crop, blend: Blend, patch_mask: Tensor | None) -> Tensor | None:
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


def as_classic(
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


def allowed_by(
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
