"""Opening a restorer, whatever file it came in: what is in the file decides what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from ..nets import restoreformer
from ..weights import CHECKPOINT, ENDINGS, read
from . import onnx_restorer, spandrel_restorer
from .network_restorer import OURS, NetworkRestorer
from .restorer import Restorer

ONNX = ".onnx"
INSTEAD = "GFPGANv1.4.pth"
# Tensors that CodeFormer alone has together.
CODEFORMER = ("position_emb", "idx_pred_layer.1.weight", "ft_layers.0.self_attn.in_proj_weight")
# What CodeFormer's autoencoder has and CodeFormer has too, which has more.
AUTOENCODER = ("generator.blocks.0.weight", "encoder.blocks.0.weight", restoreformer.CODES)


def load(file: Path, providers: Sequence[str] | None = None) -> Restorer:
    """The restorer in `file`. `providers` are for what runs in onnxruntime; None: the best."""
    name = file.name.lower()
    if not file.exists():
        raise FileNotFoundError(f"{file} is not there. Press R in ComfyUI to see what is.")
    if name.endswith(ONNX):
        return onnx_restorer.load(file, providers)
    if not name.endswith((*ENDINGS, CHECKPOINT)) or not file.is_file():
        raise ValueError(f"{file} is no file of a restorer. {_accepted()}")
    return from_tensors(tensors_in(file), file)


def tensors_in(file: Path) -> dict[str, Tensor]:
    """Those of the network alone."""
    return restoreformer.bare(read(file, instead=INSTEAD))


def from_tensors(tensors: Mapping[str, Tensor], file: Path) -> NetworkRestorer:
    """The restorer of these tensors, of a network alone, which came from `file`; in float32."""
    if all(name in tensors for name in CODEFORMER):
        architecture = spandrel_restorer.codeformer(file)
        return spandrel_restorer.from_tensors(tensors, architecture, file)
    if all(name in tensors for name in AUTOENCODER):
        raise ValueError(
            f"{file} holds the autoencoder that CodeFormer was trained with (vqgan_code1024.pth), "
            "which restores nothing by itself. Use codeformer.pth; 'python install.py models "
            "codeformer.pth' in the pack's folder fetches it."
        )
    if all(name in tensors for name in restoreformer.TELLING):
        return _restoreformer(tensors, file)
    architecture = spandrel_restorer.architecture_of(tensors)
    if architecture is not None:
        return spandrel_restorer.from_tensors(tensors, architecture, file)
    held = "it has no tensors"
    if tensors:
        held = f"its {len(tensors)} tensors, such as {min(tensors)}, are those of another network"
    raise ValueError(f"{file} holds no restorer: {held}. {_accepted()}")


def _restoreformer(tensors: Mapping[str, Tensor], file: Path) -> NetworkRestorer:
    if restoreformer.ASKING not in tensors:
        raise ValueError(
            f"{file} holds a VQGAN, which is built like RestoreFormer but does not look back at "
            f"the picture: it lacks {restoreformer.ASKING}. It restores no faces. {_accepted()}"
        )
    network = restoreformer.from_tensors(tensors, file)
    named = "RestoreFormer++" if network.shape.plus else "RestoreFormer"
    network = network.to(memory_format=OURS.layout)
    return NetworkRestorer(network, OURS, file.name, [f"its tensors are {named}'s"])


def _accepted() -> str:
    return (
        "Accepted are GFPGANv1.4.pth and its like, RestoreFormer's and RestoreFormer++'s .pth and "
        f".ckpt files, codeformer.pth, any of them as .safetensors, and as .onnx "
        f"{', '.join(onnx_restorer.ROWS)}; 'python install.py models --list' in the pack's folder "
        "shows where they come from."
    )
