"""Captions as texts: what is said of a picture, made fit for training or a prompt."""

from __future__ import annotations

from comfy_api.latest import io

from ..likeness.captions.rules import FACECHAIN
from .host import named, reported


class CleanCaption(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessCleanCaption",
            display_name="Clean Caption",
            category="Likeness/captions",
            description="Puts the trigger word first, takes out what the person's LoRA is to "
            "learn by that word alone, adds what you name, and drops what is said twice.",
            search_aliases=[
                "trigger word",
                "tag filter",
                "remove tags",
                "caption cleanup",
                "edit caption",
                "blacklist tags",
                "lora caption",
                "deduplicate tags",
            ],
            inputs=[
                io.String.Input(
                    "caption",
                    default="",
                    force_input=True,
                    tooltip="From Tag Images or Describe Images, or any text with commas. Of a "
                    "list each is cleaned.",
                ),
                io.String.Input(
                    "trigger",
                    default="",
                    placeholder="none",
                    tooltip="The word that stands for the person, such as 'ohwx woman'. It comes "
                    "first, and the rules spare it.",
                ),
                io.String.Input(
                    "add",
                    default="",
                    placeholder="nothing",
                    tooltip="Words that follow the trigger, with commas: 'freckles, a scar on the "
                    "chin'. The rules spare them.",
                ),
                io.String.Input(
                    "remove",
                    multiline=True,
                    default=FACECHAIN,
                    placeholder="nothing",
                    tooltip="Words to take out, with commas or on lines. '* woman' is what ends "
                    "so, '*eye*' what holds it; '*eye* !*eyewear*' makes an exception, and '!long "
                    "hair' alone keeps it always. Underscores and spaces are the same here, and "
                    "so are upper and lower case.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="caption", tooltip="Trigger, what was added, then the rest."
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="What changed: + came, - went, = stayed.",
                ),
            ],
        )

    @classmethod
    def execute(cls, caption: str, trigger: str, add: str, remove: str) -> io.NodeOutput:
        from ..likeness.captions.clean import clean, describe
        from ..likeness.captions.rules import read

        with named("remove"):
            rules = read(remove)
        cleaned = clean(caption, rules, trigger, add)
        return reported(cleaned.text, report=describe(cleaned))
