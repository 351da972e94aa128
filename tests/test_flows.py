"""The bundled workflows that sample, on a checkpoint of random weights, in the real host."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import workflow_builder as builder
from graphs import node
from pack.likeness.demo import read
from PIL import Image

WORKFLOWS = Path(__file__).resolve().parent.parent / "workflows"
INPAINT, DETAIL = "Inpaint a face with a padded crop", "Detail every face"
CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"
SIDE = 256  # pixels of a crop, and one step: for speed alone
LIMIT = 300.0  # seconds, for a machine that does much else

SPEED_UP = """side => {
  const set = (type, name, value) => {
    const node = app.rootGraph.nodes.find((each) => each.type === type)
    node.widgets.find((widget) => widget.name === name).value = value
  }
  set('KSampler', 'steps', 1)
  set('LikenessCropForInpaint', 'target.width', side)
  set('LikenessCropForInpaint', 'target.height', side)
}"""
SHOWN = """type => app.rootGraph.nodes.find((node) => node.type === type)
    .imgs?.some((picture) => picture.naturalWidth > 0)
    || !!document.querySelector('[data-testid="error-overlay"]')"""

IMAGES = "id => app.nodeOutputs[id].images"


def bundled(title: str) -> dict:
    """Its graph in API format, made quick."""
    prompt = json.loads((WORKFLOWS / "api" / f"{title}.json").read_text("utf-8"))
    prompt[the(prompt, "KSampler")]["inputs"]["steps"] = 1
    crop = prompt[the(prompt, "LikenessCropForInpaint")]["inputs"]
    crop |= {"target.width": SIDE, "target.height": SIDE}
    return prompt


def described(title: str) -> builder.Workflow:
    return next(each for each in builder.workflows() if each.title == title)


def the(prompt: dict, class_type: str) -> str:
    (found,) = (key for key, each in prompt.items() if each["class_type"] == class_type)
    return found


def own_picture(server, prompt: dict, pixels: np.ndarray, name: str) -> dict:
    """The prompt with Load Image of a PNG in place of the demo picture."""
    Image.fromarray(pixels).save(server.base / "input" / name)
    prompt = copy.deepcopy(prompt)
    source, output = prompt[the(prompt, "LikenessDetectFaces")]["inputs"]["image"]
    for each in prompt.values():
        for key, value in each["inputs"].items():
            if value == [source, output]:
                each["inputs"][key] = ["own", 0]
    prompt["own"] = node("LoadImage", image=name)
    shows = ("SaveImage", "ImageCompare", "PreviewImage")
    wanted = [key for key, each in prompt.items() if each["class_type"] in shows]
    return builder.leading_to(prompt, wanted)


def portrait(name: str) -> np.ndarray:
    return (read(name)[0] * 255).round().byte().numpy()


def side_by_side(*names: str) -> np.ndarray:
    pictures = [portrait(name) for name in names]
    height = max(len(picture) for picture in pictures)
    return np.concatenate(
        [np.pad(each, ((0, height - len(each)), (0, 0), (0, 0))) for each in pictures], axis=1
    )


def masks(server, prompt: dict) -> list[np.ndarray]:
    """The masks of its Face Mask, where they show at all."""
    face_mask = the(prompt, "LikenessFaceMask")
    seen = builder.leading_to(prompt, [face_mask])
    seen["as picture"] = node("MaskToImage", mask=[face_mask, 0])
    seen["seen"] = node("PreviewImage", images=["as picture", 0])
    return [grown(each[..., 0] > 0) for each in server.run(seen, LIMIT).images("seen")]


def grown(mask: np.ndarray) -> np.ndarray:
    """By one pixel: where a mask rounds to nothing in 8 bits it is not yet nothing."""
    wide = np.pad(mask, 1)
    height, width = mask.shape
    around = [(y, x) for y in range(3) for x in range(3)]
    return np.any([wide[y : y + height, x : x + width] for y, x in around], axis=0)


def assert_only_faces_changed(given: np.ndarray, made: np.ndarray, faces: list[np.ndarray]) -> None:
    assert made.shape == given.shape
    differs = np.abs(made.astype(int) - given).max(axis=-1)
    assert not differs[~np.any(faces, axis=0)].any(), "changed beyond the mask"
    for number, face in enumerate(faces):
        assert 0.02 < face.mean() < 0.5
        assert (differs[face] > 2).mean() > 0.5, f"face {number} is as it was"


def test_core_takes_the_standin_for_a_checkpoint_of_the_family(server):
    """Encode, condition, sample, decode with core's nodes alone; nothing is missing in the file."""
    half = node("SolidMask", value=1.0, width=64, height=128)
    prompt = {
        "load": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
        "blank": node("SolidMask", value=0.0, width=128, height=128),
        "half": half,
        "mask": node(
            "MaskComposite", destination=["blank", 0], source=["half", 0], x=0, y=0, operation="add"
        ),
        "portrait": node("LikenessLoadPortrait", portrait="cafe"),
        "small": node(
            "ImageScale",
            image=["portrait", 0],
            upscale_method="area",
            width=128,
            height=128,
            crop="center",
        ),
        "yes": node("CLIPTextEncode", text="a photo of a woman face", clip=["load", 1]),
        "no": node("CLIPTextEncode", text="", clip=["load", 1]),
        "encode": node("VAEEncode", pixels=["small", 0], vae=["load", 2]),
        "masked": node("SetLatentNoiseMask", samples=["encode", 0], mask=["mask", 0]),
        "sample": node(
            "KSampler",
            model=["load", 0],
            seed=1,
            steps=2,
            cfg=7.0,
            sampler_name="euler",
            scheduler="karras",
            positive=["yes", 0],
            negative=["no", 0],
            latent_image=["masked", 0],
            denoise=0.5,
        ),
        "decode": node("VAEDecode", samples=["encode", 0], vae=["load", 2]),
        "sampled": node("VAEDecode", samples=["sample", 0], vae=["load", 2]),
        "given": node("PreviewImage", images=["small", 0]),
        "back": node("PreviewImage", images=["decode", 0]),
        "shown": node("PreviewImage", images=["sampled", 0]),
    }
    result = server.run(prompt)
    given, back, shown = (result.images(key)[0].astype(int) for key in ("given", "back", "shown"))
    assert np.abs(back - given).mean() < 25, "the autoencoder carries no colours"
    assert np.abs(shown - back)[:, :48].mean() > 5
    assert np.abs(shown - back)[:, 80:].mean() < 0.5
    told = server.recent()
    assert "missing" not in told
    assert "unexpected" not in told
    assert server.run(prompt | {"yes": prompt["no"]}).images("shown")[0].tolist() != shown.tolist()


