"""A padded crop for inpainting and its stitch, against diffusers' image processor."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from entry_paste import picture
from measure import Goal, Kind, Row, in_turn

PAIRS = 7
FRAME = (2160, 3840)
MASK = 600  # pixels across
TARGET = 1024
PADDING = 32


def rows() -> Iterator[Row]:
    images, mask = picture(FRAME), _disc()
    theirs = _diffusers(images, mask)
    for exact, goal in ((False, 5), (True, 3)):
        what = "as diffusers does it, bit for bit" if exact else "in float"
        pairs = in_turn(theirs, _ours(images, mask, exact), PAIRS)
        name = f"{MASK} px mask in 4K, {what}, against diffusers"
        yield Row("stitch", name, pairs, Goal(Kind.FASTER, goal))


def _disc() -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(FRAME[0]), torch.arange(FRAME[1]), indexing="ij")
    return ((x - 1700) ** 2 + (y - 900) ** 2 < (MASK / 2) ** 2).float()[None]


def _diffusers(images: torch.Tensor, mask: torch.Tensor) -> Callable[[], object]:
    """Crop, preprocessing and overlay of a pipeline with padding_mask_crop, on ready PIL images."""
    from diffusers.image_processor import VaeImageProcessor
    from PIL import Image

    picture = Image.fromarray((images[0] * 255).round().byte().numpy())
    veil = Image.fromarray((mask[0] * 255).byte().numpy())
    processor = VaeImageProcessor(vae_scale_factor=8)
    masks = VaeImageProcessor(
        vae_scale_factor=8, do_normalize=False, do_binarize=True, do_convert_grayscale=True
    )

    def run() -> np.ndarray:
        box = masks.get_crop_region(veil, TARGET, TARGET, pad=PADDING)
        how = {"height": TARGET, "width": TARGET, "crops_coords": box, "resize_mode": "fill"}
        crop = processor.preprocess(picture, **how)
        masks.preprocess(veil, **how)
        [made] = processor.postprocess(-crop, output_type="pil")
        return np.asarray(processor.apply_overlay(veil, picture, made, box))

    return run


def _ours(images: torch.Tensor, mask: torch.Tensor, exact: bool) -> Callable[[], object]:
    from pack.likeness.inpainting.framing import Framing, Target, Unit
    from pack.likeness.inpainting.inpaint import crop_for_inpaint, stitch, stitch_exactly
    from pack.likeness.inpainting.painted import Layer

    target = Target.DIFFUSERS if exact else Target.FIXED
    framing = Framing(target, TARGET, TARGET, padding=PADDING, unit=Unit.PIXELS)
    back = stitch_exactly if exact else stitch

    def run() -> torch.Tensor:
        crops, _ = crop_for_inpaint(images, Layer(mask), framing)
        return back(1 - crops.patches, crops).images

    return run
