"""Rectangles of whole pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pack.likeness.pixels.window import around, disjoint, overlap, padded, part, surround

LIMITS = (0, 0, 160, 97)


@pytest.mark.parametrize(
    ("boxes", "margin", "expected"),
    [
        ([(10.2, 20.8, 30.1, 40.0)], 0, (10, 20, 31, 40)),
        ([(10.2, 20.8, 30.1, 40.0)], 2.5, (7, 18, 33, 43)),
        ([(10, 20, 30, 40), (25, 5, 28, 60)], 0, (10, 5, 30, 60)),
        ([(-9, -9, 500, 500)], 3, LIMITS),
        ([(-9, -9, 0, 50)], 0, None),
        ([(10, 97, 20, 120)], 0, None),
        ([(5, 5, 5, 9)], 0, None),
    ],
)
def test_the_pixels_around_boxes(boxes, margin, expected):
    assert around(boxes, margin, LIMITS) == expected


def test_a_part_is_the_same_memory():
    image = torch.arange(12 * 9).reshape(9, 12)
    window = (100, 50, 112, 59)
    seen = part(image, window, (103, 52, 107, 53))
    assert seen.tolist() == [[27, 28, 29, 30]]
    seen.zero_()
    assert image[2, 3] == 0
    assert padded(window, 2) == (98, 48, 114, 61)


@pytest.mark.parametrize("seed", range(20))
def test_windows_become_disjoint_and_lose_no_pixel(seed):
    random = np.random.default_rng(seed)
    starts, sizes = random.integers(0, 60, (9, 2)), random.integers(1, 25, (9, 2))
    windows = [(*low, *(low + size)) for low, size in zip(starts, sizes, strict=True)]
    apart = disjoint(windows)
    covered = np.zeros((90, 90), int)
    for x0, y0, x1, y1 in apart:
        covered[y0:y1, x0:x1] += 1
    assert covered.max() == 1
    for x0, y0, x1, y1 in windows:
        assert covered[y0:y1, x0:x1].all()
    assert surround(apart) == surround(windows)


def test_windows_that_only_touch_stay_apart():
    left, right, over = (0, 0, 5, 5), (5, 0, 9, 5), (4, 4, 6, 6)
    assert not overlap(left, right)
    assert overlap(left, over)
    assert disjoint([left, right]) == [left, right]
    assert disjoint([left, right, over]) == [(0, 0, 9, 6)]
