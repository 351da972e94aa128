"""A large crop as many small ones, and the way back."""

from __future__ import annotations

import pytest
import torch
from pack.likeness.swapping.boost import parts


@pytest.mark.parametrize("boost", range(1, 9))
def test_parts_fill_the_crop_that_they_are_of(boost):
    crops = torch.rand(3, 8 * boost, 12 * boost, 3)
    empty = torch.full_like(crops, torch.nan)
    for place, part in zip(parts(empty, boost), parts(crops, boost), strict=True):
        place.copy_(part)
    assert torch.equal(empty, crops)


@pytest.mark.parametrize("boost", [2, 3, 8])
def test_a_part_is_every_so_manyth_pixel(boost):
    crops = torch.rand(2, 4 * boost, 4 * boost, 3)
    small = parts(crops, boost)
    assert len(small) == 2 * boost**2
    for number in (0, 1):
        for a in range(boost):
            for b in range(boost):
                part = small[(number * boost + a) * boost + b]
                assert part.shape == (4, 4, 3)
                assert torch.equal(part, crops[number, a::boost, b::boost])


def test_a_constant_picture_stays_constant():
    grey = torch.full((1, 24, 24, 3), 0.3)
    assert all(torch.equal(part, torch.full((8, 8, 3), 0.3)) for part in parts(grey, 3))
