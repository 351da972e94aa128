"""Who goes onto which face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ..compare import cosine
from ..face import Face, Faces
from ..identity import Identity, People
from ..report import counted


class Pairing(str, Enum):
    """The values are what a user reads."""

    ORDER = "in order"  # the first person onto the first face, and so on; one person onto all
    SIMILAR = "by similarity"  # so that the likenesses add up to the most


@dataclass(frozen=True, eq=False)
class Pair:
    face: Face
    person: Identity


def paired(faces: Faces, people: People, pairing: Pairing) -> tuple[list[Pair], list[str]]:
    """The pairs of every frame, each person on one face of it at most; and notes.

    A single person goes onto every face "in order", and onto the most similar one of each frame
    "by similarity".
    """
    if not len(people):
        raise ValueError("there is no person: connect Make Identity or Load Identity")
    pairs: list[Pair] = []
    notes: list[str] = []
    for frame in range(faces.frames):
        here = faces.of(frame)
        made = PAIRINGS[pairing](here, people)
        if left := len(here) - len(made):
            notes.append(f"frame {frame}: nobody is left for {counted(left, 'face')}")
        pairs += made
    return pairs, notes


def _in_order(faces: Sequence[Face], people: People) -> list[Pair]:
    known = [people.known[0]] * len(faces) if len(people) == 1 else people
    return [Pair(face, person) for face, person in zip(faces, known, strict=False)]


def _by_similarity(faces: Sequence[Face], people: People) -> list[Pair]:
    from scipy.optimize import linear_sum_assignment

    if not faces:
        return []
    table = [[_likeness(face, person) for person in people] for face in faces]
    rows, columns = linear_sum_assignment(table, maximize=True)
    chosen = zip(rows.tolist(), columns.tolist(), strict=True)
    return [Pair(faces[row], people.known[column]) for row, column in chosen]


def _likeness(face: Face, person: Identity) -> float:
    if face.embedding is None:
        raise ValueError(
            "the faces have no identity to be compared by: find them with an insightface pack in "
            "Load Face Analyzer, or pair them 'in order'"
        )
    return cosine(face.embedding, person.in_space(face.space, "the comparison with the faces"))


PAIRINGS = {Pairing.ORDER: _in_order, Pairing.SIMILAR: _by_similarity}
