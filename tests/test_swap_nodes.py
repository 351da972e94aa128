"""Load Swapper and Swap Faces in the real host: built in, and with a stand-in of every kind."""

from __future__ import annotations

import json
from pathlib import Path

import graphs
import numpy as np
import pytest
import torch
from graphs import node, put, refused
from pack.likeness.demo import read
from standins import onnx_swappers
from standins.ghost import write_ghost
from standins.reswapper import write_reswapper

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
BUNDLED = json.loads((ROOT / "workflows" / "api" / "Swap a face.json").read_text("utf-8"))
SETTINGS = {each["class_type"]: each["inputs"] for each in BUNDLED.values()}
BUILT_IN = "built in: warp and blend"
NETWORKS = {
    "inswapper_128.onnx": "128 px, takes identity by w600k_r50",
    "reswapper_256-1567500.pth": "256 px, takes identity by w600k_r50",
    "hyperswap_1a_256.onnx": "256 px, takes identity by w600k_r50",
    "ghost_2_256.onnx": "256 px, takes identity by w600k_r50",
    "blendswap_256.onnx": "256 px, takes a picture of the person",
    "G_unet_2blocks.pth": "256 px, takes a picture of the person",
}
LOOSE = ("faces", "identity", "source", "analyzer", "parser", "mask")


@pytest.fixture(scope="module")
def models(server) -> Path:
    """The models folder, with a stand-in for each of the networks."""
    folder = server.base / "models"
    write_reswapper(folder / "insightface" / "inswapper_128.onnx")
    write_reswapper(folder / "reswapper" / "reswapper_256-1567500.pth", size=256)
    (folder / "hyperswap").mkdir(exist_ok=True)
    onnx_swappers.write_swapper(folder / "hyperswap" / "hyperswap_1a_256.onnx")
    for name in ("ghost_2_256.onnx", "blendswap_256.onnx"):
        onnx_swappers.write_swapper(folder / "insightface" / name)
    write_ghost(folder / "insightface" / "G_unet_2blocks.pth")
    onnx_swappers.write_converter(folder / "insightface" / "crossface_ghost.onnx")
    return folder


def swap(pictures: dict, swapper: str = BUILT_IN, pack: str = "built in", **changes) -> dict:
    """Swap Faces on `pictures`, the face out of a portrait; `pack` is the analyzer."""
    settings = {k: v for k, v in SETTINGS["LikenessSwapFaces"].items() if k not in LOOSE}
    wires = {
        "image": ["picture", 0],
        "swapper": ["swapper", 0],
        "faces": ["found", 0],
        "source": ["photo", 0],
        "analyzer": ["load", 0],
    }
    given = {
        name: value for name, value in (settings | wires | changes).items() if value is not None
    }
    detect = SETTINGS["LikenessDetectFaces"]
    return pictures | {
        "load": node("LikenessLoadFaceAnalyzer", analyzer=pack),
        "finder": node("LikenessLoadFaceAnalyzer", analyzer="built in"),
        "found": node(
            "LikenessDetectFaces", **detect | {"image": ["picture", 0], "analyzer": ["finder", 0]}
        ),
        "photo": node("LikenessLoadPortrait", portrait="studio"),
        "swapper": node("LikenessLoadSwapper", swapper=swapper),
        "swap": node("LikenessSwapFaces", **given),
        "shown": node("PreviewImage", images=["swap", 0]),
        "mask": node("MaskToImage", mask=["swap", 1]),
        "masked": node("PreviewImage", images=["mask", 0]),
        "cut": node("PreviewImage", images=["swap", 2]),
    }


def portrait(name: str = "garden") -> dict:
    return {"picture": node("LikenessLoadPortrait", portrait=name)}


def as_bytes(name: str) -> np.ndarray:
    return (read(name)[0] * 255).round().byte().numpy()


def assert_swapped(result, before: np.ndarray) -> None:
    """A face's worth has changed, and nothing where the mask says so."""
    (after,), (mask,) = result.images("shown"), result.images("masked")
    assert_same_outside(after, before, mask[..., 0])
    changed = np.abs(after.astype(int) - before).max(-1) > 8
    assert 0.01 < changed.mean() < 0.3


