"""Swap Folder run again: what it goes on with, what it does again, and what it refuses."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from pathlib import Path

import pytest
from pack.likeness.frontal import cascade
from pack.likeness.montage.montage import Montage
from pack.likeness.parse import KINDS, Parser
from pack.likeness.swap_folder.journal import differences
from pack.likeness.swap_folder.settings import Limits, Settings, facts
from pack.likeness.swap_folder.written import FolderError, claimed
from pack.likeness.swapping.covering import Covers
from pack.likeness.swapping.swap import Settings as Swapping
from picture_folders import OPEN, fill, portrait, rows, someone, swap, tree
from torch import nn

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def person():
    return someone()


@pytest.fixture
def source(tmp_path) -> Path:
    return fill(tmp_path / "in", "cafe", "snow")


def test_other_settings_are_refused_with_what_differs(source, tmp_path, person):
    target = tmp_path / "out"
    swap(source, target, person)
    before = tree(target)
    changed = Settings(Swapping(strength=0.5), replace(OPEN, similarity=0.5))
    with pytest.raises(FolderError) as caught:
        swap(source, target, person, changed)
    for words in ("strength was 1.0, is 0.5", "limits floor was none, is 0.5", "--anew"):
        assert words in str(caught.value)
    with pytest.raises(FolderError, match=r"person was .*harbour.* is .*studio"):
        swap(source, target, someone("studio"))
    assert tree(target) == before


def test_every_setting_counts_as_a_difference(person):
    known = facts(person, Montage(), cascade.load(), Settings())
    flat = ["floor" if each.name == "similarity" else each.name for each in fields(Limits)]
    flat += ["strength", "boost", "covers", "pairing", "way", "faces", "format", "threshold"]
    for name in flat:
        assert any(key.removeprefix("limits ") == name for key in known), name
    assert differences(known, known) == []
    for kind in KINDS.values():
        parser, parsed = Parser(kind, nn.Identity()), Settings(Swapping(covers=Covers.PARSED))
        assert facts(person, Montage(), cascade.load(), parsed, parser)["parser"] == kind.name
        assert facts(person, Montage(), cascade.load(), Settings(), parser) == known
    assert differences(known, known | {"strength": 0.1}) == ["strength was 1.0, is 0.1"]


def test_starting_anew_removes_what_is_ours_and_nothing_else(source, tmp_path, person):
    target = tmp_path / "out"
    swap(source, target, person)
    (target / "accepted" / "cafe.txt").write_text("my caption")
    (target / "mine").mkdir()
    (source / "snow.png").unlink()
    swap(source, target, person, Settings(Swapping(strength=0.9), OPEN), anew=True)
    made = tree(target)
    assert {"accepted/cafe.txt", "accepted/cafe.png"} <= set(made)
    assert "accepted/snow.png" not in made
    assert (target / "mine").is_dir()
    assert len(rows(target / "accepted")) == 1


def test_a_changed_source_is_done_again_and_a_new_one_is_added(source, tmp_path, person):
    target = tmp_path / "out"
    swap(source, target, person)
    before = tree(target)
    portrait("studio").save(source / "snow.png")
    portrait("garden").save(source / "garden.png")
    told: list[str] = []
    report = swap(source, target, person, say=told.append)
    assert [("done before" in line) for line in told] == [True, False, False]
    assert report.accepted == 3
    assert tree(target)["accepted/snow.png"] != before["accepted/snow.png"]
    assert [row["source"] for row in rows(target / "accepted")] == [
        "cafe.png",
        "garden.png",
        "snow.png",
    ]
    swap(source, tmp_path / "whole", person)
    assert tree(target) == tree(tmp_path / "whole")


def test_a_picture_that_turns_out_broken_moves_to_the_rejected(source, tmp_path, person):
    target = tmp_path / "out"
    strict = Settings(limits=replace(OPEN, colour=1.0))
    portrait("harbour").save(source / "cafe.png")  # onto itself: nothing jumps
    swap(source, target, person, strict)
    assert "accepted/cafe.png" in tree(target)
    portrait("cafe").save(source / "cafe.png")
    swap(source, target, person, strict)
    made = tree(target)
    assert "rejected/cafe.png" in made
    assert "accepted/cafe.png" not in made
    assert "colour jumps" in rows(target / "rejected")[0]["reasons"][0]
    swap(source, tmp_path / "whole", person, strict)
    assert made == tree(tmp_path / "whole")


def test_results_of_pictures_that_left_the_folder_stay(source, tmp_path, person):
    target = tmp_path / "out"
    swap(source, target, person)
    (source / "cafe.png").unlink()
    report = swap(source, target, person)
    assert report.accepted == 2
    assert "not in the folder any more" in " ".join(report.notes)
    portrait("garden").save(source / "cafe.jpg")  # would be called cafe.png, too
    swap(source, target, person)
    assert [row["file_name"] for row in rows(target / "accepted")] == [
        "cafe.jpg.png",
        "cafe.png",
        "snow.png",
    ]


def test_a_deleted_result_is_made_again(source, tmp_path, person):
    target = tmp_path / "out"
    swap(source, target, person)
    before = tree(target)
    (target / "accepted" / "cafe.png").unlink()
    swap(source, target, person)
    assert tree(target) == before


def test_nothing_is_done_in_a_folder_of_strangers(source, tmp_path, person):
    target = tmp_path / "out"
    target.mkdir()
    (target / "thesis.txt").write_text("mine")
    for anew in (False, True):
        with pytest.raises(FolderError, match=r"not empty \(thesis.txt\)"):
            swap(source, target, person, anew=anew)
    assert [path.name for path in target.iterdir()] == ["thesis.txt"]


def test_a_file_that_no_run_has_written_is_not_overwritten(source, tmp_path, person):
    target = tmp_path / "out"
    swap(source, target, person)
    portrait("studio").save(source / "new.png")
    (target / "accepted" / "new.png").write_bytes(b"mine")
    with pytest.raises(FolderError, match=r"new.png is there and no run has written it"):
        swap(source, target, person)
    assert (target / "accepted" / "new.png").read_bytes() == b"mine"


def test_a_second_run_at_the_same_time_is_refused(source, tmp_path, person):
    target = tmp_path / "out"
    with claimed(target), pytest.raises(FolderError, match=f"process {os.getpid()}"):
        swap(source, target, person)
    swap(source, target, person)
    assert not list((target / ".likeness").glob("run*"))


class Cancelled(BaseException):
    pass


def cancel_after(pictures: int):
    """Progress of a run that is ended when so many are done."""

    def cancel(done: int, total: int) -> None:
        if done == pictures:
            raise Cancelled

    return cancel


def test_a_name_that_goes_over_to_another_picture(tmp_path, person):
    """x.jpg.tif is called x.jpg.png, until x.jpg and x.png come, which have the better right."""
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    portrait("cafe").save(source / "x.jpg.tif")
    swap(source, target, person)
    assert "accepted/x.jpg.png" in tree(target)
    portrait("snow").save(source / "x.jpg", quality=95)
    portrait("studio").save(source / "x.png")
    swap(source, target, person)
    assert {row["source"]: row["file_name"] for row in rows(target / "accepted")} == {
        "x.jpg": "x.jpg.png",
        "x.jpg.tif": "x.jpg.tif.png",
        "x.png": "x.png.png",
    }
    swap(source, tmp_path / "whole", person)
    assert tree(target) == tree(tmp_path / "whole")


def test_cancel_between_pictures_leaves_what_is_finished(source, tmp_path, person):
    target = tmp_path / "out"
    with pytest.raises(Cancelled):
        swap(source, target, person, progress=cancel_after(1))
    assert set(tree(target)) == {".likeness/journal.jsonl", "accepted/cafe.png"}
    swap(source, target, person)
    swap(source, tmp_path / "whole", person)
    assert tree(target) == tree(tmp_path / "whole")


@pytest.mark.parametrize("cut", [1, 40])
def test_a_torn_last_line_of_the_journal_is_mended(source, tmp_path, person, cut):
    target = tmp_path / "out"
    swap(source, target, person)
    before = tree(target)
    journal = target / ".likeness" / "journal.jsonl"
    content = journal.read_bytes()
    journal.write_bytes(content[:-cut])
    (target / "accepted" / "snow.png").unlink()  # its record was not whole, so it was not put there
    with pytest.raises(Cancelled):
        swap(source, target, person, progress=cancel_after(2))
    assert (target / "accepted" / "snow.png").is_file()
    swap(source, target, person)
    assert tree(target) == before


def test_a_picture_whose_record_came_and_whose_file_did_not_is_done(source, tmp_path, person):
    target = tmp_path / "out"
    swap(source, target, person)
    before = tree(target)
    for name in ("accepted/snow.png", "report.json", "contact-sheet.jpg"):
        (target / name).unlink()
    (target / ".likeness" / "writing.part").write_bytes(b"half a picture")
    (target / ".likeness" / "run.lock").write_bytes(b"")
    (target / ".likeness" / "run.pid").write_text("1")
    swap(source, target, person)
    assert tree(target) == before
