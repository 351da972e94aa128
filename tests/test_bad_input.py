"""Pictures, boxes and numbers as they should not be, in the real host.

Wanted is a result, or an error that names the node, the input and the cure; the batch keeps its
length, and the next prompt works.
"""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import graphs
import numpy as np
import pytest
import torch
from graphs import choose, expected_box, find, marked, node, places, put, refused, run
from pack.likeness import demo
from pack.likeness.client import PromptError
from standins import insightface_pack as standins

KNOWN = "known answer"
CROWD = [(x, y) for y in range(32, 512, 96) for x in range(32, 544, 64)]
NAN = float("nan")


@pytest.fixture(scope="module", autouse=True)
def known(server):
    """A pack in the host whose detector finds the markers that `marked` draws."""
    folder = server.base / "models/insightface/models" / KNOWN
    yield standins.write_pack(folder, known_answer=True)
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def lives_on(server):
    yield
    graphs.assert_works(server)


@pytest.fixture(scope="module")
def portrait():
    """One face, (1, 160, 160, 3)."""
    small = torch.nn.functional.interpolate(demo.read("cafe").movedim(-1, 1), (160, 160))
    return small.movedim(1, -1)


def test_no_face(server):
    for source in ("built in", KNOWN):
        grey = torch.full((1, 97, 160, 3), 0.5)
        seen = run(server, find(put(server, grey), source), 1)
        assert seen.report.startswith("no face")
        assert seen.boxes == [[]]
        assert np.all(seen.drawn[0] == 127)


def test_forty_faces(server):
    assert len(CROWD) == 40
    picture = marked(640, 640, *CROWD)[None]
    seen = run(server, find(put(server, picture), KNOWN), 1)
    assert seen.report.startswith("40 faces")
    expected = [expected_box(*marker, width=640) for marker in CROWD]
    assert sorted(places(seen.boxes[0]), key=str) == sorted(expected, key=str)


@pytest.mark.slow
def test_forty_portraits(server, portrait):
    small = torch.nn.functional.interpolate(portrait.movedim(-1, 1), (96, 96), mode="area")
    seen = run(server, find(put(server, small.movedim(1, -1).repeat(1, 5, 8, 1))), 1)
    cells = {(box["x"] // 96, box["y"] // 96) for box in seen.boxes[0]}
    assert len(cells) == len(seen.boxes[0]) > 30


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (3, 3)])
def test_tiny_pictures(server, size):
    for source in ("built in", KNOWN, "buffalo_l"):
        seen = run(server, find(put(server, torch.rand(2, *size, 3)), source), 2)
        assert seen.drawn[0].shape == (*size, 3)


def test_only_some_frames_have_faces(server):
    here, empty = marked(192, 320, (64, 64)), marked(192, 320)
    two = marked(192, 320, (32, 64), (128, 32))
    batch = torch.stack([empty, here, empty, two, empty])
    seen = run(server, find(put(server, batch), KNOWN), 5)
    assert seen.report.startswith("3 faces in 2 of 5 frames")
    assert [len(boxes) for boxes in seen.boxes] == [0, 1, 0, 2, 0]
    for frame in (0, 2, 4):
        assert not seen.drawn[frame].any()
    assert seen.drawn[1].any()
    chosen = run(server, choose(find(put(server, batch), KNOWN), indices="1"), 5)
    assert [len(boxes) for boxes in chosen.boxes] == [0, 0, 0, 1, 0]
    assert "frame 1: no face 1, it has 1" in chosen.result.texts["select"]


@pytest.mark.parametrize("source", ["built in", KNOWN])
def test_pixels_that_are_no_numbers(server, portrait, source):
    picture = portrait[0] if source == "built in" else marked(192, 320, (64, 64))
    batch = picture.repeat(3, 1, 1, 1)
    batch[1, :4, :5] = NAN
    batch[2] = NAN
    seen = run(server, find(put(server, batch), source), 3)
    assert [len(boxes) for boxes in seen.boxes] == [1, 1, 0]
    assert places(seen.boxes[0]) == places(seen.boxes[1])
    assert "frame 1: 60 values are not numbers and were taken as black" in seen.report


