"""Core's BOUNDING_BOX and FACE_LANDMARKS, in and out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pack.likeness.face import Face, Faces
from pack.likeness.interchange import (
    first_box,
    from_boxes,
    from_landmarks,
    is_boxes,
    is_landmarks,
    to_boxes,
    to_landmarks,
)

BOX = {"x": 10, "y": 20, "width": 30, "height": 40}
CORNERS = (10.0, 20.0, 40.0, 60.0)


def faces_with(*boxes: tuple, frames: int = 1, size: tuple = (100, 200)) -> Faces:
    found = (Face(frame, box, torch.zeros(5, 2), 0.5) for frame, box in boxes)
    return Faces(tuple(found), frames, size)


def mesh_entry(x: float, side: float, score: float = 0.9) -> dict:
    """One entry as core's MediaPipe node makes it."""
    spread = np.random.default_rng(0).random((478, 2), dtype=np.float32) * side
    return {
        "bbox_xyxy": np.array([x, 5, x + side, 5 + side], np.float32),
        "blendshapes": {},
        "landmarks_xy": spread + np.float32([x, 5]),
        "landmarks_3d": np.zeros((478, 3), np.float32),
        "presence": 9.0,
        "score": score,
        "transformation_matrix": np.eye(4, dtype=np.float32),
    }


def landmarks(*frames: list[dict], size: tuple = (100, 200)) -> dict:
    return {"frames": list(frames), "image_size": size, "connection_sets": {"lips": frozenset()}}


@pytest.mark.parametrize(
    ("value", "frames", "expected"),
    [
        (BOX, 1, [[CORNERS]]),
        (BOX, 2, [[CORNERS], [CORNERS]]),
        ([BOX, BOX], 2, [[CORNERS, CORNERS]] * 2),
        ([[BOX]], 3, [[CORNERS]] * 3),
        ([[BOX], []], 2, [[CORNERS], []]),
        ([], 2, [[], []]),
        ([[]], 1, [[]]),
    ],
)
def test_boxes_are_read_in_every_form_that_core_gives(value, frames, expected):
    assert is_boxes(value)
    assert from_boxes(value, frames) == expected


def test_boxes_of_another_number_of_frames_are_refused():
    with pytest.raises(ValueError, match="for 2 frames, the image has 3"):
        from_boxes([[BOX], [BOX]], 3)


@pytest.mark.parametrize("bad", [{"width": 0}, {"height": -3}, {"x": float("nan")}])
def test_a_box_that_holds_nothing_is_refused(bad):
    with pytest.raises(ValueError, match="holds no face"):
        from_boxes(BOX | bad, 1)


@pytest.mark.parametrize("bad", [{"x": 1, "width": 5}, [(1, 2, 3, 4)], [[(1, 2, 3, 4)]]])
def test_what_is_no_box_is_refused(bad):
    with pytest.raises(ValueError, match="is no bounding box of core"):
        from_boxes(bad, 1)


def test_boxes_go_out_as_whole_pixels_around_the_face_and_inside_the_picture():
    faces = faces_with((0, (10.2, 20.7, 30.1, 40.0)), (2, (-5, 90, 20, 130)), frames=3)
    first, empty, last = to_boxes(faces)
    assert first == [{"x": 10, "y": 20, "width": 21, "height": 20, "label": "face", "score": 0.5}]
    assert empty == []
    assert [last[0][key] for key in ("x", "y", "width", "height")] == [0, 90, 20, 10]
    assert all(type(last[0][key]) is int for key in ("x", "y", "width", "height"))


@pytest.mark.parametrize("box", [(300, 10, 340, 50), (-50, -50, -10, -10), (5, 5, 5, 5)])
def test_a_box_outside_the_picture_still_has_a_pixel(box):
    out = to_boxes(faces_with((0, box)))[0][0]
    assert 0 <= out["x"] < 200
    assert 0 <= out["y"] < 100
    assert out["width"] >= 1
    assert out["height"] >= 1
    assert out["x"] + out["width"] <= 200


def test_boxes_come_back_as_they_went():
    faces = faces_with((0, (10, 20, 30, 40)), (1, (50, 60, 70, 80)), frames=2)
    assert from_boxes(to_boxes(faces), 2) == [[(10, 20, 30, 40)], [(50, 60, 70, 80)]]


def test_the_first_box_of_no_face_is_the_whole_picture():
    out = first_box(faces_with())
    assert (out["x"], out["y"], out["width"], out["height"]) == (0, 0, 200, 100)


def test_landmarks_become_faces_and_go_back_without_loss():
    small, big = mesh_entry(10, 20), mesh_entry(60, 40, score=1.5)
    value = landmarks([], [small, big])
    assert is_landmarks(value)
    faces = from_landmarks(value, 2, (100, 200))
    assert [face.frame for face in faces] == [1, 1]
    assert faces.found[0].mesh is big
    assert faces.found[0].score == 1.0
    assert np.allclose(faces.found[0].points, big["landmarks_xy"][[468, 473, 4, 61, 291]])
    back = to_landmarks(faces, value["connection_sets"])
    assert back["frames"][1] == [big, small]
    assert back["image_size"] == (100, 200)


def test_landmarks_of_another_picture_are_refused():
    with pytest.raises(ValueError, match="connect the image in which the landmarks were found"):
        from_landmarks(landmarks([mesh_entry(10, 20)]), 1, (100, 201))


def test_faces_without_a_mesh_cannot_become_landmarks():
    with pytest.raises(ValueError, match="1 of 1 faces"):
        to_landmarks(faces_with((0, CORNERS)), {})
