"""Reference Only's arithmetic: what a weight selects, attention to both, statistics, noise."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from pack.likeness.reference.adain import impose, measure
from pack.likeness.reference.attention import attend_to_both, unconditional_rows
from pack.likeness.reference.inpaint import beside
from pack.likeness.reference.noise import noise_at
from pack.likeness.reference.selection import (
    SD,
    SDXL,
    adain_blocks,
    attention_blocks,
    fidelity_in,
)

WIDTHS = {("input", 1, 0): 2, ("input", 2, 0): 4, ("middle", 0, 0): 4, ("output", 0, 0): 3}
ROWS, TOKENS, WIDTH = 4, 6, 8
UNCONDITIONAL = unconditional_rows([1, 0], ROWS)
attend = torch.nn.functional.scaled_dot_product_attention


def rows(seed: int, tokens: int = TOKENS) -> torch.Tensor:
    return torch.randn(ROWS, tokens, WIDTH, generator=torch.Generator().manual_seed(seed))


def maps(seed: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    shape = (ROWS, 3, 5, 7)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale + shift


@pytest.mark.parametrize(
    ("weight", "selected"),
    [
        (0.0, []),
        (0.01, [("input", 2, 0)]),
        (0.25, [("input", 2, 0)]),
        (0.26, [("input", 2, 0), ("middle", 0, 0)]),
        (0.75, [("input", 2, 0), ("middle", 0, 0), ("output", 0, 0)]),
        (1.0, list(WIDTHS)),
    ],
)
def test_the_widest_blocks_come_first(weight, selected):
    assert list(attention_blocks(WIDTHS, weight)) == selected


@pytest.mark.parametrize(
    ("family", "weight", "selected"),
    [
        (SD, 0.0, []),
        (SD, 0.5, [("input", 11), ("middle", 0), ("output", 0), ("output", 1)]),
        (SDXL, 0.5, [("middle", 0), ("output", 0), ("output", 1)]),
        (SDXL, 1.0, [("input", 8), ("middle", 0), *(("output", i) for i in range(3))]),
    ],
)
def test_statistics_are_taken_from_the_middle_outwards(family, weight, selected):
    present = [("input", i) for i in range(12)] + [("middle", 0)]
    present += [("output", i) for i in range(12)]
    assert list(adain_blocks(family, present, weight)) == selected


def test_blocks_that_a_network_lacks_are_not_selected():
    assert adain_blocks(SD, [("input", 0), ("output", 0)], 1.0) == (("output", 0),)


def test_the_style_fidelity_of_a_family():
    assert fidelity_in(SD, 0.5) == 0.5
    assert fidelity_in(SDXL, 0.5) == 0.125
    assert fidelity_in(SD, 1e-6) == 0
    assert fidelity_in(SDXL, 1.0) == 1


def test_which_rows_are_unconditional():
    assert unconditional_rows([1, 0], 4).tolist() == [True, True, False, False]
    assert unconditional_rows([0, 2, 0], 3).tolist() == [False, True, False]
    with pytest.raises(ValueError, match="3 rows"):
        unconditional_rows([0, 1], 3)


@pytest.mark.parametrize("fidelity", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("unconditional", [UNCONDITIONAL, ~UNCONDITIONAL, UNCONDITIONAL * 0 > 0])
def test_attention_to_both_is_the_formula(fidelity, unconditional):
    queries, keys, values = rows(1), rows(2), rows(3)
    stored = rows(4, TOKENS + 1), rows(5, TOKENS + 1)
    both = attend(queries, torch.cat([keys, stored[0]], 1), torch.cat([values, stored[1]], 1))
    mixed = both.clone()
    mixed[unconditional] = attend(queries, keys, values)[unconditional]
    expected = fidelity * mixed + (1 - fidelity) * both
    got = attend_to_both(attend, queries, keys, values, stored, unconditional, fidelity)
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)


def test_no_row_is_computed_twice_at_a_fidelity_of_one():
    seen = []

    def counted(queries, keys, values):
        seen.append((len(queries), keys.shape[1]))
        return attend(queries, keys, values)

    given = rows(1), rows(2), rows(3), (rows(4), rows(5)), UNCONDITIONAL
    attend_to_both(counted, *given, 1.0)
    assert sorted(seen) == [(2, TOKENS), (2, 2 * TOKENS)]
    seen.clear()
    attend_to_both(counted, *given, 0.0)
    assert seen == [(4, 2 * TOKENS)]
    seen.clear()
    attend_to_both(counted, *given, 0.5)
    assert sorted(seen) == [(2, TOKENS), (4, 2 * TOKENS)]


def test_attention_leaves_its_arguments_alone():
    given = [rows(1), rows(2), rows(3), rows(4), rows(5)]
    before = [each.clone() for each in given]
    queries, keys, values, *stored = given
    for fidelity in (0.0, 0.5, 1.0):
        attend_to_both(attend, queries, keys, values, tuple(stored), UNCONDITIONAL, fidelity)
    assert all(map(torch.equal, given, before))


def test_adapted_activations_have_the_statistics_of_the_reference():
    wanted = measure(maps(1, 3.0, -2.0))
    got = measure(impose(maps(2), wanted, UNCONDITIONAL, 0.0))
    torch.testing.assert_close(got.mean, wanted.mean, atol=1e-5, rtol=0)
    torch.testing.assert_close(got.variance, wanted.variance, atol=1e-4, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_unconditional_rows_keep_the_part_of_the_fidelity(dtype):
    wanted, own = measure(maps(1, 3.0, -2.0)), maps(2).to(dtype)
    put = partial(impose, own, wanted, UNCONDITIONAL)
    assert put(0.3).dtype == dtype
    assert torch.equal(put(1.0)[UNCONDITIONAL], own[UNCONDITIONAL])
    assert torch.equal(put(1.0)[~UNCONDITIONAL], put(0.0)[~UNCONDITIONAL])
    half = (own.float() + put(0.0).float()) / 2
    torch.testing.assert_close(
        put(0.5).float()[UNCONDITIONAL], half[UNCONDITIONAL], atol=1e-2, rtol=0
    )


def test_a_flat_channel_stays_a_number():
    flat = torch.full((1, 2, 4, 4), 0.7)
    got = impose(flat, measure(maps(1)[:1, :2]), torch.tensor([False]), 0.0)
    assert got.isfinite().all()


def test_noise_is_the_same_for_the_same_seed_and_fresh_at_every_step():
    state = torch.get_rng_state()
    shape = (1, 4, 64, 64)
    assert torch.equal(noise_at(3, 7.0, shape), noise_at(3, 7.0, shape))
    assert not torch.equal(noise_at(3, 7.0, shape), noise_at(3, 8.0, shape))
    assert not torch.equal(noise_at(3, 7.0, shape), noise_at(4, 7.0, shape))
    assert abs(noise_at(2**64 - 1, 0.0, shape).std() - 1) < 0.02
    assert torch.equal(torch.get_rng_state(), state)


def test_an_inpainting_network_is_shown_all_of_the_reference():
    reference, shown = torch.randn(2, 4, 3, 5), torch.randn(2, 5, 3, 5)
    expected = torch.cat([torch.zeros(2, 1, 3, 5), reference], 1)
    assert torch.equal(beside(reference, shown), expected)
    assert torch.equal(beside(reference, shown[:, :4]), reference)
    assert torch.equal(beside(reference, shown[:, :3]), shown[:, :3])
    assert beside(reference, None) is None
