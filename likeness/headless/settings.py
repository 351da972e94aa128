"""The settings of a prompt by the titles of its nodes: listed, found by name, set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from .values import as_value
from .widgets import DYNAMIC, UNSAVED, Widget, widgets

SPOKEN = ("text", "value", "prompt", "string", "number")  # what a node is about, where it has one
LONGEST = 60  # characters of a value that a list shows
FEW = 6  # choices that a list shows


class UnknownSetting(ValueError):
    """A name that no setting has, or several."""


@dataclass(frozen=True)
class Setting:
    node: str
    title: str
    widget: Widget
    value: object
    main: bool  # the title alone means it
    alone: bool  # no other node has this title

    @property
    def name(self) -> str:
        return f"{self.title if self.alone else self.node}.{self.widget.name}"

    def names(self) -> set[str]:
        """What it may be called, in small letters."""
        owners = (self.node.casefold(), self.title.casefold())
        full = {f"{owner}.{self.widget.name.casefold()}" for owner in owners}
        return full | set(owners) if self.main else full


def settings(prompt: Mapping[str, Mapping], known: Mapping) -> list[Setting]:
    """All values of a prompt that do not come from another node, in its order."""
    titles = [title_of(node) for node in prompt.values()]
    found = []
    for key, node in prompt.items():
        title, values = title_of(node), _values(node)
        shown = [
            each
            for each in _widgets(node, known)
            if each.name in values and each.kind not in UNSAVED
        ]
        main = obvious(shown, title)
        alone = titles.count(title) == 1
        for each in shown:
            value = values[each.name]
            found.append(Setting(key, title, each, value, each is main, alone))
    return found


def obvious(shown: list[Widget], title: str) -> Widget | None:
    """The one that a title alone means: the only one, the one it names, its file, its text ..."""
    if len(shown) == 1:
        return shown[0]
    words = title.casefold().split()
    namesake = [each for each in shown if each.name.casefold() in words]
    picture = [each for each in shown if each.takes_files]
    spoken = [each for each in shown if each.name in SPOKEN]
    model = [each for each in shown if each.name.endswith("_name") and each.choices]
    first = [each for each in shown[:1] if each.choices]
    kinds = (namesake, picture, spoken, model, first)
    return next((some[0] for some in kinds if len(some) == 1), None)


def set_value(prompt: dict, known: Mapping, name: str, text: str, upload) -> Setting:
    """Give a setting the value that a text names; `upload` takes a local file, as `as_value`."""
    setting = find(name, prompt, known)
    value = as_value(text, setting.widget, setting.name, upload)
    inputs = prompt[setting.node]["inputs"]
    if setting.widget.kind == DYNAMIC and value != setting.value:
        _drop(inputs, f"{setting.widget.name}.")
        inputs[setting.widget.name] = value
        described = known[prompt[setting.node]["class_type"]]
        for each in widgets(described, inputs):
            if each.name.startswith(f"{setting.widget.name}."):
                inputs[each.name] = each.default
    inputs[setting.widget.name] = {"__value__": value} if isinstance(value, list) else value
    return setting


def find(name: str, prompt: Mapping[str, Mapping], known: Mapping) -> Setting:
    wanted, everything = name.strip().casefold(), settings(prompt, known)
    found = [each for each in everything if wanted in each.names()]
    if len(found) == 1:
        return found[0]
    if found:
        told = ", ".join(f"{each.node}.{each.widget.name}" for each in found)
        raise UnknownSetting(f"several settings are called {name!r}: say one of {told}")
    raise UnknownSetting(_linked(wanted, name, prompt) or _unknown(wanted, name, everything))


def title_of(node: Mapping) -> str:
    return str((node.get("_meta") or {}).get("title") or node["class_type"])


def described(setting: Setting) -> str:
    """One line of --list."""
    title = setting.name.removesuffix(f".{setting.widget.name}")
    name = f"{title}[.{setting.widget.name}]" if setting.main else setting.name
    name += "" if setting.alone else f" of {setting.title}"
    return f"{name} = {_short(setting.value)}  ({_kind(setting.widget)})"


def _kind(widget: Widget) -> str:
    if widget.choices:
        few = ", ".join(
            f"'{each}'" if "," in str(each) else str(each) for each in widget.choices[:FEW]
        )
        more = len(widget.choices) - FEW
        told = f"one of {few}" + (f" and {more} more" if more > 0 else "")
        return told + (", or a picture file" if widget.takes_pictures else "")
    if widget.takes_files:
        return "a picture file" if widget.takes_pictures else "a file"
    words = {"INT": "whole number", "FLOAT": "number", "STRING": "text", "BOOLEAN": "true or false"}
    told = words.get(widget.kind, widget.kind)
    low, high = widget.facts.get("min"), widget.facts.get("max")
    if widget.kind in ("INT", "FLOAT") and low is not None and high is not None:
        told += f", {low} to {high}"
    return told


def _short(value: object) -> str:
    text = str(value).replace("\n", "\\n")
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _values(node: Mapping) -> dict[str, object]:
    """The inputs that hold a value; a list is wrapped, and a bare one is a link."""
    held = {k: v for k, v in node["inputs"].items() if not isinstance(v, list)}
    return {k: v["__value__"] if _is_wrapped(v) else v for k, v in held.items()}


def _is_wrapped(value: object) -> bool:
    return isinstance(value, dict) and "__value__" in value


def _widgets(node: Mapping, known: Mapping) -> Iterator[Widget]:
    """The server's, and what stands in the file beyond them."""
    values, seen = _values(node), set()
    for each in widgets(known.get(node["class_type"], {}), values):
        seen.add(each.name)
        yield each
    kinds = {bool: "BOOLEAN", int: "INT", float: "FLOAT", str: "STRING"}
    for name, value in values.items():
        if name not in seen and type(value) in kinds:
            yield Widget(name, kinds[type(value)])


def _drop(inputs: dict, beginning: str) -> None:
    for name in [name for name in inputs if name.startswith(beginning)]:
        del inputs[name]


def _linked(wanted: str, name: str, prompt: Mapping[str, Mapping]) -> str | None:
    for key, node in prompt.items():
        for each, value in node["inputs"].items():
            names = {f"{owner}.{each}".casefold() for owner in (key, title_of(node))}
            if isinstance(value, list) and wanted in names:
                source = title_of(prompt[value[0]]) if value[0] in prompt else value[0]
                return f"{name} comes from the node {source!r}: set that one"
    return None


def _unknown(wanted: str, name: str, everything: list[Setting]) -> str:
    of_node = [each.name for each in everything if wanted in (each.node, each.title.casefold())]
    if of_node:
        return f"{name!r} has several settings: say one of {', '.join(of_node)}"
    known = {called: each.name for each in everything for called in each.names()}
    near = dict.fromkeys(known[each] for each in get_close_matches(wanted, known, n=5, cutoff=0.5))
    near = near or dict.fromkeys(
        each.name for each in everything if wanted in each.title.casefold()
    )
    hint = f" Near to it: {', '.join(near)}." if near else ""
    return f"this workflow has no setting {name!r}.{hint} --list shows all of them"
