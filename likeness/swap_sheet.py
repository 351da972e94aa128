"""A sheet of swaps: people along the top, the pictures they went onto down the left side.

Also a program, `python swap_sheet.py SHEET --names NAME ... --pictures FILE ...`: install.py runs
it in ComfyUI's Python. The pictures come row by row; where a person meets their own picture it is
that picture, unchanged.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

Box = tuple[int, int, int, int]

CELL = 288  # pixels of a picture's side
MARGIN, GAP, APART = 56, 10, 26  # around the sheet, between pictures, before the first swap
HEAD, LINE = 76, 34  # above the pictures for the title, and for the names
ROOM = 0.25  # shown around what has changed, as a share of it
PALE = 0.72  # of the paper in the pictures that are only repeated
PAPER, INK, FAINT = (250, 250, 248), (40, 40, 40), (130, 130, 126)
TITLE = "Every face on every portrait"
TOLD = "Above: whose face. On the left: the picture it went onto. These people do not exist."


def save(sheet: Path, names: Sequence[str], pictures: Sequence[Path]) -> None:
    """Make the sheet of as many rows and columns as there are `names`."""
    count = len(names)
    if len(pictures) != count**2:
        raise ValueError(f"{len(pictures)} pictures for {count} people: {count**2} are needed")
    rows = [_row(pictures[start : start + count], at) for at, start in _starts(count)]
    own = [row[number] for number, row in enumerate(rows)]
    made = _paper(count)
    for number, name in enumerate(names):
        _put(made, own[number], number + 1, 0)
        _put(made, own[number], 0, number + 1)
        _name(made, name, number)
    for down, row in enumerate(rows):
        for across, tile in enumerate(row):
            _put(made, _pale(tile) if across == down else tile, across + 1, down + 1)
    made.save(sheet, quality=92)


def _starts(count: int) -> list[tuple[int, int]]:
    return [(number, number * count) for number in range(count)]


def _row(files: Sequence[Path], own: int) -> list[Image]:
    """The pictures of one target, all cut to where they differ from the one that is its own."""
    from PIL import Image

    pictures = []
    for file in files:
        with Image.open(file) as opened:
            pictures.append(opened.convert("RGB"))
    size = pictures[own].size
    alike = [each if each.size == size else each.resize(size) for each in pictures]
    box = around(_changed(alike[own], alike), size)
    return [each.resize((CELL, CELL), Image.Resampling.LANCZOS, box) for each in alike]


def _changed(before: Image, after: Sequence[Image]) -> Box | None:
    from PIL import ImageChops

    boxes = [ImageChops.difference(before, each).getbbox() for each in after]
    return reduce(_together, filter(None, boxes), None)


def _together(one: Box | None, other: Box) -> Box:
    if one is None:
        return other
    return (*map(min, one[:2], other[:2]), *map(max, one[2:], other[2:]))


def around(box: Box | None, size: tuple[int, int]) -> Box:
    """The square in a picture of `size` (width, height) that shows `box` and room around it."""
    width, height = size
    if box is None:
        box = (0, 0, width, height)
    side = max(box[2] - box[0], box[3] - box[1])
    side = min(round(side * (1 + 2 * ROOM)), width, height)
    x = min(max((box[0] + box[2] - side) // 2, 0), width - side)
    y = min(max((box[1] + box[3] - side) // 2, 0), height - side)
    return x, y, x + side, y + side


def _paper(count: int) -> Image:
    from PIL import Image, ImageDraw

    across, down = _place(count + 1, count + 1)
    made = Image.new("RGB", (across - GAP + MARGIN, down - GAP + MARGIN), PAPER)
    draw = ImageDraw.Draw(made)
    draw.text((MARGIN, MARGIN - 16), TITLE, INK, _font(34))
    draw.text((MARGIN, MARGIN + 32), TOLD, FAINT, _font(19))
    return made


def _place(across: int, down: int) -> tuple[int, int]:
    """The upper left pixel of a picture; 0 is where the originals are."""
    x = MARGIN + LINE + across * (CELL + GAP) + (APART if across else 0)
    y = MARGIN + HEAD + LINE + down * (CELL + GAP) + (APART if down else 0)
    return x, y


def _put(made: Image, tile: Image, across: int, down: int) -> None:
    made.paste(tile, _place(across, down))


def _name(made: Image, name: str, number: int) -> None:
    """Above the person's column, and up along the left side of the picture's row."""
    from PIL import Image, ImageDraw

    font = _font(21)
    x, y = _place(number + 1, 0)
    draw = ImageDraw.Draw(made)
    draw.text((x + CELL / 2, y - LINE / 2), name, INK, font, anchor="mm")
    x, y = _place(0, number + 1)
    upright = Image.new("RGB", (CELL, LINE), PAPER)
    ImageDraw.Draw(upright).text((CELL / 2, LINE / 2), name, INK, font, anchor="mm")
    made.paste(upright.rotate(90, expand=True), (x - LINE, y))


def _pale(tile: Image) -> Image:
    from PIL import Image

    return Image.blend(tile, Image.new("RGB", tile.size, PAPER), PALE)


def _font(size: int):
    from PIL import ImageFont

    return ImageFont.load_default(size=size)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--names", nargs="+", required=True)
    parser.add_argument("--pictures", nargs="+", type=Path, required=True)
    options = parser.parse_args(arguments)
    save(options.sheet, options.names, options.pictures)


if __name__ == "__main__":
    own = str(Path(__file__).absolute().parent)
    sys.path[:] = [each for each in sys.path if each != own]  # its modules stand in for nobody's
    main(sys.argv[1:])
