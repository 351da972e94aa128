"""Load Face Parser and Parse Face in the real host."""

from __future__ import annotations

import graphs
import torch
from graphs import node, put, refused
from pack.likeness.parse import FILES, FaceClass

PARSENET, BISENET = FILES


def pictures(frames: int = 1) -> torch.Tensor:
    """With two stand-in faces each."""
    side = graphs.marker_size(320)
    picture = graphs.marked(192, 320, (4 * side, 4 * side), (12 * side, 6 * side))
    return torch.stack([picture] * frames)


def parsed(server, images, classes: str = "skin, hair", parser: str = PARSENET) -> dict:
    wires = {"image": ["picture", 0], "faces": ["detect", 0], "parser": ["parser", 0]}
    return graphs.find(put(server, images), "buffalo_l") | {
        "parser": node("LikenessLoadFaceParser", parser=parser),
        "parse": node("LikenessParseFace", classes=classes, **wires),
        "shown": node("MaskToImage", mask=["parse", 1]),
        "save": node("PreviewImage", images=["shown", 0]),
    }


def test_in_the_host(server):
    every = ", ".join(name.value for name in FaceClass)
    server.forget()
    result = server.run(parsed(server, pictures(2), every.upper()))
    assert result.texts["parser"] == "parsing_parsenet.pth: ParseNet"
    assert result.texts["parse"].startswith("4 faces parsed")
    masks = result.images("save")
    assert [mask.shape for mask in masks] == [(192, 320, 3)] * 2
    assert max(mask.max() for mask in masks) == 255
    empty = server.run(parsed(server, pictures(2), ""))
    assert max(mask.max() for mask in empty.images("save")) == 0


def test_a_name_that_is_none(server):
    prompt = parsed(server, pictures(), "skin, beard")
    refused(server, prompt, "parse", "classes", "'beard'", "hair")
    graphs.assert_works(server)


def test_a_file_that_is_not_there(server):
    """BiSeNet's is offered, so that a workflow with it stays valid, and says how to get it."""
    words = (BISENET, "models/facedetection", f"python install.py models {BISENET}")
    refused(server, parsed(server, pictures(), parser=BISENET), "parser", *words)
    graphs.assert_works(server)


def test_pictures_without_a_face_in_the_host(server):
    result = server.run(parsed(server, torch.zeros(2, 200, 320, 3)))
    assert "0 faces parsed" in result.texts["parse"]
    assert [mask.max() for mask in result.images("save")] == [0, 0]
