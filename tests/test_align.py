"""Faces cut out upright: the templates, the fits, and what insightface and facexlib would cut."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pack.likeness.align import Fit, Outside, Template, align, face_matrix, targets
from pack.likeness.face import Face, Faces
from pack.likeness.geometry import invert, scale_of, transform, turn
from pack.likeness.mean_shape import five_points, mean_shape

SIZES = [(97, 160), (160, 97)]
FIVE_POINTS = [each for each in Template if each not in (Template.UPRIGHT, Template.QUAD)]


def face_at(x: float, y: float, eyes: float, roll: float = 0.0, frame: int = 0) -> Face:
    """A face of the mean shape with its eyes `eyes` px apart, turned clockwise by `roll`."""
    matrix = invert(turn((x, y), roll, 1 / eyes, (0, 0)))
    shape = transform(mean_shape(), matrix)
    box = (*shape.amin(0).tolist(), *shape.amax(0).tolist())
    return Face(frame, box, five_points(shape).float(), 0.9, shape.float())


def batch(size, *found: Face, frames: int = 1) -> Faces:
    return Faces(found, frames, size)


def smooth(height: int, width: int, frames: int = 1, seed: int = 0) -> torch.Tensor:
    """Random pictures without fine detail (B, H, W, 3)."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(frames, 3, height // 12 + 2, width // 12 + 2, generator=random)
    size = (height, width)
    fine = torch.nn.functional.interpolate(coarse, size, mode="bicubic", align_corners=True)
    return fine.clamp(0, 1).movedim(1, -1).contiguous()


@pytest.mark.parametrize("template", FIVE_POINTS)
@pytest.mark.parametrize("fit", Fit)
def test_points_that_fit_are_met(template, fit):
    """Points that are the template's own, moved and turned, land where the template has them."""
    for target in targets(template, 256):
        away = turn((120, 130), 33, 0.37, (70, 40))
        points = transform(target, away)
        face = Face(0, (0, 0, 50, 50), points, 1.0)
        assert torch.allclose(
            transform(points, face_matrix(face, template, 256, fit)), target, atol=1e-3
        )


@pytest.mark.parametrize("size", [112, 224, 128, 256, 512])
def test_arcface_targets_are_insightfaces(size):
    from insightface.utils.face_align import estimate_norm

    face = face_at(300, 200, 61, roll=17)
    points = face.points + torch.tensor([[1, 2], [-3, 0], [2, 2], [0, -1], [1, 0]])
    template = Template.ARCFACE_112 if size % 112 == 0 else Template.ARCFACE_128
    theirs = estimate_norm(points.numpy(), size)
    theirs = theirs[0] if isinstance(theirs, tuple) else theirs
    ours = face_matrix(Face(0, (0, 0, 9, 9), points, 1), template, size)
    assert np.abs(theirs - ours.numpy()).max() < 2e-4


def test_inswapper_at_256_is_its_128_doubled_about_the_pixels_corners():
    small = targets(Template.ARCFACE_128, 128)
    assert torch.allclose(targets(Template.INSWAPPER_256, 256), 2 * small + 0.5)
    assert torch.equal(targets(Template.INSWAPPER_256, 128), small)


@pytest.mark.parametrize("number", range(5))
def test_ghost_takes_the_pose_that_fits_best(number):
    points = transform(targets(Template.GHOST, 224)[number], turn((100, 90), -20, 1.4, (300, 300)))
    matrix = face_matrix(Face(0, (0, 0, 9, 9), points, 1), Template.GHOST, 224)
    assert torch.allclose(transform(points, matrix), targets(Template.GHOST, 224)[number])


def test_the_robust_fit_leaves_out_what_does_not_fit():
    face = face_at(200, 150, 50, roll=12)
    right = face_matrix(face, Template.FFHQ, 512, Fit.ROBUST)
    wrong = face.points.clone()
    wrong[4] += torch.tensor([60.0, -40.0])
    spoilt = Face(0, face.box, wrong, 1)
    moved = transform(face.points, face_matrix(spoilt, Template.FFHQ, 512, Fit.ROBUST))
    assert (moved - transform(face.points, right)).norm(dim=1).max() < 15
    dragged = transform(face.points, face_matrix(spoilt, Template.FFHQ, 512))
    assert (dragged - transform(face.points, right)).norm(dim=1).max() > 40


@pytest.mark.parametrize("roll", [0, 30, -75, 180])
@pytest.mark.parametrize("margin", [0.0, 1.0])
def test_upright_holds_the_face_box_and_its_margin(roll, margin):
    face = face_at(400, 300, 40, roll)
    matrix = face_matrix(face, Template.UPRIGHT, 512, margin=margin)
    eyes = transform(face.points[:2], matrix)
    assert abs(float(eyes[0, 1] - eyes[1, 1])) < 1e-2
    assert eyes[0, 0] < eyes[1, 0]
    centre = transform(torch.tensor([face.centre], dtype=torch.float64), matrix)
    assert torch.allclose(centre, torch.full((1, 2), 255.5, dtype=torch.float64))
    side = max(face.width, face.height) * scale_of(matrix)
    assert math.isclose(side * (1 + 2 * margin), 512, rel_tol=1e-6)


