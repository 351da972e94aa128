"""`install.py models`: list the weight files, fetch and verify the named ones."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ..download import FetchError, digest, fetch
from ..models import MODELS, Model, Task, UnknownModel, find, folder, path, present, size
from .place import PACK, models_folder
from .process import Say, SetupError

WORKFLOWS = PACK / "workflows"
EVERY = 2.0  # seconds between two lines of progress
NOWHERE = (
    f"{PACK} is not inside a ComfyUI's custom_nodes: say where the models are with --folder DIR, "
    "or set COMFYUI_PATH to the folder of ComfyUI."
)


def models(names: Sequence[str], only_list: bool, chosen: str | None, say: Say) -> int:
    """The command's exit status; `chosen` is a models folder in the place of ComfyUI's.

    The title of a bundled workflow stands for all files of the table that it names.
    """
    try:
        every = [model for name in names for model in of_workflow(name) or [find(name)]]
        wanted = list(dict.fromkeys(every))
    except UnknownModel as error:
        raise SetupError(str(error)) from error
    place = Path(chosen).expanduser().absolute() if chosen else models_folder()
    if place and (place / "main.py").is_file():
        raise SetupError(f"{place} is ComfyUI's own folder; name its models: {place / 'models'}")
    if only_list or not wanted:
        say(listing(place, wanted or MODELS))
        return 0
    if place is None:
        raise SetupError(NOWHERE)
    failed = [model for model in wanted if not _get(model, place, say)]
    if failed:
        say(f"Not fetched: {', '.join(model.file for model in failed)}.")
    return 1 if failed else 0


def of_workflow(title: str) -> list[Model]:
    """The files that the bundled workflow of this title names; none where there is no such."""
    file = next((each for each in WORKFLOWS.glob("*.json") if each.stem == title), None)
    if file is None:
        return []
    nodes = json.loads(file.read_text("utf-8"))["nodes"]
    named = {model["name"] for node in nodes for model in node["properties"].get("models", ())}
    return [model for model in MODELS if model.file in named]


def listing(place: Path | None, wanted: Sequence[Model] = MODELS) -> str:
    """The table as text; what is present is looked up in the models folder, where it is known."""
    lines = [f"What is present is not known: {NOWHERE}" if place is None else f"In {place}:"]
    width = max(len(model.file) for model in wanted)
    for task in Task:
        rows = [model for model in wanted if model.task is task]
        lines += ["", f"{task.value.capitalize()}:"] if rows else []
        for model in rows:
            more = [model.note] if model.note else []
            more += [f"get it from {model.page}"] if model.url is None else []
            lines.append(
                f"  {model.file:{width}}  {_state(model, place)}  {size(model.bytes):>8}  "
                f"commercial use: {model.commercial.value:15}  {model.licence}"
                + "".join(f"; {words}" for words in more)
            )
    lines += [
        "",
        "Fetch them with 'python install.py models NAME ...'; a workflow's title names all of its.",
    ]
    return "\n".join(lines)


def _state(model: Model, place: Path | None) -> str:
    if place is None:
        return "unknown"
    return "present" if present(model, place) else "missing"


def _get(model: Model, place: Path, say: Say) -> bool:
    """Show the terms, then fetch or verify; whether the file is there in the end."""
    target = path(model, place)
    say(
        f"{model.file} ({model.task.value}), {size(model.bytes)}\n"
        f"  licence: {model.licence}\n"
        f"  commercial use: {model.commercial.value}\n"
        f"  published at {model.page}"
    )
    there = present(model, place)
    try:
        fetch(model, folder(model, place), _teller(say))
    except FetchError as error:
        say(f"  {error}")
        return False
    except KeyboardInterrupt:
        say("  Stopped. The same command goes on where this ended.")
        raise
    if there:
        checked = "verified" if model.sha256 and not model.members else "not fetched again"
        say(f"  was there already, {checked}: {target}")
    elif model.sha256:
        say(f"  verified: {target}")
    else:
        say(
            f"  fetched: {target}\n  {target.stat().st_size} bytes, sha256 {digest(target)}; the "
            "table knows no hash of it: compare it with what its publisher shows."
        )
    return True


def _teller(say: Say) -> Callable[[int, int], None]:
    """Progress as a line every few seconds, fit for a terminal and for a log."""
    told = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told < EVERY:
            return
        told = time.monotonic()
        share = f" of {size(total)}, {100 * done // total} %" if total else ""
        say(f"  {size(done)}{share}")

    return progress
