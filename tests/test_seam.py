"""The seam as a number: 1 where nothing changed, and less with every way to hide a tint."""

from __future__ import annotations

import pytest
import torch
from pack.likeness.blending.colour import match_colour, to_lab
from pack.likeness.blending.feather import feathered, ring
from pack.likeness.blending.mixing import bands, gradient, mix
from pack.likeness.blending.seam import seam
from shapes import ellipse, half, noise, smooth

SIZES = [(97, 160), (160, 97)]


@pytest.mark.parametrize("size", SIZES)
def test_every_way_hides_a_tinted_patch_better_than_none(size):
    picture, mask = smooth(size) + 0.02 * noise(size), ellipse(size)
    patch = picture * torch.tensor([1.12, 0.98, 0.86]) + torch.tensor([0.05, 0.02, -0.02])
    soft = feathered(mask, 12)
    matched = match_colour(patch, picture, ring(mask, 8), 1.0)
    hard = seam(picture, mix(picture, patch, mask), mask)
    feather = seam(picture, mix(picture, patch, soft), soft)
    assert hard > 1.5
    assert feather < 0.8 * hard
    assert seam(picture, bands(picture, patch, mask), mask) < feather
    assert seam(picture, bands(picture, patch, soft), soft) < feather
    assert seam(picture, gradient(picture, patch, mask), mask) < feather
    assert seam(picture, gradient(picture, patch, mask), mask) == pytest.approx(1, abs=0.1)
    assert seam(picture, mix(picture, matched, mask), mask) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("size", SIZES)
def test_an_unchanged_picture_has_a_seam_of_one(size):
    picture = smooth(size) + 0.02 * noise(size)
    assert seam(picture, picture.clone(), ellipse(size)) == pytest.approx(1, abs=1e-5)


def test_it_is_the_mean_step_across_the_edge():
    size = (40, 60)
    picture = 0.4 + 0.2 * (torch.arange(60) / 60)[None, :, None].expand(*size, 3)
    after = picture + 0.1 * half(size)[..., None]
    steps = [(to_lab(image)[0, 28] - to_lab(image)[0, 31]).norm() for image in (after, picture)]
    expected = float((steps[0] + 0.1) / (steps[1] + 0.1))
    assert seam(picture, after, half(size)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("size", [*SIZES, (1, 2), (12, 12), (1000, 1400)])
def test_any_size_and_any_mask_has_a_finite_seam(size):
    picture, after = noise(size), noise(size, seed=1)
    assert seam(picture, after, half(size)) > 0
    assert seam(picture, after, (noise(size, 2)[..., 0] > 0).float()) > 0
    flat = torch.zeros(*size, 3)
    assert seam(flat, flat + 0.5, half(size)) == pytest.approx(1, abs=1e-3)
    assert 10 < seam(flat, flat + half(size)[..., None], half(size)) < 10_000


@pytest.mark.parametrize("mask", [torch.zeros(20, 30), torch.ones(20, 30), torch.ones(1, 1)])
def test_without_an_edge_there_is_no_seam(mask):
    picture = noise(tuple(mask.shape))
    assert seam(picture, picture + 0.1, mask) is None


def test_what_is_no_number_does_not_count():
    size = (97, 160)
    picture = smooth(size) + 0.02 * noise(size)
    broken, gone = picture.clone(), torch.full_like(picture, float("nan"))
    broken[:50] = float("nan")
    assert seam(picture, broken, half(size)) == pytest.approx(1, abs=1e-5)
    assert seam(broken, picture, half(size)) == pytest.approx(1, abs=1e-5)
    assert seam(picture, gone, half(size)) is None
