"""Cutting faces out upright, and putting them back."""

from __future__ import annotations

from comfy_api.latest import io

from ..likeness.align import Fit, Outside, Template, align
from ..likeness.crop import Crops as Cut
from ..likeness.face import Faces as FoundFaces
from ..likeness.paste import Way, paste
from ..likeness.report import describe_crops, describe_pasted
from .blending import blend_input, blend_of, way_input
from .host import meant, progress, reported
from .types import Crops, Faces


class AlignFaces(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessAlignFaces",
            display_name="Align Faces",
            category="Likeness/faces",
            description="Cuts every face out upright, at any size and margin. Do anything to the "
            "crops, then put them back with Paste Faces.",
            search_aliases=[
                "crop face",
                "face crop",
                "align face",
                "warp face",
                "upright face",
                "ffhq",
                "arcface",
                "face extractor",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures in which the faces were found."),
                Faces.Input("faces", tooltip="From Detect Faces or Select Faces."),
                io.DynamicCombo.Input(
                    "template",
                    options=[_option(template) for template in Template],
                    tooltip="How the crop is framed. 'upright with margin' is the whole face with "
                    "its surroundings, as face LoRAs are trained on; the others are what the "
                    "networks of that name were trained on.",
                ),
                io.Int.Input(
                    "size",
                    default=512,
                    min=16,
                    max=4096,
                    step=8,
                    tooltip="Width and height of each crop. Some templates are named after the "
                    "size that their networks want.",
                ),
                io.Combo.Input(
                    "outside",
                    options=Outside,
                    default=Outside.MIRROR,
                    advanced=True,
                    tooltip="What a crop shows where it leaves the picture.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="crops",
                    tooltip="One picture for each face, in their order; a grey one when there is "
                    "no face at all.",
                ),
                Crops.Output(display_name="placement", tooltip="The way back, for Paste Faces."),
                io.String.Output(display_name="report", tooltip="What was cut from where."),
            ],
        )

    @classmethod
    def execute(cls, image, faces, template: dict, size: int, outside: str) -> io.NodeOutput:
        meant("faces", faces, FoundFaces, "Detect Faces or Select Faces")
        crops = align(
            image,
            faces,
            Template(template["template"]),
            size,
            Fit(template.get("fit", Fit.LEAST_SQUARES)),
            template.get("margin", 100.0) / 100,
            Outside(outside),
            progress(max(len(faces), 1)),
        )
        return reported(crops.patches, crops, report=describe_crops(crops))


class PasteFaces(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessPasteFaces",
            display_name="Paste Faces",
            category="Likeness/faces",
            description="Puts crops back where Align Faces cut them. Outside of what changes, not "
            "one pixel of the picture is touched.",
            search_aliases=[
                "paste face",
                "uncrop",
                "paste back",
                "face composite",
                "restore crop",
                "blend face",
            ],
            inputs=[
                io.Image.Input(
                    "image", tooltip="The pictures to paste into: those the faces were cut from."
                ),
                io.Image.Input(
                    "crops",
                    tooltip="The crops after whatever was done to them; also enlarged or reduced.",
                ),
                Crops.Input("placement", tooltip="From the Align Faces that cut them."),
                way_input(),
                blend_input(feather=0.1),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where the picture may change, in the picture's own pixels, such as "
                    "from Face Mask.",
                ),
                io.Mask.Input(
                    "crop_mask",
                    optional=True,
                    tooltip="Which part of each crop is put back, in the crop's own pixels.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The pictures with the crops."),
                io.String.Output(
                    display_name="report", tooltip="What was pasted, and how its edge shows."
                ),
            ],
        )

    @classmethod
    def execute(
        cls, image, crops, placement, way: str, blend: dict, mask=None, crop_mask=None
    ) -> io.NodeOutput:
        meant("placement", placement, Cut, "the Align Faces that cut the crops")
        advance = progress(max(len(placement.cut), 1))
        pasted = paste(image, crops, placement, Way(way), blend_of(blend), mask, crop_mask, advance)
        return reported(pasted.images, report=describe_pasted(placement, pasted))


def _option(template: Template) -> io.DynamicCombo.Option:
    margin = io.Float.Input(
        "margin",
        default=100.0,
        min=0.0,
        max=500.0,
        step=5.0,
        tooltip="How much is added on every side, in percent of the face's box.",
    )
    fit = io.Combo.Input(
        "fit",
        options=Fit,
        default=Fit.LEAST_SQUARES,
        advanced=True,
        tooltip="'least squares' heeds all five points, 'robust' leaves out those that do not fit "
        "the others, as facexlib does.",
    )
    settings = {Template.UPRIGHT: [margin], Template.QUAD: []}
    return io.DynamicCombo.Option(template.value, settings.get(template, [fit]))
