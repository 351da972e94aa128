"""The main path, end to end in the real host."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path

import numpy as np
import pytest
from graphs import node
from pack.likeness.client import PromptError
from pack.likeness.demo import PORTRAITS

ROOT = Path(__file__).resolve().parent.parent
FIND_FACES = json.loads((ROOT / "workflows" / "api" / "Find faces.json").read_text("utf-8"))
DEMO, LOAD, DETECT, SELECT, DRAW, SAVE = "1", "2", "3", "4", "5", "6"
LINE = 4  # pixels, more than core's lines are wide


def find_faces(portrait: str = "cafe") -> dict:
    prompt = copy.deepcopy(FIND_FACES)
    prompt[DEMO]["inputs"]["portrait"] = portrait
    return prompt


@pytest.mark.parametrize("portrait", PORTRAITS)
def test_find_faces_shows_the_face_of_every_demo_portrait(server, portrait):
    prompt = find_faces(portrait)
    prompt["plain"] = node("SaveImage", images=[DEMO, 0], filename_prefix="plain")
    result = server.run(prompt)
    assert "1 face" in result.texts[DETECT]
    (plain,), (drawn,), (saved,) = (result.images(name) for name in ("plain", DRAW, SAVE))
    assert drawn.shape == plain.shape
    assert np.array_equal(drawn, saved)
    changed = np.any(drawn != plain, axis=-1).mean()
    assert 0 < changed < 0.2


def test_every_node_leaves_its_report_in_the_history(server):
    server.forget()  # a node whose output is cached leaves nothing
    texts = server.run(find_faces()).texts
    assert set(texts) >= {DEMO, LOAD, DETECT, SELECT, DRAW}
    assert "built in" in texts[LOAD]


def test_cores_draw_bboxes_takes_the_boxes(server):
    prompt = find_faces() | {
        "boxes": node("LikenessFacesToBoxes", faces=[SELECT, 0]),
        "draw": node("DrawBBoxes", image=[DEMO, 0], bboxes=["boxes", 0]),
        "plain": node("PreviewImage", images=[DEMO, 0]),
        "drawn": node("PreviewImage", images=["draw", 0]),
        "told": node("PreviewAny", source=["boxes", 0]),
    }
    result = server.run(prompt)
    (plain,), (drawn,) = result.images("plain"), result.images("drawn")
    ((box,),) = json.loads(result.texts["told"])
    rows, columns = np.nonzero((drawn != plain).any(-1))
    edges = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
    seen = (columns.min(), rows.min(), columns.max(), rows.max())
    assert np.abs(np.subtract(edges, seen)).max() <= LINE


def test_cores_crop_image_takes_the_first_box(server):
    prompt = find_faces() | {
        "boxes": node("LikenessFacesToBoxes", faces=[SELECT, 0]),
        "crop": node("ImageCropV2", image=[DEMO, 0], crop_region=["boxes", 1]),
        "plain": node("SaveImage", images=[DEMO, 0], filename_prefix="plain"),
        "cropped": node("SaveImage", images=["crop", 0], filename_prefix="cropped"),
        "box": node("PreviewAny", source=["boxes", 1]),
    }
    result = server.run(prompt)
    (plain,), (cropped,) = result.images("plain"), result.images("cropped")
    box = json.loads(result.texts["box"])
    x, y, width, height = (box[name] for name in ("x", "y", "width", "height"))
    assert cropped.shape == (height, width, 3)
    assert np.array_equal(cropped, plain[y : y + height, x : x + width])


def test_without_a_face_crop_image_gets_the_whole_picture(server):
    prompt = find_faces() | {
        DEMO: node("EmptyImage", width=160, height=97, batch_size=1, color=0x808080),
        "boxes": node("LikenessFacesToBoxes", faces=[SELECT, 0]),
        "crop": node("ImageCropV2", image=[DEMO, 0], crop_region=["boxes", 1]),
        "cropped": node("PreviewImage", images=["crop", 0]),
    }
    (cropped,) = server.run(prompt).images("cropped")
    assert cropped.shape == (97, 160, 3)


def test_boxes_of_core_can_take_the_detectors_place(server):
    prompt = find_faces() | {
        "boxes": node("LikenessFacesToBoxes", faces=[SELECT, 0]),
        "again": node(
            "LikenessDetectFaces",
            image=[DEMO, 0],
            analyzer=["boxes", 0],
            threshold=0.5,
            retry=FIND_FACES[DETECT]["inputs"]["retry"],
        ),
        "shown": node("LikenessDrawFaces", image=[DEMO, 0], faces=["again", 0]),
    }
    assert "1 face" in server.run(prompt).texts["again"]


def test_the_stand_in_pack_runs_in_the_host(server):
    prompt = find_faces()
    prompt[LOAD]["inputs"]["analyzer"] = "buffalo_l"
    server.forget()
    report = server.run(prompt).texts[LOAD]
    for part in ("detection", "landmarks", "identity", "sex and age"):
        assert part in report


def test_a_batch_keeps_its_length(server):
    prompt = find_faces() | {
        "grey": node("EmptyImage", width=1024, height=1024, batch_size=2, color=0x808080),
        "batch": node("ImageBatch", image1=[DEMO, 0], image2=["grey", 0]),
    }
    prompt[DETECT]["inputs"]["image"] = ["batch", 0]
    prompt[DRAW]["inputs"]["image"] = ["batch", 0]
    result = server.run(prompt)
    assert len(result.images(DRAW)) == 3


def test_cancel_stops_within_a_frame_and_the_next_prompt_works(server):
    prompt = find_faces() | {"many": node("RepeatImageBatch", image=[DEMO, 0], amount=200)}
    prompt[DETECT]["inputs"]["image"] = ["many", 0]
    prompt[DRAW]["inputs"]["image"] = ["many", 0]
    prompt_id = server.client.queue(prompt)
    server.until(lambda: "got prompt" in server.recent())
    time.sleep(2)  # well into the frames
    start = time.monotonic()
    server.client.cancel(prompt_id)
    with pytest.raises(PromptError, match=r"Node 3 \(LikenessDetectFaces\) was cancelled"):
        server.client.wait(prompt_id)
    assert time.monotonic() - start < 2.5
    assert server.run(find_faces()).images(DRAW)


def test_a_wrong_value_is_refused_with_the_node_and_the_input(server):
    prompt = find_faces()
    prompt[DETECT]["inputs"]["threshold"] = 7.0
    error = server.fails(prompt)
    assert (error.node_id, error.class_type) == (DETECT, "LikenessDetectFaces")
    assert "threshold" in str(error)
