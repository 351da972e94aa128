"""Crops, masks and what they are laid over as they should not be, in the real host.

Wanted is a result, or an error that names the node, the input and the cure; what was not meant to
change comes out as it went in, and the next prompt works.
"""

from __future__ import annotations

import itertools
import shutil
from concurrent.futures import ThreadPoolExecutor

import graphs
import numpy as np
import pytest
import torch
from graphs import find, marked, node, put, refused
from pack.likeness.client import PromptError
from standins import insightface_pack as standins

pytestmark = pytest.mark.slow


KNOWN = "known answer to crops"
NAN = float("nan")
HEIGHT, WIDTH = 96, 160
FACE = (48, 32)  # where the face of a scene lies
BOX = (40, 24, 80, 64)  # about it
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
    result = server.run(faces(server, image) | pasted(paste=PLAIN) | stitched(server, painted(BOX)))
    assert 0 < differing(result, "pasted").mean() < 0.5
    assert_changed_in(BOX, differing(result, "stitched")[0])
    assert "1 crop of" in result.texts["align"]


def scene(frames=1, channels=3):
    """Noise with a face in every frame."""
    dice = torch.Generator().manual_seed(frames)
    image = torch.randint(0, 30, (frames, HEIGHT, WIDTH, 3), generator=dice) / 255
    face = marked(HEIGHT, WIDTH, FACE)
    image = torch.where(face.amax(-1, keepdim=True) > 0, face, image)
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
    return (
        given(server, "picture", images) | shown("picture") | stitched(server, masks, crop, stitch)
    )


def differing(result, name):
    """Where the pictures of that name are others than those that went in: (B, H, W)."""
    before, after = result.images("picture shown"), result.images(f"{name} shown")
    return (np.stack(before) != np.stack(after)).any(axis=-1)


def assert_changed_in(box, changed):
    """The pixels (H, W) that changed are most of the box, and none beyond it."""
    x0, y0, x1, y1 = box
    assert changed[y0:y1, x0:x1].mean() > 0.5
    assert changed.sum() == changed[y0:y1, x0:x1].sum()


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
    assert "nothing was cut" in result.texts["align"]
    assert "nothing was cut" in result.texts["crop"]
    each = faces(server, nobody(frames)) | face_mask(masks="one for each face")
    result = server.run(each | stitched(server, crop={"faces": ["detect", 0]}))
    assert not differing(result, "stitched").any()
    strict = prompt | stitched(server, crop={"empty": "error"})
    refused(server, strict, "crop", "mask 0", "empty", "leave the picture as it is")
    odd = prompt | pasted(paste={"image": ["other", 0]})
    odd["other"] = node("EmptyImage", width=WIDTH, height=48, batch_size=frames, color=0)
    refused(server, odd, "pasted", f"{WIDTH} x {HEIGHT} px", f"{WIDTH} x 48 px", "connect")


def test_only_some_frames_have_faces(server):
    batch = nobody(4)
    batch[2] = scene()[0]
    prompt = faces(server, batch) | pasted() | face_mask() | stitched(server)
    result = server.run(prompt)
    for name in ("pasted", "stitched"):
        assert [bool(each.any()) for each in differing(result, name)] == [False, False, True, False]


def test_counts_of_masks_and_crops(server):
    boxes = [(5, 5, 30, 30), BOX, (100, 10, 150, 80)]
    three = scene(3)
    for masks in (painted(*boxes), painted(BOX)):
        result = server.run(inpainted(server, three, masks))
        changed = differing(result, "stitched")
        for box, each in zip(boxes if len(masks) == 3 else [BOX] * 3, changed, strict=True):
            assert_changed_in(box, each)
    words = ("mask", "(2, 96, 160)", "(3, 96, 160, 3)", "one mask for each")
    refused(server, inpainted(server, three, painted(*boxes[:2])), "crop", *words)
    for name in ("context_mask", "blend_mask"):
        prompt = inpainted(server, three, painted(BOX), crop={name: ["other", 0]})
        refused(server, prompt | mask_of(server, "other", painted(BOX, BOX)), "crop", name, "2")
        small = mask_of(server, "other", painted((0, 0, 9, 9), height=64, width=64))
        refused(server, prompt | small, "crop", name, "(1, 64, 64)", "(3, 96, 160, 3)")


