"""install.py doctor: what a bug report needs, in one block; works where half of it is missing."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from pathlib import Path

from ..models import MODELS, path, present
from . import packages
from .families import ONNXRUNTIME, OPENCV, keeper, members
from .host import COMFYUI, STAMP, folder_of, interpreter
from .place import GIB, PACK, Comfy, existing, models_folder
from .prepare import runtime_line
from .process import SetupError, inside, typed

SHOWN = (
    "torch", "torchvision", "numpy", "insightface", "facexlib", "scikit-image", "onnx",
    *ONNXRUNTIME, *OPENCV, "kornia", "spandrel", "transformers", "huggingface-hub", "safetensors",
    "diffusers", "peft", "accelerate",
)  # fmt: skip


def block() -> str:
    """Versions, providers, folders, weight files and advice about the Python that runs ComfyUI."""
    lines = ["```", f"Likeness {pack_version()} in {PACK}"]
    comfy, trouble = _comfy()
    lines += [f"system       {platform.platform()}", *trouble]
    lines.append(f"ComfyUI      {_comfy_line(comfy)}")
    python = comfy.python if comfy else sys.executable
    try:
        lines += _python_lines(python)
    except SetupError as error:
        lines.append(f"python       {error}")
    if not trouble:
        lines += _weight_lines(models_folder())
    return "\n".join([*lines, "```"])


def pack_version() -> str:
    file = PACK / "pyproject.toml"
    text = file.read_text("utf-8") if file.is_file() else ""
    match = re.search(r'^version\s*=\s*"([^"]+)"', text, re.MULTILINE)
    return match.group(1) if match else "of unknown version"


def _comfy() -> tuple[Comfy | None, list[str]]:
    """The ComfyUI to look at: the user's, the sandboxed one, or none."""
    try:
        if found := existing():
            return found, []
    except SetupError as error:
        return None, [f"trouble      {error}"]
    folder = folder_of(COMFYUI)
    if (folder / STAMP).is_file():
        return Comfy(folder / "ComfyUI", str(interpreter(folder / "venv")), own=True), []
    if folder.exists():
        return None, [f"trouble      {folder} is not finished: run 'python install.py host'"]
    return None, []


def _comfy_line(comfy: Comfy | None) -> str:
    if comfy is None:
        return "none here; 'python install.py host' makes a sandboxed one"
    file = comfy.path / "comfyui_version.py"
    match = re.search(r'"([^"]+)"\s*$', file.read_text("utf-8")) if file.is_file() else None
    kind = " (sandboxed)" if comfy.own else ""
    return f"{match.group(1) if match else 'of unknown version'} in {comfy.path}{kind}"


def _python_lines(python: str) -> list[str]:
    found = inside(python, "packages")
    versions = found["packages"]
    known = [f"{name} {versions[name]}" for name in SHOWN if name in versions]
    gone = [name for name in SHOWN[:7] if name not in versions]
    card = inside(python, "accelerator")
    lines = [
        f"python       {found['python']} at {python}",
        f"packages     {', '.join(known) or 'none of those that matter here'}",
        f"not there    {', '.join(gone) or 'nothing that is needed'}",
        f"nvidia gpu   {'yes' if card['nvidia'] else 'no'}; "
        f"torch built for CUDA {card['cuda_build'] or '(none)'}",
        f"onnxruntime  {runtime_line(python)}",
    ]
    gpu = packages.usable(card)
    if packages.needs_gpu_build(versions, gpu):
        lines.append(
            "trouble      onnxruntime is the CPU build on a machine with an NVIDIA GPU. "
            f"Cure: {typed(python, PACK / 'install.py')}"
        )
    if len(members(ONNXRUNTIME, versions)) > 1:
        lines.append(f"trouble      {both_installed(python, versions, gpu)}")
    if len(pictures := members(OPENCV, versions)) > 1:
        lines.append(f"note         {' and '.join(pictures)} share the folder cv2")
    return lines


def both_installed(python: str, versions: dict[str, str], gpu: bool) -> str:
    """What is wrong with two onnxruntimes in one folder, and the one command that cures it."""
    present = members(ONNXRUNTIME, versions)
    return (
        f"{' and '.join(present)} lie in one folder, and the last one installed wins. "
        f"Cure: {typed(python, PACK / 'install.py')}   (leaves {keeper(present, gpu)})"
    )


def _weight_lines(models: Path | None) -> list[str]:
    if models is None:
        return ["models       unknown: not inside custom_nodes, and COMFYUI_PATH is not set"]
    found = [model for model in MODELS if present(model, models)]
    missing = [model.name for model in MODELS if model not in found]
    free = f"{shutil.disk_usage(models).free / GIB:.1f} GiB free" if models.is_dir() else "missing"
    lines = [f"models       {models} ({free})"]
    lines += [f"  found      {path(model, models).relative_to(models)}" for model in found]
    return [*lines, f"  not there  {len(missing)} of {len(MODELS)}: {', '.join(missing)}"]
