"""Writes an SDXL checkpoint of random weights, as small as ComfyUI takes it.

The UNet has the family's three levels of 320, 640 and 1280 channels, onto which its ControlNets
fit, and the fewest attention blocks by which ComfyUI knows it. On the lower levels the blocks that
convolve hand on what they get, as do the attention blocks but one on each: what does nothing is
blank, and takes no room on the disk.
"""

from __future__ import annotations

import re
from pathlib import Path

from . import autoencoder, text_encoders, unet
from .layout import Shapes, conv, linear, norm, save, under, weights
from .unet import CHANNELS, EMBEDDED

VAE_SCALE = 0.13025
TEXT = text_encoders.TEXT_L + text_encoders.TEXT_G
LABEL = 2816  # the pooled text, and six sizes of 256 each
WIDTHS = (CHANNELS, 2 * CHANNELS, 4 * CHANNELS)
BLOCKS = 2  # that convolve on each level, on the way down
ATTENDING = {4: 1, 5: 1, 7: 2, 8: 2}  # place in the way down: attention blocks

# On the lower levels: convolutions of residual blocks, attention blocks after the first of a level.
BLANK = re.compile(
    r"input_blocks\.[4578]\.0\.(in|out)_layers|output_blocks\.[0-5]\.0\.(in|out)_layers"
    r"|input_blocks\.[58]\.1\.transformer_blocks|input_blocks\.7\.1\.transformer_blocks\.1"
)


def write_sdxl(file: Path, seed: int = 0) -> Path:
    tensors = weights(shapes(), seed, _blank) | autoencoder.scale(VAE_SCALE)
    autoencoder.carry_colour(tensors)
    unet.carry_noise(tensors, "output_blocks.8.0")
    return save(file, tensors)


def shapes() -> Shapes:
    """Every tensor that has a weight: its name and shape."""
    yield from under(unet.PREFIX, _unet())
    yield from autoencoder.shapes()
    yield from text_encoders.clip_l("conditioner.embedders.0.")
    yield from text_encoders.clip_g("conditioner.embedders.1.")


def _blank(name: str) -> bool:
    return text_encoders.blank(name) or bool(BLANK.search(name))


def _unet() -> Shapes:
    yield from unet.time_embed()
    yield from linear("label_emb.0.0", LABEL, EMBEDDED)
    yield from linear("label_emb.0.2", EMBEDDED, EMBEDDED)
    yield from conv("input_blocks.0.0", autoencoder.LATENT, CHANNELS)
    handed = yield from _down()
    yield from _up(handed)
    yield from norm("out.0", CHANNELS)
    yield from conv("out.2", CHANNELS, autoencoder.LATENT)


def _down():
    """Yields the tensors; returns the channels that each place hands across to the way up."""
    handed, place, ins = [CHANNELS], 1, CHANNELS
    for level, width in enumerate(WIDTHS):
        for _ in range(BLOCKS):
            yield from unet.residual(f"input_blocks.{place}.0", ins, width)
            if depth := ATTENDING.get(place):
                yield from unet.transformer(f"input_blocks.{place}.1", width, TEXT, depth, True)
            handed.append(width)
            place, ins = place + 1, width
        if level < len(WIDTHS) - 1:
            yield from conv(f"input_blocks.{place}.0.op", width, width)
            handed.append(width)
            place += 1
    return handed


def _up(handed: list[int]) -> Shapes:
    place, ins = 0, WIDTHS[-1]
    for level, width in enumerate(reversed(WIDTHS)):
        for number in range(BLOCKS + 1):
            yield from unet.residual(f"output_blocks.{place}.0", ins + handed.pop(), width)
            if number == BLOCKS and level < len(WIDTHS) - 1:
                yield from conv(f"output_blocks.{place}.1.conv", width, width)
            place, ins = place + 1, width
