"""Drawing people on black as OpenPose does it: limbs and joints in colours, faces in white.

The sizes are those of pictures with a short side of 512 px, as the ControlNets have seen them, and
grow with the picture. Edges are smooth, and a point lies where it is to a fraction of a pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from colorsys import hsv_to_rgb
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from .figures import BODY, Figure

USUAL = 512  # pixels
SMALLEST = 1 / 3  # of the usual size: a disc of a face then still covers a pixel
FACE_DISC, JOINT = 3.0, 4.0  # radii
LIMB, FINGER = 4.5, 1.5  # half widths; OpenCV's of 4 and of 2 px altogether are 9 and 3 px wide
DIM = 0.6  # limbs, beside their joints
WHITE = (1.0, 1.0, 1.0)
KNUCKLE = (0.0, 0.0, 1.0)
# Of the points of a body, each with the colour of its place; nose, neck, then right before left.
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12),
    (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
FINGERS = tuple(
    pair for first in (1, 5, 9, 13, 17) for pair in pairwise((0, *range(first, first + 4)))
)

Colour = tuple[float, float, float]


def draw(figures: Sequence[Figure], size: tuple[int, int]) -> Tensor:
    """The map (h, w, 3) of people whose points are in its pixels."""
    canvas = np.zeros((*size, 3), np.float32)
    scale = max(min(size) / USUAL, SMALLEST)
    for pen in (_body, _hands, _face):  # what comes later lies on top
        for figure in figures:
            pen(canvas, figure, scale)
    return torch.from_numpy(canvas)


def wheel(count: int) -> list[Colour]:
    """`count` full colours, once around from red."""
    return [hsv_to_rgb(number / count, 1, 1) for number in range(count)]


def _body(canvas: np.ndarray, figure: Figure, scale: float) -> None:
    if figure.body is None:
        return
    points, colours = figure.body.float().numpy(), wheel(BODY)
    for (start, end), colour in zip(LIMBS, colours, strict=False):
        dim = tuple(DIM * each for each in colour)
        _ellipse(canvas, points[start], points[end], LIMB * scale, dim)
    for point, colour in zip(points, colours, strict=True):
        _line(canvas, point, point, JOINT * scale, colour)


def _hands(canvas: np.ndarray, figure: Figure, scale: float) -> None:
    for hand in figure.hands:
        points = hand.float().numpy()
        for (start, end), colour in zip(FINGERS, wheel(len(FINGERS)), strict=True):
            _line(canvas, points[start], points[end], FINGER * scale, colour)
        for point in points:
            _line(canvas, point, point, JOINT * scale, KNUCKLE)


def _face(canvas: np.ndarray, figure: Figure, scale: float) -> None:
    for point in () if figure.face is None else figure.face.float().numpy():
        _line(canvas, point, point, FACE_DISC * scale, WHITE)


def _line(canvas: np.ndarray, start: np.ndarray, end: np.ndarray, half: float, colour: Colour):
    """From point to point with round ends; a disc where both are one."""
    way = end - start
    length = float(way @ way)

    def beyond(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        x, y = x - start[0], y - start[1]
        if length:
            share = np.clip((x * way[0] + y * way[1]) / length, 0, 1)
            x, y = x - share * way[0], y - share * way[1]
        return np.hypot(x, y) - half

    _lay(canvas, start, end, half, colour, beyond)


def _ellipse(canvas: np.ndarray, start: np.ndarray, end: np.ndarray, half: float, colour: Colour):
    """About the line between the points, which are its ends; it is `half` wide to each side."""
    (x0, y0), way = (start + end) / 2, end - start
    length = float(np.hypot(*way))
    if not length >= 1:  # nor where a point is not known
        return
    across, down = way / length
    long, wide = length / 2 + 0.5, half

    def beyond(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        x, y = x - x0, y - y0
        u, v = (x * across + y * down) / long, (y * across - x * down) / wide
        at = np.hypot(u, v)  # 1 on the edge
        steep = np.maximum(np.hypot(u / long, v / wide), 1e-9)
        return np.where(at < 0.5, -1, at * (at - 1) / steep)

    _lay(canvas, start, end, half, colour, beyond)


def _lay(
    canvas: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    half: float,
    colour: Colour,
    beyond: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> None:
    """Colour where `beyond`, the distance of pixels from the shape's edge, is below 0."""
    both = np.stack([start, end])
    if not np.isfinite(both).all():
        return
    ends = np.array(canvas.shape[1::-1])
    low = np.clip(np.floor(both.min(0) - half - 1), 0, ends).astype(int)
    high = np.clip(np.ceil(both.max(0) + half + 2), 0, ends).astype(int)
    if (low >= high).any():
        return
    x = np.arange(low[0], high[0], dtype=np.float32)[None]
    y = np.arange(low[1], high[1], dtype=np.float32)[:, None]
    cover = np.clip(0.5 - beyond(x, y), 0, 1)[..., None]
    under = canvas[low[1] : high[1], low[0] : high[0]]
    under += cover * (np.float32(colour) - under)
