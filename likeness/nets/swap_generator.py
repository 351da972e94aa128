"""The generator of inswapper_128 and of ReSwapper: it redraws a face as another person's.

The picture is made small and deep, six residual blocks give it the style of the person (adaptive
instance normalisation: Huang and Belongie, 2017), and it is made large again. Of any size that is
a multiple of 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..weights import OtherNetwork, blank, fill, read

WIDTH = 128
LATENT = 512
BLOCKS = 6
LEAK = 0.2
EPSILON = 1e-8  # under the root of a map's variance
FILE = "reswapper_256-1567500.pth"
# The oldest files of ReSwapper keep a network that it was trained with, and that nothing asks.
UNUSED = "latent_encoder."
FIRST = "target_encoder.0.weight"


class StyleBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3)
        self.conv2 = nn.Conv2d(channels, channels, 3)
        self.style1 = nn.Linear(LATENT, 2 * channels)
        self.style2 = nn.Linear(LATENT, 2 * channels)

    def forward(self, x: Tensor, latents: Tensor) -> Tensor:
        inner = styled(self.conv1(mirrored(x, 1)), self.style1(latents)).relu()
        return x + styled(self.conv2(mirrored(inner, 1)), self.style2(latents))


class Generator(nn.Module):
    """Crops (N, 3, S, S), RGB 0..1, and latents (N, 512) to crops of the same kind."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        one, two, four, eight = (width * times for times in (1, 2, 4, 8))
        self.target_encoder = nn.Sequential(
            nn.Conv2d(3, one, 7),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(one, two, 3, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(two, four, 3, stride=2, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(four, eight, 3, stride=2, padding=1),
            nn.LeakyReLU(LEAK),
        )
        self.style_blocks = nn.ModuleList(StyleBlock(eight) for _ in range(BLOCKS))
        self.decoder = nn.Sequential(nn.Conv2d(eight, four, 3, padding=1), nn.LeakyReLU(LEAK))
        self.decoderPart1 = nn.Sequential(
            nn.Conv2d(four, two, 3, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(two, one, 3, padding=1),
            nn.LeakyReLU(LEAK),
        )
        self.decoderPart2 = nn.Sequential(nn.Conv2d(one, 3, 7), nn.Tanh())

    def forward(self, crops: Tensor, latents: Tensor) -> Tensor:
        x = self.target_encoder(mirrored(crops, 3))
        for block in self.style_blocks:
            x = block(x, latents)
        x = self.decoderPart1(doubled(self.decoder(doubled(x))))
        return (self.decoderPart2(mirrored(x, 3)) + 1) / 2


def styled(maps: Tensor, style: Tensor) -> Tensor:
    """`maps` (N, C, h, w), each normalised, then with the gain and the shift of `style` (N, 2C)."""
    # Squares of what half precision holds may be too large for it, and the epsilon is too small.
    whole = maps.float() if maps.element_size() < 4 else maps
    gain, shift = style.to(whole)[..., None, None].chunk(2, dim=1)
    centred = whole - whole.mean((2, 3), keepdim=True)
    spread = (centred.square().mean((2, 3), keepdim=True) + EPSILON).sqrt()
    return (centred * (gain / spread) + shift).to(maps.dtype)


def mirrored(x: Tensor, pixels: int) -> Tensor:
    """With so many mirrored pixels around it."""
    return functional.pad(x, (pixels,) * 4, mode="reflect")


def doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def shapes(width: int) -> dict[str, torch.Size]:
    """Every tensor of a generator of this width by name."""
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in Generator(width).state_dict().items()}


def from_tensors(tensors: Mapping[str, Tensor], file: Path) -> Generator:
    """The generator of these tensors, which came from `file`, in float32."""
    first = tensors.get(FIRST)
    if first is None or first.ndim != 4 or not len(first):
        raise OtherNetwork(
            f"{file} holds no swapping network of ReSwapper: its tensors are those of another. Use "
            f"{FILE}; 'python install.py models {FILE}' in the pack's folder fetches it."
        )
    network = blank(lambda: Generator(len(first)))
    used = {name: tensor for name, tensor in tensors.items() if not name.startswith(UNUSED)}
    fill(network, used, file)
    return network.to(memory_format=torch.channels_last)  # a third less time on a CPU


def load(file: Path) -> Generator:
    """The generator in a .pth or .safetensors file; its width is read there."""
    return from_tensors(read(file, instead=FILE), file)
