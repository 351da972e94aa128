"""Cropped to inpaint and stitched in: nothing beyond the mask, and nothing that was not changed."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from inpaint_cases import SAME, SMALL, blob, both_sizes, every_way, face, noise, smooth
from pack.likeness.face import Faces
from pack.likeness.inpainting.aim import Empty
from pack.likeness.inpainting.framing import Framing, Outside, Target, Unit
from pack.likeness.inpainting.inpaint import crop_for_inpaint, stitch, stitch_exactly
from pack.likeness.inpainting.painted import Layer, paint
from pack.likeness.paste import Blend, Method, Way

BLENDS = [Blend(method) for method in (Method.FEATHER, Method.BANDS, Method.GRADIENT)]


every_blend = pytest.mark.parametrize("blend", BLENDS, ids=lambda blend: blend.method.value)


def framings(dice) -> Framing:
    return Framing(
        dice.choice([Target.FIXED, Target.BUDGET, Target.SAME]),
        width=8 * dice.randint(1, 24),
        height=8 * dice.randint(1, 24),
        megapixels=dice.uniform(0.01, 0.05),
        multiple=dice.choice([8, 16, 64]),
        padding=dice.uniform(0, 120),
        unit=dice.choice(list(Unit)),
        outside=dice.choice(list(Outside)),
    )


@both_sizes
@every_way
@every_blend
def test_nothing_changes_beyond_the_mask(size, way, blend):
    """Whatever is cut how, and whatever became of it."""
    dice = random.Random(7)
    for seed in range(12):
        image, mask = noise(1, size, seed=seed), blob(size, seed)
        faces = Faces((face(0, 60, 50, 60, dice.uniform(-180, 180)),), 1, size)
        layer, faces = Layer(mask[None], dice.choice([0, 3])), dice.choice([None, faces])
        crops, masks = crop_for_inpaint(image, layer, framings(dice), faces=faces)
        changed = noise(1, crops.patches.shape[1:3], seed=seed + 1)
        blend = replace(blend, feather=dice.choice([0, 0.2]), colour=dice.choice([0, 1]))
        stitched = stitch(changed, crops, way=way, blend=blend).images
        assert masks.shape == crops.patches.shape[:3]
        outside = paint(mask, layer.blur).whole == 0
        assert torch.equal(stitched[0][outside], image[0][outside])
        assert torch.isfinite(stitched).all()


@both_sizes
@every_way
@every_blend
@pytest.mark.parametrize("half", [False, True], ids=["all one", "half"])
def test_the_untouched_crop_changes_nothing_where_it_was_not_scaled(size, way, blend, half):
    image, mask = noise(1, size), torch.ones(1, *size)
    if half:
        mask[:, :, : size[1] // 2] = 0
    crops, _ = crop_for_inpaint(image, Layer(mask), SAME)
    assert torch.equal(stitch(crops.patches, crops, way=way, blend=blend).images, image)


@both_sizes
@every_blend
def test_change_only_with_the_untouched_crop_changes_nothing(size, blend):
    dice = random.Random(3)
    for seed in range(12):
        image, layer = noise(1, size, seed=seed), Layer(blob(size, seed)[None])
        faces = Faces((face(0, 60, 50, 60, dice.uniform(-180, 180)),), 1, size)
        crops, _ = crop_for_inpaint(image, layer, framings(dice), faces=faces)
        stitched = stitch(crops.patches, crops, way=Way.CHANGE, blend=blend).images
        assert torch.equal(stitched, image)


@both_sizes
@pytest.mark.parametrize("outside", Outside)
@pytest.mark.parametrize("roll", [0.0, 25.0])
def test_replace_with_the_untouched_crop_keeps_a_smooth_picture(size, outside, roll):
    image = smooth(size)
    for seed in range(6):
        mask = (blob(size, seed) > 0.5).float()[None]
        faces = Faces((face(0, 60, 50, 60, roll),), 1, size)
        framing = Framing(width=256, height=256, outside=outside)
        crops, _ = crop_for_inpaint(image, Layer(mask), framing, faces=faces)
        stitched = stitch(crops.patches, crops, blend=Blend(feather=0)).images
        away = (stitched - image)[0].abs()
        assert away[1:-1, 1:-1].max() <= 1 / 255
        assert away.max() <= 2 / 255  # no picture is smooth where it is mirrored


@both_sizes
def test_what_was_painted_arrives_where_the_mask_is(size):
    """A hard mask and no feather: all of the mask shows the new content, up to the last pixel."""
    image = torch.zeros(1, *size, 3)
    for seed in range(10):
        mask = (blob(size, seed) > 0.5).float()[None]
        crops, _ = crop_for_inpaint(image, Layer(mask), SAME)
        white = torch.ones_like(crops.patches)
        stitched = stitch(white, crops, blend=Blend(feather=0)).images
        assert torch.equal(stitched, mask[..., None].expand_as(image))


@both_sizes
@every_way
def test_an_empty_mask(size, way):
    image, mask = noise(2, size), torch.zeros(2, *size)
    crops, masks = crop_for_inpaint(image, Layer(mask, 8), SMALL)
    assert not crops.cut
    assert crops.patches.shape == (1, 64, 64, 3)
    assert (crops.patches == 0.5).all()
    assert masks.shape == (1, 64, 64)
    assert not masks.any()
    assert stitch(torch.rand(1, 64, 64, 3), crops, way=way).images is image
    with pytest.raises(ValueError, match=r"mask 0 \(of 2\) is empty.*leave the picture as it is"):
        crop_for_inpaint(image, Layer(mask), SMALL, empty=Empty.ERROR)
    mask[1, 20:40, 30:60] = 1
    crops, masks = crop_for_inpaint(image, Layer(mask), SMALL)
    assert [crop.frame for crop in crops.cut] == [1]
    assert len(crops.patches) == len(masks) == 1
    assert "mask 0 is empty" in crops.notes[0]
    assert torch.equal(stitch(1 - crops.patches, crops).images[0], image[0])


@both_sizes
@every_way
def test_a_blend_mask_that_is_empty_changes_nothing(size, way):
    image, mask = noise(1, size), Layer(torch.ones(1, *size))
    blank = Layer(torch.zeros(1, *size), 4)
    crops, masks = crop_for_inpaint(image, mask, SMALL, blend=blank)
    assert masks.min() == 1
    assert "blend mask of mask 0 is empty" in crops.notes[0]
    assert torch.equal(stitch(1 - crops.patches, crops, way=way).images, image)


@both_sizes
def test_the_blend_mask_alone_says_what_changes(size):
    image = torch.zeros(1, *size, 3)
    mask, wider = torch.zeros(2, *size)[:, None]
    mask[0, 40:50, 40:50] = 1
    wider[0, 35:55, 35:55] = 1
    crops, masks = crop_for_inpaint(image, Layer(mask), SAME, blend=Layer(wider, 2))
    assert masks.sum() == mask.sum()
    stitched = stitch(torch.ones_like(crops.patches), crops, blend=Blend(feather=0)).images[0]
    soft = paint(wider[0], 2).whole
    x0, y0, x1, y1 = crops.cut[0].box
    expected = torch.zeros_like(soft)
    expected[y0:y1, x0:x1] = soft[y0:y1, x0:x1]
    assert torch.allclose(stitched, expected[..., None].expand_as(stitched), atol=1e-6)
    assert soft[34, 45] > 0


@both_sizes
def test_alpha_stays_and_is_not_in_the_crop(size):
    image, mask = noise(1, size, 4), Layer(blob(size)[None])
    crops, _ = crop_for_inpaint(image, mask, SMALL)
    plain, _ = crop_for_inpaint(image[..., :3], mask, SMALL)
    assert torch.equal(crops.patches, plain.patches)
    stitched = stitch(1 - crops.patches, crops).images
    assert torch.equal(stitched[..., 3], image[..., 3])
    expected = stitch(1 - crops.patches, plain).images
    assert torch.allclose(stitched[..., :3], expected, rtol=0, atol=1e-6)
    assert torch.equal(stitched[0, mask.masks[0] == 0], image[0, mask.masks[0] == 0])
    with_alpha = torch.cat([1 - crops.patches, torch.rand(1, 64, 64, 1)], dim=-1)
    assert torch.equal(stitch(with_alpha, crops).images, stitched)
    for channels in (1, 2):
        with pytest.raises(ValueError, match=rf"image: .*{channels}\) cannot .* 3 channels, or 4"):
            crop_for_inpaint(image[..., :channels], mask, SMALL)


@both_sizes
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_other_numbers_keep_their_kind(size, dtype):
    image, mask = noise(1, size).to(dtype), blob(size)[None].to(dtype)
    for framing in (SAME, SMALL):
        crops, masks = crop_for_inpaint(image, Layer(mask, 2), framing)
        assert crops.patches.dtype == dtype
        assert masks.dtype == torch.float32
        for way in Way:
            stitched = stitch(1 - crops.patches, crops, way=way).images
            assert stitched.dtype == dtype
            outside = paint(mask[0], 2).whole == 0
            assert torch.equal(stitched[0][outside], image[0][outside])
            if way is Way.CHANGE or framing is SAME:
                assert torch.equal(stitch(crops.patches, crops, way=way).images, image)


@both_sizes
@pytest.mark.parametrize("outside", Outside)
def test_a_crop_larger_than_the_picture(size, outside):
    image, mask = smooth(size), torch.ones(1, *size)
    for framing in (
        Framing(width=256, height=64, outside=outside),
        Framing(Target.SAME, multiple=512, outside=outside),
        Framing(width=64, height=64, padding=300, outside=outside),
    ):
        crops, masks = crop_for_inpaint(image, Layer(mask), framing)
        assert (masks > 0.999).all()
        assert torch.isfinite(crops.patches).all()
        assert torch.equal(stitch(crops.patches, crops, way=Way.CHANGE).images, image)
        filled = stitch(torch.ones_like(crops.patches), crops, blend=Blend(feather=0)).images
        assert (filled - 1).abs().max() < 1e-6


def test_several_crops_share_one_size_and_keep_their_shape():
    size = (160, 240)
    masks = torch.zeros(3, *size)
    masks[0, 20:140, 20:60] = masks[1, 60:90, 60:230] = masks[2, 5:15, 5:15] = 1
    for target in (Target.FIXED, Target.BUDGET, Target.SAME):
        framing = Framing(target, 96, 64, megapixels=0.01, padding=10)
        crops, _ = crop_for_inpaint(noise(1, size), Layer(masks), framing)
        height, width = crops.patches.shape[1:3]
        for crop in crops.cut:
            x0, y0, x1, y1 = crop.box
            assert abs((x1 - x0) * height - (y1 - y0) * width) <= width + height


@both_sizes
def test_the_crop_may_come_back_in_another_size(size):
    image, mask = smooth(size), Layer((blob(size) > 0.5).float()[None])
    crops, _ = crop_for_inpaint(image, mask, SMALL)
    doubled = torch.nn.functional.interpolate(
        crops.patches.movedim(-1, 1), scale_factor=2, mode="bilinear"
    ).movedim(1, -1)
    for way in Way:
        stitched = stitch(doubled, crops, way=way).images
        assert (stitched - image).abs().max() < 4 / 255


def test_what_does_not_belong_together_is_refused():
    image, masks = noise(1, (97, 160)), torch.stack([blob((97, 160), seed) for seed in (1, 2)])
    crops, _ = crop_for_inpaint(image, Layer(masks), SMALL)
    for some in (crops.patches[:1], crops.patches.repeat(2, 1, 1, 1)):
        for way_back in (stitch, stitch_exactly):
            with pytest.raises(ValueError, match=f"image: there are {len(some)} crops, and 2 were"):
                way_back(some, crops)
    with pytest.raises(ValueError, match="64 x 32 px and were cut as 64 x 64 px"):
        stitch(crops.patches[:, :32], crops)
    for other in (noise(1, (160, 97)), noise(2, (97, 160))):
        words = rf"{len(other)} of {other.shape[2]} x {other.shape[1]} px.* 1 of 160 x 97 px"
        for way_back in (stitch, stitch_exactly):
            with pytest.raises(ValueError, match=f"picture: there are {words}"):
                way_back(crops.patches, crops, picture=other)
    with pytest.raises(ValueError, match="the stitch holds no picture"):
        stitch(crops.patches, replace(crops, pictures=None))
    for some in (crops.patches[:1], crops.patches[:, :32]):
        with pytest.raises(ValueError, match=rf"untouched: .*\({len(some)}, .* image, \(2, .* VAE"):
            stitch(crops.patches, crops, untouched=some)
    faces = Faces((face(0, 50, 50, 30),), 2, (97, 160))
    with pytest.raises(ValueError, match="the faces are of 2 frames"):
        crop_for_inpaint(image, Layer(masks), SMALL, faces=faces)


@both_sizes
def test_another_picture_can_be_stitched_into(size):
    image, other, mask = noise(1, size), noise(1, size, seed=1), blob(size)[None]
    crops, _ = crop_for_inpaint(image, Layer(mask), SAME)
    stitched = stitch(crops.patches, crops, picture=other, blend=Blend(feather=0)).images
    assert torch.equal(stitched[mask == 0], other[mask == 0])
    assert torch.equal(stitched[mask == 1], image[mask == 1])


@both_sizes
def test_inputs_are_never_written_to(size):
    tensors = {
        "image": noise(2, size),
        "mask": torch.stack([blob(size), blob(size, 1) * 2 - 0.2]),
        "context": blob(size, 2)[None],
        "blend": blob(size, 3)[None],
        "picture": noise(2, size, seed=3),
    }
    before = {name: each.clone() for name, each in tensors.items()}
    for framing in (SAME, SMALL, Framing(Target.DIFFUSERS, 64, 64)):
        layers = [Layer(tensors[name], 2) for name in ("mask", "context", "blend")]
        crops, _ = crop_for_inpaint(tensors["image"], layers[0], framing, *layers[1:])
        patches = crops.patches.clone()
        changed = 1 - patches
        given = changed.clone()
        for way in Way:
            for picture in (None, tensors["picture"]):
                stitch(changed, crops, picture, untouched=changed, way=way)
        if framing.target is Target.DIFFUSERS:
            stitch_exactly(changed, crops)
        assert torch.equal(changed, given)
        assert torch.equal(crops.patches, patches)
    assert all(torch.equal(tensors[name], before[name]) for name in tensors)


def test_nothing_large_is_copied():
    """Crops hold views of what came in and of the patches."""
    image, mask = noise(2, (97, 160)), blob((97, 160))[None]
    crops, _ = crop_for_inpaint(image, Layer(mask), SMALL)
    assert crops.pictures is image
    for number, crop in enumerate(crops.cut):
        assert crop.mask.data_ptr() == mask.data_ptr()
        assert crop.original.data_ptr() == crops.patches[number].data_ptr()
    crops, _ = crop_for_inpaint(image, Layer(mask, 4), SMALL)
    assert crops.cut[0].mask.data_ptr() == crops.cut[1].mask.data_ptr()  # softened once


@both_sizes
def test_what_no_memory_holds_is_refused(size):
    image, mask = noise(1, size), torch.ones(1, *size)
    for framing in (
        Framing(Target.SAME, padding=16384, outside=Outside.MIRROR),
        Framing(width=64, height=64, padding=16384, outside=Outside.REPEAT),
        Framing(width=16384, height=8, padding=5000, outside=Outside.MIRROR),
    ):
        with pytest.raises(ValueError, match=r"a crop would .* memory: choose less padding"):
            crop_for_inpaint(image, Layer(mask), framing)


def test_cancel_is_heard_while_masks_are_softened_and_while_crops_are_cut():
    masks = torch.stack([blob((97, 160), seed) for seed in range(6)])
    steps: list[tuple[int, int]] = []
    crop_for_inpaint(
        noise(1, (97, 160)), Layer(masks, 4), SMALL, progress=lambda *at: steps.append(at)
    )
    assert steps == [(number, 12) for number in [*range(6), *range(7, 13)]]
