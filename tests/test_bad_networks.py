"""Files of face parsers and landmark networks as they should not be, in the real host.

Wanted is an error that names the node, the file and the cure. Nothing in a file is ever run.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from graphs import find, marked, node, put, refused
from pickles import Touches
from safetensors.torch import save_file
from standins import fan, parsers

FAN = "2DFAN4-11f355bf06.pth.tar"
LOADERS = {
    "parser": ("LikenessLoadFaceParser", parsers.PARSENET),
    "network": ("LikenessLoadLandmarkNetwork", FAN),
}
TELLING = "out_mask_conv.conv2d.weight"  # only ParseNet has it


@pytest.fixture(autouse=True)
def lives_on(server):
    """After each test both networks that are there work, in a prompt no cache can answer."""
    yield
    image = marked(192, 320, (64, 64))[None] * torch.rand(1)
    texts = server.run(seen(server, image)).texts
    assert "parsed" in texts["parse"]
    assert "face" in texts["refine"]


@pytest.fixture
def folder(server):
    """The host's folder of networks; what a test puts there is taken away after it."""
    folder = server.base / "models/facedetection"
    before = set(folder.iterdir())
    yield folder
    for path in set(folder.iterdir()) - before:
        path.unlink()


def seen(server, image, parser=parsers.PARSENET, network=FAN, **changes):
    """Landmarks measured and faces parsed; what each loader gives may be changed."""
    wires = {"image": ["picture", 0], "faces": ["detect", 0]}
    measured = wires | {"network": ["network", 0], "threshold": 0.3, "reading": "sub-pixel"}
    parsed = wires | {"parser": ["parser", 0], "classes": "skin"}
    return find(put(server, image)) | {
        "parser": node("LikenessLoadFaceParser", parser=parser),
        "network": node("LikenessLoadLandmarkNetwork", network=network),
        "refine": node("LikenessRefineLandmarks", **(measured | changes.get("refine", {}))),
        "parse": node("LikenessParseFace", **(parsed | changes.get("parse", {}))),
        "refined": node("PreviewAny", source=["refine", 1]),
        "parsed": node("PreviewAny", source=["parse", 2]),
    }


def loads(kind: str, file: str) -> dict:
    """Only the loader, and what it says."""
    class_type, _ = LOADERS[kind]
    return {
        kind: node(class_type, **{kind: file}),
        "told": node("PreviewAny", source=[kind, 1]),
    }


def empty(file: Path) -> None:
    file.write_bytes(b"")


def page_of_an_error(file: Path) -> None:
    file.write_bytes(b"<!DOCTYPE html><html><body>404: Not Found</body></html>")


def cut_off(file: Path) -> None:
    parsers.write_parsenet(file)
    file.write_bytes(file.read_bytes()[:20_000])


def of_zeros(file: Path) -> None:
    file.write_bytes(bytes(100_000))


def a_list(file: Path) -> None:
    torch.save([torch.zeros(3)], file)


def a_tensor(file: Path) -> None:
    torch.save(torch.zeros(3), file)


def numbered(file: Path) -> None:
    torch.save({0: torch.zeros(3)}, file)


def a_program(file: Path) -> None:
    torch.jit.script(torch.nn.Conv2d(3, 3, 1)).save(file)


HARMS = [empty, page_of_an_error, cut_off, of_zeros, a_list, a_tensor, numbered, a_program]


@pytest.mark.parametrize("kind", LOADERS)
def test_broken_files_are_named(server, folder, kind):
    _, known = LOADERS[kind]
    for harm in HARMS:
        for ending in (".pth", ".safetensors"):
            file = folder / f"{harm.__name__} é{ending}"
            harm(file)
            error = refused(server, loads(kind, file.name), kind, str(file))
            told = str(error)
            cures = ("put a whole copy in its place", f"python install.py models {known}")
            assert any(cure in told for cure in cures), told
            assert len(told) < 800, told


