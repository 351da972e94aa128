"""What can be chosen for a folder; light, since ComfyUI's start pays for what the node imports."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum


class Which(str, Enum):
    """The faces of a picture that are swapped; the values are what a user reads."""

    LARGEST = "largest"
    ALL = "all"


@dataclass(frozen=True)
class Limits:
    """Beyond these a result is broken; None: that is not looked at.

    The values lie between what good swaps of the demo portraits onto each other measure and what
    broken ones do: shift 0.03 and 0.1 (moved by a tenth of the face), sharpness 0.13 and 0.05
    (blurred by 2 px in a face of 150), colour 12 and 18 (red up and blue down by a tenth), pose
    5 and 17 (turned by 20 degrees). See tests/test_swap_folder_filters.py.
    """

    shift: float | None = 0.08  # at most: mean way of the five points, in sides of the face's box
    similarity: float | None = 0.3  # at least: cosine of the result and the person
    sharpness: float | None = 0.08  # at least: detail of the result over that of the target
    colour: float | None = 15.0  # at most: new step in Lab across the edge of what changed
    pose: float | None = 15.0  # at most: degrees by which pitch, yaw or roll has changed

    def __post_init__(self):
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None and not 0 <= value < float("inf"):
                name = "floor" if each.name == "similarity" else each.name  # as users know it
                raise ValueError(f"limit {name} is {value:g}: choose a number from 0 on")


class Form(str, Enum):
    """What results are written as; the values are what a user reads."""

    PNG = "png"  # without loss, with transparency
    JPEG = "jpeg"  # a tenth of the size

    @property
    def ending(self) -> str:
        return {Form.PNG: ".png", Form.JPEG: ".jpg"}[self]
