"""Putting crops back: what must not change does not, bit for bit, and what comes back is right."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pack.likeness.align import Fit, Outside, Template, align
from pack.likeness.crop import Crop, as_crops
from pack.likeness.face import Faces
from pack.likeness.geometry import compose, scaling, shift
from pack.likeness.laid import inside_picture
from pack.likeness.paste import Blend, Method, Way, paste
from pack.likeness.pixels.distance import depth
from pack.likeness.pixels.raster import resize
from test_align import FIVE_POINTS, batch, face_at, smooth
from torch import Tensor

SIZES = [(97, 160), (160, 97)]
every_way = pytest.mark.parametrize("way", Way)
every_method = pytest.mark.parametrize("method", Method)


def noisy(height: int, width: int, frames: int = 1, seed: int = 0) -> Tensor:
    return torch.rand(frames, height, width, 3, generator=torch.Generator().manual_seed(seed))


def some_faces(size: tuple[int, int], seed: int, frames: int = 1) -> Faces:
    """A face of any pose inside, one half outside the frame, and a tiny one."""
    random = np.random.default_rng(seed)
    height, width = size
    found = [
        face_at(random.uniform(30, width - 30), random.uniform(30, height - 30), 12,
                random.uniform(-180, 180), int(random.integers(frames))),
        face_at(random.choice([0, width]), random.uniform(0, height), 17,
                random.uniform(-40, 40), int(random.integers(frames))),
        face_at(width / 2, height / 2, 5, random.uniform(-90, 90), 0),
    ]  # fmt: skip
    return batch(size, *found, frames=frames)


def footprint(crop: Crop, size: tuple[int, int]) -> Tensor:
    """Where the middle of a pixel lies under the patch (H, W)."""
    height, width = size
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    points = torch.stack([x, y], dim=-1).double() @ crop.matrix[:, :2].T + crop.matrix[:, 2]
    high = torch.tensor(crop.original.shape[1::-1]) - 0.5
    return ((points >= -0.5) & (points <= high)).all(-1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("template", Template)
def test_change_only_with_the_untouched_crop_is_the_picture(size, template):
    for seed in range(4):
        images = noisy(*size, frames=2, seed=seed)
        crops = align(images, some_faces(size, seed, 2), template, 64)
        for method in Method:
            blend = Blend(method, colour=1.0, grain=1.0)
            assert torch.equal(
                paste(images, crops.patches.clone(), crops, Way.CHANGE, blend).images, images
            )


@every_way
@every_method
@pytest.mark.parametrize("size", SIZES)
def test_nothing_changes_outside(size, way, method):
    """Outside the crops, and where a mask of the picture or of the crop is 0."""
    for seed in range(3):
        images = noisy(*size, frames=2, seed=seed)
        crops = align(images, some_faces(size, seed, 2), Template.FFHQ, 64)
        patches = torch.rand_like(crops.patches)
        masks = torch.zeros(2, *size)
        masks[:, 20:60, 30:70] = torch.rand(2, 40, 40)
        kept = [each.clone() for each in (images, patches, masks, crops.patches)]
        blend = Blend(method, colour=0.7, grain=0.5)
        result = paste(images, patches, crops, way, blend, masks).images
        under = torch.zeros(2, *size, dtype=torch.bool)
        for crop in crops.cut:
            under[crop.frame] |= footprint(crop, size)
        still = ~under | (masks == 0)
        assert torch.equal(result[still], images[still])
        for each, before in zip((images, patches, masks, crops.patches), kept, strict=True):
            assert torch.equal(each, before)


@every_way
@every_method
def test_the_inside_changes(way, method):
    images = smooth(160, 97)
    crops = align(images, batch((160, 97), face_at(45, 70, 20, 15)), Template.FFHQ, 96)
    patches = crops.patches.clone()
    patches[:, 30:70, 30:70] = 1 - patches[:, 30:70, 30:70]
    result = paste(images, patches, crops, way, Blend(method)).images
    assert (result - images).abs().max() > 0.2


@every_way
@every_method
def test_masks_of_nothing_change_nothing(way, method):
    for size in SIZES:
        images = noisy(*size)
        crops = align(images, some_faces(size, 1), Template.ARCFACE_128, 64)
        patches = torch.rand_like(crops.patches)
        for masks in ({"masks": torch.zeros(1, *size)}, {"patch_masks": torch.zeros(1, 64, 64)}):
            result = paste(images, patches, crops, way, Blend(method), **masks).images
            assert torch.equal(result, images)


def test_a_mask_of_ones_is_no_mask_and_half_a_mask_is_half():
    images, size = smooth(97, 160), (97, 160)
    crops = align(images, batch(size, face_at(80, 40, 16, 5)), Template.FFHQ, 64)
    patches, hard = 1 - crops.patches, Blend(feather=0)
    free = paste(images, patches, crops, blend=hard).images
    assert torch.equal(paste(images, patches, crops, blend=hard, masks=torch.ones(1, *size)).images,
                       free)  # fmt: skip
    half = paste(images, patches, crops, blend=hard, masks=torch.full((1, *size), 0.5)).images
    deep = depth(footprint(crops.cut[0], size), 3)[None] > 2
    assert torch.allclose(half[deep], ((free + images) / 2)[deep], atol=1e-6)


@pytest.mark.parametrize("template", [*FIVE_POINTS, Template.UPRIGHT, Template.QUAD])
@pytest.mark.parametrize("size", SIZES)
def test_replace_with_the_untouched_crop_on_smooth_pictures(size, template):
    """The crop has at least the picture's resolution here: only two interpolations remain."""
    height, width = size
    y, x = torch.meshgrid(torch.linspace(0, 3, height), torch.linspace(0, 3, width), indexing="ij")
    images = torch.stack([x.sin(), y.cos(), (x + y).sin()], -1)[None] * 0.4 + 0.5
    for roll in (0, 12, -75):
        crops = align(images, batch(size, face_at(60, 50, 10, roll)), template, 256,
                      outside=Outside.REPEAT)  # fmt: skip
        result = paste(images, crops.patches, crops, blend=Blend(feather=0.05)).images
        assert (result - images).abs().max() < 1 / 255


