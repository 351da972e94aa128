"""Core's POSE_KEYPOINT: for every frame what OpenPose writes about the people in it.

That is a dict with the size of the canvas and, of each person, rows of x, y and how sure it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..geometry import compose, scaling
from .figures import BODY, FACE, HAND, LANDMARKS, Figure, Figures, moved, with_pupils

SURE = 0.3  # points that are known less surely are not drawn, as in core's own nodes
ASPECT = 0.02  # how far a canvas may be off the shape of the picture
PARTS = {
    "pose_keypoints_2d": (BODY,),
    "face_keypoints_2d": (FACE, LANDMARKS),
    "hand_left_keypoints_2d": (HAND,),
    "hand_right_keypoints_2d": (HAND,),
}


def is_poses(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(frame, Mapping) and "people" in frame for frame in value
    )


def from_poses(
    value: Sequence[Mapping], frames: int | None = None, size: tuple[int, int] | None = None
) -> Figures:
    """Figures out of core's POSE_KEYPOINT, in pixels of frames of `size`; of its own by default.

    Poses on a smaller or larger canvas of the same shape are enlarged or reduced.
    """
    if not value or len(value) != (frames or len(value)):
        raise ValueError(
            f"there are poses for {len(value)} frames, the picture has {frames or 1}: connect the "
            "poses of this picture"
        )
    size = size or _canvas(value[0])
    found: list[Figure] = []
    for number, frame in enumerate(value):
        canvas = _canvas(frame)
        _require_shape(canvas, size, number)
        here = [_figure(person, number) for person in frame["people"] or ()]
        way = scaling(canvas, size)
        if _in_shares(here):
            height, width = canvas
            way = compose(way, torch.tensor([[width, 0, 0], [0, height, 0]]).double())
        found += [moved(figure, way) for figure in here]
    return Figures(tuple(found), len(value), tuple(size))


def _canvas(frame: Mapping) -> tuple[int, int]:
    try:
        height, width = (int(frame[f"canvas_{side}"]) for side in ("height", "width"))
    except (KeyError, TypeError, ValueError) as problem:
        raise ValueError(
            "a frame of the poses does not tell its canvas_width and canvas_height: connect poses "
            "as core's SDPose gives them"
        ) from problem
    if min(height, width) < 1:
        raise ValueError(
            f"a frame of the poses has a canvas of {width} x {height} px, which is "
            "none: connect poses as core's SDPose gives them"
        )
    return height, width


def _require_shape(canvas: tuple[int, int], size: tuple[int, int], number: int) -> None:
    down, across = (after / before for before, after in zip(canvas, size, strict=True))
    whole = 1 / min(canvas) + 1 / min(size)  # sides are whole pixels
    if abs(math.log(across / down)) > ASPECT + whole:
        raise ValueError(
            f"the poses of frame {number} are on a canvas of {canvas[1]} x {canvas[0]} px, the "
            f"picture has {size[1]} x {size[0]} px, which is another shape: connect the poses of "
            "this picture"
        )


def _figure(person: Mapping, frame: int) -> Figure:
    body, face, *hands = (_points(person, name) for name in PARTS)
    if face is not None:
        own = with_pupils(face[:LANDMARKS])
        own[: len(face)] = torch.where(face.isfinite(), face, own[: len(face)])
        face = own
    return Figure(frame, face, body, tuple(hand for hand in hands if hand is not None))


def _points(person: Mapping, name: str) -> Tensor | None:
    """Of one part of a person (N, 2), those that are not known as no numbers; None for none."""
    values = person.get(name)
    if values is None or not len(values):
        return None
    try:
        rows = torch.tensor(values, dtype=torch.float32).reshape(-1, 3)
    except (TypeError, ValueError, RuntimeError) as problem:
        raise ValueError(
            f"{name} of a pose is not made of rows of x, y and how sure it is: {problem}"
        ) from problem
    if len(rows) not in PARTS[name]:
        raise ValueError(
            f"{name} of a pose has {len(rows)} points, and {PARTS[name][0]} belong there: connect "
            "poses as core's SDPose gives them"
        )
    points, sure = rows[:, :2], rows[:, 2]
    known = (sure > SURE) & points.isfinite().all(1) & points.any(1)  # 0, 0 is what is missing
    return torch.where(known[:, None], points, torch.nan) if known.any() else None


def _in_shares(figures: Sequence[Figure]) -> bool:
    """Whether points are given in shares of the canvas, as some nodes do."""
    parts = [part for each in figures for part in (each.face, each.body, *each.hands)]
    points = [part for part in parts if part is not None]
    return bool(points) and all(float(each.nan_to_num(0).abs().max()) <= 1 for each in points)
