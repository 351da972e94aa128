"""Writes a soft edge network of random weights, as table5_pidinet.pth is written."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import torch
from safetensors.torch import save_file

from ...nets.pidinet import PiDiNet, fold

MIDDLE, SPREAD = -1.0, 2.0  # of what goes into the last sigmoid: edges are few, and clear


def write_pidinet(file: Path, width: int = 60, side_width: int = 24, seed: int = 0) -> Path:
    """In these widths it has the real one's 2.9 MB."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = PiDiNet(width, side_width)
        _spread(network, torch.rand(1, 3, 64, 64))
    tensors = network.state_dict()
    if file.suffix == ".safetensors":
        save_file(tensors, file)
    else:
        named = {f"module.{name}": tensor for name, tensor in tensors.items()}
        torch.save({"epoch": 19, "state_dict": named}, file)
    return file


@torch.no_grad()
def _spread(network: PiDiNet, picture: torch.Tensor) -> None:
    """Random weights alone give edges that are about a half everywhere."""
    folded = deepcopy(network)
    fold(folded)
    given = folded(picture).logit()
    last = network.classifier
    share = SPREAD / given.std()
    last.bias.copy_((last.bias - given.mean()) * share + MIDDLE)
    last.weight.mul_(share)