def assert_same_outside(after: np.ndarray, before: np.ndarray, mask: np.ndarray) -> None:
    """In a mask of bytes less than 1/255 is 0 as well; a few pixels further out nothing is left."""
    difference = np.abs(after.astype(int) - before).max(-1)
    assert difference[mask == 0].max() <= 1
    rows, columns = np.nonzero(mask)
    assert len(rows)
    outside = np.ones(mask.shape, bool)
    outside[rows.min() - 3 : rows.max() + 4, columns.min() - 3 : columns.max() + 4] = False
    assert outside.any()
    assert not difference[outside].any()


def test_built_in(server):
    result = server.run(swap(portrait()))
    assert_swapped(result, as_bytes("garden"))
    told = result.texts["swap"].splitlines()
    assert told[0] == "1 face swapped in 1 picture by warp and blend"
    assert any("photomontage" in line for line in told)
    assert any("was not measured" in line for line in told)


@pytest.mark.parametrize(("file", "words"), NETWORKS.items())
def test_every_kind_of_network(server, models, file, words):
    result = server.run(swap(portrait(), file, "buffalo_l"))
    assert_swapped(result, as_bytes("garden"))
    loaded = result.texts["swapper"].splitlines()
    assert loaded[0] == f"{file}: {words}"
    assert loaded[1].startswith("licence: ")
    told = result.texts["swap"].splitlines()
    assert told[0] == f"1 face swapped in 1 picture by {file}"
    assert "similarity" in told[-1]
    assert "unknown" not in told[-1]


def test_what_runs_in_onnxruntime_says_on_what(server, models):
    report = server.run(swap(portrait(), "hyperswap_1a_256.onnx", "buffalo_l")).texts["swapper"]
    assert "runs on CPUExecutionProvider" in report


def test_boost_and_strength(server, models):
    prompt = swap(portrait(), "inswapper_128.onnx", "buffalo_l", boost=4, strength=0.5)
    result = server.run(prompt)
    assert_swapped(result, as_bytes("garden"))
    assert [crop.shape for crop in result.images("cut")] == [(512, 512, 3)]


def test_faces_are_found_where_none_are_given(server):
    result = server.run(swap(portrait("cafe"), faces=None))
    assert_swapped(result, as_bytes("cafe"))


def test_a_mask_limits_it(server):
    nothing = {"none": node("SolidMask", value=0.0, width=400, height=400)}
    prompt = nothing | swap(portrait(), covers="mask", mask=["none", 0])
    result = server.run(prompt)
    (after,), (mask,) = result.images("shown"), result.images("masked")
    assert np.array_equal(after, as_bytes("garden"))
    assert not mask.any()


def test_parsed(server):
    parser = {"parser": node("LikenessLoadFaceParser", parser="parsing_parsenet.pth")}
    prompt = parser | swap(portrait(), covers="parsed", parser=["parser", 0])
    result = server.run(prompt)
    (after,), (mask,) = result.images("shown"), result.images("masked")
    assert np.abs(after.astype(int) - as_bytes("garden"))[mask[..., 0] == 0].max() <= 1


def test_crops_are_pasted_by_hand_as_they_would_have_been(server, models):
    """The restore point: whoever restores pastes with the same mask and the same edge."""
    prompt = swap(portrait(), "inswapper_128.onnx", "buffalo_l")
    settings = SETTINGS["LikenessSwapFaces"]
    paste = {name: value for name, value in settings.items() if name.startswith("blend")}
    prompt["paste"] = node(
        "LikenessPasteFaces",
        image=["picture", 0],
        crops=["swap", 2],
        placement=["swap", 3],
        way="replace",
        **paste,
    )
    prompt["again"] = node("PreviewImage", images=["paste", 0])
    result = server.run(prompt)
    assert np.array_equal(*result.images("again"), *result.images("shown"))


def test_an_identity_in_place_of_a_photo(server):
    prompt = swap(portrait(), source=None, identity=["made", 0])
    made = SETTINGS["LikenessMakeIdentity"] | {
        "photos": ["photo", 0],
        "analyzer": ["load", 0],
        "name": "Ada",
    }
    prompt["made"] = node("LikenessMakeIdentity", **made)
    result = server.run(prompt)
    assert_swapped(result, as_bytes("garden"))
    assert "0: frame 0, Ada" in result.texts["swap"]


