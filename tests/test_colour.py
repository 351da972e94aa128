"""Lab, and colours matched on a ring."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pack.likeness.blending.colour import match_colour, to_lab, to_rgb
from pack.likeness.blending.feather import ring
from pack.likeness.blending.mixing import mix
from shapes import ellipse, noise, smooth

SIZES = [(97, 160), (160, 97)]


def portrait_like(size: tuple[int, int]) -> torch.Tensor:
    return (smooth(size) + 0.03 * noise(size)).clamp(0, 1)


def test_lab_equals_scikit_image_and_kornia():
    """Tolerance in Lab units, of float32 against float64: maximum 0.001, and 0.01 for kornia."""
    import kornia
    from skimage.color import rgb2lab

    rgb = torch.rand(64, 81, 3, generator=torch.Generator().manual_seed(0))
    rgb[0, :3] = torch.tensor([[0.0] * 3, [1.0] * 3, [0.003] * 3])
    assert np.abs(to_lab(rgb).numpy() - rgb2lab(rgb.double().numpy())).max() < 1e-3
    theirs = kornia.color.rgb_to_lab(rgb.movedim(2, 0)[None])[0].movedim(0, 2)
    assert (to_lab(rgb) - theirs).abs().max() < 1e-2


def test_lab_and_back_is_the_same_even_beyond_white_and_black():
    rgb = torch.rand(97, 160, 3, generator=torch.Generator().manual_seed(0)) * 1.4 - 0.2
    assert (to_rgb(to_lab(rgb)) - rgb).abs().max() * 255 < 0.01


@pytest.mark.parametrize("size", SIZES)
def test_an_affine_change_of_colour_on_the_ring_is_taken_out(size):
    """In levels of 255, all over the patch: maximum 1.5, mean 0.3, 2 % above 1."""
    original = portrait_like(size)
    gains = torch.tensor([[0.8, 0.0, 0.0], [0.0, 1.2, 0.1], [0.0, 0.1, 0.9]])
    changed = to_rgb(to_lab(original) @ gains.T + torch.tensor([6.0, 4.0, -5.0]))
    assert (changed - original).abs().mean() * 255 > 8
    away = (match_colour(changed, original, ring(ellipse(size), 12), 1.0) - original).abs() * 255
    assert away.max() < 1.5
    assert away.mean() < 0.3
    assert (away > 1).float().mean() < 0.02


@pytest.mark.parametrize("size", SIZES)
def test_a_tint_of_the_camera_nearly_vanishes(size):
    original = portrait_like(size)
    tinted = original * torch.tensor([1.12, 0.98, 0.86]) + torch.tensor([0.04, 0.0, -0.02])
    weights = ring(ellipse(size), 12)
    errors = [
        (match_colour(tinted, original, weights, strength) - original).abs().mean()
        for strength in (0, 0.3, 0.6, 1)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[3] < 0.1 * errors[0]


@pytest.mark.parametrize("size", [(97, 160), (400, 300)])
def test_only_the_ring_is_looked_at(size):
    original = portrait_like(size)
    weights = ring(ellipse(size), 12)
    patch = mix(original + 0.1, original.flip(1), (weights == 0).float())
    expected = match_colour(patch, original, weights, 1.0)
    original[weights == 0] = float("nan")
    assert torch.equal(match_colour(patch, original, weights, 1.0), expected)
    patch[weights == 0] = float("inf")
    seen = weights > 0
    assert torch.equal(match_colour(patch, original, weights, 1.0)[seen], expected[seen])


def test_no_strength_or_no_ring_is_the_patch_itself():
    patch = portrait_like((97, 160))
    assert match_colour(patch, patch + 0.1, ring(ellipse((97, 160)), 9), 0.0) is patch
    assert match_colour(patch, patch + 0.1, torch.zeros(97, 160), 1.0) is patch


@pytest.mark.parametrize("size", [(1, 1), (12, 12), (97, 160)])
def test_flat_colours_become_flat_colours(size):
    """A surface without any spread has its mean moved, and nothing is blown up."""
    flat, other = torch.full((*size, 3), 0.4), torch.full((*size, 3), 0.4)
    other += torch.tensor([0.1, 0.0, -0.1])
    assert torch.allclose(match_colour(flat, other, torch.ones(size), 1.0), other, atol=1e-3)
    rich = (other + 0.1 * noise(size)).clamp(0, 1)
    result = match_colour(flat + 0.001 * noise(size, 1), rich, torch.ones(size), 1.0)
    assert result.isfinite().all()
    assert (result - result.mean((0, 1))).abs().max() < 0.03


def test_inputs_are_never_written_to():
    given = portrait_like((97, 160)), portrait_like((97, 160)) + 0.1, ring(ellipse((97, 160)), 9)
    kept = [each.clone() for each in given]
    match_colour(*given, 1.0)
    to_rgb(to_lab(given[0]))
    to_rgb(given[0])
    assert all(torch.equal(now, was) for now, was in zip(given, kept, strict=True))


@pytest.mark.parametrize("none", [float("nan"), float("inf")])
def test_what_is_no_number_does_not_count(none):
    size = (97, 160)
    original, weights = portrait_like(size), ring(ellipse(size), 12)
    patch, bad = original + 0.1, torch.zeros(size, dtype=torch.bool)
    bad[:, 70:75] = True
    expected = match_colour(patch, original, weights * ~bad, 1.0)
    for broken in (patch, original):
        was = broken.clone()
        broken[bad] = none
        result = match_colour(patch, original, weights, 1.0)
        assert torch.equal(result[~bad], expected[~bad])
        broken.copy_(was)
    nothing = torch.full_like(original, none)
    assert match_colour(patch, nothing, weights, 1.0) is patch
