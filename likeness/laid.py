"""A patch on its way into the picture: where it lies there, and what becomes of its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

import torch
from torch import Tensor
from torch.nn.functional import pad

from .crop import Crop
from .geometry import compose, invert, scale_of, scaling, shift, transform_box
from .pixels.raster import Border, footprint, resize, warp
from .pixels.warping import sampled
from .pixels.window import Window, around, bounds

BESIDE = 2  # pixels around a patch that are looked at to see where it ends
SURROUNDINGS = 24  # pixels around a mask that are looked at for its edge and for grain


class Way(str, Enum):
    REPLACE = "replace"  # the patch takes the place
    CHANGE = "change only"  # what was changed in the patch is added to the picture


def as_large_as(crop: Crop, patch: Tensor) -> Crop:
    """The crop as if it had been cut in the size that its patch came back in."""
    was, now = tuple(crop.original.shape[:2]), tuple(patch.shape[:2])
    original = crop.original.to(patch.device).float()
    if was == now:
        return replace(crop, original=original)
    grown = scaling(was, now)
    return replace(
        crop,
        matrix=compose(grown, crop.matrix),
        original=resize(original, now),
        extent=crop.extent * scale_of(grown),
    )


def window_of(crop: Crop, size: tuple[int, int], masks: Sequence[Tensor]) -> Window | None:
    """The part of the picture that lies under the patch, and under what shows of all `masks`.

    None when that is nothing.
    """
    height, width = crop.original.shape[:2]
    frame = (0, 0, size[1], size[0])
    # Bilinear, a pixel reaches to the middle of the next one.
    under = crop.box or transform_box((-1, -1, width, height), invert(crop.matrix))
    if crop.box is not None and around([crop.box], 0, frame) is None:
        return None
    window = around([under], BESIDE, frame)
    for mask in masks:
        if window is not None:
            x0, y0, x1, y1 = window
            left, top, right, bottom = bounds(mask[y0:y1, x0:x1]) or (0, 0, 0, 0)
            shown = (x0 + left, y0 + top, x0 + right, y0 + bottom)
            window = around([shown], SURROUNDINGS, window) if left < right else None
    return window


def laid(
    patch: Tensor,
    share: Tensor | None,
    crop: Crop,
    window: Window,
    way: Way,
    picks: bool = False,
) -> tuple[Tensor, Tensor]:
    """What is pasted (h, w, 3 or more) and how much of it counts, in the window of the picture.

    For "change only" that is the difference from the crop as it was cut. A patch of far more pixels
    than its place has is averaged; or single pixels of it are picked, as facexlib and OpenCV do.
    """
    layer = difference(patch, crop.original) if way is Way.CHANGE else patch
    if crop.box is not None:
        return _resized(layer, share, crop, window, way)
    share = patch.new_ones(patch.shape[:2]) if share is None else share
    if picks:
        both = _picked(layer, share, crop, window)
    elif scale_of(crop.matrix) > 2:
        both = _averaged(patch, share, crop, window, way)
    else:
        both = _warped(layer, share, crop, window)
    return both, both[..., 3]


def _picked(layer: Tensor, share: Tensor, crop: Crop, window: Window) -> Tensor:
    """By bilinear sampling alone."""
    x0, y0, x1, y1 = window
    both = _together(layer, share)
    size, none = (y1 - y0, x1 - x0), (0.0,) * both.shape[2]
    return sampled(both, to_window(crop, window), size, Border.REPLICATE, none)


def _warped(layer: Tensor, share: Tensor, crop: Crop, window: Window) -> Tensor:
    x0, y0, x1, y1 = window
    both = _together(layer, share)
    return warp(both, to_window(crop, window), (y1 - y0, x1 - x0), Border.REPLICATE)


def _together(layer: Tensor, share: Tensor) -> Tensor:
    """Both as one picture (h, w, 4): that is a single warp."""
    both = layer.new_empty(*layer.shape[:2], 4)
    both[..., :3], both[..., 3] = layer, share  # half of what cat takes
    both[[0, -1], :, 3] = 0  # what is repeated outside the patch counts for nothing
    both[:, [0, -1], 3] = 0
    return both


def _averaged(patch: Tensor, share: Tensor, crop: Crop, window: Window, way: Way) -> Tensor:
    """On the way into fewer pixels only what was changed needs to be averaged.

    The rest has no more detail than the picture that it came from, and would lose some.
    """
    x0, y0, x1, y1 = window
    local, size = to_window(crop, window), (y1 - y0, x1 - x0)
    both = _warped(difference(patch, crop.original), share, crop, window)
    both[..., 3] *= footprint(patch.shape[:2], local, size).to(both) >= 0.5  # averages reach beyond
    if way is Way.REPLACE:
        both[..., :3] += sampled(crop.original, local, size, Border.REPLICATE, (0.0, 0.0, 0.0))
    return both


def _resized(
    layer: Tensor, share: Tensor | None, crop: Crop, window: Window, way: Way
) -> tuple[Tensor, Tensor]:
    x0, y0, x1, y1 = ends = ending(crop, window)
    left, top, right, bottom = crop.box
    size, rings = (bottom - top, right - left), layer.shape[:2] != (bottom - top, right - left)
    here = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
    layer = resize(layer, size)[here] if rings else layer[here].clone()
    if rings and way is Way.REPLACE:
        layer.clamp_(0, 1)  # Lanczos goes beyond what it was given
    if share is None:
        share = layer.new_ones(layer.shape[:2])
    else:
        share = resize(share, size)[here].clamp(0, 1)
    if ends == window:
        return layer, share
    sides = (x0 - window[0], window[2] - x1, y0 - window[1], window[3] - y1)
    return pad(layer, (0, 0, *sides)), pad(share, sides)


def ending(crop: Crop, window: Window) -> Window:
    """What of the window a straight crop fills; all of it where the crop was turned."""
    return window if crop.box is None else around([crop.box], 0, window)


def difference(patch: Tensor, original: Tensor) -> Tensor:
    """What was changed; where either is no number, nothing."""
    return torch.sub(patch, original).nan_to_num_(0.0, 0.0, 0.0)


def inside_picture(crop: Crop, size: tuple[int, int]) -> Tensor:
    """Where the patch (h, w) shows a picture of `size`, not what stands in beyond its border."""
    height, width = crop.original.shape[:2]
    device = crop.original.device
    across = torch.arange(width, device=device)
    down = torch.arange(height, device=device)[:, None]
    shown = [a * across + b * down + start for a, b, start in invert(crop.matrix).tolist()]
    (x, y), (last_y, last_x) = shown, size
    return (x >= -0.5) & (x <= last_x - 0.5) & (y >= -0.5) & (y <= last_y - 0.5)


def to_window(crop: Crop, window: Window) -> Tensor:
    """From the patch to the window."""
    return compose(shift(-window[0], -window[1]), invert(crop.matrix))
