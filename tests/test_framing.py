"""The box of an inpainting crop: what must hold for any, and that it is diffusers' to the pixel."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from pack.likeness.geometry import identity, transform
from pack.likeness.inpainting.framing import (
    LONGEST,
    VISIBLE,
    Framing,
    Outside,
    Target,
    Unit,
    cut_out,
    framed,
    patch_size,
    to_aspect,
    turned_bounds,
    upright,
    with_padding,
)
from pack.likeness.pixels.raster import Border
from pack.likeness.pixels.window import around, bounds

SIZES = [(97, 160), (160, 97)]
both_sizes = pytest.mark.parametrize("size", SIZES)


def boxes(size, count, seed=0):
    """Boxes of all sizes inside a picture, some along its edges."""
    dice = random.Random(seed)
    height, width = size
    for number in range(count):
        x0, y0 = dice.randrange(width), dice.randrange(height)
        box = x0, y0, dice.randint(x0 + 1, width), dice.randint(y0 + 1, height)
        yield (0, box[1], width, box[3]) if number % 7 == 0 else box


def painted(size, box):
    x0, y0, x1, y1 = box
    mask = torch.zeros(size)
    mask[y0:y1, x0:x1] = 1
    return mask


@both_sizes
def test_bounds_are_where_something_shows(size):
    for box in boxes(size, 50):
        mask = painted(size, box)
        assert bounds(mask) == box
        assert bounds(mask * 0.002) == box  # a half of 1/255 and more
        assert bounds(mask * VISIBLE) is None
    assert bounds(torch.zeros(size)) is None
    assert bounds(torch.ones(size)) == (0, 0, *size[::-1])
    strange = painted(size, (3, 4, 9, 30))
    strange[:2] = strange[4, 50] = strange[10, 3] = float("nan")
    assert bounds(strange) == (3, 4, 9, 30)
    assert bounds(strange.half()) == bounds(strange.bfloat16()) == (3, 4, 9, 30)


@both_sizes
@pytest.mark.parametrize("target", [(512, 512), (512, 768), (1024, 576), (64, 1024)])
def test_the_box_is_that_of_diffusers(size, target):
    processors = pytest.importorskip("diffusers.image_processor")
    from PIL import Image

    width, height = target
    for number, box in enumerate(boxes(size, 40)):
        mask = Image.fromarray((painted(size, box) * 255).byte().numpy())
        padding = (0, 5, 32)[number % 3]
        theirs = processors.VaeImageProcessor.get_crop_region(mask, width, height, padding)
        limits = (0, 0, *size[::-1])
        assert to_aspect(around([box], padding, limits), width, height, limits) == theirs


@both_sizes
@pytest.mark.parametrize("outside", Outside)
@pytest.mark.parametrize("target", [Target.FIXED, Target.BUDGET, Target.SAME])
def test_a_framed_box_shows_the_whole_mask_in_the_shape_of_the_patch(size, outside, target):
    framing = Framing(target, 768, 512, megapixels=0.5, multiple=64, outside=outside)
    limit = (0, 0, *size[::-1]) if outside is Outside.SHIFT else None
    for box in boxes(size, 60):
        wide = with_padding(box, framing, limit)
        patch = patch_size([wide], framing)
        x0, y0, x1, y1 = framed(wide, patch, framing, limit)
        assert x0 <= box[0] < box[2] <= x1
        assert y0 <= box[1] < box[3] <= y1
        if target is Target.SAME:
            assert (y1 - y0, x1 - x0) == patch
        elif target is Target.FIXED or 1 / LONGEST < (x1 - x0) / (y1 - y0) < LONGEST:
            assert abs((x1 - x0) - (y1 - y0) * patch[1] / patch[0]) < 1 + patch[1] / patch[0]


@both_sizes
def test_a_box_is_shifted_inside_before_it_leaves_the_picture(size):
    framing = Framing(width=64, height=64, padding=10, unit=Unit.PIXELS)
    height, width = size
    for box in boxes(size, 60):
        if max(box[2] - box[0], box[3] - box[1]) + 20 > min(size):
            continue
        limits = (0, 0, width, height)
        x0, y0, x1, y1 = framed(with_padding(box, framing, limits), (64, 64), framing, limits)
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        free = framed(with_padding(box, framing, None), (64, 64), framing, None)
        assert free[2] - free[0] == max(box[2] - box[0], box[3] - box[1]) + 20


def test_a_picture_too_small_is_left_evenly():
    box = framed((0, 10, 160, 90), (512, 512), Framing(width=512, height=512), (0, 0, 160, 97))
    assert box == (0, -31, 160, 129)


def test_padding_is_a_share_of_the_longer_side():
    framing = Framing(padding=50, unit=Unit.PERCENT)
    box = (40, 30, 60, 70)
    assert with_padding(box, framing, None) == (20, 10, 80, 90)
    assert with_padding(box, framing, (0, 0, 70, 80)) == (20, 10, 70, 80)
    assert with_padding(box, replace(framing, unit=Unit.PIXELS), None) == (-10, -20, 110, 120)


@pytest.mark.parametrize("multiple", [8, 16, 64])
def test_patches_have_the_area_and_the_multiple(multiple):
    for box in boxes((700, 900), 60):
        framing = Framing(Target.BUDGET, megapixels=1.0, multiple=multiple)
        height, width = patch_size([box], framing)
        assert height % multiple == width % multiple == 0
        assert abs(height * width / 1024**2 - 1) < 0.1
        shape = (box[2] - box[0]) / (box[3] - box[1])
        shape = min(max(shape, 1 / LONGEST), LONGEST)
        assert abs(width / height / shape - 1) < 0.15
        height, width = patch_size([box], replace(framing, target=Target.SAME))
        assert height % multiple == width % multiple == 0
        assert 0 <= width - (box[2] - box[0]) < multiple
        assert 0 <= height - (box[3] - box[1]) < multiple


def test_several_boxes_share_one_size():
    several = [(0, 0, 100, 50), (0, 0, 50, 100), (10, 0, 90, 80)]
    assert patch_size(several, Framing(Target.SAME)) == (104, 104)
    assert patch_size(several, Framing(Target.BUDGET)) == (1024, 1024)
    assert patch_size([], Framing(Target.BUDGET)) == (1024, 1024)
    assert patch_size([], Framing(Target.SAME)) == (8, 8)


@both_sizes
@pytest.mark.parametrize("degrees", [-170.0, -30.0, 12.5, 90.0])
def test_turned_bounds_hold_every_painted_pixel(size, degrees):
    dice = torch.Generator().manual_seed(0)
    for box in boxes(size, 20):
        mask = painted(size, box) * (torch.rand(size, generator=dice) < 0.3)
        if (around_all := bounds(mask)) is None:
            continue
        matrix = upright(around_all, degrees)
        x0, y0, x1, y1 = turned_bounds(mask, around_all, matrix)
        rows, columns = mask.nonzero(as_tuple=True)
        corner = torch.tensor([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]])
        corners = torch.stack([columns, rows], dim=1).double()[:, None] + corner
        moved = transform(corners.reshape(-1, 2), matrix) + 0.5
        low, high = moved.amin(0), moved.amax(0)
        tight = torch.stack([low.floor(), high.ceil()]).flatten()
        assert (tight - torch.tensor([x0, y0, x1, y1])).abs().max() <= 1e-6
        assert turned_bounds(mask, around_all, identity()) == around_all


@pytest.mark.parametrize("border", [Border.REFLECT, Border.REPLICATE])
def test_part_is_a_view_inside_and_mirrors_or_repeats_outside(border):
    picture = torch.rand(5, 7, 3)
    assert cut_out(picture, (1, 2, 6, 5), border).data_ptr() == picture[2:, 1:].data_ptr()
    left, top, right, bottom = 3, 2, 4, 1
    grown = cut_out(picture, (-left, -top, 7 + right, 5 + bottom), border)
    mode = "reflect" if border is Border.REFLECT else "replicate"
    expected = torch.nn.functional.pad(picture.movedim(2, 0), (left, right, top, bottom), mode)
    assert torch.equal(grown, expected.movedim(0, 2))


@pytest.mark.parametrize(
    ("name", "value"),
    [("width", 0), ("height", -8), ("megapixels", 0.0), ("multiple", 0), ("padding", float("nan"))],
)
def test_numbers_that_make_no_crop_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value:g}: choose"):
        Framing(**{name: value})
