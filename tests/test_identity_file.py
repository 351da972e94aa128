"""Identities in files: what goes in comes out, whatever they are called, and nothing else does."""

from __future__ import annotations

import base64
import io
import json
import os
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from colours import PINK, RED, Colours, photo
from pack.likeness import identity_file
from pack.likeness.identity import People
from pack.likeness.identity_file import keep, load, place, safe_name, save
from pack.likeness.make_identity import make_identity
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file


@pytest.fixture
def ann():
    photos = [photo((400, 500), (100, 80, 300, colour)) for colour in (RED, PINK)]
    made = make_identity(photos, Colours(), "Ann")
    face = replace(made.portrait.face, landmarks68=torch.rand(68, 2) * 200, estimated=True)
    image = torch.rand(96, 96, 3)
    return replace(made, portrait=replace(made.portrait, face=face, image=image))


@pytest.fixture
def file(tmp_path, ann):
    save(ann, tmp_path / "Ann.safetensors")
    return tmp_path / "Ann.safetensors"


def test_what_goes_in_comes_out(ann, file):
    back = load(file)
    for name in ("name", "space", "photos", "agreement", "length"):
        assert getattr(back, name) == pytest.approx(getattr(ann, name)), name
    torch.testing.assert_close(back.embedding, ann.embedding)
    assert back.notes == ()
    ours, theirs = back.portrait, ann.portrait
    assert (ours.image - theirs.image).abs().max() <= 0.5001 / 255
    assert ours.image.dtype == torch.float32
    assert torch.equal(ours.face.points, theirs.face.points)
    assert torch.equal(ours.face.landmarks68, theirs.face.landmarks68)
    assert ours.face.box == pytest.approx(theirs.face.box)
    assert (ours.face.estimated, ours.face.frame) == (True, 0)
    assert ours.face.score == theirs.face.score
    save(back, file)
    again = load(file)
    assert torch.equal(again.portrait.image, back.portrait.image)


def test_a_portrait_alone_and_an_embedding_alone(ann, tmp_path):
    file = tmp_path / "x.safetensors"
    save(replace(ann, embedding=None, space=None, agreement=None), file)
    back = load(file)
    assert (back.embedding, back.space, back.agreement) == (None, None, None)
    assert back.portrait is not None
    save(replace(ann, portrait=None), file)
    back = load(file)
    assert back.portrait is None
    assert back.space == "colour space"
    with pytest.raises(ValueError, match="nothing to save"):
        save(replace(ann, portrait=None, embedding=None), file)


def test_the_file_shows_the_portrait_as_model_libraries_read_it(ann, file):
    with safe_open(file, "pt") as opened:
        [cover] = json.loads(opened.metadata()["ssmd_cover_images"])
        assert opened.metadata()["format"] == "likeness identity 1"
    with Image.open(io.BytesIO(base64.b64decode(cover))) as picture:
        assert picture.size == (96, 96)  # never larger than the portrait
        shown = np.asarray(picture.convert("RGB")) / 255
    assert abs(shown.mean() - float(ann.portrait.image.mean())) < 0.02
    large = replace(ann.portrait, image=torch.rand(600, 600, 3))
    save(replace(ann, portrait=large), file)
    with safe_open(file, "pt") as opened:
        [cover] = json.loads(opened.metadata()["ssmd_cover_images"])
    with Image.open(io.BytesIO(base64.b64decode(cover))) as picture:
        assert picture.size == (256, 256)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Ann", "Ann"),
        ("Ann  Bo\tChi\n", "Ann Bo Chi"),
        ("../x", "x"),
        ("..", "person"),
        ("/etc/passwd", "etc passwd"),
        ("C:\\a\\b", "C a b"),
        (".hidden", "hidden"),
        ("Dr. Who [2] {x} *?", "Dr Who 2 x"),
        ("", "person"),
        (" \0\r\n ", "person"),
        ("CON", "CON_"),
        ("nul", "nul_"),
        ("Com1", "Com1_"),
        ("lpt²", "lpt²_"),
        ("con.txt", "con txt"),
        ("console", "console"),
        ("Анна 安娜", "Анна 安娜"),
        ("e\u0301", "é"),
        ("\u2028a\x85b", "a b"),
        ("😀👩‍🦰", "😀👩‍🦰"),
        ("half \ud83d", "half"),
        ("x" * 300, "x" * 100),
        ("é" * 300, "é" * 50),
        ("😀" * 300, "😀" * 25),
        ("x" * 99 + " y", "x" * 99),
    ],
)
def test_names_are_safe_on_every_system(tmp_path, ann, name, file):
    assert safe_name(name) == file
    folder = tmp_path / "identities"
    made = keep(People((replace(ann, name="other"),)), folder, name)
    assert made.parent == folder
    assert [path.name for path in folder.iterdir()] == [made.name]
    called = " ".join(re.sub("[\ud83d\0]", "", name).split())[:100].strip()
    assert load(made).name == (called or "other")


