"""Pictures to try things on."""

from __future__ import annotations

from comfy_api.latest import io

from ..likeness.demo import PORTRAITS, read
from .host import reported


class DemoPortrait(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessDemoPortrait",
            display_name="Demo Portrait",
            category="Likeness",
            description="A generated portrait out of ComfyUI's own templates, to try things on "
            "without a file. These people do not exist.",
            search_aliases=["example image", "sample face", "test picture", "demo image"],
            inputs=[
                io.Combo.Input(
                    "portrait",
                    options=list(PORTRAITS),
                    tooltip="Which of the portraits that come with ComfyUI.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="One portrait, as it is."),
                io.String.Output(display_name="report", tooltip="Where the portrait comes from."),
            ],
        )

    @classmethod
    def execute(cls, portrait: str) -> io.NodeOutput:
        image = read(portrait)
        height, width = image.shape[1:3]
        return reported(image, report=f"{portrait}: {PORTRAITS[portrait]}, {width} x {height}")
