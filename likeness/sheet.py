"""A contact sheet: rows of pictures at one height, a band of words over each, captions under them.

Also a program, `python sheet.py TARGET --row WORDS PICTURE ... --row WORDS PICTURE ...`:
install.py runs it in ComfyUI's Python.
"""

from __future__ import annotations

import argparse
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

HEIGHT, WIDTH = 384, 2000  # pixels: of a picture, at most of a row
GAP, CAPTION = 12, 28  # pixels
LINE, WORDS = 28, 20  # pixels of a line in a band, and of its letters
PAPER, BAND, INK = (250, 250, 248), (232, 232, 226), (40, 40, 40)

Tile = tuple[str, "Image"]


def save(target: Path, rows: Sequence[tuple[str, Sequence[Path]]]) -> None:
    """Make the sheet: of each row the words over it, and the pictures with their files' names."""
    from PIL import Image

    bands = [(words, in_rows([_tile(path) for path in pictures])) for words, pictures in rows]
    width = max(_width(row) for _, wrapped in bands for row in wrapped)
    strips = [strip for words, wrapped in bands for strip in _strips(words, wrapped, width)]
    sheet = Image.new("RGB", (width, sum(strip.height for strip in strips)), PAPER)
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height
    sheet.save(target, quality=90)


def _tile(path: Path) -> Tile:
    from PIL import Image

    with Image.open(path) as picture:
        width = max(1, round(picture.width * HEIGHT / picture.height))
        return path.stem, picture.convert("RGB").resize((width, HEIGHT))


def in_rows(tiles: Sequence[Tile]) -> list[list[Tile]]:
    """Fill rows from the left; a row is at most WIDTH wide, or one picture."""
    rows: list[list[Tile]] = [[]]
    for tile in tiles:
        taken = sum(each.width + GAP for _, each in rows[-1])
        if rows[-1] and taken + tile[1].width > WIDTH:
            rows.append([])
        rows[-1].append(tile)
    return rows


def _width(row: Sequence[Tile]) -> int:
    return sum(tile.width + GAP for _, tile in row) + GAP


def _strips(words: str, rows: Sequence[Sequence[Tile]], width: int) -> Iterator[Image]:
    """The sheet from top to bottom, in pieces of its width."""
    from PIL import Image

    yield _band(words, width)
    for row in rows:
        strip = Image.new("RGB", (width, GAP + HEIGHT + CAPTION), PAPER)
        _place(strip, row)
        yield strip


def _band(words: str, width: int) -> Image:
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=WORDS)
    lines = in_lines(plain(words), width - 2 * GAP, font.getlength)
    band = Image.new("RGB", (width, len(lines) * LINE + GAP), BAND)
    draw = ImageDraw.Draw(band)
    for number, line in enumerate(lines):
        draw.text((GAP, GAP / 2 + number * LINE), line, INK, font)
    return band


def in_lines(words: str, width: float, length: Callable[[str], float]) -> list[str]:
    """Fill lines from the left; a line is at most `width` long, or one word."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and length(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _place(strip: Image, row: Sequence[Tile]) -> None:
    from PIL import ImageDraw, ImageFont

    draw, font, left = ImageDraw.Draw(strip), ImageFont.load_default(size=16), GAP
    for caption, tile in row:
        strip.paste(tile, (left, GAP))
        draw.text((left, GAP + HEIGHT + 4), plain(caption), INK, font)
        left += tile.width + GAP


def plain(text: str) -> str:
    """The text as Pillow's own font can write it, which has no accents."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--row", nargs="+", action="append", required=True)
    options = parser.parse_args(arguments)
    save(options.sheet, [(words, [Path(name) for name in row]) for words, *row in options.row])


if __name__ == "__main__":
    own = str(Path(__file__).absolute().parent)
    sys.path[:] = [each for each in sys.path if each != own]  # its modules stand in for nobody's
    main(sys.argv[1:])
