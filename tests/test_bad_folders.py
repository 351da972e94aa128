"""Folders and files as they should not be, for Swap Folder: refused or left out, and why."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pack.likeness.swap_folder.journal import lost
from pack.likeness.swap_folder.provenance import Form
from pack.likeness.swap_folder.settings import Settings
from pack.likeness.swap_folder.sources import Source, Unreadable, decode, listing, load
from pack.likeness.swap_folder.written import FolderError, complaints
from picture_folders import OPEN, fill, portrait, someone, swap, tree
from PIL import Image, ImageCms, features

pytestmark = pytest.mark.slow


posix = pytest.mark.skipif(os.name != "posix", reason="links, mounts and limits as Unix has them")


@pytest.fixture(scope="module")
def person():
    return someone()


@pytest.fixture
def source(tmp_path) -> Path:
    return fill(tmp_path / "in", "cafe", "snow")


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A disk of its own in the folder; skips where none may be mounted."""
    folder.mkdir()
    if not shutil.which("mount"):
        pytest.skip("there is no mount here")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "likeness-test", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], capture_output=True, check=True)


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", folder], capture_output=True, check=True)


@pytest.mark.parametrize("where", ["gone", "file.png"])
def test_a_source_that_is_no_folder(tmp_path, person, where):
    (tmp_path / "file.png").write_bytes(b"")
    with pytest.raises(ValueError, match="is not a folder"):
        swap(tmp_path / where, tmp_path / "out", person)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_pictures_makes_an_empty_report(tmp_path, person):
    source = tmp_path / "in"
    (source / "deeper").mkdir(parents=True)
    portrait("cafe").save(source / "deeper" / "cafe.png")
    report = swap(source, tmp_path / "out", person)
    assert (report.accepted, report.rejected, report.skipped, report.sheet) == (0, 0, 0, None)
    assert "1 sub-folder was not entered" in report.notes[0]
    assert "no picture is in the folder" in report.notes
    assert set(tree(tmp_path / "out")) == {".likeness/journal.jsonl", "README.md", "report.json"}


@pytest.mark.parametrize("target", ["in", "in/../in", "link", ".", "in/.."])
def test_a_target_among_the_originals_is_refused(source, tmp_path, person, target):
    if target == "link":
        (tmp_path / "link").symlink_to(source)
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="originals"):
        swap(source, tmp_path / target, person)
    assert tree(tmp_path) == before


@posix
@pytest.mark.parametrize("name", ["accepted", "rejected", ".likeness"])
def test_links_in_the_target_are_not_followed(source, tmp_path, person, name):
    target = tmp_path / "out"
    target.mkdir()
    (target / name).symlink_to(source)
    before, touched = tree(source), source.stat().st_mtime_ns
    with pytest.raises(FolderError, match="is a link to elsewhere"):
        swap(source, target, person)
    assert (tree(source), source.stat().st_mtime_ns) == (before, touched)


@posix
def test_a_link_in_the_place_of_a_file_is_not_written_through(source, tmp_path, person):
    target = tmp_path / "out"
    swap(source, target, person)
    before = tree(source)
    for name in ("report.json", "accepted/metadata.jsonl", "contact-sheet.jpg"):
        (target / name).unlink()
        (target / name).symlink_to(source / "cafe.png")
    (target / ".likeness" / "writing.part").symlink_to(source / "snow.png")
    swap(source, target, person)
    assert tree(source) == before
    assert not (target / "report.json").is_symlink()


def test_the_target_may_lie_in_the_source(source, person):
    before = tree(source)
    swap(source, source / "swapped", person)
    report = swap(source, source / "swapped", person)
    assert report.accepted == 2
    assert {name: value for name, value in tree(source).items() if "/" not in name} == before


