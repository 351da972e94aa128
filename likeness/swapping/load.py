"""Opening a swapper, whatever file it came in: what is in the file decides what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from ..outline import outline
from ..weights import ENDINGS, read
from . import ghost, inswapper, onnx_swapper
from .swapper import Swapper
from .table import ROWS

ONNX = ".onnx"
# Tensors that no other network has.
RESWAPPER, GHOST = "target_encoder.0.weight", "generator.up1.weight"
GHOST_IDENTITY = "layer1.0.prelu.weight"
BLOCK_CONVOLUTIONS = 12  # of inswapper: two in each of its six style blocks


def load(file: Path, providers: Sequence[str] | None = None) -> Swapper:
    """The swapper in `file`. `providers` are for what runs in onnxruntime; None: the best."""
    name = file.name.lower()
    if name.endswith(ONNX):
        if is_inswapper(outline(file)):
            return inswapper.load(file)
        return onnx_swapper.load(file, providers)
    if not file.exists():
        raise FileNotFoundError(f"{file} is not there. Press R in ComfyUI to see what is.")
    if not name.endswith(ENDINGS) or not file.is_file():
        raise ValueError(f"{file} is no file of a swapper. {_accepted()}")
    tensors = read(file, instead="inswapper_128.onnx")
    if RESWAPPER in tensors:
        return inswapper.from_tensors(tensors, file)
    if GHOST in tensors:
        return ghost.from_tensors(tensors, file)
    raise ValueError(f"{file} holds no swapper: {_what(tensors)}. {_accepted()}")


def is_inswapper(shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether weights of these shapes are inswapper's or ReSwapper's, of any width and order."""
    for shape in shapes:
        if len(shape) == 4 and shape[1:] == (3, 7, 7) and (3, shape[0], 7, 7) in shapes:
            widest = 8 * shape[0]
            return list(shapes).count((widest, widest, 3, 3)) == BLOCK_CONVOLUTIONS
    return False


def _what(tensors: Mapping[str, Tensor]) -> str:
    if GHOST_IDENTITY in tensors:
        return "it is ghost's identity network, which is used by itself where it lies beside G_*"
    if not tensors:
        return "it has no tensors"
    return f"its {len(tensors)} tensors, such as {min(tensors)}, are those of another network"


def _accepted() -> str:
    return (
        "Accepted are inswapper_128.onnx, ReSwapper's .pth, .safetensors and .onnx files, ghost's "
        f"G_*.pth, and as .onnx {', '.join(ROWS)}; 'python install.py models --list' in the pack's "
        "folder shows where they come from."
    )
