"""Finding the faces of a batch of pictures, with one ladder of retries for all analyzers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

import numpy as np
from torch import Tensor

from .face import Box, Face, Faces, largest_first
from .geometry import compose, invert, quarter_turns, shift, transform, transform_box
from .pixels.rgb8 import to_rgb8
from .progress import Progress, ignore
from .recognise import embedded

# Of faces cut off at hairline, cheeks and chin the built-in finder sees one in six; with a border
# six in six when it is grey or repeats the edge, five when it is black; cut closer, grey is best.
BORDER_GREY = 127


class Analyzer(Protocol):
    """What finds faces in one picture."""

    name: str
    parts: tuple[str, ...]  # of "detection", "landmarks", "identity", "sex and age"
    providers: tuple[str, ...]  # of onnxruntime, as its sessions have them; empty without
    notes: tuple[str, ...]  # what a reader of the report should know
    space: str | None  # of its embeddings, the name of the network; None: it knows no identity
    side: int  # pixels of the crops that are embedded

    def find(self, frame: np.ndarray, threshold: float, reach: float = 1.0) -> list[Face]:
        """The faces of `frame` (H, W, 3) uint8 RGB, contiguous, in its own pixels and as frame 0.

        They have no embedding yet. `reach` scales the size at which is looked: 2 finds smaller
        faces, 0.5 larger ones.
        """
        ...

    def embed(self, crops: Sequence[np.ndarray]) -> Tensor:
        """(N, 512), as the network gives them, of faces cut by `recognise.cut`."""
        ...


class Retry(str, Enum):
    """What to try on a frame without a face; the values are what a user reads."""

    NONE = "nothing"
    SIZES = "sizes"
    BORDER = "sizes, border"
    ALL = "sizes, border, turns"


@dataclass(frozen=True)
class Rung:
    """One way to look at a picture."""

    reach: float = 1.0
    border: float = 0.0  # grey margin on each side, as a share of the picture's width and height
    turns: int = 0  # quarter turns counter-clockwise

    def __str__(self) -> str:
        ways = []
        if self.reach != 1:
            ways.append(f"at {self.reach:g} times the size")
        if self.border:
            ways.append(f"with a border of {self.border:.0%}")
        if self.turns:
            ways.append(f"turned by {self.turns * 90}°")
        return " and ".join(ways) or "as it is"


Step = tuple[Rung, ...]  # rungs that are compared: the surest face wins

SIZES: tuple[Step, ...] = ((Rung(),), (Rung(reach=0.5),), (Rung(reach=2.0),))
BORDERS: Step = (Rung(border=0.25), Rung(reach=0.5, border=0.25))
TURNS: Step = (Rung(turns=1), Rung(turns=3), Rung(turns=2))

# The first step that finds a face ends it. A turned face is easily taken for another thing seen
# upright, so the turns are compared with each other and with the borders.
LADDER: dict[Retry, tuple[Step, ...]] = {
    Retry.NONE: SIZES[:1],
    Retry.SIZES: SIZES,
    Retry.BORDER: (*SIZES, BORDERS),
    Retry.ALL: (*SIZES, BORDERS + TURNS),
}


def detect(
    images: Tensor,
    analyzer: Analyzer,
    threshold: float = 0.5,
    retry: Retry = Retry.ALL,
    progress: Progress = ignore,
) -> Faces:
    """The faces of every picture of `images` (B, H, W, C), 0..1; each picture's largest first."""
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold is {threshold:g}: give a number above 0, up to 1, such as 0.5")
    notes = [f"analyzer: {analyzer.name}"]
    used: dict[str, list[int]] = {}

    def search() -> Iterator[tuple[Face, np.ndarray]]:
        for index, image in enumerate(require_images(images)):
            pixels, strange = to_rgb8(image)
            if strange:
                notes.append(_strange(index, strange))
            faces, rung = look(pixels, analyzer, threshold, LADDER[retry])
            if rung is None:
                used.setdefault("no face in", []).append(index)
            elif rung != Rung():
                used.setdefault(f"found {rung}:", []).append(index)
            for face in largest_first(faces):
                yield replace(face, frame=index), pixels
            progress(index + 1, len(images))

    known = analyzer.space is not None
    found = tuple(embedded(search(), analyzer) if known else (face for face, _ in search()))
    if len(images) > 1 or used.keys() != {"no face in"}:
        notes += [f"{how} {_frames(frames)}" for how, frames in used.items()]
    return Faces(found, len(images), tuple(images.shape[1:3]), tuple(notes))


