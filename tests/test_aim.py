"""Which picture each mask is of, what its crop shows, and how the crop is set upright."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from inpaint_cases import SAME, SMALL, blob, both_sizes, face, noise
from pack.likeness.face import Faces
from pack.likeness.geometry import transform
from pack.likeness.inpainting.framing import VISIBLE, Framing, Outside, Target, Unit
from pack.likeness.inpainting.inpaint import crop_for_inpaint, stitch
from pack.likeness.inpainting.painted import Layer, paint


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
def test_masks_with_strange_numbers(size):
    image, mask = noise(1, size), blob(size)[None] * 3 - 1
    mask[0, :5, :5] = float("nan")
    plain = mask.nan_to_num(0).clamp(0, 1)
    for blur in (0, 3):
        odd, even = (crop_for_inpaint(image, Layer(each, blur), SMALL) for each in (mask, plain))
        assert torch.allclose(odd[1], even[1], atol=1e-6)
        stitched = [stitch(1 - crops.patches, crops).images for crops, _ in (odd, even)]
        assert torch.allclose(*stitched, atol=1e-6)


@both_sizes
@pytest.mark.parametrize("strange", [float("nan"), -1.0, float("-inf")])
def test_strange_numbers_beside_a_sound_mask(size, strange):
    """They are no part of it, and nothing is changed there."""
    image, mask = noise(1, size), torch.zeros(1, *size)
    mask[0, 40:60, 40:60] = 1
    plain = mask.clone()
    mask[0, 34:38, 30:70] = strange
    for framing in (SAME, SMALL, Framing(Target.DIFFUSERS, 64, 64)):
        odd, even = (crop_for_inpaint(image, Layer(each), framing) for each in (mask, plain))
        assert torch.equal(odd[1], even[1])
        stitched = [stitch(1 - crops.patches, crops).images for crops, _ in (odd, even)]
        assert torch.equal(*stitched)


@both_sizes
def test_masks_painted_in_an_order_of_their_own(size):
    """As many as there are faces, but not those of the faces one by one."""
    faces = Faces((face(0, 30, 30, 20, 10), face(0, 65, 70, 20, 40)), 1, size)
    masks = torch.zeros(2, *size)
    masks[0, 64:76, 60:70] = masks[1, 24:36, 25:35] = 1

    def turns(masks):
        crops, _ = crop_for_inpaint(noise(1, size), Layer(masks), SMALL, faces=faces)
        return [
            round(math.degrees(math.atan2(-crop.matrix[1, 0], crop.matrix[0, 0])))
            for crop in crops.cut
        ]

    assert turns(masks) == [40, 10]
    assert turns(masks.flip(0)) == [10, 40]
    masks[1] = 0
    assert turns(masks.flip(0)) == [40]
