"""Rules that say which words go from a caption, as a person writes them.

    1girl, 1boy          these words alone
    * woman              what ends so
    *eye* !*eyewear*     what holds it anywhere, but not what comes after the sign "!"
    !long *              what stays whatever the other rules say

Rules stand on lines or with commas between them. Case does not count, and "_" is a blank.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .parts import COMMAS, is_own, is_prose, key

# FaceChain's: what makes the person, so that a LoRA learns it by the trigger word and by no other.
# Hair and the expression of the mouth are not among them: a prompt can still change them.
FACECHAIN = """\
1girl, 1boy, ears, head, face, lips, mouth, 3d, asian, teeth
* man, * woman, * male, * female, * lips
*eye* !*eyewear*, *nose*, *body*"""


REGULAR = re.compile(r"\.\*|^\^\w|\w\$$")  # how expressions look that other programs take


class BadRule(ValueError):
    """A rule that cannot be read; the words say which, and in what line."""


@dataclass(frozen=True)
class Pattern:
    """Words, with "*" for any others."""

    text: str

    @property
    def is_open(self) -> bool:
        return "*" in self.text

    def fits(self, words: str) -> bool:
        """Whether `words`, a key of `parts.key`, are so."""
        first, *middle = self.text.split("*")
        if not middle:
            return words == first
        last = middle.pop()
        if not words.startswith(first):
            return False
        at, end = len(first), len(words) - len(last)
        for piece in middle:
            found = words.find(piece, at)
            if found < 0:
                return False
            at = found + len(piece)
        return at <= end and words.endswith(last)


@dataclass(frozen=True)
class Rule:
    pattern: Pattern
    exceptions: tuple[Pattern, ...] = ()

    def removes(self, words: str) -> bool:
        if not self.pattern.fits(words) or any(one.fits(words) for one in self.exceptions):
            return False
        return not (self.pattern.is_open and is_prose(words))  # an eye is no reason to drop prose


@dataclass(frozen=True)
class Rules:
    removing: tuple[Rule, ...] = ()
    staying: tuple[Pattern, ...] = ()

    def remove(self, part: str) -> bool:
        """Whether this part of a caption, in any spelling, has to go."""
        if is_own(part):
            return False
        words = key(part)
        if any(pattern.fits(words) for pattern in self.staying):
            return False
        return any(rule.removes(words) for rule in self.removing)


def read(text: str) -> Rules:
    """The rules in `text`; empty text has none."""
    removing, staying = [], []
    for number, line in enumerate(text.splitlines(), 1):
        for written in filter(str.strip, re.split(f"[{COMMAS}]", line)):
            first, *others = re.split(r"(?:^|(?<=\s))!", written.strip())
            where = f"{written.strip()[:80]!r} in line {number}"
            exceptions = tuple(_pattern(other, where) for other in others)
            if first.strip():
                removing.append(Rule(_pattern(first, where), exceptions))
            else:
                staying += exceptions
    return Rules(tuple(removing), tuple(staying))


def _pattern(written: str, where: str) -> Pattern:
    words = key(written)
    if not words.strip():
        raise BadRule(f"{where} has nothing after '!': write what stays, such as '!*eyewear*'")
    if not words.strip("* "):
        raise BadRule(
            f"{where} would match every word: write some letters beside '*', such as '*eye*'"
        )
    if REGULAR.search(words):
        raise BadRule(
            f"{where} looks like a regular expression: write '*' alone for any letters, as in "
            "'*eye*'"
        )
    return Pattern(words)


DEFAULT = read(FACECHAIN)
