"""Pose maps: points where the landmarks are, in whole pictures and in crops that were turned."""

from __future__ import annotations

from dataclasses import replace

import cv2
import handmade
import numpy as np
import pytest
import torch
from pack.likeness.align import Template, align
from pack.likeness.crop import as_crops
from pack.likeness.geometry import transform
from pack.likeness.inpainting.framing import Framing
from pack.likeness.inpainting.inpaint import crop_for_inpaint
from pack.likeness.inpainting.painted import Layer
from pack.likeness.mean_shape import five_points
from pack.likeness.pose_map.drawing import FINGERS, LIMBS, draw, wheel
from pack.likeness.pose_map.figures import (
    BODY,
    FACE,
    HAND,
    Figure,
    Figures,
    Parts,
    from_faces,
    only,
    with_pupils,
)
from pack.likeness.pose_map.openpose import from_poses
from pack.likeness.pose_map.pose_map import describe, gather, pose_maps
from people import NAN, STANDING, faces_in, flat, posed

SIZES = [(97, 160), (160, 97)]


def blobs(image: torch.Tensor) -> np.ndarray:
    """The middles (N, 2) of what is white and stands alone in a map."""
    weights = image.amax(-1).numpy()
    count, labels = cv2.connectedComponents((weights > 0).astype(np.uint8))
    y, x = np.mgrid[: weights.shape[0], : weights.shape[1]]
    middles = []
    for label in range(1, count):
        here = np.where(labels == label, weights, 0)
        middles.append(((x * here).sum() / here.sum(), (y * here).sum() / here.sum()))
    return np.array(middles)


def nearest(points: torch.Tensor, others: np.ndarray) -> np.ndarray:
    """From each point to the nearest of the others."""
    return np.linalg.norm(points.numpy()[:, None] - others[None], axis=2).min(1)


@pytest.mark.parametrize("size", SIZES)
def test_a_disc_lies_at_every_landmark(size):
    """To a tenth of a pixel; those of the jaw and the brows stand alone."""
    face = handmade.measured(30.3, size[1] / 2 + 0.37, 40.6, degrees=10)
    (image,) = pose_maps(from_faces(faces_in(size, face))).maps
    assert image.shape == (*size, 3)
    found = blobs(image)
    jaw = face.landmarks68[:17]
    assert nearest(jaw, found).max() < 0.1
    rows, columns = face.landmarks68.round().long().flip(1).T
    assert (image[rows, columns] > 0.75).all()  # half a pixel aside, of a disc of 2


def test_white_is_only_where_points_are():
    face = handmade.measured(120, 256, 200)
    (image,) = pose_maps(from_faces(faces_in((512, 512), face))).maps
    points = with_pupils(face.landmarks68)
    y, x = torch.meshgrid(torch.arange(512.0), torch.arange(512.0), indexing="ij")
    away = (torch.stack([x, y], -1)[:, :, None] - points).norm(dim=-1).amin(-1)
    assert (image[away < 2.5] == 1).all()
    assert (image[away > 3.5] == 0).all()
    assert torch.equal(image[..., 0], image[..., 1])


@pytest.mark.parametrize(("size", "radius"), [((512, 512), 3), ((1024, 2048), 6), ((1536, 512), 3)])
def test_discs_grow_with_the_short_side(size, radius):
    point = torch.tensor([[100.25, 200.5]])
    alone = torch.cat([point, torch.full((FACE - 1, 2), NAN)])
    image = draw([Figure(0, face=alone)], size)
    assert float(image[..., 0].sum()) == pytest.approx(np.pi * radius**2, rel=0.02)


def test_on_a_tiny_map_a_disc_still_covers_a_pixel():
    alone = torch.cat([torch.tensor([[8.0, 8.0]]), torch.full((FACE - 1, 2), NAN)])
    image = draw([Figure(0, face=alone)], (16, 16))
    assert image[8, 8].tolist() == [1, 1, 1]


def test_discs_weigh_what_opencvs_do():
    """Its own have jagged edges, and are a fifth larger or smaller by where it rounds."""
    canvas = np.zeros((64, 64), np.uint8)
    cv2.circle(canvas, (32, 32), 3, 255, -1)
    alone = torch.cat([torch.tensor([[32.0, 32.0]]), torch.full((FACE - 1, 2), NAN)])
    drawn = draw([Figure(0, face=alone)], (512, 512))[:64, :64, 0]
    assert float(drawn.sum()) == pytest.approx((canvas > 0).sum(), rel=0.3)
    assert np.abs(drawn.numpy() - canvas / 255)[canvas > 0].mean() < 0.15


