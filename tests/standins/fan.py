"""Writes landmark networks: the file names and tensors of face-alignment's FAN, random weights."""

from __future__ import annotations

from pathlib import Path

import torch
from pack.likeness.nets.fan import FAN
from safetensors.torch import save_file

from .parsers import lively

SURE = 0.6  # what the maps of a stand-in are about, so that its landmarks are taken


def write_fan(file: Path, width: int = 32, stacks: int = 2, seed: int = 0) -> Path:
    """Write a FAN; width 256 with 4 stacks is the real one's 96 MB."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = FAN(width, stacks)
        lively(network)
    network.get_submodule(f"l{stacks - 1}").bias.data.fill_(SURE)
    if file.suffix == ".safetensors":
        save_file(network.state_dict(), file)
    else:
        torch.save(network.state_dict(), file)
    return file
