"""A graph as the page saves it (UI format), with its subgraphs laid open; what a link leads to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

MUTED, BYPASSED = 2, 4  # a node's mode; all others run
ENTRY = "-10"  # the id that stands for a subgraph's own inputs
ITSELF = "-1"  # how a list of proxies names the node that holds it
ANY = ("", "*", "0")
REROUTE, PRIMITIVE = "Reroute", "PrimitiveNode"
NOTES = ("Note", "MarkdownNote")


class GraphError(ValueError):
    """A graph that is not whole, or goes in a circle."""


@dataclass(frozen=True)
class Source:
    """An output of a node that runs."""

    node: str
    output: int


@dataclass(frozen=True)
class Held:
    """A value that a primitive node, or a subgraph's own setting, hands on."""

    value: object


@dataclass
class Node:
    id: str  # as the API names it: "3:7" for node 7 in the subgraph that node 3 is
    saved: Mapping
    graph: Graph
    inside: Graph | None = None  # of a subgraph's node

    @property
    def type(self) -> str:
        return str(self.saved["type"])

    @property
    def runs(self) -> bool:
        return self.saved.get("mode", 0) not in (MUTED, BYPASSED)

    @property
    def inputs(self) -> Sequence[Mapping]:
        return self.saved.get("inputs") or ()

    @property
    def title(self) -> str | None:
        return self.saved.get("title")

    def held(self) -> Sequence:
        values = self.saved.get("widgets_values")
        return values if isinstance(values, list) else ()


@dataclass
class Graph:
    """One level: the whole, or what is in one subgraph's node."""

    outer: Node | None = None
    definition: Mapping = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    links: dict[object, tuple[str, int, str, int]] = field(default_factory=dict)


def opened(saved: Mapping) -> Graph:
    """The graph of a workflow file, with every subgraph filled in where it is used."""
    known = {each["id"]: each for each in _definitions(saved)}
    return _level(saved, known, None, ())


def running(graph: Graph) -> Iterator[Node]:
    """The nodes that the server will have to run, subgraphs' own in their place."""
    order = sorted(graph.nodes.values(), key=lambda node: node.saved.get("order", 0))
    for node in order:
        if not node.runs or node.type in (REROUTE, PRIMITIVE, *NOTES):
            continue
        if node.inside is not None:
            yield from running(node.inside)
        else:
            yield node


def reached(node: Node, place: int) -> Source | Held | None:
    """What comes into an input, through all that only passes it on; None where nothing does."""
    return _into(node, place, frozenset())


def promoted(host: Node) -> dict[str, object]:
    """The settings that a subgraph's node holds itself, by the name of its input."""
    proxied = _proxied(host)
    if proxied is not None:
        return {name: value for (node, name), value in proxied.items() if node == ITSELF}
    inside = host.inside
    names = [
        each["name"]
        for each in inside.definition.get("inputs", ())
        if any(_is_widget(inside, link) for link in each.get("linkIds") or ())
    ]
    held = zip(names, host.held(), strict=False)
    return {name: value for name, value in held if value is not None}


def overridden(node: Node) -> dict[str, object]:
    """The values that the subgraph's node around this one holds in its place (ComfyUI of 2025)."""
    proxied = _proxied(node.graph.outer) if node.graph.outer is not None else None
    own = str(node.saved["id"])
    return {name: value for (owner, name), value in (proxied or {}).items() if owner == own}


def _proxied(host: Node) -> dict[tuple[str, str], object] | None:
    """By node and widget, where the file names the widgets so; None where it does not."""
    named = (host.saved.get("properties") or {}).get("proxyWidgets")
    if not named:
        return None
    held = zip(named, host.held(), strict=False)
    return {(str(each[0]), each[1]): value for each, value in held if value is not None}


def _definitions(saved: Mapping) -> Iterator[Mapping]:
    for each in (saved.get("definitions") or {}).get("subgraphs") or ():
        yield each
        yield from _definitions(each)


