"""Files that are there whole or not at all, and the words for a disk that refuses them."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ..partial import Busy, reserved

WORK = ".likeness"  # folder of the run's own files, below the target
PART = "writing.part"  # what is written there before it has its name
PID = "run.pid"
BINARY = getattr(os, "O_BINARY", 0)  # of Windows
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
KEPT = "What is finished is kept, and the same run goes on where this ended"


class FolderError(Exception):
    """What stops a run, in words for its user; what is finished by then is kept."""


def contents(path: Path) -> bytes:
    """All of a file that is one: whoever opens a pipe may wait for ever."""
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | BINARY), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no file", str(path))
        return file.read()


@contextlib.contextmanager
def complaints(folder: Path) -> Iterator[None]:
    """The system's refusals to write below `folder`, with the cure."""
    try:
        yield
    except OSError as error:
        raise FolderError(_words(error, folder)) from error


@contextlib.contextmanager
def claimed(target: Path) -> Iterator[None]:
    """Make the folder and keep others out of it; the claim of a killed process does not count."""
    work = target / WORK
    with complaints(target):
        own_folder(work)
        work.mkdir(parents=True, exist_ok=True)
    try:
        with _lock(target), _cleared(work / PID, work / PART):
            with complaints(target), (work / PID).open("x", encoding="utf-8") as file:
                file.write(str(os.getpid()))
            yield
    finally:
        with contextlib.suppress(OSError):
            work.rmdir()  # of a run that was refused


def own_folder(path: Path) -> None:
    """Refuse to write into what only looks like a folder of ours."""
    if path.is_symlink():
        raise FolderError(f"{path} is a link to elsewhere: choose another folder")


@contextlib.contextmanager
def _lock(target: Path) -> Iterator[None]:
    with contextlib.ExitStack() as held:
        try:
            with complaints(target):
                held.enter_context(reserved(target / WORK / "run"))
        except Busy as error:
            raise FolderError(
                f"another run is at work in {target}{_holder(target / WORK / PID)}: wait for it to "
                "end, or stop it. What it has finished is kept"
            ) from error
        yield


@contextlib.contextmanager
def _cleared(*files: Path) -> Iterator[None]:
    """These are gone at the beginning and in the end, whatever a killed run has left."""
    try:
        for file in files:
            with complaints(file.parent):
                file.unlink(missing_ok=True)
        yield
    finally:
        for file in files:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)


def put(target: Path, place: str, content: bytes) -> None:
    """Write a file below a claimed target, under its name only when it is whole on the disk."""
    path, part = target / place, target / WORK / PART
    with complaints(target):
        if path.is_file() and not path.is_symlink() and path.read_bytes() == content:
            return
        path.parent.mkdir(exist_ok=True)
        with part.open("xb") as file:  # never through a link that stands there
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        _settle(path.parent)


def remove(target: Path, place: str) -> None:
    """The file of this place, where it is there."""
    with complaints(target):
        (target / place).unlink(missing_ok=True)


def _settle(folder: Path) -> None:
    """Names that were given in `folder` last beyond a loss of power, where the system has that."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network drives
            raise
    finally:
        os.close(handle)


def _holder(file: Path) -> str:
    try:
        number = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return f" (process {number})" if number.isdigit() else ""


def _words(error: OSError, folder: Path) -> str:
    if error.errno in FULL:
        return f"the disk of {folder} is full ({error.strerror}). Make room. {KEPT}"
    if error.errno in FORBIDDEN:
        return (
            f"{error.filename or folder} may not be written ({error.strerror}). Change its "
            f"permissions, or choose another folder. {KEPT}"
        )
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"{error.filename or folder} is a file where a folder belongs: choose another folder"
    if error.errno == errno.ENAMETOOLONG:
        return f"{folder} has a name that is too long for the system: choose a shorter one"
    return f"{folder} could not be written: {error}. {KEPT}"
