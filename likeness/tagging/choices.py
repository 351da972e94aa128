"""What a user chooses about tags."""

from __future__ import annotations

from enum import Enum


class Order(Enum):
    CONFIDENCE = "surest first"
    LIST = "as in the list"


class Characters(Enum):
    TAKEN = "taken in"
    LEFT_OUT = "left out"


class Parentheses(Enum):
    ESCAPED = "escaped"
    PLAIN = "as they are"
