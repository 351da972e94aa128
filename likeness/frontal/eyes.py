"""Where the two irises are, once it is known roughly where to look.

An iris is a dark disc of known size: its radius is close to 0.093 of the distance between the
eyes (about 5.9 of 63 mm). Every edge votes for the point one radius away on its dark side, as in
the fast radial symmetry transform (Loy & Zelinsky, ECCV 2002); the iris' rim, even half under a
lid, votes for one point, lids and brows for many. Then the circle is sought whose left and right
rims are the sharpest (after Daugman's integro-differential operator, PAMI 1993); its top and bottom
are lids' and do not count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .mean_face import logarithm
from .sampling import carry, inverse, part, upright

APART = 48.0  # pixels between the eyes in the patch that is searched
SIZE = (112, 128)
BETWEEN = (63.5, 47.5)
RADII = (3.4, 4.0, 4.5, 5.0, 5.6)
UNDER_LID = 0.02 * APART  # the upper lid hides the iris' top and draws the votes up by this

RIM_APART = 96.0  # pixels between the eyes in the patch in which the rims are sought
RIM_SIZE, RIM_BETWEEN = (128, 256), (127.5, 63.5)
RIM_RADII = np.arange(5.8, 12)
RIM_EDGE = 3  # pixels over which an edge is measured
RIM_ARC = np.radians(np.linspace(-36, 36, 9))
RIM_SEARCH = (5, 4)  # pixels across and down
RIM_SPREAD = (4.8, 2.9)  # likely error of what comes in, pixels


@dataclass(frozen=True, eq=False)
class Eyes:
    points: np.ndarray  # (2, 2): left and right as seen, picture pixels
    strength: float  # votes for the weaker eye; over 1 on most faces
    contrast: float  # log of cheek over eye brightness, the smaller of the two

    @property
    def apart(self) -> float:
        return float(np.hypot(*(self.points[1] - self.points[0])))

    @property
    def turn(self) -> float:
        """Degrees, clockwise as seen."""
        x, y = self.points[1] - self.points[0]
        return float(np.degrees(np.arctan2(y, x)))


def find(picture: np.ndarray, guess: np.ndarray, spread: float = 0.11) -> Eyes:
    """The eyes near `guess` (2, 2); `spread` is its likely error in distances between the eyes."""
    across = guess[1] - guess[0]
    turn = float(np.degrees(np.arctan2(across[1], across[0])))
    matrix = upright(guess.mean(0), turn, APART / float(np.hypot(*across)), BETWEEN)
    patch = part(picture, matrix, SIZE).cut(matrix, SIZE)
    votes, darkness = evidence(patch)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    sides = []
    for sign in (-1, 1):
        dx, dy = (x - BETWEEN[0] - sign * APART / 2) / APART, (y - BETWEEN[1]) / APART
        likely = np.exp(-(dx**2 + (1.3 * dy) ** 2) / (2 * spread**2))
        likely[(abs(dx) > 3 * spread) | (abs(dy) > 2.5 * spread)] = 0
        sides.append(peaks((votes + 0.75 * darkness) * likely))
    pairs = [(left, right) for left in sides[0] for right in sides[1]]
    left, right = max(pairs, key=lambda pair: agreement(*pair))
    points = np.array([left[:2], right[:2]])
    strength = min(float(local(votes, point)) for point in points)
    contrast = min(cheek_contrast(patch, point) for point in points)
    return Eyes(carry(np.add(points, (0, UNDER_LID)), inverse(matrix)), strength, contrast)


def settle(picture: np.ndarray, found: Eyes) -> Eyes:
    """The eyes moved, by 0.05 of their distance at most, to where their rims are sharpest."""
    matrix = upright(found.points.mean(0), found.turn, RIM_APART / found.apart, RIM_BETWEEN)
    patch = part(picture, matrix, RIM_SIZE).cut(matrix, RIM_SIZE)
    x, y = (int(middle) for middle in RIM_BETWEEN)
    patch = patch / (1.3 * patch[y - 24 : y + 26, x - 87 : x + 89].std() + 3)
    points = [rim_centre(patch, x) for x in (x + 0.5 + side * RIM_APART / 2 for side in (-1, 1))]
    return replace(found, points=carry(points, inverse(matrix)))


def rim_centre(patch: np.ndarray, expected: float) -> tuple[float, float]:
    import cv2

    smooth = cv2.GaussianBlur(patch, (0, 0), 1.5)
    wide, tall = RIM_SEARCH
    aside, below = np.meshgrid(np.arange(-wide, wide + 1), np.arange(-tall, tall + 1))
    angles = np.stack([np.pi + RIM_ARC, RIM_ARC])
    places = np.stack([np.cos(angles), np.sin(angles)])[:, None] * RIM_RADII[:, None, None]
    middles = np.stack([expected + aside, RIM_BETWEEN[1] + below]).reshape(2, 1, 1, 1, -1)
    x, y = (places[..., None] + middles).astype(np.float32).reshape(2, -1, aside.size)
    ring = cv2.remap(smooth, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    ring = ring.reshape(*places.shape[1:], *aside.shape).mean(2)  # radius, side, down, across
    edge = ring[RIM_EDGE:] - ring[:-RIM_EDGE]
    score = (edge.min(1) + edge.sum(1)).max(0)  # both rims, the fainter one twice
    score -= 0.2 * ((aside / RIM_SPREAD[0]) ** 2 + (below / RIM_SPREAD[1]) ** 2)
    row, column = np.unravel_index(score.argmax(), score.shape)
    x, y = vertex(score, column, row)
    return expected + x - wide, RIM_BETWEEN[1] + y - tall


def evidence(patch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Votes for the middle of a dark disc, and how much darker a place is than around it."""
    import cv2

    field = logarithm(patch)
    level = field - cv2.GaussianBlur(field, (0, 0), 14)
    field = level / (np.sqrt(cv2.GaussianBlur(level**2, (0, 0), 20)) + np.float32(0.03))
    smooth = cv2.GaussianBlur(field, (0, 0), 1.0)
    across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0) / 8
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1) / 8
    strength = np.hypot(across, down) + np.float32(1e-6)
    votes = sum(ballot(across / strength, down / strength, strength, radius) for radius in RADII)
    darkness = cv2.GaussianBlur(field, (0, 0), 9) - cv2.GaussianBlur(field, (0, 0), 2.7)
    return votes / len(RADII), np.maximum(darkness, 0)


