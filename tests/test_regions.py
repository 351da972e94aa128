"""Outlines of the parts of a face, from the mean shape, from marked faces and from core's mesh."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import handmade
import numpy as np
import pytest
import torch
from pack.likeness import regions
from pack.likeness.face import Face
from pack.likeness.mean_shape import MIRROR, mean_shape
from pack.likeness.regions import area, hull, outlines_from_68, outlines_from_mesh, outlines_of

MARKED = json.loads((Path(__file__).parent / "demo_faces.json").read_text())["faces"]
FRINGE = "astronaut"  # hides the hairline
PARTS = ("whole", "face", "jaw", "nose", "mouth", "gap")
KINDS = {
    "68 landmarks": lambda: outlines_from_68(mean_shape()),
    "face mesh": lambda: outlines_from_mesh(torch.from_numpy(handmade.drawn_mesh())),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def named(outlines) -> dict[str, torch.Tensor]:
    pairs = {f"{name}{side}": getattr(outlines, name)[side]
             for name in ("brows", "eyes") for side in (0, 1)}  # fmt: skip
    return {name: getattr(outlines, name) for name in PARTS} | pairs


def share_inside(inner: torch.Tensor, outer: torch.Tensor) -> float:
    """How much of the polygon `inner` lies in `outer`, from a fine drawing of both."""
    drawings = []
    for polygon in (inner, outer):
        drawing = np.zeros((900, 900), np.uint8)
        points = ((polygon.numpy() + 1.5) * 260).round().astype(np.int32)
        cv2.fillPoly(drawing, [points], 1)
        drawings.append(drawing)
    return (drawings[0] & drawings[1]).sum() / drawings[0].sum()


def crosses_itself(polygon: torch.Tensor) -> bool:
    """Whether two sides that are no neighbours meet."""
    points = polygon.tolist()
    sides = list(zip(points, [*points[1:], points[0]], strict=True))

    def left(a, b, c) -> bool:
        return (b[0] - a[0]) * (c[1] - a[1]) > (b[1] - a[1]) * (c[0] - a[0])

    return any(
        left(a, b, c) != left(a, b, d) and left(c, d, a) != left(c, d, b)
        for first, (a, b) in enumerate(sides)
        for c, d in sides[first + 2 : len(sides) - (first == 0)]
    )


@every_kind
def test_no_outline_crosses_itself(kind):
    outlines = named(KINDS[kind]())
    assert [name for name, polygon in outlines.items() if crosses_itself(polygon)] == []


@every_kind
@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        ("face", "whole"),
        ("jaw", "face"),
        ("nose", "face"),
        ("brows0", "face"),
        ("brows1", "face"),
        ("eyes0", "face"),
        ("eyes1", "face"),
        ("mouth", "face"),
        ("gap", "mouth"),
    ],
)
def test_parts_lie_inside_of_what_they_are_part_of(kind, inner, outer):
    outlines = named(KINDS[kind]())
    assert share_inside(outlines[inner], outlines[outer]) > 0.97


@every_kind
@pytest.mark.parametrize(
    ("one", "other"), [("jaw", "mouth"), ("jaw", "nose"), ("eyes0", "brows0"), ("nose", "mouth")]
)
def test_neighbours_do_not_overlap(kind, one, other):
    outlines = named(KINDS[kind]())
    assert share_inside(outlines[one], outlines[other]) < 0.06


@every_kind
def test_sizes_are_those_of_a_face(kind):
    """In squares of the distance between the eyes."""
    sizes = {name: area(polygon) for name, polygon in named(KINDS[kind]()).items()}
    assert 4 < sizes["whole"] < 5.2
    assert 0.6 < sizes["face"] / sizes["whole"] < 0.85
    for name, least, most in (
        ("jaw", 0.6, 1.4),
        ("nose", 0.15, 0.35),
        ("brows0", 0.04, 0.12),
        ("eyes0", 0.03, 0.09),
        ("mouth", 0.12, 0.3),
        ("gap", 0.01, 0.1),
    ):
        assert least < sizes[name] < most, name


def test_a_mirrored_face_has_mirrored_outlines():
    away = torch.tensor([-1.0, 1.0])
    tilted = mean_shape() + 0.1 * torch.randn(68, 2, generator=torch.Generator().manual_seed(3))
    one, other = outlines_from_68(tilted), outlines_from_68((tilted * away)[list(MIRROR)])
    pairs = [(getattr(one, name), getattr(other, name)) for name in PARTS]
    pairs += [(getattr(one, name)[side], getattr(other, name)[1 - side])
              for name in ("eyes", "brows") for side in (0, 1)]  # fmt: skip
    for first, second in pairs:
        assert area(first) == pytest.approx(area(second))
        assert torch.allclose((first * away).amin(0), second.amin(0))
        assert torch.allclose((first * away).amax(0), second.amax(0))


@pytest.mark.parametrize("file", sorted(set(MARKED) - {FRINGE}))
def test_face_and_forehead_ends_at_the_marked_hairline(file):
    """Within 0.15 distances between the eyes, and the chin too."""
    marked = MARKED[file]
    points = torch.tensor(marked["points"])
    face = Face(0, (0, 0, 1, 1), points, 1.0)
    outlines, measured = outlines_of(face)
    assert not measured
    eyes = float((points[1] - points[0]).norm())
    down = points[3:].mean(0) - points[:2].mean(0)
    down = (down / down.norm()).double()
    heights = outlines.whole @ down
    for place, end in (("hairline", heights.min()), ("chin", heights.max())):
        assert abs(float(torch.tensor(marked[place]).double() @ down - end)) < 0.15 * eyes, place
    brows = torch.cat(outlines.brows) @ down
    assert float((outlines.face @ down).min()) == pytest.approx(float(brows.min()), abs=0.05 * eyes)


def test_raised_brows_do_not_raise_the_hairline_as_much():
    calm, raised = mean_shape(), mean_shape()
    raised[17:27, 1] -= 0.1
    lift = outlines_from_68(calm).whole[:, 1].min() - outlines_from_68(raised).whole[:, 1].min()
    assert 0 <= lift < 0.25


def edges(*rings: tuple[int, ...]) -> set[frozenset[int]]:
    return {
        frozenset((ring[place - 1], ring[place])) for ring in rings for place in range(len(ring))
    }


@pytest.mark.parametrize(
    ("rings", "name"),
    [
        ((regions.OVAL,), "face_oval"),
        (regions.EYES[:1], "right_eye"),
        (regions.EYES[1:], "left_eye"),
        ((regions.LIPS_OUTER, regions.LIPS_INNER), "lips"),
    ],
)
def test_the_rings_of_the_mesh_are_the_published_ones(rings, name):
    assert edges(*rings) == set(map(frozenset, handmade.connection_sets()[name]))


def test_the_brows_of_the_mesh_are_the_published_lines_closed():
    for ring, name in zip(regions.BROWS, ("right_eyebrow", "left_eyebrow"), strict=True):
        published = set(map(frozenset, handmade.connection_sets()[name]))
        assert published < edges(ring)
        assert len(edges(ring)) == len(published) + 2


def test_measured_landmarks_come_before_a_mesh_and_a_mesh_before_a_guess():
    meshed = handmade.meshed(60, 100, 90)
    own = outlines_from_mesh(torch.from_numpy(meshed.mesh["landmarks_xy"]))
    landmarks = handmade.measured(50, 100, 90).landmarks68
    guess = replace(meshed, landmarks68=landmarks, estimated=True)
    refined = replace(meshed, landmarks68=landmarks)
    for face in (meshed, guess):
        outlines, measured = outlines_of(face)
        assert measured
        assert torch.equal(outlines.whole, own.whole)
    outlines, measured = outlines_of(refined)
    assert measured
    assert torch.equal(outlines.whole, outlines_from_68(landmarks).whole)
    assert not outlines_of(replace(guess, mesh=None))[1]


def test_five_points_place_the_mean_shape():
    face = handmade.measured(50, 100, 90, degrees=20)
    outlines, measured = outlines_of(replace(face, landmarks68=None))
    assert not measured
    assert torch.allclose(outlines.whole, outlines_from_68(face.landmarks68).whole, atol=1e-3)


@pytest.mark.parametrize(
    ("landmarks", "complaint"),
    [
        (torch.full((68, 2), float("nan")), "not numbers"),
        (mean_shape().float() * float("inf"), "not numbers"),
        (torch.full((68, 2), 7.0), "one line or at one place"),
        (torch.linspace(0, 50, 68)[:, None].repeat(1, 2), "one line or at one place"),
    ],
)
@pytest.mark.parametrize("how", ["landmarks", "points", "mesh"])
def test_landmarks_that_make_no_face_are_refused(landmarks, complaint, how):
    face = handmade.measured(50, 100, 90)
    changed = {
        "landmarks": replace(face, landmarks68=landmarks),
        "points": replace(face, landmarks68=None, points=landmarks[:5]),
        "mesh": replace(
            face, landmarks68=None, mesh={"landmarks_xy": landmarks.repeat(8, 1)[:478].numpy()}
        ),
    }
    with pytest.raises(ValueError, match=complaint):
        outlines_of(changed[how])


def test_the_hull_is_that_of_opencv():
    points = torch.randn(200, 2, generator=torch.Generator().manual_seed(1))
    theirs = cv2.convexHull(points.numpy())[:, 0]
    ours = hull([points[:50], points[50:]])
    assert len(ours) == len(theirs)
    assert {tuple(point) for point in ours.float().tolist()} == {tuple(p) for p in theirs.tolist()}
