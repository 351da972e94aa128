"""Strength in the steps of the program that a recipe was written for."""

from __future__ import annotations

from comfy_api.latest import io

from ..likeness.strength import LONGEST, Counting, describe_span, span
from .host import reported


class ExactStrength(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessExactStrength",
            display_name="Exact Strength",
            category="Likeness/sampling",
            description="How much a picture changes, in the very steps that A1111 or diffusers "
            "would run. For KSampler (Advanced).",
            search_aliases=[
                "denoise",
                "denoising strength",
                "img2img strength",
                "inpaint strength",
                "start_at_step",
                "step count",
                "A1111 steps",
            ],
            inputs=[
                io.Int.Input(
                    "steps",
                    default=30,
                    min=1,
                    max=LONGEST,
                    tooltip="Of the whole schedule, from noise to picture; for 'as KSampler' those "
                    "that are run.",
                ),
                io.Float.Input(
                    "strength",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="0.3 keeps the face, 0.5 is a good start, 0.7 makes a new one; 1 "
                    "forgets the picture.",
                ),
                io.Combo.Input(
                    "counting",
                    options=Counting,
                    default=Counting.A1111,
                    tooltip="Which steps a strength means. A1111 runs strength x steps, and one "
                    "more; diffusers strength x steps; KSampler always all steps, of a longer "
                    "schedule.",
                ),
            ],
            outputs=[
                io.Int.Output(display_name="steps", tooltip="For 'steps' of the sampler."),
                io.Int.Output(
                    display_name="start_at_step",
                    tooltip="For 'start_at_step' of the sampler, which adds the noise.",
                ),
                io.String.Output(display_name="report", tooltip="How many steps are run."),
            ],
        )

    @classmethod
    def execute(cls, steps: int, strength: float, counting: str) -> io.NodeOutput:
        chosen = Counting(counting)
        run = span(steps, strength, chosen)
        return reported(run.steps, run.start, report=describe_span(run, strength, chosen))
