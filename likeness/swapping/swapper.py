"""What every swapping network offers, whatever file it came in."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from ..face import Face
from ..identity import Identity

PICTURE = "a picture of the person"  # what some take
BATCH = 8  # crops that are worth doing at once on a GPU; on a CPU one is as fast


class Swapper(Protocol):
    """Puts the face of a person into crops (N, size, size, 3), RGB 0..1, of other faces."""

    name: str  # as a report calls it: the file
    size: int  # pixels of a crop's side
    batch: int  # crops that are worth doing at once
    space: str | None  # of the embeddings it takes; None: it takes the person's picture
    takes: str  # of a person, in words
    notes: tuple[str, ...]  # what a reader of the report should know

    def frame(self, face: Face) -> Tensor:
        """(2, 3), from the picture to the crop of this face."""
        ...

    def source(self, person: Identity) -> Tensor:
        """What goes in for a person, without the batch dimension; ValueError when it is not there.

        For a space: the latent. It may be of length 1 or not, as the network was trained.
        """
        ...

    def own(self, face: Face, crop: Tensor) -> Tensor | None:
        """The same of a target itself, cut as `crop` (size, size, 3).

        None where the network takes pictures: there is no way between two of them.
        """
        ...

    def swap(self, crops: Tensor, sources: Tensor) -> Tensor:
        """The crops (N, size, size, 3), float32, with the faces of `sources` (N, ...)."""
        ...

    def safer(self) -> Swapper | None:
        """The same in full precision on the CPU's rules; None when this is that already."""
        ...
