"""Load Face Restorer and Restore Faces in the real host, with a stand-in of every kind."""

from __future__ import annotations

import json
from pathlib import Path

import graphs
import numpy as np
import pytest
import torch
from graphs import node, put, refused
from pack.likeness.demo import read
from standins import onnx_restorers, restorers
from standins.upscalers import write_upscaler
from test_flows import SHOWN

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
BUNDLED = json.loads(
    (ROOT / "workflows" / "api" / "Swap, restore and compare.json").read_text("utf-8")
)
SETTINGS = {each["class_type"]: each["inputs"] for each in BUNDLED.values()}
LOOSE = ("faces", "analyzer")
SHARPENER = "gfpgan_1.4.onnx"  # among the stand-ins of every test server
KINDS = {
    "GFPGANv1.3.pth": "512 px, takes no fidelity",
    "RestoreFormer++.ckpt": "512 px, takes no fidelity",
    "mine.safetensors": "512 px, takes no fidelity",
    SHARPENER: "512 px, takes no fidelity",
    "codeformer.onnx": "512 px, takes a fidelity",
    "gpen_bfr_256.onnx": "256 px, takes no fidelity",
}


@pytest.fixture(scope="module")
def models(server) -> Path:
    """The models folder, with a stand-in for each of the networks."""
    folder = server.base / "models"
    restorers.write_restoreformer(folder / "facerestore_models" / "RestoreFormer++.ckpt", plus=True)
    for name in ("mine.safetensors", "GFPGANv1.3.pth"):
        restorers.write_restoreformer(folder / "facerestore_models" / name)
    restorers.write_restoreformer(folder / "upscale_models" / "face.pth")
    write_upscaler(folder / "upscale_models" / "blocks.pth", scale=4)
    for name in ("codeformer", "gpen_bfr_256"):
        onnx_restorers.write_restorer(folder / "facerestore_models" / f"{name}.onnx")
    onnx_restorers.write_identity(folder / "facerestore_models" / "gfpgan_1.3.onnx")
    return folder


def restore(pictures: dict, restorer: str = SHARPENER, pack: str = "built in", **changes) -> dict:
    """Restore Faces on `pictures`; `pack` is the analyzer."""
    settings = {k: v for k, v in SETTINGS["LikenessRestoreFaces"].items() if k not in LOOSE}
    wires = {"image": ["picture", 0], "restorer": ["restorer", 0], "faces": ["found", 0]}
    wires |= {"analyzer": ["load", 0]}
    given = {k: v for k, v in (settings | wires | changes).items() if v is not None}
    detect = SETTINGS["LikenessDetectFaces"] | {"image": ["picture", 0], "analyzer": ["finder", 0]}
    return pictures | {
        "load": node("LikenessLoadFaceAnalyzer", analyzer=pack),
        "finder": node("LikenessLoadFaceAnalyzer", analyzer="built in"),
        "found": node("LikenessDetectFaces", **detect),
        "restorer": node("LikenessLoadFaceRestorer", restorer=restorer),
        "restore": node("LikenessRestoreFaces", **given),
        "shown": node("PreviewImage", images=["restore", 0]),
        "mask": node("MaskToImage", mask=["restore", 1]),
        "masked": node("PreviewImage", images=["mask", 0]),
        "cut": node("PreviewImage", images=["restore", 2]),
    }


def portrait(name: str = "garden") -> dict:
    return {"picture": node("LikenessLoadPortrait", portrait=name)}


def as_bytes(name: str) -> np.ndarray:
    return (read(name)[0] * 255).round().byte().numpy()


def assert_restored(result, before: np.ndarray, side: int = 512) -> None:
    """A face's worth has changed, and nothing where the mask says so."""
    (after,), (mask,) = result.images("shown"), result.images("masked")
    (crop,) = result.images("cut")
    difference = np.abs(after.astype(int) - before).max(-1)
    assert difference[mask[..., 0] == 0].max() <= 1
    assert 0.01 < (difference > 3).mean() < 0.5
    assert crop.shape == (side, side, 3)


