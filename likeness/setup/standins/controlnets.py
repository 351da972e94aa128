"""Writes ControlNets of random weights that fit the stand-in checkpoints: one file a map for
SD 1.5, and the union of them all for SDXL.

What they add to the UNet is small, and leaves alone the thread by which pictures stay pictures.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from torch import Tensor

from . import unet
from .autoencoder import LATENT
from .layout import Shapes, conv, linear, norm, save, under, weights
from .sdxl import LABEL, WIDTHS
from .text_encoders import TEXT_L
from .unet import CHANNELS, EMBEDDED, THREAD

# Convolutions that lead from the map to the size of a latent, and the stride of each.
HINT = (3, 16, 16, 32, 32, 96, 96, 256, CHANNELS)
KINDS = 8  # of maps that the larger of the two union networks knows
KIND = 256  # what tells one is wide
GAIN = 1.7  # makes up for what SiLU takes away
ADDED = 4.0  # the spread of what goes into the UNet, by which the network's own is multiplied

UNION_BLANK = re.compile(r"(down_blocks\.[12]|mid_block)\.resnets\.\d\.conv[12]")


def write_control_sd15(file: Path, seed: int = 0) -> Path:
    tensors = weights(under("control_model.", _sd15()), seed)
    own = {name.removeprefix("control_model."): each for name, each in tensors.items()}
    _liven(own, "input_hint_block.", ("zero_convs.", "middle_block_out."))
    own["zero_convs.0.0.weight"][:THREAD] = 0
    return save(file, tensors)


def write_control_union(file: Path, seed: int = 0) -> Path:
    tensors = weights(_union(), seed, lambda name: bool(UNION_BLANK.search(name)))
    _liven(tensors, "controlnet_cond_embedding.", ("controlnet_down_", "controlnet_mid_"))
    tensors["controlnet_down_blocks.0.weight"][:THREAD] = 0
    tensors["task_embedding"] *= 1 / tensors["task_embedding"].std()
    return save(file, tensors)


def _liven(tensors: dict[str, Tensor], hint: str, last: tuple[str, ...]) -> None:
    for name, tensor in tensors.items():
        if name.startswith(hint):
            tensor *= GAIN
        elif name.startswith(last):
            tensor *= ADDED


def _sd15() -> Shapes:
    yield from unet.time_embed()
    yield from conv("input_blocks.0.0", LATENT, CHANNELS)
    yield from unet.residual("input_blocks.1.0", CHANNELS)
    yield from unet.transformer("input_blocks.1.1", CHANNELS, TEXT_L)
    yield from unet.residual("middle_block.0", CHANNELS)
    for place, (ins, outs) in enumerate(pairwise(HINT)):
        yield from conv(f"input_hint_block.{2 * place}", ins, outs)
    for name in ("zero_convs.0.0", "zero_convs.1.0", "middle_block_out.0"):
        yield from conv(name, CHANNELS, CHANNELS, 1)


def _union() -> Shapes:
    """In the layout of diffusers, with no attention but in what mixes the maps."""
    yield from conv("conv_in", LATENT, CHANNELS)
    for name, ins in (("time_embedding", CHANNELS), ("add_embedding", LABEL)):
        yield from linear(f"{name}.linear_1", ins, EMBEDDED)
        yield from linear(f"{name}.linear_2", EMBEDDED, EMBEDDED)
    yield from _map()
    yield from _levels()
    for number in (0, 1):
        yield from _residual(f"mid_block.resnets.{number}", WIDTHS[-1], WIDTHS[-1])
    yield from norm("mid_block.attentions.0.norm", WIDTHS[-1])
    for way in ("proj_in", "proj_out"):
        yield from linear(f"mid_block.attentions.0.{way}", WIDTHS[-1], WIDTHS[-1])
    yield from conv("controlnet_mid_block", WIDTHS[-1], WIDTHS[-1], 1)
    yield from _kinds()


def _map() -> Shapes:
    yield from conv("controlnet_cond_embedding.conv_in", *HINT[:2])
    for place, (ins, outs) in enumerate(pairwise(HINT[1:-1])):
        yield from conv(f"controlnet_cond_embedding.blocks.{place}", ins, outs)
    yield from conv("controlnet_cond_embedding.conv_out", *HINT[-2:])


def _levels() -> Shapes:
    handed, ins = [CHANNELS], CHANNELS
    for level, width in enumerate(WIDTHS):
        for number in (0, 1):
            yield from _residual(f"down_blocks.{level}.resnets.{number}", ins, width)
            handed.append(width)
            ins = width
        if level < len(WIDTHS) - 1:
            yield from conv(f"down_blocks.{level}.downsamplers.0.conv", width, width)
            handed.append(width)
    for place, width in enumerate(handed):
        yield from conv(f"controlnet_down_blocks.{place}", width, width, 1)


def _residual(name: str, ins: int, outs: int) -> Shapes:
    yield from norm(f"{name}.norm1", ins)
    yield from conv(f"{name}.conv1", ins, outs)
    yield from linear(f"{name}.time_emb_proj", EMBEDDED, outs)
    yield from norm(f"{name}.norm2", outs)
    yield from conv(f"{name}.conv2", outs, outs)
    if ins != outs:
        yield from conv(f"{name}.conv_shortcut", ins, outs, 1)


def _kinds() -> Shapes:
    """What tells the kinds of maps apart, and mixes them."""
    yield "task_embedding", (KINDS, CHANNELS)
    layer = "transformer_layes.0"
    yield f"{layer}.attn.in_proj_weight", (3 * CHANNELS, CHANNELS)
    yield f"{layer}.attn.in_proj_bias", (3 * CHANNELS,)
    yield from linear(f"{layer}.attn.out_proj", CHANNELS, CHANNELS)
    yield from norm(f"{layer}.ln_1", CHANNELS)
    yield from linear(f"{layer}.mlp.c_fc", CHANNELS, 4 * CHANNELS)
    yield from linear(f"{layer}.mlp.c_proj", 4 * CHANNELS, CHANNELS)
    yield from norm(f"{layer}.ln_2", CHANNELS)
    yield from linear("spatial_ch_projs", CHANNELS, CHANNELS)
    yield from linear("control_add_embedding.linear_1", KIND * KINDS, EMBEDDED)
    yield from linear("control_add_embedding.linear_2", EMBEDDED, EMBEDDED)
