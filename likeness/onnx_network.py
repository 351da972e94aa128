"""Networks in onnxruntime that are known by their names: opened, checked, and asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .sessions import (
    FETCH_AGAIN,
    available_providers,
    open_session,
    provider_notes,
    runtime_notes,
)

CPU = "CPUExecutionProvider"
FLOATS, DOUBLES = "tensor(float)", "tensor(double)"  # onnxruntime's names for float32 and float64
Shape = tuple[int, ...]


def open_known(
    file: Path,
    inputs: Mapping[str, Shape],
    output: Shape,
    providers: Sequence[str] | None = None,
    kinds: Mapping[str, str] | None = None,
) -> tuple[Any, tuple[str, ...]]:
    """The session of `file`, which must bear out what is known of it, and what to tell of it.

    `kinds` are the numbers of those inputs that are not float32. `providers` are names of
    onnxruntime; CUDA when it is there, else the CPU, when None.
    """
    session, notes = open_told(file, providers)
    require(file, session, inputs, output, kinds)
    return session, notes


def open_told(file: Path, providers: Sequence[str] | None = None) -> tuple[Any, tuple[str, ...]]:
    """The session of `file`, and what to tell of what it runs on; `providers` as above."""
    wanted = list(available_providers() if providers is None else providers)
    session = open_session(file, wanted)
    running = session.get_providers()
    notes = [f"{file.name} runs on {', '.join(running)}"]
    notes += provider_notes(wanted, {file.name: running})
    return session, (*notes, *runtime_notes())


def runs_on_the_cpu(session: Any) -> bool:
    return session.get_providers()[0] == CPU


def require(
    file: Path,
    session: Any,
    inputs: Mapping[str, Shape],
    output: Shape,
    kinds: Mapping[str, str] | None = None,
) -> None:
    """Refuse a network that takes or gives something else than what is told."""
    kinds = dict.fromkeys(inputs, FLOATS) | dict(kinds or {})
    found = {each.name: (tuple(each.shape), each.type) for each in session.get_inputs()}
    first = session.get_outputs()[0]
    fits = found.keys() == inputs.keys() and all(
        _fits(*found[name], shape, kinds[name]) for name, shape in inputs.items()
    )
    if fits and _fits(tuple(first.shape), first.type, output, FLOATS):
        return
    takes = ", ".join(f"{name} {shape} {kind}" for name, (shape, kind) in sorted(found.items()))
    wanted = ", ".join(f"{name} {shape} {kinds[name]}" for name, shape in sorted(inputs.items()))
    raise ValueError(
        f"{file} is not the file of that name that is known: it takes {takes} and gives "
        f"{tuple(first.shape)} {first.type}, where {wanted} and {output} {FLOATS} are expected. "
        f"{FETCH_AGAIN}"
    )


def _fits(found: tuple, kind: str, wanted: Shape, expected: str) -> bool:
    """A side that is not fixed is a name, and takes any number; a file may also tell no shape."""
    if not found:
        return kind == expected
    pairs = zip(found, wanted, strict=False)
    fixed = all(one == other for one, other in pairs if isinstance(one, int))
    return kind == expected and len(found) == len(wanted) and fixed


def picture_answer(file: Path, session: Any, feed: Mapping[str, np.ndarray], like: str) -> Tensor:
    """The first output as a picture (h, w, 3), float32: of the shape of the input `like`."""
    first, asked = session.get_outputs()[0].name, feed[like].shape
    (answer,) = session.run([first], dict(feed))  # the others would be copied for nothing
    if answer.shape != asked:
        raise ValueError(
            f"{file} answers {asked} with {answer.shape}: it is another network. {FETCH_AGAIN}"
        )
    return torch.from_numpy(answer[0].astype(np.float32, copy=False)).movedim(0, -1)


def picture_array(picture: Tensor) -> np.ndarray:
    """A picture (h, w, 3) as (1, 3, h, w)."""
    return as_array(picture.movedim(-1, 0))


def as_array(values: Tensor) -> np.ndarray:
    """With a batch dimension, as onnxruntime wants it."""
    return np.ascontiguousarray(values.detach().float().cpu().numpy()[None])
