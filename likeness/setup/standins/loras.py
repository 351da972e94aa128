"""Writes LoRAs of random weights that fit the stand-in checkpoints, named as kohya's trainer does.

Each adds to the attention of the UNet; the one for SD 1.5 to the text encoder, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from .layout import save
from .sdxl import ATTENDING, TEXT, WIDTHS
from .text_encoders import LAYERS_L, TEXT_L
from .unet import CHANNELS

RANK, ALPHA = 4, 2.0
SPREAD = 2.0  # of the second factor's weights: large, since there is little else to be heard over

Parts = Iterator[tuple[str, int, int]]  # name, channels in, channels out


def write_lora_sd15(file: Path, seed: int = 0) -> Path:
    parts = list(_attention("lora_unet_down_blocks_0_attentions_0", CHANNELS, TEXT_L, 1))
    return save(file, _factors([*parts, *_text_encoder()], seed))


def write_lora_sdxl(file: Path, seed: int = 0) -> Path:
    parts = []
    for place, depth in ATTENDING.items():
        parts += _attention(f"lora_unet_input_blocks_{place}_1", WIDTHS[place // 3], TEXT, depth)
    return save(file, _factors(parts, seed))


def _attention(name: str, channels: int, text: int, depth: int) -> Parts:
    for number in range(depth):
        block = f"{name}_transformer_blocks_{number}"
        for attention, ins in (("attn1", channels), ("attn2", text)):
            yield f"{block}_{attention}_to_q", channels, channels
            yield f"{block}_{attention}_to_k", ins, channels
            yield f"{block}_{attention}_to_v", ins, channels
            yield f"{block}_{attention}_to_out_0", channels, channels
        yield f"{block}_ff_net_0_proj", channels, 8 * channels
        yield f"{block}_ff_net_2", 4 * channels, channels


def _text_encoder() -> Parts:
    for layer in range(LAYERS_L):
        block = f"lora_te_text_model_encoder_layers_{layer}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield f"{block}_self_attn_{name}", TEXT_L, TEXT_L
        yield f"{block}_mlp_fc1", TEXT_L, 4 * TEXT_L
        yield f"{block}_mlp_fc2", 4 * TEXT_L, TEXT_L


def _factors(parts: list[tuple[str, int, int]], seed: int) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, ins, outs in parts:
        down = torch.empty(RANK, ins).normal_(0, ins**-0.5, generator=random)
        up = torch.empty(outs, RANK).normal_(0, SPREAD, generator=random)
        tensors[f"{name}.lora_down.weight"] = down.half()
        tensors[f"{name}.lora_up.weight"] = up.half()
        tensors[f"{name}.alpha"] = torch.tensor(ALPHA, dtype=torch.float16)
    return tensors
