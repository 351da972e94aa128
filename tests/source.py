"""What a file of the pack imports, read from its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path, *, when_loaded: bool = False) -> set[str]:
    """Every module and name that is imported; the pack's own as pack.likeness.face.Face.

    `when_loaded` leaves out what functions import.
    """
    package = ("pack", *path.relative_to(ROOT).parent.parts)
    tree = ast.parse(path.read_text("utf-8"))
    names = set()
    for node in _at_load(tree.body) if when_loaded else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            names |= {".".join((*base, alias.name)) for alias in node.names}
    return names


def tops(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def _at_load(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when the module is loaded: all but those inside functions."""
    for statement in body:
        yield statement
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from _at_load(statement.orelse)
            continue
        inner = [statement, *getattr(statement, "handlers", ()), *getattr(statement, "cases", ())]
        for part in inner:
            for name in ("body", "orelse", "finalbody"):
                yield from _at_load(getattr(part, name, []))
