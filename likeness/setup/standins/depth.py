"""Writes Depth Anything 3 Small with random weights, in the layout of ComfyUI's own file.

Of the transformer's twelve blocks the first does something, the others hand on what they get.
"""

from __future__ import annotations

import re
from pathlib import Path

from .layout import Shapes, conv, linear, norm, save, under, weights

WIDTH = 384
HEAD = WIDTH // 6
BLOCKS, LATER = 12, 4  # blocks; the first of those that see several pictures at once
PATCH, PATCHES = 14, 37 * 37
FEATURES = 64
LEVELS = (48, 96, 192, 384)
TOKEN = 2 * WIDTH  # what one picture tells, and what all do

BLANK = re.compile(r"encoder\.layer\.([1-9]|1\d)\.(attention\.(attention|output)|mlp)\.")


def write_depth(file: Path, seed: int = 0) -> Path:
    tensors = weights(shapes(), seed, lambda name: bool(BLANK.search(name)))
    last = tensors["head.scratch.output_conv2.2.weight"]
    last *= 0.5 / last.float().norm()
    return save(file, tensors)


def shapes() -> Shapes:
    yield from under("backbone.", _backbone())
    yield from under("head.", _head())
    yield from under("cam_dec.", _camera())


def _backbone() -> Shapes:
    yield from conv("embeddings.patch_embeddings.projection", 3, WIDTH, PATCH)
    yield "embeddings.position_embeddings", (1, PATCHES + 1, WIDTH)
    yield "embeddings.cls_token", (1, 1, WIDTH)
    yield "embeddings.camera_token", (1, 2, WIDTH)
    for number in range(BLOCKS):
        block = f"encoder.layer.{number}"
        for name in ("query", "key", "value"):
            yield from linear(f"{block}.attention.attention.{name}", WIDTH, WIDTH)
        yield from linear(f"{block}.attention.output.dense", WIDTH, WIDTH)
        if number >= LATER:
            yield from norm(f"{block}.attention.q_norm", HEAD)
            yield from norm(f"{block}.attention.k_norm", HEAD)
        yield from linear(f"{block}.mlp.fc1", WIDTH, 4 * WIDTH)
        yield from linear(f"{block}.mlp.fc2", 4 * WIDTH, WIDTH)
        for place in (1, 2):
            yield from norm(f"{block}.norm{place}", WIDTH)
            yield f"{block}.layer_scale{place}.lambda1", (WIDTH,)
    yield from norm("layernorm", WIDTH)


def _head() -> Shapes:
    yield from norm("norm", TOKEN)
    for level, width in enumerate(LEVELS):
        yield from conv(f"projects.{level}", TOKEN, width, 1)
    for level, kernel in ((0, 4), (1, 2), (3, 3)):
        yield from conv(f"resize_layers.{level}", LEVELS[level], LEVELS[level], kernel)
    for level, width in enumerate(LEVELS, 1):
        yield from conv(f"scratch.layer{level}_rn", width, FEATURES, bias=False)
    for name in ("", "_aux"):
        for level in (1, 2, 3, 4):
            yield from _fusion(f"scratch.refinenet{level}{name}", level < 4)
    half = FEATURES // 2
    yield from conv("scratch.output_conv1", FEATURES, half)
    yield from conv("scratch.output_conv2.0", half, 32)
    yield from conv("scratch.output_conv2.2", 32, 2, 1)
    for level in range(4):
        for place in range(5):
            ins, outs = (FEATURES, half) if place % 2 == 0 else (half, FEATURES)
            yield from conv(f"scratch.output_conv1_aux.{level}.{place}", ins, outs)
        yield from conv(f"scratch.output_conv2_aux.{level}.0", half, 32)
        yield from norm(f"scratch.output_conv2_aux.{level}.2", 32)
        yield from conv(f"scratch.output_conv2_aux.{level}.5", 32, 7, 1)


def _fusion(name: str, joined: bool) -> Shapes:
    for unit in ("resConfUnit1", "resConfUnit2")[0 if joined else 1 :]:
        yield from conv(f"{name}.{unit}.conv1", FEATURES, FEATURES)
        yield from conv(f"{name}.{unit}.conv2", FEATURES, FEATURES)
    yield from conv(f"{name}.out_conv", FEATURES, FEATURES, 1)


def _camera() -> Shapes:
    for place in (0, 2):
        yield from linear(f"backbone.{place}", TOKEN, TOKEN)
    yield from linear("fc_t", TOKEN, 3)
    yield from linear("fc_qvec", TOKEN, 4)
    yield from linear("fc_fov.0", TOKEN, 2)
