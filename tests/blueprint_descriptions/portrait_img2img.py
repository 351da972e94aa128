"""Portrait img2img: a light pass over a whole picture, or over its faces alone."""

from dataclasses import replace

import workflow_parts as parts
from blueprint_builder import Blueprint, Outside, Setting
from blueprint_parts import COLUMN, SOURCES, STEPS, WIDTH, painted_anew
from workflow_builder import Link

MASK = parts.mask(1, (0, 0), (WIDTH, 246), Outside("faces"), "one for each picture")
CROP = parts.crop(2, (COLUMN, 0), (WIDTH, 354), Outside("picture"), Link(1))
# The shape of the crop follows the mask: all of a picture is seen without a made-up border.
CUT = {
    "image": Outside("picture"),
    "mask": Link(1),
    "target": "megapixels",
    "target.megapixels": Setting("megapixels", 0.5),
    "target.multiple": "8",
    "padding": "percent",
    "padding.percent": Setting("padding percent", 50.0),
    "mask_blur": Setting("mask blur", 16.0),
}
REST = {name: value for name, value in CROP.inputs.items() if "." not in name and name not in CUT}

BLUEPRINT = Blueprint(
    title="Portrait img2img",
    description="A light pass of the model over a whole picture, so that skin and background "
    "agree, or over its faces alone: the region says which. What is meant is cut out, painted "
    "anew and stitched back; beyond its soft edge not one pixel changes. 0.5 megapixels suit "
    "Stable Diffusion 1.5, 1 suits SDXL. Where a part of a face is meant and there is no face, the "
    "picture comes out as it went in. For several regions at once take Face Mask and Portrait "
    "inpaint.",
    order=(*SOURCES, "faces", "region", *STEPS, "megapixels", "padding percent", "mask blur"),
    nodes=(
        replace(MASK, inputs=MASK.inputs | {"region": Setting("region", "whole picture")}),
        replace(CROP, inputs=CUT | REST),
        *painted_anew(3, 2 * COLUMN, 2, 0.3),
    ),
    outputs={"picture": Link(8), "report": Link(8, 1)},
    size=(320, 335),
)
