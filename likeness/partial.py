"""A file that is still arriving: how much is here, of which version, and who may write it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}  # some network drives


class Busy(Exception):
    """Somebody else is writing the file."""


def length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def remember(part: Path, facts: dict[str, object]) -> None:
    """Note beside the part of which address and version it is."""
    _note(part).write_text(json.dumps(facts), "utf-8")


def recall(part: Path) -> dict[str, object]:
    """What was noted, or nothing: a part of unknown origin is not continued."""
    try:
        facts = json.loads(_note(part).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


@contextlib.contextmanager
def reserved(part: Path) -> Iterator[None]:
    """Nobody else fetches into `part` meanwhile; a killed process loses its claim."""
    lock = part.with_name(part.name + ".lock")
    handle = _claim(lock)
    try:
        yield
    finally:
        gone = _removed(lock)
        os.close(handle)
        if not gone:  # Windows removes only files that nobody has open
            _removed(lock)


def _claim(lock: Path) -> int:
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            take(handle)
            current = _is_current(handle, lock)
        except BaseException:
            os.close(handle)
            raise
        if current:
            return handle
        os.close(handle)  # its owner removed it between our opening and our taking it


def take(handle: int) -> None:
    """Lock an open file for this process; raise Busy where another has it."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in TAKEN:
            raise Busy from error
        if error.errno not in NO_LOCKS:
            raise


def _is_current(handle: int, lock: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), lock.stat())
    except FileNotFoundError:
        return False


def _removed(lock: Path) -> bool:
    try:
        lock.unlink(missing_ok=True)
    except PermissionError:
        return False
    return True


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")
