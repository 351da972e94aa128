"""Masks and pictures that several tests look at."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def ellipse(size: tuple[int, int], share: float = 0.8) -> Tensor:
    """A hard mask (h, w) of an ellipse as large as `share` of the sides."""
    y, x = (torch.linspace(-1, 1, length) for length in size)
    return ((y[:, None].square() + x.square()) < share**2).float()


def half(size: tuple[int, int]) -> Tensor:
    mask = torch.zeros(size)
    mask[:, : size[1] // 2] = 1
    return mask


def smooth(size: tuple[int, int], seed: int = 0) -> Tensor:
    """A picture (h, w, 3) in 0.25..0.75 of soft clouds of colour."""
    noise = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    clouds = functional.interpolate(noise, size=size, mode="bilinear", align_corners=True)
    return (clouds[0].movedim(0, 2) / 2 + 0.25).contiguous()


def noise(size: tuple[int, int], seed: int = 0) -> Tensor:
    """Of a normal distribution, (h, w, 3)."""
    return torch.randn(*size, 3, generator=torch.Generator().manual_seed(seed))