def detect_in_boxes(
    images: Tensor, boxes: Sequence[Sequence[Box]], progress: Progress = ignore
) -> Faces:
    """One face for each of the `boxes` of each picture: the points are looked for inside it.

    A box in which no eyes are found keeps its face, with the points of an average one. The score
    is the evidence for eyes.
    """
    from .frontal.cascade import points_in_box

    found: list[Face] = []
    notes = ["faces given as boxes, their points found by the built-in finder"]
    for index, (image, here) in enumerate(zip(require_images(images), boxes, strict=True)):
        pixels, strange = to_rgb8(image)
        if strange:
            notes.append(_strange(index, strange))
        faces = []
        for box in here:
            face, seen_eyes = points_in_box(pixels, box)
            faces.append(replace(face, frame=index, box=box))
            if not seen_eyes:
                notes.append(
                    f"frame {index}: no eyes found in the box at ({box[0]:.0f}, {box[1]:.0f}), "
                    "the points of an average face are put there"
                )
        found += largest_first(faces)
        progress(index + 1, len(images))
    return Faces(tuple(found), len(images), tuple(images.shape[1:3]), tuple(notes))


def look(
    pixels: np.ndarray, analyzer: Analyzer, threshold: float, steps: Iterable[Step]
) -> tuple[list[Face], Rung | None]:
    """The faces of the first step that finds any, in pixels of the picture, and their rung."""
    for step in steps:
        tried = [(_look_once(pixels, analyzer, threshold, rung), rung) for rung in step]
        faces, rung = max(tried, key=lambda one: max((face.score for face in one[0]), default=-1))
        if faces:
            return faces, rung
    return [], None


def _look_once(pixels: np.ndarray, analyzer: Analyzer, threshold: float, rung: Rung) -> list[Face]:
    view, matrix = seen(pixels, rung)
    faces = analyzer.find(view, threshold, rung.reach)
    return faces if matrix is None else [back(face, matrix) for face in faces]


def seen(pixels: np.ndarray, rung: Rung) -> tuple[np.ndarray, Tensor | None]:
    """What this rung looks at, and the matrix from picture to view; None when they are the same."""
    if not rung.border and not rung.turns:
        return pixels, None
    height, width = pixels.shape[:2]
    x, y = round(width * rung.border), round(height * rung.border)
    view = pixels
    if x or y:
        view = np.full((height + 2 * y, width + 2 * x, 3), BORDER_GREY, np.uint8)
        view[y : y + height, x : x + width] = pixels
    matrix = compose(quarter_turns(view.shape[:2], rung.turns), shift(x, y))
    return np.ascontiguousarray(np.rot90(view, rung.turns)), matrix


def back(face: Face, matrix: Tensor) -> Face:
    """A face of a view, as it is in the picture; `matrix` leads from picture to view."""
    home = invert(matrix)
    dense, pose = face.landmarks68, face.pose
    if pose is not None:
        pitch, yaw, roll = pose
        turn = math.degrees(math.atan2(home[1, 0], home[0, 0]))
        pose = (pitch, yaw, (roll + turn + 180) % 360 - 180)
    return replace(
        face,
        box=transform_box(face.box, home),
        points=transform(face.points, home),
        landmarks68=None if dense is None else transform(dense, home),
        pose=pose,
    )


def require_images(images: Tensor) -> Tensor:
    if images.ndim != 4 or images.shape[3] not in (1, 3, 4) or 0 in images.shape[1:3]:
        raise ValueError(
            f"an image of shape {tuple(images.shape)} cannot be searched: (pictures, height, "
            "width, channels) with 1, 3 or 4 channels is expected"
        )
    return images


def _strange(frame: int, count: int) -> str:
    return f"frame {frame}: {count:,} values are not numbers and were taken as black"


def _frames(numbers: list[int]) -> str:
    """[0, 1, 2, 5] -> "frames 0-2, 5"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    text = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"frame{'s' if len(numbers) > 1 else ''} {text}"
