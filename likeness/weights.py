"""Reading weight files: tensors by name, and nothing else that a file may hold."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor, nn

from .report import counted
from .sessions import FETCH_AGAIN

SAFETENSORS = ".safetensors"
ENDINGS = (".pth.tar", ".pth", ".pt", SAFETENSORS)


class OtherNetwork(ValueError):
    """The file may be whole, and holds another network than the one that was looked for."""


def read(file: Path, instead: str) -> dict[str, Tensor]:
    """The tensors in `file` by name, on the CPU. Nothing in the file is ever run.

    `instead` is the file to name where this one is a program.
    """
    if file.suffix.lower() == SAFETENSORS:
        return _safetensors(file)
    if _is_torchscript(file):
        raise ValueError(
            f"{file} is a TorchScript program, which could run anything, and is not opened. Use "
            f"{instead}: 'python install.py models {instead}' in the pack's folder fetches it."
        )
    with file.open("rb") as opened:
        held = _load(opened, file)
    # Training scripts save their networks one level down, and for several devices at once.
    held = held.get("state_dict", held) if isinstance(held, Mapping) else held
    if not isinstance(held, Mapping) or not all(isinstance(key, str) for key in held):
        raise ValueError(broken(file, f"it holds a {type(held).__name__}, not tensors by name"))
    tensors = {key: value for key, value in held.items() if isinstance(value, Tensor)}
    return {key.removeprefix("module."): value for key, value in tensors.items()}


def blank(make: Callable[[], nn.Module]) -> nn.Module:
    """What `make` makes, on the CPU, without the random numbers that `fill` would replace."""
    with torch.device("meta"):
        network = make()
    return network.to_empty(device="cpu")


def fill(network: nn.Module, tensors: Mapping[str, Tensor], file: Path) -> None:
    """Put the tensors of `file` into `network`, all of them; it is then ready to run."""
    wanted = network.state_dict()
    missing = sorted(wanted.keys() - tensors.keys())
    surplus = sorted(tensors.keys() - wanted.keys())
    if missing or surplus:
        told = []
        if missing:
            told.append(f"it lacks {counted(len(missing), 'tensor')}, such as {missing[0]}")
        if surplus:
            told.append(f"it has {counted(len(surplus), 'tensor')} too many, such as {surplus[0]}")
        raise ValueError(broken(file, "; ".join(told)))
    for name, tensor in wanted.items():
        if tensor.shape != tensors[name].shape:
            shapes = f"{tuple(tensors[name].shape)}, not {tuple(tensor.shape)}"
            raise ValueError(broken(file, f"its {name} is {shapes}"))
    require_finite(tensors, file)
    network.load_state_dict(tensors)
    network.requires_grad_(False).eval()


def require_finite(tensors: Mapping[str, Tensor], file: Path) -> None:
    """Refuse weights that are no numbers: every answer would be none either."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        if not all(bound.isfinite() for bound in tensor.aminmax()):  # a tenth of isfinite().all()
            raise ValueError(broken(file, f"its {name} holds values that are no numbers"))


def broken(file: Path, reason: str) -> str:
    """What to say of a file that is no good, with its size and the cure."""
    first = reason.strip().partition("\n")[0].partition(". ")[0].rstrip(".")
    return f"{file} ({file.stat().st_size:,} bytes) cannot be used: {first}. {FETCH_AGAIN}"


def _safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except SafetensorError as problem:
        raise ValueError(broken(file, str(problem))) from problem


def _load(opened: BinaryIO, file: Path) -> object:
    try:
        return torch.load(opened, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as problem:  # torch's own words advise to load it all the same
        reason = "it is no file of weights, or not of them alone"
        raise ValueError(broken(file, reason)) from problem
    except (EOFError, OSError, RuntimeError, KeyError, ValueError) as problem:
        raise ValueError(broken(file, str(problem) or "it ends too early")) from problem


def _is_torchscript(file: Path) -> bool:
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())
