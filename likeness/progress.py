"""How long work tells how far it is: one callback, which is also where a Cancel is heard."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], object]  # done, total


def ignore(done: int, total: int) -> None: ...
