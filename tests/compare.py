"""Hold a committed file against what the code makes; the failure shows the lines that differ."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest


def same(file: Path, now: str, command: str, rewrite: bool = False) -> None:
    """`command` is what writes the file anew; with `rewrite` it is written here."""
    if rewrite:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(now, "utf-8")
    old = file.read_text("utf-8").splitlines() if file.exists() else []
    changes = difflib.unified_diff(old, now.splitlines(), file.name, "now", lineterm="")
    if lines := list(changes):
        cure = f"'python install.py test {command} --rewrite'"
        told = f"{file.name} is not what the code makes of it. Where the code is right, run {cure}"
        told += " and look at the difference."
        pytest.fail("\n".join([told, *lines]), pytrace=False)
