"""Choices by name in one line of text, as a person writes them."""

from __future__ import annotations

import re
from enum import Enum
from typing import TypeVar

Choice = TypeVar("Choice", bound=Enum)


def listed(text: str, choices: type[Choice]) -> tuple[Choice, ...]:
    """The choices that a text such as "hair, Left eye" names, each once, in that order."""
    known = {str(choice.value).lower(): choice for choice in choices}
    names = [" ".join(name.lower().split()) for name in re.split(r"[,;\n]", text)]
    unknown = [name for name in names if name and name not in known]
    if unknown:
        raise ValueError(
            f"{unknown[0]!r} is not a name for anything here. Write some of these, with commas "
            f"between them: {', '.join(known)}"
        )
    return tuple(dict.fromkeys(known[name] for name in names if name))
