"""Weight files in the model folders: what a loader offers, and where it is."""

from __future__ import annotations

import os
from pathlib import Path

from ..likeness.models import MODELS, Task, missing
from ..likeness.weights import ENDINGS
from .host import model_folders

# What networks of a task come in beside the endings that all have.
MORE: dict[Task, tuple[str, ...]] = {
    Task.SWAP: (".onnx",),
    Task.RESTORE: (".onnx", ".ckpt"),
    Task.TAG: (".onnx",),
}


def choices(task: Task) -> list[str]:
    """The files of the table, those that are there first, then others that could be such files.

    What is not there is offered all the same, so that a saved workflow stays valid and its loader
    can say how to get the file.
    """
    ours = [model.file for model in MODELS if model.task is task]
    others = {model.file for model in MODELS if model.task is not task}
    there = _files(task)
    unknown = [name for name in there if name not in ours and name not in others]
    return [*sorted(ours, key=lambda name: name not in there), *unknown]


def located(input_id: str, name: str, task: Task) -> Path:
    """The file of this name; where it is not there, an error that says how to get it."""
    if found := _files(task).get(name):
        return found
    for model in MODELS:
        if model.task is task and model.file == name:
            place = model_folders(model.folder)[-1]
            raise FileNotFoundError(f"{input_id}: {missing(model, place)}")
    folders = " or ".join(f"models/{key}" for key in _keys(task))
    raise ValueError(
        f"{input_id} is {str(name)[:80]!r}, which is not in {folders}: choose one of "
        f"{', '.join(choices(task))}"
    )


def state(name: str | None, task: Task) -> str:
    """Changes when the file of this name is replaced; a name may come by a wire and be None."""
    found = _files(task).get(name)
    return repr(found and (str(found), found.stat().st_size, found.stat().st_mtime_ns))


def states(task: Task) -> str:
    """Changes when any file of the table for the task comes, goes or is replaced."""
    rows = [model for model in MODELS if model.task is task]
    places = [folder / row.file for row in rows for folder in model_folders(row.folder)]
    return repr(
        [(str(at), at.stat().st_size, at.stat().st_mtime_ns) for at in places if at.is_file()]
    )


def _files(task: Task) -> dict[str, Path]:
    """Every file that could hold weights for the task, by name; the first of a name counts."""
    endings = (*ENDINGS, *MORE.get(task, ()))
    found: dict[str, Path] = {}
    for folder in (folder for key in _keys(task) for folder in model_folders(key)):
        readable = folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)
        for path in sorted(folder.iterdir()) if readable else ():
            if path.name.lower().endswith(endings) and path.is_file():
                found.setdefault(path.name, path)
    return found


def _keys(task: Task) -> tuple[str, ...]:
    """The model folders that files for the task are looked for in."""
    return tuple(dict.fromkeys(model.folder for model in MODELS if model.task is task))
