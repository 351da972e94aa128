"""The stand-ins in the real ComfyUI: it knows them, loads all of them, pictures stay pictures."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from pack.likeness.setup.standins import layout, table
from safetensors import safe_open

# What ComfyUI writes about weights that do not fit.
COMPLAINTS = re.compile(
    r"missing|unexpected|left ?over|not loaded|mismatch|could not be|could not detect", re.I
)
CONTROLS = {
    "soft edge": "control_v11p_sd15_softedge_fp16.safetensors",
    "pose": "control_v11p_sd15_openpose_fp16.safetensors",
    "depth": "control_v11f1p_sd15_depth_fp16.safetensors",
}
UNION = "controlnet-union-sdxl-promax.safetensors"
UNION_TYPES = {"soft edge": "hed/pidi/scribble/ted", "pose": "openpose", "depth": "depth"}
STILL_THE_PICTURE = 0.6  # how alike, after half of the noise
STILL_SEEN = 0.25  # how alike, after most of it; nothing is left of it by plain random weights
CHANGED = 0.05  # of 255, on the average


def node(kind: str, **inputs) -> dict:
    return {"class_type": kind, "inputs": inputs}


def picture(side: int) -> dict:
    """A portrait, and the same as a control map."""
    return {
        "portrait": node("LikenessLoadPortrait", portrait="harbour"),
        "image": node(
            "ImageScale", image=["portrait", 0], upscale_method="area", width=side, height=side,
            crop="center",
        ),
        "edges": node("Canny", image=["image", 0], low_threshold=0.1, high_threshold=0.3),
        "before": node("PreviewImage", images=["image", 0]),
    }  # fmt: skip


def sampled(name: str, model: list, clip: list, words: str = "a photo of a person", **own) -> dict:
    """From the portrait, half of it noise; 4 steps, unless told."""
    settings = {"seed": 1, "steps": 4, "cfg": 7.0, "denoise": 0.5, "sampler_name": "dpmpp_sde"}
    settings |= {"scheduler": "karras", "model": model, "latent_image": ["latent", 0]}
    settings |= {"positive": [f"{name} words", 0], "negative": [f"{name} negative", 0]}
    return {
        f"{name} words": node("CLIPTextEncode", clip=clip, text=words),
        f"{name} negative": node("CLIPTextEncode", clip=clip, text="blurry"),
        f"{name} sampled": node("KSampler", **settings | own),
        f"{name} decoded": node("VAEDecode", samples=[f"{name} sampled", 0], vae=["checkpoint", 2]),
        name: node("PreviewImage", images=[f"{name} decoded", 0]),
    }


def based_on(checkpoint: str, side: int) -> dict:
    return {
        **picture(side),
        "checkpoint": node("CheckpointLoaderSimple", ckpt_name=checkpoint),
        "latent": node("VAEEncode", pixels=["image", 0], vae=["checkpoint", 2]),
    }


def controlled(name: str, control: list, strength: float) -> dict:
    """As `sampled`, under a ControlNet."""
    graph = sampled(name, ["checkpoint", 0], ["checkpoint", 1])
    graph[f"{name} held"] = node(
        "ControlNetApplyAdvanced", positive=[f"{name} words", 0],
        negative=[f"{name} negative", 0], control_net=control, image=["edges", 0],
        strength=strength, start_percent=0.0, end_percent=1.0,
    )  # fmt: skip
    held = {"positive": [f"{name} held", 0], "negative": [f"{name} held", 1]}
    graph[f"{name} sampled"]["inputs"] |= held
    return graph


def lora(file: str) -> dict:
    kept = {"model": ["checkpoint", 0], "clip": ["checkpoint", 1]}
    return node("LoraLoader", lora_name=file, strength_model=1.0, strength_clip=1.0, **kept)


def alike(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of what is left when every 16 x 16 pixels are one: the rest is frosted glass."""
    return float(np.corrcoef(coarse(one), coarse(other))[0, 1])


