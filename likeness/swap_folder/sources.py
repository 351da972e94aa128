"""The pictures of a folder: which there are, what each holds, and what its result is called."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..demo import PORTRAITS, locate
from .written import contents

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp"),
    *(".tif", ".tiff", ".bmp", ".gif", ".avif"),
)
ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")
LONGEST = 200  # bytes of a result's name before its ending; systems stop at 255
DEEP = 257  # 16-bit values are this many times those of 8 bits
BYTES = 2**31  # of a file, which is read whole
PIXELS = 178_956_970  # Pillow's own limit, which others in this process may have lifted
# What Pillow's decoders raise for broken files of one kind or another.
BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error, LookupError),
    *(TypeError, RuntimeError, ArithmeticError, AttributeError),
)

Pixels = np.ndarray  # (H, W, 3 or 4) uint8


class Unreadable(Exception):
    """Why a file is left out."""


@dataclass(frozen=True)
class Source:
    """A picture to swap in. The name is what records and results call it."""

    name: str
    path: Path


@dataclass(frozen=True)
class Listing:
    """What is in a folder, in the order of names."""

    pictures: tuple[Source, ...]
    others: tuple[tuple[str, str], ...] = ()  # name and reason of what is no picture
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Picture:
    """What a file shows, upright."""

    pixels: Pixels
    profile: bytes | None  # ICC
    notes: tuple[str, ...]


def listing(folder: Path) -> Listing:
    """The pictures right in the folder. Sub-folders are not entered, hidden files not looked at."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder that can be read: name one that holds pictures")
    pictures, others, folders = [], [], 0
    try:
        entries = sorted(os.listdir(folder))
    except OSError as error:
        raise ValueError(
            f"{folder} cannot be read ({error.strerror}): change its permissions"
        ) from error
    for name in entries:
        path = folder / name
        if name.startswith("."):
            continue
        if path.is_dir():
            folders += 1
        elif not is_text(name):
            others.append((readable(name), "its name is not valid text: rename it"))
        elif path.suffix.lower() not in ENDINGS:
            others.append((name, f"not a picture by its ending (known: {', '.join(ENDINGS)})"))
        elif not path.is_file():
            others.append((name, "not a file that can be read"))
        else:
            pictures.append(Source(name, path))
    inside = "sub-folder was" if folders == 1 else "sub-folders were"
    notes = [f"{folders} {inside} not entered: swap in each of them by itself"] * bool(folders)
    notes += ["no picture is in the folder"] * (not pictures)
    return Listing(tuple(pictures), tuple(others), tuple(notes))


def demo_portraits() -> Listing:
    """The generated portraits that come with ComfyUI, as a folder."""
    found = [(name, locate(name)) for name in sorted(PORTRAITS)]
    return Listing(tuple(Source(name + path.suffix, path) for name, path in found))


def result_names(sources: Iterable[str], ending: str, taken: Iterable[str] = ()) -> dict[str, str]:
    """What the result of each source is called: its own name with another ending.

    Where two would be the same, in the eyes of any system, both keep their first ending as well.
    """
    sources = sorted(sources)
    shared = Counter(_folded(_stem(name)) for name in sources)
    used = {_folded(name) for name in taken}
    names = {}
    for name in sources:
        whole = [_cut(_stem(name))] if shared[_folded(_stem(name))] == 1 else []
        more = range(2, len(sources) + len(used) + 3)
        whole += [_cut(name), *(f"{_cut(name)} {number}" for number in more)]
        names[name] = next(each + ending for each in whole if _folded(each + ending) not in used)
        used.add(_folded(names[name]))
    return names


def load(source: Source) -> tuple[bytes, str]:
    """The file and its sha256."""
    try:
        if (length := source.path.stat().st_size) > BYTES:
            raise Unreadable(f"it is too large: {length:,} bytes, and {BYTES:,} are read")
        content = contents(source.path)
    except OSError as error:
        raise Unreadable(f"it cannot be read ({error.strerror or error})") from error
    return content, hashlib.sha256(content).hexdigest()


def decode(content: bytes) -> Picture:
    """What the file shows: upright, with 8 bits a channel, the first of several pictures."""
    from PIL import Image, ImageOps

    notes: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as opened:
                count = getattr(opened, "n_frames", 1)
                if count > 1 and opened.format != "MPO":
                    notes.append(f"the first of its {count} pictures")
                if opened.width * opened.height > PIXELS:
                    raise Unreadable(f"it has too many pixels ({opened.width} x {opened.height})")
                opened.load()
                upright = ImageOps.exif_transpose(opened)
                pixels = _pixels(upright, notes)
                profile = _colours(opened.info.get("icc_profile"))
    except Image.DecompressionBombError as error:
        raise Unreadable(f"it has too many pixels ({error})") from error
    except BROKEN as error:
        known = content[:64].strip() and not isinstance(error, Image.UnidentifiedImageError)
        words = f"it is broken ({error})" if known else "it holds no picture that can be read"
        raise Unreadable(words if content else "it is empty") from error
    return Picture(pixels, profile, tuple(notes))


def is_text(name: str) -> bool:
    """Whether a name can be written down; Linux takes any bytes for a name."""
    return readable(name) == name


def readable(name: str) -> str:
    return name.encode("utf-8", "replace").decode("utf-8")


def _pixels(picture: Image, notes: list[str]) -> Pixels:
    mode = picture.mode
    if mode.startswith("I"):
        deep = np.asarray(picture).astype(np.int64)
        if deep.min() < 0 or deep.max() > 255 * DEEP:
            raise Unreadable(
                f"its numbers go from {deep.min()} to {deep.max()}: save it as 16 bits"
            )
        notes.append("16 bits became 8")
        return ((deep + DEEP // 2) // DEEP).astype(np.uint8)[..., None].repeat(3, axis=2)
    if mode == "F":
        raise Unreadable("its pixels are fractions (mode F): save it with 8 or 16 bits")
    if mode == "CMYK":
        notes.append("CMYK became RGB")
    if mode in ALPHA or "transparency" in picture.info:
        pixels = np.asarray(picture.convert("RGBA"))
        return pixels if (pixels[..., 3] < 255).any() else np.ascontiguousarray(pixels[..., :3])
    return np.asarray(picture.convert("RGB"))


def _colours(profile: bytes | None) -> bytes | None:
    """The ICC profile, unless it is one of grey or of inks: the result is RGB."""
    return profile if profile is not None and profile[16:20] == b"RGB " else None


def _stem(name: str) -> str:
    return Path(name).stem


def _folded(name: str) -> str:
    """Alike for names that some system takes for one."""
    import unicodedata

    return unicodedata.normalize("NFC", name).casefold()


def _cut(stem: str) -> str:
    return stem.encode("utf-8")[:LONGEST].decode("utf-8", "ignore")


def apart(source: Path, target: Path) -> None:
    """Refuse a target whose files would lie among the originals."""
    inner = source.resolve()
    for folder in (inner, *inner.parents):
        if _same(folder, target):
            where = "is the folder of the originals" if folder == inner else "holds the originals"
            raise ValueError(
                f"{target} {where}, {source}: choose another folder for the results, such as "
                f"{inner.parent / (inner.name + ' swapped')}"
            )


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return one == other.resolve()
