"""PiDiNet, which draws soft edges: convolutions of differences between neighbouring pixels.

Su et al., "Pixel Difference Networks for Efficient Edge Detection", 2021, in the configuration
carv4 with both of its side modules. Loads table5_pidinet.pth, which the soft edges of ControlNet
are made by, and any file of the same tensors.

A convolution of differences is a plain one of another kernel. The kernels are worked out once,
when a file is loaded; what runs then has plain convolutions only, in any precision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from ..weights import blank, fill, read

WIDTH, SIDE_WIDTH = 60, 24  # of the first stage, and of what is read off every stage
STAGES = (3, 4, 4, 4)  # blocks of each; a stage sees half as many pixels as the one before it
COARSEST = 2 ** (len(STAGES) - 1)  # pixels that the last stage sees as one
DILATIONS = (5, 7, 9, 11)
FILE = "table5_pidinet.pth"
AROUND = (3, 0, 1, 6, 4, 2, 7, 8, 5)  # of 3 x 3 taps in rows: the next one on the ring
OUTER, INNER = (0, 2, 4, 10, 14, 20, 22, 24), (6, 7, 8, 11, 13, 16, 17, 18)  # of 5 x 5


class Block(nn.Module):
    """A convolution of each channel by itself, then one of the channels, beside a shortcut."""

    def __init__(self, before: int, after: int, halves: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, before, 3, padding=1, groups=before, bias=False)
        self.conv2 = nn.Conv2d(before, after, 1, bias=False)
        self.shortcut = nn.Conv2d(before, after, 1) if halves else None

    def forward(self, x: Tensor) -> Tensor:
        if self.shortcut is None:
            return self.conv2(self.conv1(x).relu_()).add_(x)
        x = max_pool2d(x, 2)
        return self.conv2(self.conv1(x).relu_()).add_(self.shortcut(x))


class Dilated(nn.Module):
    """The compact dilation module: what lies around, near and far."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 1)
        for number, step in enumerate(DILATIONS, 1):
            conv = nn.Conv2d(width, width, 3, padding=step, dilation=step, bias=False)
            self.add_module(f"conv2_{number}", conv)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x.relu())
        total = self.conv2_1(x)
        for number in range(2, len(DILATIONS) + 1):
            total += self.get_submodule(f"conv2_{number}")(x)
        return total


class Attention(nn.Module):
    """The compact spatial attention module: how much every place counts."""

    def __init__(self, width: int, hidden: int = 4) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, hidden, 1)
        self.conv2 = nn.Conv2d(hidden, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.conv2(self.conv1(x.relu())).sigmoid()


class Reduced(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class PiDiNet(nn.Module):
    """Pictures (N, 3, H, W), BGR 0..1, to edges (N, H, W), 0..1. H and W are multiples of 8."""

    def __init__(self, width: int = WIDTH, side_width: int = SIDE_WIDTH) -> None:
        super().__init__()
        widths = (width, 2 * width, 4 * width, 4 * width)
        self.init_block = nn.Conv2d(3, width, 3, padding=1, bias=False)
        before = width
        for stage, (after, blocks) in enumerate(zip(widths, STAGES, strict=True), 1):
            for number in range(1, blocks + 1):
                halves = stage > 1 and number == 1
                self.add_module(f"block{stage}_{number}", Block(before, after, halves))
                before = after
        self.dilations = nn.ModuleList([Dilated(each, side_width) for each in widths])
        self.attentions = nn.ModuleList([Attention(side_width) for _ in widths])
        self.conv_reduces = nn.ModuleList([Reduced(side_width) for _ in widths])
        self.classifier = nn.Conv2d(len(widths), 1, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        x, sides = self.init_block(pictures), []
        for stage, blocks in enumerate(STAGES):
            for number in range(1, blocks + 1):
                x = self.get_submodule(f"block{stage + 1}_{number}")(x)
            side = self.attentions[stage](self.dilations[stage](x))
            side = self.conv_reduces[stage](side)
            sides.append(interpolate(side, pictures.shape[2:], mode="bilinear"))
        return self.classifier(torch.cat(sides, 1))[:, 0].sigmoid()


def central(kernel: Tensor) -> Tensor:
    """Differences from the pixel in the middle, as a kernel (..., 3, 3)."""
    folded = kernel.clone()
    folded[..., 1, 1] -= kernel.sum((-2, -1))
    return folded


def angular(kernel: Tensor) -> Tensor:
    """Differences between neighbours on the ring about the middle, as a kernel (..., 3, 3)."""
    return kernel - kernel.flatten(-2)[..., AROUND].view_as(kernel)


def radial(kernel: Tensor) -> Tensor:
    """Differences between an outer and an inner ring, as a kernel (..., 5, 5)."""
    ring = kernel.flatten(-2)[..., 1:]  # the middle takes no part
    folded = kernel.new_zeros(*kernel.shape[:-2], 25)
    folded[..., OUTER], folded[..., INNER] = ring, -ring
    return folded.unflatten(-1, (5, 5))


# Of carv4: the layers, from the first convolution on, take these in turn; the fourth is plain.
FOLDS: tuple[Callable[[Tensor], Tensor] | None, ...] = (central, angular, radial, None)


@torch.no_grad()
def fold(network: PiDiNet) -> None:
    """Make plain convolutions of those of differences. It cannot be done twice."""
    for number, layer in enumerate(_layers(network)):
        if (folded := FOLDS[number % len(FOLDS)]) is not None:
            kernel = folded(layer.weight)
            layer.weight = nn.Parameter(kernel, requires_grad=False)
            layer.kernel_size = tuple(kernel.shape[2:])
            layer.padding = tuple(side // 2 for side in kernel.shape[2:])


def load(file: Path) -> PiDiNet:
    """The network in `file`, ready to run; how wide it is is read there."""
    tensors = read(file, instead=FILE)
    widths = _widths(tensors)
    if widths is None:
        raise ValueError(
            f"{file} holds no PiDiNet: its tensors are those of another network. Use {FILE}; "
            f"'python install.py models {FILE}' in the pack's folder fetches it."
        )
    network = blank(lambda: PiDiNet(*widths))
    fill(network, tensors, file)
    fold(network)
    return network.to(memory_format=torch.channels_last)  # half the time on a CPU


def _layers(network: PiDiNet) -> list[nn.Conv2d]:
    """Those that may be of differences, in the order that they are numbered in."""
    blocks = [module for module in network.modules() if isinstance(module, Block)]
    return [network.init_block, *(block.conv1 for block in blocks)]


def _widths(tensors: Mapping[str, Tensor]) -> tuple[int, int] | None:
    """Of the first stage and of what is read off; None where this is another network."""
    first, side = (tensors.get(f"{name}.weight") for name in ("init_block", "dilations.0.conv1"))
    if first is None or side is None or first.ndim != 4 or side.ndim != 4:
        return None
    return (len(first), len(side)) if len(first) and len(side) else None