@pytest.mark.parametrize("size", SIZES)
def test_replace_is_no_further_off_than_opencv_there_and_back(size):
    import cv2

    for seed in range(5):
        images = noisy(*size, seed=seed)
        roll = np.random.default_rng(seed).uniform(-90, 90)
        crops = align(images, batch(size, face_at(60, 50, 14, roll)), Template.FFHQ, 128)
        result = paste(images, crops.patches, crops, blend=Blend(feather=0.0)).images
        matrix, picture = crops.cut[0].matrix.numpy(), images[0].numpy()
        there = cv2.warpAffine(picture, matrix, (128, 128), borderMode=cv2.BORDER_REFLECT_101)
        back = cv2.warpAffine(there, matrix, size[::-1], flags=cv2.INTER_LINEAR
                              | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
        inside = footprint(crops.cut[0], size).numpy()
        theirs = np.abs(back - picture)[inside]
        ours = np.abs(result[0].numpy() - picture)[inside]
        assert ours.max() <= theirs.max() + 0.05 / 255
        assert ours.mean() <= theirs.mean() + 0.01 / 255


@pytest.mark.parametrize("way", Way)
def test_a_straight_crop_neither_scaled_nor_turned_comes_back_bit_for_bit(way):
    images = noisy(97, 160)
    box = (20, 10, 84, 74)
    patch = images[:, 10:74, 20:84].clone()
    crop = Crop(0, shift(-20, -10), patch[0], 40.0, box=box)
    crops = as_crops([crop], images, patch)
    for blend in (Blend(), Blend(feather=0), Blend(Method.BANDS)):
        assert torch.equal(paste(images, patch, crops, way, blend).images, images)
    other = paste(images, 1 - patch, crops, blend=Blend(feather=0)).images
    assert torch.equal(other[:, 10:74, 20:84], 1 - patch)


def test_a_straight_crop_that_leaves_the_picture():
    images = noisy(97, 160)
    box = (-16, -8, 48, 56)
    patches = torch.rand(1, 64, 64, 3)
    crops = as_crops([Crop(0, shift(16, 8), patches[0], 40.0, box=box)], images, patches)
    result = paste(images, patches, crops, blend=Blend(feather=0)).images
    assert torch.equal(result[0, :56, :48], patches[0, 8:, 16:])
    assert torch.equal(result[0, 56:], images[0, 56:])


@every_way
def test_patches_may_come_back_larger_or_smaller(way):
    images = smooth(160, 97)
    crops = align(images, batch((160, 97), face_at(45, 60, 14, 20)), Template.FFHQ, 64)
    plain = paste(images, crops.patches, crops, way).images
    for factor in (2, 0.5):
        size = (int(64 * factor),) * 2
        moved = torch.nn.functional.interpolate(
            crops.patches.movedim(-1, 1), size, mode="bicubic", antialias=True
        )
        result = paste(images, moved.movedim(1, -1), crops, way).images
        assert (result - plain).abs().max() < 6 / 255


def test_frames_with_different_numbers_of_faces():
    images = noisy(97, 160, frames=4)
    found = [face_at(40, 40, 10, 0, 1), face_at(110, 50, 10, 0, 1), face_at(70, 50, 12, 30, 3)]
    crops = align(images, batch((97, 160), *found, frames=4), Template.FFHQ, 32)
    result = paste(images, torch.ones_like(crops.patches), crops)
    changed = [
        not torch.equal(after, before) for after, before in zip(result.images, images, strict=True)
    ]
    assert changed == [False, True, False, True]
    assert len(result.seams) == 3


def test_no_face_at_all_returns_the_pictures():
    images = noisy(97, 160, frames=2)
    crops = align(images, batch((97, 160), frames=2), size=64)
    assert torch.equal(paste(images, torch.rand(1, 64, 64, 3), crops).images, images)


def test_a_crop_whole_outside_the_picture():
    images = noisy(97, 160)
    faces = batch((97, 160), face_at(-400, 50, 12))
    crops = align(images, faces, Template.FFHQ, 64)
    pasted = paste(images, torch.rand(1, 64, 64, 3), crops)
    assert torch.equal(pasted.images, images)
    assert pasted.seams == (None,)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@every_way
def test_half_precision_stays_what_it_is(dtype, way):
    images = noisy(97, 160).to(dtype)
    crops = align(images, some_faces((97, 160), 0), Template.FFHQ, 64)
    assert torch.equal(paste(images, crops.patches, crops, Way.CHANGE).images, images)
    result = paste(images, torch.rand_like(crops.patches), crops, way).images
    under = torch.stack([footprint(crop, (97, 160)) for crop in crops.cut]).any(0)
    assert result.dtype == dtype
    assert torch.equal(result[0][~under], images[0][~under])


def test_alpha_stays():
    images = torch.rand(1, 97, 160, 4)
    crops = align(images, some_faces((97, 160), 0), Template.FFHQ, 64)
    for patches in (torch.rand(3, 64, 64, 3), torch.rand(3, 64, 64, 4)):
        result = paste(images, patches, crops).images
        assert torch.equal(result[..., 3], images[..., 3])
        assert not torch.equal(result[..., :3], images[..., :3])


@every_method
def test_numbers_that_are_none_stay_inside_the_mask(method):
    images = noisy(97, 160)
    crops = align(images, batch((97, 160), face_at(80, 45, 14)), Template.FFHQ, 64)
    patches = crops.patches.clone()
    patches[:, :20, :20] = torch.nan
    masks = torch.zeros(1, 97, 160)
    masks[:, 40:55, 70:90] = 1
    result = paste(images, patches, crops, blend=Blend(method, feather=0.02), masks=masks).images
    assert torch.equal(result[masks == 0], images[masks == 0])


def test_one_patch_for_all():
    images = noisy(97, 160)
    crops = align(images, some_faces((97, 160), 3), Template.FFHQ, 64)
    patch = torch.rand(1, 64, 64, 3)
    one = paste(images, patch, crops).images
    assert torch.equal(one, paste(images, patch.repeat(3, 1, 1, 1), crops).images)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": torch.rand(2, 97, 160, 3)}, ("1 pictures of 160 x 97", "2 of 160 x 97")),
        ({"images": torch.rand(1, 160, 97, 3)}, ("160 x 97", "97 x 160")),
        ({"images": torch.rand(1, 97, 160, 1)}, ("(1, 97, 160, 1)", "3 channels")),
        ({"patches": torch.rand(2, 64, 64, 3)}, ("2 patches for 3 crops",)),
        ({"patches": torch.rand(3, 64, 96, 3)}, ("96 x 64", "64 x 64")),
        ({"masks": torch.ones(1, 160, 97)}, ("(1, 160, 97)", "(1, 97, 160, 3)")),
        ({"masks": torch.ones(4, 97, 160)}, ("(4, 97, 160)",)),
        ({"patch_masks": torch.ones(2, 64, 64)}, ("2 masks of patches for 3 crops",)),
    ],
)
def test_what_does_not_fit_is_refused_with_both_shapes(change, words):
    images = noisy(97, 160)
    crops = align(images, some_faces((97, 160), 3), Template.FFHQ, 64)
    given = {"images": images, "patches": crops.patches, "crops": crops} | change
    with pytest.raises(ValueError, match=r"give|connect|paste them|need 3") as caught:
        paste(**given)
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.slow
@pytest.mark.parametrize("eyes", [5, 1300])
def test_tiny_and_huge_faces(eyes):
    size = (97, 160) if eyes == 5 else (3000, 2600)
    images = smooth(*size)
    crops = align(images, batch(size, face_at(size[1] / 2, size[0] / 3, eyes, 15)), Template.FFHQ,
                  128, Fit.ROBUST)  # fmt: skip
    assert torch.equal(paste(images, crops.patches, crops, Way.CHANGE).images, images)
    result = paste(images, 1 - crops.patches, crops).images
    under = footprint(crops.cut[0], size)
    assert torch.equal(result[0][~under], images[0][~under])
    assert (result - images).abs().max() > 0.3


