"""The bundled workflows on the demo portraits, end to end, in a real ComfyUI."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..client import results, texts
from .demo_jobs import PORTRAIT, Pair, jobs
from .demo_models import Files, Recipe, recipe, write_standins
from .host import ready
from .place import PACK, Comfy, free_port
from .process import Say, SetupError, clean_environment, tail
from .server import Own, running

SWAPS, CONTACT = "swaps.jpg", "contact-sheet.jpg"
SHEETS = {SWAPS: "a sheet of swaps", CONTACT: "a contact sheet"}
JOB_LIMIT = 3600.0  # seconds for one picture: a large model takes its time without a GPU


@dataclass(frozen=True)
class Shown:
    """A picture that a job left."""

    path: Path
    recipe: Recipe
    pair: Pair | None = None


def demo(port: int | None, say: Say) -> int:
    """Run the bundled workflows on every demo portrait; pictures and contact sheets stay.

    For model files that are not there stand-ins serve, where there are such, and are said to;
    otherwise the workflow is left out, and said to be.
    """
    started = time.monotonic()
    free_port(port)  # a taken one is told before minutes are spent
    comfy = ready(say)
    output = _output()
    log = output / "demo-server.log"
    say("Starting ComfyUI ...")
    with running(comfy, free_port(port), log, say) as server:
        shown = _run_all(server, comfy, output, log, say)
    sheets = _sheets(comfy, shown, output)
    say("")
    for path in (*(each.path for each in shown), *sheets):
        say(str(path))
    told = ", ".join([f"{len(shown)} pictures", *(SHEETS[path.name] for path in sheets[:-1])])
    took = time.monotonic() - started
    say(f"{told} and {SHEETS[sheets[-1].name]} in {took:.1f} s.")
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


def _run_all(server: Own, comfy: Comfy, output: Path, log: Path, say: Say) -> list[Shown]:
    client = server.client
    known = client.object_info()
    if PORTRAIT not in known:
        raise SetupError(f"ComfyUI did not load the pack:\n{import_error(log)}\nIts log: {log}")
    recipes = recipes_of(PACK / "workflows", cache(client.models), say)
    write_standins(comfy, server.models, [name for each in recipes for name in each.standins])
    todo = list(jobs(recipes, known[PORTRAIT]))
    pictures: list[Shown] = []
    for number, job in enumerate(todo, 1):
        began = time.monotonic()
        entry = client.wait(client.queue(job.prompt), JOB_LIMIT)
        shown = results(entry)
        for place, image in enumerate(shown, 1):
            stem = job.title if len(shown) == 1 else f"{job.title} {place}"
            path = output / f"{stem}{Path(image['filename']).suffix}"
            path.write_bytes(client.view(image))
            pictures.append(Shown(path, job.recipe, job.pair))
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


def recipes_of(folder: Path, there: Files, say: Say) -> list[Recipe]:
    """The workflows in `folder` that can be run."""
    files = sorted((folder / "api").glob("*.json"))
    if not files:
        raise SetupError(f"No workflow in {folder / 'api'}: the clone is not whole.")
    runs = []
    for file in files:
        graph = json.loads((folder / file.name).read_text("utf-8"))
        found = recipe(file.stem, graph, json.loads(file.read_text("utf-8")), there)
        if isinstance(found, Recipe):
            runs.append(found)
            if found.told:
                say(f"{found.title}: {found.told}")
        else:
            needs = "; ".join(map(str, found))
            say(f"Left out: {file.stem}, which has no stand-ins here. It needs {needs}.")
    return runs


def _sheets(comfy: Comfy, shown: Sequence[Shown], output: Path) -> list[Path]:
    """One of the swaps, one of everything else, where there are any."""
    swaps = {each.pair: str(each.path) for each in shown if each.pair is not None}
    others = [each for each in shown if each.pair is None]
    names = list(dict.fromkeys(pair.target for pair in swaps))
    made = []
    if swaps:
        table = [swaps[Pair(person, target)] for target in names for person in names]
        arguments = ["--names", *names, "--pictures", *table]
        made.append(_drawn(comfy, "swap_sheet.py", output / SWAPS, arguments))
    if others:
        rows: dict[str, list[str]] = {}
        for each in others:
            told = ": ".join(filter(None, [each.recipe.title, each.recipe.told]))
            rows.setdefault(told, []).append(str(each.path))
        arguments = [word for told, row in rows.items() for word in ("--row", told, *row)]
        made.append(_drawn(comfy, "sheet.py", output / CONTACT, arguments))
    return made


def _drawn(comfy: Comfy, program: str, target: Path, arguments: Sequence[str]) -> Path:
    made = subprocess.run(
        [comfy.python, str(PACK / "likeness" / program), str(target), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        env=clean_environment(),
    )
    if made.returncode:
        raise SetupError(f"{SHEETS[target.name]}, {target}, was not made:\n{tail(made.stderr)}")
    return target
