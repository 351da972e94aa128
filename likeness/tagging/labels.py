"""The list of tags that belongs to a WD14 network: a .csv, a row for each number of its answer."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from .. import models
from ..report import counted
from ..sessions import FETCH_AGAIN

PUBLISHED = "selected_tags.csv"  # as all of them are called where they come from
COLUMNS = ("name", "category")
LARGEST = 50_000_000  # bytes; real lists have 0.3 million


class Category(IntEnum):
    """As the column has them; tags of any other one are never given."""

    GENERAL = 0
    CHARACTER = 4
    RATING = 9


@dataclass(frozen=True, eq=False)
class Labels:
    file: Path
    names: tuple[str, ...]  # as in the file, in the order of the network's answer
    categories: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        """Such as "10,861 tags (8,106 general, 2,751 of characters, 4 ratings)"."""
        found = [self.categories.count(category) for category in Category]
        words = ("general", "of characters", "ratings")
        parts = [f"{count:,} {word}" for count, word in zip(found, words, strict=True) if count]
        if others := len(self) - sum(found):
            parts.append(f"{others:,} of other kinds, which are left out")
        return f"{len(self):,} tags ({', '.join(parts)})"


def labels_beside(network: Path) -> Path:
    """The list of the network: of its name, or as published where the folder is the network's."""
    own, published = network.with_suffix(".csv"), network.with_name(PUBLISHED)
    if own.is_file():
        return own
    networks = [path for path in network.parent.iterdir() if path.suffix.lower() == ".onnx"]
    if published.is_file() and len(networks) == 1:
        return published
    for model in models.MODELS:
        if model.file == own.name:
            raise FileNotFoundError(models.missing(model, own.parent))
    shared = ""
    if published.is_file():
        count = counted(len(networks), "network")
        shared = f" {PUBLISHED} is there, but with {count} beside it nobody knows whose it is."
    raise FileNotFoundError(
        f"{own.name} is not in {own.parent}: a tagger needs the list of its tags.{shared} Take "
        f"{PUBLISHED} from where {network.name} comes from, and save it there as {own.name}."
    )


def read(file: Path) -> Labels:
    """The list in `file`, known by the names of its columns, wherever they stand."""
    rows = _rows(file)
    header = [name.strip().lower() for name in rows[0]] if rows else []
    if lacking := [name for name in COLUMNS if name not in header]:
        found = ", ".join(header)[:80] if any(header) else "nothing"
        raise ValueError(
            _broken(file, f"it has no column {' and no column '.join(lacking)}, but {found}")
        )
    if len(rows) == 1:
        raise ValueError(_broken(file, "it has a header and no tag"))
    name_at, category_at = (header.index(name) for name in COLUMNS)
    names, categories = [], []
    for number, row in enumerate(rows[1:], start=1):
        if len(row) <= max(name_at, category_at) or not row[name_at].strip():
            raise ValueError(_broken(file, f"its tag number {number} has no name or no category"))
        try:
            categories.append(int(row[category_at]))
        except ValueError as problem:
            told = f"the category of its tag number {number} is {row[category_at][:40]!r}"
            raise ValueError(_broken(file, f"{told}, where a whole number belongs")) from problem
        names.append(row[name_at].strip())
    return Labels(file, tuple(names), tuple(categories))


def _rows(file: Path) -> list[list[str]]:
    """All rows that are not blank."""
    if not file.is_file():
        raise FileNotFoundError(f"{file} is not there. Press R in ComfyUI to see what is.")
    if not file.stat().st_size:
        raise ValueError(_broken(file, "it is empty"))
    if file.stat().st_size > LARGEST:
        raise ValueError(_broken(file, "it is too large for one"))
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            return [row for row in csv.reader(opened) if any(cell.strip() for cell in row)]
    except UnicodeDecodeError as problem:
        raise ValueError(
            _broken(file, "it is not written in UTF-8: some program saved it in another encoding")
        ) from problem
    except csv.Error as problem:
        raise ValueError(_broken(file, str(problem))) from problem


def _broken(file: Path, reason: str) -> str:
    size = f"{file.stat().st_size:,} bytes"
    return f"{file} ({size}) is not the list of a tagger's tags: {reason}. {FETCH_AGAIN}"
