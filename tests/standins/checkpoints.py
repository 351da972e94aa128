"""Writes a Stable Diffusion 1.5 checkpoint of random weights, as small as ComfyUI takes it.

The keys are those of the published file. The UNet keeps the family's 320 channels and its text
width of 768, by which it is known, on a single level: 26 MB. The autoencoder is the tiny one
(TAESD): 5 MB. The text encoder is whole, since ComfyUI reads no size from the file: 247 MB.

Through the noise of the weights runs a thread, so that pictures stay pictures. The autoencoder
carries the mean colour of every 8 x 8 pixels; the UNet takes for noise what differs from the mean
of the neighbourhood. What was sampled looks as if through frosted glass, a little of the prompt
mixed in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

Shapes = Iterator[tuple[str, tuple[int, ...]]]

CHANNELS = 320
EMBEDDED = 4 * CHANNELS  # of the time step
TEXT = 768
LATENT = 4
TAESD = 64  # channels of the tiny autoencoder
VAE_SCALE = 0.18215  # the family's: the tiny autoencoder's own latents are scaled already

ASIDE = 0.05  # of the random weights, where they mix into what is carried through
LATENT_SPREAD = 4.0  # of a latent for the colours from 0 to 1: about the family's own
CONSTANT = 100.0
NOISE_GAIN = 6.0 * CONSTANT * math.sqrt(0.2)  # undoes the division by the spread of the ten

SAME = torch.tensor([[0, 0, 0], [0, 1, 0], [0, 0, 0]]) * 1.0
HALVED = torch.tensor([[0, 0, 0], [0, 1, 1], [0, 1, 1]]) / 4
DOUBLED = torch.tensor([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
DIFFERENCE = SAME - torch.ones(3, 3) / 9

UNET = "model.diffusion_model."
VAE = "first_stage_model."
CLIP = "cond_stage_model.transformer.text_model."

# What ends a residual branch: kept small, so that nothing grows on the way through.
DAMPED = (
    "out_layers.3.weight",
    "proj_out.weight",
    "to_out.0.weight",
    "ff.net.2.weight",
    "conv.4.weight",
    "out_proj.weight",
    "fc2.weight",
)
DAMP = 0.3


def write_sd15(file: Path, seed: int = 0) -> Path:
    """Write the checkpoint; the folder is made if need be."""
    file.parent.mkdir(parents=True, exist_ok=True)
    random = torch.Generator().manual_seed(seed)
    weights = {name: _weight(name, shape, random) for name, shape in shapes()}
    _carry_colour({name.removeprefix(VAE): weights[name] for name in weights})
    _carry_noise({name.removeprefix(UNET): weights[name] for name in weights})
    save_file(weights, file, metadata={"format": "pt"})
    return file


def shapes() -> Shapes:
    """Every tensor of the file: its name and shape."""
    yield from _under(UNET, _unet())
    yield from _under(VAE, _autoencoder())
    yield from _under(CLIP, _text_encoder())


def _weight(name: str, shape: tuple[int, ...], random: torch.Generator) -> Tensor:
    if name.endswith("vae_scale"):
        return torch.tensor(VAE_SCALE, dtype=torch.float16)
    if name.endswith(("bias", "vae_shift")):
        return torch.zeros(shape, dtype=torch.float16)
    if len(shape) == 1:  # of a normalisation
        return torch.ones(shape, dtype=torch.float16)
    if "embedding" in name:
        spread = 0.02
    else:
        spread = (DAMP if name.endswith(DAMPED) else 1) / math.sqrt(math.prod(shape[1:]))
    return torch.empty(shape).normal_(0, spread, generator=random).half()


def _carry_colour(weights: dict[str, Tensor]) -> None:
    """The first three channels are red, green and blue from end to end; the rest is left alone.

    Activations are clipped at 0, where the colours never are.
    """
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
        weight = weights[f"{name}.weight"]
        weight[:3] *= ASIDE
        for colour in range(3):
            weight[colour, colour] += kernel
    for name, weight in weights.items():
        if name.startswith("taesd") and name.endswith("conv.4.weight"):
            weight[:3] *= ASIDE
    weights["taesd_encoder.14.bias"][:3] = -LATENT_SPREAD / 2
    weights["taesd_decoder.1.bias"][:3] = 0.5


def _carry_noise(weights: dict[str, Tensor]) -> None:
    """The first ten channels, one group of the normalisation, lead from the input to the output.

    Four hold the difference from the neighbourhood, four its negative, since SiLU(x) - SiLU(-x) is
    x; two hold a constant so large that the normalisation divides by it alone.
    """
    into, bias = weights["input_blocks.0.0.weight"], weights["input_blocks.0.0.bias"]
    into[:10] = 0
    for channel in range(LATENT):
        into[channel, channel] = DIFFERENCE
        into[channel + 4, channel] = -DIFFERENCE
    bias[8], bias[9] = CONSTANT, -CONSTANT
    last = "output_blocks.1.0"
    weights[f"{last}.out_layers.3.weight"][:10] = 0
    across = weights[f"{last}.skip_connection.weight"]
    across[:10] = 0
    for channel in range(10):
        across[channel, CHANNELS + channel] = 1
    out = weights["out.2.weight"]
    out *= ASIDE
    for channel in range(LATENT):
        out[channel, channel, 1, 1] = NOISE_GAIN
        out[channel, channel + 4, 1, 1] = -NOISE_GAIN


def _under(prefix: str, parts: Shapes) -> Shapes:
    for name, shape in parts:
        yield prefix + name, shape


def _conv(name: str, ins: int, outs: int, kernel: int = 3, bias: bool = True) -> Shapes:
    yield f"{name}.weight", (outs, ins, kernel, kernel)
    if bias:
        yield f"{name}.bias", (outs,)


def _linear(name: str, ins: int, outs: int, bias: bool = True) -> Shapes:
    yield f"{name}.weight", (outs, ins)
    if bias:
        yield f"{name}.bias", (outs,)


def _norm(name: str, channels: int) -> Shapes:
    yield f"{name}.weight", (channels,)
    yield f"{name}.bias", (channels,)


def _unet() -> Shapes:
    """One level: a block that reads the text on the way down, two on the way up."""
    yield from _linear("time_embed.0", CHANNELS, EMBEDDED)
    yield from _linear("time_embed.2", EMBEDDED, EMBEDDED)
    yield from _conv("input_blocks.0.0", LATENT, CHANNELS)
    yield from _under("input_blocks.1.0.", _residual(CHANNELS))
    yield from _under("input_blocks.1.1.", _transformer())
    yield from _under("output_blocks.0.0.", _residual(2 * CHANNELS))
    yield from _under("output_blocks.1.0.", _residual(2 * CHANNELS))
    yield from _norm("out.0", CHANNELS)
    yield from _conv("out.2", CHANNELS, LATENT)


def _residual(ins: int) -> Shapes:
    yield from _norm("in_layers.0", ins)
    yield from _conv("in_layers.2", ins, CHANNELS)
    yield from _linear("emb_layers.1", EMBEDDED, CHANNELS)
    yield from _norm("out_layers.0", CHANNELS)
    yield from _conv("out_layers.3", CHANNELS, CHANNELS)
    if ins != CHANNELS:
        yield from _conv("skip_connection", ins, CHANNELS, 1)


def _transformer() -> Shapes:
    yield from _norm("norm", CHANNELS)
    yield from _conv("proj_in", CHANNELS, CHANNELS, 1)
    for attention, ins in (("attn1", CHANNELS), ("attn2", TEXT)):
        block = f"transformer_blocks.0.{attention}"
        yield from _linear(f"{block}.to_q", CHANNELS, CHANNELS, bias=False)
        yield from _linear(f"{block}.to_k", ins, CHANNELS, bias=False)
        yield from _linear(f"{block}.to_v", ins, CHANNELS, bias=False)
        yield from _linear(f"{block}.to_out.0", CHANNELS, CHANNELS)
    yield from _linear("transformer_blocks.0.ff.net.0.proj", CHANNELS, 8 * CHANNELS)
    yield from _linear("transformer_blocks.0.ff.net.2", 4 * CHANNELS, CHANNELS)
    for number in (1, 2, 3):
        yield from _norm(f"transformer_blocks.0.norm{number}", CHANNELS)
    yield from _conv("proj_out", CHANNELS, CHANNELS, 1)


def _autoencoder() -> Shapes:
    """Blocks, with a halving or a doubling between them, by their place in the original's row."""
    yield "vae_scale", ()
    yield "vae_shift", ()
    yield from _conv("taesd_encoder.0", 3, TAESD)
    for place in (2, 6, 10):
        yield from _conv(f"taesd_encoder.{place}", TAESD, TAESD, bias=False)
    for place in (1, 3, 4, 5, 7, 8, 9, 11, 12, 13):
        yield from _tiny_block(f"taesd_encoder.{place}")
    yield from _conv("taesd_encoder.14", TAESD, LATENT)
    yield from _conv("taesd_decoder.1", LATENT, TAESD)
    for place in (7, 12, 17):
        yield from _conv(f"taesd_decoder.{place}", TAESD, TAESD, bias=False)
    for place in (3, 4, 5, 8, 9, 10, 13, 14, 15, 18):
        yield from _tiny_block(f"taesd_decoder.{place}")
    yield from _conv("taesd_decoder.19", TAESD, 3)


def _tiny_block(name: str) -> Shapes:
    for place in (0, 2, 4):
        yield from _conv(f"{name}.conv.{place}", TAESD, TAESD)


def _text_encoder() -> Shapes:
    """CLIP ViT-L/14's, whole."""
    yield "embeddings.token_embedding.weight", (49408, TEXT)
    yield "embeddings.position_embedding.weight", (77, TEXT)
    for layer in range(12):
        block = f"encoder.layers.{layer}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _linear(f"{block}.self_attn.{name}", TEXT, TEXT)
        yield from _linear(f"{block}.mlp.fc1", TEXT, 4 * TEXT)
        yield from _linear(f"{block}.mlp.fc2", 4 * TEXT, TEXT)
        yield from _norm(f"{block}.layer_norm1", TEXT)
        yield from _norm(f"{block}.layer_norm2", TEXT)
    yield from _norm("final_layer_norm", TEXT)
