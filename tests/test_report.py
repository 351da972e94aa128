"""What nodes say in words."""

from __future__ import annotations

import torch
from pack.likeness.face import Face, Faces, Sex
from pack.likeness.report import LONGEST, describe

FACE = Face(
    1,
    (10.0, 20.0, 110.0, 140.0),
    torch.tensor([[40.0, 60], [80, 60], [60, 80], [45, 110], [75, 110]]),
    0.9,
    age=31.0,
    sex=Sex.FEMALE,
    embedding=torch.zeros(512),
    space="w600k_r50",
)


def test_a_report_has_totals_notes_and_a_line_for_each_face():
    assert describe(Faces((FACE,), 2, (200, 300), ("found by a pack",))) == (
        "1 face in 1 of 2 frames\n"
        "found by a pack\n"
        "frame 1, 0: 100 x 120 px at (10, 20), score 0.90, roll +0°, female, age 31, "
        "identity by w600k_r50"
    )


def test_no_face_is_said():
    assert describe(Faces((), 1, (200, 300))) == "no face"
    assert describe(Faces((), 3, (200, 300))) == "0 faces in 0 of 3 frames"


def test_a_long_report_is_cut():
    lines = describe(Faces((FACE,) * 100, 2, (200, 300))).splitlines()
    assert len(lines) == LONGEST + 1
    assert lines[-1] == "... and 61 more lines"