def test_crops_of_other_counts_and_shapes(server):
    three = faces(server, scene(3))
    for size, words in (
        ((64, 64, 2), ("2", "3 crops", "one for each")),
        ((64, 64, 4), ("4", "3 crops")),
        ((64, 32, 3), ("64 x 32 px", "64 x 64 px")),
    ):
        width, height, count = size
        other = node("EmptyImage", width=width, height=height, batch_size=count, color=0)
        refused(
            server,
            three | pasted(paste={"crops": ["other", 0]}) | {"other": other},
            "pasted",
            *words,
        )
    # One crop, and one mask of crops, serve all; larger crops are as good.
    one = {"other": node("EmptyImage", width=128, height=128, batch_size=1, color=255)}
    prompt = three | pasted(paste={"crops": ["other", 0], "crop_mask": ["half", 0]}) | one
    prompt |= mask_of(server, "half", painted((0, 0, 30, 20), height=40, width=30))
    assert differing(server.run(prompt), "pasted").any(axis=(1, 2)).all()
    prompt |= mask_of(server, "half", painted(*[(0, 0, 9, 9)] * 2, height=40, width=30))
    refused(server, prompt, "pasted", "2 masks", "3 crops")
    prompt = three | pasted(paste={"mask": ["other", 0]})
    two = mask_of(server, "other", painted(BOX, BOX))
    refused(server, prompt | two, "pasted", "(2, 96, 160)", "(3, 96, 160, 3)", "one mask")
    small = mask_of(server, "other", painted((0, 0, 9, 9), height=64, width=64))
    refused(server, prompt | small, "pasted", "(1, 64, 64)", "(3, 96, 160, 3)")


@pytest.mark.parametrize(
    "change", [{"width": 80}, {"height": 48}, {"batch_size": 2}], ids=["width", "height", "batch"]
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
def test_crops_larger_than_the_picture(server, target):
    crop = {"target": target, "padding.pixels": 300}
    crop |= {"target.width": 136, "target.height": 264}
    crop |= {"target.megapixels": 0.1, "target.multiple": "64"}
    ways = ["shift inside", "mirror", "repeat edge"]
    for outside in ways[:1] if target == "as diffusers" else ways:
        result = server.run(
            inpainted(server, nobody(), painted(BOX), crop | {"outside": outside}, PLAIN)
        )
        assert_changed_in(BOX, differing(result, "stitched")[0])


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
        refused(server, prompt, "crop", "image", f"(1, 96, 160, {channels})", "3 channels, or 4")
        other = given(server, "other", torch.rand(1, 64, 64, channels))
        prompt = faces(server, scene()) | other | pasted(paste={"crops": ["other", 0]})
        refused(server, prompt, "pasted", f"(1, 64, 64, {channels})", "3 channels, or 4")
        for blend in (BLEND, {"blend": "as diffusers"}):
            stitch = {"image": ["other", 0]} | blend
            prompt = inpainted(server, scene(), painted(BOX), DIFFUSERS, stitch) | other
            refused(server, prompt, "stitched", f"(1, 64, 64, {channels})", "3 channels, or 4")


def test_pixels_that_are_no_numbers(server):
    """They stay where they are: a picture differs inside the mask only."""
    strange = scene(3)
    strange[1, :20, :25] = NAN
    strange[2] = NAN
    strange[0, 50, 60] = float("inf")
    for blend in ("feather", "multi-band", "gradient-domain"):
        option = BLEND | {"blend": blend}
        prompt = faces(server, strange) | pasted(paste=option) | face_mask()
        result = server.run(prompt | stitched(server, painted(BOX), stitch=option))
        changed = differing(result, "stitched")
        changed[:, BOX[1] : BOX[3], BOX[0] : BOX[2]] = False
        assert not changed.any()
        assert not differing(result, "pasted")[1, :20, :20].any()
    prompt = inpainted(server, strange, painted(BOX), DIFFUSERS, {"blend": "as diffusers"})
    server.run(prompt)


@pytest.mark.parametrize("value", [NAN, float("inf"), -5.0, 7.0])
def test_masks_that_are_no_masks(server, value):
    box, part = BOX, (BOX[0], BOX[1], BOX[0] + 10, BOX[1] + 10)
    strange = painted(box)
    strange[painted(part) > 0] = value
    whole = painted((0, 0, WIDTH, HEIGHT), value=value)
    for masks in (strange, whole):
        prompt = faces(server, scene()) | stitched(server, masks)
        prompt |= pasted(paste={"mask": ["mask", 0]})
        for name in ("pasted", "stitched"):
            changed = differing(server.run(prompt), name)[0]
            if masks is strange:
                changed[box[1] : box[3], box[0] : box[2]] = False
                assert not changed.any()
            elif not value > 0:
                assert not changed.any()
    prompt = faces(server, scene()) | pasted(paste={"crop_mask": ["mask", 0]})
    server.run(prompt | mask_of(server, "mask", whole[:, :64, :64]))
    for name in ("context_mask", "blend_mask"):
        prompt = inpainted(server, scene(), painted(box), {name: ["other", 0]})
        server.run(prompt | mask_of(server, "other", strange))


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 2), (3, 3)])
def test_tiny_pictures_and_strips(server, size):
    """A box of core's is taken for a face, wherever it lies."""
    height, width = size
    image = torch.rand(2, height, width, 3)
    prompt = faces(server, image) | boxed(0, 0, 1, 1) | pasted() | face_mask() | stitched(server)
    result = server.run(prompt)
    assert differing(result, "pasted").shape == (2, height, width)
    masks = painted((0, 0, 1, 1), height=height, width=width)
    for target in ("fixed size", "as diffusers", "megapixels", "as it is"):
        crop = {"target": target, "target.megapixels": 0.05, "target.multiple": "8"}
        result = server.run(inpainted(server, image, masks, crop))
        changed = differing(result, "stitched")
        changed[:, :1, :1] = False
        assert not changed.any()