def test_a_name_that_is_taken(tmp_path, ann):
    first = keep(People((ann,)), tmp_path)
    second = keep(People((replace(ann, photos=7),)), tmp_path)
    third = keep(People((ann,)), tmp_path)
    names = ["Ann.safetensors", "Ann 2.safetensors", "Ann 3.safetensors"]
    assert [file.name for file in (first, second, third)] == names
    assert keep(People((replace(ann, photos=9),)), tmp_path, replacing=True) == first
    assert [load(file).photos for file in (first, second, third)] == [9, 7, 2]
    assert place(tmp_path, "Bo") == tmp_path / "Bo.safetensors"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


@pytest.mark.parametrize("count", [0, 2])
def test_one_person_a_file(tmp_path, ann, count):
    with pytest.raises(ValueError, match=rf"{count} people came in, and a file holds one"):
        keep(People((ann,) * count), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [OSError("the disk is full"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file(file, ann, monkeypatch, error):
    def fail(*_):
        raise error

    before = file.read_bytes()
    monkeypatch.setattr(identity_file.os, "replace", fail)
    with pytest.raises(type(error)):
        save(replace(ann, photos=9), file)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_face_file_of_reactor(tmp_path):
    """As ReActor writes them: no metadata, the embedding as the network gave it."""
    raw = torch.randn(512) * 20
    file = tmp_path / "boss.safetensors"
    tensors = {
        "bbox": torch.rand(4),
        "kps": torch.rand(5, 2),
        "det_score": torch.tensor(0.8),
        "landmark_3d_68": torch.rand(68, 3),
        "pose": torch.rand(3),
        "landmark_2d_106": torch.rand(106, 2),
        "embedding": raw,
        "gender": torch.tensor(1),
        "age": torch.tensor(40),
    }
    for held in (tensors, {"embedding": raw}, {"embedding": raw[None], "bbox": torch.rand(4)}):
        save_file(held, file)
        boss = load(file)
        torch.testing.assert_close(boss.embedding * boss.length, raw, rtol=1e-4, atol=1e-4)
        assert float(boss.embedding.norm()) == pytest.approx(1)
        assert (boss.name, boss.space, boss.portrait) == ("boss", "w600k_r50", None)
        assert "ReActor" in boss.notes[0]
        assert "w600k_r50" in boss.notes[0]


def rewritten(file, metadata=None, drop=(), **tensors):
    """The file with some of what it holds replaced."""
    with safe_open(file, "pt") as opened:
        told = opened.metadata()
    held = {name: tensor for name, tensor in load_file(file).items() if name not in drop}
    told = told | (metadata or {})
    save_file(held | tensors, file, {key: value for key, value in told.items() if value})


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"embedding": torch.zeros(512)}, "all 0"),
        ({"embedding": torch.full((512,), float("nan"))}, "are none"),
        ({"embedding": torch.full((512,), float("inf"))}, "are none"),
        ({"embedding": torch.ones(128)}, r"float32 \(128,\), not 512"),
        ({"embedding": torch.ones(512, dtype=torch.int64)}, r"int64 \(512,\)"),
        ({"portrait": torch.zeros(9, 12, 3, dtype=torch.uint8)}, r"portrait is uint8 \(9, 12, 3\)"),
        ({"portrait": torch.zeros(96, 96, 3)}, r"portrait is float32"),
        ({"portrait": torch.zeros(96, 96, dtype=torch.uint8)}, r"portrait is uint8 \(96, 96\)"),
        ({"portrait": torch.zeros(0, 0, 3, dtype=torch.uint8)}, r"portrait is uint8 \(0, 0, 3\)"),
        ({"points": torch.zeros(4, 2)}, r"points are float32 \(4, 2\), not \(5, 2\)"),
        ({"points": torch.full((5, 2), float("nan"))}, "points are"),
        ({"points": torch.zeros(5, 2)}, "points of its face"),
        ({"points": torch.eye(5, 2) * 1e30}, "points of its face"),
        ({"landmarks68": torch.zeros(106, 2)}, "landmarks68 are"),
        ({"box": torch.tensor([5.0, 5, 5, 9])}, "box of its face"),
        ({"box": torch.zeros(2)}, "box are"),
    ],
)
def test_tensors_that_are_wrong(file, tensors, words):
    rewritten(file, **tensors)
    with pytest.raises(ValueError, match=rf"Ann.safetensors \([\d,]+ bytes\) cannot.*{words}"):
        load(file)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"space": ""}, "which network"),
        ({"length": "long"}, "length is 'long'"),
        ({"agreement": "nan"}, "agreement is 'nan'"),
        ({"photos": "many"}, "photos is 'many'"),
        ({"photos": "1e300"}, "photos is '1e300'"),
        ({"photos": "-5"}, "photos is '-5'"),
        ({"agreement": "-1e300"}, "agreement is"),
        ({"length": "0"}, "length is '0'"),
        ({"format": "likeness identity 2"}, "version 2.*update Likeness"),
        ({"format": "pt"}, "neither an identity"),
        ({"format": ""}, "neither an identity"),
    ],
)
def test_metadata_that_is_wrong(file, metadata, words):
    rewritten(file, metadata)
    with pytest.raises(ValueError, match=words):
        load(file)


