"""The Swap Folder node in the real host: what it offers, what it gives, and when it runs again."""

from __future__ import annotations

import json

import numpy as np
import pytest
from graphs import node
from pack.likeness.client import PromptError
from picture_folders import fill, portrait, run, swap_folder_prompt, tree

LIMIT = 300.0  # seconds, on a machine that does much else


def shown(prompt: dict) -> dict:
    """With nodes that show the outputs."""
    return prompt | {
        "sheet": node("PreviewImage", images=["swap", 0]),
        "count": node("PreviewAny", source=["swap", 1]),
        "told": node("PreviewAny", source=["swap", 2]),
    }


def offered(server) -> list[str]:
    info = server.client.object_info("LikenessSwapFolder")["LikenessSwapFolder"]
    sort, settings = info["input"]["required"]["folder"]
    return sort if isinstance(sort, list) else settings["options"]


def cached(result) -> list[str]:
    """The nodes that the host did not run again."""
    told = dict(result.entry["status"]["messages"])
    return told["execution_cached"]["nodes"]


def test_the_demo_portraits_become_a_data_set(server):
    assert offered(server)[0] == "demo portraits"
    result = server.run(
        shown(swap_folder_prompt(server, "demo portraits", name="sets/demo")), LIMIT
    )
    target = server.base / "output" / "sets" / "demo"
    made = tree(target)
    accepted = [name for name in made if name.startswith("accepted/") and name.endswith(".png")]
    assert len(accepted) == int(result.texts["count"]) == 5
    assert "5 of 5 files accepted" in result.texts["told"] == result.texts["swap"]
    (sheet,), (on_node,) = result.images("sheet"), result.images("swap")
    assert np.array_equal(sheet, on_node)
    assert sheet.std() > 20
    assert "output/sets/demo/accepted" in offered(server)


@pytest.mark.slow
def test_it_runs_again_for_a_new_picture_and_for_lost_results_and_not_otherwise(server):
    source = fill(server.base / "input" / "again", "cafe")
    target = server.base / "output" / "again"
    prompt = swap_folder_prompt(server, "input/again", name="again")
    assert "1 of 1" in server.run(prompt, LIMIT).texts["swap"]
    server.run(prompt, LIMIT)  # has seen the results
    assert "swap" in cached(server.run(prompt, LIMIT))
    portrait("snow").save(source / "snow.png")
    assert "2 of 2" in server.run(prompt, LIMIT).texts["swap"]
    before = tree(target)
    for lost in ("accepted/snow.png", "report.json"):
        (target / lost).unlink()
        server.run(prompt, LIMIT)
        assert tree(target) == before


def test_other_settings_are_refused_until_it_is_told_to_start_anew(server):
    fill(server.base / "input" / "anew", "cafe")
    target = server.base / "output" / "anew"
    server.run(swap_folder_prompt(server, "input/anew", name="anew"), LIMIT)
    before = tree(target)
    changed = swap_folder_prompt(server, "input/anew", name="anew", strength=0.5, colour=0.0)
    error = server.fails(changed)
    assert "strength was 1.0, is 0.5" in str(error)
    assert "start anew" in str(error)
    assert tree(target) == before
    changed["swap"]["inputs"]["resume"] = "start anew"
    server.run(changed, LIMIT)
    assert tree(target).keys() == before.keys()
    settings = json.loads((target / "report.json").read_text("utf-8"))["settings"]
    assert (settings["strength"], settings["limits colour"]) == (0.5, None)


@pytest.mark.slow
def test_cancel_stops_between_pictures_and_the_next_run_goes_on(server):
    source = fill(server.base / "input" / "many")
    for number in range(20):
        portrait("cafe").save(source / f"copy {number:02}.png")
    target = server.base / "output" / "many"
    prompt = swap_folder_prompt(server, "input/many", name="many")
    prompt_id = server.client.queue(prompt)
    server.until(lambda: list(target.glob("accepted/*.png")))
    server.client.cancel(prompt_id)
    with pytest.raises(PromptError, match=r"LikenessSwapFolder\) was cancelled"):
        server.client.wait(prompt_id)
    finished = len(list(target.glob("*/*.png")))
    assert 0 < finished < 25
    assert not (target / "report.json").exists()
    for path in source.glob("copy*"):
        path.unlink()
    server.run(prompt, LIMIT)
    assert (target / "report.json").exists()


@pytest.mark.slow
def test_the_command_line_does_the_same_as_the_node(server, tmp_path):
    source = fill(server.base / "input" / "same", "cafe", "snow")
    server.run(swap_folder_prompt(server, "input/same", name="same"), LIMIT)
    portrait("harbour", 400).save(tmp_path / "harbour.png")
    done = run(source, tmp_path / "out", "--person", tmp_path / "harbour.png")
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path / "out") == tree(server.base / "output" / "same")
    assert "Traceback" not in done.stderr


def test_parsed_needs_a_parser_and_uses_it(server):
    fill(server.base / "input" / "parsed", "cafe")
    prompt = swap_folder_prompt(server, "input/parsed", name="parsed", covers="parsed")
    assert "Load Face Parser" in str(server.fails(prompt))
    prompt["parser"] = node("LikenessLoadFaceParser", parser="parsing_parsenet.pth")
    prompt["swap"]["inputs"]["parser"] = ["parser", 0]
    told = server.run(prompt, LIMIT).texts["swap"]
    assert "1 file" in told
