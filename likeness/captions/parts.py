"""A caption as parts with commas between them, the way prompts are written.

A part is a tag ("long hair"), prose ("a photo of a woman in a garden"), or a group in brackets that
has parts of its own and perhaps a weight: "(smile, freckles:1.2)".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

PAIRS = {"(": ")", "[": "]"}
COMMAS = ",，、\n\r"
DEEPEST = 20  # groups in groups; what is deeper is taken as it stands
PROSE = 5  # words that make a part prose; tags have fewer
WEIGHT = re.compile(r"\s*[+-]?[\d.]+\s*")
AFTER = re.compile(rf"[^\S{COMMAS}]*(?:[{COMMAS}]|$)")  # a piece ends here
OWN = ("embedding:", "<")  # begins a file's name, which is no word


@dataclass(frozen=True)
class Group:
    """Parts in brackets; the weight stands in `closing`."""

    opening: str
    inner: tuple[Part, ...]
    closing: str

    def __str__(self) -> str:
        return f"{self.opening}{join(self.inner)}{self.closing}"


Part = str | Group


def split(caption: str, depth: int = 0) -> tuple[Part, ...]:
    """The parts in their order, blank ones left out."""
    return tuple(_part(text, depth) for text in _pieces(caption))


def join(parts: Iterable[Part]) -> str:
    return ", ".join(map(str, parts))


def leaves(parts: Iterable[Part]) -> Iterator[str]:
    """The parts without the groups that they are in."""
    for part in parts:
        if isinstance(part, Group):
            yield from leaves(part.inner)
        else:
            yield part


def key(words: str) -> str:
    """What is equal for words that mean the same: brown_eyes, Brown  Eyes and "brown eyes"."""
    plain = re.sub(r"\\(.)", r"\1", unicodedata.normalize("NFC", words)).replace("_", " ")
    return " ".join(plain.casefold().split()) or words


def is_prose(words: str) -> bool:
    """Whether it is a piece of a sentence, and no tag."""
    return len(key(words).split()) >= PROSE


def is_own(words: str) -> bool:
    """Whether it names an embedding or a LoRA."""
    return words.casefold().startswith(OWN)


def is_closed(text: str) -> bool:
    """Whether every bracket has its other half."""
    signs = sum(1 for _, sign in _signs(text) if sign in "()[]")
    return signs == 2 * len(_closings(text))


def _part(text: str, depth: int) -> Part:
    if depth == DEEPEST or text[0] not in PAIRS or _closings(text).get(0) != len(text) - 1:
        return text
    words, colon, weight = text[1:-1].rpartition(":")
    if text[0] != "(" or not colon or not WEIGHT.fullmatch(weight):
        words, colon, weight = text[1:-1], "", ""
    parts = split(words, depth + 1)
    return Group(text[0], parts, f"{colon}{weight}{text[-1]}") if parts else text


def _pieces(caption: str) -> Iterator[str]:
    """What stands between commas; commas in a group that is a piece of its own do not count."""
    closings = _closings(caption)
    start = at = 0
    begun = False
    while at <= len(caption):
        if at == len(caption) or caption[at] in COMMAS:
            if piece := caption[start:at].strip():
                yield piece
            start, begun = at + 1, False
        elif not begun and not caption[at].isspace():
            begun = True
            if at in closings and AFTER.match(caption, closings[at] + 1):
                at = closings[at]
        at += 1


def _closings(text: str) -> dict[int, int]:
    """Where each bracket that has another half is closed."""
    opened: list[tuple[int, str]] = []
    found: dict[int, int] = {}
    for at, sign in _signs(text):
        if sign in PAIRS:
            opened.append((at, PAIRS[sign]))
        elif opened and opened[-1][1] == sign:
            found[opened.pop()[0]] = at
    return found


def _signs(text: str) -> Iterator[tuple[int, str]]:
    """Brackets and other signs by place, but what a backslash escapes."""
    escaped = False
    for at, sign in enumerate(text):
        if not escaped and sign in "()[]":
            yield at, sign
        escaped = sign == "\\" and not escaped
