"""Files that a prompt names and the server does not have, with the words that cure it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from .. import models
from .settings import FEW, Setting, settings
from .values import matching
from .widgets import CHOICE

ENDINGS = (".safetensors", ".sft", ".ckpt", ".pth", ".pt", ".bin", ".onnx", ".gguf")
EMBEDDING = re.compile(r"\bembedding:([^\s,:()\[\]{}|]+)")
SERVERS = Path("models")  # of the server, wherever it is


@dataclass(frozen=True)
class Absent:
    setting: Setting
    name: str
    told: str

    def __str__(self) -> str:
        return f"{self.setting.title} (node {self.setting.node}): {self.told}"


def aligned(prompt: dict, known: Mapping) -> None:
    """Names of model files as this server writes them: folders are parted by / or by \\."""
    for setting in settings(prompt, known):
        widget, value = setting.widget, setting.value
        if widget.kind != CHOICE or not isinstance(value, str) or value in widget.choices:
            continue
        if ("/" in value or "\\" in value) and isinstance(matching(value, widget.choices), str):
            prompt[setting.node]["inputs"][widget.name] = matching(value, widget.choices)


def absent_models(prompt: Mapping, known: Mapping) -> Iterator[Absent]:
    """Model files that are none of the choices which the server has for them."""
    for setting in settings(prompt, known):
        value, widget = setting.value, setting.widget
        if widget.kind != CHOICE or widget.takes_files or value in widget.choices:
            continue
        if isinstance(value, str) and value.lower().endswith(ENDINGS):
            told = f"{widget.name} is {value}. {_help(value)}"
            yield Absent(setting, value, told + _instead(setting))


def absent_embeddings(
    prompt: Mapping, known: Mapping, server: Callable[[], list[str]]
) -> Iterator[Absent]:
    """Embeddings that a text names; ComfyUI would leave the words out and only log it."""
    texts = [each for each in settings(prompt, known) if isinstance(each.value, str)]
    naming = [(each, names) for each in texts if (names := EMBEDDING.findall(each.value))]
    there = server() if naming else []
    plain = {each.replace("\\", "/") for each in there}
    for setting, names in naming:
        for name in dict.fromkeys(names):
            bare = PurePosixPath(name.replace("\\", "/"))
            bare = bare.with_suffix("") if bare.suffix in ENDINGS else bare
            if str(bare) not in plain:
                told = f"{setting.widget.name} names embedding:{name}. {_help(str(bare))}"
                yield Absent(setting, name, told + _near(str(bare), there))


def _instead(setting: Setting) -> str:
    """How to name another one, such as one's own LoRA; those of a like name come first."""
    there = [str(each) for each in setting.widget.choices]
    if not there:
        return " The server has none of its kind: put one there, into the folder for them."
    first = get_close_matches(_plain(str(setting.value)), there, n=3, cutoff=0.6)
    few = [*first, *(each for each in there if each not in first)][:FEW]
    more = ", ..." if len(there) > FEW else ""
    return f' Another one: --set "{setting.name}=FILE" with one of {", ".join(few)}{more}.'


def _near(name: str, there: list[str]) -> str:
    near = get_close_matches(_plain(name), there, n=3, cutoff=0.6)
    return f" Near to it on the server: {', '.join(near)}." if near else ""


def _help(name: str) -> str:
    try:
        row = models.find(_plain(name))
    except models.UnknownModel:
        return "The server has no such file."
    return models.missing(row, models.folder(row, SERVERS))


def _plain(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name
