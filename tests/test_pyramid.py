"""Bands of detail: nothing is lost on the way there and back, masks only get narrower."""

from __future__ import annotations

import pytest
import torch
from pack.likeness.blending.pyramid import double, halve, shrink, soften
from shapes import ellipse, noise
from torch.nn import functional

SIZES = [(97, 160), (160, 97), (1, 1), (2, 7)]


@pytest.mark.parametrize("size", SIZES)
def test_doubling_what_was_halved_keeps_size_mean_and_constants(size):
    planes = noise(size).movedim(2, 0)
    smaller = halve(planes)
    assert smaller.shape[1:] == tuple(-(-side // 2) for side in size)
    assert double(smaller, size).shape == planes.shape
    flat = torch.full_like(planes, 0.3)
    assert torch.allclose(double(halve(flat), size), flat)


@pytest.mark.parametrize("size", SIZES)
def test_a_shrunk_mask_doubles_to_a_place_inside_the_mask(size):
    for mask in (ellipse(size), (noise(size)[..., 0] > -2).float(), torch.ones(size)):
        smaller = shrink(mask)
        assert smaller.shape == tuple(-(-side // 2) for side in size)
        spread = double((smaller > 0).float()[None], size)[0]
        assert (spread[mask == 0] == 0).all()
    assert (shrink(torch.ones(size)) == 1).all()


@pytest.mark.parametrize("size", SIZES)
def test_a_softened_mask_is_nowhere_above_it(size):
    mask = functional.avg_pool2d(ellipse(size)[None], 3, 1, 1)[0]
    assert (soften(mask) <= mask + 1e-7).all()
    assert (soften(mask)[mask == 0] == 0).all()
    assert (soften(torch.ones(size)) == 1).all()
