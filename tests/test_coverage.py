"""Filling, growing and softening, against exact areas, OpenCV and distances known beforehand."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from pack.likeness.pixels.coverage import fill, gaussian, grow, reach_of
from pack.likeness.regions import area
from skimage.draw import polygon2mask

SIZES = [(97, 160), (160, 97)]
FINE = 16  # a drawing that is this much larger, averaged, is the truth of coverage


def frame(size: tuple[int, int]) -> tuple[int, int, int, int]:
    return (0, 0, size[1], size[0])


def rectangle(x0: float, y0: float, x1: float, y1: float) -> torch.Tensor:
    return torch.tensor([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=torch.float64)


def star(x: float, y: float, radius: float, corners: int = 9) -> torch.Tensor:
    """Alternately far and near, so neither convex nor aligned."""
    angles = torch.arange(corners * 2, dtype=torch.float64) * math.pi / corners + 0.2
    radii = radius * torch.tensor([1.0, 0.45], dtype=torch.float64).repeat(corners)
    return torch.stack([x + radii * angles.cos(), y + radii * angles.sin()], dim=1)


def disc(size: tuple[int, int], x: float, y: float, radius: float) -> torch.Tensor:
    angles = torch.arange(720, dtype=torch.float64) * math.pi / 360
    circle = torch.stack([x + radius * angles.cos(), y + radius * angles.sin()], dim=1)
    return fill(circle, frame(size))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("place", [(50.3, 40.7, 30), (-4.2, 50, 25), (60, 160, 40), (90, 5, 120)])
def test_coverage_is_the_mean_of_a_fine_drawing(size, place):
    """Maximum 0.08, mean 0.001; at most 1 % of pixels above 0.04."""
    polygon = star(*place)
    height, width = size
    points = (polygon.numpy()[:, ::-1] + 0.5) * FINE - 0.5
    canvas = polygon2mask((height * FINE, width * FINE), points)
    truth = canvas.reshape(height, FINE, width, FINE).mean((1, 3))
    error = np.abs(fill(polygon, frame(size)).numpy() - truth)
    assert error.max() < 0.08
    assert error.mean() < 0.001
    assert (error > 0.04).mean() < 0.01


@pytest.mark.parametrize("size", SIZES)
def test_the_coverage_adds_up_to_the_area(size):
    polygon = star(48.37, 47.91, 44.2)
    covered = fill(polygon, frame(size)).double().sum()
    assert float(covered) == pytest.approx(area(polygon), rel=1e-5)


def test_a_rectangle_between_pixels_covers_parts_of_them():
    covered = fill(rectangle(2.25, 1.0, 4.5, 3.5), (0, 0, 7, 6))
    columns, rows = torch.tensor([0, 0, 0.25, 1, 1, 0, 0]), torch.tensor([0, 0.5, 1, 1, 0, 0])
    assert torch.allclose(covered, rows[:, None] * columns, atol=1e-6)


def test_a_window_shows_its_part_of_the_frame():
    polygon = star(48.4, 47.9, 44)
    whole = fill(polygon, (-10, -10, 110, 110))
    for x0, y0, x1, y1 in [(20, 30, 60, 50), (-5, 40, 3, 90), (90, -8, 105, 20)]:
        seen = fill(polygon, (x0, y0, x1, y1))
        assert torch.allclose(seen, whole[y0 + 10 : y1 + 10, x0 + 10 : x1 + 10], atol=1e-6)


def test_direction_and_loops_do_not_matter():
    polygon = star(30, 30, 20)
    window = (0, 0, 60, 60)
    assert torch.allclose(fill(polygon.flip(0), window), fill(polygon, window), atol=1e-6)
    bow = torch.tensor([[5.0, 5], [45, 45], [45, 5], [5, 45]], dtype=torch.float64)
    assert float(fill(bow, window).double().sum()) == pytest.approx(800, rel=0.01)


def test_what_is_far_outside_is_not_worked_on():
    huge = rectangle(-1e9, -1e9, 1e9, 1e9)
    assert torch.equal(fill(huge, (0, 0, 9, 5)), torch.ones(5, 9))
    assert not fill(rectangle(1e8, 1e8, 1e9, 1e9), (0, 0, 9, 5)).any()


@pytest.mark.parametrize("pixels", [0.3, 1.0, 4.6, 17.0])
@pytest.mark.parametrize("size", SIZES)
def test_a_disc_grows_to_a_larger_disc_and_shrinks_to_a_smaller_one(size, pixels):
    """The radius within 0.3 px; maximum 0.45, mean 0.0035."""
    radii = (20, 20 + pixels)
    small, large = (disc(size, 48.3, 49.6, radius) for radius in radii)
    pairs = ((grow(large, -pixels), small), (grow(small, pixels), large))
    for (changed, wanted), radius in zip(pairs, radii, strict=True):
        assert math.sqrt(float(changed.sum()) / math.pi) == pytest.approx(radius, abs=0.3)
        error = (changed - wanted).abs()
        assert error.max() < 0.45
        assert error.mean() < 0.0035


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_straight_edge_moves_by_parts_of_a_pixel(share):
    edge = torch.zeros(9, 40)
    edge[:, :10], edge[:, 10] = 1, share
    assert float(grow(edge, 3.5)[4].sum()) == pytest.approx(13.5 + share, abs=0.13)
    assert float(grow(edge, -3.5)[4].sum()) == pytest.approx(6.5 + share, abs=0.13)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pixels", [-7.5, -1, 1, 7.5])
def test_empty_and_full_masks_stay_so(size, pixels):
    assert not grow(torch.zeros(size), pixels).any()
    assert torch.equal(grow(torch.ones(size), pixels), torch.ones(size))


@pytest.mark.parametrize("size", SIZES)
def test_growing_only_adds_and_shrinking_only_removes(size):
    mask = fill(star(50, 50, 40), frame(size))
    before = mask.clone()
    assert (grow(mask, 2.2) >= mask).all()
    assert (grow(mask, -2.2) <= mask).all()
    assert torch.equal(grow(mask, 0), mask)
    assert torch.equal(mask, before)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sigma", [1, 4, 16, 33.3, 70])
def test_the_mask_blur_is_a1111s(size, sigma):
    """cv2.GaussianBlur with its kernel size and default border: maximum 2e-6."""
    mask = fill(star(40, 60, 55), frame(size))
    before = mask.clone()
    kernel = 2 * int(2.5 * sigma + 0.5) + 1
    theirs = cv2.GaussianBlur(mask.numpy(), (kernel, 1), sigma)
    theirs = cv2.GaussianBlur(theirs, (1, kernel), sigma)
    assert 2 * reach_of(sigma) + 1 == kernel
    assert np.abs(gaussian(mask, sigma).numpy() - theirs).max() <= 2e-6
    assert torch.equal(mask, before)


@pytest.mark.parametrize("size", SIZES)
def test_the_mask_blur_in_eight_bits_is_a1111s_within_two_levels(size):
    """It blurs bytes, in fixed point and rounding after each direction: max 2, mean 0.6 levels."""
    levels = torch.zeros(size, dtype=torch.uint8)
    levels[30:70, 20:60] = 255
    theirs = levels.numpy()
    for kernel in ((81, 1), (1, 81)):
        theirs = cv2.GaussianBlur(theirs, kernel, 16)
    ours = gaussian(levels.float() / 255, 16) * 255
    error = np.abs(ours.numpy() - theirs)
    assert error.max() <= 2
    assert error.mean() <= 0.6


@pytest.mark.parametrize("size", SIZES)
def test_the_mask_blur_keeps_what_is_even(size):
    assert not gaussian(torch.zeros(size), 16).any()
    assert torch.allclose(gaussian(torch.ones(size), 16), torch.ones(size), atol=1e-6)
    half = torch.zeros(size)
    half[: size[0] // 2] = 1
    assert torch.equal(gaussian(half, 0), half)
    soft = gaussian(half, 3)
    assert soft.amin() >= 0
    assert soft.amax() <= 1
    assert (soft.diff(dim=0) <= 1e-6).all()
    assert soft[size[0] // 2 + reach_of(3) :].count_nonzero() == 0
