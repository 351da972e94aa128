"""Points of people in OpenPose's order: out of core's face mesh, and out of POSE_KEYPOINT."""

from __future__ import annotations

import handmade
import pytest
import torch
from pack.likeness.geometry import scaling, transform
from pack.likeness.interchange import from_landmarks
from pack.likeness.mean_shape import mean_shape
from pack.likeness.pose_map.drawing import draw
from pack.likeness.pose_map.figures import FACE, Figure, evenly, from_faces, from_mesh, with_pupils
from pack.likeness.pose_map.openpose import from_poses, is_poses
from pack.likeness.pose_map.pose_map import describe, pose_maps
from people import NAN, STANDING, flat, posed


def test_eyes_without_pupils_have_them_in_their_middle():
    points = with_pupils(mean_shape())
    assert torch.allclose(points[68:], torch.tensor([(-0.5, 0), (0.5, 0)]).double(), atol=0.02)
    assert torch.equal(points[:68], mean_shape())


def test_cores_mesh_gives_landmarks_in_their_order():
    """Of the mesh that is drawn for tests, as far as its points are in their places."""
    points = from_mesh(torch.from_numpy(handmade.drawn_mesh()))
    assert points.shape == (FACE, 2)
    assert points[68:].tolist() == [[-0.5, 0], [0.5, 0]]
    wanted = mean_shape()
    drawn = [*range(17), *range(17, 27), *range(36, 48), *range(48, 68)]
    assert (points[drawn] - wanted[drawn]).norm(dim=1).mean() < 0.12
    assert points[8].tolist() == pytest.approx([0, handmade.CHIN])
    gaps = points[:17].diff(dim=0).norm(dim=1)
    assert gaps.max() / gaps.min() < 1.3
    mirrored = points[:17].flip(0) * torch.tensor([-1, 1])
    assert torch.allclose(points[:17], mirrored, atol=1e-6)


def test_a_mesh_without_irises_too():
    mesh = torch.from_numpy(handmade.drawn_mesh())
    whole, bare = from_mesh(mesh), from_mesh(mesh[:468])
    assert torch.equal(whole[:68], bare[:68])
    assert (whole[68:] - bare[68:]).norm(dim=1).max() < 0.05


def test_faces_of_core_are_drawn_by_their_mesh():
    face = handmade.meshed(30, 80, 40)
    landmarks = {"frames": [[face.mesh]], "image_size": (97, 160), "connection_sets": {}}
    faces = from_landmarks(landmarks, 1, (97, 160))
    drawn = pose_maps(from_faces(faces))
    points = from_mesh(torch.from_numpy(face.mesh["landmarks_xy"]))
    assert torch.equal(drawn.maps[0], draw([Figure(0, points)], (97, 160)))
    assert "guess" not in describe(drawn)


def test_points_along_a_path():
    path = torch.tensor([(0.0, 0.0), (1.0, 0.0), (1.0, 3.0)])
    assert evenly(path, 5).tolist() == [[0, 0], [1, 0], [1, 1], [1, 2], [1, 3]]


def test_poses_of_a_smaller_canvas_are_enlarged():
    pose = [posed((128, 128), {"pose_keypoints_2d": flat(STANDING / 2)})]
    (figure,) = from_poses(pose, 1, (256, 256)).found
    wanted = transform(STANDING / 2, scaling((128, 128), (256, 256)))
    assert torch.allclose(figure.body, wanted)
    (same,) = from_poses(pose).found
    assert torch.equal(same.body, STANDING / 2)


def test_poses_in_shares_of_the_canvas():
    shares = STANDING / torch.tensor([200, 320])
    pose = [posed((320, 200), {"pose_keypoints_2d": flat(shares)})]
    (figure,) = from_poses(pose).found
    assert torch.allclose(figure.body, STANDING, atol=1e-3)


def test_points_that_are_not_known_are_not_drawn():
    body = flat(STANDING)
    body[0:3] = [0, 0, 1]  # missing, as OpenPose writes it
    body[5] = 0.2  # not sure
    body[6] = NAN
    person = {"pose_keypoints_2d": body, "hand_left_keypoints_2d": None, "face_keypoints_2d": []}
    (figure,) = from_poses([posed((256, 256), person)]).found
    assert figure.body.isnan().any(1).tolist() == [True] * 3 + [False] * 15
    assert (figure.face, figure.hands) == (None, ())
    image = draw([figure], (256, 256))
    assert image.isfinite().all()
    assert image[60, 128].max() == image[100, 128].max() == 0
    nothing = {"pose_keypoints_2d": flat(STANDING, 0.0)}
    drawn = pose_maps(from_poses([posed((256, 256), nothing)]))
    assert drawn.maps.max() == 0
    assert "nobody" in describe(drawn)


def test_pupils_that_are_not_known_come_from_the_eyes():
    face = handmade.measured(30, 80, 40).landmarks68
    wanted = with_pupils(face)
    for given in (face, torch.cat([face, torch.zeros(2, 2)])):
        pose = [posed((97, 160), {"face_keypoints_2d": flat(given)})]
        assert torch.allclose(from_poses(pose).found[0].face, wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("pose", "words"),
    [
        ([], "poses for 0 frames, the picture has 1"),
        ([posed((97, 160)), posed((97, 160))], "poses for 2 frames, the picture has 1"),
        ([posed((160, 97))], "frame 0 are on a canvas of 97 x 160 px, the picture has 160 x 97 px"),
        ([posed((0, 97))], "canvas of 97 x 0 px"),
        ([{"people": []}], "does not tell its canvas_width"),
        ([{"people": [], "canvas_width": None, "canvas_height": 3}], "does not tell its canvas_w"),
        ([posed((97, 160), {"pose_keypoints_2d": [1.0] * 75})], "25 points, and 18 belong"),
        ([posed((97, 160), {"pose_keypoints_2d": [1.0] * 7})], "not made of rows of x, y"),
        ([posed((97, 160), {"pose_keypoints_2d": "many"})], "not made of rows of x, y"),
        ([posed((97, 160), {"face_keypoints_2d": [1.0] * 9})], "3 points, and 70 belong"),
    ],
)
def test_poses_that_fit_nothing(pose, words):
    with pytest.raises(ValueError, match=words):
        from_poses(pose, 1, (97, 160))


def test_what_poses_are():
    assert is_poses([posed((97, 160))])
    for other in ({}, {"people": []}, "people", [["people"]], [{"x": 1}], None, [[]]):
        assert not is_poses(other)
