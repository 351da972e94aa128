"""A person: what a network made of their photos, and the one picture that stands for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from .face import Face


@dataclass(frozen=True, eq=False)
class Portrait:
    """The best photo of a person, cut out upright with room around the face."""

    image: Tensor  # (S, S, 3), 0..1
    face: Face  # in its pixels, as frame 0


@dataclass(frozen=True, eq=False)
class Identity:
    """One person. Without an embedding only the portrait is known, and the other way round."""

    name: str = ""
    embedding: Tensor | None = None  # (512,), the mean of the photos, of length 1
    space: str | None = None  # name of the network that made it
    length: float = 1.0  # of the photos' embeddings as the network gave them, their mean
    photos: int = 1  # that went into it
    agreement: float | None = None  # mean cosine of the photos with the mean; None for one photo
    portrait: Portrait | None = None
    notes: tuple[str, ...] = ()  # what a reader of the report should know

    def __str__(self) -> str:
        return self.name or "the person"

    def in_space(self, space: str, taker: str) -> Tensor:
        """The embedding (512,), of length 1, for what takes those of `space`."""
        if self.embedding is None:
            raise ValueError(
                f"{self} has no embedding, and {taker} needs one by {space}: load an insightface "
                "pack that has it (buffalo_l has w600k_r50) in Load Face Analyzer, and make the "
                "identity with that"
            )
        require_space(self.space, space, str(self), taker)
        return self.embedding

    def picture(self, taker: str) -> Portrait:
        """The portrait, for what swaps by it."""
        if self.portrait is None:
            raise ValueError(
                f"{self} has no picture, and {taker} swaps by one: make the identity from photos "
                "with Make Identity"
            )
        return self.portrait


@dataclass(frozen=True, eq=False)
class People:
    """One person or several, in order: what the identity socket carries."""

    known: tuple[Identity, ...]

    def __iter__(self) -> Iterator[Identity]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)


def require_space(found: str | None, wanted: str | None, owner: str, taker: str) -> None:
    """Embeddings of two networks say nothing about each other; refuse to mix them."""
    if found != wanted:
        raise ValueError(
            f"the embedding of {owner} is by {found}, and {taker} needs one by {wanted}: they do "
            "not fit together. Use the same insightface pack for both, in Load Face Analyzer"
        )
