"""Crop For Inpaint and Stitch Inpaint in the real host, with good and with bad input."""

from __future__ import annotations

import graphs
import numpy as np
import pytest
import torch
from graphs import node, refused

HEIGHT, WIDTH = 97, 160
TARGETS = {
    "fixed size": {"width": 64, "height": 64},
    "megapixels": {"megapixels": 0.05, "multiple": "16"},
    "as it is": {"multiple": "8"},
    "as diffusers": {"width": 64, "height": 64},
}
SETTINGS = {"feather": 0.1, "colour": 0.5, "grain": 0.5}
BLENDS = {"feather": SETTINGS, "multi-band": SETTINGS, "gradient-domain": SETTINGS}


@pytest.fixture(autouse=True)
def lives_on(server):
    yield
    graphs.assert_works(server)


def picture(count=1, height=HEIGHT, width=WIDTH, channels=3):
    dice = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, height, width, channels), generator=dice) / 255


def painted(*boxes, height=HEIGHT, width=WIDTH):
    """A mask for each box, as pictures."""
    masks = torch.zeros(len(boxes), height, width, 3)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = 1
    return masks


BOX = (50, 30, 90, 70)


def prompt(server, images, masks, target="fixed size", blend="feather", **changes):
    """Cropped, inverted, stitched and shown; `changes` are of "crop" or of "stitch"."""
    shown = {f"mask {name}": each for name, each in graphs.put(server, masks).items()}
    shown["mask picture"]["inputs"] = {"samples": ["mask latent", 0], "vae": ["mask space", 0]}
    crop = {
        "image": ["picture", 0],
        "mask": ["mask", 0],
        "target": target,
        **{f"target.{name}": value for name, value in TARGETS[target].items()},
        "padding": "pixels",
        "padding.pixels": 8,
        "mask_blur": 0.0,
        "outside": "shift inside",
        "empty": "leave the picture as it is",
        "context_blur": 0.0,
        "blend_blur": 0.0,
    }
    stitch = {
        "stitch": ["crop", 2],
        "image": ["inverted", 0],
        "way": "replace",
        "blend": blend,
        **{f"blend.{name}": value for name, value in BLENDS.get(blend, {}).items()},
    }
    return {
        **graphs.put(server, images),
        **shown,
        "mask": node("ImageToMask", image=["mask picture", 0], channel="red"),
        "crop": node("LikenessCropForInpaint", **(crop | changes.get("crop", {}))),
        "inverted": node("ImageInvert", image=["crop", 0]),
        "stitch": node("LikenessStitchInpaint", **(stitch | changes.get("stitch", {}))),
        "given": node("PreviewImage", images=["picture", 0]),
        "shown": node("PreviewImage", images=["stitch", 0]),
        "inside": node("MaskToImage", mask=["crop", 1]),
        "masks": node("PreviewImage", images=["inside", 0]),
    }


def assert_changed_only_in(boxes, result):
    """The pictures that came out are those that went in beyond the boxes, and others in them."""
    for box, old, new in zip(boxes, result.images("given"), result.images("shown"), strict=True):
        x0, y0, x1, y1 = box
        differs = (old != new).any(axis=-1)
        inside = differs[y0:y1, x0:x1].mean()
        differs[y0:y1, x0:x1] = False
        assert not differs.any()
        assert inside > 0.5


@pytest.mark.parametrize(("target", "blend"), list(zip(TARGETS, [*BLENDS, "feather"], strict=True)))
def test_every_target_and_blend(server, target, blend):
    result = server.run(prompt(server, picture(), painted(BOX), target, blend))
    assert_changed_only_in([BOX], result)
    assert "1 crop of" in result.texts["crop"]
    assert "seam" in result.texts["stitch"]


def test_as_diffusers_there_and_back(server):
    result = server.run(prompt(server, picture(), painted(BOX), "as diffusers", "as diffusers"))
    assert_changed_only_in([BOX], result)


