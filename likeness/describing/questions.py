"""Questions about a picture, and the sentence that their answers become.

Questions stand one on a line, with a name before a colon where the sentence uses it:

    light: What is the light like?

The sentence has a slot for each answer, by its name or its number: "in {light} light", "{2}".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

QUESTIONS = """\
doing: What is the person doing?
expression: What is the expression on the face?
hair: What does the hair look like?
clothes: What is the person wearing?
colour: What colour is the light?
light: Is the light soft or hard?
background: What is in the background?"""
SENTENCE = (
    "a photo of a person {doing}, {expression} expression, {hair} hair, wearing {clothes}, "
    "{colour} {light} light, {background} in the background"
)
# Answers that say nothing; "no" is one for questions such as "Does the person wear a hat?"
BLANK = {
    "", "no", "none", "nothing", "nowhere", "no one", "unknown", "unclear", "not sure", "n/a",
    "can't tell", "can ' t tell", "not possible",
}  # fmt: skip
NAMED = re.compile(r"\s*([\w-]+)\s*:\s*(.*)")
SLOT = re.compile(r"\{([^{}]*)\}")
TWICE = re.compile(r"\b([\w'-]+)(?:\s+\1\b)+", re.IGNORECASE)
LONGEST = 400  # characters of a question


@dataclass(frozen=True)
class Question:
    number: int  # from 1
    text: str
    name: str = ""  # in lower case


def read(text: str) -> tuple[Question, ...]:
    """The questions in `text`, one on a line; a line that cannot be asked is named."""
    found: list[Question] = []
    for line, written in enumerate(text.splitlines(), 1):
        if not written.strip():
            continue
        named = NAMED.fullmatch(written)
        name, question = named.groups() if named else ("", written)
        where = f"line {line} is {written.strip()[:80]!r}"
        if not question.strip():
            raise ValueError(f"{where}: write a question after the colon")
        if len(question) > LONGEST:
            raise ValueError(f"{where} ..., of {len(question)} characters: {LONGEST} at most")
        if name.isdecimal():
            raise ValueError(f"{where}: a number is no name, since every question has one already")
        if name and name.casefold() in [other.name for other in found]:
            raise ValueError(f"{where}: another line has the name {name!r} already")
        found.append(Question(len(found) + 1, question.strip(), name.casefold()))
    if not found:
        raise ValueError("there is none: write one on each line, such as 'hair: What hair is it?'")
    return tuple(found)


def check(sentence: str, questions: Sequence[Question]) -> None:
    """Refuse slots that no question fills."""
    known = _slots(questions)
    for slot in SLOT.findall(sentence):
        if slot.strip().casefold() not in known:
            names = [each.name or str(each.number) for each in questions]
            raise ValueError(
                f"no question has the name {slot.strip()!r}: use "
                f"{', '.join(f'{{{name}}}' for name in names)}, or name a question so"
            )
    if stray := re.search(r"[{}]", SLOT.sub("", sentence)):
        raise ValueError(
            f"a {stray[0]!r} has no other half: a slot is written as {{name}}, with both"
        )


def fill(sentence: str, questions: Sequence[Question], answers: Sequence[str]) -> str:
    """The sentence with the answers in its slots; an empty one has them with commas.

    A part between commas goes where all of its answers say nothing; the first part stays, without
    them. A word that an answer repeats beside its slot stands there once.
    """
    told = dict(zip((each.number for each in questions), answers, strict=True))
    if not sentence.strip():
        return ", ".join(answer for answer in told.values() if not is_blank(answer))
    values = {slot: told[number] for slot, number in _slots(questions).items()}
    parts = []
    for number, part in enumerate(sentence.split(",")):
        here = [values[slot.strip().casefold()] for slot in SLOT.findall(part)]
        if number and here and all(map(is_blank, here)):
            continue
        shown = iter("" if is_blank(answer) else answer for answer in here)
        parts.append(_tidied(SLOT.sub(lambda _, rest=shown: next(rest), part)))
    return ", ".join(filter(None, parts))


def is_blank(answer: str) -> bool:
    return answer.strip(" .").casefold() in BLANK


def _tidied(part: str) -> str:
    return TWICE.sub(r"\1", " ".join(part.split()))


def _slots(questions: Sequence[Question]) -> dict[str, int]:
    """The number of the question that a slot is for, by what may stand in it."""
    numbers = {str(each.number): each.number for each in questions}
    return numbers | {each.name: each.number for each in questions if each.name}
