"""The padded crop and its overlay in 8 bits, as diffusers does them, worked out in the region only.

The operations of PIL and their order are those of VaeImageProcessor with a padding_mask_crop, so
that the results are the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..geometry import compose, scaling, shift
from ..pixels.window import Window
from .framing import Size

if TYPE_CHECKING:
    from PIL.Image import Image

HALF = 128  # in 8 bits; from here on the mask of the sampler is 1


def cut_exactly(picture: Tensor, mask: Tensor, box: Window, size: Size) -> tuple[Tensor, Tensor]:
    """The patch (h, w, 3) and its mask (h, w), 0 or 1, of `picture` (H, W, C) and `mask` (H, W)."""
    x0, y0, x1, y1 = box
    patch = _fill(_image(picture[y0:y1, x0:x1, :3]), size)
    inside = _fill(_image(mask[y0:y1, x0:x1]), size).convert("L")
    changes = torch.from_numpy(np.asarray(inside) >= HALF)
    return _values(patch).to(picture), changes.to(picture)


def exact_matrix(box: Window, size: Size) -> Tensor:
    """From the picture to the patch."""
    x0, y0, x1, y1 = box
    inner, (left, top) = _placed((y1 - y0, x1 - x0), size)
    scaled = compose(scaling((y1 - y0, x1 - x0), inner), shift(-x0, -y0))
    return compose(shift(left, top), scaled)


def overlay_exactly(under: Tensor, patch: Tensor, mask: Tensor) -> Tensor:
    """The part `under` (h, w, 3) that a patch was cut from, with the patch under `mask` (h, w)."""
    from PIL import Image, ImageOps

    veil = _image(mask)
    kept = Image.new("RGBa", veil.size)
    kept.paste(_image(under).convert("RGBa"), mask=ImageOps.invert(veil))
    result = _cover(_image(patch[..., :3]), tuple(under.shape[:2])).convert("RGBA")
    result.alpha_composite(kept.convert("RGBA"))
    changed = torch.from_numpy(np.asarray(veil) > 0).to(under.device)
    return torch.where(changed[..., None], _values(result.convert("RGB")).to(under), under)


def _image(values: Tensor) -> Image:
    from PIL import Image

    pixels = values.float().mul(255).round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(pixels.cpu().contiguous().numpy())


def _values(image: Image) -> Tensor:
    return torch.from_numpy(np.asarray(image).astype(np.float32) / 255)


def _fill(image: Image, size: Size) -> Image:
    """Scaled to fit inside, its outermost rows or columns stretched over what is left."""
    (height, width), (left, top) = _placed((image.height, image.width), size)
    result = _laid(image, size)
    inner = result.crop((left, top, left + width, top + height))
    strips = []  # without a width: PIL then weighs the two outermost rows or columns
    if top > 0:
        strips = [((0, at, width, at), (0, place)) for at, place in _ends(height, top)]
    elif left > 0:
        strips = [((at, 0, at, height), (place, 0)) for at, place in _ends(width, left)]
    for strip, place in strips:
        result.paste(inner.resize((left or width, top or height), box=strip), place)
    return result


def _ends(length: int, margin: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Of what lies behind a margin: both ends, and where the margins next to them begin."""
    return (0, 0), (length, margin + length)


def _cover(image: Image, size: Size) -> Image:
    """Scaled to cover, and the middle of it."""
    return _laid(image, size, covers=True)


def _laid(image: Image, size: Size, covers: bool = False) -> Image:
    """Scaled into the middle of a black picture."""
    from PIL import Image

    inner, place = _placed((image.height, image.width), size, covers)
    result = Image.new("RGB", size[::-1])
    result.paste(image.resize(inner[::-1], Image.Resampling.LANCZOS), place)
    return result


def _placed(source: Size, target: Size, covers: bool = False) -> tuple[Size, tuple[int, int]]:
    """The size of `source` scaled to fit inside `target`, or to cover it, and its place: x, y."""
    height, width = target
    wider = source[1] / source[0] - width / height  # above 0 where the source is the wider one
    if wider < 0 if covers else wider > 0:
        height = source[0] * width // source[1]
    else:
        width = source[1] * height // source[0]
    return (height, width), (target[1] // 2 - width // 2, target[0] // 2 - height // 2)
