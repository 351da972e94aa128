"""Parsing faces: what every pixel of a face shows."""

from __future__ import annotations

from comfy_api.latest import io

from ..likeness.face import Faces as FoundFaces
from ..likeness.models import Task
from ..likeness.names import listed
from ..likeness.parse import WORKING, FaceClass, describe, load, parse
from ..likeness.parse import Parser as ParserNetwork
from . import weights
from .host import loaded, meant, named, patched, progress, reported
from .types import Faces, Parser, Parsing

FACE = (
    "skin, nose, glasses, left eye, right eye, left brow, right brow, mouth, upper lip, lower lip"
)
NAMES = ", ".join(name.value for name in FaceClass)


class LoadFaceParser(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessLoadFaceParser",
            display_name="Load Face Parser",
            category="Likeness/masks",
            description="Loads a network that tells skin, hair, neck, glasses and the rest of a "
            "face apart: facexlib's ParseNet or BiSeNet.",
            search_aliases=[
                "face parsing model",
                "parsenet",
                "bisenet",
                "face segmentation model",
                "facexlib",
            ],
            inputs=[
                io.Combo.Input(
                    "parser",
                    options=weights.choices(Task.PARSE),
                    tooltip="A file in models/facedetection. ParseNet is the more careful one, "
                    "BiSeNet the faster one.",
                ),
            ],
            outputs=[
                Parser.Output(display_name="parser", tooltip="For Parse Face."),
                io.String.Output(display_name="report", tooltip="Which network the file holds."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, parser: str | None) -> str:  # None while it comes by a wire
        return weights.state(parser, Task.PARSE)

    @classmethod
    def execute(cls, parser: str) -> io.NodeOutput:
        network = load(weights.located("parser", parser, Task.PARSE))
        return reported(patched(network), report=f"{parser}: {network.kind.name}")


class ParseFace(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessParseFace",
            display_name="Parse Face",
            category="Likeness/masks",
            description="Tells what every pixel of a face shows, and masks what you name.",
            search_aliases=[
                "face parsing",
                "face segmentation",
                "hair mask",
                "skin mask",
                "neck mask",
                "clothes mask",
                "bisenet",
                "parsenet",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures in which the faces were found."),
                Faces.Input(
                    "faces", tooltip="From Detect Faces, Select Faces or Refine Landmarks."
                ),
                Parser.Input("parser", tooltip="From Load Face Parser."),
                io.String.Input(
                    "classes",
                    default=FACE,
                    placeholder="nothing",
                    tooltip=f"What the mask covers. Any of these, with commas: {NAMES}.",
                ),
            ],
            outputs=[
                Parsing.Output(
                    display_name="parsing",
                    tooltip="For Face Mask, which adds parts of it or leaves them out.",
                ),
                io.Mask.Output(
                    display_name="mask",
                    tooltip="One for each picture: the classes of all its faces. A picture "
                    "without a face has an empty mask.",
                ),
                io.String.Output(
                    display_name="report", tooltip="What each face shows, by share of its crop."
                ),
            ],
        )

    @classmethod
    def execute(cls, image, faces, parser, classes: str) -> io.NodeOutput:
        meant("faces", faces, FoundFaces, "Detect Faces or Select Faces")
        with named("classes"):
            names = listed(classes, FaceClass)
        network = loaded("parser", parser, ParserNetwork, "Load Face Parser", WORKING)
        parsing = parse(image, faces, network, progress(max(2 * len(faces), 1)))
        return reported(parsing, parsing.masks(names), report=describe(parsing))
