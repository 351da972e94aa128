"""Orderings, filters and index lists."""

from __future__ import annotations

import math

import pytest
import torch
from pack.likeness.face import Face, Faces, Filter, Order, Sex, parse_indices, select


def face(x: float, y: float, side: float, frame: int = 0, score: float = 0.9, **known) -> Face:
    box = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    return Face(frame, box, torch.zeros(5, 2), score, **known)


# In a picture 200 wide and 100 high: small on the left, big in the middle, middling on the right.
SMALL, BIG, MIDDLING = face(20, 70, 10), face(110, 40, 60, score=0.6), face(180, 20, 30, score=0.8)
THREE = Faces((SMALL, BIG, MIDDLING), 1, (100, 200))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order.LARGEST, [BIG, MIDDLING, SMALL]),
        (Order.SMALLEST, [SMALL, MIDDLING, BIG]),
        (Order.LEFT, [SMALL, BIG, MIDDLING]),
        (Order.RIGHT, [MIDDLING, BIG, SMALL]),
        (Order.TOP, [MIDDLING, BIG, SMALL]),
        (Order.CENTRE, [BIG, SMALL, MIDDLING]),
        (Order.SCORE, [SMALL, MIDDLING, BIG]),
    ],
)
def test_every_order_lines_the_faces_up(order, expected):
    assert list(select(THREE, order)) == expected


def test_every_order_is_tested():
    cases = test_every_order_lines_the_faces_up.pytestmark[0].args[1]
    assert [order for order, _ in cases] == list(Order)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("  ", None),
        ("0", [0]),
        ("0, 2", [0, 2]),
        ("0,2", [0, 2]),
        ("0 2", [0, 2]),
        ("0;2", [0, 2]),
        ("1-3", [1, 2, 3]),
        ("1 - 3", [1, 2, 3]),
        ("2, 0-1", [2, 0, 1]),
        ("1, 1, 0-1", [1, 0]),
        (" ,0, ", [0]),
    ],
)
def test_indices_are_read_as_a_person_writes_them(text, expected):
    assert parse_indices(text) == expected


@pytest.mark.parametrize("text", ["a", "0-", "-1", "3-1", "1.5", "0x1", "1--2", "99999999", "0, b"])
def test_indices_that_are_none_name_the_text_and_the_cure(text):
    with pytest.raises(ValueError, match="such as '0, 2' or '1-3'") as caught:
        parse_indices(text)
    assert repr(text) in str(caught.value)


def test_filters_come_first_then_order_then_indices():
    chosen = select(THREE, Order.LARGEST, "0", Filter(score=0.7))
    assert list(chosen) == [MIDDLING]


def test_indices_count_in_each_frame_and_what_is_not_there_is_said():
    first, second, alone = face(10, 10, 5, 0), face(30, 10, 9, 0), face(50, 10, 7, 2)
    faces = Faces((first, second, alone), 3, (100, 200))
    chosen = select(faces, Order.LARGEST, "1")
    assert list(chosen) == [first]
    assert chosen.frames == 3
    assert chosen.notes == (
        "frame 1: no face 1, it has 0 to choose from",
        "frame 2: no face 1, it has 1 to choose from",
    )


def test_a_range_that_reaches_too_far_is_one_note_for_each_frame():
    chosen = select(THREE, Order.LARGEST, "1-9999")
    assert len(chosen) == 2
    assert chosen.notes == ("frame 0: no face 3, 4, 5, 6, 7, ..., it has 3 to choose from",)


@pytest.mark.parametrize(
    ("wanted", "passes", "fails"),
    [
        (Filter(score=0.9), face(0, 0, 9), face(0, 0, 9, score=0.89)),
        (Filter(pixels=20), face(0, 0, 20), face(0, 0, 19)),
        (Filter(share=0.5), face(0, 0, 50), face(0, 0, 49)),
        (Filter(youngest=18), face(0, 0, 9, age=18.0), face(0, 0, 9, age=17.0)),
        (Filter(oldest=30), face(0, 0, 9, age=30.0), face(0, 0, 9, age=31.0)),
        (Filter(oldest=30), face(0, 0, 9, age=30.0), face(0, 0, 9)),
        (Filter(sex=Sex.MALE), face(0, 0, 9, sex=Sex.MALE), face(0, 0, 9, sex=Sex.FEMALE)),
        (Filter(sex=Sex.MALE), face(0, 0, 9, sex=Sex.MALE), face(0, 0, 9)),
    ],
)
def test_a_filter_refuses_and_says_why(wanted, passes, fails):
    kept = select(Faces((passes, fails), 1, (100, 200)), wanted=wanted)
    assert list(kept) == [passes]
    assert "left out" in kept.notes[0]


def test_an_open_filter_passes_a_face_of_which_nothing_is_known():
    assert Filter().reason(SMALL, (100, 200)) is None


def test_roll_is_the_turn_of_the_eye_line():
    points = torch.tensor([[10.0, 10], [20, 20], [0, 0], [0, 0], [0, 0]])
    assert math.isclose(Face(0, (0, 0, 1, 1), points, 1.0).roll, 45)


def test_selection_leaves_its_argument_alone():
    before = THREE.found
    select(THREE, Order.SMALLEST, "0")
    assert THREE.found is before
    assert THREE.notes == ()


def test_pictures_other_than_the_searched_ones_are_refused():
    THREE.require(torch.zeros(1, 100, 200, 3))
    with pytest.raises(ValueError, match="200 x 100 px, the image has 1 of 100 x 200 px"):
        THREE.require(torch.zeros(1, 200, 100, 3))
