"""The autoencoder of a stand-in checkpoint: the tiny one (TAESD), 5 MB.

A thread runs through the noise of its weights: it carries the mean colour of every 8 x 8 pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .layout import Shapes, conv, under

LATENT = 4
WIDTH = 64
PREFIX = "first_stage_model."

ASIDE = 0.05  # of the random weights, where they mix into what is carried through
LATENT_SPREAD = 4.0  # of a latent for the colours from 0 to 1: about what checkpoints have

SAME = torch.tensor([[0, 0, 0], [0, 1, 0], [0, 0, 0]]) * 1.0
HALVED = torch.tensor([[0, 0, 0], [0, 1, 1], [0, 1, 1]]) / 4
DOUBLED = torch.tensor([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16


def shapes() -> Shapes:
    """Blocks, with a halving or a doubling between them, by their place in the original's row."""
    yield from under(PREFIX, _shapes())


def _shapes() -> Shapes:
    yield from conv("taesd_encoder.0", 3, WIDTH)
    for place in (2, 6, 10):
        yield from conv(f"taesd_encoder.{place}", WIDTH, WIDTH, bias=False)
    for place in (1, 3, 4, 5, 7, 8, 9, 11, 12, 13):
        yield from _block(f"taesd_encoder.{place}")
    yield from conv("taesd_encoder.14", WIDTH, LATENT)
    yield from conv("taesd_decoder.1", LATENT, WIDTH)
    for place in (7, 12, 17):
        yield from conv(f"taesd_decoder.{place}", WIDTH, WIDTH, bias=False)
    for place in (3, 4, 5, 8, 9, 10, 13, 14, 15, 18):
        yield from _block(f"taesd_decoder.{place}")
    yield from conv("taesd_decoder.19", WIDTH, 3)


def _block(name: str) -> Shapes:
    for place in (0, 2, 4):
        yield from conv(f"{name}.conv.{place}", WIDTH, WIDTH)


def scale(value: float) -> dict[str, Tensor]:
    """What undoes the family's scale of latents: the tiny one's own are scaled already."""
    half = {"dtype": torch.float16}
    return {
        f"{PREFIX}vae_scale": torch.tensor(value, **half),
        f"{PREFIX}vae_shift": torch.zeros((), **half),
    }


def carry_colour(tensors: dict[str, Tensor]) -> None:
    """The first three channels are red, green and blue from end to end; the rest is left alone.

    Activations are clipped at 0, where the colours never are.
    """
    own = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
    for name, kernel in (
        ("taesd_encoder.0", SAME),
        ("taesd_encoder.2", HALVED),
        ("taesd_encoder.6", HALVED),
        ("taesd_encoder.10", HALVED),
        ("taesd_encoder.14", LATENT_SPREAD * SAME),
        ("taesd_decoder.1", SAME / LATENT_SPREAD),
        ("taesd_decoder.7", DOUBLED),
        ("taesd_decoder.12", DOUBLED),
        ("taesd_decoder.17", DOUBLED),
        ("taesd_decoder.19", SAME),
    ):
        weight = own[f"{name}.weight"]
        weight[:3] *= ASIDE
        for colour in range(3):
            weight[colour, colour] += kernel
    for name, weight in own.items():
        if name.startswith("taesd") and name.endswith("conv.4.weight"):
            weight[:3] *= ASIDE
    own["taesd_encoder.14.bias"][:3] = -LATENT_SPREAD / 2
    own["taesd_decoder.1.bias"][:3] = 0.5
