"""Refined landmarks: how faces are seen, what comes back of them, and the package's own numbers."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import handmade
import numpy as np
import pytest
import torch
from pack.likeness.face import Face, Faces
from pack.likeness.geometry import quarter_turns, transform, transform_box
from pack.likeness.landmarks import READINGS, Reading, heat_maps, package_view, refine, upright
from pack.likeness.mean_shape import MIRROR, five_points, mean_shape
from pack.likeness.nets import fan
from standins.fan import write_fan

SIZES = [(97, 160), (160, 97)]
FIVE_MIRRORED = [1, 0, 2, 4, 3]


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> fan.FAN:
    return fan.load(write_fan(tmp_path_factory.mktemp("fan") / fan.FILE, width=16, stacks=1))


def pictures(height: int, width: int, frames: int = 1, grain: int = 6) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(frames, 3, height // grain + 2, width // grain + 2, generator=random)
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return fine.clamp(0, 1).movedim(1, -1).contiguous()


def of(images: torch.Tensor, *found: Face) -> Faces:
    return Faces(found, len(images), tuple(images.shape[1:3]))


def moved(face: Face, matrix: torch.Tensor) -> Face:
    return replace(
        face,
        box=transform_box(face.box, matrix),
        points=transform(face.points, matrix),
        landmarks68=transform(face.landmarks68, matrix),
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("degrees", [0, 33, 90, 180, -120])
def test_a_face_is_seen_upright_and_by_the_packages_measures(size, degrees):
    face = handmade.measured(21, 60, 50, degrees=degrees)
    view = upright(pictures(*size), face, 0)
    seen = transform(face.landmarks68.double(), view.matrix)
    eyes = seen[42:48].mean(0) - seen[36:42].mean(0)
    assert abs(float(eyes[1])) < 1e-3 < float(eyes[0])
    side = 200 * (face.width + face.height) / 165
    assert float(eyes[0]) == pytest.approx(21 * 256 / side, rel=1e-4)
    middle = transform(torch.tensor([face.centre], dtype=torch.float64), view.matrix)[0]
    tall = face.width if degrees == 90 else face.height
    above = 0.12 * tall * 256 / side
    if degrees in (0, 90, 180):
        assert middle.tolist() == pytest.approx([127.5, 127.5 + above], abs=1e-3)


def test_a_profile_is_not_turned_by_its_eyes():
    """Seen from the side both eyes are at one place, one a little above the other."""
    shape = five_points(mean_shape()) * torch.tensor([0.1, 1.0]) * 20 + 50
    shape[1, 1] += 4
    face = Face(0, (38, 35, 62, 75), shape.float(), 0.9)
    assert face.roll > 60
    matrix = upright(pictures(97, 160), face, 0).matrix
    assert abs(np.degrees(np.arctan2(float(matrix[0, 1]), float(matrix[0, 0])))) < 10


def drawn(face: Face, matrix: torch.Tensor, width: float = 1.5) -> torch.Tensor:
    """Maps (1, 68, 64, 64) of a network that sees the landmarks where they are."""
    cells = (transform(face.landmarks68.double(), matrix) + 0.5) / 4 - 0.5
    grid = torch.arange(64.0)
    x, y = (grid - cells[:, axis, None] for axis in (0, 1))
    return torch.exp(-(x[:, None] ** 2 + y[:, :, None] ** 2) / (2 * width**2))[None]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("degrees", [0, 25, 180])
@pytest.mark.parametrize("place", [(60, 50), (0, 0), (140, 95)])
def test_what_is_seen_comes_back_to_its_place(size, degrees, place):
    """A known answer in the network's stead: what lies outside of the picture counts too."""
    face = handmade.measured(17, *place, degrees=degrees)
    images = pictures(*size)
    known = drawn(face, upright(images, face, 0).matrix)
    answer = Answer(known)
    guess = replace(face, landmarks68=face.landmarks68 + 3, estimated=True, age=40.0)
    [found] = refine(images, of(images, guess), answer)
    assert (found.landmarks68 - face.landmarks68).abs().max() < 0.01
    assert torch.equal(found.points, five_points(found.landmarks68))
    assert not found.estimated
    assert (found.box, found.score, found.age) == (face.box, face.score, 40.0)
    package = drawn(face, package_view(images, face, 0).matrix)
    [coarse] = refine(images, of(images, guess), Answer(package), Reading.PACKAGE)
    cell = (face.width + face.height) * 200 / 165 / 64
    assert (coarse.landmarks68 - face.landmarks68).abs().max() < 0.3 * cell
    assert coarse.landmarks68.dtype == found.landmarks68.dtype == torch.float32


