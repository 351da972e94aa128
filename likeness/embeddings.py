"""Embeddings by name in a prompt: written so that ComfyUI finds the files, and looked for first."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path, PurePosixPath

from . import models
from .models import MODELS, Task
from .report import counted, shortened

MARK = "embedding:"  # ComfyUI's
IMPLIED = (".safetensors", ".pt", ".bin")  # endings that it tries where a name has none
UNREADABLE = re.compile(r"[\s<\[]")  # where it takes the name for ended


class Missing(Enum):
    STOP = "stop"
    LEAVE_OUT = "leave out"


@dataclass(frozen=True)
class Embedding:
    name: str
    weight: float = 1.0

    def __str__(self) -> str:
        return self.name if self.weight == 1 else f"{self.name} at {self.weight:g}"


@dataclass(frozen=True)
class Written:
    """A prompt with its embeddings."""

    text: str
    embeddings: tuple[Embedding, ...]  # as they stand in it
    left_out: tuple[str, ...]  # why, of each that does not


def write(
    prompt: str, names: str, there: Sequence[str], folder: Path, missing: Missing = Missing.STOP
) -> Written:
    """The prompt with the embeddings `names`, such as "badhandv4:0.8, EasyNegative", before it.

    `there` are the files in `folder`, relative to it. One that is not there is an error that says
    how to get it, or is left out.
    """
    found: dict[str, Embedding] = {}
    left_out = []
    for wanted in listed(names):
        file = located(wanted.name, there)
        if file is not None:
            found.setdefault(file, Embedding(_readable(file), wanted.weight))
            continue
        told = _absent(wanted.name, there, folder)
        if missing is Missing.STOP:
            raise FileNotFoundError(told)
        left_out.append(told)
    parts = [_marked(each) for each in found.values()]
    parts += [prompt] if prompt.strip() else []
    return Written(", ".join(parts), tuple(found.values()), tuple(left_out))


def listed(names: str) -> tuple[Embedding, ...]:
    """What a text names, with commas or in lines; also as it stands in a prompt."""
    parts = (part.strip() for part in re.split("[,\n]", names))
    return tuple(_parsed(part) for part in parts if part)


def located(name: str, there: Sequence[str]) -> str | None:
    """The file by that name, as ComfyUI has to be told of it: '/' between folders.

    By its whole name, else without the ending, else in any sub-folder; lower and upper case are
    told apart only where that decides.
    """
    wanted = name.replace("\\", "/")
    files = {file.replace("\\", "/"): None for file in there}
    ways = (str, _bare, lambda file: PurePosixPath(file).name, lambda file: _bare(_last(file)))
    for folded in (str, str.lower):
        for way in ways:
            for file in sorted(files):
                if folded(way(file)) == folded(wanted):
                    return _bare(file) if _bare(wanted) == wanted else file
    return None


def describe(written: Written) -> str:
    """Which embeddings stand in the prompt, and which do not, and why."""
    count = counted(len(written.embeddings), "embedding")
    names = ", ".join(map(str, written.embeddings))
    lines = [f"{count} written: {names}" if names else "no embedding: the prompt is as it came"]
    return shortened([*lines, *(f"left out: {told}" for told in written.left_out)])


def _parsed(part: str) -> Embedding:
    bare = part[1:-1].strip() if part.startswith("(") and part.endswith(")") else part
    name, colon, weight = bare.removeprefix(MARK).strip().rpartition(":")
    if not colon:
        name, weight = weight, "1"
    try:
        number = float(weight)
    except ValueError:
        number = math.nan
    if not name.strip() or not math.isfinite(number):
        raise ValueError(
            f"{part[:80]!r} is not a name with a weight: write it as in 'badhandv4:0.8', with "
            "commas between embeddings"
        )
    return Embedding(name.strip(), number)


def _readable(file: str) -> str:
    if UNREADABLE.search(file):
        raise ValueError(
            f"{file!r} has a character in its name at which ComfyUI takes an embedding's name for "
            "ended (a space, '<' or '['): give the file, or its folder, a name without it"
        )
    return file


def _marked(embedding: Embedding) -> str:
    name = re.sub(r"([()])", r"\\\1", embedding.name)
    return f"{MARK}{name}" if embedding.weight == 1 else f"({MARK}{name}:{embedding.weight:g})"


def _absent(name: str, there: Sequence[str], folder: Path) -> str:
    rows = [model for model in MODELS if model.task is Task.EMBEDDING]
    for model in rows:
        if name.lower() in (model.file.lower(), _bare(model.file).lower()):
            return models.missing(model, folder)
    known = {_bare(_last(file)).lower(): _bare(file) for file in there}
    known |= {_bare(model.file).lower(): _bare(model.file) for model in rows}
    near = get_close_matches(_bare(_last(name)).lower(), known, n=3, cutoff=0.5)
    hint = f" Near to it: {', '.join(known[key] for key in near)}." if near else ""
    return (
        f"{name[:80]} is not in {folder}: save the file there, or choose among those that are "
        f"there.{hint}"
    )


def _last(file: str) -> str:
    return PurePosixPath(file.replace("\\", "/")).name


def _bare(file: str) -> str:
    """Without an ending that ComfyUI tries by itself."""
    return next((file[: -len(end)] for end in IMPLIED if file.lower().endswith(end)), file)
