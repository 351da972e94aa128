"""Writes ghost's files: the names and tensors of its generator and recogniser, random weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from pack.likeness.nets.aei import WIDTH, AEINet, Denormalization, Kind
from pack.likeness.nets.iresnet import FILE as BACKBONE
from pack.likeness.nets.iresnet import IResNet
from safetensors.torch import save_file
from torch import nn

from .parsers import lively

NARROW = WIDTH // 8
SHALLOW = (1, 2, 3, 1)


def generator(
    kind: Kind = Kind.UNET, layers: int = 2, width: int = NARROW, seed: int = 0
) -> AEINet:
    """One whose answer shows both the picture and the person."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = AEINet(kind, layers, width).requires_grad_(False).eval()
        lively(network)
        for layer in network.modules():
            if isinstance(layer, Denormalization):
                nn.init.normal_(layer.fc1.weight, 0, 0.05)  # identities are of length 20 or so
                nn.init.normal_(layer.fc2.weight, 0, 0.05)
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                layer.weight.mul_(1.5)
    return network


def recogniser(depths: Sequence[int] = SHALLOW, width: int = 8, seed: int = 0) -> IResNet:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = IResNet(depths, width).requires_grad_(False).eval()
        lively(network)
    return network


def write_ghost(
    file: Path, kind: Kind = Kind.UNET, layers: int = 2, width: int = NARROW, seed: int = 0
) -> Path:
    """Write a generator and, beside it, backbone.pth; width 1024 is the real one's 738 MB."""
    _write(file, generator(kind, layers, width, seed))
    write_backbone(file.with_name(BACKBONE))
    return file


def write_backbone(
    file: Path, depths: Sequence[int] = SHALLOW, width: int = 8, seed: int = 0
) -> Path:
    """Depths 3, 13, 30, 3 and width 64 are the real one's 261 MB."""
    return _write(file, recogniser(depths, width, seed))


def _write(file: Path, network: nn.Module) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".safetensors":
        save_file(network.state_dict(), file)
    else:
        torch.save(network.state_dict(), file)
    return file
