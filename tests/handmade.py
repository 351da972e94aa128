"""Faces made by hand for tests: the mean shape as measured landmarks, and a face mesh of core."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from pack.likeness.face import Face
from pack.likeness.mean_shape import five_points, mean_shape

CHIN, CROWN, SIDE = 1.735, -1.05, 1.045  # of the drawn mesh, in distances between the eyes

# MediaPipe's published connection sets, written as the paths that their edges make.
PATHS = {
    "face_oval": (
        "10 338 297 332 284 251 389 356 454 323 361 288 397 365 379 378 400 377 152 148 176 149 "
        "150 136 172 58 132 93 234 127 162 21 54 103 67 109 10",
    ),
    "right_eye": ("33 7 163 144 145 153 154 155 133", "33 246 161 160 159 158 157 173 133"),
    "left_eye": ("263 249 390 373 374 380 381 382 362", "263 466 388 387 386 385 384 398 362"),
    "right_eyebrow": ("46 53 52 65 55", "70 63 105 66 107"),
    "left_eyebrow": ("276 283 282 295 285", "300 293 334 296 336"),
    "lips": (
        "61 146 91 181 84 17 314 405 321 375 291",
        "61 185 40 39 37 0 267 269 270 409 291",
        "78 95 88 178 87 14 317 402 318 324 308",
        "78 191 80 81 82 13 312 311 310 415 308",
    ),
    "irises": ("474 475 476 477 474", "469 470 471 472 469"),
}
BRIDGE = {168: 0.05, 4: 0.5, 1: 0.6, 2: 0.75}  # down the middle of the nose
BESIDE = {(122, 351): (0.09, 0.1), (188, 412): (0.15, 0.18), (48, 278): (0.25, 0.6)}
BESIDE |= {(129, 358): (0.28, 0.62), (98, 327): (0.2, 0.72), (97, 326): (0.09, 0.75)}


def numbers(path: str) -> list[int]:
    return [int(number) for number in path.split()]


def connection_sets() -> dict[str, frozenset]:
    """As core's FACE_LANDMARKS carries them."""
    pairs = {
        name: [pair for path in paths for pair in pairwise(numbers(path))]
        for name, paths in PATHS.items()
    }
    return {name: frozenset(edges) for name, edges in pairs.items()}


def measured(eyes: float, x: float, y: float, frame: int = 0, degrees: float = 0.0) -> Face:
    """The mean shape as if it had been measured; `eyes` apart, the middle between them at x, y."""
    landmarks = laid(mean_shape(), eyes, x, y, degrees)
    return Face(frame, box_of(landmarks), five_points(landmarks), 1.0, landmarks)


def meshed(eyes: float, x: float, y: float, frame: int = 0) -> Face:
    mesh = laid(torch.from_numpy(drawn_mesh()), eyes, x, y)
    box = box_of(mesh)
    entry = {"bbox_xyxy": np.float32(box), "landmarks_xy": mesh.numpy(), "score": 0.9}
    return Face(frame, box, mesh[[468, 473, 4, 61, 291]], 0.9, mesh=entry)


def laid(shape: torch.Tensor, eyes: float, x: float, y: float, degrees: float = 0.0):
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = torch.tensor([[cosine, sine], [-sine, cosine]], dtype=torch.float64)
    return (shape.double() * eyes @ turn + torch.tensor([x, y])).float()


def box_of(points: torch.Tensor) -> tuple[float, float, float, float]:
    return (*points.amin(0).tolist(), *points.amax(0).tolist())


def drawn_mesh() -> np.ndarray:
    """(478, 2), in distances between the eyes: the rings on ellipses, the rest mid-face."""
    mesh = np.tile([0.0, 0.4], (478, 1))
    (oval,) = PATHS["face_oval"]
    middle, tall = (CHIN + CROWN) / 2, (CHIN - CROWN) / 2
    _along(mesh, [*numbers(oval)[:-1], 10], (0, middle), (SIDE, tall), -90, 270)
    for name, x, outer in (("right_eye", -0.5, 180), ("left_eye", 0.5, 0)):
        below, above = map(numbers, PATHS[name])
        way = 1 if outer else -1
        _along(mesh, above, (x, 0), (0.22, 0.09), outer, outer + 180 * way)
        _along(mesh, below, (x, 0), (0.22, 0.07), outer, outer - 180 * way)
    for name, sign in (("right_eyebrow", -1), ("left_eyebrow", 1)):
        for path, y in zip(PATHS[name], (-0.22, -0.32), strict=True):
            mesh[numbers(path), 0] = sign * np.linspace(0.85, 0.18, 5)
            mesh[numbers(path), 1] = y
    for path, height, way in zip(
        PATHS["lips"], (0.2, 0.13, 0.08, 0.02), (-1, 1, -1, 1), strict=True
    ):
        across = 0.42 if height > 0.1 else 0.36
        _along(mesh, numbers(path), (0, 1.0), (across, height), 180, 180 + 180 * way)
    for index, y in BRIDGE.items():
        mesh[index] = 0, y
    for pair, (x, y) in BESIDE.items():
        mesh[list(pair)] = (-x, y), (x, y)
    mesh[468], mesh[473] = (-0.5, 0), (0.5, 0)
    return mesh


def _along(mesh, indices, centre, radii, first: float, last: float) -> None:
    """Points on an arc; degrees clockwise as seen, 0 to the right."""
    angles = np.radians(np.linspace(first, last, len(indices)))
    mesh[indices, 0] = centre[0] + radii[0] * np.cos(angles)
    mesh[indices, 1] = centre[1] + radii[1] * np.sin(angles)
