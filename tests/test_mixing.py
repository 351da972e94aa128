"""Mix, bands and gradient: nothing changes outside alpha, and a tint is hidden by each."""

from __future__ import annotations

import pytest
import torch
from pack.likeness.blending.feather import feathered
from pack.likeness.blending.mixing import bands, gradient, mix, mix_into
from pack.likeness.pixels.distance import depth
from shapes import ellipse, half, noise, smooth

SIZES = [(97, 160), (160, 97)]
WAYS = [mix, bands, gradient]
TINT = torch.tensor([0.12, 0.05, -0.08])


def scene(size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture, and a patch that has nothing to do with it."""
    return smooth(size) + 0.05 * noise(size), smooth(size, seed=1) + 0.05 * noise(size, seed=1)


def masks(size: tuple[int, int]) -> dict[str, torch.Tensor]:
    single = torch.zeros(size)
    single[size[0] // 2, size[1] // 2] = 1
    return {
        "zero": torch.zeros(size),
        "one": torch.ones(size),
        "half": half(size),
        "ellipse": ellipse(size),
        "soft": feathered(ellipse(size), 15),
        "faint": ellipse(size) * 0.3,
        "dust": (noise(size, seed=2)[..., 0] > 2).float(),
        "pixel": single,
    }


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [*SIZES, (12, 12), (1, 7), (1, 1)])
@pytest.mark.parametrize("shape", masks((64, 64)))
def test_outside_alpha_the_picture_stays_bit_for_bit(way, size, shape):
    picture, patch = noise(size), noise(size, seed=1)
    alpha = masks(size)[shape]
    outside = alpha == 0
    patch[outside] = torch.tensor([float("nan"), float("inf"), -float("inf")])
    picture[0, 0] = -0.0
    kept = picture.clone(), patch.clone(), alpha.clone()
    result = way(picture, patch, alpha)
    assert result.shape == picture.shape
    assert torch.equal(result[outside].view(torch.int32), picture[outside].view(torch.int32))
    assert result.isfinite().all()
    for now, was in zip((picture, patch, alpha), kept, strict=True):
        assert torch.equal(now.nan_to_num(7), was.nan_to_num(7))


@pytest.mark.parametrize("size", SIZES)
def test_under_a_full_mask_the_patch_is_the_result(size):
    picture, patch = scene(size)
    whole = torch.ones(size)
    assert torch.equal(mix(picture, patch, whole), patch)
    assert (bands(picture, patch, whole) - patch).abs().max() < 1e-6
    assert torch.equal(gradient(picture, patch, whole), patch)  # no edge to fit it to


@pytest.mark.parametrize("size", SIZES)
def test_mix_is_exact_at_both_ends_and_straight_between(size):
    picture, patch = scene(size)
    patch = patch * 1000
    alpha = masks(size)["soft"]
    result = mix(picture, patch, alpha)
    assert torch.equal(result[alpha == 1], patch[alpha == 1])
    share = alpha[..., None].double()
    assert torch.allclose(result.double(), picture * (1 - share) + patch * share, rtol=1e-5)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", masks((64, 64)))
def test_a_patch_like_the_picture_changes_nothing(way, shape):
    picture, _ = scene((97, 160))
    result = way(picture, picture.clone(), masks((97, 160))[shape])
    assert torch.equal(result, picture)


@pytest.mark.parametrize("size", SIZES)
def test_deep_inside_bands_are_the_patch(size):
    picture, patch = scene(size)
    result = bands(picture, patch, ellipse(size))
    middle = ellipse(size, 0.1) > 0
    assert (result - patch)[middle].abs().max() < 1e-5


@pytest.mark.parametrize("size", SIZES)
def test_bands_spread_a_tint_but_not_the_detail(size):
    """At the edge the colour is the picture's and the fine detail is the patch's."""
    picture, mask = smooth(size), ellipse(size)
    fine = 0.05 * torch.where(
        (torch.arange(size[1]) + torch.arange(size[0])[:, None]) % 2 > 0, 1.0, -1.0
    )
    change = bands(picture, picture + fine[..., None] + TINT, mask) - picture
    rim = (mask > 0) & (ellipse(size, 0.74) == 0)
    detail = (change[rim] * fine[rim][:, None]).mean(0) / 0.05**2
    assert (detail > 0.9).all()
    assert (change[rim].mean(0).abs() < 0.25 * TINT.abs()).all()


@pytest.mark.parametrize("size", SIZES)
def test_a_tinted_patch_steps_least_where_it_is_hidden_best(size):
    """The largest step between neighbours that the paste adds: hard, feather, bands, gradient."""
    picture, mask = smooth(size), ellipse(size)
    patch = picture + TINT
    soft = feathered(mask, 6)
    hard, feather = mix(picture, patch, mask), mix(picture, patch, soft)
    steps = [
        max((image - picture).diff(dim=axis).abs().max() for axis in (0, 1))
        for image in (hard, feather, bands(picture, patch, soft), gradient(picture, patch, mask))
    ]
    assert steps == sorted(steps, reverse=True)
    assert steps[1] < 0.5 * steps[0]
    assert steps[2] < 0.7 * steps[1]
    assert steps[3] < 0.01 * steps[0]


@pytest.mark.parametrize("size", SIZES)
def test_bands_under_a_hard_mask_carry_a_tint_in_without_a_step(size):
    picture, mask = smooth(size), ellipse(size)
    share = (bands(picture, picture + TINT, mask) - picture) / TINT
    assert share.min() > -1e-4
    assert share.max() < 1 + 1e-4
    assert max(share.diff(dim=axis).abs().max() for axis in (0, 1)) < 0.25
    rim = (mask > 0) & (depth(mask > 0, 9) < 2)
    assert share[rim].abs().max() < 0.01


@pytest.mark.parametrize("size", [*SIZES, (12, 12), (700, 500)])
@pytest.mark.parametrize("shape", ["half", "ellipse", "soft", "dust", "pixel"])
def test_gradient_takes_a_constant_tint_out_entirely(size, shape):
    picture = smooth(size) + 0.05 * noise(size)
    result = gradient(picture, picture + TINT, masks(size)[shape])
    assert (result - picture).abs().max() < 0.1 / 255


def test_gradient_keeps_the_detail_of_the_patch():
    size = (97, 160)
    picture, mask = smooth(size), ellipse(size)
    dot = torch.zeros(*size, 3)
    dot[45:52, 70:90] = 0.2
    result = gradient(picture, picture + TINT + dot, mask)
    assert (result - picture - dot).abs().max() < 0.1 / 255


@pytest.mark.parametrize("size", [(97, 160), (160, 97), (1, 1), (200, 3)])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_mixing_into_a_part_of_a_frame(size, channels, dtype):
    height, width = size
    frame = noise((height + 20, width + 30), 3)
    frame = torch.cat([frame, frame[..., :1]], dim=-1)[..., :channels].to(dtype)
    before, patch, alpha = frame.clone(), noise(size, 4), ellipse(size).clone()
    alpha[::2] *= 0.4
    patch[alpha == 0] = torch.nan
    part = (slice(7, 7 + height), slice(11, 11 + width), slice(0, 3))
    expected = mix(before[part].float(), patch, alpha).to(dtype)
    mix_into(frame[part], patch, alpha)
    assert torch.allclose(frame[part], expected, atol=1e-6)
    assert torch.equal(frame[part][alpha == 0], before[part][alpha == 0])
    assert torch.equal(frame[part][alpha == 1], patch[alpha == 1].to(dtype))
    frame[part] = before[part]
    assert torch.equal(frame, before)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), -0.0, 1e38])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_whatever_the_picture_holds_stays_where_alpha_is_0(value, dtype):
    """To the last bit, also the sign of 0; and where alpha is 1 the patch takes its place."""
    picture = torch.full((40, 50, 3), value, dtype=dtype)
    patch, alpha = torch.rand(40, 50, 3), torch.zeros(40, 50)
    alpha[10:30, 10:40], alpha[5:10, 20:30] = 1, 0.5
    kept = picture.clone()
    mix_into(picture, patch, alpha)
    bits = {torch.float32: torch.int32, torch.bfloat16: torch.int16}[dtype]
    assert torch.equal(picture.view(bits)[alpha == 0], kept.view(bits)[alpha == 0])
    assert torch.equal(picture[alpha == 1], patch[alpha == 1].to(dtype))


@pytest.mark.parametrize("way", [bands, gradient])
def test_what_is_no_number_in_the_patch_does_not_spread(way):
    size = (97, 160)
    patch, alpha = smooth(size, seed=1), ellipse(size)
    patch[40:44, 80:84] = float("nan")
    there = patch.isfinite().all(dim=2)
    assert way(smooth(size), patch, alpha)[there].isfinite().all()