@pytest.mark.parametrize("source", ["built in", KNOWN])
def test_alpha_and_grey(server, portrait, source):
    rgb = portrait if source == "built in" else marked(192, 320, (64, 64))[None]
    rgba = torch.cat([rgb, torch.zeros_like(rgb[..., :1])], dim=-1)
    plain, alpha = (run(server, find(put(server, batch), source), 1) for batch in (rgb, rgba))
    assert places(plain.boxes[0]) == places(alpha.boxes[0]) != []
    assert np.array_equal(plain.drawn[0], alpha.drawn[0])
    grey = run(server, find(put(server, rgb.mean(-1, keepdim=True)), source), 1)
    assert len(grey.boxes[0]) == (source == "built in")  # the marker is told by its colours
    assert grey.drawn[0].shape == plain.drawn[0].shape


@pytest.mark.parametrize("channels", [2, 5])
def test_pictures_of_other_channels(server, channels):
    prompt = find(put(server, torch.rand(1, 40, 56, channels)))
    refused(server, prompt, "detect", "image", f"(1, 40, 56, {channels})", "1, 3 or 4 channels")


def test_many_frames(server):
    batch = torch.stack([marked(96, 160), marked(96, 160, (32, 16))]).repeat(32, 1, 1, 1)
    seen = run(server, find(put(server, batch), KNOWN, retry="nothing"), 64)
    assert [len(boxes) for boxes in seen.boxes] == [0, 1] * 32
    assert len(seen.report.splitlines()) < 50


def test_numbers_that_cannot_be_read(server):
    found = find(put(server, marked(192, 320)[None]), KNOWN)
    for indices in ("one", "-1", "3-1", "1.5", "0, x", "1--2", "99999", "[0]"):
        prompt = choose(found, indices=indices)
        refused(server, prompt, "select", "indices", repr(indices), "such as '0, 2' or '1-3'")


def test_numbers_out_of_range(server):
    batch = torch.stack([marked(192, 320, (32, 64), (128, 32)), marked(192, 320)])
    found = find(put(server, batch), KNOWN, retry="nothing")
    for indices, count in (("7", 0), ("1, 2", 1), ("0-9999", 2), (" ,; ", 2)):
        seen = run(server, choose(found, indices=indices), 2)
        assert [len(boxes) for boxes in seen.boxes] == [count, 0]
        told = seen.result.texts["select"]
        assert ("it has 2 to choose from" in told) == any(map(str.isdigit, indices))
        assert len(told) < 2000


def test_thresholds_at_the_ends(server, portrait):
    for threshold, least, most in ((0.05, 1, 40), (1.0, 0, 1)):
        seen = run(server, find(put(server, portrait), threshold=threshold, retry="nothing"), 1)
        assert least <= len(seen.boxes[0]) <= most
    for threshold in (0.04, 1.01, "much"):
        prompt = find(put(server, portrait), threshold=threshold)
        refused(server, prompt, "detect", "threshold", str(threshold))


def test_a_threshold_through_a_wire(server):
    """The host holds only what is typed in against the limits."""
    pictures = put(server, marked(192, 320, (64, 64))[None])
    for source in ("built in", KNOWN):
        prompt = find(pictures, source, threshold=["wire", 0])
        for value in (-1.0, 0.0, 7.0, NAN):
            prompt["wire"] = node("PrimitiveFloat", value=value)
            refused(server, prompt, "detect", "threshold", f"{value:g}", "0.5")


@pytest.mark.parametrize("values", [(0, 0, 0, 40), (0, 0, 40, 0), (0, 0, -40, 40)])
def test_boxes_without_a_size(server, values):
    prompt = boxed(server, 1, **wired(values))
    refused(server, prompt, "detect", "analyzer", "bounding box", "above 0")


@pytest.mark.parametrize(
    "values",
    [
        (5000, 5000, 300, 300),
        (-50, -50, 20, 20),
        (0, 0, 16384, 16384),
        (3, 3, 1, 1),
        (0, 0, 1, 160),
    ],
)
def test_boxes_outside_and_too_large(server, values):
    seen = run(server, boxed(server, 2, **wired(values)), 2)
    assert seen.report.startswith("2 faces in 2 of 2 frames")
    assert "frame 1: no eyes found" in seen.report
    [box] = seen.boxes[1]
    assert 0 <= box["x"] < box["x"] + box["width"] <= 320
    assert 0 <= box["y"] < box["y"] + box["height"] <= 192