def test_a_tinted_patch_is_better_hidden_by_every_option():
    images = smooth(200, 200) * 0.1 + 0.4
    crops = align(images, batch((200, 200), face_at(100, 80, 30, 10)), Template.FFHQ, 128)
    tinted = crops.patches + torch.tensor([0.12, 0.03, -0.08])
    hard = paste(images, tinted, crops, blend=Blend(feather=0)).seams[0]
    assert hard > 3
    better = {
        "feather": Blend(),
        "bands": Blend(Method.BANDS),
        "gradient": Blend(Method.GRADIENT),
        "colour": Blend(feather=0, colour=1),
        "insightface": Blend(Method.INSIGHTFACE),
        "facexlib": Blend(Method.FACEXLIB),
    }
    seams = {
        name: paste(images, tinted, crops, blend=each).seams[0] for name, each in better.items()
    }
    assert all(step < 0.7 * hard for step in seams.values()), (hard, seams)


def test_scaled_straight_crops_land_where_they_were():
    images = smooth(97, 160)
    box = (10, 20, 74, 84)
    matrix = compose(scaling((64, 64), (128, 128)), shift(-10, -20))
    patch = resize(images[0, 20:84, 10:74], (128, 128))[None]
    crop = Crop(0, matrix, patch[0], 60.0, box=box)
    result = paste(images, patch, as_crops([crop], images, patch), blend=Blend(feather=0)).images
    assert (result - images).abs().max() < 2 / 255


