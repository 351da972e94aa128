"""Parts of the UNets of stand-in checkpoints, and the thread that keeps pictures pictures.

The UNet takes for noise what differs from the mean of the neighbourhood. What was sampled looks as
if through frosted glass, a little of the prompt mixed in.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .autoencoder import ASIDE, LATENT, SAME
from .layout import Shapes, conv, is_blank, linear, norm

CHANNELS = 320
EMBEDDED = 4 * CHANNELS  # of the time step
PREFIX = "model.diffusion_model."

THREAD = 10  # channels that carry it, one group of the normalisation
CONSTANT = 100.0
HEARD = 4.0  # makes up for what attention to the text loses over 77 tokens
NOISE_GAIN = 6.0 * CONSTANT * math.sqrt(0.2)  # undoes the division by the spread of the ten
DIFFERENCE = SAME - torch.ones(3, 3) / 9


def time_embed() -> Shapes:
    yield from linear("time_embed.0", CHANNELS, EMBEDDED)
    yield from linear("time_embed.2", EMBEDDED, EMBEDDED)


def residual(name: str, ins: int, outs: int = CHANNELS) -> Shapes:
    yield from norm(f"{name}.in_layers.0", ins)
    yield from conv(f"{name}.in_layers.2", ins, outs)
    yield from linear(f"{name}.emb_layers.1", EMBEDDED, outs)
    yield from norm(f"{name}.out_layers.0", outs)
    yield from conv(f"{name}.out_layers.3", outs, outs)
    if ins != outs:
        yield from conv(f"{name}.skip_connection", ins, outs, 1)


def transformer(name: str, channels: int, text: int, depth: int = 1, flat: bool = False) -> Shapes:
    """Attention blocks that read the text; `flat` has matrices for its way in and out."""
    yield from norm(f"{name}.norm", channels)
    for way in ("proj_in", "proj_out"):
        if flat:
            yield from linear(f"{name}.{way}", channels, channels)
        else:
            yield from conv(f"{name}.{way}", channels, channels, 1)
    for number in range(depth):
        yield from _attention_block(f"{name}.transformer_blocks.{number}", channels, text)


def _attention_block(name: str, channels: int, text: int) -> Shapes:
    for attention, ins in (("attn1", channels), ("attn2", text)):
        yield from linear(f"{name}.{attention}.to_q", channels, channels, bias=False)
        yield from linear(f"{name}.{attention}.to_k", ins, channels, bias=False)
        yield from linear(f"{name}.{attention}.to_v", ins, channels, bias=False)
        yield from linear(f"{name}.{attention}.to_out.0", channels, channels)
    yield from linear(f"{name}.ff.net.0.proj", channels, 8 * channels)
    yield from linear(f"{name}.ff.net.2", 4 * channels, channels)
    for number in (1, 2, 3):
        yield from norm(f"{name}.norm{number}", channels)


def carry_noise(tensors: dict[str, Tensor], last: str) -> None:
    """The first ten channels lead from the input to the output, past all but the block `last`.

    Four hold the difference from the neighbourhood, four its negative, since SiLU(x) - SiLU(-x) is
    x; two hold a constant so large that the normalisation divides by it alone.
    """
    own = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
    into, bias = own["input_blocks.0.0.weight"], own["input_blocks.0.0.bias"]
    into[:THREAD] = 0
    for channel in range(LATENT):
        into[channel, channel] = DIFFERENCE
        into[channel + 4, channel] = -DIFFERENCE
    bias[8], bias[9] = CONSTANT, -CONSTANT
    own[f"{last}.out_layers.3.weight"][:THREAD] = 0
    across = own[f"{last}.skip_connection.weight"]
    across[:THREAD] = 0
    for channel in range(THREAD):
        across[channel, CHANNELS + channel] = 1
    for name, tensor in own.items():
        if name.endswith(("attn2.to_q.weight", "attn2.to_out.0.weight")) and not is_blank(tensor):
            tensor *= HEARD
    out = own["out.2.weight"]
    out *= ASIDE
    for channel in range(LATENT):
        out[channel, channel, 1, 1] = NOISE_GAIN
        out[channel, channel + 4, 1, 1] = -NOISE_GAIN
