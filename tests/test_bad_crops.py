"""Crops, masks and what they are laid over as they should not be, in the real host.

Wanted is a result, or an error that names the node, the input and the cure; what was not meant to
change comes out as it went in, and the next prompt works.
"""

from __future__ import annotations

import itertools
import shutil

import numpy as np
import pytest
import torch
from graphs import find, marked, node, put, refused
from standins import insightface_pack as standins

KNOWN = "known answer to crops"
NAN = float("nan")
HEIGHT, WIDTH = 192, 320
BOX = (60, 60, 130, 130)  # about the first of the faces
ALIGN = {
    "template": "upright with margin",
    "template.margin": 20.0,
    "size": 64,
    "outside": "mirror",
}
BLEND = {"blend": "feather", "blend.feather": 0.1, "blend.colour": 0.5, "blend.grain": 0.5}
PLAIN = {"blend": "feather", "blend.feather": 0.1, "blend.colour": 0.0, "blend.grain": 0.0}
FACE_MASK = {
    "region": "face",
    "masks": "one for each picture",
    "unit": "share of the face",
    "unit.grow": 0.0,
    "unit.feather": 0.0,
    "blur": 0.0,
    "add": "",
    "subtract": "",
}
CROP = {
    "target": "fixed size",
    "target.width": 64,
    "target.height": 64,
    "padding": "pixels",
    "padding.pixels": 8,
    "mask_blur": 0.0,
    "outside": "shift inside",
    "empty": "leave the picture as it is",
    "context_blur": 0.0,
    "blend_blur": 0.0,
}
DIFFUSERS = {"target": "as diffusers"}
NOVEL = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def known(server):
    """A pack in the host whose detector finds the markers that `marked` draws."""
    folder = server.base / "models/insightface/models" / KNOWN
    yield standins.write_pack(folder, known_answer=True)
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def lives_on(server):
    """After each test a prompt that no cache can answer cuts, stitches and pastes."""
    yield
    image = scene()
    image[0, :8, :8] = next(NOVEL) / 1000
    result = server.run(faces(server, image) | pasted() | stitched(server, painted(BOX)))
    for name in ("pasted", "stitched"):
        changed = differing(result, name)[0]
        assert changed[BOX[1] : BOX[3], BOX[0] : BOX[2]].mean() > 0.3
        assert changed.mean() < 0.3
    assert "1 crop of" in result.texts["align"]


def scene(frames=1, channels=3):
    """Noise with a face in every frame."""
    dice = torch.Generator().manual_seed(frames)
    image = torch.randint(0, 90, (frames, HEIGHT, WIDTH, 3), generator=dice) / 255
    image[:] = torch.maximum(image, marked(HEIGHT, WIDTH, (64, 64)))
    return image if channels == 3 else torch.cat([image, image[..., :1]], dim=-1)


def nobody(frames=1):
    dice = torch.Generator().manual_seed(frames)
    return torch.randint(0, 256, (frames, HEIGHT, WIDTH, 3), generator=dice) / 255


def painted(*boxes, height=HEIGHT, width=WIDTH, value=1.0):
    """A mask for each box, as pictures."""
    masks = torch.zeros(len(boxes), height, width, 3)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = value
    return masks


def given(server, name, images):
    """`put` under a name of its own, so that several fit in one graph; the picture is `name`."""
    nodes = {f"{name} {part}": each for part, each in put(server, images).items()}
    nodes[f"{name} picture"]["inputs"] = {
        "samples": [f"{name} latent", 0],
        "vae": [f"{name} space", 0],
    }
    nodes[name] = nodes.pop(f"{name} picture")
    return nodes


def mask_of(server, name, masks):
    """A mask under that name."""
    return given(server, f"{name} as picture", masks) | {
        name: node("ImageToMask", image=[f"{name} as picture", 0], channel="red")
    }


def shown(name):
    return {f"{name} shown": node("PreviewImage", images=[name, 0])}


def faces(server, images, source=KNOWN):
    prompt = find(given(server, "picture", images), source, retry="nothing")
    return {name: prompt[name] for name in prompt if name not in ("draw", "boxes", "told")} | shown(
        "picture"
    )


def pasted(align=None, paste=None):
    """Cut out, inverted, put back."""
    cut = {"image": ["picture", 0], "faces": ["detect", 0]} | ALIGN | (align or {})
    back = {"image": ["picture", 0], "crops": ["inverted", 0], "placement": ["align", 1]}
    return {
        "align": node("LikenessAlignFaces", **cut),
        "inverted": node("ImageInvert", image=["align", 0]),
        "pasted": node("LikenessPasteFaces", **(back | {"way": "replace"} | BLEND | (paste or {}))),
        **shown("pasted"),
    }


def face_mask(**changes):
    return {
        "drawn": node("LikenessFaceMask", faces=["detect", 0], **(FACE_MASK | changes)),
        "drawn as picture": node("MaskToImage", mask=["drawn", 0]),
        **shown("drawn as picture"),
    }


