"""Folders of pictures in ComfyUI's input and output: which can be chosen, and where they are."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import folder_paths

if TYPE_CHECKING:
    from ..likeness.swap_folder.sources import Listing


DEMO = "demo portraits"
ROOTS = ("input", "output")
UNFIT = re.compile(r'[:*?"<>|\x00-\x1f\ud800-\udfff]')  # in names; the last are half signs
DEEP, MANY = 3, 100  # levels, and folders of each root, that the choice lists


def roots() -> dict[str, Path]:
    found = (folder_paths.get_input_directory(), folder_paths.get_output_directory())
    return {name: Path(folder).resolve() for name, folder in zip(ROOTS, found, strict=True)}


def folders() -> list[str]:
    """Folders in ComfyUI's input and output that can be chosen, nearest first."""
    return [name for root, place in roots().items() for name in _below(root, place)]


def _below(root: str, place: Path) -> list[str]:
    names: list[str] = []
    level = [(root, place)] if place.is_dir() else []
    for _ in range(DEEP + 1):
        names += [name for name, _ in level]
        level = [inner for one in level for inner in _inside(*one, place)][:MANY]
    return names[:MANY]


def _inside(name: str, folder: Path, root: Path) -> list[tuple[str, Path]]:
    inner = [(f"{name}/{each}", folder / each) for each in _names(folder) if each[0] != "."]
    # os.path answers where pathlib raises: for links in a circle and names that are too long.
    found = [one for one in inner if os.path.isdir(one[1])]
    return [one for one in found if _resolved(one[1]).is_relative_to(root)]


def source(folder: str) -> Path | Listing:
    """The pictures of this choice; one that leads out of input and output is refused."""
    if folder == DEMO:
        from ..likeness.swap_folder.sources import demo_portraits

        return demo_portraits()
    root, *rest = re.split(r"[/\\]", str(folder))
    if (place := roots().get(root)) and all(rest) and "\0" not in folder:
        path = _resolved(place.joinpath(*rest))
        if path.is_relative_to(place) and os.path.isdir(path):
            return path
    raise ValueError(
        f"{str(folder)[:80]!r} is no folder in ComfyUI's input or output: put the pictures there, "
        f"press R, and choose '{DEMO}' or a name such as 'input/photos'"
    )


def target(name: str) -> Path:
    """The folder of this name below ComfyUI's output, which need not be there."""
    output = roots()["output"]
    parts = re.split(r"[/\\]", str(name).strip())
    strange = any(not part.strip(" .") or UNFIT.search(part) for part in parts)
    path = output if strange else _resolved(output.joinpath(*parts))
    if path == output or not path.is_relative_to(output):
        raise ValueError(
            f"name: {str(name)[:80]!r} is no folder below ComfyUI's output: write a name such as "
            "'swapped' or 'sets/anna'"
        )
    return path


def files(folder: str | None) -> list[Path]:
    """What lies right in the chosen folder; nothing where it is no folder."""
    try:
        found = source(folder)
    except (ValueError, FileNotFoundError):
        return []
    if isinstance(found, Path):
        return [found / name for name in _names(found)]
    return [picture.path for picture in found.pictures]


def _names(folder: Path) -> list[str]:
    """What lies right in the folder; nothing where it cannot be read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))


def state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
