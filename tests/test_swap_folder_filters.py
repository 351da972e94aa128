"""Broken swaps are told from good ones: each filter, on swaps of the demo portraits."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace

import cv2
import numpy as np
import pytest
import torch
from graphs import marked
from pack.likeness import insight
from pack.likeness.demo import PORTRAITS, read
from pack.likeness.detect import Retry, detect
from pack.likeness.face import Face
from pack.likeness.frontal import cascade
from pack.likeness.identity import People
from pack.likeness.make_identity import make_identity
from pack.likeness.montage.montage import Montage
from pack.likeness.swap_folder import measure as measuring
from pack.likeness.swap_folder.folder import swap_folder
from pack.likeness.swap_folder.measure import HEAD, Measures, measure, nearest, pose, reasons
from pack.likeness.swap_folder.settings import Limits, Settings
from pack.likeness.swapping.swap import swap_faces
from picture_folders import OPEN
from PIL import Image
from standins import insightface_pack as standins
from torch import Tensor

pytestmark = pytest.mark.slow


REASON = {
    "shift": ("shifted", "no face found again"),
    "sharpness": ("blurred",),
    "colour": ("colour jumps",),
    "pose": ("pose changed",),
}


def about(picture: np.ndarray, face: Face, matrix: np.ndarray) -> np.ndarray:
    return cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


def blurred(picture: np.ndarray, face: Face) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), face.width / 75)


def shifted(picture: np.ndarray, face: Face) -> np.ndarray:
    return about(picture, face, np.float32([[1, 0, 0.1 * face.width], [0, 1, 0.1 * face.height]]))


def tinted(picture: np.ndarray, face: Face) -> np.ndarray:
    return (picture + np.float32([0.1, 0, -0.1])).clip(0, 1)


def turned(picture: np.ndarray, face: Face) -> np.ndarray:
    return about(picture, face, cv2.getRotationMatrix2D(face.centre, 25, 1))


def blanked(picture: np.ndarray, face: Face) -> np.ndarray:
    return np.full_like(picture, 0.5)


BREAKS = {
    blurred: "sharpness",
    shifted: "shift",
    tinted: "colour",
    turned: "pose",
    blanked: "shift",
}


@pytest.fixture(scope="module")
def finder():
    return cascade.load()


def found_in(picture: Tensor, finder) -> tuple[Face, ...]:
    return detect(picture[None], finder, retry=Retry.NONE).found


def oval(face: Face, size: tuple[int, int]) -> Tensor:
    """(H, W): the face, with a soft edge."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    x, y = face.centre
    way = np.hypot((columns - x) / (0.42 * face.width), (rows - y) / (0.45 * face.height))
    return torch.from_numpy(((1.15 - way) / 0.15).clip(0, 1).astype(np.float32))


def broken(picture: Tensor, face: Face, harm) -> tuple[Tensor, Tensor]:
    """The picture with its face put back harmed, and how much of each pixel is new."""
    new = oval(face, picture.shape[:2])
    patch = torch.from_numpy(harm(picture.numpy(), face))
    return torch.lerp(picture, patch, new[..., None]), new