def test_a_name_is_one_line(file):
    rewritten(file, {"name": "Ann\n similarity 1.00"})
    assert load(file).name == "Ann similarity 1.00"


def test_a_name_is_short_and_gives_no_commands(file):
    rewritten(file, {"name": "A\x1b[31m\u202enn" + "x" * 1_000_000, "space": "y" * 100_000})
    back = load(file)
    assert back.name.startswith("A [31m nnx")
    assert len(back.name) <= 100
    assert len(back.space) <= 100


def test_metadata_that_is_missing(file):
    save_file(load_file(file), file)
    with pytest.raises(ValueError, match=r"metadata is missing.*Save Identity"):
        load(file)


@pytest.mark.parametrize("name", ["points", "box"])
def test_a_portrait_without_its_face(file, name):
    rewritten(file, drop=[name])
    with pytest.raises(ValueError, match=f"a portrait and no {name}"):
        load(file)


def test_nothing_in_it(file):
    rewritten(file, drop=["portrait", "embedding"])
    with pytest.raises(ValueError, match="neither embedding nor picture"):
        load(file)


@pytest.mark.parametrize("keep", [0.99, 0.5, 0.001, 0.0])
def test_a_truncated_file(file, keep):
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(ValueError, match=r"Ann.safetensors \([\d,]+ bytes\) cannot be used: .+"):
        load(file)


def test_other_files(tmp_path):
    lora = tmp_path / "lora.safetensors"
    save_file({f"lora_unet_{n}.alpha": torch.ones(1) for n in range(9)}, lora, {"format": "pt"})
    with pytest.raises(ValueError, match=r"lora_unet_0.alpha.*neither an identity of Likeness nor"):
        load(lora)
    save_file({"embedding": torch.ones(512), "lora": torch.ones(1)}, lora)
    with pytest.raises(ValueError, match="neither an identity"):
        load(lora)
    lora.write_text("hello, I am a text of some length, and no tensor at all")
    with pytest.raises(ValueError, match="cannot be used"):
        load(lora)
    with pytest.raises(FileNotFoundError, match="Save Identity"):
        load(tmp_path / "gone.safetensors")
    with pytest.raises(FileNotFoundError):
        load(tmp_path)


def test_a_large_foreign_file_is_not_read(tmp_path):
    lora = tmp_path / "lora.safetensors"
    save_file({"lora": torch.ones(8)}, lora)
    with lora.open("r+b") as opened:  # what follows the header is never looked at
        size = os.path.getsize(lora)
        opened.seek(size - 32)
        opened.write(b"\xff" * 32)
    with pytest.raises(ValueError, match="its tensors are lora"):
        load(lora)


def test_within_inference_mode(tmp_path, ann):
    with torch.inference_mode():
        made = replace(ann, embedding=ann.embedding.clone() * 1)
        save(made, tmp_path / "x.safetensors")
        back = load(tmp_path / "x.safetensors")
    torch.testing.assert_close(back.embedding, ann.embedding)
