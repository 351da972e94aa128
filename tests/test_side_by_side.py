"""Restorers side by side: what is shown where, what is told of it, how the columns are called."""

from __future__ import annotations

import math
from dataclasses import replace

import handmade
import pytest
import torch
from pack.likeness import insight
from pack.likeness.align import Template, align
from pack.likeness.compare import cosine
from pack.likeness.face import Faces
from pack.likeness.recognise import recognise
from pack.likeness.restoring.columns import COLUMNS, Column, labels, parse_fidelities
from pack.likeness.restoring.covering import Covers
from pack.likeness.restoring.restore import Settings, restore_faces
from pack.likeness.restoring.sheet import FAINT, MARK, side_by_side_sheet
from pack.likeness.restoring.side_by_side import (
    ROWS,
    SIDES,
    SideBySide,
    compare_restorers,
    describe_side_by_side,
    totals,
)
from pack.likeness.sharpness import change, sharpness
from pack.likeness.sheet import GAP, PAPER
from shapes import smooth
from standins.insightface_pack import write_pack
from tiny_restorer import TinyRestorer

SQUARE = Settings(covers=Covers.SQUARE)
SIZES = [(97, 160), (160, 97)]


def same(crops, fidelity):
    return crops


def dark(crops, fidelity):
    return crops / 2


def told(crops, fidelity):
    return crops * fidelity


def broken(crops, fidelity):
    return crops * math.nan


def pictures(size=(97, 160), frames: int = 1) -> torch.Tensor:
    rough = 0.1 * torch.rand(frames, *size, 3, generator=torch.Generator().manual_seed(7))
    return torch.stack([smooth(size, seed) for seed in range(frames)]) + rough


def face(frame: int = 0, x: float = 60.0, y: float = 45.0, eyes: float = 14.0):
    return handmade.measured(eyes, x, y, frame, degrees=7)


def of(images: torch.Tensor, *found) -> Faces:
    return Faces(found, len(images), tuple(images.shape[1:3]))


def compared(*restorers, images=None, found=None, **others) -> SideBySide:
    images = pictures() if images is None else images
    found = of(images, face()) if found is None else found
    columns = [each if isinstance(each, Column) else Column(each) for each in restorers]
    return compare_restorers(images, found, columns, SQUARE, **others)


def tile(sheet: torch.Tensor, across: int, down: int, done: SideBySide) -> torch.Tensor:
    """A picture of the sheet, its rows found by the first column, which nobody restored."""
    side = done.before.shape[1]
    original, left = done.before[down], GAP + across * (side + GAP)
    for top in range(sheet.shape[1] - side + 1):
        if torch.equal(sheet[0, top : top + side, GAP : GAP + side], original):
            return sheet[0, top : top + side, left : left + side]
    raise AssertionError(f"row {down} does not begin with the face as it was")


def inks(sheet: torch.Tensor, across: int, done: SideBySide) -> set[tuple[int, int, int]]:
    """The colours under the tiles of a column of a sheet with one row."""
    side = done.before.shape[1]
    left = GAP + across * (side + GAP)
    text = (sheet[0, -150:, left : left + side] * 255).round().byte()
    return set(map(tuple, text.flatten(0, 1).tolist()))


@pytest.mark.parametrize("size", SIZES)
def test_every_tile_shows_the_same_part_of_its_own_picture(size):
    images = pictures(size, 2)
    found = of(images, face(0, 50, 50), face(1, 45, 60))
    restorers = [TinyRestorer(), TinyRestorer(dark, template=Template.ARCFACE_128, size=96)]
    done = compared(*restorers, images=images, found=found)
    sheet = side_by_side_sheet(done)
    side = done.before.shape[1]
    results = [images, *(restore_faces(images, found, each, SQUARE).images for each in restorers)]
    for across, result in enumerate(results):
        expected = align(result, found, Template.FFHQ, side).patches
        for down in range(2):
            assert torch.equal(tile(sheet, across, down, done), expected[down])
    assert not torch.equal(tile(sheet, 1, 0, done), tile(sheet, 2, 0, done))