def _level(saved: Mapping, known: Mapping, outer: Node | None, above: tuple[str, ...]) -> Graph:
    graph = Graph(outer, saved)
    for link in saved.get("links") or ():
        number, *ends = _link(link)
        graph.links[number] = (str(ends[0]), int(ends[1]), str(ends[2]), int(ends[3]))
    for each in saved["nodes"]:
        path = f"{outer.id}:{each['id']}" if outer else str(each["id"])
        node = graph.nodes[str(each["id"])] = Node(path, each, graph)
        if node.type in above:
            raise GraphError(f"the subgraph {known[node.type].get('name')!r} contains itself")
        if node.type in known:
            node.inside = _level(known[node.type], known, node, (*above, node.type))
    return graph


def _link(link: Sequence | Mapping) -> tuple:
    if isinstance(link, Mapping):
        ends = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
        return tuple(link[end] for end in ends)
    return tuple(link[:5])


def _into(node: Node, place: int, seen: frozenset, kind: str = "") -> Source | Held | None:
    step = (node.id, "into", place)
    if step in seen:
        raise GraphError(f"links go in a circle at node {node.id} ({node.type})")
    seen |= {step}
    asked = node.inputs[place] if place < len(node.inputs) else {}
    link = node.graph.links.get(asked.get("link"))
    if link is None:
        return None
    origin, output = link[0], link[1]
    if origin == ENTRY and node.graph.outer is not None:
        return _from_outside(node.graph, output, seen)
    if (before := node.graph.nodes.get(origin)) is None:
        raise GraphError(f"node {node.id} ({node.type}) has a link from a node that is not there")
    return _out_of(before, output, kind or str(asked.get("type", "*")), seen)


def _from_outside(graph: Graph, place: int, seen: frozenset) -> Source | Held | None:
    """What the node of a subgraph gets for the subgraph's own input at `place`."""
    host, name = graph.outer, graph.definition["inputs"][place]["name"]
    at = next((i for i, each in enumerate(host.inputs) if each["name"] == name), None)
    if at is not None and host.inputs[at].get("link") is not None:
        return _into(host, at, seen)
    values = promoted(host)
    return Held(values[name]) if name in values else None


def _out_of(node: Node, place: int, kind: str, seen: frozenset) -> Source | Held | None:
    mode = node.saved.get("mode", 0)
    if mode == MUTED:
        return None
    if mode == BYPASSED:
        through = _bypass(node, place, kind)
        return None if through is None else _into(node, through, seen)
    if node.inside is not None:
        return _out_of_subgraph(node, place, kind, seen)
    if node.type == REROUTE:
        return _into(node, 0, seen, kind)
    if node.type == PRIMITIVE:
        held = node.held()
        return Held(held[0]) if held else None
    return Source(node.id, place)


def _out_of_subgraph(host: Node, place: int, kind: str, seen: frozenset) -> Source | Held | None:
    inside = host.inside
    links = inside.definition["outputs"][place].get("linkIds") or ()
    link = next((inside.links[each] for each in links if each in inside.links), None)
    if link is None:
        return None
    if link[0] == ENTRY:
        return _from_outside(inside, link[1], seen)
    return _out_of(inside.nodes[link[0]], link[1], kind, seen)


def _bypass(node: Node, place: int, kind: str) -> int | None:
    """The input that a bypassed node hands on at this output: the same place if it fits."""
    inputs = node.inputs
    if kind in ANY:
        return place if place < len(inputs) else 0
    given = str(node.saved["outputs"][place].get("type", "*"))

    def fits(asked: str) -> bool:
        return _joins(asked, given) and _joins(asked, kind)

    types = [str(each.get("type", "*")) for each in inputs]
    if place < len(types) and fits(types[place]):
        return place
    same = [at for at, each in enumerate(types) if each == kind]
    return next(iter(same or [at for at, each in enumerate(types) if fits(each)]), None)


def _joins(one: str, other: str) -> bool:
    """Whether a link may join two types; each may be a list with commas."""
    if one in ANY or other in ANY:
        return True
    return bool(set(one.lower().split(",")) & set(other.lower().split(",")))


def _is_widget(inside: Graph, number: object) -> bool:
    """Whether a link from a subgraph's input ends at a setting rather than a socket."""
    if (link := inside.links.get(number)) is None or (node := inside.nodes.get(link[2])) is None:
        return False
    asked = next((each for each in node.inputs if each.get("link") == number), {})
    return "widget" in asked
