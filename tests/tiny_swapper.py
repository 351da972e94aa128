"""A swapper of one line, for what goes on around the networks: it answers with the negative."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pack.likeness.align import Template, face_matrix
from pack.likeness.face import Face
from pack.likeness.identity import Identity, Portrait
from torch import Tensor
from torch.nn.functional import normalize

SPACE = "w600k_r50"


class TinySwapper:
    """Keeps what it was given. `answers` makes new crops of crops and sources."""

    name, size, batch = "tiny", 32, 3
    notes = ("a network of one line",)

    def __init__(
        self,
        answers: Callable[[Tensor, Tensor], Tensor] = lambda crops, sources: 1 - crops,
        space: str | None = SPACE,
        safer: TinySwapper | None = None,
    ) -> None:
        self.answers, self.space, self._safer = answers, space, safer
        self.given: list[tuple[Tensor, Tensor]] = []

    def frame(self, face: Face) -> Tensor:
        return face_matrix(face, Template.ARCFACE_128, self.size)

    def source(self, person: Identity) -> Tensor:
        if self.space is None:
            return person.picture(self.name).image
        return person.in_space(self.space, self.name)

    def own(self, face: Face, crop: Tensor) -> Tensor | None:
        return None if self.space is None else normalize(face.embedding, dim=0)

    def swap(self, crops: Tensor, sources: Tensor) -> Tensor:
        self.given.append((crops.clone(), sources.clone()))
        return self.answers(crops, sources)

    def safer(self) -> TinySwapper | None:
        return self._safer


def person(seed: int, name: str = "", space: str = SPACE, photo: Portrait | None = None):
    return Identity(name, embedding(seed), space, portrait=photo)


def embedding(seed: int) -> Tensor:
    """(512,), of length 1."""
    random = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(512, generator=random), dim=0)
