"""Face Mask in the real host and on the real page."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import find, node, refused
from pack.likeness.parse import FaceClass

EACH_PICTURE, EACH_FACE = "one for each picture", "one for each face"
DEFAULTS = {
    "region": "face and forehead",
    "masks": EACH_PICTURE,
    "unit": "share of the face",
    "unit.grow": 0.0,
    "unit.feather": 0.0,
    "blur": 0.0,
    "add": "",
    "subtract": "hair, hat, glasses, cloth, background",
}
EVERY_CLASS = ", ".join(FaceClass)
SWITCHES = ("face_and_forehead", "face", "skin", "eyes", "brows", "nose", "lips", "mouth", "jaw")


def portrait(name: str = "cafe") -> dict:
    return {"picture": node("LikenessLoadPortrait", portrait=name)}


def nobody() -> dict:
    blank = {"width": 97, "height": 160, "batch_size": 2, "color": 0}
    return {"picture": node("EmptyImage", **blank)}


def mask(pictures: dict, **changes: object) -> dict:
    """Find, mask, and show the mask as a picture."""
    return find(pictures) | {
        "mask": node("LikenessFaceMask", faces=["detect", 0], **(DEFAULTS | changes)),
        "shown": node("MaskToImage", mask=["mask", 0]),
        "drawing": node("PreviewImage", images=["shown", 0]),
    }


def several(*chosen: str) -> dict:
    switches = {f"region.{name}": name in chosen for name in SWITCHES}
    return {"region": "several"} | switches


def drawn(server, pictures: dict, **changes: object) -> list[np.ndarray]:
    result = server.run(mask(pictures, **changes))
    return [image[..., 0] / 255 for image in result.images("drawing")]


def test_a_portrait_is_masked_and_the_guess_is_reported(server):
    server.forget()
    result = server.run(mask(portrait()))
    (shown,), report = result.images("drawing"), result.texts["mask"]
    assert shown.shape[:2] == (350, 350)
    assert 0.15 < shown.mean() / 255 < 0.35
    assert shown[195, 185, 0] == 255  # the nose
    assert not shown[:50].any()
    assert "1 mask of 350 x 350 px" in report
    assert "face 0: drawn by the mean shape" in report


def test_several_regions_are_one_mask(server):
    eyes, lips, both = (
        drawn(server, portrait(), **several(*chosen))[0]
        for chosen in (["eyes"], ["lips"], ["eyes", "lips"])
    )
    assert eyes.any()
    assert lips.any()
    assert np.array_equal(both, np.maximum(eyes, lips))
    assert np.array_equal(eyes, drawn(server, portrait(), region="eyes")[0])


def test_growing_feathering_and_blurring_do_what_they_say(server):
    (plain,) = drawn(server, portrait(), region="face")
    (grown,) = drawn(server, portrait(), region="face", **{"unit.grow": 0.1})
    pixels = {"unit": "pixels", "unit.grow": -10.0, "unit.feather": 0.0}
    (small,) = drawn(server, portrait(), region="face", **pixels)
    (soft,) = drawn(server, portrait(), region="face", **{"unit.feather": 0.1})
    (blurred,) = drawn(server, portrait(), region="face", blur=16.0)
    assert small.sum() < plain.sum() < grown.sum()
    assert (small <= plain).all()
    assert (soft <= plain).all()
    assert (blurred > 0).sum() > 1.2 * (plain > 0).sum()
    assert blurred.sum() == pytest.approx(plain.sum(), rel=0.02)


@pytest.mark.parametrize(("masks", "count"), [(EACH_PICTURE, 2), (EACH_FACE, 1)])
def test_pictures_without_a_face_give_empty_masks(server, masks, count):
    server.forget()
    result = server.run(mask(nobody(), masks=masks))
    shown = result.images("drawing")
    assert len(shown) == count
    assert not any(image.any() for image in shown)
    assert "no face" in result.texts["mask"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (several(), ["choose at least one"]),
        ({"add": "neck"}, ["add", "connect Parse Face"]),
        ({"subtract": "hair, hands"}, ["subtract", "'hands'", "background", "glasses"]),
        ({"add": "hare"}, ["add", "'hare'", "hair"]),
    ],
)
def test_what_cannot_be_masked_is_refused_with_the_cure(server, changes, words):
    refused(server, mask(portrait(), **changes), "mask", *words)


def test_what_a_parser_saw_is_taken_in_or_left_out(server):
    """By a real network of random weights: what it sees is chance, and the same each time."""
    pictures = portrait() | {
        "network": node("LikenessLoadFaceParser", parser="parsing_parsenet.pth"),
        "parse": node(
            "LikenessParseFace",
            image=["picture", 0],
            faces=["detect", 0],
            parser=["network", 0],
            classes=EVERY_CLASS,
        ),
    }
    parsing = {"parsing": ["parse", 0]}
    (plain,) = drawn(server, pictures)
    (same,) = drawn(server, pictures, subtract="", **parsing)
    (crop,) = drawn(server, pictures, add=EVERY_CLASS, subtract="", **parsing)
    (nothing,) = drawn(server, pictures, subtract=EVERY_CLASS, **parsing)
    assert np.array_equal(same, plain)
    assert (crop >= plain).all()
    assert crop.sum() > 1.5 * plain.sum()
    assert not nothing.any()


SHAPE = """([region, unit, on]) => {
  const node = LiteGraph.createNode('LikenessFaceMask')
  app.rootGraph.add(node)
  const set = (name, value) => { node.widgets.find(each => each.name === name).value = value }
  set('region', region)
  set('unit', unit)
  for (const name of on) set(`region.${name}`, true)
  set('unit.grow', 0.25)
}"""


def test_a_fresh_node_in_the_page_has_the_defaults(editor):
    editor.evaluate("() => app.rootGraph.add(LiteGraph.createNode('LikenessFaceMask'))")
    (fresh,) = editor.prompt().values()
    assert fresh["inputs"] == DEFAULTS


@pytest.mark.parametrize(
    ("region", "unit", "on"),
    [("several", "pixels", ["eyes", "lips"]), ("jaw", "share of the face", [])],
)
def test_what_is_chosen_in_the_page_survives_saving(editor, region, unit, on):
    editor.evaluate(SHAPE, [region, unit, on])
    (before,) = editor.prompt().values()
    wanted = several(*on) if on else {"region": region}
    assert before["inputs"] == DEFAULTS | wanted | {"unit": unit, "unit.grow": 0.25}
    editor.load(editor.save())
    (after,) = editor.prompt().values()
    assert after["inputs"] == before["inputs"]
