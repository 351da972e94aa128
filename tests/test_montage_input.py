"""What the built-in swap may not depend on, and input that is not as it should be."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from montage_cases import (
    EYE_DISTANCE,
    PORTRAIT,
    SIZE,
    cropped,
    found,
    marks,
    portrait_of,
)
from pack.likeness.detect import back
from pack.likeness.face import Face
from pack.likeness.geometry import invert, transform
from pack.likeness.identity import Portrait
from pack.likeness.mean_shape import MIRROR, place
from pack.likeness.montage.montage import Montage, frame, montage
from pack.likeness.pixels.raster import Border, warp
from torch import Tensor

pytestmark = pytest.mark.slow


SWAPPED = [1, 0, 2, 4, 3]  # the five points of a mirrored face


def test_mirrored_pictures_give_the_mirrored_result():
    crop, face = cropped("garden")
    portrait = portrait_of("cafe")
    straight = montage(crop, face, portrait)
    other = Portrait(portrait.image.flip(1), mirrored(portrait.face, PORTRAIT))
    back_again = montage(crop.flip(1), mirrored(face, SIZE), other)
    assert (back_again.mask.flip(1) - straight.mask).abs().mean() < 0.003
    assert (back_again.patch.flip(1) - straight.patch).abs().mean() < 0.003


def mirrored(face: Face, size: int) -> Face:
    def turned(points: Tensor) -> Tensor:
        return torch.stack([size - 1 - points[:, 0], points[:, 1]], dim=1)

    landmarks = turned(face.landmarks68)[list(MIRROR)]
    return replace(face, points=turned(face.points)[SWAPPED], landmarks68=landmarks)


@pytest.mark.parametrize("size", [200, 1100])
def test_the_portraits_size_does_not_matter(size):
    crop, face = cropped("garden")
    usual = montage(crop, face, portrait_of("studio"))
    other = montage(crop, face, portrait_of("studio", size))
    assert (usual.mask - other.mask).abs().mean() < 0.005
    assert (usual.patch - other.patch).abs().mean() < 0.01


def test_what_shrinks_is_averaged():
    """Stripes of one pixel in a large portrait leave no pattern in a small crop."""
    crop, face = cropped("garden", 96)
    portrait = portrait_of("studio", 1100)
    plain = montage(crop, face, portrait)
    striped = portrait.image.clone()
    striped[::2] *= 0.8
    striped[1::2] *= 1.2
    result = montage(crop, face, Portrait(striped, portrait.face))
    assert (result.patch - plain.patch).abs()[plain.mask > 0.9].mean() < 0.02


@pytest.mark.parametrize("size", [150, 700])
def test_the_crops_size_does_not_matter(size):
    portrait = portrait_of("harbour")
    usual = montage(*cropped("cafe"), portrait).mask
    other = montage(*cropped("cafe", size), portrait).mask
    resized = torch.nn.functional.interpolate(
        other[None, None], (SIZE, SIZE), mode="bilinear", antialias=True
    )[0, 0]
    assert (usual - resized).abs().mean() < 0.01


@pytest.mark.parametrize("angle", [-40, 25])
def test_the_frame_is_upright_and_all_of_the_face_is_in_it(angle):
    _, face = found("snow")
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    turn = torch.tensor([[cosine, -sine, 50.0], [sine, cosine, -20.0]], dtype=torch.float64)
    matrix = frame(replace(face, points=transform(face.points, turn)), 100)
    own = torch.stack([*marks("snow", turn).values()][1:2])
    straight = marks("snow", frame(face, 100))
    torch.testing.assert_close(transform(own[0], matrix), straight["chin"], atol=1e-3, rtol=0)
    everything = torch.cat([each.reshape(-1, 2) for each in straight.values()])
    assert everything.min() > 8
    assert everything.max() < 92


def test_a_turned_face_is_noted():
    crop, face = cropped("cafe")
    points = face.points.clone()
    points[2, 0] += 0.5 * EYE_DISTANCE
    turned = replace(face, points=points, landmarks68=place(points))
    mounted = montage(crop, turned, portrait_of("snow"))
    assert any("turned aside" in note for note in mounted.notes)
    assert mounted.patch.isfinite().all()


@pytest.mark.parametrize("shift", [(-150, 0), (120, 0), (0, 160), (0, -170), (500, 500)])
def test_a_face_that_leaves_the_crop(shift):
    picture, face = found("studio")
    matrix = frame(face, SIZE)
    matrix[:, 2] += torch.tensor(shift)
    crop = warp(picture, matrix, (SIZE, SIZE), Border.REFLECT)
    mounted = montage(crop, replace(back(face, invert(matrix)), frame=0), portrait_of("cafe"))
    assert mounted.patch.isfinite().all()
    assert torch.equal(mounted.patch[mounted.mask == 0], crop[mounted.mask == 0])


def test_a_portrait_that_ends_inside_the_face():
    """What it does not show is not made up."""
    portrait = portrait_of("garden")
    narrow = int(portrait.face.points[1, 0]) - 6
    half = Portrait(portrait.image[:, :narrow].contiguous(), portrait.face)
    crop, face = cropped("studio")
    mounted = montage(crop, face, half)
    right = face.points[1]
    assert mounted.mask[int(right[1]), int(right[0]) + 8 :].max() == 0
    assert mounted.mask[int(right[1]), int(face.points[0, 0])] == 1


def test_a_tiny_face():
    mounted = montage(*cropped("garden", 16), portrait_of("studio"))
    assert mounted.patch.shape == (16, 16, 3)
    assert mounted.patch.isfinite().all()
    assert mounted.mask.max() > 0.9


@pytest.mark.parametrize("side", ["target", "source"])
def test_what_is_no_number_does_not_spread(side):
    crop, face = cropped("cafe")
    portrait = portrait_of("studio")
    plain = montage(crop, face, portrait)
    image = (crop if side == "target" else portrait.image).clone()
    points = face.points if side == "target" else portrait.face.points
    x, y = (points[3] + (points[3] - points[4]) * 0.3).long().tolist()  # on the cheek
    image[y - 3 : y + 3, x - 3 : x + 3] = float("nan")
    image[0, 0] = float("inf")
    if side == "target":
        broken = montage(image, face, portrait)
        known = image.isfinite().all(2)
        assert broken.mask[~known].max() == 0
    else:
        broken = montage(crop, face, Portrait(image, portrait.face))
        known = torch.ones(SIZE, SIZE, dtype=torch.bool)
    assert broken.patch[known].isfinite().all()
    assert (broken.mask - plain.mask).abs().mean() < 0.02
    both = known & (broken.mask > 0) & (plain.mask > 0)
    assert (broken.patch - plain.patch)[both].abs().mean() < 0.02


def test_points_that_are_no_numbers_are_refused():
    crop, face = cropped("cafe")
    broken = replace(face, points=torch.full((5, 2), float("nan")))
    with pytest.raises(ValueError, match="not numbers"):
        montage(crop, broken, portrait_of("studio"))
    with pytest.raises(ValueError, match="not numbers"):
        frame(broken, 128)


def test_it_writes_into_nothing_and_keeps_the_dtype():
    crop, face = cropped("cafe")
    portrait = portrait_of("studio")
    before = [each.clone() for each in (crop, portrait.image, face.points, face.landmarks68)]
    mounted = montage(crop, face, portrait)
    after = (crop, portrait.image, face.points, face.landmarks68)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    half = montage(crop.half(), face, portrait)
    assert half.patch.dtype == half.mask.dtype == torch.float16
    assert (half.patch.float() - mounted.patch).abs().mean() < 0.002
    assert torch.equal(half.patch[half.mask == 0], crop.half()[half.mask == 0])


def test_it_says_what_it_is():
    said = " ".join(Montage().notes)
    assert "photomontage" in said
    assert "without any network" in said
    assert "rontal" in said
