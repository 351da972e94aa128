"""The identity guard: the largest amount that keeps the person, by what the result itself shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from pack.likeness import insight
from pack.likeness.compare import cosine
from pack.likeness.face import Face, Faces, moved
from pack.likeness.geometry import scaling
from pack.likeness.laid import Way
from pack.likeness.paste import Blend, Method
from pack.likeness.recognise import recognise
from pack.likeness.report import describe_restored
from pack.likeness.restoring.restore import UNWATCHED, Restored, Settings, restore_faces
from shapes import smooth
from standins import insightface_pack
from test_align import face_at
from tiny_restorer import TinyRestorer
from torch import Tensor

STEPS = 64
SIZE = (97, 160)


class Brightness:
    """Knows faces by how bright they are: the angle between two is `turn` of the difference."""

    name, parts, providers, notes = "bright", ("identity",), (), ()
    space, side = "brightness", 112

    def __init__(self, turn: Callable[[float], float] = lambda bright: 2 * bright) -> None:
        self.turn = turn
        self.asked: list[int] = []

    def find(self, frame: np.ndarray, threshold: float, reach: float = 1.0) -> list[Face]:
        return []

    def embed(self, crops: Sequence[np.ndarray]) -> Tensor:
        self.asked.append(len(crops))
        angles = [self.turn(float(crop.mean()) / 255) for crop in crops]
        rows = torch.zeros(len(crops), 512)
        rows[:, 0] = torch.tensor([np.cos(angle) for angle in angles])
        rows[:, 1] = torch.tensor([np.sin(angle) for angle in angles])
        return 7 * rows


def pictures(frames: int = 1, size: tuple[int, int] = SIZE) -> Tensor:
    """Dark ones, each darker than the one before."""
    made = [smooth(size, seed) * 0.8**seed - 0.2 for seed in range(frames)]
    return torch.stack(made).clamp(0, 1)


def faces_of(images: Tensor, *found: Face) -> Faces:
    return Faces(found or (face_at(80, 45, 20, 8),), len(images), tuple(images.shape[1:3]))


def brighter() -> TinyRestorer:
    return TinyRestorer(lambda crops, fidelity: crops * 0.3 + 0.7, size=96)


def restored(images=None, found=None, analyzer=None, **settings) -> Restored:
    images = pictures() if images is None else images
    found = faces_of(images) if found is None else found
    settings = {"min_pixels": 0, "max_pixels": 4096, "guard": 0.1} | settings
    return restore_faces(images, found, brighter(), Settings(**settings), analyzer=analyzer)


def likenesses(images: Tensor, found: Faces, done: Restored, analyzer) -> list[float]:
    """Measured on the picture that came out."""
    size, now = tuple(images.shape[1:3]), tuple(done.images.shape[1:3])
    there = [moved(face, scaling(size, now), face.frame) for face in found]
    before = recognise(images, found.found, analyzer)
    after = recognise(done.images, there, analyzer)
    return [cosine(a.embedding, b.embedding) for a, b in zip(before, after, strict=True)]


def scanned(images: Tensor, found: Faces, analyzer, **settings) -> list[list[float]]:
    """For every 64th of the amount wanted the likeness of each face, without a guard."""
    wanted = settings.pop("strength", 1.0)
    unguarded = settings | {"guard": 1.0}
    return [
        likenesses(
            images,
            found,
            restored(images, found, strength=wanted * step / STEPS, **unguarded),
            analyzer,
        )
        for step in range(STEPS + 1)
    ]


@pytest.mark.parametrize("wanted", [1.0, 0.7])
@pytest.mark.parametrize("loss", [0.02, 0.03, 0.07, 0.2, 0.3])
def test_the_largest_amount_that_keeps_the_likeness(loss, wanted):
    images, analyzer = pictures(), Brightness()
    found = faces_of(images)
    (one,) = (done := restored(images, found, analyzer, guard=loss, strength=wanted)).restorations
    known = [each for (each,) in scanned(images, found, analyzer, strength=wanted)]
    assert known == sorted(known, reverse=True)
    best = max(step for step in range(STEPS + 1) if known[step] >= 1 - loss)
    assert one.amount == pytest.approx(wanted * best / STEPS)
    assert one.likeness == pytest.approx(known[best], abs=1e-6)
    assert one.unguarded == pytest.approx(known[-1], abs=1e-6)
    plain = restored(images, found, strength=one.amount, guard=1)
    assert torch.equal(done.images, plain.images)
    assert torch.equal(done.masks, plain.masks)
    assert (best < STEPS) == (known[-1] < 1 - loss)
    assert loss > 0.2 or best < STEPS, "nothing was guarded"


@pytest.mark.parametrize("turn", [2, 8])
def test_a_guard_of_1_is_none(turn):
    """Not where the likeness falls below 0 either."""
    analyzer = Brightness(lambda bright: turn * bright)
    done, plain = restored(analyzer=analyzer, guard=1.0), restored(guard=1.0)
    (one,) = done.restorations
    assert one.amount == 1
    assert one.likeness == one.unguarded < (0.9 if turn == 2 else 0)
    assert torch.equal(done.images, plain.images)
    assert analyzer.asked == [1, 1]
    assert UNWATCHED not in plain.notes + done.notes


@pytest.mark.parametrize("way", Way)
def test_a_loss_of_0_keeps_every_pixel(way):
    images = pictures()
    done = restored(images, analyzer=Brightness(), guard=0.0, way=way)
    assert torch.equal(done.images, images)
    assert not done.masks.any()
    assert (done.restorations[0].amount, done.restorations[0].likeness) == (0, 1)


def test_every_face_gets_an_amount_of_its_own():
    """The brighter it was, the less it changes."""
    images, analyzer = pictures(3, (120, 240)), Brightness()
    images[0, :, 120:] = images[0, :, 120:] * 0.2 + 0.75
    found = faces_of(
        images,
        face_at(60, 50, 18, -9, frame=2),
        face_at(180, 60, 20, 0, frame=0),
        face_at(60, 55, 20, 5, frame=0),
        face_at(170, 50, 16, 30, frame=1),
    )
    done = restored(images, found, analyzer, guard=0.05)
    amounts = [each.amount for each in done.restorations]
    assert amounts[1] == 1
    assert max(amounts[0], *amounts[2:]) < 1
    assert min(amounts) > 0
    assert len(set(amounts)) == 4
    known = scanned(images, found, analyzer)
    for number, each in enumerate(done.restorations):
        best = max(step for step in range(STEPS + 1) if known[step][number] >= 0.95)
        assert each.amount * STEPS == best
        assert each.likeness == pytest.approx(known[best][number], abs=1e-6)
    alone = restored(
        images[2:], faces_of(images[2:], replace(found.found[0], frame=0)), analyzer, guard=0.05
    )
    assert alone.restorations[0].amount == amounts[0]
    assert min(likenesses(images, found, done, analyzer)) >= 0.95


def test_only_those_that_lose_too_much_are_looked_at_again():
    images, analyzer = pictures(2), Brightness()
    images[0] = images[0] * 0.2 + 0.75
    found = faces_of(images, face_at(80, 45, 20), face_at(80, 45, 20, frame=1))
    done = restored(images, found, analyzer, guard=0.05)
    assert [each.amount < 1 for each in done.restorations] == [False, True]
    assert analyzer.asked == [2, 2] + [1] * 6


@pytest.mark.parametrize("loss", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("waves", [9, 40])
def test_a_likeness_that_rises_and_falls_is_kept_all_the_same(loss, waves):
    images, analyzer = pictures(), Brightness(lambda bright: 1.5 * np.sin(waves * bright))
    found = faces_of(images)
    done = restored(images, found, analyzer, guard=loss, strength=0.9)
    (one,), (measured,) = done.restorations, likenesses(images, found, done, analyzer)
    assert measured >= 1 - loss
    assert one.likeness == pytest.approx(measured, abs=1e-6)
    assert 0 <= one.amount <= 0.9


PLACES = {
    "inside": (80.0, 45.0, 20.0, 8.0),
    "half outside": (3.0, 50.0, 30.0, 10.0),
    "over the corner": (155.0, 92.0, 34.0, -20.0),
    "larger than the picture": (80.0, 50.0, 110.0, 5.0),
    "on its side": (80.0, 50.0, 20.0, 90.0),
}


MEETINGS = [(Way.REPLACE, method) for method in Method]
MEETINGS += [(Way.CHANGE, Method.FEATHER), (Way.CHANGE, Method.BANDS)]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("way", "method"), MEETINGS)
def test_the_result_itself_keeps_it(way, method, place):
    blend, size = Blend(method), [(97, 160), (160, 97)][len(place) % 2]
    x, y, eyes, roll = PLACES[place]
    images, analyzer = pictures(size=size), Brightness(lambda bright: 4 * bright)
    found = faces_of(images, face_at(x * size[1] / 160, y * size[0] / 97, eyes, roll))
    free = restored(images, found, analyzer, way=way, blend=blend, guard=1.0).restorations[0]
    loss = (1 - free.likeness) / 2
    done = restored(images, found, analyzer, way=way, blend=blend, guard=loss)
    (one,), (measured,) = done.restorations, likenesses(images, found, done, analyzer)
    assert 0 < one.amount < 1
    assert measured >= 1 - loss
    assert one.likeness == pytest.approx(measured, abs=1e-6)


@pytest.mark.parametrize("blend", [Blend(grain=1.0), Blend(Method.BANDS, colour=0.5, grain=1.0)])
def test_what_the_blend_adds_is_in_it(blend):
    """The grain itself is another one, at random."""
    images, analyzer = pictures(), Brightness()
    found = faces_of(images)
    free = restored(images, found, analyzer, blend=blend, guard=1.0).restorations[0]
    loss = (1 - free.likeness) / 2
    done = restored(images, found, analyzer, blend=blend, guard=loss)
    (one,), (measured,) = done.restorations, likenesses(images, found, done, analyzer)
    assert 0 < one.amount < 1
    assert one.likeness == pytest.approx(measured, abs=0.05 * loss)
    assert measured >= 1 - 1.05 * loss


@pytest.mark.parametrize("blend", [Blend(), Blend(Method.FACEXLIB)], ids=["ours", "facexlib"])
def test_in_a_larger_picture(blend):
    """Watched is the picture as it came, which shows what the larger one shows."""
    images, analyzer = pictures(), Brightness()
    found = faces_of(images)
    done = restored(images, found, analyzer, factor=2.0, blend=blend)
    (one,), (measured,) = done.restorations, likenesses(images, found, done, analyzer)
    assert done.images.shape == (1, 194, 320, 3)
    assert one.amount < 1
    assert measured == pytest.approx(one.likeness, abs=0.01)


def test_the_report_says_what_was_lost_and_what_is_kept():
    images = pictures(2)
    images[0] = images[0] * 0.2 + 0.75
    found = faces_of(images, face_at(80, 45, 20), face_at(80, 45, 20, frame=1))
    done = restored(images, found, Brightness(), guard=0.05)
    kept, guarded = done.restorations
    lines = describe_restored(done).splitlines()[-2:]
    assert f"similarity to before {kept.unguarded:.2f}, sharpness" in lines[0]
    told = f"before {guarded.likeness:.2f} at strength {guarded.amount:.2f}"
    assert f"{told}, unguarded {guarded.unguarded:.2f}, sharpness" in lines[1]


def test_what_a_face_was_before_a_swap_counts_for_nothing():
    images, analyzer = pictures(), Brightness()
    found = faces_of(images)
    old = [replace(face, embedding=torch.randn(512), space="brightness") for face in found]
    one, other = restored(images, found, analyzer), restored(images, found.keep(old), analyzer)
    assert other.restorations[0].amount == one.restorations[0].amount < 1
    assert other.restorations[0].likeness == one.restorations[0].likeness
    assert torch.equal(one.images, other.images)


def test_an_embedding_that_is_no_number_is_no_likeness():
    images = pictures()
    done = restored(images, analyzer=Brightness(lambda bright: np.nan))
    assert done.restorations[0].amount == 0
    assert torch.equal(done.images, images)


def test_cancel_is_heard_in_every_round():
    class Cancelled(BaseException): ...

    images, analyzer, calls = pictures(), Brightness(), []

    def cancel(done, total):
        calls.append(done)
        if len(calls) == 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        restore_faces(
            images,
            faces_of(images),
            brighter(),
            Settings(min_pixels=0, guard=0.02),
            analyzer=analyzer,
            progress=cancel,
        )
    assert len(analyzer.asked) == 4


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "buffalo_l"
    return insight.load(insightface_pack.write_pack(folder))


def test_by_an_insightface_pack(pack):
    from skimage import data

    photo = torch.from_numpy(data.astronaut().copy())[None].float() / 255
    found = faces_of(photo, face_at(224, 103, 43, 3))
    restorer = TinyRestorer(lambda crops, fidelity: crops.flip(2), size=256)
    settings = Settings(guard=1)
    free = restore_faces(photo, found, restorer, settings, analyzer=pack).restorations[0]
    assert free.likeness < 0.999
    loss = (1 - free.likeness) / 2
    done = restore_faces(photo, found, restorer, replace(settings, guard=loss), analyzer=pack)
    (one,), (measured,) = done.restorations, likenesses(photo, found, done, pack)
    assert 0 < one.amount < 1
    assert one.unguarded == free.likeness
    # Crops of a part of the picture and of all of it are a level apart here and there.
    assert one.likeness == pytest.approx(measured, abs=1e-4)
    assert 1 - loss - 1e-4 <= measured < 1