def ballot(across: np.ndarray, down: np.ndarray, strength: np.ndarray, radius: float) -> np.ndarray:
    import cv2

    height, width = strength.shape
    y, x = np.mgrid[:height, :width]
    x = np.rint(x - radius * across).astype(int)
    y = np.rint(y - radius * down).astype(int)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    cast = np.bincount(
        y[inside] * width + x[inside], np.sqrt(strength[inside]), minlength=height * width
    )
    return cv2.GaussianBlur(
        cast.reshape(height, width).astype(np.float32), (0, 0), 0.25 * radius + 0.5
    )


def peaks(field: np.ndarray, count: int = 4, apart: int = 4) -> list[tuple[float, float, float]]:
    """(x, y, value) of the highest places, to a part of a pixel, at least `apart` pixels apart."""
    field, found = field.copy(), []
    for _ in range(count):
        y, x = np.unravel_index(field.argmax(), field.shape)
        found.append((*vertex(field, x, y), float(field[y, x])))
        field[max(0, y - apart) : y + apart + 1, max(0, x - apart) : x + apart + 1] = 0
    return found


def vertex(field: np.ndarray, x: int, y: int) -> tuple[float, float]:
    """The top of the parabolas through a highest pixel and its neighbours."""

    def offset(before: float, at: float, after: float) -> float:
        bend = before - 2 * at + after
        return float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0

    row, column = field[y], field[:, x]
    if not (0 < x < len(row) - 1 and 0 < y < len(column) - 1):
        return float(x), float(y)
    return x + offset(*row[x - 1 : x + 2]), y + offset(*column[y - 1 : y + 2])


def agreement(left: tuple[float, float, float], right: tuple[float, float, float]) -> float:
    """How good a pair two peaks make: both strong, about level, about as far apart as expected."""
    x, y = right[0] - left[0], right[1] - left[1]
    apart, turn = np.hypot(x, y) / APART - 1, np.degrees(np.arctan2(y, x))
    return (left[2] + right[2]) * float(np.exp(-((apart / 0.15) ** 2) / 2 - (turn / 6) ** 2 / 2))


def local(field: np.ndarray, point: np.ndarray) -> float:
    x, y = np.rint(point).astype(int)
    return field[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].max()


def cheek_contrast(patch: np.ndarray, point: np.ndarray) -> float:
    x, y = np.rint(point).astype(int)
    eye = patch[y - 2 : y + 3, x - 2 : x + 3].mean()
    cheek = patch[y + 20 : y + 30, x - 6 : x + 7].mean()
    return float(np.log((cheek + 16) / (eye + 16)))
