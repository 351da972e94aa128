"""A contact sheet: pictures side by side at one height, in rows, a caption under each.

Also a program, `python sheet.py TARGET PICTURE ...`: install.py runs it in ComfyUI's Python.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

HEIGHT, WIDTH = 384, 2000  # pixels: of a picture, at most of a row
GAP, CAPTION = 12, 28  # pixels
PAPER, INK = (250, 250, 248), (40, 40, 40)


def save(target: Path, pictures: Sequence[Path]) -> None:
    """Make the sheet of the pictures, captioned with their file names."""
    from PIL import Image

    tiles = []
    for path in pictures:
        with Image.open(path) as picture:
            width = max(1, round(picture.width * HEIGHT / picture.height))
            tiles.append((path.stem, picture.convert("RGB").resize((width, HEIGHT))))
    rows = in_rows(tiles)
    widths = [sum(tile.width + GAP for _, tile in row) + GAP for row in rows]
    sheet = Image.new("RGB", (max(widths), len(rows) * (HEIGHT + CAPTION + GAP) + GAP), PAPER)
    for number, row in enumerate(rows):
        _place(sheet, row, GAP + number * (HEIGHT + CAPTION + GAP))
    sheet.save(target, quality=90)


def in_rows(tiles: Sequence[tuple[str, Image]]) -> list[list[tuple[str, Image]]]:
    """Fill rows from the left; a row is at most WIDTH wide, or one picture."""
    rows: list[list[tuple[str, Image]]] = [[]]
    for tile in tiles:
        taken = sum(each.width + GAP for _, each in rows[-1])
        if rows[-1] and taken + tile[1].width > WIDTH:
            rows.append([])
        rows[-1].append(tile)
    return rows


def _place(sheet: Image, row: Sequence[tuple[str, Image]], top: int) -> None:
    from PIL import ImageDraw, ImageFont

    draw, font, left = ImageDraw.Draw(sheet), ImageFont.load_default(size=16), GAP
    for caption, tile in row:
        sheet.paste(tile, (left, top))
        draw.text((left, top + HEIGHT + 4), plain(caption), INK, font)
        left += tile.width + GAP


def plain(text: str) -> str:
    """The text as Pillow's own font can write it, which has no accents."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


if __name__ == "__main__":
    own = str(Path(__file__).absolute().parent)
    sys.path[:] = [each for each in sys.path if each != own]  # its modules stand in for nobody's
    save(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