@pytest.mark.parametrize(
    "values", [(50, 40, 1, 1), (-400, -400, 20, 20), (0, 0, 1, 96), (0, 0, 16384, 16384)]
)
def test_boxes_that_are_no_faces(server, values):
    start = faces(server, scene(2)) | boxed(*values)
    for template in (
        "upright with margin",
        "ffhq 512",
        "ffhq, by 68 landmarks",
        "ghost, best of five",
    ):
        align = {"template": template, "template.fit": "robust"}
        if template == "ffhq, by 68 landmarks":
            align["outside"] = "blurred mirror, as ffhq"
        result = server.run(start | pasted(align) | face_mask(**{"unit.grow": 1.0}))
        assert "2 crops of" in result.texts["align"]
        assert differing(result, "pasted").shape == (2, HEIGHT, WIDTH)
    server.run(start | face_mask() | stitched(server, crop={"faces": ["detect", 0]}))


def boxed(*values):
    """One box of core for all frames, in the analyzer's place."""
    names = ("x", "y", "width", "height")
    held = {name: [name, 0] for name in names}
    found = {
        "image": ["picture", 0],
        "analyzer": ["box", 0],
        "threshold": 0.5,
        "retry": "nothing",
    }
    return {
        "box": node("PrimitiveBoundingBox", **held),
        "detect": node("LikenessDetectFaces", **found),
    } | {name: node("PrimitiveInt", value=value) for name, value in zip(names, values, strict=True)}


def test_wrong_sockets_are_refused_by_name(server):
    prompt = faces(server, scene()) | pasted() | face_mask() | stitched(server)
    for where, name, wrong in (
        ("align", "faces", "picture"),
        ("pasted", "placement", "align"),
        ("drawn", "faces", "picture"),
        ("crop", "mask", "picture"),
        ("stitched", "stitch", "crop"),
    ):
        inputs = prompt[where]["inputs"] | {name: [wrong, 0]}
        bad = prompt | {where: node(prompt[where]["class_type"], **inputs)}
        refused(server, bad, where, name, "IMAGE")


SWITCHED = [
    ("align", "faces", "Detect Faces"),
    ("pasted", "placement", "Align Faces"),
    ("drawn", "faces", "Detect Faces"),
    ("stitched", "stitch", "Crop For Inpaint"),
]


