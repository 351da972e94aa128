"""From one description of a blueprint to its file: a subgraph that the page builds and saves.

A description is a module of blueprint_descriptions that holds a `BLUEPRINT`. After a change,
`python install.py test tests/test_blueprints.py --rewrite` writes the files anew.
"""

from __future__ import annotations

import importlib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import workflow_builder as builder
from workflow_builder import NAMESPACE, ROOT, Link, Node, Size

DESCRIPTIONS = ROOT / "tests" / "blueprint_descriptions"
SCRIPT = (ROOT / "tests" / "blueprint_builder.js").read_text("utf-8")
CATEGORY = "Likeness"  # below "Subgraph Blueprints", in the node library and the search
ENDS = {"inputNode": -10, "outputNode": -20}  # the numbers that the page gives them
END = 160  # pixels that they are wide
GAP = 100  # between them and the nodes
SLOT = 20  # pixels of one input or output


@dataclass(frozen=True)
class Outside:
    """Comes from outside, by this input of the blueprint."""

    name: str


@dataclass(frozen=True)
class Setting:
    """Is set outside, under this name; the value is the one to begin with."""

    name: str
    value: object


@dataclass(frozen=True)
class Blueprint:
    title: str
    description: str  # in the node library, and over the node
    nodes: tuple[Node, ...]  # whose inputs may be an `Outside` or a `Setting`, too
    order: tuple[str, ...]  # of inputs and settings on the one node outside
    outputs: Mapping[str, Link]
    size: Size

    @property
    def file(self) -> Path:
        return ROOT / "subgraphs" / f"{self.title}.json"

    @property
    def inputs(self) -> dict[str, list[tuple[int, str]]]:
        """Each input and setting in order, with the nodes and their inputs that it leads to."""
        leads = {name: [] for name in self.order}
        for node, name, value in self._open():
            leads[value.name].append((node.id, name))
        return leads

    @property
    def settings(self) -> dict[str, object]:
        """Each setting in order, with the value to begin with."""
        values = {v.name: v.value for _, _, v in self._open() if isinstance(v, Setting)}
        return {name: values[name] for name in self.order if name in values}

    def _open(self) -> Iterator[tuple[Node, str, Outside | Setting]]:
        for node in self.nodes:
            for name, value in node.inputs.items():
                if isinstance(value, (Outside, Setting)):
                    yield node, name, value


def blueprints() -> list[Blueprint]:
    names = sorted(path.stem for path in DESCRIPTIONS.glob("*.py"))
    return [importlib.import_module(f"blueprint_descriptions.{name}").BLUEPRINT for name in names]


def filled(blueprint: Blueprint, given: Mapping[str, object] = {}) -> tuple[Node, ...]:
    """The nodes inside with these inputs and settings; an input that is not given has no link."""
    values = blueprint.settings | dict(given)
    return tuple(
        replace(
            node,
            inputs={
                name: values[value.name] if isinstance(value, (Outside, Setting)) else value
                for name, value in node.inputs.items()
                if not isinstance(value, Outside) or value.name in values
            },
        )
        for node in blueprint.nodes
    )


def build(blueprint: Blueprint, editor) -> dict:
    """The blueprint as the page saves it, built in that page (a `page.Editor`)."""
    own = {
        "id": _id(blueprint),
        "name": blueprint.title,
        "description": blueprint.description,
        "nodes": [builder.described(node) for node in filled(blueprint)],
        "groups": [],
        "ends": _ends(blueprint),
        "inputs": [
            {"id": _id(blueprint, "input", name), "name": name, "leads": leads}
            for name, leads in blueprint.inputs.items()
        ],
        "outputs": [
            {"id": _id(blueprint, "output", name), "name": name, **asdict(link)}
            for name, link in blueprint.outputs.items()
        ],
        "outside": max(node.id for node in blueprint.nodes) + 1,
        "size": blueprint.size,
    }
    editor.clear(_id(blueprint, "graph"))
    script = f"async (blueprint) => ({SCRIPT})(blueprint, {builder.SCRIPT})"
    editor.load(editor.evaluate(script, own))  # what it opens, it saves the same again
    return finished(editor.save())


def finished(graph: dict) -> dict:
    """Settled, and with what only the node library reads: a graph that is open knows it not."""
    graph = builder.settled(graph)
    (inside,) = graph["definitions"]["subgraphs"]
    inside = inside | {"nodes": builder.unversioned(inside["nodes"]), "category": CATEGORY}
    return graph | {"definitions": {"subgraphs": [inside]}}


def _id(blueprint: Blueprint, *part: str) -> str:
    return str(uuid.uuid5(NAMESPACE, "/".join(("blueprint", blueprint.title, *part))))


def _ends(blueprint: Blueprint) -> dict:
    """Where the inputs and the outputs stand inside: left and right of the nodes."""
    top = min(node.at[1] for node in blueprint.nodes)
    left = min(node.at[0] for node in blueprint.nodes) - GAP - END
    right = max(node.at[0] + node.size[0] for node in blueprint.nodes) + GAP
    places = {"inputNode": (left, blueprint.order), "outputNode": (right, blueprint.outputs)}
    return {
        end: {"id": ENDS[end], "bounding": [at, top, END, SLOT * (len(slots) + 3)]}
        for end, (at, slots) in places.items()
    }
