"""The bundled workflows on the demo portraits, end to end, in a real ComfyUI."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..client import Client, results, texts
from .host import ready
from .place import PACK, Comfy, free_port
from .process import Say, SetupError, clean_environment, tail
from .server import running

PORTRAIT = "LikenessDemoPortrait"


@dataclass(frozen=True)
class Job:
    title: str
    prompt: dict


def demo(port: int | None, say: Say) -> int:
    """Run every bundled workflow on every demo portrait; pictures and a contact sheet stay."""
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
    todo = list(jobs(PACK / "workflows" / "api", known[PORTRAIT]))
    if not todo:
        raise SetupError(f"No workflow in {PACK / 'workflows' / 'api'}: the clone is not whole.")
    pictures: list[Path] = []
    for number, job in enumerate(todo, 1):
        began = time.monotonic()
        entry = client.wait(client.queue(job.prompt))
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


def jobs(folder: Path, portrait: dict) -> Iterator[Job]:
    """Every workflow with every portrait; one without a portrait node runs once."""
    name, choices = combo(portrait)
    for file in sorted(folder.glob("*.json")):
        prompt = json.loads(file.read_text("utf-8"))
        places = [key for key, node in prompt.items() if node["class_type"] == PORTRAIT]
        for choice in choices if places else [None]:
            job = copy.deepcopy(prompt)
            for key in places:
                job[key]["inputs"][name] = choice
            title = file.stem if choice is None else f"{file.stem} - {choice}"
            yield Job(re.sub(r'[<>:"/\\|?*]', "_", title), job)


def combo(node: dict) -> tuple[str, list[str]]:
    """The node's one choice among names, as /object_info describes it: input and options."""
    for name, (kind, *settings) in node["input"]["required"].items():
        if kind == "COMBO":
            return name, settings[0]["options"]
        if isinstance(kind, list):
            return name, kind
    raise SetupError(f"{node['name']} offers no portraits; its inputs are {node['input']}.")


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
