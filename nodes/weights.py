"""Weight files in the model folders: what a loader offers, and where it is."""

from __future__ import annotations

import os
from pathlib import Path

from ..likeness.models import MODELS, Task, missing
from ..likeness.weights import ENDINGS
from .host import model_folders

FOLDER = "facedetection"  # of all networks that look at faces


def choices(task: Task) -> list[str]:
    """The files of the table, those that are there first, then others that could be such files.

    What is not there is offered all the same, so that a saved workflow stays valid and its loader
    can say how to get the file.
    """
    ours = [model.file for model in MODELS if model.task is task]
    others = {model.file for model in MODELS if model.task is not task}
    there = _files()
    unknown = [name for name in there if name not in ours and name not in others]
    return [*sorted(ours, key=lambda name: name not in there), *unknown]


def located(input_id: str, name: str, task: Task) -> Path:
    """The file of this name; where it is not there, an error that says how to get it."""
    if found := _files().get(name):
        return found
    for model in MODELS:
        if model.task is task and model.file == name:
            raise FileNotFoundError(f"{input_id}: {missing(model, model_folders(FOLDER)[-1])}")
    raise ValueError(
        f"{input_id} is {str(name)[:80]!r}, which is not in models/{FOLDER}: choose one of "
        f"{', '.join(choices(task))}"
    )


def state(name: str | None) -> str:
    """Changes when the file of this name is replaced; a name may come by a wire and be None."""
    found = _files().get(name)
    return repr(found and (str(found), found.stat().st_size, found.stat().st_mtime_ns))


def _files() -> dict[str, Path]:
    """Every file that could hold weights, by name; the first of a name counts."""
    found: dict[str, Path] = {}
    for folder in model_folders(FOLDER):
        readable = folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)
        for path in sorted(folder.iterdir()) if readable else ():
            if path.name.lower().endswith(ENDINGS) and path.is_file():
                found.setdefault(path.name, path)
    return found
