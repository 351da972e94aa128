"""Which part of a restored crop is put back."""

from __future__ import annotations

from enum import Enum

import torch
from torch import Tensor

from ..align import Template
from ..crop import Crops
from ..face import Faces
from ..geometry import compose, invert, scaling
from ..parse import SIDE, FaceClass, Parser, class_masks, parse
from ..pixels.raster import Border, resize, warp
from ..pixels.threads import one_thread


class Covers(str, Enum):
    """What is put back; the values are what a user reads."""

    SQUARE = "square"  # all of the crop
    PARSED = "parsed"  # what a parser sees of the head
    BOTH = "square and parsed"  # the lesser of the two at every pixel

    @property
    def parses(self) -> bool:
        return self is not Covers.SQUARE


DROPPED = (
    FaceClass.BACKGROUND,
    FaceClass.HAT,
    FaceClass.NECKLACE,
    FaceClass.NECK,
    FaceClass.CLOTH,
)
KEPT = tuple(name for name in FaceClass if name not in DROPPED)  # as facexlib has it


def head_masks(
    images: Tensor,
    faces: Faces,
    crops: Crops,
    patches: Tensor,
    template: Template,
    parser: Parser,
) -> Tensor:
    """(N, h, w) of the crops: 1 where their restored `patches` show the head.

    A parser knows faces framed as FFHQ has them. Crops that are framed otherwise tell it too
    little: there the pictures are parsed as they were.
    """
    size = tuple(patches.shape[1:3])
    if template is Template.FFHQ:
        fits, shown = size == (SIDE, SIDE), patches
        if not fits:
            shown = torch.stack([resize(patch, (SIDE, SIDE)).clamp_(0, 1) for patch in patches])
        with torch.no_grad():
            classes = parser(shown)
        with one_thread():
            seen = class_masks(classes, KEPT).to(patches.device)
        if fits:
            return seen
        back = scaling((SIDE, SIDE), size)
        return torch.stack([warp(mask, back, size, Border.REPLICATE) for mask in seen])
    parsing = parse(images, faces, parser)
    pairs = zip(parsing.patch_masks(KEPT), crops.cut, parsing.crops.cut, strict=True)
    return torch.stack(
        [
            warp(mask, compose(crop.matrix, invert(own.matrix)), size, Border.BLACK)
            for mask, crop, own in pairs
        ]
    )
