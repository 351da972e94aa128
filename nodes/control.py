"""Control pictures that a network draws."""

from __future__ import annotations

import comfy.model_management
from comfy_api.latest import io

from ..likeness.models import Task
from ..likeness.nets.pidinet import PiDiNet, load
from ..likeness.soft_edge import RESOLUTION, WORKING, Levels, describe, soft_edges
from . import weights
from .host import loaded, patched, progress, reported, working_dtype
from .types import SoftEdgeNetwork


class LoadSoftEdge(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessLoadSoftEdge",
            display_name="Load Soft Edge Network",
            category="Likeness/control",
            description="Loads the network that draws soft edges for ControlNet: PiDiNet.",
            search_aliases=["pidinet", "pidi", "softedge model", "table5_pidinet", "hed"],
            inputs=[
                io.Combo.Input(
                    "network",
                    options=weights.choices(Task.EDGES),
                    tooltip="A file in models/detection.",
                ),
            ],
            outputs=[
                SoftEdgeNetwork.Output(display_name="network", tooltip="For Soft Edge (PiDiNet)."),
                io.String.Output(display_name="report", tooltip="What it runs on."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, network: str | None) -> str:  # None while it comes by a wire
        return weights.state(network, Task.EDGES)

    @classmethod
    def execute(cls, network: str) -> io.NodeOutput:
        pidinet = load(weights.located("network", network, Task.EDGES))
        dtype = working_dtype()
        device = comfy.model_management.get_torch_device()
        report = f"{network}: PiDiNet\nruns on {device} in {dtype}"
        return reported(patched(pidinet.to(dtype)), report=report)


class SoftEdge(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessSoftEdge",
            display_name="Soft Edge (PiDiNet)",
            category="Likeness/control",
            description="Draws the soft edges of pictures, white on black: the control picture of "
            "ControlNet softedge.",
            search_aliases=[
                "softedge",
                "soft edge preprocessor",
                "softedge_pidinet",
                "softedge_pidisafe",
                "pidinet",
                "hed",
                "edge detection",
                "controlnet preprocessor",
            ],
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="The pictures to draw the edges of. To inpaint, the crop, not the "
                    "whole picture.",
                ),
                SoftEdgeNetwork.Input("network", tooltip="From Load Soft Edge Network."),
                io.Int.Input(
                    "resolution",
                    default=RESOLUTION,
                    min=0,
                    max=4096,
                    step=64,
                    tooltip="Short side of what the network looks at. Larger shows finer edges, "
                    "and takes longer; 0 is the picture's own size (pixel perfect). The map "
                    "always has the size of the picture.",
                ),
                io.Combo.Input(
                    "levels",
                    options=Levels,
                    default=Levels.SMOOTH,
                    tooltip="Smooth follows the picture closely. Three levels (black, grey, white) "
                    "hides what can be told of the picture from its faint edges.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="edges",
                    tooltip="White on black, as large as the pictures, for Apply ControlNet.",
                ),
                io.String.Output(
                    display_name="report", tooltip="How much of each picture is edges."
                ),
            ],
        )

    @classmethod
    def execute(cls, image, network, resolution: int, levels: str) -> io.NodeOutput:
        pidinet = loaded("network", network, PiDiNet, "Load Soft Edge Network", WORKING)
        grades = Levels(levels)
        maps = soft_edges(image, pidinet, resolution, grades, progress(len(image)))
        report = describe(image, maps, resolution, grades)
        return reported(maps[..., None].repeat(1, 1, 1, 3), report=report)
