"""Faces held against people: the cosine, who is who, and what cannot be compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from colours import BLUE, CYAN, PINK, RED, Colours, embedding, photo
from pack.likeness.compare import compare, cosine, describe_compared
from pack.likeness.detect import detect
from pack.likeness.face import Faces
from pack.likeness.identity import Identity, People
from pack.likeness.make_identity import each_a_person


def alike(one, other) -> float:
    one, other = embedding(*one), embedding(*other)
    return one @ other / np.linalg.norm(one) / np.linalg.norm(other)


@pytest.fixture
def faces():
    """Frame 0: a red and a cyan face; frame 1: none; frame 2: a pink and a blue one."""
    frames = [
        photo((120, 300), (5, 5, 60, CYAN), (100, 10, 90, RED)),
        photo((120, 300)),
        photo((120, 300), (5, 5, 60, PINK), (100, 10, 90, BLUE)),
    ]
    return detect(torch.cat(frames), Colours())


@pytest.fixture
def people():
    photos = [photo((97, 160), (20, 10, 80, colour)) for colour in (RED, BLUE)]
    return each_a_person(photos, Colours(), names=["Ann", "Bo"])


ORDER = (RED, CYAN, BLUE, PINK)  # as detected, the largest of each frame first


def test_the_cosine_of_embeddings_of_any_length():
    one, other = torch.randn(512, dtype=torch.float64), torch.randn(512, dtype=torch.float64)
    expected = float(one @ other / one.norm() / other.norm())
    assert cosine(one, other) == pytest.approx(expected)
    assert cosine(20 * one, 0.01 * other) == pytest.approx(expected)
    assert cosine(one.float(), other.half()) == pytest.approx(expected, abs=1e-3)
    assert cosine(one, one) == pytest.approx(1)
    assert cosine(one, -one) == pytest.approx(-1)


def test_every_face_against_every_person(faces, people):
    compared = compare(faces, people)
    expected = [[alike(face, person) for person in (RED, BLUE)] for face in ORDER]
    np.testing.assert_allclose(compared.similarities, expected, atol=1e-5)
    assert compared.similarity == pytest.approx(1)
    person, value = compared.likest(3)
    assert str(person) == "Ann"
    assert value == pytest.approx(alike(PINK, RED), abs=1e-5)


def test_the_matching_and_the_best(faces, people):
    ann = People(people.known[:1])
    compared = compare(faces, ann)
    matching = compared.matching(0.5)
    assert [face.frame for face in matching] == [0, 2]
    assert [face.box for face in matching] == [faces.found[0].box, faces.found[3].box]
    assert "2 of 4 faces at 0.5 or more" in matching.notes
    best = compared.best()
    assert [face.box for face in best] == [faces.found[0].box, faces.found[3].box]
    assert (best.frames, best.size) == (3, (120, 300))
    value = compared.likest(3)[1]
    assert len(compared.matching(value)) == 2
    assert len(compared.matching(value + 1e-6)) == 1
    assert len(compared.matching(-1)) == 4


def test_what_is_said_of_it(faces, people):
    lines = describe_compared(compare(faces, people), 0.5).splitlines()
    assert lines[0] == "similarity 1.000, of 4 faces"
    assert lines[1] == "frame 0, 0: 1.000, Ann"
    assert lines[2] == f"frame 0, 1: {alike(CYAN, BLUE):.3f}, nobody, most like Bo"
    assert lines[3] == "frame 2, 0: 1.000, Bo"
    alone = describe_compared(compare(faces, People(people.known[:1])), 0.5).splitlines()
    assert alone[2] == f"frame 0, 1: {alike(CYAN, RED):.3f}, not Ann"


def test_no_face(people):
    compared = compare(Faces((), 2, (10, 10)), people)
    assert compared.similarity == 0
    assert len(compared.matching(0)) == len(compared.best()) == 0
    assert describe_compared(compared, 0.3) == "no face: similarity 0"


def test_faces_without_an_embedding(faces, people):
    bare = faces.keep([replace(faces.found[0], embedding=None, space=None), *faces.found[1:]])
    with pytest.raises(ValueError, match=r"1 of 4 faces have no embedding.*Load Face Analyzer"):
        compare(bare, people)


def test_another_network(faces, people):
    other = People((people.known[0], replace(people.known[1], space="glintr100")))
    with pytest.raises(ValueError, match=r"of Bo is by glintr100.*one by colour space"):
        compare(faces, other)
    mixed = faces.keep([replace(faces.found[0], space="glintr100"), *faces.found[1:]])
    with pytest.raises(ValueError, match=r"glintr100"):
        compare(mixed, people)


def test_somebody_without_an_embedding_and_nobody(faces):
    with pytest.raises(ValueError, match=r"Ann has no embedding.*colour space"):
        compare(faces, People((Identity("Ann"),)))
    with pytest.raises(ValueError, match="nobody"):
        compare(faces, People(()))
