"""The noise that a reference gets: fresh at every step, the same for the same seed."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def noise_at(seed: int, step: float, shape: tuple[int, ...]) -> Tensor:
    """Standard normal, on the CPU, so that it is the same on every device.

    It depends on nothing but the arguments and leaves torch's own generators alone.
    """
    digest = hashlib.sha256(f"{seed} {step:.6f}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    return torch.randn(shape, generator=generator)