def test_files_that_hold_no_picture_are_skipped_with_the_reason(source, tmp_path, person):
    whole = (source / "cafe.png").read_bytes()
    (source / "torn.png").write_bytes(whole[: len(whole) // 2])
    (source / "text.jpg").write_text("<!DOCTYPE html><html>404</html>")
    (source / "empty.webp").touch()
    (source / "caption.txt").write_text("a photo")
    (source / ".hidden.png").write_bytes(whole)
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(source / "fractions.tif")
    Image.new("RGB", (1, 1)).save(source / "dot.png")
    if os.name == "posix":
        (source / "dangling.png").symlink_to(tmp_path / "gone.png")
        os.mkfifo(source / "pipe.png")
        Path(os.fsdecode(os.fsencode(source) + b"/\xff.png")).write_bytes(whole)
    report = swap(source, tmp_path / "out", person)
    assert report.accepted == 2
    told = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    skipped = {each["source"]: each["reason"] for each in told["skipped"]}
    expected = {
        "torn.png": "broken",
        "text.jpg": "no picture that can be read",
        "empty.webp": "empty",
        "caption.txt": "not a picture by its ending",
        "fractions.tif": "fractions",
        "dot.png": "no face",
        "dangling.png": "not a file",
        "pipe.png": "not a file",
        "?.png": "not valid text",
    }
    if os.name != "posix":
        for name in ("dangling.png", "pipe.png", "?.png"):
            del expected[name]
    assert skipped.keys() == expected.keys()
    for name, words in expected.items():
        assert words in skipped[name], name


@pytest.mark.parametrize(
    ("mode", "ending", "note"),
    [
        ("L", "png", ()),
        ("1", "png", ()),
        ("P", "gif", ()),
        ("LA", "png", ()),
        ("RGBA", "webp", ()),
        ("I;16", "png", ("16 bits became 8",)),
        ("I;16", "tif", ("16 bits became 8",)),
        ("CMYK", "jpg", ("CMYK became RGB",)),
        ("RGB", "bmp", ()),
    ],
)
def test_every_kind_of_picture_is_read_as_what_it_shows(tmp_path, mode, ending, note):
    grey = portrait("cafe").convert("L")
    if mode == "I;16":
        deep = np.asarray(grey).astype(np.uint16) * 257
        made = Image.fromarray(deep)
    elif mode in ("LA", "RGBA"):
        made = grey.convert(mode)
        made.putalpha(100)
    else:
        made = grey.convert(mode)
    file = tmp_path / f"x.{ending}"
    made.save(file, **({"lossless": True, "exact": True} if ending == "webp" else {}))
    picture = decode(file.read_bytes())
    assert picture.notes == note
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.shape[2] == (4 if mode in ("LA", "RGBA") else 3)
    if mode in ("LA", "RGBA"):
        assert (picture.pixels[..., 3] == 100).all()
    if mode != "1":  # black and white dots
        away = np.abs(picture.pixels[..., :3].astype(int) - np.asarray(grey)[..., None])
        assert away.mean() < 6
        assert away.max() == 0 or mode in ("CMYK", "P")


def test_a_turned_photo_comes_out_upright_and_without_its_place(tmp_path, person):
    source = tmp_path / "in"
    source.mkdir()
    tags = Image.Exif()
    tags[0x0112], tags[0x010F] = 6, "my camera"
    portrait("cafe").rotate(90, expand=True).save(source / "cafe.png", exif=tags)
    report = swap(source, tmp_path / "out", person)
    assert report.accepted == 1
    (row,) = (tmp_path / "out" / "accepted" / "metadata.jsonl").read_text().splitlines()
    _, y, *_ = json.loads(row)["faces"][0]["box"]
    with Image.open(tmp_path / "out" / "accepted" / "cafe.png") as made:
        assert not made.getexif()
        away = np.abs(np.asarray(made).astype(int) - np.asarray(portrait("cafe")))
    assert not away[: y // 2].any()
    assert away.max() > 20


def test_an_animation_is_its_first_picture_and_says_so(tmp_path):
    frames = [portrait(name) for name in ("cafe", "snow")]
    frames[0].save(tmp_path / "x.webp", save_all=True, append_images=frames[1:], lossless=True)
    picture = decode((tmp_path / "x.webp").read_bytes())
    assert picture.notes == ("the first of its 2 pictures",)
    assert np.array_equal(picture.pixels, np.asarray(frames[0]))


def test_transparency_stays_in_a_png_and_goes_in_a_jpeg(tmp_path, person):
    source = tmp_path / "in"
    source.mkdir()
    seen = portrait("snow")
    seen.putalpha(Image.linear_gradient("L").resize(seen.size))
    seen.save(source / "snow.png")
    swap(source, tmp_path / "png", person)
    swap(source, tmp_path / "jpeg", person, Settings(limits=OPEN, form=Form.JPEG))
    with Image.open(tmp_path / "png" / "accepted" / "snow.png") as made:
        assert np.array_equal(np.asarray(made)[..., 3], np.asarray(seen)[..., 3])
    with Image.open(tmp_path / "jpeg" / "accepted" / "snow.jpg") as made:
        assert made.mode == "RGB"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("form", "seed"), [("AVIF", 1), ("TIFF", 8)])
def test_whatever_is_broken_in_a_file_it_is_left_out_and_stops_nothing(form, seed):
    """Pillow raises RuntimeError, TypeError and OverflowError for some of these."""
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow knows no AVIF")
    chance = np.random.default_rng(seed)
    file = io.BytesIO()
    portrait("cafe", 48).save(file, form)
    broken = 0
    for _ in range(400):
        content = np.frombuffer(file.getvalue(), np.uint8).copy()
        places = chance.integers(0, min(len(content), 200), 4)  # where files tell of themselves
        content[places] = chance.choice([0, 255, 127], 4)
        try:
            decode(content.tobytes())
        except Unreadable:
            broken += 1
    assert broken > 20


def test_a_profile_of_grey_is_not_put_on_colours(tmp_path, person):
    source = tmp_path / "in"
    source.mkdir()
    space = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    portrait("snow").save(source / "snow.png", icc_profile=bytes(space))
    space[16:20] = b"GRAY"
    portrait("cafe").convert("L").save(source / "cafe.png", icc_profile=bytes(space))
    swap(source, tmp_path / "out", person)
    for name, kept in (("cafe", False), ("snow", True)):
        with Image.open(tmp_path / "out" / "accepted" / f"{name}.png") as made:
            assert ("icc_profile" in made.info) is kept


def test_a_bomb_is_refused_unopened_whatever_others_allow(monkeypatch):
    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + check

    side = (60_000).to_bytes(4, "big")
    head = chunk(b"IHDR", side + side + bytes([1, 0, 0, 0, 0]))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(Unreadable, match="too many pixels"):
        decode(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"x") + chunk(b"IEND", b""))


def test_a_file_larger_than_memory_is_not_read(tmp_path):
    with (tmp_path / "x.png").open("wb") as file:
        file.truncate(2**31 + 1)  # takes no room on the disk
    with pytest.raises(Unreadable, match="too large: 2,147,483,649 bytes"):
        load(Source("x.png", tmp_path / "x.png"))


def test_too_many_pixels_are_told(monkeypatch):
    file = io.BytesIO()
    portrait("cafe").save(file, "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Unreadable, match="too many pixels"):
        decode(file.getvalue())


def test_a_listing_leaves_nothing_unsaid(tmp_path):
    (tmp_path / "a.TIFF").touch()
    (tmp_path / "b.heic").touch()
    found = listing(tmp_path)
    assert [each.name for each in found.pictures] == ["a.TIFF"]
    assert [name for name, _ in found.others] == ["b.heic"]


def test_a_file_in_the_place_of_the_target(source, tmp_path, person):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(FolderError, match="is a file where a folder belongs"):
        swap(source, tmp_path / "out", person)
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"\xff\xfe", b'{"kind": "another"}\n', b"[" * 200_000 + b"\n"]
)
def test_a_journal_that_is_none_is_not_guessed_at(source, tmp_path, person, content):
    target = tmp_path / "out"
    (target / ".likeness").mkdir(parents=True)
    (target / ".likeness" / "journal.jsonl").write_bytes(content)
    for anew in (False, True):
        with pytest.raises(FolderError, match="cannot be read"):
            swap(source, target, person, anew=anew)


