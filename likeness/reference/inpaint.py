"""What inpainting networks are shown beside the reference."""

from __future__ import annotations

import torch
from torch import Tensor


def beside(reference: Tensor, shown: Tensor | None) -> Tensor | None:
    """In the place of what is `shown` (rows, extra channels, height, width) beside the picture.

    An inpainting network is shown a mask and the masked latent: here a mask of zeros, and all of
    the reference (rows, channels, height, width). One that edits is shown the latent alone. What
    else a network is shown stays as it is.
    """
    if shown is None:
        return None
    extra, channels = shown.shape[1], reference.shape[1]
    if extra == channels:
        return reference.to(shown)
    if extra == channels + 1:
        return torch.cat([torch.zeros_like(shown[:, :1]), reference.to(shown)], 1)
    return shown
