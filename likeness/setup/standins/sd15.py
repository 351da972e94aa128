"""Writes a Stable Diffusion 1.5 checkpoint of random weights, as small as ComfyUI takes it.

The keys are those of the published file. The UNet keeps the family's 320 channels and its text
width of 768, by which it is known, on a single level: 26 MB.
"""

from __future__ import annotations

from pathlib import Path

from . import autoencoder, text_encoders, unet
from .layout import Shapes, conv, norm, save, under, weights
from .unet import CHANNELS

VAE_SCALE = 0.18215


def write_sd15(file: Path, seed: int = 0) -> Path:
    tensors = weights(shapes(), seed, text_encoders.blank) | autoencoder.scale(VAE_SCALE)
    autoencoder.carry_colour(tensors)
    unet.carry_noise(tensors, "output_blocks.1.0")
    return save(file, tensors)


def shapes() -> Shapes:
    """Every tensor that has a weight: its name and shape."""
    yield from under(unet.PREFIX, _unet())
    yield from autoencoder.shapes()
    yield from text_encoders.clip_l("cond_stage_model.")


def _unet() -> Shapes:
    """One level: a block that reads the text on the way down, two on the way up."""
    yield from unet.time_embed()
    yield from conv("input_blocks.0.0", autoencoder.LATENT, CHANNELS)
    yield from unet.residual("input_blocks.1.0", CHANNELS)
    yield from unet.transformer("input_blocks.1.1", CHANNELS, text_encoders.TEXT_L)
    yield from unet.residual("output_blocks.0.0", 2 * CHANNELS)
    yield from unet.residual("output_blocks.1.0", 2 * CHANNELS)
    yield from norm("out.0", CHANNELS)
    yield from conv("out.2", CHANNELS, autoencoder.LATENT)
