"""Cropped to inpaint and stitched in: nothing beyond the mask, and nothing that was not changed."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from pack.likeness.face import Face, Faces
from pack.likeness.geometry import transform
from pack.likeness.inpainting.aim import Empty
from pack.likeness.inpainting.framing import VISIBLE, Framing, Outside, Target, Unit
from pack.likeness.inpainting.inpaint import crop_for_inpaint, stitch, stitch_exactly
from pack.likeness.inpainting.painted import Layer, paint
from pack.likeness.paste import Blend, Method, Way

SIZES = [(97, 160), (160, 97)]
both_sizes = pytest.mark.parametrize("size", SIZES)
every_way = pytest.mark.parametrize("way", Way)
BLENDS = [Blend(method) for method in (Method.FEATHER, Method.BANDS, Method.GRADIENT)]
every_blend = pytest.mark.parametrize("blend", BLENDS, ids=lambda blend: blend.method.value)
SMALL = Framing(width=64, height=64)
SAME = Framing(Target.SAME)


def noise(count, size, channels=3, seed=0):
    return torch.rand(count, *size, channels, generator=torch.Generator().manual_seed(seed))


def smooth(size, seed=0):
    coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    wide = torch.nn.functional.interpolate(coarse, size, mode="bicubic", align_corners=True)
    return wide.movedim(1, -1) * 0.6 + 0.2


def blob(size, seed=0):
    """A mask (H, W) with a soft ellipse anywhere, some of it beyond the picture."""
    dice = random.Random(seed)
    x, y = dice.uniform(0, size[1]), dice.uniform(0, size[0])
    wide, high = dice.uniform(2, size[1] / 2), dice.uniform(2, size[0] / 2)
    down, across = torch.arange(size[0])[:, None] - y, torch.arange(size[1]) - x
    return (3 - 3 * ((across / wide) ** 2 + (down / high) ** 2)).clamp(0, 1)


def face(frame, x, y, side, roll=0.0):
    """A face whose eyes are `side` / 2 apart and turned by `roll` degrees."""
    angle = math.radians(roll)
    along = torch.tensor([math.cos(angle), math.sin(angle)]) * side / 4
    centre = torch.tensor([float(x), float(y)])
    down = torch.tensor([-along[1], along[0]])
    points = [centre - along, centre + along, centre, centre - along + down, centre + along + down]
    box = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    return Face(frame, box, torch.stack(points), 0.9)


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
def test_the_context_is_seen_too(size):
    image, mask, context = noise(1, size), torch.zeros(1, *size), torch.zeros(1, *size)
    mask[0, 40:50, 40:50] = 1
    context[0, 20:30, 50:70] = 1
    framing = Framing(Target.SAME, multiple=1, padding=0)
    crops, masks = crop_for_inpaint(image, Layer(mask), framing, context=Layer(context))
    assert crops.cut[0].box == (40, 20, 70, 50)
    assert masks.sum() == mask.sum()
    crops, _ = crop_for_inpaint(image, Layer(mask), framing, context=Layer(context * 0))
    assert crops.cut[0].box == (40, 40, 50, 50)


@both_sizes
@pytest.mark.parametrize("sigma", [0.4, 4, 16.5])
def test_the_blur_is_that_of_a1111(size, sigma):
    """Gaussian of sigma b, kernel 2 * floor(2.5 b + 0.5) + 1, on the whole picture's mask."""
    import cv2

    for seed in range(6):
        mask = (blob(size, seed) > 0.5).float()
        side = 2 * math.floor(2.5 * sigma + 0.5) + 1
        theirs = cv2.GaussianBlur(mask.numpy(), (side, side), sigma)
        ours = paint(mask, sigma)
        assert np.abs(ours.whole.numpy() - theirs).max() < 1e-5
        rows, columns = np.nonzero(theirs > VISIBLE)
        box = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        assert ours.box == box


