"""The contact sheet of a folder: each face before and after, with what was measured."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from ..sheet import INK, PAPER, plain
from .journal import Journal, Record, State
from .sources import Listing, Unreadable, decode

if TYPE_CHECKING:
    from PIL.Image import Image

MOST, LEAST = 60, 20  # pictures on the sheet; of either kind, where there are more of both
SIDE, GAP, LINE = 190, 10, 15  # pixels: of a face, between tiles, of a line of text
COLUMNS = 4
LETTERS = 62  # in a caption's line
MARGIN = 0.25  # around the face, as a share of its box
WRONG = (176, 32, 32)
CAPTIONS = {State.ACCEPTED: INK, State.REJECTED: WRONG}


def contact_sheet(journal: Journal, listed: Listing) -> bytes | None:
    """A JPEG: accepted pictures, then rejected ones, some of each; None where there are none."""
    from PIL import Image

    accepted, rejected = (journal.of(state) for state in CAPTIONS)
    few = max(LEAST, MOST - len(accepted))
    shown = [*spread(accepted, MOST - min(len(rejected), few)), *spread(rejected, few)]
    if not shown:
        return None
    paths = {picture.name: picture.path for picture in listed.pictures}
    wide, tall = 2 * SIDE + GAP, SIDE + 3 * LINE + GAP
    rows = -(-len(shown) // COLUMNS)
    columns = min(len(shown), COLUMNS)
    top = 2 * LINE
    sheet = Image.new("RGB", (columns * wide + GAP, top + rows * tall + GAP), PAPER)
    _write(sheet, (GAP, GAP), _heading(shown, accepted, rejected), INK)
    for number, record in enumerate(shown):
        at = GAP + number % COLUMNS * wide, top + GAP + number // COLUMNS * tall
        _tile(sheet, at, record, journal.target, paths.get(record.source))
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=88)
    return file.getvalue()


def spread(records: list[Record], most: int) -> list[Record]:
    """At most so many, evenly out of all."""
    count = min(len(records), max(most, 0))
    return [records[number * len(records) // count] for number in range(count)]


def _heading(shown: list[Record], *kinds: list[Record]) -> str:
    parts = []
    for state, records in zip(CAPTIONS, kinds, strict=True):
        seen = sum(record.state is state for record in shown)
        parts.append(f"{len(records)} {state.value}" + f", {seen} shown" * (seen < len(records)))
    return "; ".join(parts) + ". Before and after. Synthetic: no real event."


def _tile(
    sheet: Image, at: tuple[int, int], record: Record, target: Path, path: Path | None
) -> None:
    left, top = at
    box = record.faces[0]["box"]
    for number, file in enumerate((path, target / record.place)):
        if file is not None and (face := _face(file, box)) is not None:
            sheet.paste(face, (left + number * SIDE, top))
    lines = [record.file, *_measured(record)]
    for number, text in enumerate(lines[:3]):
        place = left, top + SIDE + 2 + number * LINE
        _write(sheet, place, text, CAPTIONS[record.state])


def _face(file: Path, box: list[int]) -> Image | None:
    """The face with some room around it; None where the file is gone or broken."""
    from PIL import Image

    try:
        pixels = decode(file.read_bytes()).pixels[..., :3]
    except (OSError, Unreadable):
        return None
    x, y, width, height = box
    tall, wide = pixels.shape[:2]
    half = min(max(width, height) * (0.5 + MARGIN), tall / 2, wide / 2)
    middle = (
        min(max(x + width / 2, half), wide - half),
        min(max(y + height / 2, half), tall - half),
    )
    corners = [round(each + way * half) for way in (-1, 1) for each in middle]
    return Image.fromarray(pixels).crop(corners).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _measured(record: Record) -> list[str]:
    face = record.faces[0]
    values = [
        f"{name} {face[name]:.2f}"
        for name in ("similarity", "sharpness", "shift")
        if face[name] is not None
    ]
    further = [f"{name} {face[name]:.0f}" for name in ("colour", "pose") if face[name] is not None]
    told = [", ".join([*values, *further])]
    return [*told, "; ".join(reason.partition(":")[0] for reason in record.reasons)]


def _write(sheet: Image, at: tuple[int, int], text: str, ink: tuple[int, int, int]) -> None:
    from PIL import ImageDraw, ImageFont

    short = plain(text)
    if len(short) > LETTERS and at[1] >= 2 * LINE:
        short = short[: LETTERS - 3] + "..."
    ImageDraw.Draw(sheet).text(at, short, ink, ImageFont.load_default(size=11))
