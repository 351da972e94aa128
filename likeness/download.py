"""Fetch a weight file once, go on where it was cut off, and keep only what the table names."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from .models import Model, missing, size
from .partial import Busy, discard, length, reserved
from .progress import Progress, ignore
from .transfer import CHUNK, HUB, FetchError, Interrupted, address, by_hand, receive
from .unpack import NotAsExpected, unpack

__all__ = ["FetchError", "Patience", "digest", "fetch"]


@dataclass(frozen=True)
class Patience:
    timeout: float = 30.0  # seconds without a byte
    tries: int = 5  # requests in a row that bring next to nothing
    pause: float = 1.0  # seconds before the second try, doubled each time
    longest: float = 60.0  # seconds between two tries, whatever the server asks for
    worthwhile: int = 1 << 20  # bytes that make a request count as progress


def fetch(
    model: Model, folder: Path, progress: Progress = ignore, patience: Patience | None = None
) -> Path:
    """The file in `folder`, or the folder that a zip became; a file that is there is verified.

    What has arrived stays beside it as <file>.part when this is interrupted, by Ctrl-C too.
    """
    target = folder / model.name
    if _there(model, target):
        return target
    if model.url is None:
        raise FetchError(missing(model, folder))
    part = folder / f"{model.file}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with reserved(part):
            _bring(model, part, progress, patience or Patience())
            _put(model, part, target)
    except Busy as error:
        raise FetchError(
            f"{model.file} is being fetched into {folder} already; wait for that to end."
        ) from error
    except OSError as error:
        raise FetchError(_disk(error, model, folder)) from error
    return target


def digest(file: Path) -> str:
    """The sha256 of a file."""
    found = hashlib.sha256()
    with file.open("rb") as source:
        while chunk := source.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def _there(model: Model, target: Path) -> bool:
    """Whether it needs no fetching; raises when what is there is not what the table names."""
    if model.members:
        return all((target / member).is_file() for member in model.members)
    if not target.exists():
        return False
    if mistake := _mistake(model, target):
        raise FetchError(
            f"{target} is there, but {mistake}: it is another version, or broken. "
            "Move it away, then run the same command again."
        )
    return True


def _put(model: Model, part: Path, target: Path) -> None:
    """Under its final name; until then nothing is there."""
    try:
        if model.members:
            unpack(part, target, model.members)
        else:
            os.replace(part, target)
    except NotAsExpected as error:
        discard(part)
        source = address(model.url)
        raise FetchError(f"{source} gave {error}. {by_hand(model, target.parent)}") from error
    discard(part)


def _mistake(model: Model, file: Path) -> str:
    """What is wrong with a whole file, or nothing."""
    if not file.is_file():
        return "it is not a file"
    count = file.stat().st_size
    if model.bytes is not None and count != model.bytes:
        return f"it has {count} bytes, not {model.bytes}"
    if model.sha256 is not None:
        found = digest(file)
        return "" if found == model.sha256 else f"its sha256 is {found}, not {model.sha256}"
    if count == 0:
        return "it is empty"
    with file.open("rb") as source:
        start = source.read(64).lstrip().lower()
    return "it is a web page" if start.startswith((b"<!doctype html", b"<html")) else ""


def _bring(model: Model, part: Path, progress: Progress, patience: Patience) -> None:
    """Make `part` the whole, verified file."""
    resumed = length(part) > 0
    _receive_all(model, part, progress, patience)
    mistake = _mistake(model, part)
    if mistake and resumed:  # the older half may be of another version
        discard(part)
        _receive_all(model, part, progress, patience)
        mistake = _mistake(model, part)
    if mistake:
        discard(part)
        raise FetchError(
            f"{address(model.url)} gave something else than {model.file}: {mistake}. Nothing was "
            "kept. Try again; if it repeats, the file was replaced by its publisher or changed on "
            f"the way. See {model.page}."
        )


def _receive_all(model: Model, part: Path, progress: Progress, patience: Patience) -> None:
    fruitless, most = 0, length(part)
    while True:
        try:
            return receive(model, part, progress, patience.timeout)
        except Interrupted as interruption:
            arrived = length(part)
            fruitless = 0 if arrived >= most + patience.worthwhile else fruitless + 1
            most = max(most, arrived)
            if fruitless >= patience.tries or (interruption.hopeless and not arrived):
                raise FetchError(_unreachable(model, part, str(interruption))) from interruption
            pause = patience.pause * 2 ** max(fruitless - 1, 0)
            time.sleep(min(max(pause, interruption.wait), patience.longest))


def _unreachable(model: Model, part: Path, reason: str) -> str:
    source = address(model.url)
    on_hub = model.url.startswith(HUB)
    mirror = " HF_ENDPOINT may name a mirror of huggingface.co." if on_hub else ""
    arrived = length(part)
    kept = f" The {size(arrived)} that have arrived are kept in {part}." if arrived else ""
    return (
        f"{model.file} could not be fetched from {source}: {reason}. Check the network and the "
        f"proxy (HTTPS_PROXY), then run the same command again.{mirror}{kept} "
        f"{by_hand(model, part.parent)}"
    )


def _disk(error: OSError, model: Model, folder: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk of {folder} is full. Make room, then run the same command again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{folder} may not be written ({error.strerror}). Change its "
            "permissions, or choose another models folder with --folder. "
            f"{by_hand(model, folder)}"
        )
    return f"{model.file} could not be written in {folder}: {error}"
