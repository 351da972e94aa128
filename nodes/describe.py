"""Describing pictures by a network that answers questions. What only a run needs comes in there."""

from __future__ import annotations

from pathlib import Path

from comfy_api.latest import io

from ..likeness.describing.known import KNOWN, folders, missing
from ..likeness.describing.questions import QUESTIONS, SENTENCE
from .host import fingerprint, loaded, model_folders, named, patched, progress, reported
from .types import Describer

FOLDER = "vqa"


class LoadDescriber(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessLoadDescriber",
            display_name="Load Describer",
            category="Likeness/captions",
            description="Loads a network that answers questions about pictures: BLIP or ViLT.",
            search_aliases=[
                "blip",
                "vilt",
                "vqa",
                "visual question answering",
                "blip-vqa-base",
                "caption model loader",
            ],
            inputs=[
                io.Combo.Input(
                    "describer",
                    options=_choices(),
                    tooltip="A folder in models/vqa. blip-vqa-base writes its answers in words of "
                    "its own; vilt-b32-finetuned-vqa is smaller and picks them from a list of "
                    "3,129.",
                ),
            ],
            outputs=[
                Describer.Output(display_name="describer", tooltip="For Describe Images."),
                io.String.Output(display_name="report", tooltip="Which network the folder holds."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, describer: str | None) -> str:  # None while it comes by a wire
        found = folders(model_folders(FOLDER))
        return fingerprint(found[describer]) if describer in found else ""

    @classmethod
    def execute(cls, describer: str) -> io.NodeOutput:
        from ..likeness.describing.folder import describe, load

        with named("describer"):
            network = load(_located(describer))
        return reported(patched(network), report=describe(network))


class DescribeImages(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessDescribeImages",
            display_name="Describe Images",
            category="Likeness/captions",
            description="Asks about each picture what you want to know, and makes one sentence of "
            "the answers. For prompts, and for captions of a data set.",
            search_aliases=[
                "caption",
                "interrogate",
                "image to prompt",
                "blip",
                "vilt",
                "vqa",
                "visual question answering",
                "describe picture",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures; each gets its own sentence."),
                Describer.Input("describer", tooltip="From Load Describer."),
                io.String.Input(
                    "questions",
                    multiline=True,
                    default=QUESTIONS,
                    tooltip="One on each line, in English. A word and a colon before a question "
                    "name its answer: 'hair: What does the hair look like?'",
                ),
                io.String.Input(
                    "sentence",
                    multiline=True,
                    default=SENTENCE,
                    placeholder="the answers, with commas",
                    tooltip="What the answers become: {hair} is the answer of that name, {3} that "
                    "to the third question. A part between commas whose answers say nothing, such "
                    "as 'no' or 'nothing', is left out.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="captions",
                    is_output_list=True,
                    tooltip="The sentence of each picture: a list, a text for each. For Clean "
                    "Caption or a prompt.",
                ),
                io.String.Output(
                    display_name="report", tooltip="Of each picture every question and answer."
                ),
            ],
        )

    @classmethod
    def execute(cls, image, describer, questions: str, sentence: str) -> io.NodeOutput:
        from ..likeness.describing.describe import describe, told
        from ..likeness.describing.describer import WORKING
        from ..likeness.describing.describer import Describer as DescriberNetwork
        from ..likeness.describing.questions import check, read

        with named("questions"):
            asked = read(questions)
        with named("sentence"):
            check(sentence, asked)
        network = loaded("describer", describer, DescriberNetwork, "Load Describer", WORKING)
        found = describe(image, asked, sentence, network, progress(len(image)))
        captions = [one.sentence for one in found]
        return reported(captions, report=told(found, asked, network.name))


def _choices() -> list[str]:
    """The folders that are there, then known ones that are not: their loader says how to get them.

    So a saved workflow stays valid without them.
    """
    there = folders(model_folders(FOLDER))
    return [*there, *(name for name in KNOWN if name not in there)]


def _located(name: str) -> Path:
    if found := folders(model_folders(FOLDER)).get(name):
        return found
    place = model_folders(FOLDER)[-1]
    if name in KNOWN:
        if (place / name).is_dir():  # begun and not done: what loads it says what is missing
            return place / name
        raise FileNotFoundError(f"describer: {missing(name, place)}")
    raise ValueError(
        f"{str(name)[:80]!r} is not in models/{FOLDER}: choose one of {', '.join(_choices())}"
    )
