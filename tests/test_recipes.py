"""V1, V2 and V3 in the real host, on random weights: what changes, and what must not."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import headless
import numpy as np
import pytest
import workflow_builder as builder
from graphs import node
from pack.likeness.headless.command import MIXED
from PIL import Image
from test_flows import portrait

API = Path(__file__).resolve().parent.parent / "workflows" / "api"
V1, V2, V3 = "V1 inpaint", "V2 inpaint and img2img", "V3 swap and img2img"
FACE_ONLY = {V1: None, V2: "Second pass paints", V3: "Paint"}  # the mask that may be the picture
LIMIT = 600.0  # seconds, for a machine that does much else
SIDE = 128  # pixels of a crop, and few steps of a plain sampler: for speed alone
QUICK = {
    "LikenessExactStrength": {"steps": 2},
    "KSamplerAdvanced": {"sampler_name": "euler"},
    "LikenessCropForInpaint": {
        "target.width": SIDE,
        "target.height": SIDE,
        "target.megapixels": 0.05,
    },
    "LikenessSoftEdge": {"resolution": 2 * SIDE},
    "DA3Inference": {"resolution": 140},
}

every_recipe = pytest.mark.parametrize("title", [V1, V2, V3])


def bundled(title: str) -> dict:
    """Its graph in API format, made quick."""
    prompt = json.loads((API / f"{title}.json").read_text("utf-8"))
    for each in prompt.values():
        wanted = QUICK.get(each["class_type"], {})
        each["inputs"] |= {key: wanted[key] for key in wanted if key in each["inputs"]}
    return prompt


def titled(prompt: dict, title: str) -> str:
    (found,) = (key for key, each in prompt.items() if each["_meta"]["title"] == title)
    return found


def changed(prompt: dict, title: str, **inputs: object) -> dict:
    prompt = copy.deepcopy(prompt)
    own = prompt[titled(prompt, title)]["inputs"]
    assert set(inputs) <= set(own), "the workflow has no such setting"
    own |= inputs
    return prompt


def on(server, prompt: dict, pixels: np.ndarray, name: str) -> dict:
    Image.fromarray(pixels).save(server.base / "input" / name)
    return changed(prompt, "Picture", portrait=name)


def painting_faces_alone(title: str, prompt: dict) -> dict:
    mask = FACE_ONLY[title]
    return changed(prompt, mask, region="face and forehead") if mask else prompt


def saved(server, prompt: dict):
    result = server.run(prompt, LIMIT)
    (made,) = result.images(titled(prompt, "Save Image"))
    return made, result


def covered(server, prompt: dict, title: str) -> np.ndarray:
    """Where a mask is anything but 0; its soft end would round to 0 in a picture."""
    mask = titled(prompt, title)
    seen = builder.leading_to(prompt, [mask])
    seen["above 0"] = node("ThresholdMask", mask=[mask, 0], value=0.0)
    seen["as picture"] = node("MaskToImage", mask=["above 0", 0])
    seen["seen"] = node("PreviewImage", images=["as picture", 0])
    (picture,) = server.run(seen, LIMIT).images("seen")
    return picture[..., 0] > 0


@pytest.mark.slow
@every_recipe
def test_with_the_face_alone_the_picture_outside_the_mask_is_the_inputs(server, title):
    given = portrait("studio")[20:, :380]
    prompt = painting_faces_alone(title, on(server, bundled(title), given, "recipe.png"))
    made, _ = saved(server, prompt)
    mask = covered(server, prompt, FACE_ONLY[title] or "Mask")
    assert made.shape == given.shape
    assert 0.02 < mask.mean() < 0.6
    differs = np.abs(made.astype(int) - given).max(axis=-1)
    assert not differs[~mask].any(), "changed beyond the mask"
    assert (differs[mask] > 2).mean() > 0.3, "the face is as it was"


@pytest.mark.slow
@pytest.mark.parametrize("title", [V2, V3])
def test_the_whole_picture_is_painted_where_it_is_chosen(server, title):
    given = portrait("studio")[20:, :380]
    prompt = on(server, bundled(title), given, "recipe.png")
    made, _ = saved(server, prompt)
    assert made.shape == given.shape
    differs = np.abs(made.astype(int) - given).max(axis=-1)
    assert (differs > 0).mean() > 0.8
    corner = differs[:60, :60]
    assert (corner > 0).mean() > 0.5


@pytest.mark.slow
@every_recipe
def test_a_picture_without_a_face_ends_with_the_picture_and_a_report(server, title):
    given = np.random.default_rng(1).integers(90, 160, (180, 240, 3), np.uint8)
    prompt = painting_faces_alone(title, on(server, bundled(title), given, "nobody.png"))
    made, result = saved(server, prompt)
    assert np.array_equal(made, given)
    assert "no face" in result.texts[titled(prompt, "Detect Faces")].lower()
    last = {V1: "Stitch Inpaint", V2: "Stitch Inpaint of the second pass", V3: "Stitch Inpaint"}
    assert "nothing" in result.texts[titled(prompt, last[title])]


@pytest.mark.slow
@pytest.mark.parametrize("title", [f"{each} (SDXL)" for each in (V1, V2, V3)])
def test_the_variant_for_sdxl_runs(server, title):
    server.add_sdxl()
    given = portrait("cafe")
    made, _ = saved(server, on(server, bundled(title), given, "recipe.png"))
    assert made.shape == given.shape
    assert not np.array_equal(made, given)


@pytest.mark.slow
@every_recipe
def test_likeness_run_runs_it_and_fetches_the_picture_and_the_report(server, title, tmp_path):
    """By the command of the README, with an own picture, and quick."""
    Image.fromarray(portrait("cafe")).save(tmp_path / "me.png")
    listed = {key: each["inputs"] for key, each in bundled(title).items()}
    quick = {f"{key}.{name}": listed[key][name] for key in listed for name in differing(title, key)}
    sets = [word for name, value in quick.items() for word in ("--set", f"{name}={value}")]
    done = headless.run(
        title,
        *("--server", server.url, "--out", "made", "--set", "Picture=./me.png", *sets),
        folder=tmp_path,
    )
    assert done.code == 0, done.err
    (picture, report) = (tmp_path / path for path in done.paths)
    assert np.asarray(Image.open(picture)).shape == portrait("cafe").shape
    told = json.loads(report.read_text("utf-8"))
    assert told["status"] == "success"
    assert told["workflow"] == title


def differing(title: str, node_id: str) -> list[str]:
    """The inputs of a node that being quick changes."""
    whole = json.loads((API / f"{title}.json").read_text("utf-8"))[node_id]["inputs"]
    return [
        name for name, value in bundled(title)[node_id]["inputs"].items() if value != whole[name]
    ]


@pytest.mark.slow
def test_face_and_neck_are_a_larger_mask(server):
    prompt = bundled(V1)
    face = covered(server, prompt, "Mask")
    both = covered(server, changed(prompt, "Mask", add="neck, left ear, right ear"), "Mask")
    assert both.sum() > face.sum()
    assert both[face].all()


@pytest.mark.slow
def test_depth_alone_and_depth_with_soft_edges_are_not_the_same(server):
    given = portrait("cafe")
    prompt = on(server, bundled(V3), given, "recipe.png")
    both, _ = saved(server, prompt)
    alone, _ = saved(server, changed(prompt, "Soft edge control", strength=0.0))
    assert not np.array_equal(both, alone)


@pytest.mark.parametrize(
    ("title", "setting", "value"),
    [
        ("Person's LoRA", "lora_name", "anna.safetensors"),
        ("Load soft edge ControlNet", "control_net_name", "missing.safetensors"),
        ("Load Checkpoint", "ckpt_name", "missing.safetensors"),
    ],
)
def test_a_missing_file_of_core_is_named_by_the_refusal(server, title, setting, value):
    prompt = changed(bundled(V1), title, **{setting: value})
    refused = server.fails(prompt)
    assert value in str(refused)
    assert refused.node_id == titled(prompt, title)


@pytest.mark.parametrize(
    ("title", "setting", "value", "told"),
    [
        ("Negative prompt", "embeddings", "no_such_embedding", "no_such_embedding"),
        ("Load Tagger", "tagger", "wd-swinv2-tagger-v3.onnx", "install.py models"),
    ],
)
def test_a_missing_file_of_ours_comes_with_the_way_to_get_it(server, title, setting, value, told):
    prompt = changed(bundled(V1), title, **{setting: value})
    refused = server.fails(prompt, LIMIT)
    assert told in str(refused)
    assert refused.node_id == titled(prompt, title)


@pytest.mark.slow
def test_a_controlnet_of_another_family_ends_with_an_error_that_likeness_run_explains(server):
    server.add_sdxl()
    union = "controlnet-union-sdxl-promax.safetensors"
    refused = server.fails(
        changed(bundled(V1), "Load soft edge ControlNet", control_net_name=union), LIMIT
    )
    assert refused.node_id == titled(bundled(V1), "Sampler")
    assert any(words in str(refused) for words in MIXED), str(refused)


def test_load_portrait_takes_a_file_of_the_input_folder_and_no_other(server):
    given = portrait("cafe")[:97, :160]
    Image.fromarray(given).save(server.base / "input" / "own é.png")
    graph = {
        "load": node("LikenessLoadPortrait", portrait="own é.png"),
        "shown": node("PreviewImage", images=["load", 0]),
    }
    result = server.run(graph)
    assert np.array_equal(result.images("shown")[0], given)
    assert result.texts["load"] == "own é.png: your file, 160 x 97"
    for name in ("no such.png", "../server.log", "/etc/hostname", "x [output]", ""):
        refused = server.fails(graph | {"load": node("LikenessLoadPortrait", portrait=name)})
        assert "neither a file" in str(refused)
    Image.fromarray(given[::-1]).save(server.base / "input" / "own é.png")
    assert np.array_equal(server.run(graph).images("shown")[0], given[::-1])


def test_load_portrait_tells_how_many_pictures_a_file_has(server):
    first, second = (Image.fromarray(portrait(name)[:97, :160]) for name in ("cafe", "studio"))
    first.save(server.base / "input" / "two.webp", save_all=True, append_images=[second])
    load = node("LikenessLoadPortrait", portrait="two.webp")
    result = server.run({"load": load, "shown": node("PreviewImage", images=["load", 0])})
    assert len(result.images("shown")) == 2
    assert result.texts["load"] == "two.webp: your file, 2 pictures of 160 x 97"
