"""Tagging pictures, a few at a time, and choosing among the answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..progress import Progress, ignore
from .choices import Characters, Order, Parentheses
from .labels import Category, Labels
from .square import square
from .tagger import Refused, Tagger
from .words import escaped, excluded, patterns, spaced


@dataclass(frozen=True)
class Settings:
    general: float = 0.35  # confidence from which on a tag counts
    character: float = 0.85
    exclude: str = ""
    order: Order = Order.CONFIDENCE
    characters: Characters = Characters.TAKEN
    parentheses: Parentheses = Parentheses.ESCAPED


@dataclass(frozen=True)
class Tags:
    """Of one picture."""

    text: str
    found: tuple[tuple[str, float], ...]  # by the underscore rule, with their confidence
    excluded: int  # that would have counted
    rating: tuple[str, float] | None  # None: the list has none


@dataclass(frozen=True)
class Tagged:
    tagger: str
    pictures: tuple[Tags, ...]
    notes: tuple[str, ...]

    @property
    def texts(self) -> list[str]:
        return [each.text for each in self.pictures]


def tag_images(
    images: Tensor, tagger: Tagger, settings: Settings | None = None, progress: Progress = ignore
) -> Tagged:
    """The tags of every picture of `images` (B, H, W, 1, 3 or 4)."""
    if images.ndim != 4 or images.shape[3] not in (1, 3, 4) or 0 in images.shape:
        raise ValueError(
            f"pictures of shape {tuple(images.shape)} cannot be tagged: (number, height, width, "
            "1, 3 or 4 channels) is needed, and a pixel at least"
        )
    settings = settings or Settings()
    unwanted, notes, tags = patterns(settings.exclude), [], []
    for row in _answers(images, tagger, notes):
        tags.append(_chosen(tagger.labels, row, settings, unwanted))
        progress(len(tags), len(images))
    return Tagged(tagger.name, tuple(tags), tuple(notes))


def _answers(images: Tensor, tagger: Tagger, notes: list[str]) -> Iterator[np.ndarray]:
    """The network's answer to each picture; what had to be done for it goes into the notes."""
    done, at_once = 0, tagger.batch
    while done < len(images):
        squares = np.stack([square(each, tagger.side) for each in images[done : done + at_once]])
        try:
            rows = tagger.ask(squares)
        except Refused as problem:
            if len(squares) > 1:
                at_once = 1
                notes.append(f"one picture at a time was asked for: {problem}")
                continue
            safer = tagger.safer()
            if safer is None:
                raise
            tagger, at_once = safer, 1
            notes.append(f"done on the CPU: {problem}")
            continue
        done += len(rows)
        yield from rows


def _chosen(labels: Labels, row: np.ndarray, settings: Settings, unwanted: tuple[str, ...]) -> Tags:
    categories = np.array(labels.categories)
    counts = (categories == Category.GENERAL) & (row >= settings.general)
    if settings.characters is Characters.TAKEN:
        counts |= (categories == Category.CHARACTER) & (row >= settings.character)
    numbers = np.flatnonzero(counts)
    if settings.order is Order.CONFIDENCE:
        numbers = numbers[np.argsort(-row[numbers], kind="stable")]
    names = [spaced(labels.names[number]) for number in numbers]
    all_found = zip(names, row[numbers].tolist(), strict=True)
    found = tuple(pair for pair in all_found if not excluded(pair[0], unwanted))
    written = str if settings.parentheses is Parentheses.PLAIN else escaped
    text = ", ".join(written(name) for name, _ in found)
    return Tags(text, found, len(names) - len(found), _rating(labels, row))


def _rating(labels: Labels, row: np.ndarray) -> tuple[str, float] | None:
    ratings = [at for at, category in enumerate(labels.categories) if category == Category.RATING]
    surest = max(ratings, key=lambda at: row[at], default=None)
    return None if surest is None else (labels.names[surest], float(row[surest]))
