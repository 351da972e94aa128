"""Cropped and overlaid as diffusers does it: not one value differs."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from pack.likeness.geometry import transform
from pack.likeness.inpainting.framing import Framing, Outside, Target, Unit
from pack.likeness.inpainting.inpaint import crop_for_inpaint, stitch, stitch_exactly
from pack.likeness.inpainting.painted import Layer
from PIL import Image, ImageDraw, ImageFilter

processors = pytest.importorskip("diffusers.image_processor")

IMAGES = processors.VaeImageProcessor(vae_scale_factor=8)
MASKS = processors.VaeImageProcessor(
    vae_scale_factor=8, do_normalize=False, do_binarize=True, do_convert_grayscale=True
)
both_sizes = pytest.mark.parametrize("size", [(97, 160), (160, 97)])
# Width and height: square, long both ways, and far from any box that a picture has room for.
every_target = pytest.mark.parametrize("target", [(64, 64), (200, 72), (128, 256), (512, 64)])


def picture(size, seed=0) -> Image.Image:
    dice = np.random.default_rng(seed)
    coarse = Image.fromarray(dice.integers(0, 256, (9, 9, 3), np.uint8))
    smooth = np.asarray(coarse.resize(size[::-1], Image.Resampling.BICUBIC)).astype(int)
    return Image.fromarray(
        (smooth + dice.integers(-20, 20, smooth.shape)).clip(0, 255).astype("u1")
    )


def painted(size, seed, soft=0) -> Image.Image:
    dice = random.Random(seed)
    mask = Image.new("L", size[::-1])
    x, y = dice.randrange(size[1]), dice.randrange(size[0])
    right, bottom = x + dice.randint(1, size[1]), y + dice.randint(1, size[0])
    ImageDraw.Draw(mask).ellipse((x, y, right, bottom), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(soft)) if soft else mask


def tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image).astype(np.float32) / 255)[None]


def framing(target, padding) -> Framing:
    width, height = target
    return Framing(Target.DIFFUSERS, width, height, padding=padding, unit=Unit.PIXELS)


def theirs(image, mask, target, padding):
    width, height = target
    box = MASKS.get_crop_region(mask, width, height, pad=padding)
    settings = {"height": height, "width": width, "crops_coords": box, "resize_mode": "fill"}
    return box, IMAGES.preprocess(image, **settings), MASKS.preprocess(mask, **settings)


def overlaid(image, mask, patch, box) -> np.ndarray:
    """`patch` (h, w, 3) of whole 255ths, as the pipeline hands it on."""
    [result] = IMAGES.postprocess(patch.movedim(-1, 0)[None] * 2 - 1, output_type="pil")
    return np.asarray(IMAGES.apply_overlay(mask, image, result, box))


@both_sizes
@every_target
@pytest.mark.parametrize("soft", [0, 6])
@pytest.mark.parametrize("padding", [0, 12])
def test_crop_mask_and_overlay_are_theirs(size, target, soft, padding):
    for seed in range(6):
        image, mask = picture(size, seed), painted(size, seed, soft)
        if not mask.getbbox():
            continue
        box, crop, inside = theirs(image, mask, target, padding)
        crops, masks = crop_for_inpaint(
            tensor(image), Layer(tensor(mask)), framing(target, padding)
        )
        assert crops.cut[0].exact == box
        assert torch.equal(crops.patches.movedim(-1, 1) * 2 - 1, crop)
        assert torch.equal(masks[:, None], inside)

        patch = crops.patches[0].flip(1).mul(200).round() / 255
        stitched = stitch_exactly(patch[None], crops).images
        expected = overlaid(image, mask, patch, box)
        assert np.array_equal(np.asarray(stitched[0] * 255).round(), expected)
        kept = tensor(mask)[0] == 0
        assert torch.equal(stitched[0][kept], tensor(image)[0][kept])


@both_sizes
def test_masks_all_one_and_all_zero(size):
    image, mask = picture(size), Image.new("L", size[::-1], 255)
    box, crop, inside = theirs(image, mask, (64, 64), 8)
    crops, masks = crop_for_inpaint(tensor(image), Layer(tensor(mask)), framing((64, 64), 8))
    assert crops.cut[0].exact == box == (0, 0, *size[::-1])
    assert torch.equal(crops.patches.movedim(-1, 1) * 2 - 1, crop)
    assert torch.equal(masks[:, None], inside)

    nothing = Layer(torch.zeros(1, *size))
    crops, masks = crop_for_inpaint(tensor(image), nothing, framing((64, 64), 8))
    assert not crops.cut
    assert not masks.any()
    assert torch.equal(stitch_exactly(crops.patches, crops).images, tensor(image))


@both_sizes
@every_target
def test_the_matrix_is_where_the_pixels_went(size, target):
    """The crop of a picture of its own coordinates shows them, but for rounding."""
    height, width = size
    x = torch.arange(width).expand(size)
    y = torch.arange(height)[:, None].expand(size)
    ramps = (torch.stack([x, y, x], dim=-1) / 255)[None]
    for seed in range(4):
        crops, _ = crop_for_inpaint(ramps, Layer(tensor(painted(size, seed))), framing(target, 5))
        [crop] = crops.cut
        x0, y0, x1, y1 = crop.exact
        inner = torch.tensor([[x0 + 4.0, y0 + 4.0], [x1 - 5.0, y1 - 5.0]])
        if (inner[0] >= inner[1]).any():
            continue
        for point, (column, row) in zip(inner, transform(inner, crop.matrix), strict=True):
            seen = crops.patches[0, round(float(row)), round(float(column)), :2] * 255
            step = torch.tensor([(x1 - x0) / target[0], (y1 - y0) / target[1]]).clamp(min=1)
            assert ((seen - point).abs() <= 0.5 + 1.5 * step).all()


def test_an_ordinary_stitch_of_an_exact_crop_changes_nothing_beyond_the_mask():
    image, mask = tensor(picture((97, 160))), tensor(painted((97, 160), 3))
    for target in ((64, 64), (512, 64)):
        crops, _ = crop_for_inpaint(image, Layer(mask), framing(target, 8))
        stitched = stitch(torch.zeros_like(crops.patches), crops).images
        assert torch.equal(stitched[mask == 0], image[mask == 0])
        assert (stitched != image)[mask > 0].any()


def test_finer_numbers_than_8_bits():
    """They are rounded where the crop is pasted, and kept as they are beyond the mask."""
    size = (97, 160)
    fine = torch.rand(1, *size, 3, generator=torch.Generator().manual_seed(0))
    [image], mask = IMAGES.numpy_to_pil(fine.numpy()), painted(size, 3, 4)
    box, crop, inside = theirs(image, mask, (64, 64), 8)
    crops, masks = crop_for_inpaint(fine, Layer(tensor(mask)), framing((64, 64), 8))
    assert torch.equal(crops.patches.movedim(-1, 1) * 2 - 1, crop)
    assert torch.equal(masks[:, None], inside)
    patch = torch.rand(64, 64, 3, generator=torch.Generator().manual_seed(1))
    stitched = stitch_exactly(patch[None], crops).images[0]
    expected = overlaid(image, mask, patch, box)
    assert np.array_equal(np.asarray(stitched * 255).round(), expected)
    assert torch.equal(stitched[tensor(mask)[0] == 0], fine[tensor(mask) == 0])


def test_several_crops_of_one_picture_lie_over_each_other_in_their_order():
    image, size = picture((97, 160)), (97, 160)
    masks = [painted(size, seed, 3) for seed in (1, 2)]
    crops, _ = crop_for_inpaint(
        tensor(image), Layer(torch.cat([*map(tensor, masks)])), framing((64, 64), 8)
    )
    patches = torch.stack([torch.full((64, 64, 3), value / 255) for value in (40, 200)])
    stitched = stitch_exactly(patches, crops).images
    for mask, patch, crop in zip(masks, patches, crops.cut, strict=True):
        image = Image.fromarray(overlaid(image, mask, patch, crop.exact))
    assert np.array_equal(np.asarray(stitched[0] * 255).round(), np.asarray(image))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_other_numbers_keep_their_kind(dtype):
    image, mask = tensor(picture((97, 160))).to(dtype), tensor(painted((97, 160), 1)).to(dtype)
    crops, _ = crop_for_inpaint(image, Layer(mask), framing((64, 64), 8))
    stitched = stitch_exactly(1 - crops.patches, crops).images
    assert crops.patches.dtype == stitched.dtype == dtype
    assert torch.equal(stitched[mask == 0], image[mask == 0])


def test_alpha_stays_as_it_is():
    size = (97, 160)
    image = torch.cat([tensor(picture(size)), torch.rand(1, *size, 1)], dim=-1)
    mask = tensor(painted(size, 1))
    crops, _ = crop_for_inpaint(image, Layer(mask), framing((64, 64), 8))
    stitched = stitch_exactly(1 - crops.patches, crops).images
    assert torch.equal(stitched[..., 3], image[..., 3])
    plain, _ = crop_for_inpaint(image[..., :3], Layer(mask), framing((64, 64), 8))
    assert torch.equal(stitched[..., :3], stitch_exactly(1 - plain.patches, plain).images)


def test_what_diffusers_does_not_know_is_refused():
    image, mask = tensor(picture((97, 160))), tensor(painted((97, 160), 1))
    plain, _ = crop_for_inpaint(image, Layer(mask), Framing(width=64, height=64))
    with pytest.raises(ValueError, match="target 'as diffusers' in Crop For Inpaint"):
        stitch_exactly(plain.patches, plain)
    mirrored = Framing(Target.DIFFUSERS, 64, 64, outside=Outside.MIRROR)
    with pytest.raises(ValueError, match="set outside to 'shift inside'"):
        crop_for_inpaint(image, Layer(mask), mirrored)
