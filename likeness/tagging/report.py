"""What the nodes say about taggers and tags."""

from __future__ import annotations

from ..models import MODELS, terms
from ..report import counted, shortened
from .tag import Tagged, Tags
from .tagger import Tagger

SHOWN = 12  # tags of a picture, the surest


def describe_tagger(tagger: Tagger) -> str:
    """What it is, its list, its licence, what it runs on."""
    rows = [model for model in MODELS if model.file == tagger.name]
    lines = [f"{tagger.name}: {tagger.side} px, {tagger.labels} in {tagger.labels.file.name}"]
    return "\n".join([*lines, *map(terms, rows), *tagger.notes])


def describe_tagged(tagged: Tagged) -> str:
    """A line of totals, the notes, then the surest tags of every picture."""
    count = len(tagged.pictures)
    lines = [f"{counted(count, 'picture')} tagged by {tagged.tagger}", *tagged.notes]
    lines += [f"{number}: {_line(tags)}" for number, tags in enumerate(tagged.pictures)]
    return shortened(lines)


def _line(tags: Tags) -> str:
    parts = [counted(len(tags.found), "tag")]
    if tags.excluded:
        parts.append(f"{tags.excluded} left out")
    if tags.rating is not None:
        parts.append("rating {} {:.2f}".format(*tags.rating))
    surest = sorted(tags.found, key=lambda pair: -pair[1])
    shown = [f"{name} {confidence:.2f}" for name, confidence in surest[:SHOWN]]
    more = [f"and {len(surest) - SHOWN} more"] if len(surest) > SHOWN else []
    line = ", ".join(parts)
    return f"{line}: {', '.join([*shown, *more])}" if shown else line
