"""Which pictures a demo makes: every workflow with every portrait, swaps with every pair."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .demo_models import Recipe
from .process import SetupError

PORTRAIT, SWAP, SWAP_FOLDER = "LikenessLoadPortrait", "LikenessSwapFaces", "LikenessSwapFolder"
# What makes more of a swap: the sheet of swaps shows swaps.
FURTHER = ("LikenessRestoreFaces", "KSampler", "KSamplerAdvanced")


@dataclass(frozen=True)
class Pair:
    """Whose face goes onto which portrait; on their own it is the portrait itself."""

    person: str
    target: str


@dataclass(frozen=True)
class Job:
    title: str
    prompt: dict
    recipe: Recipe
    pair: Pair | None = None  # None: no swap between portraits


def jobs(recipes: Iterable[Recipe], portrait: dict) -> Iterator[Job]:
    """Every workflow with every portrait; one without a portrait node, or for a folder, runs once.

    Where a workflow takes several portraits, the others are those that follow in the list. One
    that swaps faces between two, and no more, runs for every ordered pair of them.
    """
    name, choices = combo(portrait)
    for recipe in recipes:
        places = _of_class(recipe.prompt, PORTRAIT)
        if len(places) == 2 and _of_class(recipe.prompt, SWAP) and not _goes_on(recipe.prompt):
            yield from _pairs(recipe, name, choices)
            continue
        once = not places or _of_class(recipe.prompt, SWAP_FOLDER)
        for number, choice in enumerate([None] if once else choices):
            chosen = [choices[(number + further) % len(choices)] for further in range(len(places))]
            shown = {} if once else dict(zip(places, chosen, strict=True))
            title = recipe.title if once else f"{recipe.title} - {choice}"
            yield Job(_file_name(title), _with(recipe.prompt, name, shown), recipe)


def _goes_on(prompt: dict) -> bool:
    return any(_of_class(prompt, further) for further in FURTHER)


def _pairs(recipe: Recipe, name: str, choices: Sequence[str]) -> Iterator[Job]:
    """A target's jobs in a row: the server keeps what it found in it from one to the next."""
    prompt = recipe.prompt
    target = _shown_to(prompt, _of_class(prompt, SWAP)[0], "image")
    (person,) = set(_of_class(prompt, PORTRAIT)) - {target}
    for onto in choices:
        for who in (onto, *(each for each in choices if each != onto)):
            job = _with(prompt, name, {target: onto, person: who})
            told = f"{recipe.title} - {who} on {onto}"
            if who == onto:
                job, told = _alone(job, target), f"Portrait - {onto}"
            yield Job(_file_name(told), job, recipe, Pair(who, onto))


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
