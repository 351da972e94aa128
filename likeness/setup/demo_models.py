"""What a demo does where model files are not there: stand-ins, said to be, or nothing at all."""

from __future__ import annotations

import copy
import os
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..models import UnknownModel, find
from .place import PACK, Comfy
from .process import SetupError, clean_environment, tail
from .standins.table import APART, FAMILY, MAKERS

Files = Callable[[str], Sequence[str]]  # the names of those in a folder of models

KINDS = {
    "checkpoints": "checkpoint",
    "controlnet": "ControlNets",
    "loras": "LoRA",
    "embeddings": "embeddings",
    "detection": "soft edge network",
    "geometry_estimation": "depth network",
    "facedetection": "face parser",
    "wd14_tagger": "tagger",
}
LORA, EMBEDDINGS = "LoraLoader", "LikenessAddEmbeddings"
STRENGTH, MASK = "LikenessExactStrength", "LikenessFaceMask"
WHOLE, FACE = "whole picture", "face and forehead"
LEFT_OUT = ("loras", "embeddings")  # what a real checkpoint does without
STEPS, SIDE, MEGAPIXELS = 3, 256, 0.1  # at most, with a checkpoint that stands in
QUICKER = f"{STEPS} steps, small, the face alone, since nothing is learned from more"
COUNTING = "as KSampler"  # a strength in few steps is then the noise that it is in many


@dataclass(frozen=True)
class Needed:
    """A model file that a workflow names."""

    name: str
    url: str  # empty: the user's own
    directory: str  # below ComfyUI's models folder

    def __str__(self) -> str:
        source = self.url or "your own"
        return f"{self.name}, which belongs into models/{self.directory} ({source})"

    @property
    def place(self) -> str:
        return f"{self.directory}/{self.name}"


@dataclass(frozen=True)
class Recipe:
    """A workflow as it is run, and what is said of it; empty where all its files are there."""

    title: str
    prompt: dict
    told: str = ""
    standins: tuple[str, ...] = ()  # names in the table of stand-ins


def named(graph: dict, prompt: dict) -> list[Needed]:
    """The model files that a workflow (in both formats) names, the user's own LoRA with them."""
    files = [model for node in graph["nodes"] for model in node["properties"].get("models", ())]
    loras = [node["inputs"]["lora_name"] for node in prompt.values() if _is(node, LORA)]
    own = [Needed(name, "", "loras") for name in loras]
    return list(dict.fromkeys([*(Needed(**each) for each in files), *own]))


def recipe(title: str, graph: dict, prompt: dict, there: Files) -> Recipe | list[Needed]:
    """How a workflow runs with the files that are there; where it does not, what it lacks.

    What a node offers does not tell what is there: ours offer files that are not.
    """
    files = named(graph, prompt)
    lacking = [each for each in files if each.name not in there(each.directory)]
    if not lacking:
        return Recipe(title, prompt)
    # Real and random weights of different shape do not fit together: it is all or nothing.
    apart = any(each.directory in FAMILY and each.directory != "loras" for each in lacking)
    without = [] if apart else [each for each in lacking if each.directory in LEFT_OUT]
    made = [each for each in lacking if each not in without]
    made += [each for each in files if apart and each.directory in FAMILY and each not in made]
    made = [each for each in made if not _beside(each, made)]
    if any(each.place not in MAKERS for each in made):
        return lacking
    prompt = quicker(_apart(prompt, made)) if apart else leave_out(prompt, without)
    told = ". ".join(
        filter(None, [_stand_in(made, apart), _missing(without), _real(title, lacking)])
    )
    return Recipe(title, prompt, told + ".", tuple(each.place for each in made))


def _beside(file: Needed, made: Iterable[Needed]) -> bool:
    """Whether it is the list of a network that is made, and comes with it."""
    network = Path(file.name).with_suffix(".onnx").name
    return file.name.endswith(".csv") and network in [each.name for each in made]


def _apart(prompt: dict, made: Iterable[Needed]) -> dict:
    """The prompt with the stand-ins of a family in the place of its files."""
    moved = {each.name: os.path.join(APART, each.name) for each in made if each.directory in FAMILY}
    changed = copy.deepcopy(prompt)
    for node in changed.values():
        for key, value in node["inputs"].items():
            if isinstance(value, str) and value in moved:
                node["inputs"][key] = moved[value]
    return changed


def quicker(prompt: dict) -> dict:
    """The prompt with few steps, and small crops, of the face alone."""
    limits = {"steps": STEPS, "target.width": SIDE, "target.height": SIDE}
    limits |= {"target.megapixels": MEGAPIXELS}
    changed = copy.deepcopy(prompt)
    for node in changed.values():
        for key, value in node["inputs"].items():
            if key in limits and isinstance(value, int | float):
                node["inputs"][key] = min(value, limits[key])
        if _is(node, STRENGTH):
            node["inputs"]["counting"] = COUNTING
        if _is(node, MASK) and node["inputs"]["region"] == WHOLE:
            node["inputs"]["region"] = FACE
    return changed


def leave_out(prompt: dict, files: Sequence[Needed]) -> dict:
    """The prompt without these LoRAs and embeddings."""
    names = {each.name for each in files}
    changed = copy.deepcopy(prompt)
    for key, node in prompt.items():
        if _is(node, LORA) and node["inputs"]["lora_name"] in names:
            past = [changed[key]["inputs"][way] for way in ("model", "clip")]
            del changed[key]
            for other in changed.values():
                for way, value in other["inputs"].items():
                    if isinstance(value, list) and value[:1] == [key]:
                        other["inputs"][way] = past[value[1]]
        elif _is(node, EMBEDDINGS) and any(each.directory == "embeddings" for each in files):
            changed[key]["inputs"]["missing"] = "leave out"
    return changed


def _is(node: dict, class_type: str) -> bool:
    return node["class_type"] == class_type


def _stand_in(made: Sequence[Needed], apart: bool) -> str:
    kinds = [kind for folder, kind in KINDS.items() if folder in [each.directory for each in made]]
    told = f"stand-ins (random weights): {', '.join(kinds)}" if made else ""
    return f"{told}. {QUICKER[0].upper()}{QUICKER[1:]}" if apart else told


def _missing(without: Sequence[Needed]) -> str:
    return f"Without {', '.join(each.name for each in without)}" if without else ""


def _real(title: str, lacking: Sequence[Needed]) -> str:
    """How to get what is not there."""
    fetched = [each for each in lacking if _in_table(each)]
    own = [each for each in lacking if not each.url]
    others = [each for each in lacking if each not in fetched and each not in own]
    told = []
    if fetched:
        command = f'python install.py models "{title}"'
        if len(fetched) == 1:
            command = f"python install.py models {fetched[0].name}"
        told.append(f"{command} ({', '.join(each.name for each in fetched)})")
    told += [f"{each.name} from {each.url}" for each in others]
    told += [f"{each.name} is your own, in models/{each.directory}" for each in own]
    return f"For the real thing: {'; '.join(told)}"


def _in_table(file: Needed) -> bool:
    try:
        return find(file.name).url is not None
    except UnknownModel:
        return False


def write_standins(comfy: Comfy, models: Path, names: Iterable[str]) -> None:
    """Write the stand-ins of these names into a folder of models, in ComfyUI's own Python."""
    if not (wanted := sorted(set(names))):
        return
    made = subprocess.run(
        [comfy.python, "-m", "likeness.setup.standins", str(models), *wanted],
        cwd=PACK,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        env=clean_environment(),
    )
    if made.returncode:
        raise SetupError(f"The stand-ins {', '.join(wanted)} were not made:\n{tail(made.stderr)}")
