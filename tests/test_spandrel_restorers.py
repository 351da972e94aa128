"""Restorers in torch against spandrel's networks, called directly on -1..1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import spandrel
import spandrel_networks
import torch
from pack.likeness.align import Template
from pack.likeness.nets.restoreformer import Shape
from pack.likeness.restoring.load import from_tensors, load
from pack.likeness.restoring.network_restorer import KINDS, SIZE
from pack.likeness.restoring.spandrel_restorer import from_descriptor
from spandrel_networks import pictures
from standins import restorers
from standins.restorers import restoreformer_tensors, write_restoreformer
from torch import Tensor, nn


@dataclass(frozen=True)
class Real:
    """A file of the true size, and the network that it holds as spandrel has it."""

    name: str
    tensors: Callable[[], dict[str, Tensor]]
    network: Callable[[dict[str, Tensor]], nn.Module]
    call: Callable[[nn.Module, Tensor], Tensor]
    rounding: float  # of a picture of 0..1; the networks magnify that of their first layers
    parameters: int


def gfpgan(tensors: dict[str, Tensor]) -> nn.Module:
    return spandrel.MAIN_REGISTRY.load(tensors).model.eval()


def codeformer(tensors: dict[str, Tensor]) -> nn.Module:
    extra = pytest.importorskip("spandrel_extra_arches")
    return extra.EXTRA_REGISTRY.load(tensors).model.eval()


def plain(tensors: dict[str, Tensor]) -> nn.Module:
    return spandrel_networks.restoreformer(Shape(), tensors)


def plus(tensors: dict[str, Tensor]) -> nn.Module:
    return spandrel_networks.restoreformer(Shape(plus=True), tensors)


def first(network: nn.Module, given: Tensor) -> Tensor:
    return network(given)[0]


REAL = [
    Real(
        "GFPGANv1.4.pth",
        restorers.gfpgan_tensors,
        gfpgan,
        lambda network, given: network(given, return_rgb=False, randomize_noise=False)[0],
        0.0,
        86_444_252,
    ),
    Real(
        "codeformer.pth",
        restorers.codeformer_tensors,
        codeformer,
        lambda network, given: network(given, weight=0.7)[0],
        1e-3,
        94_112_707,
    ),
    Real("RestoreFormer.pth", restorers.restoreformer_tensors, plain, first, 1e-3, 72_680_003),
    Real("RestoreFormer++.ckpt", restorers.restoreformerpp_tensors, plus, first, 1e-3, 73_472_579),
]


def crops(count: int = 1, size: int = 128) -> Tensor:
    """(N, size, size, 3), 0..1; RestoreFormer takes smaller ones as well, which are quick."""
    return ((pictures(count, size) + 1) / 2).movedim(1, -1).contiguous()


def called(*_: object, **__: object) -> None:
    raise AssertionError("a descriptor was called: it gives the networks another range")


@pytest.fixture
def no_descriptor(monkeypatch):
    monkeypatch.setattr(spandrel.ImageModelDescriptor, "__call__", called)


@pytest.mark.slow
@pytest.mark.usefixtures("no_descriptor")
@pytest.mark.parametrize("real", REAL, ids=lambda real: real.name)
def test_the_network_itself_is_asked(real):
    tensors = real.tensors()
    network = real.network(dict(tensors))
    with torch.no_grad():
        wanted = real.call(network, crops(1, SIZE).movedim(-1, 1).contiguous() * 2 - 1)
    del network
    restorer = from_tensors(tensors, Path(real.name))
    made = restorer.restore(crops(1, SIZE), 0.7)
    wanted = ((wanted.clamp(-1, 1) + 1) / 2).movedim(1, -1)
    assert made.shape == (1, 512, 512, 3)
    assert made.dtype == torch.float32
    assert made.std() > 0.05
    assert (made - wanted).abs().max() <= real.rounding
    assert torch.equal(restorer.restore(crops(1, SIZE), 0.7), made)
    assert sum(weight.numel() for weight in restorer.parameters()) == real.parameters
    assert restorer.has_fidelity == (real.name == "codeformer.pth")


@pytest.mark.slow
def test_codeformer_hears_the_fidelity():
    pytest.importorskip("spandrel_extra_arches")
    restorer = from_tensors(restorers.codeformer_tensors(), Path("codeformer.pth"))
    beautiful, faithful = (restorer.restore(crops(1, SIZE), fidelity) for fidelity in (0.0, 1.0))
    assert (beautiful - faithful).abs().mean() > 0.01


@pytest.mark.slow
def test_the_descriptor_would_have_given_something_else():
    """What the range trap looks like; and its noise is new each time."""
    tensors = restorers.gfpgan_tensors()
    descriptor = spandrel.MAIN_REGISTRY.load(tensors)
    made = from_descriptor(descriptor, "GFPGANv1.4.pth").restore(crops(1, SIZE), 0.5)
    given = crops(1, SIZE).movedim(-1, 1).contiguous()
    trapped = descriptor(given).movedim(1, -1)
    assert (made - trapped).abs().mean() > 0.05
    assert not torch.equal(descriptor(given).movedim(1, -1), trapped)


# --- narrow ones --------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path) -> Path:
    return write_restoreformer(tmp_path / "RestoreFormer.pth")


def descriptor_of(file: Path) -> spandrel.ImageModelDescriptor:
    return spandrel.ModelLoader().load_from_file(file)


@pytest.mark.usefixtures("no_descriptor")
def test_what_cores_loader_gives(file):
    """Its network is asked as it stands, and stays what it was."""
    descriptor = descriptor_of(file)
    before = {name: (id(each), each.stride()) for name, each in descriptor.model.named_parameters()}
    restorer = from_descriptor(descriptor, file.name)
    with torch.no_grad():
        wanted = descriptor.model(crops().movedim(-1, 1).contiguous() * 2 - 1)[0]
    made = restorer.restore(crops(), 0.5)
    assert torch.equal(made, ((wanted.clamp(-1, 1) + 1) / 2).movedim(1, -1))
    after = {name: (id(each), each.stride()) for name, each in restorer.network.named_parameters()}
    assert before == after
    assert not any(each is descriptor for each in vars(restorer).values())


def test_what_cores_loader_gives_and_the_file_are_the_same(file):
    ours, theirs = load(file), from_descriptor(descriptor_of(file), file.name)
    assert (ours.restore(crops(), 0.5) - theirs.restore(crops(), 0.5)).abs().mean() < 1e-4


@pytest.mark.parametrize("name", ["RestoreFormer.pth", "RestoreFormer++.ckpt"])
def test_what_a_restorer_is(tmp_path, name):
    restorer = load(write_restoreformer(tmp_path / name, plus="++" in name))
    assert (restorer.name, restorer.size, restorer.template) == (name, 512, Template.FFHQ)
    assert (restorer.batch, restorer.has_fidelity, restorer.safer()) == (1, False, None)
    assert restorer.notes == (f"its tensors are {Path(name).stem}'s",)
    names = [f"network.{each}" for each, _ in restorer.network.named_parameters()]
    assert [each for each, _ in restorer.named_parameters()] == names
    assert {weight.dtype for weight in restorer.parameters()} == {torch.float32}
    assert not any(weight.requires_grad for weight in restorer.parameters())


def test_the_same_twice_and_one_by_one(file):
    restorer = load(file)
    together = restorer.restore(crops(2), 0.5)
    assert torch.equal(restorer.restore(crops(2), 0.5), together)
    assert (together[0] - together[1]).abs().mean() > 0.01
    for number in range(2):
        alone = restorer.restore(crops(2)[number : number + 1], 0.5)
        assert (alone[0] - together[number]).abs().max() < 1e-3


def test_crops_of_other_kinds(file):
    """Half precision, a fourth channel, gradients, another order in memory."""
    restorer = load(file)
    wanted = restorer.restore(crops(), 0.5)
    alpha = torch.cat([crops(), torch.rand(1, 128, 128, 1)], dim=-1)
    assert torch.equal(restorer.restore(alpha, 0.5), wanted)
    assert torch.equal(restorer.restore(crops().requires_grad_(), 0.5), wanted)
    turned = crops().movedim(-1, 0).contiguous().movedim(0, -1)
    assert (restorer.restore(turned, 0.5) - wanted).abs().max() < 1e-3
    half = restorer.restore(crops().half(), 0.5)
    assert half.dtype == torch.float32
    assert not half.requires_grad
    assert (half - wanted).abs().mean() < 0.02


def test_it_stays_within_black_and_white(file):
    tensors = restoreformer_tensors(restorers.NARROW)
    tensors["decoder.conv_out.bias"] += torch.tensor([9.0, -9.0, 0.0])
    made = from_tensors(tensors, file).restore(crops(), 0.5)
    assert torch.equal(made[..., 0], torch.ones(1, 128, 128))
    assert torch.equal(made[..., 1], torch.zeros(1, 128, 128))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_in_half_precision(tmp_path, file, dtype):
    """They are made whole, wherever they run; what core's loader gave stays as it is."""
    tensors = restoreformer_tensors(restorers.NARROW)
    rounded = {name: tensor.to(dtype) for name, tensor in tensors.items()}
    whole = from_tensors({name: each.float() for name, each in rounded.items()}, file)
    wanted = whole.restore(crops(), 0.5)
    read = load(restorers.write(tmp_path / "half.pth", rounded))
    assert torch.equal(read.restore(crops(), 0.5), wanted)
    descriptor = descriptor_of(file)
    descriptor.model.to(dtype)
    restorer = from_descriptor(descriptor, file.name)
    assert {weight.dtype for weight in restorer.parameters()} == {torch.float32}
    assert descriptor.dtype == dtype
    assert (restorer.restore(crops(), 0.5) - wanted).abs().mean() < 1e-4


def test_what_else_core_loads_is_refused():
    from spandrel.architectures.Compact import Compact

    network = Compact(num_feat=8, num_conv=1)
    descriptor = spandrel.MAIN_REGISTRY.load(network.state_dict())
    with pytest.raises(ValueError, match=r"it\.pth holds RealESRGAN Compact.*'upscale_model' inp"):
        from_descriptor(descriptor, "it.pth")


def test_a_restorer_that_spandrel_may_know_some_day(file, monkeypatch):
    descriptor = descriptor_of(file)
    monkeypatch.setattr(descriptor.architecture, "_id", "SharperFace")
    with pytest.raises(ValueError, match=r"not a restorer that is supported yet.*GFPGAN, CodeForm"):
        from_descriptor(descriptor, "it.pth")


def test_all_kinds_are_restorers_of_spandrel():
    """So that a renamed architecture is seen here first."""
    extra = pytest.importorskip("spandrel_extra_arches").EXTRA_REGISTRY
    assert all(kind in spandrel.MAIN_REGISTRY or kind in extra for kind in KINDS)
