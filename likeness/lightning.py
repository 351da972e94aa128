"""What Lightning leaves in its checkpoints beside the weights, and how to read past it."""

from __future__ import annotations

import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO

import torch

MODULES = ("pytorch_lightning.", "lightning.")
# Before torch 1.6 files were pickles one after the other: three of the format, that of what was
# saved, and the names of the numbers, which come after them.
PICKLES = 5
WEIGHTS = ("torch.", "collections.", "_codecs.")  # where tensors by name come from


class Inert:
    """Takes the place of Lightning's classes: nothing of theirs is imported, nothing is called."""

    def __new__(cls, *_: object, **__: object) -> OrderedDict:
        return OrderedDict()


def passed_over(names: Sequence[str]) -> AbstractContextManager:
    """While it holds, torch opens files with these names in them, which must be Lightning's."""
    return torch.serialization.safe_globals([(Inert, name) for name in names])


def unsafe(opened: BinaryIO) -> list[str]:
    """The names of what torch would not make of the file; found without making anything."""
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(opened))
    except AttributeError:
        return []  # this torch is of before 2.6
    except (pickle.UnpicklingError, EOFError, OSError, RuntimeError, ValueError):
        opened.seek(0)
        return _unsafe_of_old(opened)


def _unsafe_of_old(opened: BinaryIO) -> list[str]:
    named: set[str] = set()
    try:
        for _ in range(PICKLES):
            for code, value, _ in pickletools.genops(opened):
                if code.name == "GLOBAL":
                    named.add(value.replace(" ", "."))
    except (ValueError, LookupError, MemoryError, OverflowError):
        pass  # it ends earlier, or is none
    return sorted(name for name in named if not name.startswith(WEIGHTS))
