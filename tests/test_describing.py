"""Describers against transformers' own classes, and the sentence that their answers become."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pack.likeness.describing import describer as describers
from pack.likeness.describing.describe import describe, told
from pack.likeness.describing.folder import load
from pack.likeness.describing.questions import QUESTIONS, SENTENCE, check, fill, is_blank, read
from PIL import Image
from skimage import data
from standins.describers import write_blip, write_vilt

WRITERS = {"BLIP": write_blip, "ViLT": write_vilt}
ASKED = [question.text for question in read(QUESTIONS)]
PICTURES = [data.astronaut(), data.chelsea(), data.coffee()[:, :97]]


@pytest.fixture(scope="module", params=WRITERS)
def folder(request, tmp_path_factory) -> Path:
    return WRITERS[request.param](tmp_path_factory.mktemp("vqa") / f"a {request.param} é")


@pytest.fixture
def describer(folder):
    return load(folder)


def by_hand(folder: Path) -> Callable[[np.ndarray, str], str]:
    """Answers as the models' cards have it, to one question alone."""
    import transformers

    kind = "Blip" if "BLIP" in folder.name else "Vilt"
    names = (f"{kind}Processor", f"{kind}ForQuestionAnswering")
    processor, network = (
        getattr(transformers, name).from_pretrained(folder, local_files_only=True) for name in names
    )

    @torch.no_grad()
    def answer(picture: np.ndarray, question: str) -> str:
        inputs = processor(Image.fromarray(picture), question, return_tensors="pt")
        if kind == "Vilt":
            return network.config.id2label[network(**inputs).logits.argmax(-1).item()]
        settings = {"do_sample": False, "num_beams": 1, "max_new_tokens": 20}
        return processor.decode(network.generate(**inputs, **settings)[0], skip_special_tokens=True)

    return answer


def batch(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture)[None].float() / 255


def test_answers_are_those_of_transformers(folder, describer):
    """All questions at once as each alone, whatever their lengths."""
    answers = [describer.answer(picture, ASKED) for picture in PICTURES]
    wanted = by_hand(folder)
    assert answers == [[wanted(picture, each) for each in ASKED] for picture in PICTURES]
    assert len({tuple(each) for each in answers}) > 1  # it looks
    assert max(len(set(each)) for each in answers) > 1  # and listens


def test_answers_do_not_depend_on_chance_or_company(describer, monkeypatch):
    picture = PICTURES[0]
    state = torch.get_rng_state()
    answers = describer.answer(picture, ASKED)
    assert torch.equal(state, torch.get_rng_state())
    for seed in range(3):
        torch.manual_seed(seed)
        assert describer.answer(picture, ASKED) == answers
    monkeypatch.setattr(describers, "BATCH", 2)
    assert describer.answer(picture, ASKED) == answers


