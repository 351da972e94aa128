"""AEI-Net, the generator of ghost: a picture's attributes and a person's identity make a face.

Li et al., "FaceShifter: Towards High Fidelity And Occlusion Aware Face Swapping", 2019, with the
changes of Groshev et al., "GHOST - A New Face Swap Approach for Image and Video Domains", 2022:
three kinds of attribute encoder, and one to three layers in a block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..weights import OtherNetwork, blank, fill, read

SIDE = 256  # of the pictures, pixels
IDENTITY = 512
WIDTH = 1024  # channels of the deepest maps
LEVELS = 7  # halvings of the picture
LEAK = 0.1
MOST_LAYERS = 3
FILE = "G_unet_2blocks.pth"
FIRST = "generator.up1.weight"


class Kind(str, Enum):
    """How the encoder's way up is joined with its way down."""

    UNET = "unet"
    LINKNET = "linknet"
    RESNET = "resnet"  # it has no way up


class Up(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.deconv = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(self.bn(self.deconv(x)), LEAK)


class Encoder(nn.Module):
    """Pictures (N, 3, 256, 256), -1..1, to eight maps of 2 to 256 pixels, the deepest first."""

    def __init__(self, kind: Kind, width: int) -> None:
        super().__init__()
        self.joined = kind is Kind.UNET
        down = [3, *(width >> shift for shift in (5, 4, 3, 2, 1, 0, 0))]
        for level in range(LEVELS):
            self.add_module(f"conv{level + 1}", _down(down[level], down[level + 1]))
        deep = down[-1]
        self.channels = [deep]
        for level, after in enumerate(reversed(down[1:-1]), 1):
            self.add_module(f"deconv{level}", Up(deep, after))
            deep = 2 * after if self.joined else after
            self.channels.append(deep)
        self.channels.append(deep)

    def forward(self, x: Tensor) -> list[Tensor]:
        seen = []
        for level in range(1, LEVELS + 1):
            x = self.get_submodule(f"conv{level}")(x)
            seen.append(x)
        maps = [x]
        for level, beside in enumerate(reversed(seen[:-1]), 1):
            x = self.get_submodule(f"deconv{level}")(x)
            x = torch.cat([x, beside], dim=1) if self.joined else x + beside
            maps.append(x)
        return [*maps, doubled(x)]


class Bottleneck(nn.Module):
    """He et al., 2015, as they first published it: the first convolution is the one that halves."""

    def __init__(self, before: int, inner: int, stride: int) -> None:
        super().__init__()
        after = 4 * inner
        self.conv1 = nn.Conv2d(before, inner, 1, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, after, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(after)
        self.downsample = None
        if before != after or stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn1(self.conv1(x)).relu()
        inner = self.bn3(self.conv3(self.bn2(self.conv2(inner)).relu()))
        return (inner + (x if self.downsample is None else self.downsample(x))).relu()


class ResidualEncoder(nn.Module):
    """The same eight maps from a residual network, on its way down."""

    def __init__(self, width: int) -> None:
        super().__init__()
        stem = width // 16
        self.conv0 = nn.Conv2d(3, stem, 7, padding=3, bias=False)
        self.bn0 = nn.BatchNorm2d(stem)
        self.conv1 = nn.Conv2d(stem, stem, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        before, inner = stem, [width >> shift for shift in (5, 4, 3, 2, 1, 2)]
        for level, each in enumerate(inner, 1):
            blocks = nn.Sequential(Bottleneck(before, each, 2), Bottleneck(4 * each, each, 1))
            self.add_module(f"layer{level}", blocks)
            before = 4 * each
        self.channels = [*(4 * each for each in reversed(inner)), stem, stem]

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [self.bn0(self.conv0(x)).relu()]
        maps.append(self.bn1(self.conv1(maps[-1])).relu())
        for level in range(1, LEVELS):
            maps.append(self.get_submodule(f"layer{level}")(maps[-1]))
        return maps[::-1]


class Denormalization(nn.Module):
    """Normalised maps get their statistics from the attributes or, where a mask says so, from the
    identity."""

    def __init__(self, channels: int, attributes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(attributes, channels, 1)
        self.conv2 = nn.Conv2d(attributes, channels, 1)
        self.fc1 = nn.Linear(IDENTITY, channels)
        self.fc2 = nn.Linear(IDENTITY, channels)
        self.conv_h = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor, attributes: Tensor, identity: Tensor) -> Tensor:
        whole = x.float() if x.element_size() < 4 else x
        x = functional.instance_norm(whole, eps=1e-5).to(x.dtype)
        of_attributes = self.conv1(attributes) * x + self.conv2(attributes)
        of_identity = _spread(self.fc1(identity)) * x + _spread(self.fc2(identity))
        mask = self.conv_h(x).sigmoid()
        return (1 - mask) * of_attributes + mask * of_identity


class Block(nn.Module):
    def __init__(self, before: int, after: int, attributes: int, layers: int) -> None:
        super().__init__()
        outs = [*[before] * (layers - 1), after]
        self.add_blocks = nn.ModuleList(
            part for out in outs for part in _step(before, out, attributes)
        )
        self.last_add_block = None
        if before != after:
            self.last_add_block = nn.ModuleList(_step(before, after, attributes))

    def forward(self, x: Tensor, attributes: Tensor, identity: Tensor) -> Tensor:
        shortcut = _through(self.last_add_block or (), x, attributes, identity)
        return _through(self.add_blocks, x, attributes, identity) + shortcut


class Generator(nn.Module):
    def __init__(self, channels: Sequence[int], width: int, layers: int) -> None:
        super().__init__()
        self.up1 = nn.ConvTranspose2d(IDENTITY, width, 2)
        widths = [*[width] * 4, *(width >> shift for shift in (1, 2, 3, 4)), 3]
        for number, attributes in enumerate(channels):
            block = Block(widths[number], widths[number + 1], attributes, layers)
            self.add_module(f"AADBlk{number + 1}", block)

    def forward(self, maps: Sequence[Tensor], identity: Tensor) -> Tensor:
        x = self.up1(_spread(identity))
        for number, attributes in enumerate(maps, 1):
            x = self.get_submodule(f"AADBlk{number}")(x, attributes, identity)
            if number < len(maps):
                x = doubled(x)
        return x.tanh()


class AEINet(nn.Module):
    """Pictures (N, 3, 256, 256), RGB -1..1, and identities (N, 512) to pictures of that kind."""

    def __init__(self, kind: Kind = Kind.UNET, layers: int = 2, width: int = WIDTH) -> None:
        super().__init__()
        self.kind, self.layers = kind, layers
        self.encoder = ResidualEncoder(width) if kind is Kind.RESNET else Encoder(kind, width)
        self.generator = Generator(self.encoder.channels, width, layers)

    def forward(self, pictures: Tensor, identities: Tensor) -> Tensor:
        return self.generator(self.encoder(pictures), identities)


def doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


def from_tensors(tensors: Mapping[str, Tensor], file: Path) -> AEINet:
    """The network of these tensors, which came from `file`; what kind it is, they tell."""
    shape = _shape(tensors, FIRST)
    kind, layers = _kind(tensors), _layers(tensors)
    width = shape[1] if len(shape) == 4 else 0
    if kind is None or not 1 <= layers <= MOST_LAYERS or not width or width % 32:
        raise OtherNetwork(
            f"{file} holds no swapping network of ghost: its tensors are those of another. Use "
            f"{FILE}; 'python install.py models {FILE}' in the pack's folder fetches it."
        )
    network = blank(lambda: AEINet(kind, layers, width))
    fill(network, tensors, file)
    return network


def load(file: Path) -> AEINet:
    return from_tensors(read(file, instead=FILE), file)


def _kind(tensors: Mapping[str, Tensor]) -> Kind | None:
    if "encoder.conv0.weight" in tensors:
        return Kind.RESNET
    first, second = (_shape(tensors, f"encoder.deconv{level}.deconv.weight") for level in (1, 2))
    if len(first) != 4 or len(second) != 4:
        return None
    return Kind.LINKNET if second[0] == first[1] else Kind.UNET


def _layers(tensors: Mapping[str, Tensor]) -> int:
    return sum(f"generator.AADBlk1.add_blocks.{3 * n + 2}.weight" in tensors for n in range(9))


def _shape(tensors: Mapping[str, Tensor], name: str) -> tuple[int, ...]:
    return tuple(tensors[name].shape) if name in tensors else ()


def _down(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.LeakyReLU(LEAK),
    )


def _step(before: int, after: int, attributes: int) -> list[nn.Module]:
    conv = nn.Conv2d(before, after, 3, padding=1, bias=False)
    return [Denormalization(before, attributes), nn.ReLU(), conv]


def _through(steps: Sequence[nn.Module], x: Tensor, attributes: Tensor, identity: Tensor) -> Tensor:
    for step in steps:
        x = step(x, attributes, identity) if isinstance(step, Denormalization) else step(x)
    return x


def _spread(vectors: Tensor) -> Tensor:
    """(N, C) as maps of one pixel."""
    return vectors[..., None, None]
