"""Writes face parsers: the file names and tensors of facexlib's networks, random weights."""

from __future__ import annotations

from pathlib import Path

from pack.likeness.setup.standins.parser import lively, parsenet, write, write_parsenet
from torch import nn

__all__ = [
    "BISENET",
    "PARSENET",
    "bisenet",
    "lively",
    "parsenet",
    "write_bisenet",
    "write_parsenet",
]

PARSENET, BISENET = "parsing_parsenet.pth", "parsing_bisenet.pth"


def bisenet() -> nn.Module:
    """BiSeNet, which comes in one size only, 53 MB."""
    from facexlib.parsing import BiSeNet

    return BiSeNet(num_class=19)


def write_bisenet(file: Path, seed: int = 0) -> Path:
    return write(file, bisenet, "conv_out.conv_out", seed)
