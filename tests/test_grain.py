"""Grain: as much as around, of the same kind, and none where there is none."""

from __future__ import annotations

import pytest
import torch
from pack.likeness.blending.feather import feathered
from pack.likeness.blending.grain import add_grain
from pack.likeness.blending.mixing import mix
from pack.likeness.blending.pyramid import double, halve
from shapes import ellipse, noise, smooth
from torch.nn import functional

SIZES = [(230, 310), (310, 230)]
COLOUR = torch.tensor([[1.0, 0.3, 0.2], [0.0, 0.9, 0.3], [0.0, 0.0, 1.2]]) * 0.03


def white(size: tuple[int, int]) -> torch.Tensor:
    return noise(size) @ COLOUR.T


def coarse(size: tuple[int, int]) -> torch.Tensor:
    """As a camera's or a JPEG's: neighbours are alike."""
    return functional.avg_pool2d(white(size).movedim(2, 0)[None], 3, 1, 1)[0].movedim(0, 2) * 2


def level(image: torch.Tensor, where: torch.Tensor, octaves: int) -> torch.Tensor:
    """Standard deviation of what is finer than so many octaves, of each channel."""
    planes = fine = image.movedim(2, 0)
    for _ in range(octaves):
        fine = halve(fine)
    for _ in range(octaves):
        fine = double(fine, (planes.shape[1], planes.shape[2]))
    return (planes - fine[:, : planes.shape[1], : planes.shape[2]])[:, where].std(dim=1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [white, coarse])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_smooth_patch_gets_the_noise_of_its_surroundings(size, kind, seed):
    clean, mask = smooth(size), ellipse(size)
    picture = clean + kind(size)
    inside, around = ellipse(size, 0.7) > 0, mask == 0
    result = add_grain(mix(picture, clean, mask), picture, mask, 1.0, seed)
    added, there = result - clean, picture - clean
    for octaves in (1, 3):
        share = level(added, inside, octaves) / level(there, around, octaves)
        assert ((share > 0.85) & (share < 1.15)).all()
    ours, theirs = (torch.corrcoef(each.T) for each in (added[inside], there[around]))
    assert (ours - theirs).abs().max() < 0.15  # its colour, too


@pytest.mark.parametrize("size", SIZES)
def test_half_the_strength_is_half_the_noise(size):
    clean, mask = smooth(size), ellipse(size)
    picture = clean + white(size)
    pasted = mix(picture, clean, mask)
    whole, part = (add_grain(pasted, picture, mask, strength, 0) for strength in (1.0, 0.5))
    assert torch.allclose((whole - pasted) / 2, part - pasted, atol=1e-6)
    assert add_grain(pasted, picture, mask, 0.0, 0) is pasted


@pytest.mark.parametrize("size", SIZES)
def test_a_clean_picture_stays_clean(size):
    picture, mask = smooth(size), ellipse(size)
    patch = smooth(size, seed=1)
    pasted = mix(picture, patch, mask)
    assert (add_grain(pasted, picture, mask, 1.0, 0) - pasted).abs().max() * 255 < 0.1


@pytest.mark.parametrize("size", SIZES)
def test_texture_around_is_not_taken_for_grain(size):
    """Stripes over half of the surroundings."""
    picture, mask = smooth(size), ellipse(size)
    picture[: size[0] // 2, ::3] += 0.2
    pasted = mix(picture, smooth(size), mask)
    assert (add_grain(pasted, picture, mask, 1.0, 0) - pasted).abs().max() * 255 < 0.5


@pytest.mark.parametrize("size", SIZES)
def test_what_was_erased_below_does_not_keep_the_grain_away(size):
    clean, mask = smooth(size), ellipse(size)
    picture = torch.where(mask[..., None] > 0, 0.5, clean + white(size))
    result = add_grain(mix(picture, clean, mask), picture, mask, 1.0, 0)
    inside = ellipse(size, 0.7) > 0
    share = level(result - clean, inside, 1) / level(picture - clean, mask == 0, 1)
    assert ((share > 0.85) & (share < 1.15)).all()


@pytest.mark.parametrize("size", SIZES)
def test_hair_all_around_is_not_put_on_smooth_skin(size):
    clean, mask = smooth(size), ellipse(size)
    hair = clean + 0.1 * white(size) + 10 * white(size) * (mask == 0)[..., None]
    result = add_grain(mix(hair, clean, mask), hair, mask, 1.0, 0)
    assert (level(result - clean, ellipse(size, 0.7) > 0, 3) < 0.005).all()


@pytest.mark.parametrize("size", SIZES)
def test_a_patch_with_as_much_noise_gets_no_more(size):
    picture, mask = smooth(size) + white(size), ellipse(size)
    patch = smooth(size, seed=1) + noise(size, seed=1) @ COLOUR.T
    pasted = mix(picture, patch, mask)
    assert (add_grain(pasted, picture, mask, 1.0, 0) - pasted).square().mean() < 0.03**2 * 0.02


@pytest.mark.parametrize("size", [*SIZES, (97, 160), (12, 12), (1, 1)])
@pytest.mark.parametrize("shape", ["zero", "one", "soft"])
def test_nothing_changes_outside_alpha_and_the_seed_decides(size, shape):
    picture = smooth(size) + white(size)
    alpha = {"zero": torch.zeros, "one": torch.ones}.get(shape, ellipse)(size)
    alpha = feathered(alpha, 5) if shape == "soft" else alpha
    pasted = mix(picture, smooth(size), alpha)
    kept = pasted.clone(), picture.clone(), alpha.clone()
    result = add_grain(pasted, picture, alpha, 1.0, 7)
    assert torch.equal(result[alpha == 0], picture[alpha == 0])
    assert result.isfinite().all()
    assert torch.equal(result, add_grain(pasted, picture, alpha, 1.0, 7))
    for now, was in zip((pasted, picture, alpha), kept, strict=True):
        assert torch.equal(now, was)
    if shape == "one" and size in SIZES:  # the picture below tells, where nothing lies around
        assert not torch.equal(result, pasted)
        assert not torch.equal(result, add_grain(pasted, picture, alpha, 1.0, 8))


@pytest.mark.parametrize("size", SIZES)
def test_what_is_no_number_does_not_count(size):
    """In the picture or in what was pasted; all else gets the grain that it would get anyway."""
    clean, mask = smooth(size), ellipse(size)
    picture = clean + white(size)
    pasted = mix(picture, clean, mask)
    picture[5:9, 5:9], pasted[size[0] // 2, size[1] // 2] = float("nan"), float("inf")
    result = add_grain(pasted, picture, mask, 1.0, 0)
    inside = (ellipse(size, 0.7) > 0) & pasted.isfinite().all(dim=2)
    known = picture.isfinite().all(dim=2)
    assert result[inside].isfinite().all()
    share = level((result - clean).where(inside[..., None], 0), inside, 1)
    share = share / level((picture - clean).where(known[..., None], 0), (mask == 0) & known, 1)
    assert ((share > 0.8) & (share < 1.2)).all()
    nothing = torch.full_like(picture, float("nan"))
    assert torch.equal(add_grain(clean, nothing, mask, 1.0, 0), clean)
