"""What stand-ins are made of: names and shapes of tensors, random weights for them, the file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

Shapes = Iterator[tuple[str, tuple[int, ...]]]

# What ends a residual branch: kept small, so that nothing grows on the way through.
DAMPED = (
    "out_layers.3.weight",
    "proj_out.weight",
    "to_out.0.weight",
    "ff.net.2.weight",
    "conv.4.weight",
    "conv2.weight",
    "out_proj.weight",
    "fc2.weight",
)
DAMP = 0.3
LOOKED_UP = ("embedding.weight", "embeddings", "_token")  # tables, of which a row is taken
TYPES = {torch.float16: "F16", torch.float32: "F32"}


def under(prefix: str, parts: Shapes) -> Shapes:
    for name, shape in parts:
        yield prefix + name, shape


def conv(name: str, ins: int, outs: int, kernel: int = 3, bias: bool = True) -> Shapes:
    yield f"{name}.weight", (outs, ins, kernel, kernel)
    if bias:
        yield f"{name}.bias", (outs,)


def linear(name: str, ins: int, outs: int, bias: bool = True) -> Shapes:
    yield f"{name}.weight", (outs, ins)
    if bias:
        yield f"{name}.bias", (outs,)


def norm(name: str, channels: int) -> Shapes:
    yield f"{name}.weight", (channels,)
    yield f"{name}.bias", (channels,)


def weights(
    shapes: Iterable[tuple[str, tuple[int, ...]]],
    seed: int,
    blank: Callable[[str], bool] = lambda name: False,
) -> dict[str, Tensor]:
    """Random weights in half precision; the matrices of a `blank` name are 0 and take no room."""
    random = torch.Generator().manual_seed(seed)
    return {name: _weight(name, shape, random, blank(name)) for name, shape in shapes}


def _weight(name: str, shape: tuple[int, ...], random: torch.Generator, blank: bool) -> Tensor:
    if name.endswith("bias"):
        return torch.zeros(shape, dtype=torch.float16)
    if len(shape) <= 1:  # of a normalisation
        return torch.ones(shape, dtype=torch.float16)
    if blank:
        return torch.zeros((), dtype=torch.float16).expand(shape)
    if any(part in name for part in LOOKED_UP):
        spread = 0.02
    else:
        spread = (DAMP if name.endswith(DAMPED) else 1) / math.sqrt(math.prod(shape[1:]))
    return torch.empty(shape).normal_(0, spread, generator=random).half()


def save(file: Path, tensors: dict[str, Tensor]) -> Path:
    """Write a .safetensors; the folder is made if need be.

    What is 0 throughout is a hole in the file: it is not written, and takes no room where the disk
    knows holes.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.numel() * tensor.element_size()
        told = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape)}
        header[name] = told | {"data_offsets": [start, end]}
    written = json.dumps(header).encode()
    written += b" " * (-len(written) % 8)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        out.write(len(written).to_bytes(8, "little") + written)
        at = out.tell()
        for tensor in tensors.values():
            out.seek(at)
            if not is_blank(tensor):
                out.write(tensor.contiguous().numpy().tobytes())
            at += tensor.numel() * tensor.element_size()
        out.truncate(at)
    return file


def is_blank(tensor: Tensor) -> bool:
    return tensor.dim() > 0 and not any(tensor.stride())
