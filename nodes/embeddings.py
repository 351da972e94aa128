"""Embeddings by name in a prompt."""

from __future__ import annotations

import folder_paths
from comfy_api.latest import io

from ..likeness.embeddings import Missing, describe, write
from .host import model_folders, named, reported

FOLDER = "embeddings"  # ComfyUI's key


class AddEmbeddings(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessAddEmbeddings",
            display_name="Add Embeddings",
            category="Likeness/captions",
            description="Writes embeddings (textual inversions) by name before a prompt, and says "
            "so when a file is not there, which ComfyUI itself does only in its log.",
            search_aliases=[
                "embedding",
                "textual inversion",
                "negative prompt",
                "negative embedding",
                "deepnegative",
                "badhand",
            ],
            inputs=[
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    placeholder="blurry, low quality",
                    tooltip="The rest of the prompt; the embeddings are written before it.",
                ),
                io.String.Input(
                    "embeddings",
                    default="ng_deepnegative_v1_75t, badhandv4",
                    placeholder="none",
                    tooltip="Files in models/embeddings, with commas between them and without "
                    "their ending; a weight goes behind a colon: 'badhandv4:0.8'. Those that the "
                    "field starts with are for SD 1.5, in a negative prompt.",
                ),
                io.Combo.Input(
                    "missing",
                    options=Missing,
                    default=Missing.STOP,
                    tooltip="When a file is not there: 'stop' says how to get it; 'leave out' goes "
                    "on without it, and the report tells.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="text", tooltip="The prompt, for CLIP Text Encode."),
                io.String.Output(
                    display_name="report", tooltip="Which embeddings are in it, and which are not."
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: object) -> str:
        return repr(folder_paths.get_filename_list(FOLDER))  # one may have been added

    @classmethod
    def execute(cls, prompt: str, embeddings: str, missing: str) -> io.NodeOutput:
        there = folder_paths.get_filename_list(FOLDER)
        with named("embeddings"):
            written = write(prompt, embeddings, there, model_folders(FOLDER)[0], Missing(missing))
        return reported(written.text, report=describe(written))
