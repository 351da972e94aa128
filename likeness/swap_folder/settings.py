"""How a folder is swapped, and what makes a result a broken one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum

import torch

from ..detect import Analyzer, Retry
from ..identity import Identity, People
from ..montage.montage import Montage
from ..parse import Parser
from ..swapping.covering import Covers
from ..swapping.swap import Settings as Swapping
from ..swapping.swapper import Swapper
from .choices import Form, Limits, Which

FINGERPRINT = 16  # hexadecimal digits


@dataclass(frozen=True)
class Settings:
    swapping: Swapping = field(default_factory=Swapping)
    limits: Limits = field(default_factory=Limits)
    which: Which = Which.LARGEST
    form: Form = Form.PNG
    threshold: float = 0.5  # how sure the analyzer must be of a face
    retry: Retry = Retry.ALL

    def __post_init__(self):
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold is {self.threshold:g}: choose above 0, up to 1")
        if self.swapping.covers is Covers.MASK:
            raise ValueError("a folder has no masks: choose 'box', 'landmarks' or 'parsed'")


def facts(
    people: People,
    swapper: Swapper | Montage,
    analyzer: Analyzer,
    settings: Settings,
    parser: Parser | None = None,
) -> dict[str, object]:
    """All that decides what the results are, by the names that a user knows; fit for JSON."""
    parsed = settings.swapping.covers is Covers.PARSED
    return {
        "person": [f"{person} ({fingerprint(person)})" for person in people],
        "swapper": swapper.name,
        "swapper size": getattr(swapper, "size", None),
        "space": getattr(swapper, "space", None),
        "analyzer": analyzer.name,
        "analyzer space": analyzer.space,
        "parser": parser.kind.name if parser is not None and parsed else None,
        **_flat(settings),
    }


def fingerprint(person: Identity) -> str:
    """Tells one person's data from another's."""
    found = hashlib.sha256(repr((person.space, person.photos)).encode())
    if person.embedding is not None:
        found.update(person.embedding.detach().cpu().float().numpy().tobytes())
    if person.portrait is not None:
        picture = person.portrait.image.detach().cpu().float()
        found.update((picture * 255).round().to(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:FINGERPRINT]


def _flat(value: object, name: str = "") -> Mapping[str, object]:
    if is_dataclass(value):
        inner = {}
        for each in fields(value):
            inner |= _flat(getattr(value, each.name), f"{name} {each.name}".strip())
        return inner
    name = name.removeprefix("swapping ")
    return {RENAMED.get(name, name): value.value if isinstance(value, Enum) else value}


RENAMED = {
    "which": "faces",
    "form": "format",
    "blend method": "blend",
    "limits similarity": "limits floor",
}
