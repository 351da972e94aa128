"""A WD14 network in onnxruntime, with the list of its tags."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..onnx_network import CPU, FLOATS, open_told, runs_on_the_cpu
from ..outline import outline
from ..sessions import FETCH_AGAIN
from .labels import Labels, labels_beside, read

BATCH = 4  # pictures at once, where the network takes more than one; a Cancel waits for them
LOOSE = 1e-3  # how far from 0..1 rounding may take a confidence
SMALLEST, LARGEST = 8, 4096  # px of a network's square


class Refused(ValueError):
    """The network did not answer; with fewer pictures, or on the CPU, it might."""


@dataclass(frozen=True, eq=False)
class Tagger:
    file: Path
    labels: Labels
    session: Any
    side: int  # px of the square that it looks at
    batch: int
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.file.name

    def ask(self, squares: np.ndarray) -> np.ndarray:
        """How sure it is (n, tags), 0..1, of each tag in each square (n, side, side, 3)."""
        rows = _run(self.file, self.session, squares)
        if rows.ndim == 2 and len(rows) == len(squares) and rows.shape[1] != len(self.labels):
            raise ValueError(_unlike(self.file, self.labels, rows.shape[1]))
        if rows.shape != (len(squares), len(self.labels)):
            raise Refused(
                f"{self.file} answers {len(squares)} squares with {rows.shape}, where "
                f"{(len(squares), len(self.labels))} is expected. {FETCH_AGAIN}"
            )
        if not np.isfinite(rows).all():
            raise Refused(
                f"{self.file} answers with values that are no numbers: the file is damaged. "
                f"{FETCH_AGAIN}"
            )
        if rows.min() < -LOOSE or rows.max() > 1 + LOOSE:
            raise ValueError(
                f"{self.file} answers with {rows.min():.3g} to {rows.max():.3g}, where a tagger "
                "says how sure it is from 0 to 1: it is another kind of network, or one that was "
                "exported without its last step, the sigmoid. Choose another file in Load Tagger."
            )
        return rows.clip(0, 1)

    def safer(self) -> Tagger | None:
        """The same on the CPU; None when this is that already."""
        return None if runs_on_the_cpu(self.session) else load(self.file, [CPU])


def load(file: Path, providers: Sequence[str] | None = None) -> Tagger:
    """The tagger in `file`, whose list of tags must lie beside it and fit.

    `providers` are names of onnxruntime; CUDA when it is there, else the CPU, when None.
    """
    outline(file)
    labels = read(labels_beside(file))
    session, notes = _opened(file, providers)
    many, side = _takes(file, session)
    answer = session.get_outputs()[0]
    if answer.type != FLOATS:
        raise ValueError(_other(file, f"it gives {answer.type}, where {FLOATS} is expected"))
    count = answer.shape[1] if len(answer.shape) == 2 else None
    if isinstance(count, int) and count != len(labels):  # a name may be any number: `ask` sees
        raise ValueError(_unlike(file, labels, count))
    return Tagger(file, labels, session, side, BATCH if many else 1, notes)


def _opened(file: Path, providers: Sequence[str] | None) -> tuple[Any, tuple[str, ...]]:
    import onnxruntime

    try:
        return open_told(file, providers)
    except ValueError as problem:
        newer = re.search(r"opset \d+ is[^.]*", str(problem), re.IGNORECASE)
        if newer is None:
            raise
        raise ValueError(
            f"{file} is too new for onnxruntime {onnxruntime.__version__} ({newer[0]}). Taggers of "
            "the third version need 1.17 at least. Update onnxruntime, with ComfyUI's Python, in "
            "the package that is installed (onnxruntime or onnxruntime-gpu)."
        ) from problem


def _takes(file: Path, session: Any) -> tuple[bool, int]:
    """Whether several pictures at once, and the side of their square."""
    inputs = session.get_inputs()
    told = ", ".join(f"{each.name} {tuple(each.shape)} {each.type}" for each in inputs)
    if len(inputs) != 1:
        raise ValueError(_other(file, f"it takes {len(inputs)} inputs ({told}), not one picture"))
    (only,) = inputs
    shape = tuple(only.shape)
    fixed = [each for each in shape[:1] if isinstance(each, int)]  # else a name: any number
    if only.type != FLOATS or len(shape) != 4 or shape[3] != 3 or fixed not in ([], [1]):
        expected = f"(1 or any number, side, side, 3) {FLOATS} is expected: colours last"
        raise ValueError(_other(file, f"it takes {told}, where {expected}"))
    height, width = shape[1:3]
    if height != width or not isinstance(height, int) or not SMALLEST <= height <= LARGEST:
        raise ValueError(_other(file, f"it takes {told}, where a square of a fixed size belongs"))
    return not fixed, height


def _run(file: Path, session: Any, squares: np.ndarray) -> np.ndarray:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    (only,), first = session.get_inputs(), session.get_outputs()[0].name
    try:
        (rows,) = session.run([first], {only.name: squares})
    except (state.Fail, state.InvalidArgument, state.RuntimeException) as problem:
        reason = str(problem).strip().splitlines()[0][:300]
        raise Refused(
            f"{file} did not take {squares.shape}: {reason} Where memory is short, close other "
            f"programs; where the file is damaged: {FETCH_AGAIN}"
        ) from problem
    return rows


def _unlike(file: Path, labels: Labels, count: int) -> str:
    row = f"{file.stem}.csv"
    return (
        f"{file} gives {count:,} numbers for a picture, and {labels.file} has {len(labels):,} "
        "tags: they are not of one tagger. Put the list that was published with the network "
        f"(selected_tags.csv) in its folder as {row}; for the taggers of our table "
        f"'python install.py models {row}' in the pack's folder fetches it."
    )


def _other(file: Path, reason: str) -> str:
    return f"{file} is not a WD14 tagger: {reason}. Choose another file in Load Tagger."
