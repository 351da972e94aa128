"""What a text on the command line means for a setting: a number, a choice, a text, a picture."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from .widgets import CHOICE, DYNAMIC, Widget

Upload = Callable[[Path], str]  # puts a local file among the server's inputs; the name it has there

TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
PLACES = ("[input]", "[output]", "[temp]")  # how ComfyUI marks pictures that lie elsewhere


class WrongValue(ValueError):
    """A text that a setting cannot take."""


def as_value(text: str, widget: Widget, name: str, upload: Upload) -> object:
    """`name` is how messages call the setting."""
    if widget.takes_files:
        return _file(text, widget, name, upload)
    if widget.kind in (CHOICE, DYNAMIC):
        if widget.facts.get("multiselect"):
            return [_choice(each.strip(), widget, name) for each in text.split(",") if each.strip()]
        return _choice(text, widget, name)
    if widget.kind in ("INT", "FLOAT"):
        return _number(text, widget, name)
    if widget.kind == "BOOLEAN":
        return _claim(text, name)
    if widget.kind == "STRING":
        return _text(text, widget, name)
    try:
        return json.loads(text)
    except ValueError:
        return text


def matching(text: str, choices: tuple[object, ...]) -> object | None:
    """The choice of that name: exact, with the other system's slashes, or in small letters."""
    for plain in (str, _slashes, lambda each: _slashes(each).casefold()):
        found = [each for each in choices if plain(str(each)) == plain(text)]
        if len(found) == 1 or (found and plain is str):
            return found[0]
    return None


def _slashes(text: str) -> str:
    return text.replace("\\", "/")


def _choice(text: str, widget: Widget, name: str) -> object:
    found = matching(text, widget.choices)
    if found is None and (widget.choices or widget.kind == DYNAMIC):
        raise WrongValue(f"{name} cannot be {text!r}.{_near(text, widget.choices)}")
    return text if found is None else found  # a list that only the server can make


def _near(text: str, choices: tuple[object, ...]) -> str:
    names = [str(each) for each in choices]
    near = get_close_matches(text, names, n=5, cutoff=0.4)
    if near:
        return f" Near to it: {', '.join(map(repr, near))}"
    shown = ", ".join(map(repr, names[:20])) + (
        f" and {len(names) - 20} more" if len(names) > 20 else ""
    )
    return f" It is one of {shown}" if names else " The server has nothing to choose from"


def _file(text: str, widget: Widget, name: str, upload: Upload) -> object:
    """A name of the server's wins over a local file, unless it looks like the name of a file."""
    local, known = Path(text).expanduser(), matching(text, widget.choices)
    looks_local = len(local.parts) > 1 or bool(local.suffix)
    if local.is_file() and (looks_local or known is None):
        return upload(local)
    if known is not None:
        return known
    if text.endswith(PLACES):
        return text
    raise WrongValue(
        f"{name}: there is no file {text!r} here, and the server has none of that name."
        + _near(text, widget.choices)
    )


def _number(text: str, widget: Widget, name: str) -> int | float:
    try:
        number = int(text) if widget.kind == "INT" else float(text)
    except ValueError:
        kind = "whole number" if widget.kind == "INT" else "number"
        raise WrongValue(f"{name} is a {kind}, and {text!r} is none") from None
    low, high = widget.facts.get("min"), widget.facts.get("max")
    low, high = -math.inf if low is None else low, math.inf if high is None else high
    if not low <= number <= high:
        raise WrongValue(f"{name} goes from {low} to {high}, and {text} is beyond")
    return number


def _claim(text: str, name: str) -> bool:
    if text.casefold() in TRUE + FALSE:
        return text.casefold() in TRUE
    raise WrongValue(f"{name} is true or false, and {text!r} is neither")


def _text(text: str, widget: Widget, name: str) -> str:
    """'@file.txt' is what stands in the file; a text of several lines has them at every \\n."""
    if text.startswith("@@"):
        return text[1:]
    if text.startswith("@"):
        try:
            return Path(text[1:]).expanduser().read_text("utf-8-sig").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise WrongValue(
                f"{name}: {text[1:]} cannot be read as text ({error}). For a text that begins with "
                "@ write it twice"
            ) from error
    return text.replace("\\n", "\n") if widget.facts.get("multiline") else text