class Answer(torch.nn.Module):
    """Gives these maps whatever it sees, and the mirrored ones of the mirrored view."""

    def __init__(self, maps: torch.Tensor) -> None:
        super().__init__()
        self.maps = torch.nn.Parameter(maps, requires_grad=False)
        self.mirrored = False

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        maps = self.maps.flip(-1)[:, list(MIRROR)] if self.mirrored else self.maps
        self.mirrored = not self.mirrored
        return maps.expand(len(seen), -1, -1, -1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_picture_gives_the_same_landmarks_turned(network, size, turns):
    images = pictures(*size)
    face = handmade.measured(16, 45.3, 40.2, degrees=12)
    matrix = quarter_turns(size, turns)
    turned = torch.rot90(images, turns, (1, 2)).contiguous()
    here, there = upright(images, face, 0), upright(turned, moved(face, matrix), 0)
    assert (here.pixels - there.pixels).abs().max() < 1e-3
    [found] = refine(images, of(images, face), network)
    [other] = refine(turned, of(turned, moved(face, matrix)), network)
    apart = (transform(found.landmarks68, matrix) - other.landmarks68).norm(dim=1)
    assert apart.median() < 0.02
    assert (apart < 0.1).float().mean() > 0.9


@pytest.mark.parametrize("size", SIZES)
def test_a_mirrored_picture_gives_the_same_landmarks_mirrored(network, size):
    images = pictures(*size)
    face = handmade.measured(16, 45.3, 40.2, degrees=12)
    matrix = torch.tensor([[-1, 0, size[1] - 1], [0, 1, 0]], dtype=torch.float64)
    mirrored = moved(face, matrix)
    mirrored = replace(mirrored, points=mirrored.points[FIVE_MIRRORED])
    [found] = refine(images, of(images, face), network)
    flipped = images.flip(2)
    [other] = refine(flipped, of(flipped, mirrored), network)
    apart = (transform(found.landmarks68, matrix)[list(MIRROR)] - other.landmarks68).norm(dim=1)
    assert apart.median() < 0.02
    assert (apart < 0.1).float().mean() > 0.9


def test_maps_are_the_mean_over_both_views(network):
    pixels = pictures(256, 256).movedim(-1, 1)
    with torch.no_grad():
        plain, mirrored = network(pixels), network(pixels.flip(-1))
    wanted = (plain + mirrored.flip(-1)[:, list(MIRROR)]) / 2
    assert torch.equal(heat_maps(network, pixels), wanted)


@pytest.mark.parametrize("reading", Reading)
def test_many_faces_in_many_frames(network, reading):
    """In one go as one by one, in their order; the pictures are not written to."""
    images = pictures(120, 160, frames=3)
    before = images.clone()
    faces = [handmade.measured(10 + n, 20 + 9 * n, 60, n % 3, 5 * n) for n in range(7)]
    steps: list[tuple[int, int]] = []
    many = refine(images, of(images, *faces), network, reading, 0, lambda *at: steps.append(at))
    assert steps == [(n + 1, 7) for n in range(7)]
    assert torch.equal(images, before)
    assert [found.frame for found in many] == [face.frame for face in faces]
    for face, found in list(zip(faces, many, strict=True))[::3]:
        [alone] = refine(images, of(images, face), network, reading, 0)
        apart = (found.landmarks68 - alone.landmarks68).norm(dim=1)
        assert apart.median() < 0.01
    assert "68 landmarks measured in 7 of 7 faces, sure to 0." in many.notes[0]


def test_forty_faces():
    """Each has its own landmarks, whatever batch it falls into."""
    images = pictures(97, 160)
    faces = of(images, *[handmade.measured(12, 4 * n, 40) for n in range(40)])
    answer = Answer(drawn(faces.found[0], upright(images, faces.found[0], 0).matrix))
    found = refine(images, faces, answer)
    assert len(found) == 40
    for face, true in zip(found, faces, strict=True):
        assert (face.landmarks68 - true.landmarks68).abs().max() < 0.01


def test_no_face(network):
    images = pictures(97, 160, frames=2)
    found = refine(images, replace(of(images), notes=("analyzer: x",)), network)
    assert (len(found), found.frames, found.notes) == (0, 2, ("analyzer: x",))


@pytest.mark.parametrize("reading", Reading)
@pytest.mark.parametrize(
    "box", [(-50, -60, 20, 30), (500, 500, 600, 600), (30, 30, 31, 31), (-900, -900, 1000, 1000)]
)
def test_boxes_off_the_picture_tiny_and_huge(network, reading, box):
    images = pictures(97, 160)
    face = replace(handmade.measured(20, 50, 50), box=box)
    [found] = refine(images, of(images, face), network, reading, 0)
    assert torch.isfinite(found.landmarks68).all()
    assert found.box == box


@pytest.mark.parametrize("reading", Reading)
@pytest.mark.parametrize("kind", ["half", "bfloat16", "alpha", "grey"])
def test_pictures_of_other_kinds(network, reading, kind):
    images = pictures(97, 160)
    face = handmade.measured(20, 50, 50)
    see, _ = READINGS[reading]
    wanted = see(images, face, 0).pixels
    alpha = torch.cat([images, torch.full_like(images[..., :1], 0.3)], -1)
    grey = images.mean(-1, keepdim=True)
    other = {"half": images.half(), "bfloat16": images.bfloat16(), "alpha": alpha, "grey": grey}
    seen = see(other[kind], face, 0).pixels
    assert (seen.shape, seen.dtype) == (wanted.shape, torch.float32)
    assert (seen - (wanted.mean(0) if kind == "grey" else wanted)).abs().max() < 2.1 / 255
    assert len(refine(other[kind], of(images, face), network, reading)) == 1


@pytest.mark.parametrize("reading", Reading)
def test_what_is_not_a_number_is_black_and_told(network, reading):
    images = pictures(97, 160)
    images[0, 45:48, 50:55] = float("nan")
    found = refine(images, of(images, handmade.measured(20, 50, 50)), network, reading)
    assert torch.isfinite(found.found[0].landmarks68).all()
    assert "face 0 (frame 0): " in found.notes[1]
    assert "not numbers and were taken as black" in found.notes[1]


def test_an_unsure_network_leaves_the_face_as_it_is(network):
    images = pictures(97, 160)
    faces = of(images, handmade.measured(20, 50, 50), handmade.measured(20, 90, 50))
    found = refine(images, faces, network, threshold=5.0)
    assert list(found) == list(faces)
    assert found.notes[0].startswith("face 0 (frame 0) keeps its points: the network is sure")
    assert len(found.notes) == 2


@pytest.mark.parametrize("reading", Reading)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"points": torch.full((5, 2), float("nan"))}, "numbers that are none"),
        ({"box": (float("nan"), 0.0, 50.0, 50.0)}, "numbers that are none"),
        ({"box": (10.0, 10.0, 10.0, 30.0)}, "a box without size"),
    ],
)
def test_a_face_that_is_none_is_named(network, reading, change, words):
    images = pictures(97, 160)
    good = handmade.measured(20, 50, 50)
    with pytest.raises(ValueError, match=rf"face 1 \(frame 0\) has {words}.*Select Faces"):
        refine(images, of(images, good, replace(good, **change)), network, reading)


