"""The bridge to ComfyUI: model folders, progress, and what a node hands back beside its values."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import comfy.model_management
import comfy.utils
import folder_paths
import torch
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io, ui

REACTOR = ("reactor", "faces")  # where ReActor keeps its face files
MODEL_FOLDERS = (
    "insightface",
    "facedetection",
    "reswapper",
    "hyperswap",
    "facerestore_models",
    "identities",
    "detection",
    "wd14_tagger",
    "vqa",
)


def register_model_folders() -> None:
    """Make our folders known beside those that extra_model_paths.yaml names."""
    for key in MODEL_FOLDERS:
        folder_paths.add_model_folder_path(key, str(Path(folder_paths.models_dir, key)))
    faces = Path(folder_paths.models_dir, *REACTOR)
    folder_paths.add_model_folder_path("identities", str(faces))


def model_folders(key: str) -> list[Path]:
    return [Path(folder) for folder in folder_paths.get_folder_paths(key)]


def patched(network: torch.nn.Module) -> ModelPatcher:
    """The network in ComfyUI's hands, which moves it to its device and away again."""
    return ModelPatcher(
        network,
        load_device=comfy.model_management.get_torch_device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )


def working_dtype() -> torch.dtype:
    """What networks run in: half precision where the host's device gains by it."""
    device = comfy.model_management.get_torch_device()
    if comfy.model_management.should_use_fp16(device):
        return torch.float16
    return torch.bfloat16 if comfy.model_management.should_use_bf16(device) else torch.float32


def loaded(
    input_id: str, patcher: ModelPatcher, kind: type, source: str, working: int = 0
) -> torch.nn.Module:
    """The network on its device, with room for `working` bytes beside it."""
    meant(input_id, getattr(patcher, "model", patcher), kind, source)
    comfy.model_management.load_models_gpu([patcher], memory_required=working)
    return patcher.model


def meant(input_id: str, value: object, kind: type, source: str) -> None:
    """Refuse what a Switch, or another node that takes anything, let through."""
    if not isinstance(value, kind):
        raise ValueError(
            f"{input_id}: a {type(value).__name__} came in where a {kind.__name__} belongs: "
            f"connect {source}"
        )


def progress(total: int) -> Callable[[int, int], None]:
    """The callback that moves the node's bar; it is also where Cancel is heard."""
    return comfy.utils.ProgressBar(total).update_absolute


def reported(*values: object, report: str) -> io.NodeOutput:
    """The node's values, then its report: a socket, a text on the node and a line in /history."""
    return io.NodeOutput(*values, report, ui=ui.PreviewText(report))


@contextmanager
def named(input_id: str) -> Iterator[None]:
    """Complaints about a value begin with the input that it came in by."""
    try:
        yield
    except ValueError as problem:
        raise ValueError(f"{input_id}: {problem}") from problem


def fingerprint(folder: Path) -> str:
    """Changes when a file in `folder` is added, removed or replaced."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    states = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(states).encode()).hexdigest()
