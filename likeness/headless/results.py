"""What a prompt left, brought here: every file whole or not at all, and nothing written over."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from ..client import Client, ServerError, texts
from .settings import title_of

SAVED = "output"
UNFIT = re.compile(r'[<>:"|?*\x00-\x1f\x7f]')
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?$")  # names that Windows keeps
LONGEST = 150  # characters of a name


@dataclass(frozen=True)
class Left:
    """A file that a node saved or showed, as the history lists it."""

    node: str
    place: Mapping[str, str]  # filename, subfolder, type


def left(entry: Mapping, everything: bool) -> list[Left]:
    """What was saved; previews only where nothing was, or where everything is wanted."""
    found = list(_listed(entry))
    saved = [each for each in found if each.place["type"] == SAVED]
    return found if everything or not saved else saved


def fetch(client: Client, files: list[Left], folder: Path) -> dict[str, list[Path]]:
    """Download them into a folder; by node."""
    fetched: dict[str, list[Path]] = {}
    for each in files:
        try:
            content = client.view(dict(each.place))
        except ServerError as error:
            raise ServerError(
                f"The server lists {each.place['filename']} and does not hand it out: {error}. If "
                "it was removed there, change a setting: ComfyUI runs only what has changed."
            ) from error
        path = put(folder, safe(each.place["filename"]), content)
        fetched.setdefault(each.node, []).append(path)
    return fetched


def report(
    entry: Mapping, prompt: Mapping[str, Mapping], fetched: Mapping[str, list[Path]]
) -> list[dict]:
    """The outputs of a report: by node its title, class, files and text."""
    told = texts(entry)
    return [
        {
            "node": node,
            "title": title_of(prompt[node]) if node in prompt else node,
            "class": prompt[node]["class_type"] if node in prompt else "",
            "files": [str(path) for path in fetched.get(node, ())],
            "text": told.get(node, ""),
        }
        for node in entry["outputs"]
        if node in fetched or told.get(node)
    ]


def put(folder: Path, name: str, content: bytes) -> Path:
    """Write a file under this name, or with a number where it is taken."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}.{os.getpid()}.part"
    try:
        part.write_bytes(content)
        path = _free(folder, name)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def put_report(folder: Path, title: str, facts: Mapping) -> Path:
    text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    return put(folder, f"{safe(title)}.report.json", text.encode())


def safe(name: str) -> str:
    """A plain file name out of whatever a server calls a file."""
    plain = UNFIT.sub("_", PureWindowsPath(name).name).strip(". ")
    stem, dot, ending = plain.rpartition(".")
    if len(plain) > LONGEST:
        plain = (stem[: LONGEST - len(ending) - 1] + dot + ending)[:LONGEST]
    return f"_{plain}" if RESERVED.match(plain) or not plain else plain


def _free(folder: Path, name: str) -> Path:
    stem, dot, ending = name.partition(".") if name.endswith(".report.json") else _parted(name)
    path, number = folder / name, 1
    while path.exists() or path.is_symlink():
        number += 1
        path = folder / f"{stem}-{number}{dot}{ending}"
    return path


def _parted(name: str) -> tuple[str, str, str]:
    stem, dot, ending = name.rpartition(".")
    return (stem, dot, ending) if stem else (name, "", "")


def _listed(entry: Mapping) -> Iterator[Left]:
    """Every list of a node's output may name files: images, gifs, audio, video, text, ..."""
    for node, output in entry["outputs"].items():
        for listed in output.values() if isinstance(output, dict) else ():
            for each in listed if isinstance(listed, list) else ():
                if isinstance(each, dict) and isinstance(each.get("filename"), str):
                    place = {key: str(each.get(key) or "") for key in ("filename", "subfolder")}
                    yield Left(node, place | {"type": str(each.get("type") or SAVED)})