@both_sizes
def test_the_mask_of_the_crop_is_where_the_crop_is(size):
    for seed in range(8):
        mask = (blob(size, seed) > 0.5).float()[None]
        picture = mask[..., None].repeat(1, 1, 1, 3)
        for framing in (SAME, SMALL, replace(SMALL, outside=Outside.REPEAT, padding=150)):
            crops, masks = crop_for_inpaint(picture, Layer(mask), framing)
            for each in (masks, crops.patches):
                assert each.min() >= 0
                assert each.max() <= 1
            assert (masks - crops.patches[..., 0]).abs().mean() < 0.02
            assert torch.equal(masks, crops.patches[..., 0]) or framing is not SAME


@both_sizes
def test_what_a_mirror_shows_is_not_painted(size):
    height, width = size
    mask = torch.zeros(1, *size)
    mask[0, 30:60, :20] = mask[0, 70:80, 40:50] = 1
    framing = Framing(Target.SAME, padding=60, unit=Unit.PIXELS, outside=Outside.MIRROR)
    crops, masks = crop_for_inpaint(noise(1, size), Layer(mask), framing)
    x0, y0, x1, y1 = crops.cut[0].box
    down = torch.arange(y0, y1).clamp(0, height - 1)
    across = torch.arange(x0, x1).clamp(0, width - 1)
    assert x0 < 0
    assert torch.equal(masks[0], mask[0][down[:, None], across])


@both_sizes
def test_a_turned_crop_leaves_the_picture_no_farther_than_its_corners(size):
    mask = torch.zeros(1, *size)
    mask[0, 5:45, 5:35] = 1
    for roll in (0.5, 20.0, 90.0, -135.0):
        faces = Faces((face(0, 20, 25, 40, roll),), 1, size)
        framing = Framing(width=64, height=64, padding=500)
        crops, _ = crop_for_inpaint(noise(1, size), Layer(mask), framing, faces=faces)
        [crop] = crops.cut
        height, width = size
        corners = torch.tensor([[0.0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]])
        moved = transform(corners, crop.matrix)
        assert min(moved.amin(0)) < 1  # the shorter side is filled
        longer = moved.amax(0) - moved.amin(0)
        assert longer.max() > 62


@both_sizes
def test_counts_of_pictures_and_masks(size):
    images, masks = noise(3, size), torch.stack([blob(size, seed) for seed in (1, 2, 3)])

    def frames(pictures, painted):
        crops, inside = crop_for_inpaint(pictures, Layer(painted), SMALL)
        assert len(crops.patches) == len(inside) == len(crops.cut)
        result = stitch(1 - crops.patches, crops).images
        assert result.shape == pictures.shape
        allowed = painted.amax(0, keepdim=True) if len(pictures) < len(painted) else painted
        kept = allowed.expand(len(pictures), *size) == 0
        assert torch.equal(result[kept], pictures[kept])
        assert not torch.equal(result, pictures)
        return [crop.frame for crop in crops.cut]

    assert frames(images, masks) == [0, 1, 2]
    assert frames(images, masks[:1]) == [0, 1, 2]
    assert frames(images[:1], masks) == [0, 0, 0]
    with pytest.raises(ValueError, match=r"mask: .*\(2, .*dealt out to .*\(3, .*one mask for each"):
        frames(images, masks[:2])
    extra = Layer(masks[:2])
    with pytest.raises(ValueError, match="blend_mask: there are 2 for 3 crops"):
        crop_for_inpaint(images, Layer(masks), SMALL, blend=extra)
    with pytest.raises(ValueError, match="context_mask: there are 2 for 3 crops"):
        crop_for_inpaint(images, Layer(masks), SMALL, context=extra)


@both_sizes
def test_a_mask_of_another_size_is_refused(size):
    image, mask, small = noise(1, size), torch.ones(1, *size), torch.zeros(1, 64, 64)
    words = rf"\(1, 64, 64\) does not fit pictures of shape \(1, {size[0]}, {size[1]}, 3\).*Resize"
    for name, layers in {
        "mask": {"mask": Layer(small)},
        "context_mask": {"mask": Layer(mask), "context": Layer(small)},
        "blend_mask": {"mask": Layer(mask), "blend": Layer(small)},
    }.items():
        with pytest.raises(ValueError, match=f"{name}: a mask of shape {words}"):
            crop_for_inpaint(image, framing=SMALL, **layers)
    with pytest.raises(ValueError, match=r"mask: .*\(masks, height, width\) is expected"):
        crop_for_inpaint(image, Layer(mask[0]), SMALL)