@pytest.mark.parametrize("harm", BREAKS, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("name", ["snow", "garden"])
def test_a_broken_face_is_rejected_by_its_filter(name, harm, finder):
    picture = read(name)[0]
    (face,) = found_in(picture, finder)
    harmed, new = broken(picture, face, harm)
    measures = measure(picture, harmed, new, face, found_in(harmed, finder), None)
    wanted = BREAKS[harm]
    assert any(told.startswith(REASON[wanted]) for told in reasons(measures, Limits())), measures
    kept = {each.name: None for each in fields(Limits) if each.name != wanted}
    assert reasons(measures, replace(Limits(), **kept))
    if harm is not blanked:  # which is everything at once
        assert not [
            told
            for told in reasons(measures, replace(Limits(), **{wanted: None}))
            if told.startswith(REASON["sharpness"])
        ]
    assert reasons(measures, Limits(None, None, None, None, None)) == []


@pytest.mark.parametrize("name", ["snow", "garden"])
def test_an_untouched_face_passes_with_nothing_measured_but_noise(name, finder):
    picture = read(name)[0]
    (face,) = found_in(picture, finder)
    new = oval(face, picture.shape[:2])
    same = measure(picture, picture.clone(), new, face, found_in(picture, finder), 1.0)
    nothing = Measures(0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert same.rounded() == nothing.rounded()
    assert reasons(same, Limits()) == []


@pytest.mark.slow
@pytest.mark.parametrize("target", PORTRAITS)
def test_good_swaps_pass(target, finder):
    """Every portrait onto every other, by the built-in swapper."""
    picture = read(target)
    faces = detect(picture, finder)
    for name in PORTRAITS:
        people = People((make_identity([read(name)], finder, name),))
        swapped = swap_faces(picture, faces, people, Montage(), analyzer=finder)
        after = (swapped.images[0] * 255).round() / 255
        measures = measure(
            picture[0], after, swapped.masks[0], faces.found[0], found_in(after, finder), None
        )
        print(name, "->", target, measures.rounded())
        assert reasons(measures, Limits()) == []


def test_similarity_counts_only_where_it_is_known():
    assert reasons(Measures(0.0, None, 1.0, 0.0, 0.0), Limits(similarity=0.9)) == []
    (told,) = reasons(Measures(0.0, 0.25, 1.0, 0.0, 0.0), Limits())
    assert told == "not like the person: 0.25 is below 0.3"
    assert reasons(Measures(0.0, 0.25, 1.0, 0.0, 0.0), Limits(similarity=None)) == []


def test_a_pack_that_knows_identity_measures_the_likeness_of_results(tmp_path):
    """Stand-in faces are all one person to the stand-in network, at any floor that can be."""
    known = insight.load(standins.write_pack(tmp_path / "pack", known_answer=True))
    source = tmp_path / "in"
    source.mkdir()
    picture = marked(192, 320, (64, 64))
    pixels = (picture * 255).round().byte().numpy()
    Image.fromarray(pixels).save(source / "marked.png")
    people = People((make_identity([picture[None]], known, "marker"),))
    assert people.known[0].space == known.space
    for floor, state in ((0.3, "accepted"), (1.5, "rejected")):
        limits = replace(OPEN, similarity=floor)
        target = tmp_path / state
        swap_folder(source, target, people, Montage(), known, Settings(limits=limits))
        (row,) = (target / state / "metadata.jsonl").read_text("utf-8").splitlines()
        assert "the floor was not looked at" not in (target / "report.json").read_text("utf-8")
        (face,) = json.loads(row)["faces"]
        assert 0.9 < face["similarity_before"] <= 1.0001
        assert 0.3 < face["similarity"] <= 1.0001
        assert json.loads(row).get("reasons", []) == (
            []
            if state == "accepted"
            else [f"not like the person: {face['similarity']:.3g} is below 1.5"]
        )


def test_a_face_elsewhere_is_not_the_face_found_again(finder):
    (face,) = found_in(read("snow")[0], finder)
    assert nearest(face, [face]) is face
    x0, y0, x1, y1 = face.box
    far = replace(face, box=(x0 + face.width, y0, x1 + face.width, y1))
    assert nearest(face, [far]) is None
    assert nearest(face, [far, face]) is face
    assert nearest(face, []) is None


@pytest.mark.parametrize("angles", [(0, 0, 0), (12, 0, 0), (0, 20, 0), (0, 0, -33), (-10, 15, 40)])
def test_the_pose_of_a_turned_head(angles):
    pitch, yaw, roll = map(math.radians, angles)
    about_x = [
        [1, 0, 0],
        [0, math.cos(pitch), -math.sin(pitch)],
        [0, math.sin(pitch), math.cos(pitch)],
    ]
    about_y = [[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]]
    about_z = [[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]]
    turn = np.array(about_z) @ np.array(about_x) @ np.array(about_y)
    seen = 70 * (np.array(HEAD) @ turn.T)[:, :2] + (200, 100)
    points = torch.from_numpy(seen)
    face = Face(0, (0, 0, 1, 1), points, 1.0)
    found = np.abs(pose(face))
    if sum(map(bool, angles)) <= 1:
        assert found == pytest.approx(np.abs(angles), abs=0.01)
    else:
        assert found == pytest.approx(np.abs(angles), abs=6)  # of angles in one another's way


def around(axis: int, angle: float) -> np.ndarray:
    """(3, 3), a turn about x, y or z."""
    one, other = (axis + 1) % 3, (axis + 2) % 3
    made = np.eye(3)
    made[one, one] = made[other, other] = math.cos(angle)
    made[other, one] = math.sin(angle)
    made[one, other] = -made[other, one]
    return made


def test_a_change_of_pose_is_the_short_way_round():
    points = torch.tensor(HEAD)[:, :2]
    upside_down = [
        Face(0, (0, 0, 1, 1), points @ torch.tensor(rotation(degrees)).T, 1.0)
        for degrees in (178.0, -178.0)
    ]
    _, _, (one, other) = zip(*map(pose, upside_down), strict=True)
    assert abs(one - other) > 300
    assert measuring._turn(one - other) == pytest.approx(-4, abs=0.1)


def rotation(degrees: float) -> list[list[float]]:
    angle = math.radians(degrees)
    return [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]


@pytest.mark.parametrize("value", [-0.1, math.inf, math.nan])
def test_a_limit_that_is_none_is_refused(value):
    with pytest.raises(ValueError, match="limit colour"):
        Limits(colour=value)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_where_nothing_or_everything_is_new_there_is_no_edge(share, finder):
    picture = read("snow")[0]
    (face,) = found_in(picture, finder)
    new = torch.full(picture.shape[:2], share)
    measures = measure(picture, picture, new, face, [face], None)
    assert measures.colour is None
    assert measures.sharpness == (None if share == 0 else 1.0)
