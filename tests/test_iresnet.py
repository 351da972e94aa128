"""ghost's recogniser: its tensors, its arithmetic written out once more, and its files."""

from __future__ import annotations

import hashlib

import pytest
import torch
from pack.likeness.nets.iresnet import DEPTHS, FILE, IResNet, load
from pack.likeness.weights import OtherNetwork
from standins.ghost import SHALLOW, recogniser, write_backbone, write_ghost
from torch import Tensor
from torch.nn import functional

# Of the sorted lines "name (shape)" of the tensors that ghost's backbone.pth has.
TENSORS = (925, "dc48aa67c7449a7caf250153f36da2fc4a3288e632c3667206a7cda2a14b3842")
PARAMETERS = 65_156_160


def pictures(count: int) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.rand(count, 3, 112, 112, generator=random) * 2 - 1


def test_the_tensors_are_ghosts():
    with torch.device("meta"):
        network = IResNet()
    tensors = network.state_dict()
    lines = sorted(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
    assert (len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()) == TENSORS
    assert sum(weight.numel() for weight in network.parameters()) == PARAMETERS


def written(network: IResNet, x: Tensor) -> Tensor:
    """The network's arithmetic on its tensors by name, in double precision."""
    tensors = {name: value.double() for name, value in network.state_dict().items()}

    def norm(x, name):
        mean, spread, gain, shift = (
            tensors[f"{name}.{part}"].view(1, -1, *[1] * (x.ndim - 2))
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (spread + 1e-5).sqrt() * gain + shift

    def conv(x, name, stride=1, pad=1):
        return functional.conv2d(x, tensors[f"{name}.weight"], None, stride, pad)

    def prelu(x, name):
        return torch.where(x > 0, x, x * tensors[f"{name}.weight"].view(1, -1, 1, 1))

    x = prelu(norm(conv(x, "conv1"), "bn1"), "prelu")
    for level in range(1, 5):
        for number in range(SHALLOW[level - 1]):
            name, stride = f"layer{level}.{number}", 1 if number else 2
            y = conv(norm(x, f"{name}.bn1"), f"{name}.conv1")
            y = prelu(norm(y, f"{name}.bn2"), f"{name}.prelu")
            y = norm(conv(y, f"{name}.conv2", stride), f"{name}.bn3")
            if number == 0:
                x = conv(x, f"{name}.downsample.0", 2, 0)
                x = norm(x, f"{name}.downsample.1")
            x = x + y
    x = norm(x, "bn2").flatten(1)
    assert x.shape[1] == tensors["fc.weight"].shape[1]
    return norm(x @ tensors["fc.weight"].T + tensors["fc.bias"], "features")


def test_the_arithmetic():
    network = recogniser()
    made, wanted = network(pictures(2)), written(network, pictures(2).double())
    assert wanted.std() > 0.05
    assert (made - wanted).abs().max() < 1e-5 * (1 + wanted.abs().max())


def test_what_is_loaded_is_what_was_saved(tmp_path):
    file = write_backbone(tmp_path / FILE)
    network, saved = load(file), torch.load(file, weights_only=True)
    assert all(torch.equal(saved[name], value) for name, value in network.state_dict().items())
    assert not network.training


def test_depth_and_width_are_told_by_the_tensors(tmp_path):
    network = load(write_backbone(tmp_path / "mine.safetensors", (2, 1, 1, 3), 4))
    assert [len(network.get_submodule(f"layer{level}")) for level in range(1, 5)] == [2, 1, 1, 3]
    assert network(pictures(1)).shape == (1, 512)


@pytest.mark.slow
def test_the_full_depth(tmp_path):
    file = write_backbone(tmp_path / FILE, DEPTHS, 64)
    network = load(file)
    file.unlink()
    made, wanted = network(pictures(1)), recogniser(DEPTHS, 64)(pictures(1))
    assert made.std() > 0
    assert (made - wanted).abs().max() < 1e-4 * (1 + wanted.abs().max())


def test_a_missing_tensor(tmp_path):
    tensors = recogniser().state_dict()
    del tensors["features.running_mean"]
    torch.save(tensors, tmp_path / FILE)
    with pytest.raises(ValueError, match=r"lacks 1 tensor, such as features\.running_mean"):
        load(tmp_path / FILE)


def test_a_network_of_fewer_levels(tmp_path):
    tensors = recogniser().state_dict()
    fewer = {name: value for name, value in tensors.items() if not name.startswith("layer3")}
    torch.save(fewer, tmp_path / FILE)
    with pytest.raises(OtherNetwork, match=r"holds no face recogniser"):
        load(tmp_path / FILE)


def test_another_network(tmp_path):
    file = write_ghost(tmp_path / "G_unet_2blocks.pth", width=32)
    with pytest.raises(OtherNetwork, match=rf"G_unet.* holds no face recogniser.* use its {FILE}"):
        load(file)