@both_sizes
def test_no_faces_turn_nothing(size):
    mask, nobody = Layer(blob(size)[None]), Faces((), 1, size)
    crops, _ = crop_for_inpaint(noise(1, size), mask, SMALL, faces=nobody)
    assert crops.cut[0].box is not None
    assert "no face is under mask 0" in crops.notes[0]


@both_sizes
@pytest.mark.parametrize("roll", [-100.0, -20.0, 35.0])
def test_a_face_sets_its_crop_upright(size, roll):
    image = noise(1, size)
    mask = torch.zeros(1, *size)
    mask[0, 40:70, 35:75] = 1
    [found] = (faces := Faces((face(0, 55, 55, 40, roll),), 1, size))
    crops, masks = crop_for_inpaint(image, Layer(mask), SMALL, faces=faces)
    [crop] = crops.cut
    left, right, _, mouth, _ = transform(found.points.double(), crop.matrix).tolist()
    assert abs(left[1] - right[1]) < 1e-6
    assert left[0] < right[0]
    assert mouth[1] > left[1]
    corners = torch.tensor([[35.0, 40.0], [74.0, 40.0], [35.0, 69.0], [74.0, 69.0]])
    moved = transform(corners, crop.matrix)
    assert (moved > 0).all()
    assert (moved < 63).all()
    seen = masks[0][tuple(moved.mean(0).round().long())]
    assert seen == 1
    level = Faces((face(0, 55, 55, 40, 0.05),), 1, size)
    assert crop_for_inpaint(image, Layer(mask), SMALL, faces=level)[0].cut[0].box is not None


@both_sizes
def test_masks_find_their_faces(size):
    """Those of single faces by their order, others by what they cover."""
    images = noise(2, size)
    found = [face(1, 30, 30, 20, 10), face(1, 70, 70, 20, 20), face(0, 60, 40, 20, 30)]
    faces = Faces(tuple(found), 2, size)

    def spot(x, y, reach=6):
        mask = torch.zeros(size)
        mask[y - reach : y + reach, x - reach : x + reach] = 1
        return mask

    def seen(masks, faces=faces, images=images):
        crops, _ = crop_for_inpaint(images, Layer(torch.stack(masks)), SMALL, faces=faces)
        turns = [
            math.degrees(math.atan2(-crop.matrix[1, 0], crop.matrix[0, 0])) for crop in crops.cut
        ]
        return [(crop.frame, round(turn)) for crop, turn in zip(crops.cut, turns, strict=True)]

    each = [spot(30, 30), spot(70, 70), spot(60, 40)]
    assert seen(each) == [(1, 10), (1, 20), (0, 30)]
    assert seen([spot(60, 40), spot(70, 70)]) == [(0, 30), (1, 20)]
    assert seen([spot(60, 40), torch.maximum(spot(30, 30), spot(70, 70, 8))]) == [(0, 30), (1, 20)]
    assert seen([spot(60, 40)]) == [(0, 30), (1, 0)]
    alone = Faces((replace(found[2]),), 1, size)
    assert seen([spot(10, 10), spot(60, 40)], alone, images[:1]) == [(0, 0), (0, 30)]
    other = replace(faces, found=(found[0], found[2]))  # as many as frames, in another order
    assert seen([spot(30, 30), spot(60, 40)], other) == [(1, 10), (0, 30)]
    assert seen([spot(60, 40), spot(30, 30)], other) == [(0, 30), (1, 10)]
    assert seen([spot(60, 40), spot(45, 35, 20)], other) == [(0, 30), (1, 10)]
    crops, _ = crop_for_inpaint(images[:1], Layer(spot(10, 10)[None]), SMALL, faces=alone)
    assert "no face is under mask 0" in crops.notes[0]


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
def test_masks_with_strange_numbers(size):
    image, mask = noise(1, size), blob(size)[None] * 3 - 1
    mask[0, :5, :5] = float("nan")
    plain = mask.nan_to_num(0).clamp(0, 1)
    for blur in (0, 3):
        odd, even = (crop_for_inpaint(image, Layer(each, blur), SMALL) for each in (mask, plain))
        assert torch.equal(odd[1], even[1])
        stitched = [stitch(1 - crops.patches, crops).images for crops, _ in (odd, even)]
        assert torch.equal(*stitched)


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