@every_method
@pytest.mark.parametrize("what", ["picture", "mask", "patch mask"])
def test_what_is_no_number_outside_of_the_patch_does_not_spread(method, what):
    """A mask that is no number allows nothing there."""
    size = (97, 160)
    images, masks, own = noisy(*size), torch.ones(1, *size), torch.ones(1, 64, 64)
    if what == "picture":
        images[:, 40:44, 70:75] = torch.nan
    crops = align(images, batch(size, face_at(80, 45, 14)), Template.FFHQ, 64)
    masks[:, 50:54, 80:85] = torch.nan if what == "mask" else 0
    own[:, 30:33, 30:33] = torch.nan if what == "patch mask" else 0
    patches = torch.rand_like(crops.patches)
    for blend in (Blend(method), Blend(method, colour=1, grain=1)):
        result = paste(images, patches, crops, blend=blend, masks=masks, patch_masks=own).images
        still = ~(masks > 0)
        assert torch.equal(result[still], images[still])
        assert result[images.isfinite()].isfinite().all()
        assert not torch.equal(result.nan_to_num(), images.nan_to_num())


@every_method
def test_change_only_with_the_untouched_crop_of_a_picture_with_no_numbers(method):
    images = noisy(97, 160)
    images[:, 40:44, 70:75] = torch.nan
    crops = align(images, batch((97, 160), face_at(80, 45, 14, 30)), Template.FFHQ, 64)
    result = paste(images, crops.patches.clone(), crops, Way.CHANGE, Blend(method, 0.1, 1, 1))
    assert torch.equal(result.images.view(torch.int32), images.view(torch.int32))


