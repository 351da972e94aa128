"""Measuring the 68 landmarks of faces, by a network that draws a heat map for each.

How a crop lies about the box is the face-alignment package's own rule for boxes of SCRFD's kind.
The boxes here are of that kind: the built-in finder's hold as much of a face.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import torch
from torch import Tensor

from .face import Face, Faces
from .geometry import compose, invert, scaling, similarity, transform, turn
from .heatmaps import Peaks, fitted, quartered
from .mean_shape import MIRROR, five_points, mean_shape
from .nets.fan import CELLS, SIDE
from .pixels.raster import Border, warp
from .pixels.rgb8 import to_rgb8
from .progress import Progress, ignore

ABOVE = 0.12  # how far the crop's middle is above the box's, in heights of the box
SPAN = 200 / 165  # side of the crop, in widths plus heights of the box
LARGEST = 16_384  # pixels that a crop may measure where all of it is held in memory
BATCH = 4  # faces at once
WORKING = BATCH * 120_000_000  # bytes that the network works in
SURE = 0.3  # of the heat maps, which were trained to peak at 1
MIDDLE = ((SIDE - 1) / 2, (SIDE - 1) / 2)


class Reading(str, Enum):
    """How landmarks are read; the values are what a user reads."""

    FINE = "sub-pixel"
    PACKAGE = "as face-alignment"


@dataclass(frozen=True, eq=False)
class View:
    """What the network sees of one face."""

    pixels: Tensor  # (3, 256, 256)
    matrix: Tensor  # (2, 3), from the picture to it
    strange: int = 0  # values that are not numbers


def refine(
    images: Tensor,
    faces: Faces,
    network: torch.nn.Module,
    reading: Reading = Reading.FINE,
    threshold: float = SURE,
    progress: Progress = ignore,
) -> Faces:
    """The faces of `images` (B, H, W, C) with the landmarks that the network, a FAN, sees.

    The five points become those of the landmarks. A face whose maps peak below `threshold`, in
    their mean, stays as it is.
    """
    faces.require(images)
    see, decode = READINGS[reading]
    made: list[Face] = []
    sureness: list[float] = []
    notes: list[str] = []
    for start in range(0, len(faces), BATCH):
        here = faces.found[start : start + BATCH]
        views = [see(images, face, start + at) for at, face in enumerate(here)]
        peaks = decode(heat_maps(network, torch.stack([view.pixels for view in views])))
        for face, view, points, heights in zip(
            here, views, peaks.points, peaks.heights, strict=True
        ):
            number, sure = len(made), float(heights.mean())
            sureness.append(sure)
            made.append(_with(face, points, view) if sure >= threshold else face)
            notes += _face_notes(number, face, view, sure, threshold)
            progress(len(made), len(faces))
    return faces.keep(made, *_summary(sureness, threshold), *notes)


def heat_maps(network: torch.nn.Module, pixels: Tensor) -> Tensor:
    """Maps (N, 68, 64, 64) of (N, 3, 256, 256): the mean over each view and its mirror image."""
    weight = next(network.parameters())
    seen = pixels.to(weight)
    with torch.no_grad():
        maps = network(seen)
        mirrored = network(seen.flip(-1)).flip(-1)[:, list(MIRROR)]
    return ((maps + mirrored) / 2).float().cpu()


def upright(images: Tensor, face: Face, number: int) -> View:
    """The face upright and without rounding: no whole pixels, no 8 bits."""
    _require(face, number)
    # Of all five points: the line of the eyes says little about a profile.
    lie = similarity(five_points(mean_shape()), face.points)
    roll = math.atan2(float(lie[1, 0]), float(lie[0, 0]))
    down = -math.sin(roll), math.cos(roll)
    # How tall a face is that lies on its side, the width of its box tells.
    above = ABOVE * math.hypot(down[0] * face.width, down[1] * face.height)
    middle = tuple(at - above * way for at, way in zip(face.centre, down, strict=True))
    matrix = turn(middle, math.degrees(roll), SIDE / _side(face), MIDDLE)
    patch = warp(images[face.frame, ..., :3], matrix, (SIDE, SIDE), Border.BLACK)
    strange = int((~torch.isfinite(patch)).sum())
    patch = patch.nan_to_num(0, 1, 0).clamp(0, 1).expand(-1, -1, 3)
    return View(patch.movedim(-1, 0).contiguous(), matrix, strange)


def package_view(images: Tensor, face: Face, number: int) -> View:
    """What face-alignment 1.5 cuts, in whole pixels and 8 bits, and how it takes points back.

    It then cuts the decimals off, which takes half a pixel away on the average; here that is half
    a pixel always.
    """
    import cv2

    _require(face, number)
    side, (x, y) = _side(face), face.centre
    y -= ABOVE * face.height
    if side > LARGEST:
        raise ValueError(
            f"{_named(number, face)} has a box of {face.width:.0f} x {face.height:.0f} px, more "
            f"than '{Reading.PACKAGE.value}' can cut: choose '{Reading.FINE.value}'"
        )
    pixels, strange = to_rgb8(images[face.frame])
    left, top = (int(at + side * (1 / SIDE - 0.5)) for at in (x, y))
    right, bottom = (int(at + side * 0.5) for at in (x, y))
    canvas = np.zeros((max(bottom - top, 1), max(right - left, 1), 3), np.uint8)
    seen = pixels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    row, column = max(-top, 0), max(-left, 0)
    canvas[row : row + seen.shape[0], column : column + seen.shape[1]] = seen
    resized = cv2.resize(canvas, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    matrix = turn((x - 0.5, y - 0.5), 0, SIDE / side, MIDDLE)
    return View(torch.from_numpy(resized).movedim(-1, 0).float() / 255, matrix, strange)


READINGS: dict[Reading, tuple[Callable[..., View], Callable[[Tensor], Peaks]]] = {
    Reading.FINE: (upright, fitted),
    Reading.PACKAGE: (package_view, quartered),
}


def _with(face: Face, points: Tensor, view: View) -> Face:
    """The face with landmarks (68, 2) in cells of the maps of this view."""
    home = compose(invert(view.matrix), scaling((CELLS, CELLS), (SIDE, SIDE)))
    landmarks = transform(points, home).float()
    return replace(
        face, landmarks68=landmarks, points=five_points(landmarks).float(), estimated=False
    )


def _side(face: Face) -> float:
    return (face.width + face.height) * SPAN


def _require(face: Face, number: int) -> None:
    reason = None
    if not all(map(math.isfinite, face.box)) or not torch.isfinite(face.points).all():
        reason = f"numbers that are none in its box {face.box} or points {face.points.tolist()}"
    elif not (face.width > 0 and face.height > 0):
        reason = f"a box without size, {face.box}"
    if reason:
        raise ValueError(
            f"{_named(number, face)} has {reason}: leave it out with Select Faces, or find the "
            "faces anew with Detect Faces"
        )


def _face_notes(number: int, face: Face, view: View, sure: float, threshold: float) -> list[str]:
    notes = []
    if view.strange:
        notes.append(
            f"{_named(number, face)}: {view.strange:,} values around it are not numbers and were "
            "taken as black"
        )
    if not sure >= threshold:
        notes.append(
            f"{_named(number, face)} keeps its points: the network is sure of what it sees to "
            f"{sure:.2f}, below {threshold:.2f}"
        )
    return notes


def _summary(sureness: list[float], threshold: float) -> list[str]:
    taken = [sure for sure in sureness if sure >= threshold]
    if not taken:
        return []
    return [
        f"68 landmarks measured in {len(taken)} of {len(sureness)} faces, sure to "
        f"{min(taken):.2f} at least, {sum(taken) / len(taken):.2f} in the mean"
    ]


def _named(number: int, face: Face) -> str:
    return f"face {number} (frame {face.frame})"
