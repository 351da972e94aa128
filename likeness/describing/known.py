"""Describers: which are known, where each is published, and where folders with one are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CONFIG = "config.json"


@dataclass(frozen=True)
class Source:
    repository: str
    licence: str
    about: str


KNOWN: Mapping[str, Source] = {
    "blip-vqa-base": Source("Salesforce/blip-vqa-base", "BSD-3-Clause", "BLIP, 1.5 GB"),
    "vilt-b32-finetuned-vqa": Source(
        "dandelin/vilt-b32-finetuned-vqa", "Apache-2.0", "ViLT, 0.5 GB"
    ),
}


def folders(places: Sequence[Path]) -> dict[str, Path]:
    """The folders in `places` that could hold a describer, by name; the first of a name counts."""
    found: dict[str, Path] = {}
    for place in places:
        for config in sorted(place.glob(f"*/{CONFIG}")):
            found.setdefault(config.parent.name, config.parent)
    return found


def missing(name: str, place: Path) -> str:
    """What to tell someone whose describer is not in the folder `place`."""
    return f"{name} is not in {place}. {cure(place / name)}"


def cure(folder: Path) -> str:
    """The commands, that of the describer of this name alone where there is one."""
    known = {folder.name: KNOWN[folder.name]} if folder.name in KNOWN else KNOWN
    return "Run " + ", or ".join(
        f"'hf download {source.repository} --local-dir \"{folder.parent / name}\"' "
        f"({source.about}; licence: {source.licence})"
        for name, source in known.items()
    )