def test_the_columns_are_in_order_and_each_starts_from_the_picture():
    first, second = TinyRestorer(), TinyRestorer(dark)
    compared(first, second)
    assert torch.equal(first.given[0][0], second.given[0][0])
    done = compared(TinyRestorer(same, name="b.pth"), TinyRestorer(name="a.pth"))
    assert done.labels == ("b", "a")
    torch.testing.assert_close(done.after[0], done.before, atol=0.2, rtol=0)
    middle = slice(done.before.shape[1] // 2 - 8, done.before.shape[1] // 2 + 8)
    negative, original = (each[0, middle, middle] for each in (done.after[1], done.before))
    torch.testing.assert_close(negative, 1 - original, atol=0.2, rtol=0)


def test_each_column_is_told_its_fidelity():
    network = TinyRestorer(told, has_fidelity=True, name="codeformer.pth")
    done = compared(Column(network, 0.2), Column(network, 0.9))
    assert [fidelity for _, fidelity in network.given] == [0.2, 0.9]
    assert done.labels == ("codeformer, fidelity 0.2", "codeformer, fidelity 0.9")
    assert done.after[0].mean() < done.after[1].mean() < done.before.mean()
    assert totals(done).endswith(", 1 restorer in 2 columns side by side")


def test_columns_are_prepared_when_their_turn_comes():
    seen = []
    first = TinyRestorer(lambda crops, fidelity: seen.append("first") or crops)
    second = TinyRestorer(lambda crops, fidelity: seen.append("second") or crops)
    columns = [
        Column(first, prepare=lambda: seen.append("room for first")),
        Column(second, prepare=lambda: seen.append("room for second")),
    ]
    compared(*columns)
    assert seen == ["room for first", "first", "room for second", "second"]


def test_what_is_told_is_what_is_so(tmp_path):
    """Computed apart, from the restored pictures."""
    analyzer = insight.load(write_pack(tmp_path / "buffalo_l"))
    images = pictures((200, 260), 2)
    found = of(images, face(0, 120, 90, 40), face(1, 130, 90, 20))
    restorers = [TinyRestorer(dark, name="dark.pth", size=128), TinyRestorer(name="negative.pth")]
    done = compared(*restorers, images=images, found=found, analyzer=analyzer)
    was = recognise(images, found.found, analyzer)
    for restorer, column in zip(restorers, done.restorations, strict=True):
        result = restore_faces(images, found, restorer, replace(SQUARE, max_pixels=1000)).images
        now = recognise(result, found.found, analyzer)
        for old, new, each in zip(was, now, column, strict=True):
            alike = cosine(old.embedding, new.embedding)
            assert each.likeness == pytest.approx(alike, abs=1e-3)
            for picture, sharp in zip((images, result), each.sharpness, strict=True):
                apart = sharpness(picture[old.frame], old)
                assert sharp == pytest.approx(apart, rel=1e-3)
    crops = align(images, found, Template.FFHQ, 64).patches
    for crop, each in zip(crops, done.restorations[1], strict=True):
        assert each.change == pytest.approx(change(crop, 1 - crop), abs=0.03)


def test_the_report_has_every_score_and_the_means(tmp_path):
    analyzer = insight.load(write_pack(tmp_path / "buffalo_l"))
    images = pictures((200, 260), 2)
    found = of(images, face(0, 120, 90, 40), face(1, 130, 90, 20))
    restorers = [TinyRestorer(dark, name="dark.pth", size=128), TinyRestorer(name="negative.pth")]
    done = compared(*restorers, images=images, found=found, analyzer=analyzer)
    lines = describe_side_by_side(done).splitlines()
    assert lines[0] == "2 faces, 2 restorers side by side"
    for number, restorer in enumerate(("dark", "negative")):
        column = done.restorations[number]
        own = [line for line in lines if line.startswith(f"  {restorer}: ")]
        for line, each in zip(own, column, strict=True):
            assert f": similarity {each.likeness:.3f}, " in line
            assert "sharpness {:.0f} -> {:.0f}, ".format(*each.sharpness) in line
            assert line.endswith(f"changed by {each.change:.1%}")
        means = {
            name: sum(getattr(each, name) for each in column) / 2 for name in ("likeness", "change")
        }
        mean = lines[number - 2]
        assert mean.startswith(f"mean of {restorer}: similarity {means['likeness']:.3f}, ")
        assert mean.endswith(f"changed by {means['change']:.1%}, 2 of 2 faces")


def test_without_an_analyzer_the_report_says_what_was_not_measured():
    done = compared(TinyRestorer())
    told = describe_side_by_side(done)
    assert "was not measured" in told
    assert "similarity" not in told


def test_nothing_is_guarded_and_nothing_is_too_large():
    """Whatever was asked of Restore Faces."""
    images = pictures((200, 260))
    found = of(images, face(0, 120, 90, 50))
    settings = replace(SQUARE, strength=0.1, guard=0.0, max_pixels=20, factor=2.0, fidelity=0.0)
    network = TinyRestorer(has_fidelity=True)
    done = compare_restorers(images, found, [Column(network, 0.4)], settings)
    ((only,),) = done.restorations
    assert only.left is None
    assert only.amount == 1.0
    assert network.given[0][1] == 0.4
    plain = compare_restorers(images, found, [Column(TinyRestorer(), 0.4)], SQUARE)
    assert torch.equal(done.after[0], plain.after[0])
    assert "tiny, fidelity 0.4: more than the 64 px of the network" in describe_side_by_side(done)


def test_a_restorer_that_fails_spoils_nothing_beside_it():
    images = pictures()
    alone = compared(TinyRestorer(), images=images)
    done = compared(TinyRestorer(broken, name="broken.pth"), TinyRestorer(), images=images)
    assert torch.equal(done.after[0], done.before)
    assert torch.equal(done.after[1], alone.after[0])
    told = describe_side_by_side(done)
    assert "  broken: left as it was: the network gave no picture" in told
    assert "mean of broken: 0 of 1 face" in told
    sheet = side_by_side_sheet(done)
    assert torch.isfinite(sheet).all()
    assert FAINT in inks(sheet, 1, done)
    assert FAINT not in inks(sheet, 2, done)


def test_a_face_too_small_is_shown_as_it_was():
    images = pictures()
    found = of(images, face(), face(0, 120, 40, 4))
    done = compared(TinyRestorer(), images=images, found=found)
    assert torch.equal(done.after[0][1], done.before[1])
    assert not torch.equal(done.after[0][0], done.before[0])
    assert "left as it was" in describe_side_by_side(done)
    assert "1 of 2 faces" in describe_side_by_side(done).splitlines()[-1]


def test_the_highest_of_a_row_is_green():
    soft, rough = TinyRestorer(dark), TinyRestorer(same, size=128)
    done = compared(soft, rough)
    sharpness = [each.sharpness[1] for (each,) in done.restorations]
    assert sharpness[0] < sharpness[1]
    sheet = side_by_side_sheet(done)
    assert MARK not in inks(sheet, 1, done)
    assert MARK in inks(sheet, 2, done)
    alone = compared(rough)
    assert MARK not in inks(side_by_side_sheet(alone), 1, alone)


def test_without_a_face_the_picture_is_shown():
    for channels in (1, 3, 4):
        images = torch.rand(2, 97, 160, channels)
        network = TinyRestorer()
        done = compared(network, images=images, found=of(images))
        sheet = side_by_side_sheet(done)
        assert torch.equal(
            sheet[0, GAP : GAP + 97, GAP : GAP + 160], images[0, ..., :3].expand(97, 160, 3)
        )
        assert not network.given
        assert describe_side_by_side(done).startswith("no face to restore")


def test_a_large_picture_without_a_face_is_made_smaller():
    images = torch.rand(1, 600, 1800, 3)
    sheet = side_by_side_sheet(compared(TinyRestorer(), images=images, found=of(images)))
    assert sheet.shape[2] == SIDES[0] + 2 * GAP


def test_faces_of_several_frames_and_more_than_a_sheet_holds():
    images = pictures(frames=ROWS + 3)
    found = of(images, *(face(frame) for frame in range(ROWS + 3)))
    done = compared(TinyRestorer(), images=images, found=found)
    assert done.before.shape[0] == ROWS
    assert len(done.restorations[0]) == ROWS + 3
    sheet = side_by_side_sheet(done)
    for down in (0, ROWS - 1):
        expected = align(images, found, Template.FFHQ, done.before.shape[1]).patches[down]
        assert torch.equal(tile(sheet, 0, down, done), expected)
    few = compared(TinyRestorer(), images=images, found=found.keep(found.found[:ROWS]))
    assert sheet.shape[1] > side_by_side_sheet(few).shape[1]  # by the line that says so
    told = describe_side_by_side(done).splitlines()
    assert told[-2].endswith("more lines")
    assert told[-1].startswith("mean of tiny: sharpness")
    assert told[-1].endswith(f"{ROWS + 3} of {ROWS + 3} faces")


def test_alpha_is_no_part_of_the_sheet():
    images = torch.cat([pictures(), torch.rand(1, 97, 160, 1)], dim=-1)
    done = compared(TinyRestorer(), images=images)
    opaque = compared(TinyRestorer(), images=images[..., :3])
    torch.testing.assert_close(side_by_side_sheet(done), side_by_side_sheet(opaque))


def test_what_is_no_number_is_shown_as_black():
    images = pictures()
    images[0, 40:44, 60:64] = math.nan
    sheet = side_by_side_sheet(compared(TinyRestorer(), images=images))
    assert torch.isfinite(sheet).all()
    assert 0 <= sheet.min() < sheet.max() <= 1


def test_inputs_are_left_alone():
    images, seen = pictures(), pictures()
    side_by_side_sheet(compared(TinyRestorer(), TinyRestorer(dark), images=images))
    assert torch.equal(images, seen)


def test_the_sheet_is_as_wide_as_a_screen():
    images = pictures()
    for count in range(1, 8):
        done = compared(*[TinyRestorer(same) for _ in range(count)], images=images)
        sheet = side_by_side_sheet(done)
        assert sheet.shape[::3] == (1, 3)
        assert 1000 <= sheet.shape[2] <= 2200
        assert done.before.shape[1] in SIDES
        corner = torch.tensor(PAPER) / 255
        torch.testing.assert_close(sheet[0, -1, -1], corner)


def test_progress_goes_from_nothing_to_all():
    told = []
    images = pictures()
    found = of(images, face(), face(0, 100))
    compared(TinyRestorer(), TinyRestorer(), found=found, progress=lambda *now: told.append(now))
    shares = [done / total for done, total in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert any(0.3 < share < 0.7 for share in shares)


def named(*names: str, told: bool = False) -> tuple[str, ...]:
    return labels([Column(TinyRestorer(name=name, has_fidelity=told), 0.5) for name in names])


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (("GFPGANv1.4.pth", "GPEN-BFR-512.onnx"), ("GFPGANv1.4", "GPEN-BFR-512")),
        (("RestoreFormer++.ckpt", "x.safetensors"), ("RestoreFormer++", "x")),
        (("GFPGANv1.4.pth", "GFPGANv1.4.onnx"), ("GFPGANv1.4.pth", "GFPGANv1.4.onnx")),
        (("a.pth", "a.pth", "a.pth"), ("a", "a (2)", "a (3)")),
        (("a (2).pth", "a.pth", "a.pth"), ("a (2)", "a", "a (3)")),
        (("GFPGAN by core's loader",), ("GFPGAN by core's loader",)),
    ],
)
def test_columns_are_called_by_their_files_and_no_two_alike(names, shown):
    assert named(*names) == shown


