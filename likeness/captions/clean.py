"""Cleaning captions: the trigger first, the person's own features gone, nothing said twice."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..report import shortened
from .parts import Group, Part, is_closed, join, key, leaves, split
from .rules import DEFAULT, Rules

SHOWN = 1000  # characters of a line that a report shows


@dataclass(frozen=True)
class Cleaned:
    """A caption as it should be, and what became of each part of the one that it was."""

    text: str
    added: tuple[str, ...]  # was not there
    removed: tuple[str, ...]  # by the rules
    repeated: tuple[str, ...]  # was there twice
    kept: tuple[str, ...]  # in the order that it came in

    def __str__(self) -> str:
        return self.text


def clean(caption: str, rules: Rules = DEFAULT, trigger: str = "", added: str = "") -> Cleaned:
    """The caption as trigger, `added`, then what the rules leave of it, each part once.

    Trigger and `added` may have several parts, and are safe from the rules. What is clean stays as
    it is.
    """
    front = _front(trigger, added)
    done = _pass(caption, rules, front)
    removed, repeated = list(done.removed), list(done.repeated)
    # A bracket can find another half once what stood between them is gone: seldom, and soon over.
    while (again := _pass(done.text, rules, front)).text != done.text:
        removed += again.removed
        repeated += again.repeated
        done = again
    there = {key(leaf) for leaf in leaves(split(caption))}
    new = [str(part) for part in front if not all(key(leaf) in there for leaf in leaves([part]))]
    return Cleaned(done.text, tuple(new), tuple(removed), tuple(repeated), again.kept)


def describe(cleaned: Cleaned) -> str:
    """What changed: "+" came, "-" went, "=" stayed."""
    lines = [
        ("+", cleaned.added, ""),
        ("-", cleaned.removed, ""),
        ("-", cleaned.repeated, " (there already)"),
        ("=", cleaned.kept, ""),
    ]
    shown = [f"{sign} {_clipped(join(parts))}{note}" for sign, parts, note in lines if parts]
    if not any((cleaned.added, cleaned.removed, cleaned.repeated)):
        shown.insert(0, "nothing to change")
    return shortened(shown)


@dataclass
class _Sorting:
    """Where the parts of a caption go, while they are looked at one by one."""

    rules: Rules
    seen: set[str]  # keys
    front: frozenset[str]  # keys
    removed: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)

    def left(self, parts: tuple[Part, ...]) -> list[Part]:
        return [left for part in parts if (left := self._left(part))]

    def _left(self, part: Part) -> Part | None:
        if isinstance(part, Group):
            inner = tuple(self.left(part.inner))
            return Group(part.opening, inner, part.closing) if inner else None
        words = key(part)
        if words in self.front:
            return None
        if self.rules.remove(part):
            self.removed.append(part)
            return None
        if words in self.seen:
            self.repeated.append(part)
            return None
        self.seen.add(words)
        return part


def _pass(caption: str, rules: Rules, front: list[Part]) -> Cleaned:
    first = frozenset(key(leaf) for leaf in leaves(front))
    sorting = _Sorting(rules, set(), first)
    kept = sorting.left(split(caption))
    text = join([*front, *kept])
    shown = tuple(map(str, kept))
    return Cleaned(text, (), tuple(sorting.removed), tuple(sorting.repeated), shown)


def _front(trigger: str, added: str) -> list[Part]:
    """What the caption begins with, each part once."""
    front: list[Part] = []
    seen: set[str] = set()
    for name, text in (("trigger", trigger), ("add", added)):
        if not is_closed(text):
            raise ValueError(
                f"{name}: in {text[:80]!r} a bracket has no other half: write it, or put a "
                "backslash before the one that is there"
            )
        for part in split(text):
            words = {key(leaf) for leaf in leaves([part])}
            if not words <= seen:
                front.append(part)
                seen |= words
    return front


def _clipped(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} ..."
