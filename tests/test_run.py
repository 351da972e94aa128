"""`python -m likeness run` against the real host: settings, pictures, results, errors."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import headless
import host
import numpy as np
import pytest
from graphs import node
from pack.likeness.client import ServerError
from pack.likeness.headless import results
from pack.likeness.headless.missing import aligned
from PIL import Image

FIND = "Find faces"
API = headless.ROOT / "workflows" / "api" / f"{FIND}.json"


@pytest.fixture
def run(server, tmp_path):
    """Run it in a folder of its own, on the server: run("WORKFLOW", "--set", ...)."""
    return lambda *arguments: headless.run(*arguments, "--server", server.url, folder=tmp_path)


@pytest.fixture
def graph(tmp_path):
    """Write a prompt to a file of one's own; its path."""

    def write(prompt: dict, name: str = "mine.json") -> Path:
        file = tmp_path / name
        file.write_text(json.dumps(prompt), "utf-8")
        return file

    return write


def blank(**nodes: dict) -> dict:
    """A small grey picture, saved."""
    return {
        "1": titled("Size", node("EmptyImage", width=24, height=16, batch_size=1, color=0x808080)),
        "2": titled("Keep", node("SaveImage", images=["1", 0], filename_prefix="run")),
    } | nodes


def titled(title: str, described: dict) -> dict:
    return described | {"_meta": {"title": title}}


def portrait() -> str:
    """What the node is called that shows a portrait, in the bundled workflow."""
    return json.loads(API.read_text("utf-8"))["1"]["_meta"]["title"]


def fails(done: headless.Done, *words: str) -> str:
    assert done.code == 1, done.err
    assert done.out == ""
    assert "Traceback" not in done.err, done.err
    missing = [word for word in words if word not in done.err]
    assert not missing, done.err
    return done.err


def test_a_bundled_workflow_runs_on_a_picture_of_ones_own(run, server, tmp_path):
    own = Image.effect_noise((96, 64), 80).convert("RGB")
    own.save(tmp_path / "me é.png")
    server.forget()  # what is cached is not counted anew
    done = run("find FACES", "--set", f"{portrait()}=me é.png", "--set", "Save Image=own/kept")
    assert done.code == 0, done.err
    picture, report = done.paths
    assert report == Path("output/Find faces/Find faces.report.json")
    with Image.open(tmp_path / picture) as shown:
        assert np.array_equal(np.asarray(shown.convert("RGB")), np.asarray(own))  # no face in it
    facts = json.loads((tmp_path / report).read_text("utf-8"))
    assert facts["status"] == "success"
    assert facts["workflow"] == FIND
    assert facts["server"] == server.url
    assert server.client.history(facts["prompt_id"])
    sent = facts["set"][f"{portrait()}.portrait"]
    assert sent.startswith("likeness/me é-")
    assert facts["set"]["Save Image.filename_prefix"] == "own/kept"
    saved = next(each for each in facts["outputs"] if each["class"] == "SaveImage")
    assert saved["files"] == [str(picture)]
    assert saved["title"] == "Save Image"
    detected = next(each for each in facts["outputs"] if each["class"] == "LikenessDetectFaces")
    assert "no face" in detected["text"]
    assert "[1/6]" in done.err
    assert "no face" in done.err
    assert not list(tmp_path.rglob("*.part"))


def test_nothing_is_written_over_and_cached_results_come_again(run, graph, tmp_path):
    file = graph(blank())
    first, second = run(file, "--out", "here"), run(file, "--out", "here")
    assert first.code == second.code == 0, second.err
    names = [path.name for path in (*first.paths, *second.paths)]
    assert len(set(names)) == 4
    assert names[1] == "mine.report.json"
    assert names[3] == "mine-2.report.json"
    assert {path.name for path in (tmp_path / "here").iterdir()} == set(names)


def test_a_name_of_the_servers_needs_no_file(run, tmp_path):
    (tmp_path / "cafe").write_text("a file of that name is not meant", "utf-8")
    done = run(FIND, "--set", f"{portrait().upper()}=cafe", "--list")
    assert f"{portrait()}[.portrait] = cafe " in done.out