def test_a_limb_is_where_opencv_draws_it():
    start, end = (100, 120), (220, 300)
    points = torch.full((BODY, 2), NAN)
    points[2], points[3] = torch.tensor([start, end], dtype=torch.float32)
    image = draw([Figure(0, body=points)], (512, 512)).numpy()
    middle = ((start[0] + end[0]) // 2, (start[1] + end[1]) // 2)
    long = int(np.hypot(end[0] - start[0], end[1] - start[1]) / 2)
    angle = int(np.degrees(np.arctan2(end[1] - start[1], end[0] - start[0])))
    wanted = np.zeros((512, 512), np.uint8)
    cv2.fillConvexPoly(wanted, cv2.ellipse2Poly(middle, (long, 4), angle, 0, 360, 1), 1)
    for joint in (start, end):
        cv2.circle(wanted, joint, 4, 1, -1)
    made = image.max(2) > 0.3
    both = (made & (wanted > 0)).sum()
    assert both / (made | (wanted > 0)).sum() > 0.9


def test_limbs_have_dim_colours_and_joints_full_ones():
    image = draw([Figure(0, body=STANDING)], (256, 256))
    hues = wheel(BODY)
    assert hues[:3] == [(1, 0, 0), (1, pytest.approx(1 / 3), 0), (1, pytest.approx(2 / 3), 0)]
    for number, (x, y) in enumerate(STANDING.round().int().tolist()):
        assert torch.allclose(image[y, x], torch.tensor(hues[number]).float(), atol=1e-5)
    for number in (2, 3, 4, 7, 10):  # long ones, which nothing crosses in the middle
        start, end = LIMBS[number]
        x, y = ((STANDING[start] + STANDING[end]) / 2).round().int().tolist()
        wanted = 0.6 * torch.tensor(hues[number]).float()
        assert torch.allclose(image[y, x], wanted, atol=1e-5)


def test_hands_are_thin_and_their_joints_blue():
    hand = torch.tensor([(50 + 9 * (n % 5), 200 - 9 * n) for n in range(HAND)], dtype=torch.float32)
    figure = Figure(0, hands=(hand,))
    image = draw([figure], (512, 512))
    for x, y in hand.int().tolist():
        assert image[y, x].tolist() == [0, 0, 1]
    assert len(FINGERS) == 20
    assert {end for _, end in FINGERS} == set(range(1, HAND))
    assert draw([only(figure, Parts.FACE_AND_BODY)], (512, 512)).max() == 0
    assert torch.equal(draw([only(figure, Parts.ALL)], (512, 512)), image)


@pytest.mark.parametrize(
    ("parts", "white", "coloured"),
    [
        (Parts.FACE, True, False),
        (Parts.BODY, False, True),
        (Parts.FACE_AND_BODY, True, True),
        (Parts.ALL, True, True),
    ],
)
def test_what_is_asked_for_is_drawn(parts, white, coloured):
    face = with_pupils(handmade.measured(10, 40, 200).landmarks68)
    people = Figures((Figure(0, face, STANDING),), 1, (256, 256))
    image = pose_maps(people, parts).maps[0]
    assert bool((image.amin(-1) > 0.9).any()) is white
    assert bool((image.amax(-1) - image.amin(-1) > 0.5).any()) is coloured


def test_a_face_lies_on_its_body():
    alone = torch.cat([STANDING[1:2], torch.full((FACE - 1, 2), NAN)])
    image = draw([Figure(0, alone, STANDING)], (256, 256))
    assert image[100, 128].tolist() == [1, 1, 1]


def test_faces_and_poses_of_the_same_points_are_one_map():
    size = (160, 97)
    face = handmade.measured(24, 50, 60)
    pose = [posed(size, {"face_keypoints_2d": flat(with_pupils(face.landmarks68))})]
    made = pose_maps(gather(None, from_poses(pose)), Parts.FACE).maps
    wanted = pose_maps(gather(faces_in(size, face), None), Parts.FACE).maps
    assert (made - wanted).abs().max() < 1e-5
    assert wanted.max() == 1


def test_with_both_faces_are_those_of_faces():
    size = (256, 256)
    face = handmade.measured(20, 128, 60)
    other = with_pupils(handmade.measured(20, 40, 200).landmarks68)
    person = {"pose_keypoints_2d": flat(STANDING), "face_keypoints_2d": flat(other)}
    people = gather(faces_in(size, face), from_poses([posed(size, person)]))
    drawn = pose_maps(people)
    wanted = draw([Figure(0, with_pupils(face.landmarks68), STANDING)], size)
    assert torch.equal(drawn.maps[0], wanted)
    assert describe(drawn).splitlines()[-1] == "0: frame 0, 1 face, 1 body"


@pytest.mark.parametrize("size", SIZES)
def test_in_a_crop_a_turned_face_is_upright(size):
    face = handmade.measured(18, size[1] / 2, size[0] / 2, degrees=25)
    picture = torch.zeros(1, *size, 3)
    faces = faces_in(size, face)
    crops = align(picture, faces, Template.FFHQ, 256)
    (image,) = pose_maps(from_faces(faces), crops=crops).maps
    assert image.shape == (256, 256, 3)
    landmarks = transform(face.landmarks68, crops.cut[0].matrix)
    left, right = five_points(landmarks)[:2].tolist()
    assert left[1] == pytest.approx(right[1], abs=3)  # upright, as the template has it
    assert nearest(landmarks[:17], blobs(image)).max() < 0.1


def test_only_the_faces_of_a_crops_frame_and_only_where_they_are():
    size = (120, 200)
    left, right = handmade.measured(16, 50, 50, frame=1), handmade.measured(16, 150, 50, frame=1)
    faces = faces_in(size, left, right, frames=2)
    mask = torch.zeros(2, *size)
    mask[0, 30:80, 30:70] = 1
    mask[1, 30:80, 30:70] = 1
    framing = Framing(width=256, height=256)
    crops, _ = crop_for_inpaint(torch.zeros(2, *size, 3), Layer(mask), framing)
    drawn = pose_maps(from_faces(faces), crops=crops)
    assert [crop.frame for crop in crops.cut] == [0, 1]
    assert drawn.maps[0].max() == 0
    assert len(drawn.seen[1]) == 1
    points = transform(left.landmarks68, crops.cut[1].matrix)
    rows, columns = points.round().long().flip(1).T
    assert (drawn.maps[1][rows, columns] > 0.9).all()
    assert describe(drawn).splitlines()[-2:] == [
        "0: frame 0, nobody: the map is black",
        "1: frame 1, 1 face",
    ]


def test_nothing_cut_gives_one_black_map_of_the_patchs_size():
    crops = as_crops((), torch.zeros(1, 97, 160, 3), torch.zeros(0, 64, 48, 3))
    drawn = pose_maps(from_faces(faces_in((97, 160))), crops=crops)
    assert drawn.maps.shape == (1, 64, 48, 3)
    assert drawn.maps.max() == 0
    assert "nothing was cut: a black map stands in" in describe(drawn)


def test_frames_without_a_face_are_black():
    faces = faces_in((97, 160), handmade.measured(20, 80, 40, frame=1), frames=3)
    drawn = pose_maps(from_faces(faces))
    assert [float(image.max()) for image in drawn.maps] == [0, 1, 0]
    assert "0: frame 0, nobody: the map is black" in describe(drawn)


def test_every_map_moves_the_bar():
    heard = []
    faces = faces_in((16, 16), frames=3)
    pose_maps(from_faces(faces), progress=lambda done, total: heard.append((done, total)))
    assert heard == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("estimated", [True, False])
def test_guessed_faces_are_drawn_and_told(estimated):
    face = handmade.measured(30, 80, 40)
    bare = replace(face, landmarks68=face.landmarks68 if estimated else None, estimated=estimated)
    drawn = pose_maps(from_faces(faces_in((97, 160), bare)))
    wanted = pose_maps(from_faces(faces_in((97, 160), face)))
    assert (drawn.maps - wanted.maps).abs().max() < 1e-3  # the mean shape, here measured
    assert "1 face (1 guessed)" in describe(drawn)
    assert "Refine Landmarks" in describe(drawn)
    assert "guess" not in describe(wanted)


def test_nobody_to_draw():
    with pytest.raises(ValueError, match="nobody to draw: connect faces, or pose, or both"):
        gather(None, None)


def test_points_that_are_no_numbers_or_far_away():
    far = handmade.measured(30, 1e7, -1e7)
    strange = handmade.measured(30, NAN, NAN)
    drawn = pose_maps(from_faces(faces_in((97, 160), far, strange)))
    assert drawn.maps.max() == 0
    body = STANDING.clone()
    body[0] = torch.tensor([1e8, -1e8])
    assert draw([Figure(0, body=body)], (97, 160)).isfinite().all()