def drifting(patches):
    """What an autoencoder does, in short: another light and colour, and fine detail lost."""
    from pack.likeness.pixels.raster import blur

    duller = torch.stack([blur(patch, 1.5) for patch in patches])
    return duller * 0.97 + torch.tensor([0.06, -0.02, 0.1])


def detailed(size, seed):
    """Light and colour that change slowly, and fine grain on it."""
    grain = noise(1, size, 1, seed=seed) - 0.5
    return smooth(size, seed) * 0.6 + 0.2 + grain * 0.15


@every_way
def test_drift_alone_is_taken_out_in_full_at_the_edge_and_broadly_inside(way):
    size = (256, 320)
    image, mask = detailed(size, 0), torch.zeros(1, *size)
    mask[0, 60:200, 60:260] = 1
    crops, _ = crop_for_inpaint(image, Layer(mask), Framing(Target.SAME, padding=20))
    untouched = drifting(crops.patches)
    left = stitch(untouched, crops, way=way, blend=Blend(feather=0)).images - image
    kept = stitch(untouched, crops, untouched=untouched, way=way, blend=Blend(feather=0))
    rest = kept.images - image
    assert left[mask == 1].mean(dim=0).abs().max() > 0.05  # there was something to take out
    rim = torch.zeros_like(mask)
    rim[0, 60:200, 60:260] = 1
    rim[0, 62:198, 62:258] = 0
    assert rest[rim == 1].abs().max() < 0.02
    inner = rest[0, 85:175, 85:235]
    assert inner.mean(dim=(0, 1)).abs().max() < 0.003
    assert kept.seams[0] < 1.1


def test_untouched_crops_may_be_of_the_size_they_were_cut_in():
    """While the image was enlarged since."""
    image, mask = smooth((97, 160)), Layer((blob((97, 160)) > 0.5).float()[None])
    crops, _ = crop_for_inpaint(image, mask, SMALL)
    tinted = crops.patches * 0.8
    doubled = tinted.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    for given in (tinted, doubled):
        stitched = stitch(doubled, crops, untouched=given).images
        assert (stitched - image).abs().max() < 0.03
    assert (stitch(doubled, crops).images - image).abs().max() > 0.05


def test_no_ghost_of_the_old_content_appears():
    """New content through the autoencoder: its light comes right, the old detail stays away."""
    size = (256, 320)
    image, new, mask = detailed(size, 0), detailed(size, 5), torch.zeros(1, *size)
    mask[0, 60:200, 60:260] = 1
    crops, _ = crop_for_inpaint(image, Layer(mask), Framing(Target.SAME, padding=20))
    x0, y0, x1, y1 = crops.cut[0].box
    inpainted, untouched = drifting(new[:, y0:y1, x0:x1]), drifting(crops.patches)
    plain = stitch(inpainted, crops).images
    corrected = stitch(inpainted, crops, untouched=untouched).images
    by_force = stitch(inpainted - (untouched - crops.patches), crops).images

    def fine(picture):
        part = picture[0, 90:170, 90:230]
        return part - torch.nn.functional.avg_pool2d(
            part.movedim(-1, 0), 5, 1, 2, count_include_pad=False
        ).movedim(0, -1)

    def ghost(picture):
        """How much of the old fine detail there is in what is new."""
        old, seen = fine(image), fine(picture)
        return float((old * seen).sum() / (old * old).sum())

    def light(picture):
        return float((picture - new)[0, 90:170, 90:230].mean(dim=(0, 1)).abs().max())

    assert abs(ghost(by_force)) > 0.5  # what the test can see
    assert abs(ghost(corrected)) < 0.02
    assert light(corrected) < light(plain) / 3
