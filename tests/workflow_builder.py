"""From one description of a workflow to its two files: the API's in Python, the page's by the page.

A description is a module of workflow_descriptions that holds a `WORKFLOW`. After a change,
`python install.py test tests/test_workflows.py --rewrite` writes the files anew.
"""

from __future__ import annotations

import importlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DESCRIPTIONS = ROOT / "tests" / "workflow_descriptions"
SCRIPT = (ROOT / "tests" / "workflow_builder.js").read_text("utf-8")
NAMESPACE = uuid.UUID("7c0c36c2-93b5-4b0c-9d5b-2f0b6a1f6d0e")

Place = tuple[int, int]  # x, y of the graph
Size = tuple[int, int]  # width, height, as the page has it


@dataclass(frozen=True)
class Link:
    """Comes from another node's output."""

    node: int
    output: int = 0


@dataclass(frozen=True)
class Node:
    id: int
    type: str
    title: str
    at: Place
    size: Size
    inputs: Mapping[str, object] = field(default_factory=dict)  # values, or a Link
    models: tuple[Mapping[str, str], ...] = ()  # name, url, directory: the page offers to fetch


@dataclass(frozen=True)
class Note:
    """Markdown on the canvas."""

    id: int
    text: str
    at: Place
    size: Size


@dataclass(frozen=True)
class Group:
    title: str
    at: Place
    size: Size
    colour: str = "#3f789e"


@dataclass(frozen=True)
class Workflow:
    title: str
    nodes: tuple[Node, ...]
    notes: tuple[Note, ...] = ()
    groups: tuple[Group, ...] = ()
    thumbnail_of: tuple[int, ...] = ()  # nodes whose pictures it shows side by side; else the last
    thumbnail_at: tuple[float, float] = (0.5, 0.5)  # which part, where a picture is no square
    # Inputs that differ for it, by node: random weights stand in for networks and show nothing.
    thumbnail_with: Mapping[int, Mapping[str, object]] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return ROOT / "workflows" / f"{self.title}.json"

    @property
    def api_file(self) -> Path:
        return ROOT / "workflows" / "api" / f"{self.title}.json"

    @property
    def thumbnail(self) -> Path:
        return self.file.with_suffix(".jpg")


def workflows() -> list[Workflow]:
    names = sorted(path.stem for path in DESCRIPTIONS.glob("*.py"))
    return [importlib.import_module(f"workflow_descriptions.{name}").WORKFLOW for name in names]


def api(workflow: Workflow) -> dict:
    """The graph as /prompt takes it."""
    return {str(node.id): sent(node) for node in workflow.nodes}


def leading_to(prompt: dict, nodes: list[str]) -> dict:
    """The part of a prompt in API format that these nodes need, themselves included."""
    links = (value for node in nodes for value in prompt[node]["inputs"].values())
    before = [value[0] for value in links if isinstance(value, list)]
    return {node: prompt[node] for node in nodes} | (leading_to(prompt, before) if before else {})


def build(workflow: Workflow, editor) -> dict:
    """The graph as the page saves it, built in that page (a `page.Editor`)."""
    graph = {
        "id": str(uuid.uuid5(NAMESPACE, workflow.title)),
        "nodes": [described(node) for node in workflow.nodes],
        "notes": [asdict(note) for note in workflow.notes],
        "groups": [asdict(group) for group in workflow.groups],
    }
    editor.clear(graph["id"])
    editor.load(editor.evaluate(SCRIPT, graph))  # what it opens, it saves the same again
    return settled(editor.save())


def settled(graph: dict) -> dict:
    """Without what varies from save to save: where one looked at it, with which versions."""
    extra = {k: v for k, v in graph["extra"].items() if k not in ("ds", "frontendVersion")}
    return graph | {"extra": extra, "nodes": unversioned(graph["nodes"])}


def unversioned(nodes: list[dict]) -> list[dict]:
    return [
        node | {"properties": {k: v for k, v in node["properties"].items() if k != "ver"}}
        for node in nodes
    ]


def text(graph: dict) -> str:
    return json.dumps(graph, indent=2, ensure_ascii=False) + "\n"


def sent(node: Node) -> dict:
    return {
        "inputs": {name: _sent(value) for name, value in node.inputs.items()},
        "class_type": node.type,
        "_meta": {"title": node.title},
    }


def _sent(value: object) -> object:
    """As the page sends it: a bare list would be a link, so that a value that is one is wrapped."""
    if isinstance(value, Link):
        return [str(value.node), value.output]
    return {"__value__": value} if isinstance(value, list) else value


def described(node: Node) -> dict:
    """For the script, which links nodes once all are there."""
    links = {k: asdict(v) for k, v in node.inputs.items() if isinstance(v, Link)}
    values = {k: v for k, v in node.inputs.items() if k not in links}
    plain = {"id": node.id, "type": node.type, "title": node.title, "at": node.at}
    return plain | {"size": node.size, "links": links, "values": values, "models": node.models}
