"""Masks of faces: what they cover, how faces, frames and regions come together, what is refused."""

from __future__ import annotations

import itertools
from dataclasses import replace

import handmade
import numpy as np
import pytest
import torch
from pack.likeness.face import Face, Faces
from pack.likeness.masks import Edge, describe_masks, face_masks
from pack.likeness.pixels.coverage import fill, gaussian, grow, reach_of
from pack.likeness.regions import Region, outlines_of

SIZES = [(97, 160), (160, 97)]
ALL = [region for region in Region if region is not Region.PICTURE]
WHOLE = [Region.FOREHEAD]


def one(size: tuple[int, int], eyes: float = 26, **options) -> Faces:
    return Faces((handmade.measured(eyes, 45.3, 47.6, **options),), 1, size)


def drawn(faces: Faces, regions, *settings, **options) -> torch.Tensor:
    return face_masks(faces, regions, *settings, **options).masks


def everywhere(faces: Faces, polygon: torch.Tensor) -> torch.Tensor:
    return fill(polygon, (0, 0, faces.size[1], faces.size[0]))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", [handmade.measured, handmade.meshed])
def test_each_region_is_its_outline(size, make):
    faces = Faces((make(26, 45.3, 47.6),), 1, size)
    own, _ = outlines_of(faces.found[0])
    outline = {name: everywhere(faces, getattr(own, name))
               for name in ("whole", "face", "jaw", "nose", "mouth", "gap")}  # fmt: skip
    outline |= {name: sum(everywhere(faces, each) for each in getattr(own, name))
                for name in ("eyes", "brows")}  # fmt: skip
    wanted = {
        Region.FOREHEAD: outline["whole"],
        Region.FACE: outline["face"],
        Region.SKIN: outline["whole"] - outline["eyes"] - outline["mouth"],
        Region.EYES: outline["eyes"],
        Region.BROWS: outline["brows"],
        Region.NOSE: outline["nose"],
        Region.LIPS: outline["mouth"] - outline["gap"],
        Region.MOUTH: outline["mouth"],
        Region.JAW: outline["jaw"],
    }
    for region, expected in wanted.items():
        error = (drawn(faces, [region])[0] - expected).abs()
        assert error.max() < 0.3, region  # where two outlines cross in a pixel
        assert error.mean() < 5e-4, region


@pytest.mark.parametrize("make", [handmade.measured, handmade.meshed])
def test_several_regions_are_all_that_any_of_them_covers(make):
    faces = Faces((make(26, 45.3, 47.6),), 1, (97, 160))
    alone = {region: drawn(faces, [region])[0] for region in ALL}
    for chosen in [*itertools.combinations(ALL, 2), ALL]:
        both = drawn(faces, list(chosen))[0]
        union = torch.stack([alone[region] for region in chosen]).amax(0)
        assert (both >= union - 0.3).all(), chosen
        assert ((both > 0.5) != (union > 0.5)).sum() < 40, chosen
        assert torch.equal(both, drawn(faces, list(chosen[::-1]))[0])