def test_counts(server):
    boxes = [(10, 10, 40, 40), (60, 20, 90, 80), (100, 50, 150, 90)]
    three = picture(3)
    result = server.run(prompt(server, three, painted(*boxes)))
    assert_changed_only_in(boxes, result)
    result = server.run(prompt(server, three, painted(BOX)))
    assert_changed_only_in([BOX] * 3, result)
    assert len(result.images("masks")) == 3
    result = server.run(prompt(server, picture(), painted(*boxes)))
    [stitched], [given] = result.images("shown"), result.images("given")
    assert "3 crops of" in result.texts["crop"]
    for x0, y0, x1, y1 in boxes:
        assert (given != stitched)[y0:y1, x0:x1].mean() > 0.5
    words = ("mask", "(2, 97, 160)", "(3, 97, 160, 3)", "one mask for each")
    refused(server, prompt(server, three, painted(*boxes[:2])), "crop", *words)


def test_an_empty_mask(server):
    result = server.run(prompt(server, picture(), painted((0, 0, 0, 0))))
    assert np.array_equal(result.images("shown"), result.images("given"))
    assert "nothing was cut" in result.texts["crop"]
    assert "mask 0 is empty" in result.texts["crop"]
    strict = prompt(server, picture(), painted((0, 0, 0, 0)), crop={"empty": "error"})
    refused(server, strict, "crop", "mask 0", "empty", "leave the picture as it is")


def test_masks_and_pictures_that_do_not_fit(server):
    small = painted((0, 0, 0, 0), height=64, width=64)
    words = ("mask", "(1, 64, 64)", "(1, 97, 160, 3)", "Load Image")
    refused(server, prompt(server, picture(), small), "crop", *words)
    for size in ({"width": 160, "height": 96}, {"width": 160, "height": 97, "batch_size": 2}):
        graph = prompt(server, picture(), painted(BOX), stitch={"picture": ["other", 0]})
        graph["other"] = node("EmptyImage", **({"batch_size": 1, "color": 0} | size))
        refused(server, graph, "stitch", "picture", "160 x 97 px", "connect")
    graph = prompt(server, picture(), painted(BOX), stitch={"image": ["other", 0]})
    for size, word in (((64, 32, 1), "64 x 32 px"), ((64, 64, 2), "2 crops")):
        width, height, count = size
        graph["other"] = node("EmptyImage", width=width, height=height, batch_size=count, color=0)
        refused(server, graph, "stitch", word)


def test_numbers_through_wires(server):
    """The host holds only what is typed in against the limits."""
    wires = {
        "mask_blur": (-1.0, float("nan")),
        "target.width": (0, -8, 10**6),
        "padding.pixels": (-5,),
    }
    for name, values in wires.items():
        for value in values:
            graph = prompt(server, picture(), painted(BOX), crop={name: ["wire", 0]})
            kind = "PrimitiveInt" if isinstance(value, int) else "PrimitiveFloat"
            graph["wire"] = node(kind, value=value)
            word = {"mask_blur": "blur", "target.width": "width"}.get(name, "padding")
            refused(server, graph, "crop", word, f"{value:g}")


def test_what_as_diffusers_does_not_know(server):
    graph = prompt(server, picture(), painted(BOX), blend="as diffusers")
    refused(server, graph, "stitch", "blend", "Crop For Inpaint")
    there = (server, picture(), painted(BOX), "as diffusers")
    graph = prompt(*there, "as diffusers", stitch={"way": "change only"})
    refused(server, graph, "stitch", "blend", "set way to 'replace'")
    graph = prompt(*there, crop={"outside": "mirror"})
    refused(server, graph, "crop", "target", "shift inside")


@pytest.mark.parametrize("target", TARGETS)
def test_pictures_as_they_should_not_be(server, target):
    tiny = prompt(server, picture(1, 1, 1), painted((0, 0, 1, 1), height=1, width=1), target)
    assert server.run(tiny).images("shown")[0].shape == (1, 1, 3)
    strip = prompt(server, picture(1, 2, 900), painted((5, 0, 6, 1), height=2, width=900), target)
    assert server.run(strip).images("shown")[0].shape == (2, 900, 3)
    strange = picture()
    strange[0, :50] = float("nan")
    plain = {"blend.colour": 0.0, "blend.grain": 0.0}
    server.run(prompt(server, strange, painted(BOX), target, stitch=plain))
    rgba = prompt(server, picture(channels=4), painted(BOX), target)
    assert "1 crop" in server.run(rgba).texts["stitch"]
    grey = prompt(server, picture(channels=1), painted(BOX), target)
    del grey["given"]  # core itself cannot show it
    refused(server, grey, "crop", "image", "(1, 97, 160, 1)", "3 channels, or 4")