def test_a_face_of_an_own_picture_is_inpainted_and_nothing_else(server):
    given = portrait("studio")[20:, :380]
    prompt = own_picture(server, bundled(INPAINT), given, "own.png")
    result = server.run(prompt, LIMIT)
    (made,) = result.images(the(prompt, "SaveImage"))
    found = masks(server, prompt)
    assert len(found) == 1
    assert_only_faces_changed(given, made, found)
    assert "1 crop" in result.texts[the(prompt, "LikenessStitchInpaint")]


def test_every_face_of_a_picture_is_detailed_and_nothing_else(server):
    given = side_by_side("harbour", "cafe", "studio")
    prompt = own_picture(server, bundled(DETAIL), given, "three.png")
    result = server.run(prompt, LIMIT)
    (made,) = result.images(the(prompt, "SaveImage"))
    found = masks(server, prompt)
    assert len(found) == 3
    assert_only_faces_changed(given, made, found)
    assert len(result.images(the(prompt, "PreviewImage"))) == 3
    compared = result.entry["outputs"][the(prompt, "ImageCompare")]
    for side, expected in (("a_images", given), ("b_images", made)):
        (listed,) = compared[side]
        assert np.array_equal(server.picture(listed), expected)


@pytest.mark.slow
@pytest.mark.parametrize("title", [INPAINT, pytest.param(DETAIL, marks=pytest.mark.slow)])
def test_the_workflow_runs_from_the_page(editor, server, title):
    editor.open_template("Likeness", title)
    editor.wait("type => app.rootGraph.nodes.some((node) => node.type === type)", "SaveImage")
    assert editor.missing_nodes() == []
    assert editor.complaints() == ""
    editor.evaluate(SPEED_UP, SIDE)
    editor.screenshot(f"{title}, opened")
    sent = editor.prompt()
    editor.press_run()
    editor.wait(SHOWN, "SaveImage", seconds=LIMIT)
    assert editor.complaints() == ""
    server.idle()
    editor.screenshot(f"{title}, run")
    place = {each.id: each.size for each in described(title).nodes}
    for each in editor.save()["nodes"]:  # none grows over its neighbours by its report
        assert each["size"][1] <= place.get(each["id"], each["size"])[1], each["type"]

    source, output = sent[the(sent, "LikenessDetectFaces")]["inputs"]["image"]
    before = builder.leading_to(sent, [source])
    before["given"] = node("PreviewImage", images=[source, output])
    (given,) = server.run(before, LIMIT).images("given")
    (saved,) = editor.evaluate(IMAGES, the(sent, "SaveImage"))
    assert_only_faces_changed(given, server.picture(saved), masks(server, sent))
