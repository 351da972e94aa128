"""From the page's own format to the API's, as the page does it when it queues a graph."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from .graph import GraphError, Held, Node, Source, opened, overridden, reached, running
from .widgets import Widget, read, widgets

COMMENT = re.compile(r"/\*[\s\S]*?\*/|//.*")
BLOCK = re.compile(r"(?<!\\)\{((?:\\.|[^{}\\])*)\}")  # an innermost {one|another}
BRACE = re.compile(r"\\([{}|])")
CUSTOM_COMBO = "CustomCombo"  # its options are widgets that only the page knows of
EXPORT = "Export it from the page instead: Workflow > Export (API)."


def convert(saved: Mapping, known: Mapping[str, Mapping]) -> dict:
    """The prompt that a workflow in UI format stands for; `known` is the server's /object_info."""
    try:
        nodes = list(running(opened(saved)))
        if unknown := [node for node in nodes if node.type not in known]:
            told = ", ".join(
                f"{node.title or node.type} (node {node.id}, {node.type})" for node in unknown
            )
            raise GraphError(
                f"this server does not know {told}. Install the pack that brings it and restart "
                "ComfyUI"
            )
        prompt = {node.id: _sent(node, known[node.type]) for node in nodes}
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise GraphError(f"it is not a graph as ComfyUI saves it ({error!r}). {EXPORT}") from error
    except GraphError as error:
        raise GraphError(f"{error}. {EXPORT}") from error
    return {key: node | {"inputs": _kept(node["inputs"], prompt)} for key, node in prompt.items()}


def _sent(node: Node, described: Mapping) -> dict:
    saved = node.saved.get("widgets_values") or []
    values = read(described, saved) | overridden(node)
    shown = {each.name: each for each in widgets(described, values)}
    if node.type == CUSTOM_COMBO:
        values |= _custom(list(saved))
    inputs = {
        name: _wrapped(_said(value, shown.get(name)), shown.get(name))
        for name, value in values.items()
        if value is not None
    }
    for place, each in enumerate(node.inputs):
        source = reached(node, place) if each.get("link") is not None else None
        name = each["name"]
        if isinstance(source, Source):
            inputs[name] = [source.node, source.output]
        elif isinstance(source, Held):
            inputs[name] = _wrapped(source.value, shown.get(name))
    title = node.title or described.get("display_name") or node.type
    return {"inputs": inputs, "class_type": node.type, "_meta": {"title": title}}


def _custom(saved: list) -> dict[str, object]:
    choice, _, *options = saved or ["", 0]
    index = options.index(choice) if choice in options else -1
    return {"index": index} | {f"option{place}": each for place, each in enumerate(options, 1)}


def _kept(inputs: Mapping, prompt: Mapping) -> dict:
    """Without links to nodes that do not run."""
    return {
        name: value
        for name, value in inputs.items()
        if not (isinstance(value, list) and len(value) == 2 and value[0] not in prompt)
    }


def _wrapped(value: object, shown: Widget | None) -> object:
    """A bare list would be taken for a link."""
    if not isinstance(value, list):
        return value
    curve = {"__type__": "CURVE"} if shown is not None and shown.kind == "CURVE" else {}
    return curve | {"__value__": value}


def _said(value: object, shown: Widget | None) -> object:
    """A text for prompts without its comments, and with one of each {choice|of several}."""
    if not isinstance(value, str) or shown is None or not shown.facts.get("dynamicPrompts"):
        return value
    text = COMMENT.sub("", value)
    while found := BLOCK.search(text):
        option = random.choice(re.split(r"(?<!\\)\|", found[1]))
        text = text[: found.start()] + option + text[found.end() :]
    return BRACE.sub(r"\1", text)
