"""The text encoders of stand-in checkpoints: CLIP ViT-L/14 and, for SDXL, OpenCLIP's bigG.

Both are whole, since ComfyUI reads no size from the file; of the layers only the first does
something, the others hand on what they get: their matrices are blank.
"""

from __future__ import annotations

import re

from .layout import Shapes, linear, norm, under

TEXT_L, TEXT_G = 768, 1280
LAYERS_L, LAYERS_G = 12, 32
TOKENS, LENGTH = 49408, 77


def blank(name: str) -> bool:
    """Whether it belongs to a layer of a text encoder that does nothing."""
    return bool(re.search(r"text_model\.encoder\.layers\.[1-9]|resblocks\.[1-9]", name))


def clip_l(prefix: str) -> Shapes:
    yield from under(f"{prefix}transformer.text_model.", _clip_l())


def _clip_l() -> Shapes:
    yield "embeddings.token_embedding.weight", (TOKENS, TEXT_L)
    yield "embeddings.position_embedding.weight", (LENGTH, TEXT_L)
    for layer in range(LAYERS_L):
        block = f"encoder.layers.{layer}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from linear(f"{block}.self_attn.{name}", TEXT_L, TEXT_L)
        yield from linear(f"{block}.mlp.fc1", TEXT_L, 4 * TEXT_L)
        yield from linear(f"{block}.mlp.fc2", 4 * TEXT_L, TEXT_L)
        yield from norm(f"{block}.layer_norm1", TEXT_L)
        yield from norm(f"{block}.layer_norm2", TEXT_L)
    yield from norm("final_layer_norm", TEXT_L)


def clip_g(prefix: str) -> Shapes:
    yield from under(f"{prefix}model.", _clip_g())


def _clip_g() -> Shapes:
    yield "token_embedding.weight", (TOKENS, TEXT_G)
    yield "positional_embedding", (LENGTH, TEXT_G)
    for layer in range(LAYERS_G):
        block = f"transformer.resblocks.{layer}"
        yield f"{block}.attn.in_proj_weight", (3 * TEXT_G, TEXT_G)
        yield f"{block}.attn.in_proj_bias", (3 * TEXT_G,)
        yield from linear(f"{block}.attn.out_proj", TEXT_G, TEXT_G)
        yield from linear(f"{block}.mlp.c_fc", TEXT_G, 4 * TEXT_G)
        yield from linear(f"{block}.mlp.c_proj", 4 * TEXT_G, TEXT_G)
        yield from norm(f"{block}.ln_1", TEXT_G)
        yield from norm(f"{block}.ln_2", TEXT_G)
    yield from norm("ln_final", TEXT_G)
    yield "text_projection", (TEXT_G, TEXT_G)
