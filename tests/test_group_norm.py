"""Group normalisation in either layout, against torch's in double precision."""

from __future__ import annotations

import pytest
import torch
from pack.likeness.nets.group_norm import GroupNorm, made_precise
from torch import nn

LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}


def layer(channels: int, groups: int = 32) -> GroupNorm:
    made = GroupNorm(groups, channels, eps=1e-6).requires_grad_(False)
    made.weight.uniform_(0.5, 1.5)
    made.bias.normal_()
    return made


def maps(channels: int, size: tuple[int, int], frames: int = 1) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    aside = 3 * torch.randn(1, channels, 1, 1, generator=random)
    return torch.randn(frames, channels, *size, generator=random) + aside


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("channels", "size"), [(32, (256, 512)), (64, (37, 21)), (256, (1, 5))])
def test_it_is_group_normalisation(channels, size, threads, layout):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        norm, x = layer(channels), maps(channels, size, frames=2)
        made = norm(x.to(memory_format=LAYOUTS[layout]))
    finally:
        torch.set_num_threads(before)
    double = [each.double() for each in (norm.weight, norm.bias)]
    wanted = nn.functional.group_norm(x.double(), 32, *double, eps=1e-6)
    torch.testing.assert_close(made.double(), wanted, atol=1e-5, rtol=1e-5)
    assert made.is_contiguous(memory_format=LAYOUTS[layout])


@pytest.mark.parametrize("offset", [3, 10, 100, 1000, 10000])
@pytest.mark.parametrize("size", [(256, 256), (16, 9)])
def test_values_far_from_zero(size, offset):
    """As near as torch comes where the channels lie apart."""
    norm, random = layer(64), torch.Generator().manual_seed(0)
    x = torch.randn(2, 64, *size, generator=random) + offset
    double = [each.double() for each in (norm.weight, norm.bias)]
    wanted = nn.functional.group_norm(x.double(), 32, *double, eps=1e-6)
    torchs = (nn.functional.group_norm(x, 32, norm.weight, norm.bias, 1e-6) - wanted).abs().max()
    for layout in LAYOUTS.values():
        made = norm(x.to(memory_format=layout))
        assert made.is_contiguous(memory_format=layout)
        assert (made - wanted).abs().max() < 2 * torchs


def test_a_flat_map_stays_finite():
    x = torch.full((1, 32, 64, 64), 1e4).to(memory_format=torch.channels_last)
    assert layer(32)(x).isfinite().all()


def test_a_norm_without_weights_is_left_alone():
    network = made_precise(nn.Sequential(nn.GroupNorm(2, 4, affine=False)))
    assert type(network[0]) is nn.GroupNorm
    assert network(torch.randn(1, 4, 3, 3).to(memory_format=torch.channels_last)).isfinite().all()


def test_the_norms_of_a_network_are_replaced_where_they_stand():
    network = nn.Sequential(nn.GroupNorm(2, 4), nn.ModuleDict({"inner": nn.GroupNorm(1, 4)}))
    tensors = {name: value.clone() for name, value in network.state_dict().items()}
    made = made_precise(network)
    assert made is network
    assert {type(each) for each in (made[0], made[1]["inner"])} == {GroupNorm}
    assert made[0].num_groups == 2
    assert all(torch.equal(value, tensors[name]) for name, value in made.state_dict().items())
