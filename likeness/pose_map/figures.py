"""People as OpenPose numbers their points, out of the faces that were found.

A face has 70 points: the 68 landmarks, then the pupils. A point that is not known is not a number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import torch
from torch import Tensor

from ..align import landmarks
from ..face import Face, Faces
from ..geometry import transform

FACE, LANDMARKS, BODY, HAND = 70, 68, 18, 21  # points
RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)  # of the person; the right one is seen left

# Core's face mesh of 478 points, in the order of the landmarks. Jaw and bridge of the nose are
# divided evenly along paths on the mesh, as the landmarks are.
JAW = (
    (127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152),
    (356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152),
)
BRIDGE = (6, 197, 195, 5, 4)
BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
UNDER_NOSE = (98, 97, 2, 326, 327)
EYES = (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)
LIPS = (61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91)
BETWEEN_LIPS = (78, 81, 13, 311, 308, 402, 14, 178)
PUPILS = (468, 473)


class Parts(str, Enum):
    """What of a person is drawn; the values are what a user reads."""

    FACE_AND_BODY = "face and body"
    FACE = "face"
    BODY = "body"
    ALL = "face, body and hands"


SHOWN: dict[Parts, frozenset[str]] = {
    Parts.FACE_AND_BODY: frozenset({"face", "body"}),
    Parts.FACE: frozenset({"face"}),
    Parts.BODY: frozenset({"body"}),
    Parts.ALL: frozenset({"face", "body", "hands"}),
}


@dataclass(frozen=True, eq=False)
class Figure:
    """What is known of one person in one frame; coordinates are pixels of the whole frame."""

    frame: int
    face: Tensor | None = None  # (70, 2)
    body: Tensor | None = None  # (18, 2)
    hands: tuple[Tensor, ...] = ()  # (21, 2) each
    guessed: bool = False  # the face is the mean shape placed by five points, not measured


@dataclass(frozen=True, eq=False)
class Figures:
    """The people in a batch of equally large frames. Frames without any count too."""

    found: tuple[Figure, ...]
    frames: int
    size: tuple[int, int]  # height, width of every frame
    notes: tuple[str, ...] = ()

    def of(self, frame: int) -> list[Figure]:
        return [figure for figure in self.found if figure.frame == frame]


def only(figure: Figure, parts: Parts) -> Figure:
    """Of a person what is to be drawn."""
    left = {"face": None, "body": None, "hands": ()}
    return replace(figure, **{name: left[name] for name in left.keys() - SHOWN[parts]})


def moved(figure: Figure, matrix: Tensor) -> Figure:
    """The figure as it is in a crop."""
    face, body = (
        None if part is None else transform(part, matrix) for part in (figure.face, figure.body)
    )
    hands = tuple(transform(hand, matrix) for hand in figure.hands)
    return replace(figure, face=face, body=body, hands=hands)


def from_faces(faces: Faces) -> Figures:
    """The best that is known of each: measured landmarks, core's mesh, or the mean shape."""
    return Figures(tuple(map(_figure, faces)), faces.frames, faces.size, faces.notes)


def with_pupils(points: Tensor) -> Tensor:
    """(70, 2) out of the 68 landmarks (68, 2): pupils are in the middle of the eyes' outlines."""
    pupils = [points[eye].mean(0) for eye in (RIGHT_EYE, LEFT_EYE)]
    return torch.cat([points, torch.stack(pupils)])


def from_mesh(mesh: Tensor) -> Tensor:
    """(70, 2) out of core's face mesh (478, 2), or of one without irises (468, 2)."""
    right, left = (evenly(mesh[list(path)], 9) for path in JAW)
    parts = [right, left[:-1].flip(0), mesh[list(BROWS)], evenly(mesh[list(BRIDGE)], 4)]
    parts += [mesh[list(path)] for path in (UNDER_NOSE, EYES, LIPS, BETWEEN_LIPS)]
    points = torch.cat(parts)
    if len(mesh) <= max(PUPILS):
        return with_pupils(points)
    return torch.cat([points, mesh[list(PUPILS)]])


def evenly(path: Tensor, count: int) -> Tensor:
    """`count` points at equal distances along `path` (N, 2), both ends among them."""
    lengths = path.diff(dim=0).norm(dim=1).cumsum(0)
    along = torch.cat([lengths.new_zeros(1), lengths])
    wanted = torch.linspace(0, 1, count, dtype=along.dtype) * along[-1]
    x, y = (np.interp(wanted, along, path[:, axis]) for axis in (0, 1))
    return torch.from_numpy(np.stack([x, y], 1)).to(path)


def _figure(face: Face) -> Figure:
    measured = face.landmarks68 is not None and not face.estimated
    if face.mesh is not None and not measured:
        mesh = torch.from_numpy(np.array(face.mesh["landmarks_xy"], dtype=np.float32))
        return Figure(face.frame, from_mesh(mesh))
    points = landmarks(face).detach().cpu().float()
    return Figure(face.frame, with_pupils(points), guessed=not measured)