def test_list_shows_every_setting_in_order_and_runs_nothing(run, server):
    before = server.client.queued()
    done = run("find", "--list", "--set", "Detect Faces.threshold=0.25")
    assert done.code == 0, done.err
    lines = done.out.splitlines()[1:]
    assert lines[0].startswith(f"  {portrait()}[.portrait] = ")
    assert "or a picture file" in lines[0]
    assert "  Detect Faces.threshold = 0.25  (number, 0.05 to 1.0)" in lines
    assert all(f"= {name}" not in line for name in ("['", '["') for line in lines)
    prompt = json.loads(API.read_text("utf-8"))
    values = [
        name
        for each in prompt.values()
        for name, value in each["inputs"].items()
        if not isinstance(value, list)
    ]
    shown = [line.partition(" = ")[0].rpartition(".")[2].rstrip("]") for line in lines]
    assert shown == values
    assert server.client.queued() == before


def test_previews_come_where_nothing_was_saved_or_all_is_wanted(run, graph, tmp_path):
    shown = titled("Look", node("PreviewImage", images=["1", 0]))
    only = {"1": blank()["1"], "3": shown}
    assert len(run(graph(only)).paths) == 2
    assert len(run(graph(blank(**{"3": shown}))).paths) == 2
    done = run(graph(blank(**{"3": shown})), "--all", "--out", "all")
    assert len(done.paths) == 3, done.err
    files = [
        each["files"] for each in json.loads((tmp_path / done.paths[-1]).read_text())["outputs"]
    ]
    assert sorted(map(len, files)) == [1, 1]


def test_a_graph_as_the_page_saves_it_runs(run):
    done = run(headless.ROOT / "workflows" / f"{FIND}.json", "--set", f"{portrait()}=garden")
    assert done.code == 0, done.err
    assert len(done.paths) == 2


def test_texts_from_a_file_and_with_lines_and_choices_with_what_they_bring(run, graph, tmp_path):
    (tmp_path / "words.txt").write_text("one\nzwei ü\n", "utf-8")
    text = node("PrimitiveStringMultiline", value="x")
    prompt = {
        "1": titled("File", text),
        "2": titled("Lines", copy.deepcopy(text)),
        "3": titled("At", copy.deepcopy(text)),
        "5": titled("Crop", node("LikenessCropForInpaint", target="as it is")),
        **{f"s{n}": node("PreviewAny", source=[str(n), 0]) for n in (1, 2, 3)},
    }
    prompt["5"]["inputs"]["target.multiple"] = "8"
    sets = ("file=@words.txt", "Lines=a\\nb", "3.value=@@home", "Crop.target=fixed size")
    options = [part for each in sets for part in ("--set", each)]
    listed = run(graph(prompt), *options, "--set", "Crop.target.width=768", "--list")
    assert "File[.value] = one\\nzwei ü " in listed.out, listed.err
    assert "Lines[.value] = a\\nb " in listed.out
    assert "At[.value] = @home " in listed.out
    assert "Crop.target.width = 768 " in listed.out
    assert "Crop.target.height = 1024 " in listed.out
    assert "target.multiple" not in listed.out
    del prompt["5"]
    done = run(graph(prompt), *options[:6])
    assert done.code == 0, done.err
    texts = json.loads((tmp_path / done.paths[-1]).read_text("utf-8"))["outputs"]
    assert {each["text"] for each in texts} == {"one\nzwei ü", "a\nb", "@home"}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("Size.width=tall", ("Size.width is a whole number", "'tall'")),
        ("Size.width=0", ("Size.width goes from 1 to", "0 is beyond")),
        ("Size=5", ("several settings", "Size.width", "Size.color")),
        ("Size.widht=5", ("no setting 'Size.widht'", "Near to it: Size.width")),
        ("Keep.images=5", ("comes from the node 'Size'",)),
        ("Size.width", ("NAME=VALUE",)),
        ("Keep=@none.txt", ("none.txt cannot be read",)),
        ("Way.upscale_method=bicubik", ("cannot be 'bicubik'", "'bicubic'")),
        ("Photo=me.png", ("no file 'me.png'", "Photo.image")),
    ],
)
def test_a_setting_that_cannot_be_is_told_with_what_can(wanted, words, run, graph):
    scale = node(
        "ImageScale", image=["1", 0], upscale_method="area", width=8, height=8, crop="disabled"
    )
    photo = titled("Photo", node("LoadImage", image="none.png"))
    fails(run(graph(blank(**{"3": titled("Way", scale), "4": photo})), "--set", wanted), *words)


