"""Pictures in rows and columns, with lines of text under each, as one picture."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from .sheet import GAP, INK, PAPER, plain

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Colour = tuple[int, int, int]

LETTERS = (15, 18)  # pixels: height of the letters, at least and at most
SHARE = 20  # of a picture's width that a letter is high
LEADING = 1.35  # heights of the letters, from a line to the next
ELLIPSIS = "..."
NARROWEST = 256  # pixels: of the whole, so that words have room


@dataclass(frozen=True)
class Line:
    """Text under a picture; what is too wide for its rows is shortened in the middle."""

    text: str
    ink: Colour = INK
    rows: int = 1  # that it may be broken into, between words


@dataclass(frozen=True, eq=False)
class Tile:
    picture: Tensor  # (h, w, 3 or 1), 0..1; all pictures of a grid are of one size
    caption: Sequence[Line] = ()


def draw(
    rows: Sequence[Sequence[Tile]], above: Sequence[Line] = (), below: Sequence[Line] = ()
) -> Tensor:
    """(1, H, W, 3), float32 on the CPU: the pictures bit for bit, `above` and `below` over all."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = rows[0][0].picture.shape[:2]
    letters = min(max(width // SHARE, LETTERS[0]), LETTERS[1])
    text = _Text(ImageFont.load_default(size=letters), round(letters * LEADING))
    across = max(max(map(len, rows)) * (width + GAP) + GAP, NARROWEST)
    pictures, written = [], text.laid(above, GAP, GAP, across - 2 * GAP)
    top = _end(written, GAP, text)
    for row in rows:
        bottom = top + height
        for number, tile in enumerate(row):
            left = GAP + number * (width + GAP)
            pictures.append((left, top, tile.picture))
            written += text.laid(tile.caption, left, bottom + GAP // 3, width)
        top = _end(written, bottom + GAP, text)
    written += text.laid(below, GAP, top, across - 2 * GAP)
    sheet = Image.new("RGB", (across, _end(written, top, text)), PAPER)
    pen = ImageDraw.Draw(sheet)
    for left, upper, line, ink in written:
        pen.text((left, upper), line, ink, text.font)
    made = torch.from_numpy(np.array(sheet)).float().div_(255)
    for left, upper, picture in pictures:
        made[upper : upper + height, left : left + width] = picture
    return made[None]


Written = tuple[int, int, str, Colour]  # left, top


@dataclass(frozen=True)
class _Text:
    font: FreeTypeFont
    leading: int

    def laid(self, lines: Sequence[Line], left: int, top: int, width: int) -> list[Written]:
        """The lines under each other, from (left, top) on, at most `width` wide."""
        rows = [
            (row, line.ink)
            for line in lines
            for row in broken(plain(line.text), width, line.rows, self.font)
        ]
        return [
            (left, top + number * self.leading, row, ink) for number, (row, ink) in enumerate(rows)
        ]


def _end(written: Sequence[Written], least: int, text: _Text) -> int:
    """Where the next thing goes, below all that is written."""
    return max([least, *(top + text.leading + GAP for _, top, _, _ in written)])


def broken(text: str, width: int, rows: int, font: FreeTypeFont) -> list[str]:
    """The text in so many rows at most, each at most `width` pixels wide."""
    words, made = text.split(), []
    while words:
        count = len(words) if len(made) == rows - 1 else 1
        while count < len(words) and font.getlength(" ".join(words[: count + 1])) <= width:
            count += 1
        made.append(fitted(" ".join(words[:count]), width, font))
        words = words[count:]
    return made


def fitted(text: str, width: int, font: FreeTypeFont) -> str:
    """The text, its middle left out as far as it must to be at most `width` pixels wide."""
    if font.getlength(text) <= width:
        return text

    def without(middle: int) -> str:
        kept = len(text) - middle
        return text[: kept - kept // 2] + ELLIPSIS + text[len(text) - kept // 2 :]

    fewest = bisect_left(range(len(text)), True, key=lambda n: font.getlength(without(n)) <= width)
    return without(fewest)
