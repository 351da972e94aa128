"""Tagging pictures. What only a run needs is imported there: the host's start pays for the rest."""

from __future__ import annotations

from comfy_api.latest import io

from ..likeness.models import Task
from ..likeness.tagging.choices import Characters, Order, Parentheses
from . import weights
from .host import meant, model_folders, named, progress, reported
from .types import Tagger

FOLDER = "wd14_tagger"


class LoadTagger(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessLoadTagger",
            display_name="Load Tagger",
            category="Likeness/captions",
            description="Loads a WD14 tagger: a network that tells which of thousands of tags fit "
            "a picture, and the list of its tags.",
            search_aliases=[
                "wd14",
                "wd tagger",
                "wd-vit-tagger-v3",
                "interrogate",
                "danbooru tags",
                "smilingwolf",
            ],
            inputs=[
                io.Combo.Input(
                    "tagger",
                    options=[
                        name for name in weights.choices(Task.TAG) if name.lower().endswith(".onnx")
                    ],
                    tooltip="An .onnx file in models/wd14_tagger. Its list of tags, a .csv of the "
                    "same name, has to lie beside it.",
                ),
            ],
            outputs=[
                Tagger.Output(display_name="tagger", tooltip="For Tag Images."),
                io.String.Output(
                    display_name="report",
                    tooltip="How many tags it knows, its licence, and what it really runs on.",
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, tagger: str | None) -> str:  # None while it comes by a wire
        lists = [path for folder in model_folders(FOLDER) for path in folder.glob("*.csv")]
        states = [(str(at), at.stat().st_size, at.stat().st_mtime_ns) for at in sorted(lists)]
        return repr((weights.state(tagger, Task.TAG), states))

    @classmethod
    def execute(cls, tagger: str) -> io.NodeOutput:
        from ..likeness.tagging.report import describe_tagger
        from ..likeness.tagging.tagger import load

        with named("tagger"):
            network = load(weights.located("tagger", tagger, Task.TAG))
        return reported(network, report=describe_tagger(network))


class TagImages(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessTagImages",
            display_name="Tag Images (WD14)",
            category="Likeness/captions",
            description="Describes each picture by tags: clothes, hair, expression, pose, light, "
            "place. For prompts, and for captions of a data set.",
            search_aliases=[
                "wd14 tagger",
                "interrogate",
                "caption",
                "image to prompt",
                "danbooru tags",
                "deepdanbooru",
                "tagger",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures; each gets its own tags."),
                Tagger.Input("tagger", tooltip="From Load Tagger."),
                io.Float.Input(
                    "threshold",
                    default=0.35,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How sure the network has to be of a tag. Lower gives more tags, and "
                    "more that are wrong.",
                ),
                io.Float.Input(
                    "character_threshold",
                    default=0.85,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="The same for names of characters, of which the lists have thousands.",
                ),
                io.String.Input(
                    "exclude",
                    default="",
                    placeholder="nothing",
                    tooltip="Tags to leave out, with commas between them; * stands for any "
                    "letters: '1girl, *_eyes, *background*'. Underscores and spaces are the same "
                    "here, and so are upper and lower case.",
                ),
                io.Combo.Input(
                    "order",
                    options=Order,
                    default=Order.CONFIDENCE,
                    tooltip="'surest first' puts first what the network is surest of, and a "
                    "prompt's first words count most. 'as in the list' keeps the order of the "
                    ".csv, the same for every picture.",
                ),
                io.Combo.Input(
                    "characters",
                    options=Characters,
                    default=Characters.TAKEN,
                    advanced=True,
                    tooltip="Whether names of characters are among the tags.",
                ),
                io.Combo.Input(
                    "parentheses",
                    options=Parentheses,
                    default=Parentheses.ESCAPED,
                    advanced=True,
                    tooltip="'escaped' writes \\( and \\), which a prompt needs: bare brackets are "
                    "weights there. Captions for training want them as they are.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="tags",
                    is_output_list=True,
                    tooltip="The tags of each picture, with commas: a list, a text for each.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Of each picture its rating, and the surest tags with how sure.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        image,
        tagger,
        threshold: float,
        character_threshold: float,
        exclude: str,
        order: str,
        characters: str,
        parentheses: str,
    ) -> io.NodeOutput:
        from ..likeness.tagging import tagger as networks
        from ..likeness.tagging.report import describe_tagged
        from ..likeness.tagging.tag import Settings, tag_images

        meant("tagger", tagger, networks.Tagger, "Load Tagger")
        settings = Settings(
            general=threshold,
            character=character_threshold,
            exclude=exclude,
            order=Order(order),
            characters=Characters(characters),
            parentheses=Parentheses(parentheses),
        )
        tagged = tag_images(image, tagger, settings, progress(len(image)))
        return reported(tagged.texts, report=describe_tagged(tagged))