def test_no_line_is_left_between_neighbours():
    faces = one((97, 160))
    filled = drawn(faces, [Region.SKIN, Region.EYES, Region.MOUTH])
    assert torch.allclose(filled, drawn(faces, WHOLE), atol=1e-6)
    mouth = drawn(faces, [Region.LIPS, Region.MOUTH])
    assert torch.allclose(mouth, drawn(faces, [Region.MOUTH]), atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("regions", [[region] for region in ALL])
def test_a_mask_moves_with_its_face(size, regions):
    here, there = one(size, 18), Faces((handmade.measured(18, 50.3, 54.6),), 1, size)
    moved = drawn(here, regions)[0].roll((7, 5), (0, 1))
    assert torch.allclose(moved, drawn(there, regions)[0], atol=1e-3)


def test_a_frame_is_a_part_of_a_larger_frame():
    """Faces half outside, with everything that reaches over the frame's edge."""
    for x, y in [(0.0, 40.0), (95.0, 5.0), (50.0, 150.0)]:
        small = Faces((handmade.measured(40, x, y),), 1, (160, 97))
        large = Faces((handmade.measured(40, x + 200, y + 200),), 1, (560, 497))
        for edge in (Edge(), Edge(8, 6), Edge(-5, 3)):
            seen = drawn(small, [Region.SKIN], edge)[0]
            whole = drawn(large, [Region.SKIN], edge)[0, 200:360, 200:297]
            assert torch.allclose(seen, whole, atol=2e-3), (x, y, edge)
            assert seen.any()


@pytest.mark.parametrize("together", [True, False])
def test_the_whole_picture_is_masked_with_a_face_or_without(together):
    faces = Faces((handmade.measured(26, 45, 47),), 2, (97, 160))
    for those, number in ((faces, 2 if together else 1), (faces.keep([]), 2 if together else 1)):
        whole = face_masks(those, [Region.PICTURE], Edge(-9, 5), together, 16)
        assert whole.masks.shape == (number, 97, 160)
        assert torch.equal(whole.masks, torch.ones(number, 97, 160))
        assert whole.shares == (1.0,) * number
        assert "nothing is masked" not in describe_masks(whole)


@pytest.mark.parametrize("eyes", [4.0, 26.0, 1000.0])
@pytest.mark.parametrize("shares", [False, True])
def test_faces_of_every_size_are_masked(eyes, shares):
    """12 px and 3000 px wide, in frames that hold them only in part."""
    faces = Faces((handmade.measured(eyes, 70, 50),), 1, (97, 160))
    edge = Edge(0.1, 0.1, True) if shares else Edge(1, 1)
    mask = drawn(faces, ALL, edge)
    assert mask.shape == (1, 97, 160)
    assert mask.amax() > 0.5
    assert mask.amin() >= 0
    assert mask.amax() <= 1


@pytest.mark.parametrize("where", [(-500, 50), (70, 900), (1e7, -1e7)])
def test_a_face_outside_of_the_frame_gives_an_empty_mask(where):
    faces = Faces((handmade.measured(26, *where),), 1, (97, 160))
    result = face_masks(faces, ALL, Edge(2, 2), softness=4)
    assert result.masks.count_nonzero() == 0
    assert "0: frame 0, is empty" in describe_masks(result)


def test_a_huge_face_covers_the_frame():
    faces = Faces((handmade.measured(1e7, 70, -3e6),), 1, (97, 160))
    assert torch.equal(drawn(faces, WHOLE, Edge(0.1, 0.1, True)), torch.ones(1, 97, 160))


def three(size: tuple[int, int]) -> Faces:
    """Two in frame 2, one in frame 0, none in frame 1."""
    found = [(20, 30, 30, 2), (14, 70, 60, 2), (26, 45, 50, 0)]
    return Faces(tuple(handmade.measured(*each) for each in found), 3, size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("edge", [Edge(), Edge(3, 2), Edge(0.1, 0.05, True)])
def test_masks_of_the_faces_and_of_the_frames(size, edge):
    faces = three(size)
    each = face_masks(faces, WHOLE, edge, together=False)
    frames = face_masks(faces, WHOLE, edge)
    assert each.masks.shape == frames.masks.shape == (3, *size)
    assert each.frames == (2, 2, 0)
    assert frames.frames == (0, 1, 2)
    assert not frames.masks[1].any()
    for frame, alone in ((0, each.masks[2]), (2, each.masks[:2].amax(0))):
        assert torch.allclose(frames.masks[frame], alone, atol=1e-6)
    for index, face in enumerate(faces):
        alone = Faces((replace(face, frame=0),), 1, size)
        assert torch.allclose(drawn(alone, WHOLE, edge)[0], each.masks[index], atol=1e-6)


@pytest.mark.parametrize("together", [True, False])
def test_no_face_at_all_gives_empty_masks_and_is_reported(together):
    result = face_masks(Faces((), 3, (97, 160)), WHOLE, softness=5, together=together)
    assert result.masks.shape == (3 if together else 1, 97, 160)
    assert not result.masks.any()
    assert "no face" in describe_masks(result)


@pytest.mark.parametrize("size", SIZES)
def test_growing_and_feathering(size):
    faces = one(size)
    plain = drawn(faces, WHOLE)[0]
    assert torch.allclose(drawn(faces, WHOLE, Edge(5))[0], grow(plain, 5), atol=1e-6)
    assert torch.allclose(drawn(faces, WHOLE, Edge(-5))[0], grow(plain, -5), atol=1e-6)
    soft = drawn(faces, WHOLE, Edge(0, 9))[0]
    assert (soft <= plain).all()
    assert torch.equal(soft > 0, plain > 0.5 / 255)
    deep = grow(plain, -10) == 1
    assert deep.any()
    assert (soft[deep] == 1).all()
    assert ((soft > 0.05) & (soft < 0.95)).sum() > 5 * ((plain > 0.05) & (plain < 0.95)).sum()


def test_shares_are_of_the_longer_side_of_the_box():
    faces = one((160, 97))
    longer = max(faces.found[0].width, faces.found[0].height)
    shared = drawn(faces, WHOLE, Edge(0.1, 0.2, True))
    pixels = Edge(0.1 * longer, 0.2 * longer)
    assert torch.allclose(shared, drawn(faces, WHOLE, pixels), atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("softness", [1, 6, 16])
@pytest.mark.parametrize("together", [True, False])
def test_the_blur_is_that_of_the_whole_mask(size, softness, together):
    """Whether the faces are far from each other, near, or at the edge of the frame."""
    found = [(8, 8, 9, 0), (8, 80, 80, 0), (8, 30, 40, 0)]
    faces = Faces(tuple(handmade.measured(*each) for each in found), 1, size)
    plain = drawn(faces, ALL, together=together)
    blurred = drawn(faces, ALL, softness=softness, together=together)
    for before, after in zip(plain, blurred, strict=True):
        assert torch.allclose(after, gaussian(before, softness), atol=1e-6)
    assert reach_of(softness) > 0
    assert not torch.equal(plain, blurred)


def test_the_mask_of_core_from_the_same_mesh(faces_of_core):
    """Core fills whole pixels, with its outline: none differs that is not at the edge."""
    nodes, faces = faces_of_core
    landmarks = {
        "frames": [[face.mesh for face in faces.of(frame)] for frame in range(faces.frames)],
        "image_size": faces.size,
        "connection_sets": handmade.connection_sets(),
    }
    for region, name in ((Region.FOREHEAD, "face_oval"), (Region.EYES, None)):
        chosen = [name] if name else ["left_eye", "right_eye"]
        settings = {"regions": "custom"} | dict.fromkeys(chosen, True)
        theirs = nodes.MediaPipeFaceMask.execute(landmarks, settings)[0].cpu().float()
        ours = drawn(faces, [region])
        assert ours.shape == theirs.shape
        assert ours.count_nonzero() > 100
        differing = (ours > 0.5) != (theirs > 0.5)
        edge = torch.stack([grow(mask, 1.5) - grow(mask, -1.5) for mask in ours]) > 0
        assert not (differing & ~edge).any()
        assert abs(float(ours.sum() / theirs.sum()) - 1) < 0.25


@pytest.fixture
def faces_of_core():
    nodes = pytest.importorskip("comfy_extras.nodes_mediapipe", reason="no COMFYUI_PATH")
    found = [(40, 60, 60, 0), (25, 150, 110, 2), (20, 60, 140, 2)]
    return nodes, Faces(tuple(handmade.meshed(*each) for each in found), 3, (197, 230))


def test_the_report_names_the_faces_that_were_guessed():
    faces = three((97, 160))
    assert not any("mean shape" in note for note in face_masks(faces, WHOLE).notes)
    known, *others = faces.found
    guessed = [replace(face, estimated=True) for face in others]
    report = describe_masks(face_masks(replace(faces, found=(known, *guessed)), WHOLE))
    assert "face 1, 2: drawn by the mean shape" in report
    assert "1: frame 1, is empty" in report
    bare = replace(known, landmarks68=None)
    notes = face_masks(replace(faces, found=(bare, *others)), WHOLE).notes
    assert any(note.startswith("face 0: drawn by the mean shape") for note in notes)


def test_the_report_ends():
    found = tuple(handmade.measured(9, 40, 40, frame) for frame in range(100))
    report = describe_masks(face_masks(Faces(found, 100, (97, 160)), WHOLE))
    assert len(report.splitlines()) == 41
    assert "covers" in report.splitlines()[1]


def test_the_shares_are_how_much_is_covered():
    result = face_masks(three((97, 160)), WHOLE, Edge(2, 3), softness=3)
    assert np.allclose(result.shares, result.masks.mean((1, 2)), atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"landmarks68": torch.full((68, 2), float("nan"))},
        {"landmarks68": torch.ones(68, 2)},
        {"landmarks68": None, "points": torch.ones(5, 2)},
        {"landmarks68": None, "points": torch.full((5, 2), float("inf"))},
        {"landmarks68": None, "points": torch.tensor([[5.0, 5], [5, 5], [9, 9], [1, 12], [8, 13]])},
        {"box": (0.0, 0.0, float("nan"), 5.0)},
    ],
)
def test_a_face_that_is_none_is_refused_by_name(change):
    good = handmade.measured(20, 40, 40, frame=1)
    faces = Faces((good, replace(good, **change)), 2, (97, 160))
    with pytest.raises(ValueError, match=r"face 1 \(frame 1\).*Select Faces"):
        face_masks(faces, WHOLE, Edge(0.1, 0.1, True))


def test_no_region_is_refused():
    with pytest.raises(ValueError, match="choose at least one"):
        face_masks(one((97, 160)), [])


def test_nothing_is_written_to():
    face = handmade.measured(26, 45, 47)
    mesh = handmade.meshed(26, 45, 47)
    kept = [face.points.clone(), face.landmarks68.clone(), mesh.mesh["landmarks_xy"].copy()]
    face_masks(Faces((face, mesh), 1, (97, 160)), ALL, Edge(3, 3), softness=4)
    assert torch.equal(face.points, kept[0])
    assert torch.equal(face.landmarks68, kept[1])
    assert np.array_equal(mesh.mesh["landmarks_xy"], kept[2])


def test_progress_is_told_for_every_face():
    told = []
    face_masks(three((97, 160)), WHOLE, progress=lambda *state: told.append(state))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_landmarks_of_any_float_type_will_do(kind):
    face: Face = handmade.measured(26, 45, 47)
    faces = Faces((replace(face, landmarks68=face.landmarks68.to(kind)),), 1, (97, 160))
    mask = drawn(faces, WHOLE)
    assert mask.dtype == torch.float32
    assert (mask - drawn(one((97, 160)), WHOLE)).abs().mean() < 0.05