def test_the_quad_by_its_definition():
    """Corners of the crop, edge to edge, against the quad computed point by point."""
    face = face_at(210, 180, 57, roll=-14)
    marks = face.landmarks68.double().numpy()
    left, right = marks[36:42].mean(0), marks[42:48].mean(0)
    eye, between = (left + right) / 2, right - left
    down = (marks[48] + marks[54]) / 2 - eye
    x = between - np.array([-down[1], down[0]])
    x *= max(np.hypot(*between) * 2.0, np.hypot(*down) * 1.8) / np.hypot(*x)
    y = np.array([-x[1], x[0]])
    centre = eye + down * 0.1
    quad = np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])
    corners = torch.tensor([[0, 0], [0, 512], [512, 512], [512, 0]], dtype=torch.float64) - 0.5
    matrix = face_matrix(face, Template.QUAD, 512)
    # PIL transforms by quad + 0.5, counted from pixel corners: the quad itself counts from centres.
    assert np.abs(transform(corners, invert(matrix)).numpy() - quad).max() < 1e-6


def test_the_quad_and_ffhqs_five_points_agree_on_a_frontal_face():
    face = face_at(210, 180, 57)
    quad, five = (face_matrix(face, each, 512) for each in (Template.QUAD, Template.FFHQ))
    assert abs(scale_of(quad) / scale_of(five) - 1) < 0.1
    middle = [transform(face.points[2:3], each) for each in (quad, five)]
    assert (middle[0] - middle[1]).norm() < 0.06 * 512


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("outside", Outside)
def test_every_face_of_every_frame_in_order(size, outside):
    images = smooth(*size, frames=3)
    found = [face_at(40, 50, 12, 10, 0), face_at(80, 60, 15, -8, 2), face_at(30, 30, 9, 0, 2)]
    faces = batch(size, *found, frames=3)
    kept = images.clone()
    crops = align(images, faces, Template.FFHQ, 64, outside=outside)
    assert [crop.frame for crop in crops.cut] == [0, 2, 2]
    assert crops.patches.shape == (3, 64, 64, 3)
    assert torch.equal(images, kept)
    for number, crop in enumerate(crops.cut):
        assert torch.equal(crop.original, crops.patches[number])
        assert crop.original.data_ptr() == crops.patches[number].data_ptr()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_alpha(dtype):
    images = torch.rand(1, 97, 160, 4).to(dtype)
    crops = align(images, batch((97, 160), face_at(60, 50, 14)), Template.FFHQ, 64)
    assert crops.patches.dtype == dtype
    assert crops.patches.shape == (1, 64, 64, 3)


def test_no_face_gives_one_grey_crop():
    crops = align(smooth(97, 160, 2), batch((97, 160), frames=2), size=64)
    assert crops.cut == ()
    assert torch.equal(crops.patches, torch.full((1, 64, 64, 3), 0.5))


@pytest.mark.parametrize("template", Template)
def test_points_that_are_no_face_are_an_error_with_a_cure(template):
    one = torch.full((5, 2), 40.0)
    nowhere = torch.full((5, 2), math.nan)
    images = smooth(97, 160)
    for points in (one, nowhere):
        face = Face(0, (40.0, 40.0, 40.0, 40.0), points, 1.0)
        with pytest.raises(ValueError, match=r"face 0 \(frame 0\).*Select Faces"):
            align(images, batch((97, 160), face), template, 64)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_pictures_of_other_channels_are_refused(channels):
    with pytest.raises(ValueError, match="3 channels, or 4"):
        align(torch.rand(1, 97, 160, channels), batch((97, 160), face_at(60, 50, 14)))


def test_pictures_of_another_size_are_refused():
    with pytest.raises(ValueError, match="Detect Faces"):
        align(smooth(160, 97), batch((97, 160), face_at(60, 50, 14)))


@pytest.mark.slow
@pytest.mark.parametrize("eyes", [4, 1000])
def test_tiny_and_huge_faces(eyes):
    size = (96, 120) if eyes == 4 else (3000, 2500)
    face = face_at(size[1] / 2, size[0] / 2 - eyes / 2, eyes, roll=20)
    images = smooth(*size)
    for template in Template:
        crops = align(images, batch(size, face), template, 128)
        assert torch.isfinite(crops.patches).all()
        assert crops.patches.std() > 0.01


def test_what_is_outside_the_picture():
    """A white picture, its face half outside: each way fills the rest as it says."""
    images = torch.ones(1, 97, 160, 3)
    faces = batch((97, 160), face_at(2, 40, 20))
    cut = {each: align(images, faces, Template.FFHQ, 64, outside=each) for each in Outside}
    for each in (Outside.MIRROR, Outside.REPEAT, Outside.BLURRED):
        assert torch.allclose(cut[each].patches, torch.ones(1, 64, 64, 3), atol=1e-5)
    assert cut[Outside.BLACK].patches[0, 32, 0].tolist() == [0, 0, 0]
    grey = torch.tensor([132, 133, 135]) / 255
    assert torch.allclose(cut[Outside.GREY].patches[0, 32, 0], grey)


def test_a_picture_with_room_is_not_padded():
    images = smooth(400, 400)
    faces = batch((400, 400), face_at(200, 180, 30))
    plain, padded = (
        align(images, faces, Template.QUAD, 128, outside=each).patches
        for each in (Outside.REPEAT, Outside.BLURRED)
    )
    assert torch.equal(plain, padded)


def test_a_mean_shape_in_place_of_landmarks_is_told():
    face = face_at(60, 50, 14)
    bare = Face(0, face.box, face.points, 1)
    crops = align(smooth(97, 160), batch((97, 160), bare), Template.QUAD, 64)
    assert "mean shape" in " ".join(crops.notes)
