"""A large crop as many small ones, each of every n-th pixel, for a network that knows one size."""

from __future__ import annotations

from torch import Tensor

MOST = 8  # times the side of a network's crop


def parts(crops: Tensor, boost: int) -> list[Tensor]:
    """Views (S, S, C) of crops (N, boost*S, boost*S, C): what is written to one is in its crop.

    Pixel (y, x) of part (i*boost + a)*boost + b is pixel (boost*y + a, boost*x + b) of crop i.
    """
    steps = range(boost)
    return [crop[a::boost, b::boost] for crop in crops for a in steps for b in steps]