@pytest.mark.parametrize("kind", LOADERS)
def test_other_networks_are_named(server, folder, kind):
    _, known = LOADERS[kind]
    others = {
        "upscaler.pth": {"conv_first.weight": torch.zeros(8, 3, 3, 3)},
        "nothing.pth": {},
        "one of its tensors.pth": {TELLING: torch.zeros(19, 8, 3, 3), "m0.x": torch.zeros(1)},
        "and no shape.pth": {
            TELLING: torch.tensor(0.0),
            "encoder.0.conv2d.weight": torch.tensor(0.0),
            "conv1.weight": torch.tensor(0.0),
            "m0.x": torch.tensor(0.0),
        },
        "other width.pth": {
            TELLING: torch.zeros(19, 8, 3, 3),
            "encoder.0.conv2d.weight": torch.zeros(5, 3, 3, 3),
            "conv1.weight": torch.zeros(8, 3, 7, 7),
            "m0.x": torch.zeros(1),
        },
        "no width.pth": {
            TELLING: torch.zeros(19, 0, 3, 3),
            "encoder.0.conv2d.weight": torch.zeros(0, 3, 3, 3),
            "conv1.weight": torch.zeros(0, 3, 7, 7),
            "m0.x": torch.zeros(1),
        },
        "bisenet's.pth": {"ffm.convblk.conv.weight": torch.zeros(1)},
    }
    for name, tensors in others.items():
        for file in (folder / name, (folder / name).with_suffix(".safetensors")):
            (save_file if file.suffix == ".safetensors" else torch.save)(tensors, file)
            told = str(refused(server, loads(kind, file.name), kind, str(file)))
            cures = ("put a whole copy in its place", f"python install.py models {known}")
            assert any(cure in told for cure in cures), told
    write: Callable[[Path], Path] = fan.write_fan if kind == "parser" else parsers.write_parsenet
    swapped = write(folder / "swapped.pth")
    refused(server, loads(kind, swapped.name), kind, str(swapped), f"models {known}")


@pytest.mark.parametrize("kind", LOADERS)
def test_programs_in_files_are_not_run(server, folder, kind, tmp_path):
    touched = tmp_path / "touched"
    held = {TELLING: Touches(touched), "conv1.weight": Touches(touched)}
    writers: dict[str, Callable[[Path], object]] = {
        "pickled.pth": lambda file: file.write_bytes(pickle.dumps(held)),
        "saved.pth": lambda file: torch.save(held, file),
        "as of old.pth.tar": lambda file: torch.save(
            held, file, _use_new_zipfile_serialization=False
        ),
        "in a state.pt": lambda file: torch.save({"state_dict": held}, file),
    }
    for name, write in writers.items():
        write(folder / name)
        told = str(refused(server, loads(kind, name), kind, name))
        if name == "pickled.pth":  # by no torch, of whatever age
            assert "put a whole copy" in told
        else:
            assert "would run builtins.getattr, pathlib" in told.replace("__builtin__", "builtins")
            assert f"python install.py models {LOADERS[kind][1]}" in told
        assert "weights_only" not in told
        assert not touched.exists()
    pickle.loads(pickle.dumps(held))
    assert touched.exists()  # it would have


@pytest.mark.parametrize("kind", LOADERS)
def test_files_that_are_gone(server, folder, kind):
    class_type, known = LOADERS[kind]
    aside = (folder / known).rename(folder / f"{known}.aside")
    try:
        words = (known, "models/facedetection", f"python install.py models {known}")
        refused(server, loads(kind, known), kind, *words)
    finally:
        aside.rename(folder / known)
    refused(server, loads(kind, "never there.pth"), kind, "never there.pth")
    for name in ("never there.pth", "../../secret.pth", "", known.upper()):
        prompt = loads(kind, known)
        prompt[kind] = node(class_type, **{kind: ["switch", 0]})
        wires = {"on_true": ["wire", 0], "on_false": ["wire", 0]}
        prompt["switch"] = node("ComfySwitchNode", switch=True, **wires)
        prompt["wire"] = node("PrimitiveString", value=name)
        refused(server, prompt, kind, repr(name), "models/facedetection", known)


def test_a_folder_that_is_named_as_a_file(server, folder):
    (folder / "folder.pth").mkdir()
    try:
        error = server.fails(loads("parser", "folder.pth"))
        assert "not in list" in str(error)
    finally:
        (folder / "folder.pth").rmdir()


def test_networks_in_each_others_place(server):
    image = marked(192, 320, (64, 64))[None]
    prompt = seen(server, image, parse={"parser": ["network", 0]})
    refused(server, prompt, "parse", "parser", "LIKENESS_LANDMARK_NETWORK")
    prompt = seen(server, image, refine={"network": ["parser", 0]})
    refused(server, prompt, "refine", "network", "LIKENESS_PARSER")


def test_faces_of_other_pictures(server):
    image = marked(192, 320, (64, 64))[None]
    other = node("EmptyImage", width=320, height=96, batch_size=1, color=0)
    for at in ("parse", "refine"):
        prompt = seen(server, image, **{at: {"image": ["other", 0]}}) | {"other": other}
        refused(server, prompt, at, "320 x 192 px", "320 x 96 px", "connect")
