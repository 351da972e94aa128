"""Parts of a face as outlines, from 68 landmarks or from core's face mesh of 478 points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch
from torch import Tensor

from .face import Face
from .mean_shape import place


class Region(str, Enum):
    """What a mask can cover; the values are what a user reads."""

    FACE = "face"  # up to the brows
    FOREHEAD = "face and forehead"
    SKIN = "skin"  # face and forehead without eyes and mouth
    EYES = "eyes"
    BROWS = "brows"
    NOSE = "nose"
    LIPS = "lips"
    MOUTH = "mouth"  # the lips and what is between them
    JAW = "jaw"  # below the mouth
    PICTURE = "whole picture"  # with a face on it or without


@dataclass(frozen=True, eq=False)
class Outlines:
    """Closed polygons (n, 2) of one face, in pixels of the frame."""

    whole: Tensor  # with the forehead
    face: Tensor
    jaw: Tensor
    nose: Tensor
    brows: tuple[Tensor, Tensor]
    eyes: tuple[Tensor, Tensor]
    mouth: Tensor
    gap: Tensor  # between the lips


_WHOLE = {Region.FOREHEAD, Region.SKIN}
_FACE = {Region.FACE, Region.FOREHEAD}
# Drawn one over the other, each as covered or as bare, so that regions which meet in an outline
# leave no line along it.
LAYERS: tuple[tuple[Callable[[Outlines], Sequence[Tensor]], set[Region]], ...] = (
    (lambda of: [of.whole], _WHOLE),
    (lambda of: [of.face], _WHOLE | _FACE),
    (lambda of: [of.jaw], _WHOLE | _FACE | {Region.JAW}),
    (lambda of: [of.nose], _WHOLE | _FACE | {Region.NOSE}),
    (lambda of: of.brows, _WHOLE | _FACE | {Region.BROWS}),
    (lambda of: of.eyes, _FACE | {Region.EYES}),
    (lambda of: [of.mouth], _FACE | {Region.MOUTH, Region.LIPS}),
    (lambda of: [of.gap], _FACE | {Region.MOUTH}),
)

# 68 landmarks. Each brow point beside the point of the eye below it; two are means.
BROWS_68 = (
    ((17, 36, 36), (18, 37, 37), (19, 37, 38), (20, 38, 38), (21, 39, 39)),
    ((22, 42, 42), (23, 43, 43), (24, 43, 44), (25, 44, 44), (26, 45, 45)),
)
BROW_ABOVE, BROW_BELOW = 0.2, 0.3  # half the hair's width, in distances from the brow to the eye
NOSE_68 = ((27, 0.6), (28, 0.65), (29, 0.9), (30, 1.4), (31, 0.0), (33, 0.0), (35, 0.0))
HAIRLINE = 0.92  # above the brows, in distances from the brows to the base of the nose
TEMPLES = 1.1  # width of the forehead's foot, in distances between the brows' outer ends

# The face mesh: the rings of its published connection sets, each walked around once.
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
    148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # clockwise from the top of the forehead  # fmt: skip
BELOW_BROWS = OVAL[6:31]  # from one temple around the chin to the other
JAW = OVAL[10:27]
EYES = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382),
)
BROWS = (
    (70, 63, 105, 66, 107, 55, 65, 52, 53, 46),
    (336, 296, 334, 293, 300, 276, 283, 282, 295, 285),
)
LIPS_OUTER = (
    61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146,
)  # fmt: skip
LIPS_INNER = (
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95,
)  # fmt: skip
NOSE = (168, 122, 351, 188, 412, 48, 278, 129, 358, 98, 327, 97, 326, 2, 1, 4)  # and all between


def outlines_of(face: Face) -> tuple[Outlines, bool]:
    """The outlines of a face, and whether its landmarks were measured.

    Measured 68 landmarks come first, since only a person's wish puts them beside a mesh.
    """
    measured = face.landmarks68 is not None and not face.estimated
    if face.mesh is not None and not measured:
        mesh = torch.from_numpy(np.array(face.mesh["landmarks_xy"], dtype=np.float64))
        return outlines_from_mesh(_sound(mesh)), True
    landmarks = face.landmarks68
    if landmarks is None:
        if torch.equal(*_sound(face.points)[:2]):
            raise ValueError("both of its eyes are at one place")
        landmarks = place(face.points)
    return outlines_from_68(_sound(landmarks)), measured


def outlines_from_68(landmarks: Tensor) -> Outlines:
    """From `landmarks` (68, 2)."""
    points = landmarks.detach().cpu().double()
    brows = tuple(_brow(points, pairs) for pairs in BROWS_68)
    return Outlines(
        whole=hull([points, *brows, _forehead(points)]),
        face=hull([points, *brows]),
        jaw=torch.cat([points[3:14], points[54:60], points[48:49]]),
        nose=_nose(points),
        brows=brows,
        eyes=(points[36:42], points[42:48]),
        mouth=points[48:60],
        gap=points[60:68],
    )


def outlines_from_mesh(mesh: Tensor) -> Outlines:
    """From `mesh` (478, 2), whose oval takes in the forehead."""
    points = mesh.detach().cpu().double()
    brows = tuple(points[list(ring)] for ring in BROWS)
    nose = points[list(NOSE)]
    lower_lip = (*LIPS_OUTER[10:], LIPS_OUTER[0])
    return Outlines(
        whole=hull([points[list(OVAL)], *brows, nose]),
        face=hull([points[list(BELOW_BROWS)], *brows, nose]),
        jaw=points[[*JAW[::-1], *lower_lip]],
        nose=hull([nose]),
        brows=brows,
        eyes=tuple(points[list(ring)] for ring in EYES),
        mouth=points[list(LIPS_OUTER)],
        gap=points[list(LIPS_INNER)],
    )


def hull(parts: Iterable[Tensor]) -> Tensor:
    """The convex polygon (n, 2) around all points of the parts (each (n, 2))."""
    points = sorted(set(map(tuple, torch.cat(list(parts)).tolist())))
    halves = [_chain(points), _chain(points[::-1])]
    return torch.tensor(halves[0][:-1] + halves[1][:-1], dtype=torch.float64)


def area(polygon: Tensor) -> float:
    x, y = polygon.T
    return float((x * y.roll(-1) - y * x.roll(-1)).sum().abs() / 2)


def _chain(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """One side of the hull of points in order."""
    kept: list[tuple[float, float]] = []
    for x, y in points:
        while len(kept) > 1:
            (ax, ay), (bx, by) = kept[-2:]
            if (bx - ax) * (y - ay) > (by - ay) * (x - ax):
                break
            kept.pop()
        kept.append((x, y))
    return kept


def _brow(points: Tensor, pairs: Iterable[tuple[int, int, int]]) -> Tensor:
    """Its landmarks are one line; the polygon is as wide as the hair."""
    brow, first, second = (points[list(numbers)] for numbers in zip(*pairs, strict=True))
    rise = brow - (first + second) / 2
    return torch.cat([brow + BROW_ABOVE * rise, (brow - BROW_BELOW * rise).flip(0)])


def _nose(points: Tensor) -> Tensor:
    """The landmarks are the bridge and the base; the sides lie beside them."""
    aside = (points[35] - points[31]) / 2
    sides = [points[index] + sign * width * aside for index, width in NOSE_68 for sign in (-1, 1)]
    return hull([torch.stack(sides)])


def _forehead(points: Tensor) -> Tensor:
    """The brows lifted to the hairline: half an ellipse over their outer ends.

    How far is told by the middle third of the face, which is about as high as the upper third and,
    unlike the distance from brow to eye, does not change much when brows are raised.
    """
    between = (points[21] + points[22]) / 2
    foot, aside = (points[17] + points[26]) / 2, (points[26] - points[17]) / 2 * TEMPLES
    rise = between + HAIRLINE * (between - points[33]) - foot
    angle = torch.linspace(0, torch.pi, 25, dtype=torch.float64)[:, None]
    return foot + aside * angle.cos() + rise * angle.sin()


def _sound(points: Tensor) -> Tensor:
    if not bool(torch.isfinite(points).all()):
        raise ValueError("some of its landmarks are not numbers")
    spread = points.double() - points.double().mean(0)
    if not float(torch.linalg.svdvals(spread)[-1]) > 1e-3:
        raise ValueError("its landmarks lie on one line or at one place")
    return points
