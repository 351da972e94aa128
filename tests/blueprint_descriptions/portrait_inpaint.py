"""Portrait inpaint: what a mask covers is cut out, painted anew, and stitched back."""

import workflow_parts as parts
from blueprint_builder import Blueprint, Outside, Setting
from blueprint_parts import COLUMN, SOURCES, STEPS, WIDTH, painted_anew
from workflow_builder import Link

SIZE = {"target.width": Setting("width", 512), "target.height": Setting("height", 512)}
CUT = {"padding.percent": Setting("padding percent", 100.0)}
CUT |= {"mask_blur": Setting("mask blur", 16.0), "faces": Outside("faces")}

BLUEPRINT = Blueprint(
    title="Portrait inpaint",
    description="Paints anew what a mask covers: cut out with its surroundings at the size the "
    "model likes, inpainted, and stitched back. Beyond its soft edge not one pixel changes. Faces, "
    "where they are connected, turn tilted heads upright for it. 512 x 512 suits Stable Diffusion "
    "1.5, 1024 x 1024 SDXL. Without a mask the picture comes out as it went in.",
    order=(*SOURCES, "mask", "faces", *STEPS, "width", "height", "padding percent", "mask blur"),
    nodes=(
        parts.crop(1, (0, 0), (WIDTH, 354), Outside("picture"), Outside("mask"), **(SIZE | CUT)),
        *painted_anew(2, COLUMN, 1, 0.5),
    ),
    outputs={"picture": Link(7), "report": Link(7, 1)},
    size=(320, 360),
)
