"""The average place of the 68 landmarks of a frontal face, and how a face's own points place it.

Drawn by eye over the enlarged faces of the five demo portraits and of scikit-image's astronaut
(tests/demo_faces.json), each laid over the others by its eyes and its mouth; averaged, and made
symmetric by drawing one half only. The unit is the distance between the eyes, the origin lies half
way between them, x points along the line from the left eye to the right one as seen, y to the chin.
The eyes are the means of 36..41 and of 42..47, and lie at (-0.5, 0) and (0.5, 0).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .geometry import similarity, transform

MIDDLE_AND_RIGHT = {
    8: (0, 1.735), 9: (0.28, 1.67), 10: (0.54, 1.51), 11: (0.76, 1.28), 12: (0.9, 1.02),
    13: (0.97, 0.76), 14: (1.01, 0.5), 15: (1.035, 0.25), 16: (1.045, 0),  # jaw, up from the chin
    22: (0.17, -0.23), 23: (0.34, -0.295), 24: (0.52, -0.33), 25: (0.7, -0.32), 26: (0.87, -0.24),
    27: (0, 0.02), 28: (0, 0.2), 29: (0, 0.385), 30: (0, 0.577),  # nose, down to its tip
    33: (0, 0.725), 34: (0.1, 0.7), 35: (0.2, 0.665),
    42: (0.27, 0.04), 43: (0.42, -0.095), 44: (0.57, -0.095),
    45: (0.75, 0.005), 46: (0.57, 0.07), 47: (0.42, 0.075),
    51: (0, 0.9), 52: (0.1, 0.88), 53: (0.27, 0.93), 54: (0.425, 1),  # outer lips
    55: (0.29, 1.13), 56: (0.14, 1.2), 57: (0, 1.215),
    62: (0, 0.99), 63: (0.13, 0.985), 64: (0.36, 1), 65: (0.13, 1.065), 66: (0, 1.075),
}  # fmt: skip
MIRROR = (
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), 64, 63, 62, 61, 60, 67, 66, 65,
)  # landmark i of the mirrored face is landmark MIRROR[i] of the face  # fmt: skip
NOSE, MOUTH = slice(27, 36), slice(48, 68)


def mean_shape() -> Tensor:
    """(68, 2), in distances between the eyes."""
    right = MIDDLE_AND_RIGHT
    mirrored = {MIRROR[index]: (-x, y) for index, (x, y) in right.items() if x}
    return torch.tensor([(right | mirrored)[index] for index in range(68)], dtype=torch.float64)


def five_points(landmarks: Tensor) -> Tensor:
    """Eyes, nose tip and mouth corners (5, 2) out of (68, 2)."""
    eyes = [landmarks[36:42].mean(0), landmarks[42:48].mean(0)]
    return torch.stack([*eyes, landmarks[30], landmarks[48], landmarks[54]])


def place(points: Tensor) -> Tensor:
    """The mean shape (68, 2) carried to a face's five points (5, 2), which it then passes through.

    The eyes carry all of it by a similarity. Nose and mouth are then moved with their own points:
    how far the mouth is from the eyes says nothing about the chin, so the jaw stays.
    """
    shape = mean_shape()
    own = five_points(shape)
    carry = similarity(own[:2], points[:2])
    placed = transform(shape, carry)
    nose, left, right = points[2:].double() - transform(own[2:], carry)
    down = (shape[NOSE, 1:] / own[2, 1]).clamp(max=1)
    placed[NOSE] += down * nose
    across = ((shape[MOUTH, :1] - own[3, 0]) / (own[4, 0] - own[3, 0])).clamp(0, 1)
    placed[MOUTH] += left + across * (right - left)
    return placed.float()
