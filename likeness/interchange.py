"""Core's ways of naming faces, in and out: BOUNDING_BOX and FACE_LANDMARKS."""

from __future__ import annotations

import math

import numpy as np
import torch

from .face import Box, Face, Faces, largest_first

# MediaPipe's numbers for the iris centres, the nose tip and the mouth corners.
MESH_POINTS = (468, 473, 4, 61, 291)


def is_landmarks(value: object) -> bool:
    return isinstance(value, dict) and "frames" in value


def is_boxes(value: object) -> bool:
    return isinstance(value, list) or (isinstance(value, dict) and "width" in value)


def from_landmarks(value: dict, frames: int, size: tuple[int, int]) -> Faces:
    """Faces out of core's FACE_LANDMARKS; each keeps its own entry."""
    if len(value["frames"]) != frames or tuple(value["image_size"]) != tuple(size):
        height, width = value["image_size"]
        raise ValueError(
            f"the face landmarks are of {len(value['frames'])} frames of {width} x {height} px, "
            f"the image has {frames} of {size[1]} x {size[0]} px: connect the image in which the "
            "landmarks were found"
        )
    found = [
        face
        for frame, entries in enumerate(value["frames"])
        for face in largest_first(_from_mesh(entry, frame) for entry in entries)
    ]
    return Faces(tuple(found), frames, size, ("found by core's face landmarks",))


def to_landmarks(faces: Faces, connection_sets: dict) -> dict:
    """Back to core's FACE_LANDMARKS, entry by entry; a face that never had a mesh is an error."""
    bare = [face for face in faces if face.mesh is None]
    if bare:
        raise ValueError(
            f"{len(bare)} of {len(faces)} faces have no face mesh: only faces that came from "
            "core's face landmarks can go back"
        )
    entries = [[face.mesh for face in faces.of(frame)] for frame in range(faces.frames)]
    return {"frames": entries, "image_size": faces.size, "connection_sets": connection_sets}


def from_boxes(value: list | dict, frames: int) -> list[list[Box]]:
    """Core's BOUNDING_BOX in any of its forms, as boxes for each of `frames` frames.

    One box, or one list of boxes, counts for every frame, as it does in core's own nodes.
    """
    if isinstance(value, dict):
        value = [value]
    if not value or isinstance(value[0], dict):
        value = [value]
    if len(value) == 1:
        value = value * frames
    if len(value) != frames:
        raise ValueError(
            f"there are bounding boxes for {len(value)} frames, the image has {frames}: connect "
            "the boxes of this image, or one list of boxes for all frames"
        )
    return [[_corners(box) for box in boxes] for boxes in value]


def to_boxes(faces: Faces) -> list[list[dict]]:
    """Core's BOUNDING_BOX: whole pixels, rounded outwards, inside the picture."""
    return [
        [_to_box(face, faces.size) for face in faces.of(frame)] for frame in range(faces.frames)
    ]


def first_box(faces: Faces) -> dict:
    """The first face alone; the whole picture when there is none."""
    if faces.found:
        return _to_box(faces.found[0], faces.size)
    height, width = faces.size
    return {"x": 0, "y": 0, "width": width, "height": height, "label": "picture", "score": 0.0}


def _from_mesh(entry: dict, frame: int) -> Face:
    mesh = np.asarray(entry["landmarks_xy"], dtype=np.float32)
    x0, y0, x1, y1 = (float(edge) for edge in entry["bbox_xyxy"])
    return Face(
        frame=frame,
        box=(x0, y0, x1, y1),
        points=torch.from_numpy(mesh[list(MESH_POINTS)].copy()),
        score=min(max(float(entry["score"]), 0.0), 1.0),
        mesh=entry,
    )


def _corners(box: dict) -> Box:
    try:
        x, y, width, height = (float(box[key]) for key in ("x", "y", "width", "height"))
    except (KeyError, TypeError) as problem:
        raise ValueError(
            f"{repr(box)[:80]} is no bounding box of core: give its x, y, width and height by name"
        ) from problem
    if not (width > 0 and height > 0 and all(map(math.isfinite, (x, y, width, height)))):
        raise ValueError(
            f"a bounding box of {width:g} x {height:g} px at ({x:g}, {y:g}) holds no face: "
            "give boxes with a width and a height above 0"
        )
    return x, y, x + width, y + height


def _to_box(face: Face, size: tuple[int, int]) -> dict:
    height, width = size
    x0, y0, x1, y1 = face.box
    left, right = _inside(x0, x1, width)
    top, bottom = _inside(y0, y1, height)
    return {
        "x": left,
        "y": top,
        "width": right - left,
        "height": bottom - top,
        "label": "face",
        "score": face.score,
    }


def _inside(low: float, high: float, length: int) -> tuple[int, int]:
    """Whole pixels around low..high within 0..length, never fewer than one."""
    first = min(max(math.floor(low), 0), length - 1)
    return first, min(max(math.ceil(high), first + 1), length)