def test_a_picture_without_a_face_passes_through(server):
    grey = torch.full((2, 120, 160, 3), 0.5)
    result = server.run(swap(put(server, grey)))
    for after in result.images("shown"):
        assert (after == 127).all()
    assert "no face to swap" in result.texts["swap"]


def test_a_batch_with_and_without_faces(server):
    both = torch.cat([read("garden"), torch.full((1, 400, 400, 3), 0.5)])
    result = server.run(swap(put(server, both)))
    first, second = result.images("shown")
    assert (second == 127).all()
    assert not np.array_equal(first, as_bytes("garden"))
    assert "1 face swapped in 1 picture" in result.texts["swap"]


def test_a_source_without_a_face(server):
    grey = {"grey": node("EmptyImage", width=128, height=128, batch_size=1, color=0)}
    prompt = grey | swap(portrait(), source=["grey", 0])
    refused(server, prompt, "swap", "source: no face", "threshold")
    graphs.assert_works(server)


def test_several_faces_in_the_source(server):
    """The largest is taken, and the report says so."""
    prompt = swap(portrait(), source=["two", 0])
    stitch = {
        "direction": "right",
        "match_image_size": False,
        "spacing_width": 0,
        "spacing_color": "white",
    }
    prompt["small"] = node(
        "ImageScale",
        image=["photo", 0],
        upscale_method="area",
        width=200,
        height=200,
        crop="disabled",
    )
    prompt["two"] = node("ImageStitch", image1=["photo", 0], image2=["small", 0], **stitch)
    result = server.run(prompt)
    assert "2 faces, the largest is taken" in result.texts["swap"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"source": None}, "neither is"), ({"identity": ["made", 0]}, "both are")],
)
def test_who_must_be_said_once(server, changes, word):
    prompt = swap(portrait(), **changes)
    made = SETTINGS["LikenessMakeIdentity"] | {"photos": ["photo", 0], "analyzer": ["load", 0]}
    prompt["made"] = node("LikenessMakeIdentity", **made)
    refused(server, prompt, "swap", "identity, source", word)


def test_a_person_without_embedding_and_a_network_that_needs_one(server, models):
    prompt = swap(portrait(), "inswapper_128.onnx", "built in")
    refused(server, prompt, "swap", "inswapper_128.onnx", "w600k_r50", "buffalo_l")
    graphs.assert_works(server)


def test_a_part_of_the_targets_identity_needs_one(server, models):
    """Found by the built-in finder, and no analyzer to make up for it."""
    photo = {"made": node("LikenessMakeIdentity", **SETTINGS["LikenessMakeIdentity"])}
    photo["made"]["inputs"] |= {"photos": ["photo", 0], "analyzer": ["load", 0]}
    prompt = photo | swap(
        portrait(),
        "inswapper_128.onnx",
        "buffalo_l",
        strength=0.5,
        analyzer=None,
        source=None,
        identity=["made", 0],
    )
    refused(server, prompt, "swap", "no embedding", "strength to 1")


def test_files_that_are_not_there_say_how_to_get_them(server):
    name = "simswap_256.onnx"
    words = (name, f"python install.py models {name}", "non-commercial")
    refused(server, swap(portrait(), name, "buffalo_l"), "swapper", *words)


def test_a_foreign_file_is_refused(server, models):
    (models / "insightface" / "holiday.onnx").write_bytes(b"not a network")
    try:
        refused(server, swap(portrait(), "holiday.onnx"), "swapper", "holiday.onnx")
    finally:
        (models / "insightface" / "holiday.onnx").unlink()
    graphs.assert_works(server)


@pytest.mark.slow
def test_what_a_switch_lets_through(server):
    through = {
        "swapper": "connect Load Swapper",
        "identity": "connect Make Identity or Load Identity",
        "faces": "connect Detect Faces or Select Faces",
        "analyzer": "connect Load Face Analyzer",
    }
    for name, words in through.items():
        prompt = swap(portrait(), source=None if name == "identity" else ["photo", 0])
        prompt["swap"]["inputs"][name] = ["switch", 0]
        values = {"on_true": ["photo", 0], "on_false": ["photo", 0], "switch": True}
        prompt["switch"] = node("ComfySwitchNode", **values)
        refused(server, prompt, "swap", name, words)
    graphs.assert_works(server)