def test_boxes_of_another_batch(server):
    three = torch.stack([marked(192, 320, (64, 64))] * 3)
    prompt = find(put(server, three), KNOWN) | {
        "fewer": node("ImageFromBatch", image=["picture", 0], batch_index=0, length=2),
        "again": node(
            "LikenessDetectFaces",
            image=["fewer", 0],
            analyzer=["boxes", 0],
            threshold=0.5,
            retry="nothing",
        ),
        "shown": node("LikenessDrawFaces", image=["fewer", 0], faces=["again", 0]),
    }
    words = ("analyzer", "bounding boxes", "3 frames", "the image has 2", "connect")
    refused(server, prompt, "again", *words)


def test_draw_faces_on_another_image(server):
    prompt = find(put(server, marked(192, 320, (64, 64))[None]), KNOWN)
    other = {"width": 320, "height": 192, "batch_size": 1, "color": 0}
    for change in ({"width": 160}, {"height": 96}, {"batch_size": 2}):
        prompt["other"] = node("EmptyImage", **(other | change))
        prompt["draw"]["inputs"]["image"] = ["other", 0]
        words = ("320 x 192 px", "the image has", "went into Detect Faces")
        refused(server, prompt, "draw", *words)


@pytest.mark.parametrize("value", ["picture", "text"])
def test_another_thing_in_the_analyzers_place(server, value):
    """The switch gives whatever comes in, so the host lets it pass."""
    prompt = find(put(server, marked(192, 320)[None]), analyzer=["switch", 0])
    prompt |= {
        "text": node("PrimitiveString", value="built in"),
        "switch": node("ComfySwitchNode", switch=True, on_true=[value, 0], on_false=[value, 0]),
    }
    refused(server, prompt, "detect", "analyzer", "Load Face Analyzer")


def test_a_wrong_socket_is_refused_by_name(server):
    prompt = find(put(server, marked(192, 320)[None]), analyzer=["picture", 0])
    refused(server, prompt, "detect", "analyzer", "IMAGE")
    prompt = find(put(server, marked(192, 320)[None]))
    prompt["draw"]["inputs"]["faces"] = ["load", 0]
    refused(server, prompt, "draw", "faces", "LIKENESS_ANALYZER")


def test_two_analyzers_in_one_graph(server, portrait):
    picture = marked(640, 640, (32, 32))
    picture[-160:, -160:] = portrait[0]
    prompt = find(put(server, picture[None]), KNOWN, retry="nothing")
    prompt |= {
        "second": node("LikenessLoadFaceAnalyzer", analyzer="buffalo_l"),
        "third": node("LikenessLoadFaceAnalyzer", analyzer="built in"),
    }
    for name in ("second", "third"):
        inputs = prompt["detect"]["inputs"] | {"analyzer": [name, 0]}
        prompt[f"by {name}"] = node("LikenessDetectFaces", **inputs)
        drawing = prompt["draw"]["inputs"] | {"faces": [f"by {name}", 0]}
        prompt[f"drawn {name}"] = node("LikenessDrawFaces", **drawing)
    texts = run(server, prompt, 1).result.texts
    assert "analyzer: built in" in texts["by third"]
    assert "analyzer: buffalo_l" in texts["by second"]
    assert "analyzer: known answer" in texts["detect"]
    assert "1 face" in texts["by third"]
    assert len({texts[name] for name in ("detect", "by second", "by third")}) == 3


def test_two_prompts_at_once(server, portrait):
    prompts = [find(put(server, portrait[:, :, shift:]), retry="nothing") for shift in range(4)]
    prompts[1] = choose(prompts[1], indices="none")
    with ThreadPoolExecutor(4) as people:
        ids = list(people.map(server.client.queue, prompts))
    with pytest.raises(PromptError, match="indices") as caught:
        server.client.wait(ids[1])
    assert caught.value.node_id == "select"
    for shift in (0, 2, 3):
        texts = graphs.Result(server.client.wait(ids[shift]), server.client).texts
        assert "1 face" in texts["detect"]


def wired(values) -> dict:
    """Values of a box as they come through wires, unchecked by the host."""
    return dict(zip(("x", "y", "width", "height"), values, strict=True))


def boxed(server, frames: int, **values: int) -> dict:
    """One box of core for all frames, instead of an analyzer."""
    batch = torch.stack([marked(192, 320, (64, 64)), *[marked(192, 320)] * (frames - 1)])
    prompt = find(put(server, batch), analyzer=["box", 0])
    prompt["box"] = node("PrimitiveBoundingBox", **{name: [name, 0] for name in values})
    return prompt | {name: node("PrimitiveInt", value=value) for name, value in values.items()}
