"""Masks of faces without painting."""

from __future__ import annotations

from comfy_api.latest import io

from ..likeness.face import Faces as FoundFaces
from ..likeness.masks import Edge, Parts, describe_masks, face_masks
from ..likeness.names import listed
from ..likeness.parse import FaceClass
from ..likeness.parse import Parsing as Parsed
from ..likeness.regions import Region
from .host import meant, named, progress, reported
from .types import Faces, Parsing

SEVERAL = "several"
SHARES, PIXELS = "share of the face", "pixels"
EACH_PICTURE, EACH_FACE = "one for each picture", "one for each face"
FIRST = (Region.FOREHEAD, Region.FACE)  # in the menu, before the parts of a face
OCCLUSION = "hair, hat, glasses, cloth, background"
NAMES = ", ".join(name.value for name in FaceClass)


class FaceMask(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessFaceMask",
            display_name="Face Mask",
            category="Likeness/masks",
            description="Masks faces, or parts of them, without painting. With Parse Face it "
            "leaves out what covers the face, or takes in the neck.",
            search_aliases=[
                "mask face",
                "segment face",
                "face parsing mask",
                "eyes mask",
                "lips mask",
                "skin mask",
                "mask blur",
                "inpaint face",
            ],
            inputs=[
                Faces.Input(
                    "faces", tooltip="From Detect Faces, Select Faces or Refine Landmarks."
                ),
                _region_input(),
                io.Combo.Input(
                    "masks",
                    options=[EACH_PICTURE, EACH_FACE],
                    default=EACH_PICTURE,
                    tooltip="One mask with all faces of each picture, or one for each face in "
                    "their order.",
                ),
                io.DynamicCombo.Input(
                    "unit",
                    options=[
                        io.DynamicCombo.Option(SHARES, _edge_inputs(1.0, 0.5, 0.01)),
                        io.DynamicCombo.Option(PIXELS, _edge_inputs(1024.0, 1024.0, 1.0)),
                    ],
                    tooltip="What 'grow' and 'feather' count in: shares of the longer side of the "
                    "face's box, the same for small and large faces, or pixels.",
                ),
                io.Float.Input(
                    "blur",
                    default=0.0,
                    min=0.0,
                    max=256.0,
                    step=1.0,
                    tooltip="Softens the mask at the end, to both sides, exactly as the 'mask "
                    "blur' of A1111 of this number does.",
                ),
                io.String.Input(
                    "add",
                    default="",
                    placeholder="nothing",
                    tooltip="With a parsing: what is masked besides, such as 'neck' for a mask of "
                    "face and neck. Any of these, "
                    f"with commas: {NAMES}.",
                ),
                io.String.Input(
                    "subtract",
                    default=OCCLUSION,
                    placeholder="nothing",
                    tooltip="With a parsing: what stays free, however far the mask grows. Hands "
                    "and things before the face count as 'background'. Names as in 'add'.",
                ),
                Parsing.Input(
                    "parsing",
                    optional=True,
                    tooltip="From Parse Face with the same faces; 'add' and 'subtract' need it.",
                ),
            ],
            outputs=[
                io.Mask.Output(
                    display_name="mask",
                    tooltip="1 is masked. A picture without a face has an empty mask.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="How much is masked, and which faces have only a guessed outline.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls, faces, region: dict, masks, unit: dict, blur, add, subtract, parsing=None
    ) -> io.NodeOutput:
        meant("faces", faces, FoundFaces, "Detect Faces or Select Faces")
        if parsing is not None:
            meant("parsing", parsing, Parsed, "Parse Face")
        with named("add"):
            added = listed(add, FaceClass)
            if added and parsing is None:
                raise ValueError(f"{add!r} needs a parsing: connect Parse Face, or leave it empty")
        with named("subtract"):
            subtracted = listed(subtract, FaceClass)
        drawn = face_masks(
            faces,
            _chosen(region),
            Edge(unit["grow"], unit["feather"], unit["unit"] == SHARES),
            masks == EACH_PICTURE,
            blur,
            None if parsing is None else Parts(parsing, added, subtracted),
            progress(max(len(faces), 1)),
        )
        return reported(drawn.masks, report=describe_masks(drawn))


def _region_input() -> io.DynamicCombo.Input:
    """One of the regions, or a switch for each."""
    ordered = [*FIRST, *(region for region in Region if region not in FIRST)]
    switches = [
        io.Boolean.Input(_switch(region), default=False, tooltip=f"Mask the {region.value}.")
        for region in ordered
        if region is not Region.PICTURE
    ]
    return io.DynamicCombo.Input(
        "region",
        options=[
            *(io.DynamicCombo.Option(region.value, []) for region in ordered),
            io.DynamicCombo.Option(SEVERAL, switches),
        ],
        tooltip="'face' ends at the brows; 'skin' is face and forehead without eyes and mouth; "
        "'mouth' is the lips and what is between them; 'jaw' is what is below the mouth. "
        "'several' has a switch for each. 'whole picture' covers it all, with a face or without.",
    )


def _chosen(value: dict) -> list[Region]:
    if value["region"] == SEVERAL:
        return [region for region in Region if value.get(_switch(region))]
    return [Region(value["region"])]


def _switch(region: Region) -> str:
    return region.value.replace(" ", "_")


def _edge_inputs(most: float, softest: float, step: float) -> list[io.Input]:
    return [
        io.Float.Input(
            "grow",
            default=0.0,
            min=-most,
            max=most,
            step=step,
            tooltip="How far the mask reaches beyond its outline; below 0 it stays inside.",
        ),
        io.Float.Input(
            "feather",
            default=0.0,
            min=0.0,
            max=softest,
            step=step,
            tooltip="How wide the soft edge is. It lies inside: nothing beyond the mask is "
            "touched. Small parts, such as eyes, need little.",
        ),
    ]
