"""Choosing, showing and handing on the faces that were found."""

from __future__ import annotations

from comfy_api.latest import io, ui

from ..likeness.draw import draw_faces
from ..likeness.face import Faces as FoundFaces
from ..likeness.face import Filter, Order, Sex, select
from ..likeness.interchange import first_box, to_boxes
from ..likeness.report import describe
from .host import meant, progress, reported
from .types import Boxes, Faces

ANY_SEX = "any"
OLDEST = 120


class SelectFaces(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessSelectFaces",
            display_name="Select Faces",
            category="Likeness/faces",
            description="Keeps some of the faces of every picture: first the unwanted are left "
            "out, then the rest is put in order, then the numbers are taken.",
            search_aliases=[
                "filter faces",
                "face index",
                "faces index",
                "segs filter",
                "largest face",
                "pick face",
                "gender filter",
            ],
            inputs=[
                Faces.Input("faces", tooltip="From Detect Faces."),
                io.Combo.Input(
                    "order",
                    options=Order,
                    default=Order.LARGEST,
                    tooltip="How the faces of each picture are lined up before they are counted.",
                ),
                io.String.Input(
                    "indices",
                    default="",
                    placeholder="all",
                    tooltip="Which to keep, counted from 0 in that order: '0', '0, 2' or '1-3'. "
                    "Empty keeps all.",
                ),
                io.Float.Input(
                    "min_score",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Leaves out faces that the detector was less sure of.",
                ),
                io.Int.Input(
                    "min_pixels",
                    default=0,
                    min=0,
                    max=16384,
                    tooltip="Leaves out faces whose box is narrower or lower than this.",
                ),
                io.Float.Input(
                    "min_share",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    advanced=True,
                    tooltip="Leaves out faces smaller than this share of the picture's short side.",
                ),
                io.Int.Input(
                    "min_age",
                    default=0,
                    min=0,
                    max=OLDEST,
                    advanced=True,
                    tooltip="Leaves out the younger, as an insightface pack guesses it.",
                ),
                io.Int.Input(
                    "max_age",
                    default=OLDEST,
                    min=0,
                    max=OLDEST,
                    advanced=True,
                    tooltip="Leaves out the older, as an insightface pack guesses it.",
                ),
                io.Combo.Input(
                    "sex",
                    options=[ANY_SEX, *(sex.value for sex in Sex)],
                    default=ANY_SEX,
                    advanced=True,
                    tooltip="Keeps only these, as an insightface pack guesses it.",
                ),
            ],
            outputs=[
                Faces.Output(display_name="faces", tooltip="The chosen faces, in that order."),
                io.String.Output(
                    display_name="report", tooltip="What was kept, what was left out and why."
                ),
            ],
        )

    @classmethod
    def execute(
        cls, faces, order, indices, min_score, min_pixels, min_share, min_age, max_age, sex
    ) -> io.NodeOutput:
        meant("faces", faces, FoundFaces, "Detect Faces or Select Faces")
        wanted = Filter(
            score=min_score,
            pixels=min_pixels,
            share=min_share,
            youngest=min_age,
            oldest=max_age if max_age < OLDEST else float("inf"),
            sex=None if sex == ANY_SEX else Sex(sex),
        )
        chosen = select(faces, Order(order), indices, wanted)
        return reported(chosen, report=describe(chosen))


class DrawFaces(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessDrawFaces",
            display_name="Draw Faces",
            category="Likeness/faces",
            description="Shows which faces were found: numbered boxes, points and scores.",
            search_aliases=[
                "preview faces",
                "show faces",
                "draw bounding box",
                "visualize landmarks",
                "face debug",
                "kps",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures in which the faces were found."),
                Faces.Input("faces", tooltip="From Detect Faces or Select Faces."),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The pictures with the drawing."),
                io.String.Output(display_name="report", tooltip="What was drawn."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, image, faces) -> io.NodeOutput:
        meant("faces", faces, FoundFaces, "Detect Faces or Select Faces")
        drawn = draw_faces(image, faces, progress(len(image)))
        report = describe(faces)
        shown = ui.PreviewImage(drawn, cls=cls).as_dict() | ui.PreviewText(report).as_dict()
        return io.NodeOutput(drawn, report, ui=shown)


class FacesToBoxes(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessFacesToBoxes",
            display_name="Faces To Boxes",
            category="Likeness/faces",
            description="Hands the faces to core's nodes as bounding boxes.",
            search_aliases=["bbox", "bounding box", "faces to bbox", "crop face", "convert faces"],
            inputs=[
                Faces.Input("faces", tooltip="From Detect Faces or Select Faces."),
            ],
            outputs=[
                Boxes.Output(
                    display_name="boxes",
                    tooltip="A list for each picture, as Draw BBoxes, SAM3 and SDPose take it.",
                ),
                Boxes.Output(
                    display_name="first box",
                    tooltip="The first face alone, as Crop Image takes it; the whole picture when "
                    "there is no face.",
                ),
                io.String.Output(display_name="report", tooltip="The boxes in words."),
            ],
        )

    @classmethod
    def execute(cls, faces) -> io.NodeOutput:
        meant("faces", faces, FoundFaces, "Detect Faces or Select Faces")
        return reported(to_boxes(faces), first_box(faces), report=describe(faces))
