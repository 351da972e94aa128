"""FAN, the face alignment network: four stacked hourglasses that draw a heat map per landmark.

Bulat and Tzimiropoulos, "How far are we from solving the 2D & 3D face alignment problem?", 2017,
with the blocks of their "Binarized convolutional landmark localizers", 2017.
Loads 2DFAN4-11f355bf06.pth.tar, which the face-alignment package uses from 1.5 on, and any file of
the same tensors.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..weights import fill, read

SIDE = 256  # of the pictures it looks at, pixels
CELLS = 64  # of its maps
LANDMARKS = 68
DEPTH = 4  # times that an hourglass halves its map
WIDTH, STACKS = 256, 4
FILE = "2DFAN4-11f355bf06.pth.tar"


class Block(nn.Module):
    """Three convolutions in a row, each normalised first; all three results go on."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        half, quarter = after // 2, after // 4
        self.bn1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, half, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv2 = nn.Conv2d(half, quarter, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(quarter)
        self.conv3 = nn.Conv2d(quarter, quarter, 3, padding=1, bias=False)
        self.downsample = None
        if before != after:
            self.downsample = nn.Sequential(
                nn.BatchNorm2d(before), nn.ReLU(), nn.Conv2d(before, after, 1, bias=False)
            )

    def forward(self, x: Tensor) -> Tensor:
        one = self.conv1(self.bn1(x).relu())
        two = self.conv2(self.bn2(one).relu())
        three = self.conv3(self.bn3(two).relu())
        shortcut = x if self.downsample is None else self.downsample(x)
        return torch.cat([one, two, three], dim=1) + shortcut


class Hourglass(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        for level in range(DEPTH, 0, -1):
            for part in ("b1", "b2", "b3"):
                self.add_module(f"{part}_{level}", Block(width, width))
        self.b2_plus_1 = Block(width, width)

    def forward(self, x: Tensor, level: int = DEPTH) -> Tensor:
        b1, b2, b3 = (self.get_submodule(f"{part}_{level}") for part in ("b1", "b2", "b3"))
        low = b2(functional.avg_pool2d(x, 2))
        low = self.b2_plus_1(low) if level == 1 else self(low, level - 1)
        return b1(x) + functional.interpolate(b3(low), scale_factor=2, mode="nearest")


class FAN(nn.Module):
    """Pictures (N, 3, 256, 256), RGB 0..1, to maps (N, 68, 64, 64) that peak at the landmarks."""

    def __init__(self, width: int = WIDTH, stacks: int = STACKS) -> None:
        super().__init__()
        stem = width // 4
        self.stacks = stacks
        self.conv1 = nn.Conv2d(3, stem, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(stem)
        self.conv2 = Block(stem, width // 2)
        self.conv3 = Block(width // 2, width // 2)
        self.conv4 = Block(width // 2, width)
        for stack in range(stacks):
            self.add_module(f"m{stack}", Hourglass(width))
            self.add_module(f"top_m_{stack}", Block(width, width))
            self.add_module(f"conv_last{stack}", nn.Conv2d(width, width, 1))
            self.add_module(f"bn_end{stack}", nn.BatchNorm2d(width))
            self.add_module(f"l{stack}", nn.Conv2d(width, LANDMARKS, 1))
            if stack + 1 < stacks:
                self.add_module(f"bl{stack}", nn.Conv2d(width, width, 1))
                self.add_module(f"al{stack}", nn.Conv2d(LANDMARKS, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x)).relu()
        x = self.conv4(self.conv3(functional.avg_pool2d(self.conv2(x), 2)))
        for stack in range(self.stacks):
            part = self._of(stack)
            features = part("top_m_")(part("m")(x))
            features = part("bn_end")(part("conv_last")(features)).relu()
            maps = part("l")(features)
            if stack + 1 < self.stacks:
                x = x + part("bl")(features) + part("al")(maps)
        return maps

    def _of(self, stack: int) -> Callable[[str], nn.Module]:
        return lambda name: self.get_submodule(f"{name}{stack}")


def load(file: Path) -> FAN:
    """The network in `file`; how wide it is and how many hourglasses it has is read there."""
    tensors = read(file, instead=FILE)
    stacks = len({name.partition(".")[0] for name in tensors if re.match(r"m\d+\.", name)})
    stem = tensors.get("conv1.weight")
    if not stacks or stem is None or stem.ndim != 4 or not len(stem) or len(stem) % 4:
        raise ValueError(
            f"{file} holds no landmark network of face-alignment: use {FILE}. 'python install.py "
            f"models {FILE}' in the pack's folder fetches it."
        )
    network = FAN(4 * len(stem), stacks)
    fill(network, tensors, file)
    return network
