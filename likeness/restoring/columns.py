"""The columns of restorers side by side: which network, told what, under which name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..weights import ENDINGS
from .restorer import Restorer

COLUMNS = 16  # at most


@dataclass(frozen=True, eq=False)
class Column:
    restorer: Restorer
    fidelity: float = 0.7
    prepare: Callable[[], object] = lambda: None  # called when its turn comes, to make room for it


def labels(columns: Sequence[Column]) -> tuple[str, ...]:
    """A name for each column, no two alike: the file's, and the fidelity where it counts."""
    short = [_label(column, _bare(column.restorer.name)) for column in columns]
    long = [_label(column, column.restorer.name) for column in columns]
    made: list[str] = []
    for brief, full in zip(short, long, strict=True):
        name = brief if short.count(brief) == long.count(full) else full
        made.append(next(each for each in _numbered(name) if each not in made))
    return tuple(made)


def _label(column: Column, name: str) -> str:
    return f"{name}, fidelity {column.fidelity:g}" if column.restorer.has_fidelity else name


def _bare(file: str) -> str:
    for ending in (*ENDINGS, ".ckpt", ".onnx"):
        if file.lower().endswith(ending):
            return file[: -len(ending)]
    return file


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name} ({number})" for number in range(2, COLUMNS + 2))


def parse_fidelities(text: str) -> tuple[float, ...]:
    """The numbers 0..1 that a text such as "0.3, 0.7" holds, each once, in order."""
    found: dict[float, None] = {}
    for word in filter(None, map(str.strip, text.split(","))):
        try:
            number = float(word) + 0.0  # -0 is 0
        except ValueError:
            number = -1.0
        if not 0 <= number <= 1:
            raise ValueError(f"{_unlike(text)}: {word[:40]!r} is not a number from 0 to 1")
        found[number] = None
    if not found:
        raise ValueError(f"{_unlike(text)}: it holds no number")
    if len(found) > COLUMNS:
        raise ValueError(f"{len(found)} numbers: give {COLUMNS} at most")
    return tuple(found)


def _unlike(text: str) -> str:
    return f"{text[:80]!r} should be numbers from 0 to 1 with commas between them, as '0.3, 0.7'"
