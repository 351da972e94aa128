"""What must not happen when a file is opened."""

from __future__ import annotations

from pathlib import Path


class Touches:
    """Pickled, it makes a file when it is read by who believes everything."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)