def test_the_packages_crop_has_its_limit(network):
    images = pictures(97, 160)
    face = replace(handmade.measured(20, 50, 50), box=(0, 0, 1e5, 1e5))
    with pytest.raises(ValueError, match=r"face 0 .* 100000 x 100000 px.* choose 'sub-pixel'"):
        refine(images, of(images, face), network, Reading.PACKAGE)
    assert len(refine(images, of(images, face), network)) == 1


def test_faces_of_other_pictures(network):
    images = pictures(97, 160)
    with pytest.raises(ValueError, match="connect the image that went into Detect Faces"):
        refine(images.mT.contiguous(), of(pictures(97, 170)), network)


@pytest.mark.slow
def test_the_numbers_are_the_packages(tmp_path, monkeypatch):
    """From the picture to the points, with the same random weights in its own class."""
    package = pytest.importorskip("face_alignment")
    data = pytest.importorskip("skimage.data")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = write_fan(tmp_path / "hub" / "checkpoints" / fan.FILE, width=256, stacks=4)
    theirs = package.FaceAlignment(
        package.LandmarksType.TWO_D, device="cpu", face_detector="folder", compile=False
    )
    theirs.face_detector = SimpleNamespace(reference_scale=165)
    picture = data.astronaut()
    boxes = [(180.3, 60.2, 270.1, 181.7), (-30.2, 400.4, 90.7, 560.3)]
    wanted = theirs.get_landmarks_from_image(picture, detected_faces=boxes)
    images = torch.from_numpy(picture)[None].float() / 255
    faces = of(images, *[replace(handmade.measured(40, 220, 100), box=box) for box in boxes])
    found = refine(images, faces, fan.load(file), Reading.PACKAGE, 0)
    for face, points in zip(found, wanted, strict=True):
        # It counts pixels from their corner, and then cuts the decimals off; 118 may be 117.9999.
        ours = face.landmarks68.double().numpy() + 0.5
        below, above = np.trunc(ours - 1e-3), np.trunc(ours + 1e-3)
        assert ((points == below) | (points == above)).all()
        assert (below == above).mean() > 0.9


def test_cancel_is_heard(network):
    images = pictures(97, 160)
    faces = of(images, *[handmade.measured(20, 50 + n, 50) for n in range(9)])
    seen = []

    def stop(done: int, total: int) -> None:
        seen.append(done)
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refine(images, faces, network, progress=stop)
    assert seen == [1, 2]


def test_the_crops_of_both_readings_are_alike():
    """On smooth pictures, of the same upright face; ours neither rounds nor turns."""
    images = pictures(160, 160, grain=40)
    face = handmade.measured(30, 80, 70)
    apart = upright(images, face, 0).pixels - package_view(images, face, 0).pixels
    assert apart.abs().mean() < 0.02
    ours, theirs = (see(images, face, 0).matrix for see, _ in READINGS.values())
    scale = 256 * 165 / 200 / (face.width + face.height)
    assert torch.allclose(ours[:, :2], theirs[:, :2], atol=1e-6)
    assert (theirs - ours)[:, 2].tolist() == pytest.approx([scale / 2] * 2, abs=1e-3)