@every_way
@every_method
def test_the_result_is_a_picture(way, method):
    """In 0..1, however much was changed."""
    images = noisy(160, 97)
    crops = align(images, batch((160, 97), face_at(45, 70, 20, 15)), Template.FFHQ, 96)
    for blend in (Blend(method), Blend(method, colour=0.5, grain=1)):
        for patches in (1 - crops.patches, torch.ones_like(crops.patches)):
            result = paste(images, patches, crops, way, blend).images
            assert result.min() >= 0
            assert result.max() <= 1


@pytest.mark.parametrize("masked", [False, True])
def test_the_side_of_a_straight_crop_is_an_edge_as_any_other(masked):
    """Every blend looks at the picture beside it."""
    images = smooth(97, 160) * 0.2 + 0.4
    box = (20, 10, 84, 74)
    patch = images[:, 10:74, 20:84].clone()
    mask = torch.ones(97, 160) if masked else None
    crops = as_crops([Crop(0, shift(-20, -10), patch[0], 40.0, mask, box)], images, patch)
    tinted = patch + torch.tensor([0.12, 0.03, -0.08])
    seams = {}
    for method in (Method.FEATHER, Method.BANDS, Method.GRADIENT):
        pasted = paste(images, tinted, crops, blend=Blend(method, feather=0))
        seams[method] = pasted.seams[0]
        beside = torch.ones(97, 160, dtype=torch.bool)
        beside[10:74, 20:84] = False
        assert torch.equal(pasted.images[0][beside], images[0][beside])
    assert seams[Method.FEATHER] > 3
    assert seams[Method.BANDS] < 0.5 * seams[Method.FEATHER]
    assert seams[Method.GRADIENT] < 0.5 * seams[Method.FEATHER]


def test_a_straight_crop_fades_in_from_its_own_side():
    images, box = torch.zeros(1, 97, 160, 3), (20, 10, 84, 74)
    patch = torch.ones(1, 64, 64, 3)
    crop = Crop(0, shift(-20, -10), patch[0], 100.0, torch.ones(97, 160), box)
    result = paste(images, patch, as_crops([crop], images, patch), blend=Blend(feather=0.1)).images
    row = result[0, 42, :, 0]
    assert row[20] < 0.02
    assert row[30] == 1
    assert (row[20:31].diff() > 0).all()


@pytest.mark.parametrize("outside", Outside)
def test_colours_are_not_taken_from_beyond_the_picture(outside):
    """Half of the crop lies there; what stands in for it is not what the patch has to look like."""
    images = smooth(97, 160) * 0.2 + 0.4
    crops = align(images, batch((97, 160), face_at(0, 45, 14)), Template.FFHQ, 64, outside=outside)
    patches = smooth(97, 160)[:, :64, :64] * 0.2 + 0.6
    results = []
    for beyond in (0.0, 1.0):
        changed = torch.where(inside_picture(crops.cut[0], (97, 160))[..., None], patches, beyond)
        results.append(paste(images, changed, crops, blend=Blend(feather=0, colour=1)).images)
    assert (results[0] - results[1])[:, :, 2:].abs().max() < 1e-5


@every_way
def test_tensors_of_a_training_run_are_pasted_as_any_others(way):
    images = noisy(97, 160)
    crops = align(images, batch((97, 160), face_at(80, 45, 14)), Template.FFHQ, 64)
    given = torch.rand_like(crops.patches), torch.rand(1, 97, 160), torch.rand(1, 64, 64)
    plain = paste(images, given[0], crops, way, masks=given[1], patch_masks=given[2]).images
    patches, masks, own = (each.clone().requires_grad_() for each in given)
    images.requires_grad_()
    result = paste(images, patches, crops, way, masks=masks, patch_masks=own).images
    assert torch.equal(result, plain)
    assert not result.requires_grad