@pytest.mark.parametrize(("where", "name", "cure"), SWITCHED)
def test_another_thing_through_a_switch(server, where, name, cure):
    """The switch gives whatever comes in, so the host lets it pass."""
    prompt = faces(server, scene()) | pasted() | face_mask() | stitched(server)
    inputs = prompt[where]["inputs"] | {name: ["switch", 0]}
    prompt[where] = node(prompt[where]["class_type"], **inputs)
    wires = {"on_true": ["picture", 0], "on_false": ["picture", 0]}
    prompt["switch"] = node("ComfySwitchNode", switch=True, **wires)
    refused(server, prompt, where, name, "Tensor", cure)


def test_either_way_back_serves_for_the_other(server):
    """Both are crops with their way back."""
    prompt = faces(server, scene()) | pasted() | face_mask() | stitched(server, painted(BOX))
    crossed = prompt | {
        "pasted": node(
            "LikenessPasteFaces",
            **prompt["pasted"]["inputs"] | {"placement": ["crop", 2], "crops": ["negative", 0]},
        ),
        "stitched": node(
            "LikenessStitchInpaint",
            **prompt["stitched"]["inputs"] | {"stitch": ["align", 1], "image": ["inverted", 0]},
        ),
    }
    plain, other = server.run(prompt), server.run(crossed)
    for one, two in (("pasted", "stitched"), ("stitched", "pasted")):
        assert np.array_equal(plain.images(f"{one} shown"), other.images(f"{two} shown"))
    there = faces(server, scene()) | pasted() | stitched(server, painted(BOX), DIFFUSERS)
    there["stitched"]["inputs"] |= {"stitch": ["align", 1], "image": ["inverted", 0]}
    there["stitched"]["inputs"]["blend"] = "as diffusers"
    refused(server, there, "stitched", "blend", "Crop For Inpaint")
    there["pasted"]["inputs"] |= {"placement": ["crop", 2], "crops": ["negative", 0]}
    del there["stitched"], there["stitched shown"]
    assert_changed_in(BOX, differing(server.run(there), "pasted")[0])


TOO_MUCH = [
    ("align", "size", (0, -8, 100_000)),
    ("align", "template.margin", (NAN, -60.0, 1e9)),
    ("pasted", "blend.feather", (NAN, -1.0, 1e9)),
    ("pasted", "blend.colour", (NAN, -1.0, 1e9)),
    ("pasted", "blend.grain", (NAN, -1.0, 1e9)),
    ("drawn", "unit.grow", (NAN,)),
    ("drawn", "unit.feather", (NAN, -1.0)),
    ("drawn", "blur", (NAN, -1.0, 1e9)),
    ("crop", "target.width", (0, -8, 100_000)),
    ("crop", "target.height", (0, -8, 100_000)),
    ("crop", "padding.percent", (-5.0, 1e9)),
    ("crop", "mask_blur", (NAN, -1.0, 1e9)),
    ("stitched", "blend.feather", (NAN, -1.0, 1e9)),
]
WORDS = {"mask_blur": "blur", "padding.percent": "padding"}


@pytest.mark.slow
@pytest.mark.parametrize(("where", "name", "values"), TOO_MUCH)
def test_numbers_through_wires(server, where, name, values):
    """The host holds only what is typed in against the limits."""
    prompt = faces(server, scene()) | pasted() | face_mask() | stitched(server)
    for value in values:
        if name == "padding.percent":
            prompt["crop"]["inputs"]["padding"] = "percent"
        bad = wire(prompt, where, {name: value})
        told = str(
            refused(server, bad, where, WORDS.get(name, name.rpartition(".")[2]), f"{value:g}")
        )
        assert len(told) < 600


@pytest.mark.slow
def test_what_would_take_all_the_memory(server):
    strip = torch.rand(1, 16, 8192, 3)
    masks = painted((0, 0, 8192, 16), height=16, width=8192)
    tall = {"target.width": 64, "target.height": 8192}
    refused(server, inpainted(server, strip, masks, tall), "crop", "8,192", "px")
    far = {"padding": "percent", "padding.percent": 1000.0, "outside": "mirror"}
    for target in ("fixed size", "megapixels", "as it is"):
        sized = {"target": target, "target.megapixels": 0.1, "target.multiple": "8"}
        refused(server, inpainted(server, strip, masks, far | sized), "crop", "padding", "px")