def coarse(image: np.ndarray) -> np.ndarray:
    height, width, channels = image.shape
    return image.reshape(height // 16, 16, width // 16, 16, channels).mean((1, 3)).ravel()


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def run(server, graph: dict, *names: str, timeout: float = 300) -> list[np.ndarray]:
    """The pictures of these nodes; that nothing was wrong with the weights is seen in the log."""
    server.mark()
    result = server.run(graph, timeout)
    wrong = [line for line in server.recent().splitlines() if COMPLAINTS.search(line)]
    assert not wrong, wrong
    return [result.images(name)[0] for name in names]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_is_sampled_with_sd15_is_still_the_picture(server):
    graph = based_on("v1-5-pruned-emaonly-fp16.safetensors", 256)
    plain = ["checkpoint", 0], ["checkpoint", 1]
    graph |= sampled("plain", *plain)
    graph |= sampled("other words", *plain, words="a red boat at night, embedding:badhandv4")
    graph["person"] = lora("my_person_sd15.safetensors")
    graph |= sampled("as a person", ["person", 0], ["person", 1])
    for kind, file in CONTROLS.items():
        graph[f"{kind} network"] = node("ControlNetLoader", control_net_name=file)
        graph |= controlled(kind, [f"{kind} network", 0], 0.75)
    graph |= controlled("harder", ["soft edge network", 0], 1.5)
    graph |= sampled("far", *plain, denoise=0.8)
    names = ("plain", "other words", "as a person", *CONTROLS, "harder")
    before, far, first, *others = run(server, graph, "before", "far", *names, timeout=500)
    assert alike(before, far) > STILL_SEEN
    for made in (first, *others):
        assert alike(before, made) > STILL_THE_PICTURE
    for made in others:
        assert difference(first, made) > CHANGED
    soft, pose, depth, harder = others[2:]
    assert difference(soft, pose) > CHANGED
    assert difference(pose, depth) > CHANGED
    assert difference(first, harder) > 1.2 * difference(first, soft)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_is_sampled_with_sdxl_is_still_the_picture(server):
    server.add_sdxl()
    graph = based_on("sd_xl_base_1.0.safetensors", 128)
    graph |= sampled("plain", ["checkpoint", 0], ["checkpoint", 1])
    graph["person"] = lora("my_person_sdxl.safetensors")
    graph |= sampled("as a person", ["person", 0], ["person", 1])
    graph["union"] = node("ControlNetLoader", control_net_name=UNION)
    for kind, type_ in UNION_TYPES.items():
        told = {"control_net": ["union", 0], "type": type_}
        graph[f"{kind} network"] = node("SetUnionControlNetType", **told)
        graph |= controlled(kind, [f"{kind} network", 0], 0.75)
    names = ("plain", "as a person", *UNION_TYPES)
    before, first, *others = run(server, graph, "before", *names, timeout=800)
    for made in (first, *others):
        assert alike(before, made) > STILL_THE_PICTURE
    for made in others:
        assert difference(first, made) > CHANGED
    soft, pose, depth = others[1:]
    assert difference(soft, pose) > CHANGED
    assert difference(pose, depth) > CHANGED


@pytest.mark.slow
def test_the_depth_network_tells_pictures_apart(server):
    graph = picture(256)
    graph["turned"] = node("ImageFlip", image=["image", 0], flip_method="x-axis: vertically")
    named = "depth_anything_3_small.safetensors"
    graph["network"] = node("LoadDA3Model", model_name=named, weight_dtype="default")
    for name, image in (("depth", "image"), ("turned depth", "turned")):
        run_on = {"da3_model": ["network", 0], "image": [image, 0], "resolution": 252}
        run_on |= {"resize_method": "upper_bound_resize", "mode": "mono"}
        graph[f"{name} found"] = node("DA3Inference", **run_on)
        drawn = {"da3_geometry": [f"{name} found", 0], "output": "depth"}
        drawn |= {"output.normalization": "min_max", "output.apply_sky_clip": False}
        graph[f"{name} drawn"] = node("DA3Render", **drawn)
        graph[name] = node("PreviewImage", images=[f"{name} drawn", 0])
    depth, turned = run(server, graph, "depth", "turned depth")
    assert depth.std() > 20
    assert difference(depth, turned) > 5


def test_a_blank_tensor_is_a_hole_in_the_file(tmp_path):
    blank = torch.zeros((), dtype=torch.float16).expand(1000, 3000)
    tensors = {"a": torch.rand(3, 5).half(), "b.blank": blank, "c": torch.rand(()).half()}
    tensors["last.blank"] = blank
    file = layout.save(tmp_path / "new" / "x.safetensors", tensors)
    with safe_open(file, "pt") as opened:
        assert opened.metadata() == {"format": "pt"}
        read = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensors[name]) for name in tensors)
    length = struct.unpack("<Q", file.read_bytes()[:8])[0]
    assert length % 8 == 0
    assert json.loads(file.read_bytes()[8 : 8 + length])["b.blank"]["shape"]
    if hasattr(file.stat(), "st_blocks"):
        assert file.stat().st_blocks * 512 < blank.numel()


def test_the_same_seed_makes_the_same_weights():
    shapes = [("x.weight", (4, 3)), ("x.bias", (4,)), ("norm.weight", (4,)), ("y.weight", (2, 2))]
    one, same, other = (
        layout.weights(shapes, seed, lambda name: name[0] == "y") for seed in (1, 1, 2)
    )
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["x.weight"], other["x.weight"])
    assert one["x.bias"].eq(0).all()
    assert one["norm.weight"].eq(1).all()
    assert layout.is_blank(one["y.weight"])
    assert not layout.is_blank(one["x.weight"])


@pytest.mark.parametrize("name", [*table.MAKERS, *table.SDXL])
def test_a_stand_in_of_a_family_goes_where_it_is_not_taken_for_a_real_file(name):
    folder, file = name.split("/")
    family = folder in ("checkpoints", "controlnet", "loras")
    assert Path(table.place(name)) == Path(folder, *(["stand-in"] if family else []), file)
