"""What ComfyUI's page shows as the settings of a node, in its order, from /object_info."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

CHOICE, DYNAMIC = "COMBO", "COMFY_DYNAMICCOMBO_V3"
PLAIN = {"INT": 0, "FLOAT": 0, "STRING": "", "BOOLEAN": False}
DRAWN = (
    "COLOR",
    "COLORS",
    "BOUNDING_BOXES",
    "CURVE",
    "RANGE",
    "IMAGEUPLOAD",
    "AUDIO_UI",
    "PAINTER",
)
UNSAVED = {"IMAGECOMPARE": ["", ""]}  # sent all the same
EDITED_BOX = "BOUNDING_BOX"  # a socket, or with "socketless" a widget with four numbers beside it
UPLOADS = ("image_upload", "video_upload", "animated_image_upload", "audio_upload", "file_upload")
SEEDS = ("seed", "noise_seed")
SECTIONS = ("required", "optional")
MISSING = object()


@dataclass(frozen=True)
class Widget:
    """An input of a node that holds a value of its own where no link leads to it."""

    name: str  # as the API names it: "target.width" where the choice "target" brought it
    kind: str  # INT, FLOAT, STRING, BOOLEAN, COMBO, COMFY_DYNAMICCOMBO_V3, ...
    facts: Mapping[str, object] = field(default_factory=dict)
    choices: tuple[object, ...] = ()

    @property
    def default(self) -> object:
        if "default" in self.facts:
            return self.facts["default"]
        if self.choices:
            return self.choices[0]
        return (PLAIN | UNSAVED).get(self.kind)

    @property
    def takes_pictures(self) -> bool:
        return bool(self.facts.get("image_upload"))

    @property
    def takes_files(self) -> bool:
        return any(self.facts.get(name) for name in UPLOADS)


def inputs(described: Mapping) -> Iterator[tuple[str, list]]:
    """The inputs of a node, or of a choice's option, in the page's order."""
    sections = described.get("input", described.get("inputs", {}))
    order = described.get("input_order", {})
    for section in SECTIONS:
        there = sections.get(section) or {}
        first = [name for name in order.get(section, ()) if name in there]
        for name in dict.fromkeys([*first, *there]):
            yield name, there[name]


def widget(name: str, spec: Sequence) -> Widget | None:
    """The widget that the page makes of an input; None for a socket."""
    kind, facts = spec[0], spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
    if isinstance(kind, list):  # how older nodes name their choices
        return Widget(name, CHOICE, facts, tuple(kind))
    kind = facts.get("widgetType", kind)
    if facts.get("forceInput"):
        return None
    if kind == CHOICE:
        return Widget(name, kind, facts, tuple(facts.get("options") or ()))
    if kind == DYNAMIC:
        return Widget(name, kind, facts, tuple(option["key"] for option in facts["options"]))
    if kind in (*PLAIN, *DRAWN, *UNSAVED) or (kind == EDITED_BOX and facts.get("socketless")):
        return Widget(name, kind, facts)
    return None


def widgets(described: Mapping, chosen: Mapping[str, object], above: str = "") -> Iterator[Widget]:
    """The widgets of a node whose values are `chosen`; those of an option follow the choice."""
    for name, spec in inputs(described):
        if (found := widget(above + name, spec)) is None:
            continue
        yield found
        if found.kind == DYNAMIC:
            option = _option(found, chosen.get(found.name, found.default))
            yield from widgets(option, chosen, f"{found.name}.")


def read(described: Mapping, saved: Sequence | Mapping) -> dict[str, object]:
    """The values of a node's widgets as the page saved them: by name, or one after another."""
    if isinstance(saved, Mapping):
        chosen = {name: value for name, value in saved.items() if name != "videopreview"}
        return {
            each.name: chosen.get(each.name, each.default) for each in widgets(described, chosen)
        }
    return dict(_in_turn(described, list(saved)))


def _in_turn(described: Mapping, left: list, above: str = "") -> Iterator[tuple[str, object]]:
    for name, spec in inputs(described):
        if (found := widget(above + name, spec)) is None:
            continue
        value = left.pop(0) if left and found.kind not in UNSAVED else found.default
        yield found.name, value
        if found.kind == DYNAMIC:
            yield from _in_turn(_option(found, value), left, f"{found.name}.")
        for _ in range(min(_beside(found), len(left))):
            left.pop(0)


def _beside(found: Widget) -> int:
    """How many values the page saves behind this one that it does not send."""
    if found.kind == EDITED_BOX:
        return 4
    marked = found.facts.get("control_after_generate")
    if not marked and not (marked is None and found.kind == "INT" and found.name in SEEDS):
        return 0
    return 2 if found.kind == CHOICE else 1


def _option(found: Widget, value: object) -> Mapping:
    options = found.facts["options"]
    return next((option for option in options if option["key"] == value), {"inputs": {}})