@pytest.mark.parametrize(("file", "words"), KINDS.items())
def test_every_kind_of_file(server, models, file, words):
    result = server.run(restore(portrait(), file))
    assert_restored(result, as_bytes("garden"), 256 if "256" in file else 512)
    loaded = result.texts["restorer"].splitlines()
    assert loaded[0] == f"{file}: {words}"
    assert loaded[1].startswith("licence: ")
    assert "runs on " + ("CPUExec" if file.endswith("onnx") else "cpu in torch.f") in loaded[-1]
    assert result.texts["restore"].startswith(f"1 of 1 face restored in 1 picture by {file}")


def test_it_sharpens(server):
    report = server.run(restore(portrait())).texts["restore"]
    (line,) = [line for line in report.splitlines() if line.startswith("0: ")]
    before, after = line.split("sharpness ")[1].split(",")[0].split(" -> ")
    assert float(after) > 1.3 * float(before)


def test_a_restorer_that_changes_nothing(server, models):
    (after,) = server.run(restore(portrait(), "gfpgan_1.3.onnx", way="change only")).images("shown")
    assert np.array_equal(after, as_bytes("garden"))


def test_the_guard(server):
    """The stand-in's embeddings jump: hardly anything of the sharpened face is let through."""
    free = server.run(restore(portrait(), pack="buffalo_l", guard=1.0)).texts["restore"]
    assert "similarity to before" in free
    assert "unguarded" not in free
    strict = server.run(restore(portrait(), pack="buffalo_l", guard=0.0))
    assert "similarity to before 1.00 at strength 0.00, unguarded" in strict.texts["restore"]
    assert np.array_equal(*strict.images("shown"), as_bytes("garden"))
    blind = server.run(restore(portrait())).texts["restore"]
    assert "no analyzer that knows identity" in blind


def test_a_parsed_mask(server):
    parser = {"parser": node("LikenessLoadFaceParser", parser="parsing_parsenet.pth")}
    result = server.run(parser | restore(portrait(), covers="parsed", parser=["parser", 0]))
    (after,), (mask,) = result.images("shown"), result.images("masked")
    assert np.abs(after.astype(int) - as_bytes("garden"))[mask[..., 0] == 0].max() <= 1
    assert "no parser" not in result.texts["restore"]
    refused(server, restore(portrait(), covers="parsed"), "restore", "connect Load Face Parser")
    graphs.assert_works(server)


def test_the_background_is_enlarged_by_cores_upscaler(server, models):
    upscaler = {"upscaler": node("UpscaleModelLoader", model_name="blocks.pth")}
    prompt = upscaler | restore(portrait(), factor=4.0, upscale_model=["upscaler", 0])
    result = server.run(prompt)
    (after,), (mask,) = result.images("shown"), result.images("masked")
    before = as_bytes("garden")
    blocks = before.repeat(4, 0).repeat(4, 1)
    assert after.shape == blocks.shape
    difference = np.abs(after.astype(int) - blocks).max(-1)
    assert difference[mask[..., 0] == 0].max() <= 1
    assert (difference > 3).any()
    half = server.run(upscaler | restore(portrait(), factor=2.0, upscale_model=["upscaler", 0]))
    assert half.images("shown")[0].shape == (2 * before.shape[0], 2 * before.shape[1], 3)
    plain = server.run(restore(portrait(), factor=2.0))
    assert plain.images("shown")[0].shape == half.images("shown")[0].shape


def test_cores_loader_may_bring_the_restorer(server, models):
    upscaler = {"upscaler": node("UpscaleModelLoader", model_name="face.pth")}
    prompt = upscaler | restore(portrait(), "GFPGANv1.4.pth")
    ours = server.run(prompt)
    theirs = server.run(prompt | {"restore": _rewired(prompt["restore"], restorer=["upscaler", 0])})
    (one,), (other,) = ours.images("shown"), theirs.images("shown")
    # The order of the channels in memory differs, and so do the last bits of sums.
    assert np.abs(one.astype(int) - other).max() <= 1
    assert np.abs(one.astype(int) - as_bytes("garden")).max() > 20
    assert "by core's loader" in theirs.texts["restore"]
    assert "licence: " in theirs.texts["restore"]


