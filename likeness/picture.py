"""Whether what a network gave is a picture."""

from __future__ import annotations

import torch
from torch import Tensor

FLAT = 1e-3  # spread of a crop's values, 0..1, below which it shows nothing


def is_picture(answer: Tensor, crop: Tensor) -> bool:
    """Whether it is all numbers, and shows something where `crop`, what went in, does."""
    finite = all(bound.isfinite() for bound in torch.aminmax(answer))  # a tenth of isfinite().all()
    return finite and (float(answer.std()) >= FLAT or float(crop.std()) < FLAT)
