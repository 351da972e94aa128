"""Where the mouth is below two eyes that are known.

How far down: the mean face is stretched until nose and mouth agree best. The corners: the line
between the lips is dark, level and long, and ends at the corners.
All places are (across, down) from the middle between the eyes, in distances between the eyes.
"""

from __future__ import annotations

import numpy as np

from .mean_face import (
    BETWEEN_EYES,
    EYE_DISTANCE,
    HEIGHT,
    WIDTH,
    Pattern,
    compare,
    directions,
    logarithm,
)
from .sampling import part, upright

STRETCHES = np.linspace(0.78, 1.26, 13)
APART = 48.0  # pixels between the eyes in the patch in which the corners are looked for
SIZE, MIDDLE = (96, 128), (63.5, 20.5)
CORNER, SPREAD = 0.425, (0.065, 0.035)  # the average corner, and how far corners are from it
INSIDE, OUTSIDE = 2, 4  # pixels from a corner to where the line must be, and must not be


def find(pattern: Pattern, picture: np.ndarray, eyes: np.ndarray) -> np.ndarray:
    """Mouth corners (2, 2), left and right as seen, in a grey picture with `eyes` (2, 2)."""
    across = eyes[1] - eyes[0]
    turn = float(np.degrees(np.arctan2(across[1], across[0])))
    apart = float(np.hypot(*across))
    down = how_far_down(pattern, picture, eyes.mean(0), apart, turn)
    matrix = upright(eyes.mean(0), turn, APART / apart, MIDDLE)
    lines = dark_lines(logarithm(part(picture, matrix, SIZE).cut(matrix, SIZE)))
    x, y = (np.arange(n) - m for n, m in zip(SIZE[::-1], MIDDLE, strict=True))
    x, y = x[None] / APART, y[:, None] / APART
    mouth = (abs(x) < 0.5) & (abs(y - down) < 0.17)
    lines = lines / (lines[mouth].max() + 0.02)
    corners = [corner(lines, x, y, side, down) for side in (-1, 1)]
    return np.array(corners)


def how_far_down(
    pattern: Pattern, picture: np.ndarray, between: np.ndarray, apart: float, turn: float
) -> float:
    """The mouth's distance from the eye line; far from the average more agreement is asked for."""
    matrix = upright(between, turn, EYE_DISTANCE / apart, (0, 0))
    around = part(picture, np.add(matrix, [[0, 0, 40], [0, 0, 30]]), (88, 80))
    scores = []
    for stretch in STRETCHES:
        stretched = matrix / [[1], [stretch]] + np.c_[np.zeros((2, 2)), BETWEEN_EYES]
        field = directions(logarithm(around.cut(stretched, (HEIGHT, WIDTH))))
        score = compare(field, pattern.directions, pattern.lower)[0, 0]
        scores.append(score - 0.04 * ((stretch - 1) / 0.1) ** 2)
    return float(STRETCHES[int(np.argmax(scores))])


def dark_lines(field: np.ndarray) -> np.ndarray:
    """How much darker a place is than what is above and below it, averaged along the line."""
    import cv2

    smooth = cv2.GaussianBlur(field, (0, 0), 1.5)
    line = (np.roll(smooth, 4, 0) + np.roll(smooth, -4, 0)) / 2 - smooth
    return cv2.GaussianBlur(np.maximum(line, 0), (0, 0), 2.5, sigmaY=1.0)


def corner(
    lines: np.ndarray, x: np.ndarray, y: np.ndarray, side: int, down: float
) -> tuple[float, float]:
    """Where a line ends on one `side` (-1 left, 1 right), no farther than likely from average."""
    ends = np.roll(lines, side * INSIDE, 1) - np.roll(lines, -side * OUTSIDE, 1)
    aside, below = (x * side - CORNER) / SPREAD[0], (y - down) / SPREAD[1]
    score = ends - (aside**2 + below**2) / 8
    score[(abs(aside) > 3) | (abs(below) > 3)] = -np.inf
    row, column = np.unravel_index(score.argmax(), score.shape)
    return float(x[0, column]), float(y[row, 0])