def test_an_upscaler_and_a_restorer_confused(server, models):
    loaders = {
        "faces only": node("UpscaleModelLoader", model_name="face.pth"),
        "blocks": node("UpscaleModelLoader", model_name="blocks.pth"),
    }
    prompt = loaders | restore(portrait(), restorer="GFPGANv1.4.pth")
    wrong = prompt | {"restore": _rewired(prompt["restore"], restorer=["blocks", 0])}
    refused(server, wrong, "restore", "restorer: ", "upscale_model")
    wrong = prompt | {"restore": _rewired(prompt["restore"], upscale_model=["faces only", 0])}
    refused(server, wrong, "restore", "upscale_model: ", "restorer")
    graphs.assert_works(server)


def _rewired(one: dict, **wires) -> dict:
    return one | {"inputs": one["inputs"] | wires}


def test_faces_are_found_where_none_are_given(server):
    assert_restored(server.run(restore(portrait("cafe"), faces=None)), as_bytes("cafe"))


def test_a_batch_with_and_without_faces(server):
    both = torch.cat([read("garden"), torch.full((1, 400, 400, 3), 0.5)])
    result = server.run(restore(put(server, both)))
    first, second = result.images("shown")
    assert (second == 127).all()
    assert not np.array_equal(first, as_bytes("garden"))
    nobody = server.run(restore(put(server, both[1:])))
    assert "no face to restore" in nobody.texts["restore"]


def test_files_that_are_not_there_say_how_to_get_them(server):
    words = ("codeformer.pth", "python install.py models codeformer.pth", "non-commercial")
    refused(server, restore(portrait(), "codeformer.pth"), "restorer", *words)


def test_an_upscaler_in_the_wrong_folder(server, models):
    place = models / "facerestore_models" / "blocks.pth"
    write_upscaler(place)
    try:
        refused(server, restore(portrait(), "blocks.pth"), "restorer", "blocks.pth", "Upscale")
    finally:
        place.unlink()
    graphs.assert_works(server)


def test_what_a_switch_lets_through(server):
    through = {
        "restorer": "connect Load Face Restorer",
        "faces": "connect Detect Faces or Select Faces",
        "analyzer": "connect Load Face Analyzer",
        "upscale_model": "connect Load Upscale Model",
    }
    for name, words in through.items():
        prompt = restore(portrait())
        prompt["restore"]["inputs"][name] = ["switch", 0]
        values = {"on_true": ["picture", 0], "on_false": ["picture", 0], "switch": True}
        prompt["switch"] = node("ComfySwitchNode", **values)
        refused(server, prompt, "restore", name, words)
    graphs.assert_works(server)


def test_the_workflow_runs_to_its_end(server):
    """Swap, restore and compare, with the stand-in of the file that it names."""
    result = server.run(BUNDLED)
    (swap,) = (key for key, each in BUNDLED.items() if each["class_type"] == "LikenessSwapFaces")
    shown = {"shown": node("PreviewImage", images=[swap, 0])}
    (swapped,) = server.run(BUNDLED | shown).images("shown")
    (saved,) = result.images(_the("SaveImage"))
    changed = np.abs(saved.astype(int) - swapped).max(-1) > 8
    assert 0.01 < changed.mean() < 0.5
    (sheet,) = result.images(_the("PreviewImage"))
    assert sheet.shape[1] > sheet.shape[0] > 400
    assert result.texts[_the("LikenessRestoreFaces")].startswith("1 of 1 face restored")
    assert "1 restorer side by side" in result.texts[_the("LikenessCompareRestorers")]


def _the(class_type: str) -> str:
    (found,) = (key for key, each in BUNDLED.items() if each["class_type"] == class_type)
    return found


def test_the_workflow_runs_from_the_page(editor, server):
    title = "Swap, restore and compare"
    editor.open_template("Likeness", title)
    editor.wait("type => app.rootGraph.nodes.some((node) => node.type === type)", "SaveImage")
    assert editor.missing_nodes() == []
    assert editor.complaints() == ""
    editor.press_run()
    editor.wait(SHOWN, "SaveImage", seconds=120)
    server.idle()
    assert editor.complaints() == ""
    editor.screenshot(f"{title}, run")
