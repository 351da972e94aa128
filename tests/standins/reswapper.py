"""Writes inswapper_128.onnx and ReSwapper's files: their names and tensors, random weights."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from pack.likeness.nets.swap_generator import LATENT, WIDTH, Generator
from safetensors.torch import save_file
from torch import nn

NARROW = WIDTH // 8
SIZE = 128
OPSET = 13


def generator(width: int = NARROW, seed: int = 0) -> Generator:
    """One whose answer shows both the picture and the person."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Generator(width).requires_grad_(False).eval()
        for layer in network.modules():
            if isinstance(layer, nn.Linear):  # gains of about 1 either way for latents of length 1
                layer.weight.normal_(0, 1)
                layer.bias.normal_(0, 0.3)
        network.decoderPart2[0].weight.mul_(4)
    return network


def random_emap(seed: int = 0) -> np.ndarray:
    """A turn of the space of embeddings, (512, 512) float32."""
    random = np.random.default_rng(seed)
    return np.linalg.qr(random.normal(size=(LATENT, LATENT)))[0].astype(np.float32)


def write_reswapper(file: Path, width: int = NARROW, size: int = SIZE, seed: int = 0) -> Path:
    """Write a swapper; width 128 is the real one's 553 MB.

    The map of identities is in a .onnx as its last initialiser, in a .safetensors as `emap`, and
    beside a .pth as emap.npy.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    network, emap = generator(width, seed), random_emap(seed)
    if file.suffix == ".onnx":
        export(network, file, size)
        append_emap(file, emap)
    elif file.suffix == ".safetensors":
        save_file({**network.state_dict(), "emap": torch.from_numpy(emap)}, file)
    else:
        torch.save(network.state_dict(), file)
        np.save(file.with_name("emap.npy"), emap)
    return file


def export(network: Generator, file: Path, size: int = SIZE, **options: object) -> None:
    """`options` are those of torch.onnx.export."""
    written = io.BytesIO()
    example = (torch.rand(1, 3, size, size), torch.rand(1, LATENT))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the way without onnxscript is the older one
        torch.onnx.export(
            network,
            example,
            written,
            input_names=["target", "source"],
            output_names=["output"],
            dynamo=False,
            **{"opset_version": OPSET, **options},
        )
    file.write_bytes(written.getvalue())


def append_emap(file: Path, emap: np.ndarray, name: str = "emap") -> None:
    model = onnx.load(file)
    model.graph.initializer.append(numpy_helper.from_array(emap, name))
    onnx.save(model, file)
