"""The contour of a face against marks made by hand, and the mesh between two faces."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from montage_cases import SIZE, cropped, cut, found, marks, portrait_of
from pack.likeness import demo
from pack.likeness.face import Face
from pack.likeness.geometry import invert, transform
from pack.likeness.mean_shape import place
from pack.likeness.montage import contour, mesh
from pack.likeness.montage.montage import frame, montage
from torch import Tensor

pytestmark = pytest.mark.slow


def measured(name: str, matrix: Tensor, size: int, change: Tensor) -> tuple[Tensor, Face]:
    """With 68 landmarks that are said to be measured, changed by so much of the eye distance."""
    image, face = cut(name, matrix, size)
    apart = (face.points[1] - face.points[0]).norm()
    return image, replace(face, landmarks68=place(face.points) + change * apart, estimated=False)


def test_measured_landmarks_are_where_the_mesh_takes_them():
    change = torch.zeros(68, 2)
    change[48:68, 1] = 0.12  # a mouth that is lower than its corners tell
    change[17:27, 1] = -0.1
    image, face = measured("cafe", frame(found("cafe")[1], SIZE), SIZE, change)
    portrait = portrait_of("studio")
    here = contour.find_contour(image, face)
    there = contour.find_contour(portrait.image, portrait.face)
    field = mesh.displacement(here, there)
    places = mesh.places_in(field, here.upright, there.upright, (SIZE, SIZE))
    x, y = face.landmarks68[17:].round().long().T
    wanted = transform(there.landmarks, invert(there.upright))[17:]
    apart = (portrait.face.points[1] - portrait.face.points[0]).norm()
    off = (places[y, x] - wanted).norm(dim=1) / apart
    assert off.max() < 0.06
    assert here.measured


def test_a_measured_jaw_is_believed():
    change = torch.zeros(68, 2)
    change[:17] = 0.15 * (place(found("garden")[1].points)[:17] * 0 + torch.tensor([0.0, -1.0]))
    matrix = frame(found("garden")[1], SIZE)
    plain = contour.find_contour(*measured("garden", matrix, SIZE, torch.zeros(68, 2)))
    moved = contour.find_contour(*measured("garden", matrix, SIZE, change))
    down = contour.RAYS // 4
    assert float(plain.radii[down] - moved.radii[down]) == pytest.approx(0.15, abs=0.06)


@pytest.mark.parametrize("name", [*demo.PORTRAITS, "astronaut"])
def test_the_contour_is_where_it_is_marked(name):
    crop, face = cropped(name)
    seen = contour.find_contour(crop, face)
    marked = marks(name, frame(found(name)[1], SIZE))
    width = float((marked["edges"][1] - marked["edges"][0]).norm())
    ends = seen.ends()
    ring = torch.cat([ends, ends[:1]])
    fine = torch.cat([torch.lerp(ring[:-1], ring[1:], share / 8) for share in range(8)])
    for point, share in ((marked["chin"], 0.02), *((edge, 0.05) for edge in marked["edges"])):
        assert (fine - point).norm(dim=1).min() <= share * width
    assert (fine - marked["hairline"]).norm(dim=1).min() <= 0.05 * width


def test_without_anything_to_see_it_is_the_average_face():
    crop, face = cropped("cafe")
    flat = torch.full_like(crop, 0.5)
    mounted = montage(flat, face, portrait_of("snow"))
    assert any("target's face is hardly visible" in note for note in mounted.notes)
    seen = contour.find_contour(flat, face)
    down = contour.around(seen.radii)[:, 1].max()
    assert float(down) == pytest.approx(contour.AVERAGE_CHIN, abs=0.1)
    assert not montage(crop, face, portrait_of("snow")).notes
