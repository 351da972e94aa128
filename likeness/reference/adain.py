"""Adaptive instance normalisation: activations with the mean and the spread of a reference's.

Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LEAST_VARIANCE = 1e-6


@dataclass(frozen=True)
class Statistics:
    """Of every channel of every row."""

    mean: Tensor  # (rows, channels, 1, 1) float32
    variance: Tensor


def measure(activations: Tensor) -> Statistics:  # (rows, channels, height, width)
    variance, mean = torch.var_mean(activations.float(), dim=(2, 3), keepdim=True, correction=0)
    return Statistics(mean, variance.clamp(min=LEAST_VARIANCE))


def impose(
    activations: Tensor,  # (rows, channels, height, width)
    wanted: Statistics,
    unconditional: Tensor,  # (rows,) bool
    fidelity: float,
) -> Tensor:
    """The activations with those statistics; unconditional rows keep the part `fidelity` of theirs.

    At a fidelity of 1 the unconditional rows stay bit for bit as they are.
    """
    own = measure(activations)
    scale = (wanted.variance / own.variance).sqrt()
    adapted = (activations.float() - own.mean) * scale + wanted.mean
    blended = torch.lerp(adapted, activations.float(), fidelity)
    kept = unconditional.to(activations.device).view(-1, 1, 1, 1)
    return torch.where(kept, blended, adapted).to(activations.dtype)
