"""What nodes say in words."""

from __future__ import annotations

import torch
from pack.likeness.crop import Crop, as_crops
from pack.likeness.face import Face, Faces, Sex
from pack.likeness.geometry import scaling
from pack.likeness.paste import Pasted
from pack.likeness.report import LONGEST, UNSEEN, describe, describe_crops, describe_pasted

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


def some_crops(number: int):
    """Of frame after frame, twice as large as in the picture."""
    pictures, patches = torch.zeros(3, 97, 160, 3), torch.zeros(number, 64, 48, 3)
    matrix = scaling((97, 160), (194, 320))
    cut = [Crop(at % 3, matrix, patch, 40.0) for at, patch in enumerate(patches)]
    return as_crops(cut, pictures, patches, ("framed by the mean shape",))


def test_crops_are_told_with_their_sizes_and_notes():
    assert describe_crops(some_crops(2)) == (
        "2 crops of 48 x 64 px\n"
        "framed by the mean shape\n"
        "0: frame 0, 20 px in the picture, 40 px in the crop (2.00x)\n"
        "1: frame 1, 20 px in the picture, 40 px in the crop (2.00x)"
    )


def test_what_was_pasted_is_told_with_its_seams():
    pasted = Pasted(torch.zeros(3, 97, 160, 3), (1.25, None))
    assert describe_pasted(some_crops(2), pasted) == (
        "2 crops pasted into 3 pictures\n"
        "0: frame 0, seam 1.25 (1 is no seam)\n"
        f"1: frame 1, {UNSEEN}"
    )


def test_nothing_cut_and_nothing_pasted_is_said():
    crops = some_crops(0)
    assert describe_crops(crops) == (
        "nothing was cut: a grey picture stands in, and pasting changes nothing\n"
        "framed by the mean shape"
    )
    pasted = Pasted(crops.pictures, ())
    assert describe_pasted(crops, pasted) == (
        "nothing was cut, nothing was pasted: the pictures are as they came"
    )


def test_many_crops_are_summed_up():
    crops = some_crops(100)
    pasted = Pasted(crops.pictures, (1.0,) * 100)
    for text in (describe_crops(crops), describe_pasted(crops, pasted)):
        assert len(text.splitlines()) == LONGEST + 1
        assert text.startswith("100 crops")
