"""The built-in face finder against faces marked by hand, and against what faces cannot depend on.

demo_faces.json: points marked by eye, about 1.5 px accurate, on the demo portraits and astronaut.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pack.likeness import demo, mean_shape
from pack.likeness.frontal import cascade
from PIL import Image

MARKED = json.loads((Path(__file__).parent / "demo_faces.json").read_text())["faces"]
NAMES = {file: name for name, file in demo.PORTRAITS.items()}
SWAPPED = [1, 0, 2, 4, 3]  # the five points of a mirrored face


def picture(file: str) -> np.ndarray:
    from skimage import data

    if file == "astronaut":
        return data.astronaut()
    return demo.read(NAMES[file])[0].mul(255).round().byte().numpy()


def resized(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def errors(face, marked: torch.Tensor) -> torch.Tensor:
    """Distance of each point (5,) in distances between the eyes."""
    return (face.points - marked).norm(dim=1) / (marked[1] - marked[0]).norm()


def roll(points: torch.Tensor) -> float:
    x, y = (points[1] - points[0]).tolist()
    return math.degrees(math.atan2(y, x))


@pytest.fixture(scope="module")
def finder():
    return cascade.load()


@pytest.fixture(scope="module")
def found(finder):
    return {file: finder.find(picture(file), 0.5) for file in MARKED}


@pytest.fixture(scope="module")
def crowd():
    """Six people around a table; two of them are seen from the side."""
    import insightface.data

    return np.ascontiguousarray(insightface.data.get_image("t1")[:, :, ::-1])


@pytest.mark.parametrize("file", MARKED)
def test_a_marked_face_is_found_alone_and_where_it_is(found, file):
    marked = torch.tensor(MARKED[file]["points"])
    (face,) = found[file]
    error = errors(face, marked)
    assert error.mean() <= 0.10
    assert error[:2].max() <= 0.08
    assert abs(face.roll - roll(marked)) <= 3
    assert face.score >= 0.5
    x0, y0, x1, y1 = face.box
    assert ((face.points > torch.tensor([x0, y0])) & (face.points < torch.tensor([x1, y1]))).all()


def test_the_error_over_all_marked_faces(found):
    marked = {file: torch.tensor(MARKED[file]["points"]) for file in MARKED}
    error = torch.stack([errors(found[file][0], marked[file]) for file in MARKED])
    assert error.mean() <= 0.05
    assert error[:, :2].mean() <= 0.03


@pytest.mark.parametrize("file", MARKED)
def test_the_dense_landmarks_pass_through_the_points(found, file):
    (face,) = found[file]
    assert face.estimated
    own = mean_shape.five_points(face.landmarks68)
    torch.testing.assert_close(own, face.points, atol=0.01, rtol=0)
    chin = torch.tensor(MARKED[file]["chin"])
    apart = (face.points[1] - face.points[0]).norm()
    assert (face.landmarks68[8] - chin).norm() <= 0.25 * apart


@pytest.fixture(scope="module")
def everything(finder, crowd):
    return finder.find(crowd, 0.0)


def test_people_around_a_table(everything):
    """The bare cascade takes four other things there for faces.

    One of the five is tilted and half turned away, and near the threshold: it may be missed.
    """
    faces = [face for face in everything if face.score >= 0.5]
    eyes = torch.stack([face.points[:2].mean(0) for face in faces])
    seen = torch.tensor([(108.0, 320), (306, 204), (513, 325), (782, 400), (1169, 327)])
    off, which = torch.cdist(eyes, seen).min(dim=1)
    assert off.max() < 15
    assert len(set(which.tolist())) == len(faces) >= 4


def test_the_threshold_is_the_least_score(finder, crowd, everything):
    scores = [face.score for face in everything]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) < 0.1
    strict = [face.score for face in finder.find(crowd, 0.9)]
    assert strict == [score for score in scores if score >= 0.9]
    assert 0 < len(strict) < 5


@pytest.mark.parametrize("file", MARKED)
def test_a_mirrored_picture_gives_the_mirrored_points(finder, found, file):
    pixels = picture(file)
    (face,) = finder.find(np.ascontiguousarray(pixels[:, ::-1]), 0.5)
    points = face.points[SWAPPED]
    points[:, 0] = pixels.shape[1] - 1 - points[:, 0]
    assert errors(found[file][0], points).max() <= 0.08


@pytest.mark.parametrize("angle", [-25, -15, 15, 25])
def test_a_turned_picture_gives_the_turned_points(finder, found, angle):
    file = "hidream_e1_1-2.webp"
    turned = np.array(Image.fromarray(picture(file)).rotate(angle, Image.Resampling.BICUBIC))
    (face,) = finder.find(turned, 0.5)
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    linear = torch.tensor([[cosine, sine], [-sine, cosine]])
    middle = torch.tensor([199.5, 199.5])
    points = (found[file][0].points - middle) @ linear.T + middle
    assert errors(face, points).max() <= 0.08
    assert abs(face.roll - roll(points)) <= 3


@pytest.mark.parametrize(("width", "height"), [(120, 120), (800, 800), (7680, 7680)])
def test_size_does_not_matter(finder, found, width, height):
    file = "flux1_krea_dev-1.webp"
    (face,) = finder.find(resized(picture(file), width, height), 0.5)
    scale = torch.tensor([width, height]) / 400
    points = (found[file][0].points + 0.5) * scale - 0.5
    assert errors(face, points).max() <= 0.08


@pytest.mark.parametrize(("height", "width"), [(97, 160), (160, 97)])
def test_a_small_picture_that_is_not_square(finder, found, height, width):
    file = "flux1_krea_dev-1.webp"
    canvas = np.full((height, width, 3), 90, np.uint8)
    canvas[:97, :97] = resized(picture(file), 97, 97)
    (face,) = finder.find(canvas, 0.5)
    points = (found[file][0].points + 0.5) * 97 / 400 - 0.5
    assert errors(face, points).max() <= 0.12


def test_reach_finds_smaller_faces(finder):
    small = resized(picture("hidream_e1_1-2.webp"), 150, 150)
    canvas = np.full((1500, 3000, 3), 90, np.uint8)
    canvas[900:1050, 2000:2150] = small
    assert not finder.find(canvas, 0.5)
    (face,) = finder.find(canvas, 0.5, reach=2)
    assert 2000 < face.centre[0] < 2150


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (1, 500), (500, 19)])
def test_a_picture_too_small_for_a_face(finder, size):
    assert finder.find(np.zeros((*size, 3), np.uint8), 0.0) == []


@pytest.mark.parametrize("kind", ["black", "white", "noise", "stripes"])
def test_no_face_in_what_has_none(finder, kind):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    stripes = np.where(np.arange(400) // 20 % 2, 220, 30).astype(np.uint8)
    pixels = {
        "black": np.zeros_like(noise),
        "white": np.full_like(noise, 255),
        "noise": noise,
        "stripes": np.broadcast_to(stripes[None, :, None], noise.shape).copy(),
    }[kind]
    assert finder.find(pixels, 0.5) == []


@pytest.mark.parametrize("grow", [0.9, 1.0, 1.2])
def test_the_points_in_a_box_that_is_given(found, grow):
    file = "image_hidream_o1-1.webp"
    x0, y0, x1, y1 = found[file][0].box
    x, y, half, tall = (x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2 * grow, (y1 - y0) / 2 * grow
    face, seen = cascade.points_in_box(picture(file), (x - half, y - tall, x + half, y + tall))
    assert seen
    assert errors(face, torch.tensor(MARKED[file]["points"])).mean() <= 0.10


def test_a_box_without_a_face_gets_the_mean_face():
    box = (50.0, 20.0, 150.0, 150.0)
    face, seen = cascade.points_in_box(np.full((200, 200, 3), 128, np.uint8), box)
    assert not seen
    assert face.estimated
    assert face.box == box
    assert face.roll == 0
    assert face.points.mean(0)[0].item() == pytest.approx(100)
    assert (face.landmarks68[:, 1] > 20).all()
    assert (face.landmarks68[:, 1] < 150).all()


def test_the_mean_shape_is_symmetric_and_its_eyes_are_the_unit():
    shape = mean_shape.mean_shape()
    mirrored = shape * torch.tensor([-1, 1])
    assert torch.equal(mirrored[list(mean_shape.MIRROR)], shape)
    eyes = mean_shape.five_points(shape)[:2]
    torch.testing.assert_close(eyes, torch.tensor([[-0.5, 0], [0.5, 0]], dtype=torch.float64))
