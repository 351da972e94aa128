"""IResNet, ArcFace's network: a face as a point among the faces of all people.

Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", 2018, on the
residual network of Duta et al., "Improved Residual Networks", 2020. Loads ghost's backbone.pth,
which is of 100 layers, and any other depth of the same tensors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from ..weights import OtherNetwork, blank, fill, read

SIDE = 112  # of the pictures, pixels
EMBEDDING = 512
WIDTH = 64
DEPTHS = (3, 13, 30, 3)  # of 100 layers
CELLS = SIDE // 16
FILE = "backbone.pth"


class Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.prelu = nn.PReLU(after)
        self.conv2 = nn.Conv2d(after, after, 3, stride=stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(after)
        self.downsample = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        inner = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.bn3(self.conv2(inner)) + shortcut


class IResNet(nn.Module):
    """Pictures (N, 3, 112, 112), RGB -1..1, to embeddings (N, 512), of any length."""

    def __init__(self, depths: Sequence[int] = DEPTHS, width: int = WIDTH) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.prelu = nn.PReLU(width)
        before = width
        for level, depth in enumerate(depths, 1):
            after = width << (level - 1)
            ins, strides = [before, *[after] * (depth - 1)], [2, *[1] * (depth - 1)]
            blocks = [Block(each, after, by) for each, by in zip(ins, strides, strict=True)]
            self.add_module(f"layer{level}", nn.Sequential(*blocks))
            before = after
        self.bn2 = nn.BatchNorm2d(before)
        self.fc = nn.Linear(before * CELLS**2, EMBEDDING)
        self.features = nn.BatchNorm1d(EMBEDDING)

    def forward(self, x: Tensor) -> Tensor:
        x = self.prelu(self.bn1(self.conv1(x)))
        for level in range(1, len(DEPTHS) + 1):
            x = self.get_submodule(f"layer{level}")(x)
        return self.features(self.fc(self.bn2(x).flatten(1)))


def load(file: Path) -> IResNet:
    """The network in `file`; how deep and wide it is, is read there."""
    tensors = read(file, instead=FILE)
    stem = tensors.get("conv1.weight")
    named = [re.match(r"layer([1-4])\.(\d+)\.prelu\.weight$", name) for name in tensors]
    found = [match[1] for match in named if match]
    depths = [found.count(str(level)) for level in range(1, len(DEPTHS) + 1)]
    if stem is None or stem.ndim != 4 or not len(stem) or not min(depths):
        raise OtherNetwork(
            f"{file} holds no face recogniser of ghost: use its {FILE}. 'python install.py models "
            f"{FILE}' in the pack's folder fetches it."
        )
    network = blank(lambda: IResNet(depths, len(stem)))
    fill(network, tensors, file)
    return network
