"""The bundled workflows on the demo portraits, end to end, in a real ComfyUI."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..client import Client, results, texts
from .host import ready
from .place import PACK, Comfy, free_port
from .process import Say, SetupError, clean_environment, tail
from .server import running

PORTRAIT = "LikenessDemoPortrait"
JOB_LIMIT = 3600.0  # seconds for one picture: a large model takes its time without a GPU


@dataclass(frozen=True)
class Job:
    title: str
    prompt: dict


@dataclass(frozen=True)
class Needed:
    """A model file that a workflow names."""

    name: str
    url: str
    directory: str  # below ComfyUI's models folder

    def __str__(self) -> str:
        return f"{self.name}, which belongs into models/{self.directory} ({self.url})"


def demo(port: int | None, say: Say) -> int:
    """Run the bundled workflows on every demo portrait; pictures and a contact sheet stay.

    A workflow whose model files are not there is left out, and said to be.
    """
    started = time.monotonic()
    free_port(port)  # a taken one is told before minutes are spent
    comfy = ready(say)
    output = _output()
    log = output / "demo-server.log"
    say("Starting ComfyUI ...")
    with running(comfy, free_port(port), log, say) as client:
        pictures = _run_all(client, output, log, say)
    sheet = _contact_sheet(comfy, pictures, output / "contact-sheet.jpg")
    say("")
    for path in (*pictures, sheet):
        say(str(path))
    say(f"{len(pictures)} pictures and a contact sheet in {time.monotonic() - started:.1f} s.")
    return 0


def _output() -> Path:
    """The folder for the pictures, into which this user can write."""
    folder = PACK / "output"
    try:
        folder.mkdir(exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise SetupError(
            f"{folder} cannot be written ({error.strerror}), and the pictures go there. Give this "
            "user the right to, or put a copy of the pack into a folder of your own."
        ) from error
    return folder


def _run_all(client: Client, output: Path, log: Path, say: Say) -> list[Path]:
    known = client.object_info()
    if PORTRAIT not in known:
        raise SetupError(f"ComfyUI did not load the pack:\n{import_error(log)}\nIts log: {log}")
    todo = list(jobs(_complete(PACK / "workflows", known, say), known[PORTRAIT]))
    pictures: list[Path] = []
    for number, job in enumerate(todo, 1):
        began = time.monotonic()
        entry = client.wait(client.queue(job.prompt), JOB_LIMIT)
        shown = results(entry)
        for place, image in enumerate(shown, 1):
            stem = job.title if len(shown) == 1 else f"{job.title} {place}"
            path = output / f"{stem}{Path(image['filename']).suffix}"
            path.write_bytes(client.view(image))
            pictures.append(path)
        told = dict.fromkeys(text.strip().splitlines()[0] for text in texts(entry).values())
        seconds = time.monotonic() - began
        say(f"[{number}/{len(todo)}] {job.title}: {seconds:.1f} s  {'; '.join(told)}")
    if not pictures:
        raise SetupError(f"The workflows ran and showed no picture. The server's log is {log}.")
    return pictures


def import_error(log: Path) -> str:
    """The lines of the server's log that tell why the pack was not imported."""
    text = log.read_text("utf-8", errors="replace")
    before, told, _ = text.rpartition("Cannot import")
    return tail(before, 8) if told else tail(text, 8)


def _complete(folder: Path, known: dict, say: Say) -> list[Path]:
    """The API files of the workflows that have all their model files."""
    files = sorted((folder / "api").glob("*.json"))
    if not files:
        raise SetupError(f"No workflow in {folder / 'api'}: the clone is not whole.")
    complete = []
    for file in files:
        graph = json.loads((folder / file.name).read_text("utf-8"))
        if lacking := needed(graph, known):
            say(f"Left out: {file.stem}. It needs {'; '.join(map(str, lacking))}.")
        else:
            complete.append(file)
    return complete


def needed(graph: dict, known: dict) -> list[Needed]:
    """The model files that a workflow (in UI format) names and this ComfyUI does not offer."""
    lacking = []
    for node in graph["nodes"]:
        for model in node["properties"].get("models", ()):
            if model["name"] not in offered(known[node["type"]]):
                lacking.append(Needed(**model))
    return list(dict.fromkeys(lacking))


def jobs(files: Iterable[Path], portrait: dict) -> Iterator[Job]:
    """Every workflow with every portrait; one without a portrait node runs once.

    Where a workflow takes several portraits, the others are those that follow in the list.
    """
    name, choices = combo(portrait)
    for file in files:
        prompt = json.loads(file.read_text("utf-8"))
        places = [key for key, node in prompt.items() if node["class_type"] == PORTRAIT]
        for number, choice in enumerate(choices if places else [None]):
            job = copy.deepcopy(prompt)
            for further, key in enumerate(places):
                job[key]["inputs"][name] = choices[(number + further) % len(choices)]
            title = file.stem if choice is None else f"{file.stem} - {choice}"
            yield Job(re.sub(r'[<>:"/\\|?*]', "_", title), job)


def offered(node: dict) -> set[str]:
    """Every value that a choice of the node can take, as /object_info describes it."""
    inputs = node["input"].get("required", {}) | node["input"].get("optional", {})
    return {option for described in inputs.values() for option in _options(described)}


def combo(node: dict) -> tuple[str, list[str]]:
    """The node's one choice among names, as /object_info describes it: input and options."""
    for name, described in node["input"]["required"].items():
        if choices := _options(described):
            return name, choices
    raise SetupError(f"{node['name']} offers no portraits; its inputs are {node['input']}.")


def _options(described: list) -> list[str]:
    """The options of an input; older ComfyUI has them in the place of its type."""
    kind, *settings = described
    if isinstance(kind, list):
        return kind
    return settings[0].get("options", []) if kind == "COMBO" else []


def _contact_sheet(comfy: Comfy, pictures: list[Path], target: Path) -> Path:
    script = PACK / "likeness" / "sheet.py"
    made = subprocess.run(
        [comfy.python, str(script), str(target), *map(str, pictures)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        env=clean_environment(),
    )
    if made.returncode:
        raise SetupError(f"The contact sheet {target} was not made:\n{tail(made.stderr)}")
    return target
