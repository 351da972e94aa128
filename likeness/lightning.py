"""Opening files of weights, and reading past what Lightning leaves in its checkpoints."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from typing import BinaryIO

import torch

MODULES = ("pytorch_lightning.", "lightning.")


class Unsafe(pickle.UnpicklingError):
    """The file would have things run that are no weights; the words are their names."""


class Inert:
    """Takes the place of Lightning's classes: nothing of theirs is imported, nothing is called."""

    def __new__(cls, *_: object, **__: object) -> OrderedDict:
        return OrderedDict()


def load(opened: BinaryIO) -> object:
    """What torch has saved in the file, as far as it is weights and plain values."""
    try:
        return torch.load(opened, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as problem:
        opened.seek(0)
        named = _unsafe(opened)
        others = [name for name in named if not name.startswith(MODULES)]
        if others:
            raise Unsafe(", ".join(others)) from problem
        if not named:
            raise
    opened.seek(0)
    with torch.serialization.safe_globals([(Inert, name) for name in named]):
        return torch.load(opened, map_location="cpu", weights_only=True)


def _unsafe(opened: BinaryIO) -> list[str]:
    """The names of what torch would not make of the file; found without making anything."""
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(opened))
    except (pickle.UnpicklingError, EOFError, OSError, RuntimeError, ValueError, AttributeError):
        return []  # of before torch 1.6, or broken; or this torch is of before 2.6