def test_a_title_alone_means_what_it_names_or_begins_with(run):
    wanted = ("Second strength=0.2", "Second pass paints=face and forehead", "Picture=studio")
    sets = [word for each in wanted for word in ("--set", each)]
    listed = run("V2 inpaint and img2img", *sets, "--list")
    assert listed.code == 0, listed.err
    assert "  Second strength[.strength] = 0.2 " in listed.out
    assert "  Second pass paints[.region] = face and forehead " in listed.out
    assert "  Mask[.region] = face and forehead " in listed.out
    assert "  Picture[.portrait] = studio " in listed.out
    assert "compare_view" not in listed.out


def test_one_title_on_two_nodes_is_told_apart_by_the_number(run, graph):
    twins = blank(**{"3": titled("Size", node("EmptyImage", width=8, height=8))})
    told = fails(run(graph(twins), "--set", "size.width=9"), "1.width", "3.width")
    assert "several" in told
    listed = run(graph(twins), "--set", "3.width=9", "--list").out
    assert "  3.width of Size = 9 " in listed
    assert "  1.width of Size = 24 " in listed


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Find fases", ("no bundled workflow", "Did you mean 'Find faces'?", "\n  Swap a face")),
        ("Swap", ("may be", "'Swap a face'", "'Swap, restore and compare'")),
        ("nowhere/x.json", ("there is no file", "x.json")),
    ],
)
def test_an_unknown_workflow_is_told_with_those_there_are(name, words, run):
    fails(run(name), *words)


@pytest.mark.parametrize("text", ["{", "[]", '{"1": {}}', '{"1": 2}', "{}"])
def test_a_file_that_is_no_workflow_is_told(text, run, tmp_path):
    (tmp_path / "no.json").write_text(text, "utf-8")
    fails(run("no.json"), "no.json", "no workflow" if text != "{" else "not JSON")


def test_no_server_is_told_with_the_way_to_one(tmp_path):
    nobody = f"http://127.0.0.1:{host.free_port()}"
    done = headless.run(FIND, "--server", nobody, folder=tmp_path)
    fails(done, nobody, "python main.py", "python install.py host")
    fails(headless.run(FIND, "--server", "127.0.0.1", folder=tmp_path), "such as http://127.0.0.1")


def test_a_refused_prompt_names_the_node_by_its_title(run, graph):
    prompt = blank()
    prompt["1"]["inputs"]["width"] = 0
    fails(run(graph(prompt)), "Size: ", "node 1 (EmptyImage)", "width")


def test_a_node_that_fails_is_told_by_title_number_class_and_its_own_words(run, graph, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"this is no picture")
    prompt = blank(**{"1": titled("Photo", node("LoadImage", image="x.png"))})
    done = run(graph(prompt), "--set", "Photo=broken.png", "--out", "here")
    fails(done, "Photo: Node 1 (LoadImage) failed", "cannot identify")
    (report,) = (tmp_path / "here").iterdir()
    facts = json.loads(report.read_text("utf-8"))
    assert facts["status"] == "failed"
    assert "cannot identify" in facts["error"]


