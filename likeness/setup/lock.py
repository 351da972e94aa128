"""One maker at a time: a file lock that ends with the processes that hold it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from ..partial import Busy, take
from .process import Say, SetupError


@contextlib.contextmanager
def held(path: Path, say: Say) -> Iterator[None]:
    """Hold the lock; wait, and say so, while another process has it.

    The file is inheritable: where this process is killed, the pip that it started keeps the lock
    until it has ended too.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise SetupError(
            f"{path.parent} cannot be written ({error}). Name another folder in LIKENESS_CACHE."
        ) from error
    try:
        os.set_inheritable(file, True)
        waiting = False
        while not _taken(file):
            if not waiting:
                say(f"Another process is at work here; waiting for it ({path}) ...")
            waiting = True
            time.sleep(0.5)
        yield
    finally:
        os.close(file)


def _taken(file: int) -> bool:
    try:
        take(file)
    except Busy:
        return False
    return True
