"""Choices by name."""

from __future__ import annotations

from enum import Enum

import pytest
from pack.likeness.names import listed


class Part(str, Enum):
    HAIR = "hair"
    LEFT_EYE = "left eye"
    NECK = "neck"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        (" , ;\n", ()),
        ("hair", (Part.HAIR,)),
        ("neck, hair", (Part.NECK, Part.HAIR)),
        ("Hair;LEFT   eye\nhair,", (Part.HAIR, Part.LEFT_EYE)),
    ],
)
def test_names_are_read_as_people_write_them(text, expected):
    assert listed(text, Part) == expected


@pytest.mark.parametrize("text", ["hare", "hair neck", "left", "hair, 3"])
def test_an_unknown_name_is_refused_and_the_known_ones_are_told(text):
    with pytest.raises(ValueError, match="hair, left eye, neck"):
        listed(text, Part)