def stitched(server, masks=None, crop=None, stitch=None):
    """Cropped by the masks, or by the mask of the faces; inverted, stitched."""
    cut = {"image": ["picture", 0], "mask": ["drawn" if masks is None else "mask", 0]}
    back = {"stitch": ["crop", 2], "image": ["negative", 0], "way": "replace"}
    return {
        **({} if masks is None else mask_of(server, "mask", masks)),
        "crop": node("LikenessCropForInpaint", **(cut | CROP | (crop or {}))),
        "negative": node("ImageInvert", image=["crop", 0]),
        "stitched": node("LikenessStitchInpaint", **(back | BLEND | (stitch or {}))),
        **shown("stitched"),
    }


def inpainted(server, images, masks, crop=None, stitch=None):
    """Without faces."""
    return given(server, "picture", images) | shown("picture") | stitched(
        server, masks, crop, stitch
    )


def differing(result, name):
    """Where the pictures of that name are others than those that went in: (B, H, W)."""
    before, after = result.images("picture shown"), result.images(f"{name} shown")
    return (np.stack(before) != np.stack(after)).any(axis=-1)


def wire(prompt, where, values):
    """The prompt with these inputs of `where` by wires, which the host does not hold to limits."""
    prompt = dict(prompt)
    inputs = dict(prompt[where]["inputs"])
    for name, value in values.items():
        kind = "PrimitiveInt" if isinstance(value, int) else "PrimitiveFloat"
        prompt[f"wire {name}"] = node(kind, value=value)
        inputs[name] = [f"wire {name}", 0]
    prompt[where] = node(prompt[where]["class_type"], **inputs)
    return prompt


@pytest.mark.parametrize("frames", [1, 3])
def test_nobody_there_leaves_the_pictures_as_they_are(server, frames):
    prompt = faces(server, nobody(frames)) | pasted() | face_mask() | stitched(server)
    result = server.run(prompt)
    for name in ("pasted", "stitched"):
        assert not differing(result, name).any()
    assert "no face" in result.texts["align"]
    assert "nothing was cut" in result.texts["crop"]
    each = faces(server, nobody(frames)) | face_mask(masks="one for each face")
    result = server.run(each | stitched(server, crop={"faces": ["detect", 0]}))
    assert not differing(result, "stitched").any()
    strict = prompt | stitched(server, crop={"empty": "error"})
    refused(server, strict, "crop", "mask 0", "empty", "leave the picture as it is")
    odd = prompt | pasted(paste={"image": ["other", 0]})
    odd["other"] = node("EmptyImage", width=WIDTH, height=96, batch_size=frames, color=0)
    refused(server, odd, "pasted", f"{WIDTH} x {HEIGHT} px", f"{WIDTH} x 96 px", "connect")


def test_only_some_frames_have_faces(server):
    batch = nobody(4)
    batch[2] = scene()[0]
    prompt = faces(server, batch) | pasted() | face_mask() | stitched(server)
    result = server.run(prompt)
    for name in ("pasted", "stitched"):
        assert [bool(each.any()) for each in differing(result, name)] == [False, False, True, False]


def test_counts_of_masks_and_crops(server):
    boxes = [(10, 10, 60, 60), BOX, (200, 20, 300, 150)]
    three = scene(3)
    for masks in (painted(*boxes), painted(BOX)):
        result = server.run(inpainted(server, three, masks))
        changed = differing(result, "stitched")
        for (x0, y0, x1, y1), each in zip(boxes if len(masks) == 3 else [BOX] * 3, changed):
            assert each[y0:y1, x0:x1].mean() > 0.5
            each[y0:y1, x0:x1] = False
        assert not changed.any()
    words = ("mask", "(2, 192, 320)", "(3, 192, 320, 3)", "one mask for each")
    refused(server, inpainted(server, three, painted(*boxes[:2])), "crop", *words)
    for name in ("context_mask", "blend_mask"):
        prompt = inpainted(server, three, painted(BOX), crop={name: ["other", 0]})
        refused(server, prompt | mask_of(server, "other", painted(BOX, BOX)), "crop", name, "2")
        small = mask_of(server, "other", painted((0, 0, 9, 9), height=64, width=64))
        refused(server, prompt | small, "crop", name, "(1, 64, 64)", "(3, 192, 320, 3)")


def test_crops_of_other_counts_and_shapes(server):
    three = faces(server, scene(3))
    for size, words in (
        ((64, 64, 2), ("2", "3 crops", "one for each")),
        ((64, 64, 4), ("4", "3 crops")),
        ((64, 32, 3), ("64 x 32 px", "64 x 64 px")),
    ):
        width, height, count = size
        other = node("EmptyImage", width=width, height=height, batch_size=count, color=0)
        refused(server, three | pasted(paste={"crops": ["other", 0]}) | {"other": other}, "pasted",
                *words)
    # One crop, and one mask of crops, serve all; larger crops are as good.
    one = {"other": node("EmptyImage", width=128, height=128, batch_size=1, color=255)}
    prompt = three | pasted(paste={"crops": ["other", 0], "crop_mask": ["half", 0]}) | one
    prompt |= mask_of(server, "half", painted((0, 0, 30, 20), height=40, width=30))
    assert differing(server.run(prompt), "pasted").any(axis=(1, 2)).all()
    prompt |= mask_of(server, "half", painted(*[(0, 0, 9, 9)] * 2, height=40, width=30))
    refused(server, prompt, "pasted", "2 masks", "3 crops")
    prompt = three | pasted(paste={"mask": ["other", 0]})
    two = mask_of(server, "other", painted(BOX, BOX))
    refused(server, prompt | two, "pasted", "(2, 192, 320)", "(3, 192, 320, 3)", "one mask")
    small = mask_of(server, "other", painted((0, 0, 9, 9), height=64, width=64))
    refused(server, prompt | small, "pasted", "(1, 64, 64)", "(3, 192, 320, 3)")