def test_a_missing_model_file_is_told_with_the_command_that_fetches_it(run, graph):
    load = titled("Net", node("ControlNetLoader", control_net_name="x.safetensors"))
    prompt = blank(**{"3": load, "4": titled("A", node("PreviewAny", source=["3", 0]))})
    another = 'Another one: --set "Net.control_net_name=FILE" with one of control_v11f1p_sd15_depth'
    fails(run(graph(prompt)), "control_net_name is x.safetensors", "has no such file", another)
    known = "control_v11p_sd15_softedge_fp16.safetensors"
    load["inputs"]["control_net_name"] = f"elsewhere/{known}"
    told = fails(run(graph(prompt)), f"control_net_name is elsewhere/{known}")
    assert f"python install.py models {known}" in told


def test_a_missing_embedding_is_refused_before_anything_runs(run, graph, server):
    text = "embedding:no_such_thing, (embedding:ng_deepnegative_v1_75t_x:1.2) and rain"
    prompt = blank(**{"3": titled("Never", node("PrimitiveStringMultiline", value=text))})
    prompt["4"] = node("PreviewAny", source=["3", 0])
    server.idle()
    told = fails(run(graph(prompt)), "Never (node 3): value names embedding:no_such_thing")
    assert "embedding:ng_deepnegative_v1_75t_x." in told
    assert "Near to it on the server: ng_deepnegative_v1_75t." in told
    assert not any(server.client.queued().values())


def test_folders_of_models_may_be_parted_either_way():
    described = {"input": {"required": {"lora_name": [["a/b.safetensors", "c.safetensors"], {}]}}}
    prompt = {"1": node("L", lora_name="a\\b.safetensors"), "2": node("L", lora_name="a\\c")}
    aligned(prompt, {"L": described})
    assert prompt["1"]["inputs"]["lora_name"] == "a/b.safetensors"
    assert prompt["2"]["inputs"]["lora_name"] == "a\\c"


def test_a_picture_that_was_removed_on_the_server_is_told(run, graph, server):
    prompt = blank()
    prompt["1"]["inputs"]["color"] = 0x123456
    done = run(graph(prompt))
    assert done.code == 0, done.err
    for file in (server.base / "output").glob("run_*.png"):
        file.unlink()
    fails(run(graph(prompt)), "does not hand it out", "404")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("a.png", "a.png"),
        ("../../a.png", "a.png"),
        ("..\\..\\a.png", "a.png"),
        ("/etc/passwd", "passwd"),
        ("C:\\x\\a.png", "a.png"),
        ("a\x00b\n?.png", "a_b__.png"),
        ("..", "_"),
        ("", "_"),
        (".bashrc", "bashrc"),
        ("con.png", "_con.png"),
        ("a" * 300 + ".png", "a" * 146 + ".png"),
    ],
)
def test_names_of_a_server_stay_in_the_folder(name, plain, tmp_path):
    assert results.safe(name) == plain
    path = results.put(tmp_path / "in", results.safe(name), b"x")
    assert path.parent == tmp_path / "in"
    assert results.put(tmp_path / "in", results.safe(name), b"y") != path
    assert path.read_bytes() == b"x"


def test_every_kind_of_file_is_fetched_and_no_other_list():
    outputs = {
        "1": {"images": [{"filename": "a.png", "subfolder": "s", "type": "output"}]},
        "2": {"gifs": [{"filename": "b.mp4", "type": "output", "format": "video/h264"}]},
        "3": {"text": ["x"], "audio": [{"filename": "c.flac"}], "animated": [True], "n": 3},
        "4": {"images": [{"filename": "t.png", "type": "temp"}]},
    }
    names = [each.place["filename"] for each in results.left({"outputs": outputs}, False)]
    assert names == ["a.png", "b.mp4", "c.flac"]
    assert len(results.left({"outputs": outputs}, True)) == 4


def test_a_file_that_cannot_be_fetched_leaves_nothing(server, tmp_path):
    place = {"filename": "none.png", "subfolder": "", "type": "output"}
    with pytest.raises(ServerError, match=r"lists none\.png"):
        results.fetch(server.client, [results.Left("1", place)], tmp_path)
    assert list(tmp_path.iterdir()) == []
