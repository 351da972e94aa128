"""A restorer's file as safetensors: the network alone, which opens at once and runs nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from ..report import counted
from ..weights import CHECKPOINT, ENDINGS, SAFETENSORS
from .load import from_tensors, tensors_in


@dataclass(frozen=True)
class Converted:
    """What was written, and what it was made of; sizes in bytes."""

    file: Path
    notes: tuple[str, ...]  # what the network is
    tensors: int
    before: int
    after: int

    def __str__(self) -> str:
        told = [*self.notes, f"{counted(self.tensors, 'tensor')}, {self.after:,} bytes"]
        return f"{self.file}: {'; '.join(told)} of {self.before:,}"


def convert(file: Path, target: Path) -> Converted:
    """Write the network of `file`, whole or not at all; what is there is not written over."""
    from safetensors.torch import save_file

    if target.suffix.lower() != SAFETENSORS:
        raise ValueError(f"{target} does not end in {SAFETENSORS}: give the new file that ending")
    if file.is_dir():
        raise ValueError(f"{file.absolute()} is a folder: name the file in it")
    if not file.is_file():
        raise FileNotFoundError(f"{file.absolute()} is not there: give the whole path of the file")
    if not file.name.lower().endswith((*ENDINGS, CHECKPOINT)):
        raise ValueError(
            f"{file} stays as it is: what is converted ends in {', '.join((*ENDINGS, CHECKPOINT))}"
        )
    if target.exists():
        raise FileExistsError(f"{target} is there already: delete it first, or name another file")
    tensors = tensors_in(file)
    notes = from_tensors(tensors, file).notes  # refuses what is no restorer, or not a whole one
    # Each on its own: safetensors takes none that share their memory.
    alone = {
        name: tensor.clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")  # of this run alone
    try:
        save_file(alone, part)
        shutil.copymode(file, part)  # else it is its maker's alone to read
        os.replace(part, target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    return Converted(target, notes, len(alone), file.stat().st_size, target.stat().st_size)
