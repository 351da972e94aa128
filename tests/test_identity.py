"""A person out of photos: the mean, what is left out of it, and the portrait."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from colours import BLUE, CYAN, LENGTH, PINK, RED, ROSE, Colours, embedding, photo
from pack.likeness import demo
from pack.likeness.detect import Retry, detect
from pack.likeness.frontal import cascade
from pack.likeness.identity import People
from pack.likeness.make_identity import each_a_person, make_identity, portraits
from pack.likeness.report import describe_people

NAN = float("nan")


def unit(row):
    return row / np.linalg.norm(row)


def test_the_mean_of_the_photos():
    colours = (RED, PINK, ROSE)
    photos = [photo((97, 160), (20, 10, 80, colour)) for colour in colours]
    calls = []
    made = make_identity(photos, Colours(), "Ann", progress=lambda *call: calls.append(call))
    rows = [embedding(*colour) for colour in colours]
    mean = unit(np.mean([unit(row) for row in rows], axis=0))
    np.testing.assert_allclose(made.embedding, mean, atol=1e-6)
    assert made.embedding.dtype == torch.float32
    assert made.length == pytest.approx(np.mean([np.linalg.norm(row) for row in rows]), rel=1e-5)
    assert made.agreement == pytest.approx(np.mean([unit(row) @ mean for row in rows]), rel=1e-5)
    assert (made.name, made.space, made.photos) == ("Ann", "colour space", 3)
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_one_photo_is_its_own_mean():
    made = make_identity([photo((160, 97), (5, 20, 80, RED))], Colours())
    np.testing.assert_allclose(made.embedding, unit(embedding(*RED)), atol=1e-6)
    assert made.length == pytest.approx(LENGTH * math.sqrt(3))
    assert (made.photos, made.agreement) == (1, None)
    assert str(made) == "the person"


def test_a_photo_of_somebody_else_is_left_out():
    photos = [photo((97, 160), (20, 10, 80, colour)) for colour in (RED, CYAN, PINK, ROSE)]
    made = make_identity(photos, Colours())
    assert made.photos == 3
    np.testing.assert_allclose(
        made.embedding, make_identity(photos[:1] + photos[2:], Colours()).embedding, atol=1e-6
    )
    mean = unit(sum(unit(embedding(*colour)) for colour in (RED, PINK, ROSE)))
    alike = unit(embedding(*CYAN)) @ mean
    assert f"photo 1 left out: it agrees {alike:.2f} with the others, less than 0.3" in made.notes
    assert "portrait: photo 1" not in made.notes
    everybody = make_identity(photos, Colours(), floor=-1)
    assert everybody.photos == 4


def test_several_are_left_out_the_worst_first():
    colours = (RED, BLUE, PINK, CYAN, ROSE, RED)
    photos = [photo((97, 160), (20, 10, 80, colour)) for colour in colours]
    made = make_identity(photos, Colours(), floor=0.5)
    dropped = [note.split(":")[0] for note in made.notes if "left out" in note]
    assert dropped == ["photo 3 left out", "photo 1 left out"]
    assert made.photos == 4


def test_of_three_one_may_go_and_of_two_none():
    photos = [photo((97, 160), (20, 10, 80, colour)) for colour in (RED, CYAN, BLUE)]
    made = make_identity(photos[:2], Colours())
    assert made.photos == 2
    [warning] = [note for note in made.notes if note.startswith("warning")]
    assert "photos 0 and 1 agree only -1.00, less than 0.3" in warning
    assert make_identity([photos[0], photos[0]], Colours()).notes == ("portrait: photo 0",)
    assert make_identity([photos[0], photos[0], photos[1]], Colours()).photos == 2


def test_photos_without_a_face_and_with_several():
    none = torch.zeros(1, 50, 60, 3)
    two = photo((120, 300), (5, 5, 60, CYAN), (100, 10, 90, RED))
    made = make_identity([none, two, photo((97, 160), (20, 10, 80, PINK))], Colours())
    assert made.photos == 2
    assert made.notes[:2] == (
        "photo 0: no face, left out",
        "photo 1: 2 faces, the largest is taken",
    )
    mean = unit(unit(embedding(*RED)) + unit(embedding(*PINK)))
    np.testing.assert_allclose(made.embedding, mean, atol=1e-6)


@pytest.mark.parametrize("make", [make_identity, each_a_person])
@pytest.mark.parametrize("photos", [[torch.zeros(2, 50, 60, 3), torch.zeros(1, 9, 9, 3)], []])
def test_no_face_at_all(make, photos):
    words = rf"no face in {sum(map(len, photos))} photos.*'colours'.*lower threshold.*Load Face"
    with pytest.raises(ValueError, match=words):
        make(photos, Colours())


def test_batches_and_pictures_of_any_kind_count_one_by_one():
    plain = photo((97, 160), (20, 10, 80, RED))
    with_alpha = torch.cat([plain, torch.zeros_like(plain[..., :1])], dim=-1)
    holed = plain.clone()
    holed[0, :4, :5] = NAN
    photos = [plain.repeat(2, 1, 1, 1), photo((300, 200), (50, 20, 120, PINK)), with_alpha, holed]
    kept = [batch.clone() for batch in photos[:3]]
    made = make_identity(photos, Colours())
    assert made.photos == 5
    assert "photo 4: 60 values are not numbers and were taken as black" in made.notes
    holed[0, 30:33, 70:73] = NAN
    black = make_identity([holed], Colours()).portrait.image
    assert black.isfinite().all()
    assert black.amax(dim=2).min() == 0
    for batch, was in zip(photos[:3], kept, strict=True):
        assert torch.equal(batch, was)
    grey = make_identity([photo((97, 160), (20, 10, 80, (200,) * 3))[..., :1]], Colours())
    assert grey.portrait.image.shape[-1] == 3
    half = make_identity([plain.half()], Colours())
    assert half.portrait.image.dtype == torch.float32


@pytest.mark.parametrize("shape", [(50, 60, 3), (1, 50, 60, 2), (1, 0, 60, 3)])
def test_what_is_no_photo(shape):
    with pytest.raises(ValueError, match="cannot be searched"):
        make_identity([torch.zeros(shape)], Colours())


def test_numbers_out_of_range():
    photos = [photo((97, 160), (20, 10, 80, RED))]
    for floor in (-1.1, 1.1, NAN):
        with pytest.raises(ValueError, match=rf"agreement is {floor:g}.*-1 to 1"):
            make_identity(photos, Colours(), floor=floor)
    for threshold in (0.0, 1.5, NAN):
        with pytest.raises(ValueError, match=rf"threshold is {threshold:g}"):
            each_a_person(photos, Colours(), threshold=threshold)


def test_each_photo_must_show_its_person():
    """Left out, it would make the next one somebody else."""
    photos = [
        torch.cat([photo((97, 160), (20, 10, 80, RED)), torch.zeros(1, 97, 160, 3)]),
        photo((300, 400), (50, 20, 250, CYAN)),
    ]
    with pytest.raises(ValueError, match=r"no face in photo 1 of 3, .* take it out"):
        each_a_person(photos, Colours())


@pytest.mark.parametrize("value", [NAN, 0.0])
def test_an_embedding_that_is_none(value):
    class Broken(Colours):
        def embed(self, crops):
            return torch.full((len(crops), 512), value)

    photos = [photo((97, 160), (20, 10, 80, RED))] * 3
    for make in (make_identity, each_a_person):
        with pytest.raises(ValueError, match=r"colour space gave no usable embedding for photo 0"):
            make(photos, Broken())


def test_the_portrait_is_the_photo_that_agrees_best():
    colours = ((255, 0, 90), RED, (255, 60, 0), (255, 20, 30))
    photos = [photo((97, 160), (20, 10, 80, colour)) for colour in colours]
    made = make_identity(photos, Colours())
    mean = unit(sum(unit(embedding(*colour)) for colour in colours))
    best = max(range(4), key=lambda number: unit(embedding(*colours[number])) @ mean)
    assert f"portrait: photo {best}" in made.notes
    middle = made.portrait.image[len(made.portrait.image) // 2, len(made.portrait.image) // 2]
    np.testing.assert_allclose(middle * 255, colours[best], atol=1)


def test_without_embeddings_the_larger_face_is_the_portrait():
    class Mute(Colours):
        space = None

    photos = [photo((400, 400), (20, 10, side, RED)) for side in (80, 300, 120)]
    made = make_identity(photos, Mute(space=None), "Ann")
    assert (made.embedding, made.space, made.photos, made.agreement) == (None, None, 3, None)
    assert made.notes[-1] == "portrait: photo 1"
    assert "knows no identity" in made.notes[0]
    assert "no embedding, portrait of 336 x 336 px" in describe_people(People((made,)))


def test_without_embeddings_a_frontal_face_is_the_portrait():
    class Mute(Colours):
        space = None

        def face(self, columns, rows):
            face = super().face(columns, rows)
            if columns.start == 30:
                face.points[2] += torch.tensor([30.0, 0.0])  # the nose of somebody looking aside
            return face

    photos = [photo((400, 400), (x, 10, 300, RED)) for x in (30, 31, 30)]
    assert make_identity(photos, Mute(space=None)).notes[-1] == "portrait: photo 1"


@pytest.mark.parametrize(("side", "size"), [(80, 256), (310, 344), (2000, 1024)])
def test_the_portrait_is_as_large_as_the_face_allows(side, size):
    image = make_identity([photo((2100, 2200), (60, 20, side, RED))], Colours()).portrait.image
    assert image.shape == (size, size, 3)
    assert image.dtype == torch.float32


def test_the_face_lies_in_the_portrait_where_a_detector_sees_it():
    """A real portrait, turned, found again in what was cut out of it."""
    analyzer = cascade.load()
    picture = demo.read("cafe")
    portrait = make_identity([picture], analyzer).portrait
    [found] = detect(portrait.image[None], analyzer, retry=Retry.NONE)
    apart = float((found.points[1] - found.points[0]).norm())
    assert (found.points - portrait.face.points).norm(dim=1).max() < 0.1 * apart
    assert (found.landmarks68 - portrait.face.landmarks68).norm(dim=1).max() < 0.1 * apart
    np.testing.assert_allclose(found.box, portrait.face.box, atol=0.15 * apart)
    assert portrait.face.estimated
    assert portrait.face.roll == pytest.approx(0, abs=1)
    assert 0 <= portrait.image.min() <= portrait.image.max() <= 1


def test_a_turned_face_stands_upright_in_the_portrait_and_keeps_its_size():
    class Tilted(Colours):
        def face(self, columns, rows):
            from dataclasses import replace

            face = super().face(columns, rows)
            middle = torch.tensor(face.centre)
            x, y = (face.points - middle).unbind(1)
            turned = torch.stack([0.8 * x - 0.6 * y, 0.6 * x + 0.8 * y], dim=1)
            return replace(face, points=turned + middle, landmarks68=turned.repeat(14, 1)[:68])

    portrait = make_identity([photo((400, 500), (100, 80, 300, RED))], Tilted()).portrait
    assert portrait.face.roll == pytest.approx(0, abs=1e-3)
    scale = len(portrait.image) / (150 * 2.2)
    assert portrait.face.width == pytest.approx(150 * scale)
    assert portrait.face.height == pytest.approx(150 * scale)
    assert portrait.face.centre == pytest.approx([(len(portrait.image) - 1) / 2] * 2)
    assert portrait.face.landmarks68.shape == (68, 2)


def test_each_photo_another_person():
    photos = [photo((97, 160), (20, 10, 80, RED)), photo((300, 400), (50, 20, 250, CYAN))]
    people = each_a_person(photos, Colours(), names=["Ann", "Bo"])
    assert [str(person) for person in people] == ["Ann", "Bo"]
    nameless = each_a_person(photos, Colours(), names=["", "Bo"])
    assert [str(person) for person in nameless] == ["person 0", "Bo"]
    for person, colour in zip(people, (RED, CYAN), strict=True):
        np.testing.assert_allclose(person.embedding, unit(embedding(*colour)), atol=1e-6)
        assert (person.photos, person.agreement, person.space) == (1, None, "colour space")
    shown = portraits(people)
    assert shown.shape == (2, 280, 280, 3)
    for picture, colour in zip(shown, (RED, CYAN), strict=True):
        np.testing.assert_allclose(picture[140, 140] * 255, colour, atol=1)
    assert describe_people(people).startswith("2 people\nAnn: 1 photo, embedding by colour space")


def test_somebody_without_a_picture_is_grey():
    from dataclasses import replace

    made = make_identity([photo((400, 500), (100, 80, 300, RED))], Colours())
    bare = replace(made, portrait=None)
    shown = portraits(People((bare, made)))
    assert shown.shape == (2, 336, 336, 3)
    assert shown[0].unique().tolist() == [0.5]
    assert torch.equal(shown[1], made.portrait.image)
    assert portraits(People((bare,))).shape == (1, 256, 256, 3)
    assert "no portrait" in describe_people(People((bare,)))


def test_cancel_is_heard():
    class Cancelled(BaseException): ...

    def cancel(done, total):
        raise Cancelled

    for make in (make_identity, each_a_person):
        with pytest.raises(Cancelled):
            make([photo((97, 160), (20, 10, 80, RED))] * 3, Colours(), progress=cancel)