@pytest.mark.parametrize(
    "change", [{"width": 160}, {"height": 96}, {"batch_size": 2}], ids=["width", "height", "batch"]
)
def test_pictures_other_than_those_that_were_cut(server, change):
    other = {"width": WIDTH, "height": HEIGHT, "batch_size": 1, "color": 0} | change
    other = {"other": node("EmptyImage", **other)}
    told = f"{WIDTH} x {HEIGHT} px", "connect"
    start = faces(server, scene())
    prompt = start | pasted(paste={"image": ["other", 0]}) | other
    refused(server, prompt, "pasted", *told)
    prompt = start | pasted(align={"image": ["other", 0]}) | other
    refused(server, prompt, "align", *told)
    prompt = start | stitched(server, painted(BOX), stitch={"picture": ["other", 0]}) | other
    refused(server, prompt, "stitched", *told)
    if "batch_size" not in change:
        crop = {"image": ["other", 0], "mask": ["large", 0], "faces": ["detect", 0]}
        large = (0, 0, 9, 9)
        size = {"height": change.get("height", HEIGHT), "width": change.get("width", WIDTH)}
        prompt = start | other | mask_of(server, "large", painted(large, **size))
        refused(server, prompt | stitched(server, painted(BOX), crop), "crop", *told)


@pytest.mark.parametrize("target", ["fixed size", "as diffusers", "megapixels", "as it is"])
@pytest.mark.parametrize("outside", ["shift inside", "mirror", "repeat edge"])
def test_crops_larger_than_the_picture(server, target, outside):
    if target == "as diffusers" and outside != "shift inside":
        return
    crop = {"target": target, "outside": outside, "padding.pixels": 700}
    crop |= {"target.width": 264, "target.height": 512}
    crop |= {"target.megapixels": 0.2, "target.multiple": "64"}
    result = server.run(inpainted(server, nobody(), painted(BOX), crop))
    changed = differing(result, "stitched")[0]
    assert changed[BOX[1] : BOX[3], BOX[0] : BOX[2]].mean() > 0.5
    changed[BOX[1] : BOX[3], BOX[0] : BOX[2]] = False
    assert not changed.any()


def test_faces_cut_larger_than_the_picture(server):
    prompt = faces(server, scene()) | pasted({"template.margin": 500.0, "size": 128})
    for outside in ("mirror", "repeat edge", "black", "grey", "blurred mirror, as ffhq"):
        prompt["align"]["inputs"]["outside"] = outside
        assert differing(server.run(prompt), "pasted").any()


@pytest.mark.parametrize("way", ["replace", "change only"])
def test_alpha_is_left_alone(server, way):
    start = faces(server, scene(channels=4)) | face_mask()
    prompt = start | pasted(paste={"way": way}) | stitched(server, stitch={"way": way})
    result = server.run(prompt)
    for name in ("pasted", "stitched"):
        assert differing(result, name).any()
    rgba = given(server, "other", torch.rand(1, 64, 64, 4))
    prompt = faces(server, scene()) | rgba | pasted(paste={"crops": ["other", 0]})
    assert differing(server.run(prompt), "pasted").any()
    for blend in (BLEND, {"blend": "as diffusers"}):
        stitch = {"image": ["other", 0]} | blend
        prompt = inpainted(server, scene(), painted(BOX), DIFFUSERS, stitch) | rgba
        assert differing(server.run(prompt), "stitched").any()


def test_other_channels_are_refused(server):
    for channels in (1, 2, 5):
        image = scene().mean(-1, keepdim=True).repeat(1, 1, 1, channels)
        prompt = inpainted(server, image, painted(BOX))
        del prompt["picture shown"]  # core itself cannot show it
        refused(server, prompt, "crop", "image", f"(1, 192, 320, {channels})", "3 channels, or 4")
        other = given(server, "other", torch.rand(1, 64, 64, channels))
        prompt = faces(server, scene()) | other | pasted(paste={"crops": ["other", 0]})
        refused(server, prompt, "pasted", f"(1, 64, 64, {channels})", "3 channels, or 4")
        for blend in (BLEND, {"blend": "as diffusers"}):
            stitch = {"image": ["other", 0]} | blend
            prompt = inpainted(server, scene(), painted(BOX), DIFFUSERS, stitch) | other
            refused(server, prompt, "stitched", f"(1, 64, 64, {channels})", "3 channels, or 4")
