"""The demo portraits on each other by the built-in swap, with the points marked by hand.

demo_faces.json: points marked by eye, about 1.5 px accurate.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from pack.likeness import demo
from pack.likeness.align import Template, face_matrix
from pack.likeness.detect import back, detect
from pack.likeness.face import Face
from pack.likeness.frontal import cascade
from pack.likeness.geometry import invert, transform
from pack.likeness.identity import Portrait
from pack.likeness.montage import contour, mesh
from pack.likeness.montage.montage import ROOM, Mounted, frame, montage
from pack.likeness.pixels.raster import Border, warp
from torch import Tensor

MARKED = json.loads((Path(__file__).parent / "demo_faces.json").read_text())["faces"]
SIZE, PORTRAIT = 384, 448
PAIRS = [(target, source) for target in demo.PORTRAITS for source in demo.PORTRAITS]
PAIRS = [pair for pair in PAIRS if pair[0] != pair[1]]
QUICK = [("cafe", "garden"), ("harbour", "snow"), ("studio", "harbour")]
EYE_DISTANCE = SIZE / ROOM


@cache
def found(name: str) -> tuple[Tensor, Face]:
    if name == "astronaut":
        from skimage import data

        picture = torch.from_numpy(data.astronaut()).float().div(255)[None]
    else:
        picture = demo.read(name)
    return picture[0], detect(picture, cascade.load()).found[0]


def marks(name: str, matrix: Tensor) -> dict[str, Tensor]:
    """Of a face, in the pixels to which the matrix leads from its picture."""
    marked = MARKED[demo.PORTRAITS.get(name, name)]
    keys = ("points", "chin", "edges", "hairline")
    return {key: transform(torch.tensor(marked[key]).double(), matrix) for key in keys}


def cut(name: str, matrix: Tensor, size: int) -> tuple[Tensor, Face]:
    picture, face = found(name)
    crop = warp(picture, matrix, (size, size), Border.REFLECT)
    return crop, replace(back(face, invert(matrix)), frame=0)


def cropped(name: str, size: int = SIZE) -> tuple[Tensor, Face]:
    return cut(name, frame(found(name)[1], size), size)


def portrait_matrix(name: str, size: int = PORTRAIT) -> Tensor:
    return face_matrix(found(name)[1], Template.UPRIGHT, size, margin=0.6)


def portrait_of(name: str, size: int = PORTRAIT) -> Portrait:
    return Portrait(*cut(name, portrait_matrix(name, size), size))


@dataclass(frozen=True, eq=False)
class Swap:
    crop: Tensor
    mounted: Mounted
    warped: Tensor  # the source's picture moved by the mesh, in its own colours
    places: Tensor  # where in the source's portrait each pixel of the crop is taken from
    target: dict[str, Tensor]  # marks, in the crop
    source: dict[str, Tensor]  # marks, in the portrait

    def lands(self, point: Tensor) -> Tensor:
        """Where in the crop a point of the portrait is seen."""
        away = (self.places - point).norm(dim=2)
        row, column = divmod(int(away.argmin()), SIZE)
        return torch.tensor([column, row]).double()

    def covered(self, point: Tensor) -> float:
        x, y = point.round().long().clamp(0, SIZE - 1).tolist()
        return float(self.mounted.mask[y, x])

    @property
    def width(self) -> float:
        left, right = self.target["edges"]
        return float((right - left).norm())


@cache
def swapped(target: str, source: str) -> Swap:
    crop, face = cropped(target)
    portrait = portrait_of(source)
    here = contour.find_contour(crop, face)
    there = contour.find_contour(portrait.image, portrait.face)
    field = mesh.displacement(here, there)
    ways = here.upright, there.upright, (SIZE, SIZE)
    return Swap(
        crop,
        montage(crop, face, portrait),
        mesh.moved_to(portrait.image, field, *ways)[0],
        mesh.places_in(field, *ways),
        marks(target, frame(found(target)[1], SIZE)),
        marks(source, portrait_matrix(source)),
    )
