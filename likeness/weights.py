"""Reading weight files: tensors by name, and nothing else that a file may hold."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import shorten
from typing import BinaryIO

import torch
from torch import Tensor, nn

from . import lightning
from .report import counted
from .sessions import FETCH_AGAIN

SAFETENSORS = ".safetensors"
ENDINGS = (".pth.tar", ".pth", ".pt", SAFETENSORS)
CHECKPOINT = ".ckpt"  # of Lightning, which restorers come in
# Where training scripts put the tensors, the averaged ones before those that were averaged.
LEVELS = ("params_ema", "params-ema", "params", "model_state_dict", "state_dict", "model", "net")
DEEPEST = 2  # levels
PREFIXES = ("module.", "netG.")  # of several devices at once, and of the half of a pair
MIXED = "it is no file of weights, or not of them alone"
# What torch raises for files that are cut or that no program has written.
MALFORMED = (EOFError, OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError)


class Unsafe(pickle.UnpicklingError):
    """The file would have things run that are no weights; the words are their names."""


class OtherNetwork(ValueError):
    """The file may be whole, and holds another network than the one that was looked for."""


def read(file: Path, instead: str) -> dict[str, Tensor]:
    """The tensors in `file` by name, on the CPU. Nothing in the file is ever run.

    `instead` is the file to name where this one is a program, or holds more than weights.
    """
    if file.suffix.lower() == SAFETENSORS:
        return _safetensors(file)
    if _is_torchscript(file):
        raise ValueError(
            f"{file} is a TorchScript program, which could run anything, and is not opened. "
            f"{_use(instead)}."
        )
    with file.open("rb") as opened:
        held = _unwrapped(_load(opened, file, instead))
    if not isinstance(held, Mapping) or not all(isinstance(key, str) for key in held):
        raise ValueError(broken(file, f"it holds a {type(held).__name__}, not tensors by name"))
    tensors = {key: value for key, value in held.items() if isinstance(value, Tensor)}
    for prefix in PREFIXES:
        if all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    return tensors


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


def _unwrapped(held: object) -> object:
    for _ in range(DEEPEST):
        if isinstance(held, Mapping):
            found = [held[key] for key in LEVELS if isinstance(held.get(key), Mapping)]
            held = found[0] if found else held
    return held


def _load(opened: BinaryIO, file: Path, instead: str) -> object:
    try:
        return _opened(opened)
    except Unsafe as problem:
        raise ValueError(
            f"{file} ({file.stat().st_size:,} bytes) holds more than weights and is not opened: "
            f"that would run {problem}. {_use(instead)}. Or have whoever made the file save its "
            "state_dict alone, best as .safetensors."
        ) from problem
    except (pickle.UnpicklingError, *MALFORMED) as problem:
        reason = str(problem) or "it ends too early"
        # Torch's own words advise to load it all the same.
        advises = isinstance(problem, pickle.UnpicklingError) or "weights_only" in reason
        raise ValueError(broken(file, MIXED if advises else reason)) from problem


def _opened(opened: BinaryIO) -> object:
    """What torch has saved, as far as it is weights, plain values, and what Lightning adds."""
    try:
        return torch.load(opened, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as problem:
        opened.seek(0)
        named = lightning.unsafe(opened)
        others = [name for name in named if not name.startswith(lightning.MODULES)]
        if others:
            raise Unsafe(shorten(", ".join(others), 200, placeholder=" ...")) from problem
        if not named:
            raise
    opened.seek(0)
    with lightning.passed_over(named):
        return torch.load(opened, map_location="cpu", weights_only=True)


def _use(instead: str) -> str:
    return f"Use {instead}: 'python install.py models {instead}' in the pack's folder fetches it"


def _is_torchscript(file: Path) -> bool:
    if not zipfile.is_zipfile(file):
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, *MALFORMED) as problem:
        raise ValueError(broken(file, str(problem))) from problem
