"""What is known about a face, and how faces are put in order and chosen."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from torch import Tensor

from .geometry import transform, transform_box

FEW = 5  # absent numbers that a note lists
Box = tuple[float, float, float, float]  # x0, y0, x1, y1


class Sex(str, Enum):
    FEMALE = "female"
    MALE = "male"


@dataclass(frozen=True, eq=False)
class Face:
    """One face in one frame; coordinates are pixels of the whole frame."""

    frame: int
    box: Box  # may leave the frame
    points: Tensor  # (5, 2): left eye, right eye, nose, left and right mouth corner, as seen
    score: float  # 0..1
    landmarks68: Tensor | None = None  # (68, 2)
    estimated: bool = False  # landmarks68 is the mean shape placed by the points, not measured
    embedding: Tensor | None = None  # (512,), as the network gave it, not normalised
    space: str | None = None  # name of the network that made the embedding
    pose: tuple[float, float, float] | None = None  # pitch, yaw, roll in degrees
    age: float | None = None
    sex: Sex | None = None
    track: int | None = None
    mesh: dict | None = None  # core's own FACE_LANDMARKS entry, kept for a loss-free way back

    @property
    def width(self) -> float:
        return self.box[2] - self.box[0]

    @property
    def height(self) -> float:
        return self.box[3] - self.box[1]

    @property
    def area(self) -> float:
        return self.width * self.height

    @property
    def centre(self) -> tuple[float, float]:
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    @property
    def roll(self) -> float:
        """Turn of the eye line in degrees, clockwise as seen."""
        x, y = (self.points[1] - self.points[0]).tolist()
        return math.degrees(math.atan2(y, x))


@dataclass(frozen=True, eq=False)
class Faces:
    """The faces of a batch of equally large frames. Frames without a face count too."""

    found: tuple[Face, ...]
    frames: int
    size: tuple[int, int]  # height, width of every frame
    notes: tuple[str, ...] = ()  # what a reader of the report should know

    def __iter__(self) -> Iterator[Face]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def of(self, frame: int) -> list[Face]:
        return [face for face in self.found if face.frame == frame]

    def keep(self, faces: Iterable[Face], *notes: str) -> Faces:
        return replace(self, found=tuple(faces), notes=self.notes + notes)

    def require(self, images: Tensor) -> None:
        """Refuse pictures (B, H, W, C) other than those that the faces were found in."""
        frames, height, width = images.shape[:3]
        if (frames, (height, width)) != (self.frames, self.size):
            raise ValueError(
                f"the faces are of {self.frames} frames of {self.size[1]} x {self.size[0]} px, "
                f"the image has {frames} of {width} x {height} px: connect the image that went "
                "into Detect Faces"
            )


def moved(face: Face, matrix: Tensor, frame: int = 0) -> Face:
    """The face as it is in a crop; what only counts in the picture is left out."""
    dense = face.landmarks68
    return replace(
        face,
        frame=frame,
        box=transform_box(face.box, matrix),
        points=transform(face.points, matrix),
        landmarks68=None if dense is None else transform(dense, matrix),
        mesh=None,
    )


def largest_first(faces: Iterable[Face]) -> list[Face]:
    return sorted(faces, key=lambda face: -face.area)


class Order(str, Enum):
    """How the faces of one frame are lined up; the values are what a user reads."""

    LARGEST = "largest first"
    SMALLEST = "smallest first"
    LEFT = "left to right"
    RIGHT = "right to left"
    TOP = "top to bottom"
    CENTRE = "nearest the centre"
    SCORE = "best score"


ORDERINGS: dict[Order, Callable[[Face, tuple[int, int]], float]] = {
    Order.LARGEST: lambda face, size: -face.area,
    Order.SMALLEST: lambda face, size: face.area,
    Order.LEFT: lambda face, size: face.centre[0],
    Order.RIGHT: lambda face, size: -face.centre[0],
    Order.TOP: lambda face, size: face.centre[1],
    Order.CENTRE: lambda face, size: _from_centre(face, size),
    Order.SCORE: lambda face, size: -face.score,
}


@dataclass(frozen=True)
class Filter:
    """Which faces are wanted at all. A face of unknown age or sex passes only an open filter."""

    score: float = 0.0
    pixels: float = 0.0  # shortest accepted side of the box
    share: float = 0.0  # longer side of the box over the frame's shorter side
    youngest: float = 0.0
    oldest: float = float("inf")
    sex: Sex | None = None

    def reason(self, face: Face, size: tuple[int, int]) -> str | None:
        """Why this face is refused, in words; None when it is accepted."""
        side = min(face.width, face.height)
        share = max(face.width, face.height) / min(size)
        if face.score < self.score:
            return f"score {face.score:.2f} is below {self.score:.2f}"
        if side < self.pixels:
            return f"{side:.0f} px is below {self.pixels:.0f} px"
        if share < self.share:
            return f"{share:.0%} of the frame is below {self.share:.0%}"
        if self.sex is not None and face.sex != self.sex:
            return f"sex is {face.sex.value if face.sex else 'unknown'}, not {self.sex.value}"
        if self.youngest <= 0 and self.oldest == float("inf"):
            return None
        if face.age is None:
            return "age is unknown"
        if not self.youngest <= face.age <= self.oldest:
            return f"age {face.age:.0f} is outside {self.youngest:.0f} to {self.oldest:.0f}"
        return None


def select(
    faces: Faces, order: Order = Order.LARGEST, indices: str = "", wanted: Filter = Filter()
) -> Faces:
    """In every frame: refuse what is not wanted, put the rest in order, take the numbers asked for.

    An empty `indices` takes all. A number that a frame does not have is left out and noted.
    """
    numbers = parse_indices(indices)
    kept: list[Face] = []
    notes: list[str] = []
    for frame in range(faces.frames):
        here, refused = _wanted(faces.of(frame), wanted, faces.size)
        notes += [f"frame {frame}: {line}" for line in refused]
        here.sort(key=lambda face: ORDERINGS[order](face, faces.size))
        asked = range(len(here)) if numbers is None else numbers
        kept += [here[number] for number in asked if number < len(here)]
        if absent := [str(number) for number in asked if number >= len(here)]:
            listed = ", ".join(absent[:FEW]) + (", ..." if len(absent) > FEW else "")
            notes.append(f"frame {frame}: no face {listed}, it has {len(here)} to choose from")
    return faces.keep(kept, *notes)


def parse_indices(text: str) -> list[int] | None:
    """Numbers as a person writes them: "0, 2", "0,2", "0 2", "1-3". None for an empty text."""
    tokens = re.sub(r"\s*-\s*", "-", text.strip()).replace(",", " ").replace(";", " ").split()
    numbers: list[int] = []
    for token in tokens:
        match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", token)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise ValueError(
                f"indices {text!r} is not a list of face numbers: {token!r} is not understood. "
                "Write numbers from 0 on, such as '0, 2' or '1-3', or leave it empty for all."
            )
        numbers += range(first, last + 1)
    return list(dict.fromkeys(numbers)) if tokens else None


def _wanted(
    faces: list[Face], wanted: Filter, size: tuple[int, int]
) -> tuple[list[Face], list[str]]:
    reasons = [(face, wanted.reason(face, size)) for face in faces]
    return (
        [face for face, reason in reasons if reason is None],
        [f"{_where(face)} left out, {reason}" for face, reason in reasons if reason is not None],
    )


def _where(face: Face) -> str:
    return "face at ({:.0f}, {:.0f})".format(*face.centre)


def _from_centre(face: Face, size: tuple[int, int]) -> float:
    height, width = size
    x, y = face.centre
    return (x - (width - 1) / 2) ** 2 + (y - (height - 1) / 2) ** 2
