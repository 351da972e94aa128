"""Load Describer, Describe Images and Clean Caption in the real host."""

from __future__ import annotations

import shutil

import graphs
import pytest
import torch
from graphs import node, put, refused
from pack.likeness.describing.describe import describe
from pack.likeness.describing.folder import load
from pack.likeness.describing.known import KNOWN
from pack.likeness.describing.questions import QUESTIONS, SENTENCE, read
from standins.describers import write_blip, write_vilt

pytestmark = pytest.mark.slow

WRITERS = {"a blip é": write_blip, "a vilt": write_vilt}


@pytest.fixture(scope="module")
def folder(server):
    """The host's folder of describers, with two in it."""
    folder = server.base / "models/vqa"
    for name, write in WRITERS.items():
        write(folder / name)
    yield folder
    for name in WRITERS:
        shutil.rmtree(folder / name)


def described(pictures: dict, name: str, **changes: object) -> dict:
    asked = {"questions": QUESTIONS, "sentence": SENTENCE} | changes
    wires = {"image": ["picture", 0], "describer": ["load", 0]}
    return pictures | {
        "load": node("LikenessLoadDescriber", describer=name),
        "describe": node("LikenessDescribeImages", **wires, **asked),
        "clean": cleaning(["describe", 0], trigger="ohwx"),
        "told": node("PreviewAny", source=["clean", 0]),
    }


def cleaning(caption: object, **changes: object) -> dict:
    rules = "1girl\n*eye* !*eyewear*"
    wanted = {"caption": caption, "trigger": "", "add": "", "remove": rules}
    return node("LikenessCleanCaption", **(wanted | changes))


def cleaned(caption: str, **changes: object) -> dict:
    return {
        "text": node("PrimitiveString", value=caption),
        "clean": cleaning(["text", 0], **changes),
        "told": node("PreviewAny", source=["clean", 0]),
    }


@pytest.mark.parametrize("name", WRITERS)
def test_each_picture_of_a_batch_has_its_caption(server, folder, name):
    """The same as in the library, and each is cleaned on its own."""
    images = torch.linspace(0, 1, 3)[:, None, None, None] * torch.rand(3, 40, 60, 3)
    images = (images * 255).round() / 255
    server.forget()
    result = server.run(described(put(server, images), name))
    found = describe(images, read(QUESTIONS), SENTENCE, load(folder / name))
    report = result.texts["describe"]
    assert report.startswith(f"3 pictures described by {name}")
    for number, one in enumerate(found):
        assert f"\n{number}: {one.sentence}" in report
    assert ("BLIP" if "blip" in name else "ViLT") in result.texts["load"]
    told = result.texts["clean"]
    assert told.count("+ ohwx") == len(found)


def test_a_describer_that_is_not_there_says_how_to_get_it(server, folder):
    picture = put(server, torch.rand(1, 40, 40, 3))
    for name, source in KNOWN.items():
        aside = folder / f"{name}.aside"
        if there := (folder / name).exists():
            (folder / name).rename(aside)
        try:
            command = f"hf download {source.repository} --local-dir"
            words = (str(folder / name), command, source.licence)
            refused(server, described(picture, name), "load", *words)
            (folder / name).mkdir()
            refused(server, described(picture, name), "load", command, "has no config.json")
            (folder / name).rmdir()
        finally:
            if there:
                aside.rename(folder / name)
    graphs.assert_works(server)


def test_a_describer_of_another_kind(server, folder):
    broken = shutil.copytree(folder / "a vilt", folder / "a clip")
    try:
        (broken / "config.json").write_text('{"model_type": "clip"}', "utf-8")
        picture = put(server, torch.rand(1, 40, 40, 3))
        words = ("describer:", "holds a clip", "BlipForQuestionAnswering", "hf download")
        refused(server, described(picture, "a clip"), "load", *words)
    finally:
        shutil.rmtree(broken)
    graphs.assert_works(server)


def test_a_folder_that_is_replaced_is_read_anew(server, folder):
    write_blip(folder / "changing")
    try:
        prompt = described(put(server, torch.rand(1, 40, 40, 3)), "changing")
        assert "BLIP" in server.run(prompt).texts["load"]
        assert "load" not in server.run(prompt).texts  # the host has it still
        shutil.rmtree(folder / "changing")
        write_vilt(folder / "changing")
        assert "ViLT" in server.run(prompt).texts["load"]
    finally:
        shutil.rmtree(folder / "changing")


def test_questions_and_sentences_that_cannot_be(server, folder):
    picture = put(server, torch.rand(1, 40, 40, 3))
    told = described(picture, "a vilt", questions="\n")
    refused(server, told, "describe", "questions: there is none")
    told = described(picture, "a vilt", sentence="a {lite}")
    refused(server, told, "describe", "sentence: no question has the name 'lite'", "{light}")
    narrow = put(server, torch.rand(1, 2, 400, 3))
    refused(server, described(narrow, "a vilt"), "describe", "400 x 2 px, too narrow")
    wrong = described(picture, "a vilt")
    wrong["describe"]["inputs"]["describer"] = ["switch", 0]
    wires = {"on_true": ["picture", 0], "on_false": ["picture", 0]}
    wrong["switch"] = node("ComfySwitchNode", switch=True, **wires)
    refused(server, wrong, "describe", "describer: a Tensor came in", "connect Load Describer")
    graphs.assert_works(server)


def test_a_caption_is_cleaned(server):
    server.forget()
    caption = r"1girl, brown_eyes, (smile:1.2), eyewear, nu \(x\), Smile"
    result = server.run(cleaned(caption, trigger="ohwx woman", add="freckles"))
    assert result.texts["told"] == r"ohwx woman, freckles, (smile:1.2), eyewear, nu \(x\)"
    assert result.texts["clean"] == (
        "+ ohwx woman, freckles\n- 1girl, brown_eyes\n- Smile (there already)\n"
        r"= (smile:1.2), eyewear, nu \(x\)"
    )


def test_rules_that_cannot_be_read(server):
    prompt = cleaned("smile", remove="1girl\n*")
    refused(server, prompt, "clean", "remove: '*' in line 2 would match every word")
    refused(server, cleaned("smile", trigger="(a"), "clean", "trigger: in '(a' a bracket")
    refused(server, cleaned("smile", add="b)"), "clean", "add: in 'b)' a bracket")
    graphs.assert_works(server)
