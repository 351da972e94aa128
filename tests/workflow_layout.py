"""Where the nodes of a large workflow stand: columns with a title, from left to right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pack.likeness.models import find
from workflow_builder import Group, Node

WIDTH, SHOWN, GAP, BESIDE = 290, 400, 65, 45  # of a node; below it; beside it
TOP, MARGIN = 75, 15  # of a group's edge
PAINT, GUIDE, MASK, SHOW = "#a1309b", "#3f7e4e", "#8A8", "#b58b2a"
HERE = (0, 0)  # until it is placed


@dataclass(frozen=True)
class Column:
    title: str
    nodes: tuple[Node, ...]
    colour: str = "#3f789e"
    width: int = WIDTH


class Numbers(dict):
    """Nodes by name: the first that is asked for is 1."""

    def __missing__(self, name: str) -> int:
        self[name] = len(self) + 1
        return self[name]


def placed(columns: Iterable[Column]) -> tuple[tuple[Node, ...], tuple[Group, ...]]:
    """The nodes where they stand, and the groups around them, all of one height."""
    nodes: list[Node] = []
    spans: list[tuple[Column, int]] = []
    x = lowest = 0
    for column in columns:
        y = 0
        for node in column.nodes:
            nodes.append(replace(node, at=(x, y)))
            y += node.size[1] + GAP
        spans.append((column, x))
        lowest = max(lowest, y - GAP)
        x += column.width + BESIDE
    groups = [
        Group(
            column.title,
            (left - MARGIN, -TOP),
            (column.width + 2 * MARGIN, lowest + TOP + MARGIN),
            column.colour,
        )
        for column, left in spans
    ]
    return tuple(nodes), tuple(groups)


def node(
    number: int, kind: str, title: str, height: int, inputs: dict, *models: str, width: int = WIDTH
) -> Node:
    return Node(number, kind, title, HERE, (width, height), inputs, tuple(map(file, models)))


def file(name: str) -> dict[str, str]:
    """What the page offers to fetch: a row of the table."""
    model = find(name)
    return {"name": model.file, "url": model.url or model.page, "directory": model.folder}
