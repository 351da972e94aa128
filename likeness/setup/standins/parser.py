"""Writes a face parser: the file names and tensors of facexlib's ParseNet, random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn


def parsenet(small: bool = True) -> nn.Module:
    """ParseNet; the real one has 85 MB, the small one 1."""
    from facexlib.parsing import ParseNet

    widths = {"base_ch": 8, "ch_range": [8, 32], "res_depth": 2} if small else {}
    return ParseNet(in_size=512, out_size=512, parsing_ch=19, **widths)


def write_parsenet(file: Path, small: bool = True, seed: int = 0) -> Path:
    return write(file, lambda: parsenet(small), "out_mask_conv.conv2d", seed)


def write(file: Path, make: Callable[[], nn.Module], last: str, seed: int) -> Path:
    """`last` is the layer that the classes come from."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = make()
        lively(network)
        _even_out(network.eval(), network.get_submodule(last))
    torch.save(network.state_dict(), file)
    return file


def lively(network: nn.Module) -> None:
    """Norms as they are after training: none of them is the identity."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0, 0.1)


@torch.no_grad()
def _even_out(network: nn.Module, last: nn.Conv2d) -> None:
    """No class is ahead of the others by what it gives on the average: each is seen somewhere."""
    seen = []
    hook = last.register_forward_hook(lambda layer, inputs, output: seen.append(inputs[0]))
    network(torch.rand(1, 3, 128, 128) * 2 - 1)
    hook.remove()
    mean = seen[0].mean((0, 2, 3))
    last.weight -= (last.weight.sum((2, 3)) @ mean / mean.square().sum()).view(-1, 1, 1, 1) * (
        mean.view(1, -1, 1, 1) / last.weight[0, 0].numel()
    )
    if last.bias is not None:
        last.bias.zero_()
