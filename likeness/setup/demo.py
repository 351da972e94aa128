"""The bundled workflows on the demo portraits, end to end, in a real ComfyUI."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..client import Client, results, texts
from .host import ready
from .place import PACK, Comfy, free_port
from .process import Say, SetupError, clean_environment, tail
from .server import running

PORTRAIT, SWAP, SWAP_FOLDER = "LikenessDemoPortrait", "LikenessSwapFaces", "LikenessSwapFolder"
RESTORE = "LikenessRestoreFaces"
SWAPS, CONTACT = "swaps.jpg", "contact-sheet.jpg"
SHEETS = {SWAPS: "a sheet of swaps", CONTACT: "a contact sheet"}
JOB_LIMIT = 3600.0  # seconds for one picture: a large model takes its time without a GPU


Files = Callable[[str], Sequence[str]]  # the names of those in a folder of models


@dataclass(frozen=True)
class Pair:
    """Whose face goes onto which portrait; on their own it is the portrait itself."""

    person: str
    target: str


@dataclass(frozen=True)
class Job:
    title: str
    prompt: dict
    pair: Pair | None = None  # None: no swap between portraits


@dataclass(frozen=True)
class Shown:
    """A picture that a job left."""

    path: Path
    pair: Pair | None = None


@dataclass(frozen=True)
class Needed:
    """A model file that a workflow names."""

    name: str
    url: str
    directory: str  # below ComfyUI's models folder

    def __str__(self) -> str:
        return f"{self.name}, which belongs into models/{self.directory} ({self.url})"


def demo(port: int | None, say: Say) -> int:
    """Run the bundled workflows on every demo portrait; pictures and contact sheets stay.

    A workflow whose model files are not there is left out, and said to be.
    """
    started = time.monotonic()
    free_port(port)  # a taken one is told before minutes are spent
    comfy = ready(say)
    output = _output()
    log = output / "demo-server.log"
    say("Starting ComfyUI ...")
    with running(comfy, free_port(port), log, say) as client:
        shown = _run_all(client, output, log, say)
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


def _run_all(client: Client, output: Path, log: Path, say: Say) -> list[Shown]:
    known = client.object_info()
    if PORTRAIT not in known:
        raise SetupError(f"ComfyUI did not load the pack:\n{import_error(log)}\nIts log: {log}")
    complete = _complete(PACK / "workflows", client.models, say)
    todo = list(jobs(complete, known[PORTRAIT]))
    pictures: list[Shown] = []
    for number, job in enumerate(todo, 1):
        began = time.monotonic()
        entry = client.wait(client.queue(job.prompt), JOB_LIMIT)
        shown = results(entry)
        for place, image in enumerate(shown, 1):
            stem = job.title if len(shown) == 1 else f"{job.title} {place}"
            path = output / f"{stem}{Path(image['filename']).suffix}"
            path.write_bytes(client.view(image))
            pictures.append(Shown(path, job.pair))
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


def _complete(folder: Path, there: Files, say: Say) -> list[Path]:
    """The API files of the workflows that have all their model files."""
    files = sorted((folder / "api").glob("*.json"))
    if not files:
        raise SetupError(f"No workflow in {folder / 'api'}: the clone is not whole.")
    complete = []
    for file in files:
        graph = json.loads((folder / file.name).read_text("utf-8"))
        if lacking := needed(graph, there):
            say(f"Left out: {file.stem}. It needs {'; '.join(map(str, lacking))}.")
        else:
            complete.append(file)
    return complete


def needed(graph: dict, there: Files) -> list[Needed]:
    """The model files that a workflow (in UI format) names and this ComfyUI does not have.

    What a node offers does not tell: ours offer files that are not there.
    """
    named = [model for node in graph["nodes"] for model in node["properties"].get("models", ())]
    lacking = [Needed(**each) for each in named if each["name"] not in there(each["directory"])]
    return list(dict.fromkeys(lacking))


def jobs(files: Iterable[Path], portrait: dict) -> Iterator[Job]:
    """Every workflow with every portrait; one without a portrait node, or for a folder, runs once.

    Where a workflow takes several portraits, the others are those that follow in the list. One
    that swaps faces between two, and no more, runs for every ordered pair of them.
    """
    name, choices = combo(portrait)
    for file in files:
        prompt = json.loads(file.read_text("utf-8"))
        places = _of_class(prompt, PORTRAIT)
        swaps = _of_class(prompt, SWAP) and not _of_class(prompt, RESTORE)
        if len(places) == 2 and swaps:
            yield from _pairs(file.stem, prompt, name, choices)
            continue
        once = not places or _of_class(prompt, SWAP_FOLDER)
        for number, choice in enumerate([None] if once else choices):
            chosen = [choices[(number + further) % len(choices)] for further in range(len(places))]
            job = prompt if once else _with(prompt, name, dict(zip(places, chosen, strict=True)))
            yield Job(_file_name(file.stem if once else f"{file.stem} - {choice}"), job)


def _pairs(title: str, prompt: dict, name: str, choices: Sequence[str]) -> Iterator[Job]:
    """A target's jobs in a row: the server keeps what it found in it from one to the next."""
    target = _shown_to(prompt, _of_class(prompt, SWAP)[0], "image")
    (person,) = set(_of_class(prompt, PORTRAIT)) - {target}
    for onto in choices:
        for who in (onto, *(each for each in choices if each != onto)):
            job = _with(prompt, name, {target: onto, person: who})
            told = f"{title} - {who} on {onto}"
            if who == onto:
                job, told = _alone(job, target), f"Portrait - {onto}"
            yield Job(_file_name(told), job, Pair(who, onto))


def _shown_to(prompt: dict, node: str, name: str) -> str:
    """The portrait from which the input `name` of a node comes, however far up."""
    source = prompt[node]["inputs"][name][0]
    while prompt[source]["class_type"] != PORTRAIT:
        source = prompt[source]["inputs"]["image"][0]
    return source


def _alone(prompt: dict, portrait: str) -> dict:
    shown = {"class_type": "PreviewImage", "inputs": {"images": [portrait, 0]}}
    return {portrait: prompt[portrait], "shown": shown}


def _of_class(prompt: dict, class_type: str) -> list[str]:
    return [key for key, node in prompt.items() if node["class_type"] == class_type]


def _with(prompt: dict, name: str, values: dict[str, str]) -> dict:
    """The prompt with these values in the input `name` of nodes."""
    changed = copy.deepcopy(prompt)
    for key, value in values.items():
        changed[key]["inputs"][name] = value
    return changed


def _file_name(title: str) -> str:
    return re.sub(r'[<>:"/\\|?*]', "_", title)


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


def _sheets(comfy: Comfy, shown: Sequence[Shown], output: Path) -> list[Path]:
    """One of the swaps, one of everything else, where there are any."""
    swaps = {each.pair: str(each.path) for each in shown if each.pair is not None}
    others = [str(each.path) for each in shown if each.pair is None]
    names = list(dict.fromkeys(pair.target for pair in swaps))
    made = []
    if swaps:
        table = [swaps[Pair(person, target)] for target in names for person in names]
        arguments = ["--names", *names, "--pictures", *table]
        made.append(_drawn(comfy, "swap_sheet.py", output / SWAPS, arguments))
    if others:
        made.append(_drawn(comfy, "sheet.py", output / CONTACT, others))
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
