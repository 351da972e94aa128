"""Load Tagger, Tag Images and Add Embeddings in the real host."""

from __future__ import annotations

import graphs
import pytest
import torch
from graphs import node, put, refused
from standins import taggers as standins

NETWORK = "likeness_portrait.onnx"
ABSENT = "wd-swinv2-tagger-v3.onnx"
SETTINGS = {
    "threshold": 0.35,
    "character_threshold": 0.85,
    "exclude": "",
    "order": "surest first",
    "characters": "taken in",
    "parentheses": "escaped",
}


@pytest.fixture
def folder(server):
    """With two more pairs of files in it, which go away afterwards."""
    folder = server.base / "models" / "wd14_tagger"
    standins.write_tagger(folder, "likeness_portrait")
    standins.write_fixed(folder, "other", [("smile", 0.5), ("hat", 0.5)])
    yield folder
    for stem in ("likeness_portrait", "other"):
        for ending in (".onnx", ".csv"):
            (folder / f"{stem}{ending}").unlink()


@pytest.fixture
def embeddings(server):
    """The folder; what a test puts there goes away again."""
    folder = server.base / "models" / "embeddings"
    (folder / "people").mkdir(parents=True, exist_ok=True)
    yield folder
    for file in folder.rglob("likeness_*"):
        file.unlink()
    (folder / "people").rmdir()


def tagging(server, images: torch.Tensor, tagger: str = NETWORK, **changes: object) -> dict:
    settings = SETTINGS | {"image": ["picture", 0], "tagger": ["load", 0]} | changes
    return put(server, images) | {
        "load": node("LikenessLoadTagger", tagger=tagger),
        "tag": node("LikenessTagImages", **settings),
        "joined": node("StringConcatenate", string_a="photo", string_b=["tag", 0], delimiter=", "),
        "shown": node("PreviewAny", source=["joined", 0]),
    }


def writing(prompt: str, embeddings: str, missing: str = "stop") -> dict:
    return {
        "add": node("LikenessAddEmbeddings", prompt=prompt, embeddings=embeddings, missing=missing),
        "shown": node("PreviewAny", source=["add", 0]),
    }


def test_only_networks_are_offered(server, folder):
    known = server.client.object_info("LikenessLoadTagger")["LikenessLoadTagger"]
    (options,) = [each for each in known["input"]["required"]["tagger"] if "options" in each]
    assert options["options"][0] == "wd-vit-tagger-v3.onnx"  # of the table, and there
    assert {ABSENT, NETWORK, "other.onnx"} < set(options["options"])
    assert not [name for name in options["options"] if not name.endswith(".onnx")]


def test_a_batch_becomes_a_list_of_texts(server, folder):
    server.forget()
    result = server.run(tagging(server, torch.rand(3, 40, 60, 3), exclude="*_hair, 1girl"))
    load = result.texts["load"]
    assert load.startswith(f"{NETWORK}: 448 px, 24 tags")
    assert "runs on CPUExecutionProvider" in load
    report = result.texts["tag"].splitlines()
    assert report[0] == f"3 pictures tagged by {NETWORK}"
    assert [line.partition(":")[0] for line in report[1:]] == ["0", "1", "2"]
    assert "3 left out, rating general 0.94: solo 0.97" in report[1]
    shown = result.entry["outputs"]["shown"]["text"]
    assert len(shown) == 3  # what follows runs for each text of the list
    assert set(shown) == {
        "photo, solo, realistic, looking at viewer, smile, upper body, portrait, outdoors, "
        "blurry background, shirt, lips, brown eyes, nose"
    }


def test_files_that_do_not_belong_together(server, folder):
    standins.write_list(folder / "other.csv", [("smile", 0)])
    words = ("tagger", "other.onnx gives 6 numbers", "other.csv has 1 tags", "models other.csv")
    prompt = tagging(server, torch.zeros(1, 8, 8, 3), "other.onnx")
    refused(server, prompt, "load", *words)
    rows = [*((name, 9) for name, _ in standins.RATINGS), ("smile", 0), ("hat", 0)]
    standins.write_list(folder / "other.csv", rows)
    result = server.run(prompt)  # the list was replaced, and that is seen
    assert result.entry["outputs"]["shown"]["text"] == ["photo, smile, hat"]


def test_a_network_that_is_not_there(server, folder):
    prompt = tagging(server, torch.zeros(1, 8, 8, 3), ABSENT)
    refused(server, prompt, "load", "tagger", f"install.py models {ABSENT}", "Apache-2.0")
    graphs.assert_works(server)


def test_another_network_in_its_place(server, folder):
    prompt = tagging(server, torch.zeros(1, 8, 8, 3))
    prompt["tag"]["inputs"]["tagger"] = ["analyzer", 0]
    prompt["analyzer"] = node("LikenessLoadFaceAnalyzer", analyzer="built in")
    refused(server, prompt, "tag", "tagger", "LIKENESS_ANALYZER")


def test_embeddings_before_a_prompt(server, embeddings):
    prompt = writing("blurry", "likeness_one:0.8, likeness_two")
    refused(server, prompt, "add", "likeness_one is not in", str(embeddings), "save the file there")
    for name in ("likeness_one.pt", "people/likeness_two.safetensors"):
        (embeddings / name).write_bytes(b"0")
    result = server.run(prompt)  # the files were added, and that is seen
    text = "(embedding:likeness_one:0.8), embedding:people/likeness_two, blurry"
    assert result.entry["outputs"]["shown"]["text"] == [text]
    assert result.texts["add"] == ("2 embeddings written: likeness_one at 0.8, people/likeness_two")
    left = writing("blurry", "likeness_three, likeness_one", "leave out")
    result = server.run(left)
    assert result.entry["outputs"]["shown"]["text"] == ["embedding:likeness_one, blurry"]
    assert "left out: likeness_three is not in" in result.texts["add"]
    (embeddings / "likeness_three.bin").write_bytes(b"0")
    text = "embedding:likeness_three, embedding:likeness_one, blurry"
    assert server.run(left).entry["outputs"]["shown"]["text"] == [text]


def test_a_weight_that_is_none(server):
    prompt = writing("blurry", "badhandv4:much")
    refused(server, prompt, "add", "embeddings: 'badhandv4:much'", "badhandv4:0.8")
