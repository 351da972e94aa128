"""What goes into a network made fit for it, and whether what it gave is a picture."""

from __future__ import annotations

import torch
from torch import Tensor

from .pixels.threads import one_thread

FLAT = 1e-3  # spread of a crop's values, 0..1, below which it shows nothing


def is_picture(answer: Tensor, crop: Tensor) -> bool:
    """Whether it is all numbers, and shows something where `crop`, what went in, does."""
    finite = all(bound.isfinite() for bound in torch.aminmax(answer))  # a tenth of isfinite().all()
    return finite and (float(answer.std()) >= FLAT or float(crop.std()) < FLAT)


@one_thread()
def cleaned(crops: Tensor) -> Tensor:
    """In float32 and 0..1, of one's own; what is not a number is black."""
    return crops.detach().float().nan_to_num(0.0, 1.0, 0.0).clamp_(0, 1)
