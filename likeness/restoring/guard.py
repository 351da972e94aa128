"""The identity guard: how much of a restored face may be mixed in so that it stays the person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from ..compare import cosine
from ..crop import Crop
from ..detect import Analyzer
from ..face import Face, moved
from ..geometry import compose, shift, transform_box
from ..geometry import invert as back
from ..paste import Blend, Way, paste_into
from ..pixels.rgb8 import to_rgb8
from ..pixels.window import around
from ..recognise import embedded

ROUNDS = 6  # halvings: the amount is found to a 64th
MARGIN = 8  # pixels around the crop that are looked at


@dataclass(frozen=True, eq=False)
class Piece:
    """A restored face, and what is needed to paste it."""

    face: Face  # in the picture
    picture: Tensor  # (H, W, 3), as it came
    crop: Crop
    patch: Tensor  # (h, w, 3)
    mask: Tensor | None  # (h, w)


@dataclass(frozen=True)
class Watched:
    amount: float  # to mix in
    likeness: float  # then, of the face to itself as it came, -1..1
    unguarded: float  # the same with all that was wanted


def watched(
    pieces: Sequence[Piece],
    way: Way,
    blend: Blend,
    wanted: float,
    loss: float,
    analyzer: Analyzer,
    alive: Callable[[], None] = lambda: None,
) -> list[Watched]:
    """For each face the largest amount found, `wanted` at most, that keeps its likeness.

    That is, at which the cosine to the face as it came is 1 - `loss` or more, measured on the
    pasted picture; a `loss` of 1 is no limit. `alive` is called in every round.
    """
    views = [_View(piece, way, blend) for piece in pieces]
    before = _embeddings([view.at(0.0) for view in views], analyzer)
    alive()

    def likenesses(numbers: Sequence[int], amounts: Sequence[float]) -> list[float]:
        trials = [views[number].at(amount) for number, amount in zip(numbers, amounts, strict=True)]
        after = _embeddings(trials, analyzer)
        alive()
        return [cosine(before[number], one) for number, one in zip(numbers, after, strict=True)]

    everyone = range(len(views))
    full = likenesses(everyone, [wanted] * len(views))
    known = [Watched(wanted, each, each) for each in full]
    kept = [alike >= 1 - loss or loss == 1 for alike in full]  # what is no number is not
    lost = [number for number in everyone if not kept[number]]
    below = dict.fromkeys(lost, (0.0, 1.0))  # the amount that is known to do, its likeness
    above = dict.fromkeys(lost, wanted)
    for _ in range(ROUNDS if lost else 0):
        tries = [(below[number][0] + above[number]) / 2 for number in lost]
        for number, amount, alike in zip(lost, tries, likenesses(lost, tries), strict=True):
            if alike >= 1 - loss:
                below[number] = amount, alike
            else:
                above[number] = amount
    for number in lost:
        known[number] = Watched(*below[number], full[number])
    return known


class _View:
    """The part of the picture around a face, with more or less of the restored one in it."""

    def __init__(self, piece: Piece, way: Way, blend: Blend) -> None:
        height, width = piece.picture.shape[:2]
        side = piece.crop.original.shape[:2]
        square = transform_box((-1, -1, side[1], side[0]), back(piece.crop.matrix))
        window = around([square, piece.face.box], MARGIN, (0, 0, width, height))
        x0, y0, x1, y1 = window or (0, 0, width, height)
        self.piece, self.way, self.blend = piece, way, blend
        self.here = piece.picture[y0:y1, x0:x1]
        self.crop = replace(piece.crop, matrix=compose(piece.crop.matrix, shift(x0, y0)))
        self.face = moved(piece.face, shift(-x0, -y0))

    def at(self, amount: float) -> tuple[Face, np.ndarray]:
        seen, piece = self.here, self.piece
        if amount > 0:
            seen = self.here.detach().clone()
            paste_into(
                seen,
                piece.patch,
                self.crop,
                self.way,
                self.blend,
                patch_mask=piece.mask,
                amount=amount,
            )
        return self.face, to_rgb8(seen)[0]


def _embeddings(shown: Sequence[tuple[Face, np.ndarray]], analyzer: Analyzer) -> list[Tensor]:
    return [face.embedding for face in embedded(shown, analyzer)]
