"""Upright grey patches out of a picture, for the measurements of the built-in face finder.

Matrices are 2x3 float64 numpy arrays that map picture pixels to patch pixels; points are (N, 2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


def upright(
    at: tuple[float, float], turn: float, scale: float, to: tuple[float, float]
) -> np.ndarray:
    """Carries `at` to `to`, enlarges by `scale`, undoes a `turn` (degrees, clockwise as seen)."""
    cosine, sine = scale * math.cos(math.radians(turn)), scale * math.sin(math.radians(turn))
    (x, y), (u, v) = at, to
    return np.array(
        [[cosine, sine, u - cosine * x - sine * y], [-sine, cosine, v + sine * x - cosine * y]]
    )


def carry(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return np.asarray(points) @ matrix[:, :2].T + matrix[:, 2]


def compose(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The map that does `first`, then `second`."""
    both = second[:, :2] @ first
    both[:, 2] += second[:, 2]
    return both


def inverse(matrix: np.ndarray) -> np.ndarray:
    (a, b, x), (c, d, y) = matrix.tolist()
    area = a * d - b * c
    return np.array([[d, -b, b * y - d * x], [-c, a, c * x - a * y]]) / area


def grey(picture: np.ndarray) -> np.ndarray:
    """(H, W), in the type it came in, out of RGB (H, W, 3) or what is grey already."""
    import cv2

    if picture.ndim == 2:
        return picture
    return cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)


def resize(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A grey picture as float32, by area means when it gets smaller, linear when it gets larger."""
    import cv2

    while all(
        now >= 4 * then and now % 2 == 0 for now, then in zip(picture.shape, size, strict=True)
    ):
        half = picture.shape[1] // 2, picture.shape[0] // 2
        picture = cv2.resize(picture, half, interpolation=cv2.INTER_AREA)  # an exact half is fast
    picture = picture.astype(np.float32, copy=False)
    if picture.shape == size:
        return picture
    smaller = size[0] < picture.shape[0] or size[1] < picture.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(picture, size[::-1], interpolation=way)


@dataclass(frozen=True, eq=False)
class Part:
    """A grey piece of a picture, reduced so that patches of one scale can be cut by four pixels."""

    pixels: np.ndarray  # (h, w) float32
    to_picture: np.ndarray  # part to picture

    def cut(self, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The patch of `size` that `matrix` (picture to patch) cuts out; the border is repeated."""
        import cv2

        matrix = compose(matrix, self.to_picture)
        return cv2.warpAffine(self.pixels, matrix, size[::-1], borderMode=cv2.BORDER_REPLICATE)


def part(picture: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> Part:
    """What lies under the patch of `size` that `matrix` cuts out, at about the patch's scale.

    What lies outside the picture is not in it; at least one pixel is.
    """
    last = np.array(picture.shape[1::-1]) - 1
    corners = [(x, y) for x in (-2, size[1] + 1) for y in (-2, size[0] + 1)]
    under = carry(corners, inverse(matrix))
    x0, y0 = np.clip(np.floor(under.min(0)), 0, last).astype(int)
    x1, y1 = np.clip(np.ceil(under.max(0)), (x0, y0), last).astype(int)
    pixels = grey(picture[y0 : y1 + 1, x0 : x1 + 1])
    scale = min(1.0, 1.25 * float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))))
    height, width = (max(1, round(side * scale)) for side in pixels.shape)
    across, down = pixels.shape[1] / width, pixels.shape[0] / height
    to_picture = np.array([[across, 0, across / 2 - 0.5 + x0], [0, down, down / 2 - 0.5 + y0]])
    return Part(resize(pixels, (height, width)), to_picture)
