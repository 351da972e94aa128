"""FaceChain's words for a person, by sex and age."""

from __future__ import annotations

from ..face import Sex

CHILD, MATURE = 10, 40  # years: below the one, and from the other on
WORDS = {
    Sex.MALE: ("a boy, children", "a handsome man", "a mature man"),
    Sex.FEMALE: ("a girl, children", "a beautiful woman", "a mature woman"),
}


def person_words(sex: Sex, age: float) -> str:
    """What a caption says of the person after the trigger: one answer for a whole set of photos."""
    return WORDS[sex][(age >= CHILD) + (age >= MATURE)]