def test_the_same_network_twice_at_one_fidelity():
    assert named("c.pth", "c.pth", told=True) == ("c, fidelity 0.5", "c, fidelity 0.5 (2)")


def test_a_name_without_a_letter_that_can_be_drawn_becomes_a_number():
    done = compared(TinyRestorer(name="模型.pth"), TinyRestorer(name="é" * 300 + ".pth"))
    known = compared(TinyRestorer(name="restorer 1.pth"), TinyRestorer(name="e" * 300 + ".pth"))
    assert torch.equal(side_by_side_sheet(done), side_by_side_sheet(known))
    assert "  模型: " in describe_side_by_side(done)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0.7", (0.7,)), (" 0, 1,0.50 ,", (0.0, 1.0, 0.5)), ("0.5,0.5,.5", (0.5,)), ("1e-1", (0.1,))],
)
def test_fidelities_are_read(text, numbers):
    assert parse_fidelities(text) == numbers


@pytest.mark.parametrize(
    "text", ["", " , ", "high", "0.5 0.7", "1.1", "-0.1", "nan", "inf", "0,7", "0.5;1"]
)
def test_what_is_no_fidelity_is_refused(text):
    with pytest.raises(ValueError, match="should be numbers from 0 to 1 with commas"):
        parse_fidelities(text)


def test_too_many_columns_are_refused():
    with pytest.raises(ValueError, match=f"give 1 to {COLUMNS}"):
        compared(*[TinyRestorer()] * (COLUMNS + 1))
    with pytest.raises(ValueError, match="0 columns"):
        compared()
    with pytest.raises(ValueError, match=f"give {COLUMNS} at most"):
        parse_fidelities(",".join(str(number / 100) for number in range(COLUMNS + 1)))


def test_faces_of_other_pictures_are_refused():
    other = pictures((98, 160))
    for found in (of(other, face()), of(other)):
        with pytest.raises(ValueError, match="Detect Faces"):
            compared(TinyRestorer(), found=found)