def test_the_generators_of_gpus_are_left_alone(describer, monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    describer.answer(PICTURES[0], ASKED[:1])
    assert seeded == []


def test_logits_of_vilt_are_the_same_every_time(tmp_path):
    """To the last bit, though it shuffles what it sees."""
    describer = load(write_vilt(tmp_path / "vilt"))
    seen = []
    describer.network.classifier.register_forward_hook(lambda *call: seen.append(call[-1]))
    for seed in range(4):
        torch.manual_seed(seed)
        describer.answer(PICTURES[0], ASKED[:1])
    assert all(torch.equal(seen[0], other) for other in seen)


def test_each_picture_has_its_sentence(describer):
    questions = read("doing: What is the person doing?\nWhat colour is the light?")
    heard = []
    images = torch.cat([batch(picture[:96, :97]) for picture in PICTURES])
    found = describe(images, questions, "x {doing}, y {2}", describer, lambda *at: heard.append(at))
    assert heard == [(1, 3), (2, 3), (3, 3)]
    for one, picture in zip(found, PICTURES, strict=True):
        asked = [question.text for question in questions]
        assert list(one.answers) == describer.answer(picture[:96, :97], asked)
        assert one.sentence == fill("x {doing}, y {2}", questions, one.answers)
    report = told(found, questions, "tiny")
    assert report.startswith("3 pictures described by tiny\n0: x")
    assert report.count("What colour is the light?") == 3


def test_pictures_of_any_kind(describer):
    questions = read(QUESTIONS)
    grey = torch.rand(1, 40, 30, 1)
    colours = describe(grey.expand(-1, -1, -1, 3), questions, SENTENCE, describer)
    assert describe(grey, questions, SENTENCE, describer) == colours
    with_alpha = torch.cat([grey.expand(-1, -1, -1, 3), torch.zeros(1, 40, 30, 1)], -1)
    assert describe(with_alpha, questions, SENTENCE, describer) == colours
    broken = torch.full((1, 40, 30, 3), torch.nan)
    black = describe(torch.zeros(1, 40, 30, 3), questions, SENTENCE, describer)
    assert describe(broken, questions, SENTENCE, describer) == black
    for size in ((1, 1), (16, 1), (3, 48), (640, 40)):
        assert describe(torch.rand(1, *size, 3), questions, SENTENCE, describer)


@pytest.mark.parametrize("size", [(17, 1), (30, 500)])
def test_pictures_that_are_too_narrow(describer, size):
    with pytest.raises(ValueError, match=rf"{size[1]} x {size[0]} px, too narrow .* crop"):
        describe(torch.rand(1, *size, 3), read(QUESTIONS), SENTENCE, describer)


def test_a_question_that_is_too_long(describer):
    longest = describer.longest_question - 2
    questions = read("a\n" + "red " * longest)
    assert describe(torch.rand(1, 40, 40, 3), questions, "{1}", describer)
    with pytest.raises(ValueError, match=rf"question 2, 'red .* {longest + 3} tokens, .* shorter"):
        describe(torch.rand(1, 40, 40, 3), read("a\n" + "red " * (longest + 1)), "", describer)


def test_loading_leaves_transformers_as_it_was(folder):
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_info()
    try:
        load(folder)
        assert logging.get_verbosity() == logging.INFO
        assert logging.is_progress_bar_enabled()
    finally:
        logging.set_verbosity(before)


def test_loading_prints_nothing(folder, capfd):
    load(folder)
    assert capfd.readouterr() == ("", "")


def test_questions_as_they_are_written():
    one, two, three = read("\n hair : What hair? \nIs it 3:15?\n\nWhat-Else:Who?  ")
    assert (one.number, one.name, one.text) == (1, "hair", "What hair?")
    assert (two.number, two.name, two.text) == (2, "", "Is it 3:15?")
    assert (three.number, three.name, three.text) == (3, "what-else", "Who?")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there is none"),
        (" \n ", "there is none"),
        ("a: x?\nhair:", "line 2 is 'hair:': write a question"),
        ("a: x?\n\nA: y?", "line 3 is 'A: y?': another line has the name 'A'"),
        ("12: x?", "line 1 is '12: x?': a number is no name"),
        ("x" * 401, "401 characters: 400 at most"),
    ],
)
def test_questions_that_cannot_be_asked(text, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        read(text)


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("a {light}", "no question has the name 'light': use {hair}, {2}"),
        ("a {3}", "no question has the name '3'"),
        ("a {}", "no question has the name ''"),
        ("a {hair} {", "a '{' has no other half"),
        ("a {hair}}", "a '}' has no other half"),
        ("a {{hair}}", "has no other half"),
    ],
)
def test_sentences_that_cannot_be_filled(sentence, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        check(sentence, read("hair: x?\ny?"))


@pytest.mark.parametrize(
    ("sentence", "answers", "wanted"),
    [
        ("a {hair} b {2}", ("x", "y"), "a x b y"),
        ("a { HAIR }, {1}", ("x", "y"), "a x, x"),
        ("a person {hair}, with {2}", ("", "y"), "a person, with y"),
        ("a person {hair}, with {2}", ("x", ""), "a person x"),
        ("a person {hair}, with {2}", ("No", "None."), "a person"),
        ("{hair}, with {2}", ("", ""), ""),
        ("{hair}, with {2}, end", ("", "y"), "with y, end"),
        ("a, {hair} and {2} b", ("", "y"), "a, and y b"),
        ("{hair} hair, wearing {2}", ("long hair", "wearing a hat"), "long hair, wearing a hat"),
        ("{hair}", ("{2}, {", "y"), "{2}, {"),
        (r"\1 {hair}", (r"\g<0>", "y"), r"\1 \g<0>"),
        ("", ("x", "y"), "x, y"),
        (" ", ("", "y"), "y"),
        ("fixed", ("x", "y"), "fixed"),
        ("a ,, b", ("x", "y"), "a, b"),
    ],
)
def test_sentences(sentence, answers, wanted):
    questions = read("hair: x?\ny?")
    check(sentence, questions)
    assert fill(sentence, questions, answers) == wanted


def test_the_sentence_that_is_offered():
    questions = read(QUESTIONS)
    check(SENTENCE, questions)
    answers = ["sitting", "happy", "short brown hair", "a coat", "warm", "soft", "trees"]
    wanted = (
        "a photo of a person sitting, happy expression, short brown hair, wearing a coat, warm "
        "soft light, trees in the background"
    )
    assert fill(SENTENCE, questions, answers) == wanted
    assert fill(SENTENCE, questions, ["none"] * 7) == "a photo of a person"


def test_answers_that_say_nothing():
    assert all(map(is_blank, ("", "no", "None", "nothing.", " N/A ", "unknown")))
    assert not any(map(is_blank, ("yes", "not much", "nobody else", "northern", "0")))
