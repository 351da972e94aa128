"""How alike faces and people are, by their embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .face import Face, Faces
from .identity import Identity, People
from .recognise import normalised
from .report import counted, shortened


def cosine(one: Tensor, other: Tensor) -> float:
    """-1..1, of two embeddings of any length by the same network."""
    return float(normalised(one) @ normalised(other))


@dataclass(frozen=True, eq=False)
class Compared:
    """Every face held against every person."""

    faces: Faces
    people: People
    similarities: Tensor  # (faces, people), -1..1

    @property
    def similarity(self) -> float:
        """Of the face that is most alike, to whomever; 0 without a face."""
        return float(self.similarities.max()) if self.similarities.numel() else 0.0

    def likest(self, number: int) -> tuple[Identity, float]:
        """The person that this face is most like, and how much."""
        value, person = self.similarities[number].max(dim=0)
        return self.people.known[int(person)], float(value)

    def matching(self, threshold: float) -> Faces:
        """The faces that are as much like somebody as that, or more."""
        reached = [
            face for number, face in enumerate(self.faces) if self.likest(number)[1] >= threshold
        ]
        share = f"{len(reached)} of {counted(len(self.faces), 'face')}"
        return self.faces.keep(reached, f"{share} at {threshold:g} or more")

    def best(self) -> Faces:
        """Of every frame the face that is most like anybody."""
        chosen: dict[int, tuple[float, Face]] = {}
        for number, face in enumerate(self.faces):
            alike = self.likest(number)[1]
            if face.frame not in chosen or alike > chosen[face.frame][0]:
                chosen[face.frame] = alike, face
        kept = [chosen[frame][1] for frame in sorted(chosen)]
        return self.faces.keep(kept, "the most similar face of each picture")


def compare(faces: Faces, people: People) -> Compared:
    """Faces that were found by an analyzer with identity, and people of the same network."""
    if not len(people):
        raise ValueError("there is nobody to compare with: the identity holds no person")
    require_embeddings(faces)
    if not len(faces):
        return Compared(faces, people, torch.zeros(0, len(people)))
    for space in {face.space for face in faces}:
        rows = [person.in_space(space, "the comparison with the faces") for person in people]
    ours = normalised(torch.stack([face.embedding.cpu() for face in faces]))
    theirs = normalised(torch.stack([row.cpu() for row in rows]))
    return Compared(faces, people, (ours @ theirs.T).float())


def require_embeddings(faces: Faces) -> None:
    bare = sum(face.embedding is None for face in faces)
    if bare:
        raise ValueError(
            f"{bare} of {counted(len(faces), 'face')} have no embedding: find them with Detect "
            "Faces and an insightface pack that has identity, such as buffalo_l, in Load Face "
            "Analyzer"
        )


def describe_compared(compared: Compared, threshold: float) -> str:
    """The best value, then a line for every face: how alike, and whom."""
    faces = compared.faces
    lines = [f"similarity {compared.similarity:.3f}, of {counted(len(faces), 'face')}"]
    if not len(faces):
        lines = ["no face: similarity 0"]
    seen = dict.fromkeys(range(faces.frames), 0)
    for number, face in enumerate(faces):
        person, alike = compared.likest(number)
        where = f"frame {face.frame}, " if faces.frames > 1 else ""
        claim = f"{person}" if alike >= threshold else f"not {person}"
        if alike < threshold and len(compared.people) > 1:
            claim = f"nobody, most like {person}"
        lines.append(f"{where}{seen[face.frame]}: {alike:.3f}, {claim}")
        seen[face.frame] += 1
    return shortened(lines)
