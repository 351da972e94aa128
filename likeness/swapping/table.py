"""The swappers that run in onnxruntime, a row each: how each wants the face and the person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from ..align import Template, targets

SPACE = "w600k_r50"  # of the embeddings that all of them are made for
LENGTH = 512  # of an embedding


class Layout(Enum):
    """Where a crop wants the five points; the names are the field's own."""

    ARCFACE_128 = "arcface_128"
    ARCFACE_112_V1 = "arcface_112_v1"
    ARCFACE_112_V2 = "arcface_112_v2"
    MTCNN_512 = "mtcnn_512"
    FFHQ_512 = "ffhq_512"


# As shares of the crop.
ARCFACE_112_V1 = (
    (0.35473214, 0.45658929),
    (0.64526786, 0.45658929),
    (0.50000000, 0.61154464),
    (0.37913393, 0.77687500),
    (0.62086607, 0.77687500),
)
# The others are those that Align Faces has.
TEMPLATES = {
    Layout.ARCFACE_128: Template.ARCFACE_128,
    Layout.ARCFACE_112_V2: Template.ARCFACE_112,
    Layout.MTCNN_512: Template.MTCNN,
    Layout.FFHQ_512: Template.FFHQ,
}


@dataclass(frozen=True)
class Embedding:
    """The person is a latent (512,), made of an embedding as the recogniser gave it."""

    converter: str | None = None  # the file that carries it over to the swapper's own space
    unit: bool = True  # its length is brought to 1 in the end


@dataclass(frozen=True)
class Picture:
    """The person is a crop (size, size, 3) of their portrait, 0..1."""

    layout: Layout
    size: int


Three = tuple[float, float, float]
PLAIN: tuple[Three, Three] = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
SIGNED: tuple[Three, Three] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
IMAGENET: tuple[Three, Three] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Row:
    """A swapper: `target` (1, 3, size, size), RGB, and `source` in, the swapped target out."""

    name: str  # of the file, without its ending
    size: int
    layout: Layout
    person: Embedding | Picture
    mean: Three  # of what goes in: (rgb - mean) / deviation
    deviation: Three
    signed: bool  # what comes out is in -1..1, not 0..1

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        person = self.person
        side = person.size if isinstance(person, Picture) else 0
        return {
            "target": (1, 3, self.size, self.size),
            "source": (1, 3, side, side) if side else (1, LENGTH),
        }


def _row(
    name: str,
    size: int,
    layout: Layout,
    person: Embedding | Picture,
    going_in: tuple[Three, Three],
    signed: bool = False,
) -> Row:
    return Row(name, size, layout, person, *going_in, signed)


PURE = Embedding()
TO_GHOST = Embedding("crossface_ghost.onnx", unit=False)
TO_HIFIFACE = Embedding("crossface_hififace.onnx")
TO_SIMSWAP = Embedding("crossface_simswap.onnx")

# Facts of FaceFusion's releases 3.0.0, 3.1.0, 3.3.0 and 3.4.0; licences stand in likeness.models.
ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        *(
            _row(f"hyperswap_{which}_256", 256, Layout.ARCFACE_128, PURE, SIGNED, signed=True)
            for which in ("1a", "1b", "1c")
        ),
        *(
            _row(f"ghost_{blocks}_256", 256, Layout.ARCFACE_112_V1, TO_GHOST, SIGNED, signed=True)
            for blocks in (1, 2, 3)
        ),
        _row("hififace_unofficial_256", 256, Layout.MTCNN_512, TO_HIFIFACE, SIGNED, signed=True),
        _row("simswap_256", 256, Layout.ARCFACE_112_V1, TO_SIMSWAP, IMAGENET),
        _row("simswap_unofficial_512", 512, Layout.ARCFACE_112_V1, TO_SIMSWAP, PLAIN),
        _row("blendswap_256", 256, Layout.FFHQ_512, Picture(Layout.ARCFACE_112_V2, 112), PLAIN),
        _row(
            "uniface_256", 256, Layout.FFHQ_512, Picture(Layout.FFHQ_512, 256), SIGNED, signed=True
        ),
    )
}


def places(layout: Layout, size: int) -> Tensor:
    """Where a crop of `size` wants the five points: (5, 2), pixels."""
    if layout in TEMPLATES:
        return targets(TEMPLATES[layout], size)[0]
    return torch.tensor(ARCFACE_112_V1, dtype=torch.float64) * size