@pytest.mark.parametrize(
    "changes",
    [
        {"file": "../../victim.png"},
        {"file": "../victim.png"},
        {"file": ".."},
        {"file": ""},
        {"file": 7},
        {"file": None},
        {"state": "another"},
        {"reasons": None},
        {"reasons": [1]},
        {"faces": [1]},
        {"source": 5},
        {"more": 1},
    ],
    ids=str,
)
def test_a_strangers_journal_leads_nowhere(source, tmp_path, person, changes):
    """A folder of results may come from somebody else, and starting anew removes what it names."""
    target = tmp_path / "out"
    swap(source, target, person)
    for victim in (tmp_path / "victim.png", target / "victim.png"):
        victim.write_text("mine")
    journal = target / ".likeness" / "journal.jsonl"
    lines = journal.read_text("utf-8").splitlines()
    record = json.loads(lines[1]) | {"source": "z.png"} | changes
    for told in (json.dumps(record), "[]", "7", "{}"):
        journal.write_text("\n".join([*lines, told, ""]), "utf-8")
        before = tree(tmp_path)
        for anew in (False, True):
            with pytest.raises(FolderError, match=r"journal.jsonl cannot be read"):
                swap(source, target, person, anew=anew)
        assert tree(tmp_path) == before


@posix
def test_a_pipe_is_not_waited_for(source, tmp_path, person):
    """Neither among the pictures nor in the place of a journal."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Unreadable, match="it is no file"):
        load(Source("pipe", tmp_path / "pipe"))
    target = tmp_path / "out"
    (target / ".likeness").mkdir(parents=True)
    os.mkfifo(target / ".likeness" / "journal.jsonl")
    assert lost(target) == []
    assert swap(source, target, person).accepted == 2


@posix
def test_a_journal_that_is_a_link_is_not_written_to(source, tmp_path, person):
    target = tmp_path / "out"
    swap(source, target, person)
    journal = target / ".likeness" / "journal.jsonl"
    journal.rename(tmp_path / "elsewhere")
    journal.symlink_to(tmp_path / "elsewhere")
    portrait("garden").save(source / "garden.png")
    before = tree(tmp_path)
    with pytest.raises(FolderError, match="is a link to elsewhere"):
        swap(source, target, person)
    assert tree(tmp_path) == before


@posix
def test_a_name_that_is_too_long_is_told(source, tmp_path, person):
    with pytest.raises(FolderError, match="choose a shorter one"):
        swap(source, tmp_path / ("x" * 300), person)


@posix
def test_a_full_disk_is_told_and_with_room_the_run_goes_on(source, tmp_path, person):
    target = tmp_path / "disk"
    with small_disk(target, "56k"):
        with pytest.raises(FolderError, match=r"is full.*Make room"):
            swap(source, target / "out", person)
        made = tree(target / "out")
        assert not [name for name in made if name.endswith(".part")]
        for name in made:
            if name.endswith(".png"):
                decode((target / "out" / name).read_bytes())
        remount(target, "size=8m")
        swap(source, target / "out", person)
        swap(source, tmp_path / "whole", person)
        assert tree(target / "out") == tree(tmp_path / "whole")


@posix
def test_an_old_result_is_not_taken_for_the_new_one_that_the_disk_had_no_room_for(
    source, tmp_path, person
):
    target = tmp_path / "disk"
    (source / "cafe.png").unlink()
    with small_disk(target, "200k"):
        swap(source, target / "out", person)
        portrait("snow", 384).save(source / "snow.png")
        with pytest.raises(FolderError, match="is full"):
            swap(source, target / "out", person)
        remount(target, "size=8m")
        swap(source, target / "out", person)
        swap(source, tmp_path / "whole", person)
        assert tree(target / "out") == tree(tmp_path / "whole")


@posix
def test_an_output_that_may_not_be_written_is_told(source, tmp_path, person):
    target = tmp_path / "disk"
    with small_disk(target, "8m"):
        remount(target, "ro")
        with pytest.raises(FolderError, match=r"may not be written.*choose another folder"):
            swap(source, target / "out", person)
        remount(target, "rw")
        swap(source, target / "out", person)
        before = tree(target / "out")
        portrait("garden").save(source / "garden.png")
        remount(target, "ro")
        with pytest.raises(FolderError, match="may not be written"):
            swap(source, target / "out", person)
        assert tree(target / "out") == before


@pytest.mark.parametrize("number", ["ENOSPC", "EDQUOT", "EACCES", "EROFS", "EIO", "ENOTDIR"])
def test_what_the_system_refuses_is_put_into_words(tmp_path, number):
    import errno

    code = getattr(errno, number)
    with pytest.raises(FolderError) as caught, complaints(tmp_path):
        raise OSError(code, os.strerror(code), str(tmp_path / "x"))
    assert str(tmp_path) in str(caught.value)
    assert len(str(caught.value)) > 60
