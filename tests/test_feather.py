"""Feathered edges and rings: never outside the mask, as wide as asked, the same on every device."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pack.likeness.blending.feather import feathered, ring, square
from pack.likeness.pixels.distance import _depth_by_rows, depth
from shapes import ellipse

SIZES = [(97, 160), (160, 97)]


@pytest.mark.parametrize("size", SIZES)
def test_depth_equals_scipy_by_either_way(size):
    from scipy.ndimage import distance_transform_edt

    inside = torch.rand(size, generator=torch.Generator().manual_seed(0)) > 0.01
    for limit in (0.5, 4.0, 9.5, 400.0):
        expected = np.minimum(distance_transform_edt(inside.numpy()), limit)
        assert np.allclose(depth(inside, limit), expected, atol=1e-4)
        assert np.allclose(_depth_by_rows(inside, limit), expected, atol=1e-4)


@pytest.mark.parametrize("way", [depth, _depth_by_rows])
def test_what_has_no_outside_is_deep_everywhere(way):
    assert (way(torch.ones(5, 9, dtype=torch.bool), 7.0) == 7).all()
    assert (way(torch.zeros(5, 9, dtype=torch.bool), 7.0) == 0).all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pixels", [0.4, 3, 16.5, 500])
def test_a_feather_stays_inside_the_mask(size, pixels):
    hard = ellipse(size)
    soft = torch.nn.functional.avg_pool2d(hard[None, None], 9, 1, 4)[0, 0]
    for mask in (hard, soft, hard * 0.5, torch.zeros(size), torch.ones(size)):
        kept = mask.clone()
        result = feathered(mask, pixels)
        assert (result <= mask).all()
        assert (result >= 0).all()
        assert torch.equal(mask, kept)
    assert (feathered(hard, pixels)[hard == 0] == 0).all()


def test_no_feather_is_the_mask_itself():
    mask = ellipse((97, 160))
    assert feathered(mask, 0) is mask


@pytest.mark.parametrize("size", SIZES)
def test_a_feather_is_as_wide_as_asked_in_every_direction(size):
    mask = ellipse(size)
    result, deep = feathered(mask, 12), depth(mask > 0, 100)
    assert (result[deep > 13] == 1).all()
    assert (result[(deep > 0) & (deep < 12)] < 1).all()
    assert (result[(deep > 6) & (deep < 7)] - 0.5).abs().max() < 0.1
    assert result.diff(dim=0).abs().max() < 0.15
    assert result.diff(dim=1).abs().max() < 0.15


def test_the_windows_border_is_no_edge():
    mask = torch.zeros(60, 80)
    mask[:, :40] = 1
    result = feathered(mask, 10)
    assert (result == result[0]).all()
    assert (result[:, :29] == 1).all()


def test_a_mask_thinner_than_the_feather_does_not_vanish():
    mask = torch.zeros(60, 80)
    mask[28:33] = 1
    assert feathered(mask, 10).amax() > 0.1


@pytest.mark.parametrize("size", SIZES)
def test_a_square_fades_at_its_four_sides(size):
    whole = square(size, 10)
    assert (whole[10:-10, 10:-10] == 1).all()
    assert (whole[0] < 0.01).all()
    assert (whole[:, -1] < 0.01).all()
    assert torch.equal(whole, whole.flip(0))
    assert torch.equal(whole, whole.flip(1))
    assert (whole[48].diff()[:10] >= 0).all()
    assert (square(size, 0) == 1).all()
    assert square(size, 500).amax() < 1


@pytest.mark.parametrize("size", SIZES)
def test_a_ring_lies_on_both_sides_of_the_edge(size):
    mask = ellipse(size)
    band = ring(mask, 6)
    deep = depth(mask > 0, 50) + depth(mask == 0, 50)
    assert (band[deep > 7] == 0).all()
    assert (band[deep < 6] > 0).all()
    assert (band[mask > 0].sum() / band[mask == 0].sum() - 1).abs() < 0.25


@pytest.mark.parametrize("mask", [torch.zeros(20, 30), torch.ones(20, 30)])
def test_without_an_edge_there_is_no_ring(mask):
    assert not ring(mask, 5).any()
    assert not ring(ellipse((97, 160)), 0).any()