def test_names_of_classes_that_are_none(server):
    for text in ("beard", "hair; nose, left  earr", "hair hat", "0", "[]", "\u2603"):
        for name in ("add", "subtract"):
            prompt = faces(server, scene()) | face_mask(**{name: text})
            refused(server, prompt, "drawn", name, "left ear, right ear")


def test_two_prompts_at_once(server):
    prompts = [faces(server, scene(count)) | pasted() for count in (1, 2, 3, 4)]
    prompts[1] |= pasted(paste={"crops": ["picture", 0]})
    prompts[2] |= stitched(server, painted(BOX, BOX, BOX))
    with ThreadPoolExecutor(4) as people:
        ids = list(people.map(server.client.queue, prompts))
    with pytest.raises(PromptError, match="160 x 96 px") as caught:
        server.client.wait(ids[1])
    assert caught.value.node_id == "pasted"
    for at in (0, 2, 3):
        texts = graphs.Result(server.client.wait(ids[at]), server.client).texts
        assert texts["pasted"].startswith(f"{at + 1} crop")


def test_what_went_in_is_not_written_to(server):
    """What the host keeps of the loaders and of the cutting nodes stays as it was."""
    image, masks = scene(2), painted(BOX, BOX)
    cut = faces(server, image) | mask_of(server, "mask", masks)
    look = {"image": ["picture", 0], "faces": ["refined", 0]}
    measured = {"network": ["network", 0], "threshold": 0.3, "reading": "sub-pixel"}
    drawn = FACE_MASK | {"add": "neck", "subtract": "hair", "blur": 4.0, "parsing": ["parsed", 0]}
    cut |= {
        "network": node("LikenessLoadLandmarkNetwork", network="2DFAN4-11f355bf06.pth.tar"),
        "refined": node("LikenessRefineLandmarks", **(look | {"faces": ["detect", 0]} | measured)),
        "parser": node("LikenessLoadFaceParser", parser="parsing_parsenet.pth"),
        "parsed": node("LikenessParseFace", **look, parser=["parser", 0], classes="skin"),
        "drawn": node("LikenessFaceMask", faces=["refined", 0], **drawn),
    }
    back = pasted(), stitched(server, masks, {"mask_blur": 4.0, "blend_mask": ["drawn", 0]})
    cut |= {
        name: each[name] for each in back for name in each if name not in ("pasted", "stitched")
    }
    kept = ("picture", "mask as picture", "align", "crop")
    blends = ("feather", "multi-band", "gradient-domain", "as insightface", "as facexlib")
    for name in ("pasted shown", "stitched shown"):
        del cut[name]
    before = server.run(cut | {name: each for one in kept for name, each in shown(one).items()})
    several = dict(cut)
    for at, (way, blend) in enumerate(itertools.product(("replace", "change only"), blends)):
        option = {"way": way} | BLEND | {"blend": blend}
        made = pasted(paste=option | {"mask": ["mask", 0], "crop_mask": ["crop", 1]})
        several |= {f"pasted {at}": made["pasted"]} | shown(f"pasted {at}")
        if blend in blends[:3]:
            option |= {"picture": ["picture", 0], "untouched": ["crop", 0]}
            made = stitched(server, masks, stitch=option)
            several |= {f"stitched {at}": made["stitched"]} | shown(f"stitched {at}")
    server.run(several)
    again = {f"{one} again": node("PreviewImage", images=[one, 0]) for one in kept}
    after = server.run(several | again)
    cached = {
        name
        for kind, told in after.entry["status"]["messages"]
        if kind == "execution_cached"
        for name in told["nodes"]
    }
    assert set(kept) <= cached
    for one in kept:
        assert np.array_equal(before.images(f"{one} shown"), after.images(f"{one} again"))
    loaded = (image.numpy() * 255).round()
    assert np.abs(np.stack(after.images("picture again")) - loaded).max() <= 1
