"""What restorers made of the same faces, as one picture: a row for a face, a column for each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..grid import Line, Tile, draw
from ..pixels.raster import resize
from ..report import counted
from ..sheet import INK, plain
from .side_by_side import PLACES, SIDES, SideBySide, place, scores, told, totals

MARK = (0, 124, 62)  # the highest of a row
FAINT = (110, 110, 106)
LONG = 3  # rows for why a face was left
MARKED = "green: the highest similarity and the highest sharpness of a row"


def side_by_side_sheet(compared: SideBySide) -> Tensor:
    """(1, H, W, 3), float32 on the CPU; the first picture and a word where there is no face."""
    if not len(compared.faces):
        return draw([[Tile(_reduced(compared.pictures))]], below=[Line("no face to restore")])
    count = len(compared.before)
    above = [Line(totals(compared) + (f"; {MARKED}" if len(compared.labels) > 1 else ""))]
    more = len(compared.faces) - count
    below = [Line(f"and {counted(more, 'face')} more", FAINT)] if more else []
    return draw([_row(compared, number) for number in range(count)], above, below)


def _row(compared: SideBySide, number: int) -> list[Tile]:
    face = compared.faces.found[number]
    original = [Line("as it was"), Line(place(number, face), FAINT)]
    column = [each[number] for each in compared.restorations]
    likenesses, _, sharpnesses, _ = zip(*map(scores, column), strict=True)
    likest, sharpest = _highest(likenesses, PLACES), _highest(sharpnesses, 0)
    tiles = [Tile(compared.before[number], original)]
    for at, (label, restoration) in enumerate(zip(compared.labels, column, strict=True)):
        inks = {
            "left": FAINT,
            "likeness": MARK if at in likest else INK,
            "sharpness": MARK if at in sharpest else INK,
        }
        scored = [
            Line(text, inks.get(about, INK), LONG) for about, text in told(restoration).items()
        ]
        caption = [Line(_drawn(label, at), rows=2), *scored]
        tiles.append(Tile(compared.after[at][number], caption))
    return tiles


def _highest(values: Sequence[float | None], places: int) -> list[int]:
    """Where the highest value is, as it is written; nowhere if there is nothing to compare."""
    known = [round(value, places) for value in values if value is not None]
    return [
        at
        for at, value in enumerate(values)
        if value is not None and len(known) > 1 and round(value, places) == max(known)
    ]


def _drawn(label: str, number: int) -> str:
    """What is left of a name in the letters of the sheet, or its number if that is nothing."""
    name, comma, rest = label.partition(",")
    return label if plain(name).strip() else f"restorer {number + 1}{comma}{rest}"


def _reduced(images: Tensor) -> Tensor:
    """The first picture without alpha, no larger than a face would be shown."""
    picture = images[0] if len(images) else images.new_full((1, 1, 3), 0.5)
    height, width = picture.shape[:2]
    scale = min(SIDES[0] / max(height, width), 1.0)
    size = (max(round(height * scale), 1), max(round(width * scale), 1))
    shown = resize(picture[..., :3].detach().float(), size) if scale < 1 else picture[..., :3]
    return torch.nan_to_num(shown.float()).clamp(0, 1).cpu()
