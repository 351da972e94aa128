"""What every restoring network offers, whatever file it came in."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from ..align import Template

BATCH = 4  # crops that are worth doing at once on a GPU; on a CPU one is as fast


class Restorer(Protocol):
    """Makes crops (N, size, size, 3), RGB 0..1, of faces as sharp as it has learned them."""

    name: str  # as a report calls it: the file
    like: str  # the file in likeness.models that holds this network, or another of its kind
    size: int  # pixels of a crop's side
    template: Template  # how it wants a face framed
    batch: int  # crops that are worth doing at once
    has_fidelity: bool  # whether it can be told how faithful to be
    notes: tuple[str, ...]  # what a reader of the report should know

    def restore(self, crops: Tensor, fidelity: float) -> Tensor:
        """The crops (N, size, size, 3), float32, restored; `fidelity` 0..1, 1 is most faithful."""
        ...

    def safer(self) -> Restorer | None:
        """The same by the CPU's rules; None when this is that already."""
        ...
