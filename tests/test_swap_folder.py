"""A folder in, a data set out: what is written, and what it says."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from pack.likeness.demo import PORTRAITS
from pack.likeness.frontal import cascade
from pack.likeness.laid import Way
from pack.likeness.montage.montage import Montage
from pack.likeness.swap_folder.contact import LEAST, MOST, spread
from pack.likeness.swap_folder.folder import swap_folder
from pack.likeness.swap_folder.journal import Record, State
from pack.likeness.swap_folder.provenance import BY_NETWORK, Form, Origin, encoded
from pack.likeness.swap_folder.settings import Settings, Which
from pack.likeness.swap_folder.sources import decode, demo_portraits, result_names
from pack.likeness.swapping.swap import Settings as Swapping
from picture_folders import OPEN, SIDE, fill, portrait, rows, someone, swap, tree
from PIL import Image

pytestmark = pytest.mark.slow

STATED = "no real event"


RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"


@pytest.fixture(scope="module")
def person():
    return someone()


@pytest.fixture
def source(tmp_path) -> Path:
    return fill(tmp_path / "in", "cafe", "snow")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, person):
    """A run over two portraits, a landscape and a text."""
    base = tmp_path_factory.mktemp("finished")
    source = fill(base / "in", "cafe", "snow")
    Image.new("RGB", (97, 160), (90, 120, 60)).save(source / "meadow.png")
    (source / "notes.txt").write_text("mine")
    before = tree(source)
    report = swap(source, base / "out", person)
    assert tree(source) == before
    return source, base / "out", report


def described(packet: str | bytes) -> tuple[str, str]:
    """The digital source type and the description of an XMP packet."""
    (node,) = ElementTree.fromstring(packet).iter(f"{{{RDF}}}Description")
    return node.get(f"{{{IPTC}}}DigitalSourceType"), node.find(f".//{{{RDF}}}li").text


def test_a_run_leaves_pictures_metadata_report_and_sheet(finished):
    _, target, report = finished
    assert set(tree(target)) == {
        ".likeness/journal.jsonl",
        "README.md",
        "accepted/cafe.png",
        "accepted/metadata.jsonl",
        "accepted/snow.png",
        "contact-sheet.jpg",
        "report.json",
    }
    assert (report.accepted, report.rejected, report.skipped) == (2, 0, 2)
    for row in rows(target / "accepted"):
        assert next(iter(row)) == "file_name"
        assert (target / "accepted" / row["file_name"]).is_file()
        (face,) = row["faces"]
        assert face["person"] == "harbour"
        x, y, width, height = face["box"]
        assert 0 < x < x + width < SIDE
        assert 0 < y < y + height < SIDE
        assert face["similarity"] is face["similarity_before"] is None
        for name in ("shift", "sharpness", "colour", "pose", "pitch", "yaw", "roll", "seam"):
            assert isinstance(face[name], float), name


def test_only_the_face_of_a_result_differs_from_the_original(finished):
    source, target, _ = finished
    for row in rows(target / "accepted"):
        old, new = (
            np.asarray(Image.open(file).convert("RGB")).astype(int)
            for file in (source / row["source"], target / "accepted" / row["file_name"])
        )
        x, y, width, height = row["faces"][0]["box"]
        changed = np.abs(old - new).max(axis=-1)
        near = np.zeros(changed.shape, bool)
        near[max(y - height // 2, 0) : y + height * 3 // 2, max(x - width // 2, 0) :][
            :, : width * 2
        ] = True
        assert not changed[~near].any()
        assert (changed[y : y + height, x : x + width] > 4).mean() > 0.3


def test_a_floor_that_nothing_is_held_to_is_told(finished, tmp_path, person):
    source = fill(tmp_path / "in", "cafe")
    report = swap(source, tmp_path / "out", person, Settings())
    words = "the floor was not looked at for harbour: the analyzer 'built in' knows no identity"
    assert [note for note in report.notes if note.startswith(words)]
    open_ended = finished[2]
    assert not [note for note in open_ended.notes if "floor" in note]


def test_the_report_names_what_was_skipped_and_why(finished):
    _, target, _ = finished
    report = json.loads((target / "report.json").read_text("utf-8"))
    skipped = {each["source"]: each["reason"] for each in report["skipped"]}
    assert "no face" in skipped["meadow.png"]
    assert "not a picture" in skipped["notes.txt"]
    assert report["totals"]["pictures"] == 3
    assert report["settings"]["swapper"] == "warp and blend"
    assert STATED in report["what"]


def test_everything_that_is_written_says_that_it_is_synthetic(finished):
    _, target, _ = finished
    assert STATED in (target / "README.md").read_text("utf-8")
    with Image.open(target / "accepted" / "snow.png") as picture:
        assert STATED in picture.text["Description"]
        assert "warp and blend" in picture.text["Description"]
        assert described(picture.text["XML:com.adobe.xmp"]) == (
            "http://cv.iptc.org/newscodes/digitalsourcetype/composite",
            picture.text["Description"],
        )


def test_a_jpeg_says_it_too_by_exif_and_by_xmp():
    origin = Origin("a <network> & more", is_network=True)
    content = encoded(np.full((16, 24, 4), 128, np.uint8), Form.JPEG, origin)
    assert BY_NETWORK.encode() in content
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.getexif()[0x010E] == origin.words
        assert described(picture.info["xmp"]) == (BY_NETWORK, origin.words)


def test_a_second_run_does_nothing_and_changes_nothing(finished, person):
    source, target, _ = finished
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.is_file()}
    told: list[str] = []
    swap(source, target, person, say=told.append)
    assert all("done before" in line for line in told)
    assert len(told) == 3
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.is_file()} == before


def test_names_that_would_be_the_same_keep_their_endings():
    names = ["a.jpg", "a.png", "A.webp", "b.jpg", "b.jpg.tif", "é.png", "e\u0301.jpg", "c.png"]
    made = result_names(names, ".png", taken=["c.png"])
    assert made == {
        "A.webp": "A.webp.png",
        "a.jpg": "a.jpg.png",
        "a.png": "a.png.png",
        "b.jpg": "b.png",
        "b.jpg.tif": "b.jpg.png",
        "c.png": "c.png.png",
        "é.png": "é.png.png",
        "e\u0301.jpg": "e\u0301.jpg.png",
    }
    long = {f"{'ü' * 120}{letter}.png" for letter in "ab"}
    cut = result_names(long, ".png").values()
    assert len(set(cut)) == 2
    assert all(len(name.encode()) < 255 for name in cut)


def test_pictures_of_one_name_do_not_overwrite_each_other(tmp_path, person):
    source = tmp_path / "in"
    source.mkdir()
    portrait("cafe").save(source / "a.png")
    portrait("snow").save(source / "a.bmp")
    swap(source, tmp_path / "out", person)
    assert {row["file_name"]: row["source"] for row in rows(tmp_path / "out" / "accepted")} == {
        "a.bmp.png": "a.bmp",
        "a.png.png": "a.png",
    }


def test_all_faces_or_the_largest(tmp_path, person):
    source = tmp_path / "in"
    source.mkdir()
    both = Image.new("RGB", (SIDE * 2 + 40, SIDE + 40), (128, 128, 128))
    both.paste(portrait("cafe"), (0, 0))
    both.paste(portrait("snow", SIDE + 40), (SIDE, 0))
    both.save(source / "two.png")
    swap(source, tmp_path / "one", person)
    swap(source, tmp_path / "all", person, Settings(limits=OPEN, which=Which.ALL))
    (one,), (every,) = rows(tmp_path / "one" / "accepted"), rows(tmp_path / "all" / "accepted")
    assert len(one["faces"]) == 1
    assert one["faces"][0]["box"][0] > SIDE
    assert len(every["faces"]) == 2


def test_the_demo_portraits_are_a_folder_too(tmp_path, person):
    listed = demo_portraits()
    assert [each.name.partition(".")[0] for each in listed.pictures] == sorted(PORTRAITS)
    small = replace(listed, pictures=listed.pictures[:1])
    report = swap(small, tmp_path / "out", person)
    assert report.accepted == 1
    assert rows(tmp_path / "out" / "accepted")[0]["notes"] == ["the first of its 121 pictures"]


def test_a_source_without_what_the_swapper_needs_is_told_before_the_first_picture(
    source, tmp_path, person
):
    nobody = replace(person, known=(replace(person.known[0], portrait=None),))
    with pytest.raises(ValueError, match="has no picture"):
        swap(source, tmp_path / "out", nobody)
    assert not (tmp_path / "out").exists()


def test_the_contact_sheet_stays_small(tmp_path, person):
    records = [Record(str(number), None, State.ACCEPTED) for number in range(500)]
    shown = spread(records, MOST)
    assert len(shown) == MOST
    assert len({record.source for record in shown}) == MOST
    assert spread(records[:3], MOST) == records[:3]
    assert spread([], LEAST) == []


def test_a_result_is_decoded_as_it_was_encoded():
    pixels = np.random.default_rng(7).integers(0, 255, (97, 160, 4), np.uint8)
    again = decode(encoded(pixels, Form.PNG, Origin("x", False)))
    assert np.array_equal(again.pixels, pixels)


class Losing:
    """The built-in finder, which loses the points of faces in dark pictures."""

    def __init__(self) -> None:
        self.real = cascade.load()

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)

    def find(self, frame, threshold, reach=1.0):
        lost = frame.mean() < 100
        return [
            replace(face, points=face.points * math.nan) if lost else face
            for face in self.real.find(frame, threshold, reach)
        ]


def test_a_face_that_cannot_be_cut_out_stops_nothing(tmp_path):
    source = fill(tmp_path / "in", "cafe", "snow", "studio")
    report = swap_folder(
        source, tmp_path / "out", someone(), Montage(), Losing(), Settings(limits=OPEN)
    )
    assert (report.accepted, report.skipped) == (2, 1)
    told = (tmp_path / "out" / "report.json").read_text("utf-8")
    assert "cannot be cut out: its points are not numbers" in told


def test_a_swap_that_changes_nothing_is_rejected(tmp_path):
    settings = Settings(Swapping(strength=0.0, way=Way.CHANGE), OPEN)
    source = fill(tmp_path / "in", "cafe")
    report = swap(source, tmp_path / "out", someone(), settings)
    assert report.rejected == 1
    assert dict(report.reasons) == {"the swap has changed nothing": 1}
