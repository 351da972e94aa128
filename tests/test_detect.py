"""The retry ladder and the batch, on a detector whose answers are known in advance."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import chain, pairwise

import numpy as np
import pytest
import torch
from pack.likeness import insight
from pack.likeness.compare import cosine
from pack.likeness.detect import LADDER, Retry, Rung, detect, detect_in_boxes, look, to_rgb8
from standins import insightface_pack as standins

SIZES = [(192, 320), (320, 192)]  # (height, width): both fill the detector's 640 px at scale 2


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return insight.load(standins.write_pack(tmp_path_factory.mktemp("known"), known_answer=True))


@dataclass
class Watcher:
    """An analyzer that finds nothing and keeps what it was shown."""

    name: str = "watcher"
    parts: tuple[str, ...] = ("detection",)
    providers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    space: str | None = None
    side: int = 0
    shown: list = field(default_factory=list)

    def find(self, frame, threshold, reach=1.0):
        self.shown.append((frame.copy(), threshold, reach))
        assert frame.flags.c_contiguous
        assert frame.dtype == np.uint8
        return []


def marked(size, *markers) -> np.ndarray:
    """A black picture with markers (x, y, side)."""
    picture = np.zeros((*size, 3), np.uint8)
    for x, y, side in markers:
        picture[y : y + side, x : x + side] = standins.marker(side)
    return picture


def images(*pictures: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures)).float() / 255


def assert_face(face, box, points):
    assert face.box == pytest.approx(tuple(box), abs=1e-3)
    np.testing.assert_allclose(face.points, points, atol=1e-3)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ((64, 32, 16), None),
        ((64, 96, 32), "at 0.5 times the size"),
        ((56, 32, 8), "at 2 times the size"),
        ((16, 24, 24), "with a border of 25%"),
        ((112, 48, 48), "at 0.5 times the size and with a border of 25%"),
    ],
)
def test_rungs_find_the_place(pack, size, marker, words):
    if size[0] > size[1]:
        marker = (marker[1], marker[0], marker[2])
    faces = detect(images(marked(size, marker)), pack)
    [face] = faces
    assert_face(face, *standins.marked_face(*marker))
    assert [note for note in faces.notes if "found" in note] == (
        [] if words is None else [f"found {words}: frame 0"]
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_faces_come_back(pack, size, turns):
    upright = marked(size, (64, 32, 16))
    [expected] = detect(images(upright), pack)
    picture = np.rot90(upright, turns)
    faces = detect(images(picture), pack)
    [face] = faces
    assert any(f"turned by {(4 - turns) * 90}°" in note for note in faces.notes)

    # Where each pixel of the upright picture lies in the turned one, by turning their numbers.
    y, x = np.indices(picture.shape[:2])
    places = np.rot90(np.stack([x, y], axis=-1), -turns).astype(float)
    origin = places[0, 0]
    right, down = places[0, 1] - origin, places[1, 0] - origin

    def moved(points):
        points = np.asarray(points, dtype=float)
        return origin + points[:, :1] * right + points[:, 1:] * down

    box, points = standins.marked_face(64, 32, 16)
    corners = moved(box.reshape(2, 2))
    assert_face(face, [*corners.min(0), *corners.max(0)], moved(points))
    np.testing.assert_allclose(face.landmarks68, moved(expected.landmarks68), atol=1e-3)
    assert cosine(face.embedding, expected.embedding) > 0.9999
    assert face.pose[:2] == expected.pose[:2]
    for ours, was in ((face.pose[2], expected.pose[2]), (face.roll, expected.roll)):
        assert math.remainder(ours - was + 90 * turns, 360) == pytest.approx(0, abs=1e-3)
        assert -180 <= ours <= 180


@pytest.mark.parametrize("size", [(97, 160), (160, 97)])
def test_every_rung_leads_back_to_the_pixel(size):
    """A dot shown to an analyzer that finds dots comes back to where it was."""
    picture = np.zeros((*size, 3), np.uint8)
    picture[31, 17] = 255

    class Dots(Watcher):
        def find(self, frame, threshold, reach=1.0):
            [[y, x]] = np.argwhere(frame.min(axis=2) == 255)
            points = torch.tensor([[x, y]] * 5, dtype=torch.float32)
            return [insight.Face(0, (x - 2, y - 2, x + 2, y + 2), points, 1.0)]

    for rung in chain(*LADDER[Retry.ALL]):
        [face], used = look(picture, Dots(), 0.5, [(rung,)])
        assert used == rung
        assert face.points.tolist() == [[17, 31]] * 5
        assert face.box == (15, 29, 19, 33)


def test_retry_says_what_is_tried(pack):
    for retry, count in ((Retry.NONE, 1), (Retry.SIZES, 3), (Retry.BORDER, 5), (Retry.ALL, 8)):
        watcher = Watcher()
        faces = detect(torch.zeros(1, 40, 60, 3), watcher, 0.3, retry)
        assert len(watcher.shown) == len(list(chain(*LADDER[retry]))) == count
        assert {threshold for _, threshold, _ in watcher.shown} == {0.3}
        assert len(faces) == 0
        assert faces.frames == 1
    turned = images(np.rot90(marked((192, 320), (64, 32, 16))))
    assert len(detect(turned, pack, retry=Retry.BORDER)) == 0
    assert len(detect(turned, pack, retry=Retry.ALL)) == 1


def test_the_ladder_starts_with_the_picture_itself_and_only_grows():
    ladders = [tuple(chain(*steps)) for steps in LADDER.values()]
    assert set(LADDER) == set(Retry)
    assert ladders[0] == (Rung(),)
    for shorter, longer in pairwise(ladders):
        assert longer[: len(shorter)] == shorter
        assert len(set(longer)) == len(longer) > len(shorter)


def test_of_the_last_rungs_the_surest_face_wins():
    """What is found upright with a border may be no face; the picture may lie on its side."""

    class Unsure(Watcher):
        def find(self, frame, threshold, reach=1.0):
            super().find(frame, threshold, reach)
            score = {(60, 40): 0.0, (90, 60): 0.6, (40, 60): 0.9}[frame.shape[:2]]
            if frame.shape[0] == 40 and len(self.shown) < 7:
                score = 0.7  # one quarter turn is less sure than the other
            return [insight.Face(0, (1, 1, 9, 9), torch.zeros(5, 2), score)] if score else []

    faces = detect(torch.zeros(1, 60, 40, 3), Unsure(), 0.5)
    assert [face.score for face in faces] == [0.9]
    assert "found turned by 270°: frame 0" in faces.notes


def test_a_batch_with_faces_in_some_frames(pack):
    size = (192, 320)
    empty, one, two = marked(size), marked(size, (64, 32, 16)), marked(size, (64, 96, 32))
    faces = detect(images(empty, one, empty, empty, two), pack)
    assert [face.frame for face in faces] == [1, 4]
    assert (faces.frames, faces.size) == (5, size)
    assert "no face in frames 0, 2-3" in faces.notes
    assert "found at 0.5 times the size: frame 4" in faces.notes
    assert detect(images(empty), pack).notes == (f"analyzer: {pack.name}",)


def test_forty_faces(pack):
    markers = [(x, y, 16) for y in range(16, 176, 32) for x in range(16, 272, 32)]
    faces = detect(images(marked((192, 320), *markers)), pack)
    assert len(faces) == len(markers) == 40
    found = {tuple(face.points[0].round().int().tolist()) for face in faces}
    assert found == {(round(x + 0.3 * 16), round(y + 0.35 * 16)) for x, y, _ in markers}


def test_the_largest_comes_first():
    class Three(Watcher):
        def find(self, frame, threshold, reach=1.0):
            points = torch.zeros(5, 2)
            return [insight.Face(0, (0, 0, side, side), points, 0.9) for side in (3, 9, 6)]

    assert [face.width for face in detect(torch.zeros(1, 20, 20, 3), Three())] == [9, 6, 3]


def test_progress_is_told_of_every_frame_and_may_cancel(pack):
    calls = []
    detect(torch.zeros(3, 20, 20, 3), pack, progress=lambda *call: calls.append(call))
    assert calls == [(1, 3), (2, 3), (3, 3)]

    class Cancelled(BaseException): ...

    def cancel(done, total):
        raise Cancelled

    watcher = Watcher()
    with pytest.raises(Cancelled):
        detect(torch.zeros(3, 20, 20, 3), watcher, retry=Retry.NONE, progress=cancel)
    assert len(watcher.shown) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_become_the_bytes_they_came_from(dtype, channels):
    levels = torch.arange(256, dtype=torch.uint8).reshape(8, 32, 1)
    image = (levels.float() / 255).to(dtype).expand(-1, -1, channels).clone()
    if channels == 4:
        image[..., 3] = 0.5
    pixels, strange = to_rgb8(image)
    assert pixels.flags.c_contiguous
    assert strange == 0
    assert np.array_equal(pixels, levels.expand(-1, -1, 3).numpy())


def test_pictures_are_rounded_to_the_nearest_level_and_kept():
    levels = torch.randint(0, 256, (97, 160, 3))
    image = (levels + torch.rand(97, 160, 3).sub(0.5).mul(0.98)) / 255
    kept = image.clone()
    assert np.array_equal(to_rgb8(image)[0], levels)
    assert torch.equal(image, kept)
    assert np.array_equal(to_rgb8(image.transpose(0, 1))[0], levels.transpose(0, 1))
    for height, width in ((1, 1), (4, 1), (1, 4), (1, 3), (3, 1)):
        assert np.array_equal(to_rgb8(image[:height, :width])[0], levels[:height, :width])
        assert to_rgb8(image[:height, :width, :1])[0].shape == (height, width, 3)


def test_numbers_that_are_none_become_black_and_are_noted(pack):
    nan, inf = math.nan, math.inf
    pixels, strange = to_rgb8(torch.tensor([[[nan, inf, -inf], [-0.2, 1.7, 0.5]]]))
    assert pixels.tolist() == [[[0, 255, 0], [0, 255, 128]]]
    assert strange == 1
    pictures = images(marked((192, 320), (64, 32, 16)), marked((192, 320)))
    pictures[0, 150:160] = nan
    faces = detect(pictures, pack)
    assert len(faces) == 1
    assert "frame 0: 9,600 values are not numbers and were taken as black" in faces.notes
    assert pictures.isnan().sum() == 9600
    assert len(detect(torch.full((1, 20, 20, 3), nan), pack)) == 0


def test_alpha_changes_nothing(pack):
    picture = images(marked((192, 320), (64, 32, 16)))
    with_alpha = torch.cat([picture, torch.zeros_like(picture[..., :1])], dim=-1)
    [face], [same] = detect(picture, pack), detect(with_alpha, pack)
    assert face.box == same.box


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (2, 1, 16, 1), (1, 16, 16, 4), (0, 8, 8, 3)])
def test_any_shape_is_searched(pack, shape):
    faces = detect(torch.full(shape, 0.5), pack)
    assert (len(faces), faces.frames, faces.size) == (0, shape[0], shape[1:3])


@pytest.mark.parametrize("shape", [(8, 8, 3), (1, 8, 8, 2), (1, 0, 8, 3), (1, 3, 8, 8)])
def test_what_is_no_picture_is_refused(pack, shape):
    with pytest.raises(ValueError, match="cannot be searched"):
        detect(torch.zeros(shape), pack)


def test_boxes_get_the_points_inside_them():
    from skimage import data

    astronaut = torch.from_numpy(data.astronaut()).float() / 255
    # Marked by eye: both pupils, the nose tip, the mouth corners.
    truth = [[203.0, 101.7], [245.9, 103.8], [223.4, 127.3], [203.9, 140.4], [244.2, 141.1]]
    box, elsewhere = (175.0, 65.0, 275.0, 185.0), (300.0, 300.0, 340.0, 350.0)
    pictures = torch.stack([torch.zeros_like(astronaut), astronaut])
    calls = []
    faces = detect_in_boxes(pictures, [[], [elsewhere, box]], lambda *call: calls.append(call))
    assert calls == [(1, 2), (2, 2)]
    face, other = faces
    assert (face.frame, face.box, other.box) == (1, box, elsewhere)
    error = (face.points - torch.tensor(truth)).norm(dim=1).mean()
    assert error < 0.10 * 43
    assert (other.points >= torch.tensor([300, 300])).all()
    assert (other.points <= torch.tensor([340, 350])).all()


def test_a_box_without_eyes_keeps_its_face_and_says_so():
    faces = detect_in_boxes(
        torch.zeros(1, 64, 64, 3), [[(8.0, 8.0, 40.0, 48.0), (-9.0, 90, 5, 99)]]
    )
    assert len(faces) == 2
    left, right = faces.found[0].points[:2].tolist()
    assert 8 < left[0] < 24 < right[0] < 40
    assert left[1] == pytest.approx(right[1])
    assert 8 < left[1] < 28
    assert sum("no eyes found in the box" in note for note in faces.notes) == 2
