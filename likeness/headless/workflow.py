"""Which workflow is meant: a bundled one by its title, or a file of one's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from .convert import convert

BUNDLED = Path(__file__).resolve().parents[2] / "workflows" / "api"


class UnknownWorkflow(ValueError):
    """No such workflow, or one that cannot be read."""


@dataclass(frozen=True)
class Workflow:
    title: str
    file: Path
    saved: Mapping

    def prompt(self, known: Mapping) -> dict:
        """In API format, for a server whose /object_info is `known`."""
        try:
            return convert(self.saved, known) if "nodes" in self.saved else dict(self.saved)
        except ValueError as error:
            raise UnknownWorkflow(f"{self.file}: {error}") from error


def titles() -> list[str]:
    return sorted(path.stem for path in BUNDLED.glob("*.json"))


def find(name: str) -> Workflow:
    """A bundled workflow by its title or the beginning of it, or the file of that name."""
    if (title := _titled(name)) is not None:
        return _read(BUNDLED / f"{title}.json")
    path = Path(name).expanduser()
    if path.is_file():
        return _read(path)
    if path.suffix.lower() == ".json" or len(path.parts) > 1:
        raise UnknownWorkflow(f"there is no file {path}")
    raise UnknownWorkflow(_unknown(name))


def _titled(name: str) -> str | None:
    wanted, known = _plain(name), titles()
    for fits in (str.__eq__, str.startswith):
        found = [title for title in known if wanted and fits(_plain(title), wanted)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UnknownWorkflow(f"{name!r} may be {' or '.join(map(repr, found))}: say which")
    return None


def _plain(title: str) -> str:
    return " ".join(title.casefold().replace(",", " ").replace("_", " ").split())


def _unknown(name: str) -> str:
    known = {_plain(title): title for title in titles()}
    near = [known[each] for each in get_close_matches(_plain(name), known, n=3, cutoff=0.5)]
    near = near or [title for title in known.values() if _plain(name) in _plain(title)]
    hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    listed = "".join(f"\n  {title}" for title in known.values())
    told = f"{name!r} is no bundled workflow, and there is no such file."
    return f"{told} {hint}The bundled ones:{listed}"


def _read(file: Path) -> Workflow:
    try:
        saved = json.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise UnknownWorkflow(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UnknownWorkflow(f"{file} is not JSON: {error}") from error
    if isinstance(saved, dict) and isinstance(saved.get("prompt"), dict):
        saved = saved["prompt"]  # what is posted to the server
    checks: tuple[Callable[[dict], bool], ...] = (_is_graph, _is_prompt)
    if not isinstance(saved, dict) or not any(check(saved) for check in checks):
        raise UnknownWorkflow(f"{file} is no workflow of ComfyUI, in neither of its formats")
    return Workflow(file.stem, file, saved)


def _is_graph(saved: dict) -> bool:
    return isinstance(saved.get("nodes"), list)


def _is_prompt(saved: dict) -> bool:
    nodes = saved.values()
    return bool(nodes) and all(
        isinstance(node, dict)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), dict)
        for node in nodes
    )
