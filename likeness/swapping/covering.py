"""Which part of a swapped crop is put back."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import torch
from torch import Tensor

from ..crop import Crops
from ..face import Face, Faces, moved
from ..geometry import compose, invert
from ..masks import face_masks
from ..parse import FaceClass, Parser, parse
from ..pixels.raster import Border, warp
from ..progress import Progress, ignore
from ..regions import Region


class Covers(str, Enum):
    """What is put back; the values are what a user reads."""

    BOX = "box"  # all of the crop, or what the montage itself covers
    LANDMARKS = "landmarks"  # face and forehead, drawn from the landmarks
    PARSED = "parsed"  # what a parser sees of the face: not hair, hands or what is before it
    MASK = "mask"  # of the picture, given


# Glasses stay in: the eyes are behind them, and a network paints them anew.
FACE = (
    FaceClass.SKIN,
    FaceClass.NOSE,
    FaceClass.GLASSES,
    FaceClass.LEFT_EYE,
    FaceClass.RIGHT_EYE,
    FaceClass.LEFT_BROW,
    FaceClass.RIGHT_BROW,
    FaceClass.MOUTH,
    FaceClass.UPPER_LIP,
    FaceClass.LOWER_LIP,
)


def patch_masks(
    covers: Covers,
    images: Tensor,
    faces: Sequence[Face],
    crops: Crops,
    parser: Parser | None,
    progress: Progress = ignore,
) -> tuple[Tensor | None, list[str]]:
    """(N, h, w) of the crops, one for each of the faces; None where all of a crop counts."""
    if covers is Covers.LANDMARKS:
        return _drawn(faces, crops)
    if covers is Covers.PARSED:
        if parser is None:
            raise ValueError("a parsed mask needs a parser: connect Load Face Parser")
        return _parsed(images, faces, crops, parser, progress)
    return None, []


def _drawn(faces: Sequence[Face], crops: Crops) -> tuple[Tensor, list[str]]:
    inside = [
        moved(face, crop.matrix, number)
        for number, (face, crop) in enumerate(zip(faces, crops.cut, strict=True))
    ]
    size = tuple(crops.patches.shape[1:3])
    drawn = face_masks(Faces(tuple(inside), len(inside), size), [Region.FOREHEAD], together=False)
    return drawn.masks, list(drawn.notes)


def _parsed(
    images: Tensor, faces: Sequence[Face], crops: Crops, parser: Parser, progress: Progress
) -> tuple[Tensor, list[str]]:
    found = Faces(tuple(faces), len(images), tuple(images.shape[1:3]))
    parsing = parse(images, found, parser, progress)
    size = tuple(crops.patches.shape[1:3])
    seen = [
        warp(mask, compose(crop.matrix, invert(own.matrix)), size, Border.BLACK)
        for mask, crop, own in zip(
            parsing.patch_masks(FACE), crops.cut, parsing.crops.cut, strict=True
        )
    ]
    return torch.stack(seen), list(parsing.notes)
