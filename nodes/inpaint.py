"""Cutting out what is to be inpainted, and stitching it in."""

from __future__ import annotations

from comfy_api.latest import io

from ..likeness.crop import Crops as Cut
from ..likeness.face import Faces as FoundFaces
from ..likeness.inpainting import inpaint
from ..likeness.inpainting.aim import Empty
from ..likeness.inpainting.framing import Framing, Outside, Target, Unit
from ..likeness.inpainting.painted import Layer
from ..likeness.paste import Method, Pasted, Way
from ..likeness.report import describe_crops, describe_pasted
from .blending import blend_input, blend_of, way_input
from .host import meant, progress, reported
from .types import Crops, Faces

MULTIPLES = ("8", "16", "32", "64")
EXACT = Target.DIFFUSERS.value  # the way back is called as the way there


class CropForInpaint(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessCropForInpaint",
            display_name="Crop For Inpaint",
            category="Likeness/inpaint",
            description="Cuts out what a mask covers, with its surroundings, at the size the model "
            "likes. Inpaint the crop, then put it back with Stitch Inpaint.",
            search_aliases=[
                "inpaint crop",
                "crop and stitch",
                "only masked",
                "masked area",
                "padding_mask_crop",
                "inpaint padding",
                "crop by mask",
                "detailer",
                "mask blur",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures to inpaint in."),
                io.Mask.Input(
                    "mask",
                    tooltip="What is to be painted anew. One for each picture, one for all, or "
                    "several for a single picture, which give a crop each.",
                ),
                _target_input(),
                _padding_input(),
                _blur_input("mask_blur", "the mask", advanced=False),
                io.Combo.Input(
                    "outside",
                    options=Outside,
                    default=Outside.SHIFT,
                    advanced=True,
                    tooltip="What is done where a crop would leave the picture: it is shifted, or "
                    "what lies outside is made up from the picture.",
                ),
                io.Combo.Input(
                    "empty",
                    options=Empty,
                    default=Empty.PASS,
                    advanced=True,
                    tooltip="What is done about a mask on which nothing is painted.",
                ),
                _blur_input("context_blur", "the context mask"),
                _blur_input("blend_blur", "the blend mask"),
                io.Mask.Input(
                    "context_mask",
                    optional=True,
                    tooltip="What the model is to see as well: the crop is made large enough for "
                    "it.",
                ),
                io.Mask.Input(
                    "blend_mask",
                    optional=True,
                    tooltip="Where the stitch may change the picture, when that is not the mask "
                    "itself: a larger one with a soft edge, for example.",
                ),
                Faces.Input(
                    "faces",
                    optional=True,
                    tooltip="For tilted heads: every crop is turned upright by the face under its "
                    "mask, and back by the stitch. Masks of the single faces, from Face Mask, find "
                    "their pictures by it.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="image",
                    tooltip="The crops, all of one size; a grey one when nothing is masked.",
                ),
                io.Mask.Output(
                    display_name="mask", tooltip="The mask in each crop, for the sampler."
                ),
                Crops.Output(display_name="stitch", tooltip="The way back, for Stitch Inpaint."),
                io.String.Output(display_name="report", tooltip="What was cut from where."),
            ],
        )

    @classmethod
    def execute(
        cls,
        image,
        mask,
        target: dict,
        padding: dict,
        mask_blur: float,
        outside: str,
        empty: str,
        context_blur: float,
        blend_blur: float,
        context_mask=None,
        blend_mask=None,
        faces=None,
    ) -> io.NodeOutput:
        if faces is not None:
            meant("faces", faces, FoundFaces, "Detect Faces or Select Faces")
        crops, masks = inpaint.crop_for_inpaint(
            image,
            Layer(mask, mask_blur),
            _framing(target, padding, outside),
            None if context_mask is None else Layer(context_mask, context_blur),
            None if blend_mask is None else Layer(blend_mask, blend_blur),
            faces,
            Empty(empty),
            progress(len(mask)),
        )
        return reported(crops.patches, masks, crops, report=describe_crops(crops))


class StitchInpaint(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessStitchInpaint",
            display_name="Stitch Inpaint",
            category="Likeness/inpaint",
            description="Puts inpainted crops back where Crop For Inpaint cut them. Beyond the "
            "mask, not one pixel of the picture is touched.",
            search_aliases=[
                "inpaint stitch",
                "crop and stitch",
                "uncrop",
                "paste by mask",
                "inpaint composite",
                "apply_overlay",
                "color correction",
                "vae drift",
                "seamless inpaint",
            ],
            inputs=[
                Crops.Input("stitch", tooltip="From the Crop For Inpaint that cut the crops."),
                io.Image.Input(
                    "image",
                    tooltip="The crops after they were inpainted; also enlarged or reduced.",
                ),
                way_input(),
                _blend_input(),
                io.Image.Input(
                    "picture",
                    optional=True,
                    tooltip="Other pictures of the same size to stitch into. Without it, those "
                    "that the crops were cut from.",
                ),
                io.Image.Input(
                    "untouched",
                    optional=True,
                    tooltip="The crops of Crop For Inpaint after VAE Encode and VAE Decode alone. "
                    "What the autoencoder does to colours is measured by them and taken out.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The pictures with the crops."),
                io.String.Output(
                    display_name="report", tooltip="What was stitched, and how its edge shows."
                ),
            ],
        )

    @classmethod
    def execute(
        cls, stitch, image, way: str, blend: dict, picture=None, untouched=None
    ) -> io.NodeOutput:
        meant("stitch", stitch, Cut, "the Crop For Inpaint that cut the crops")
        pasted = _stitched(stitch, image, Way(way), blend, picture, untouched)
        return reported(pasted.images, report=describe_pasted(stitch, pasted))


def _target_input() -> io.DynamicCombo.Input:
    sides = [
        io.Int.Input(
            name, default=1024, min=64, max=8192, step=8, tooltip=f"The {name} of every crop."
        )
        for name in ("width", "height")
    ]
    multiple = io.Combo.Input(
        "multiple",
        options=MULTIPLES,
        default=MULTIPLES[0],
        tooltip="Width and height are multiples of this, as the model wants them.",
    )
    megapixels = io.Float.Input(
        "megapixels",
        default=1.0,
        min=0.05,
        max=16.0,
        step=0.05,
        tooltip="How large every crop is, in units of 1024 x 1024. Its shape follows the mask.",
    )
    settings = {
        Target.FIXED: sides,
        Target.BUDGET: [megapixels, multiple],
        Target.SAME: [multiple],
        Target.DIFFUSERS: sides,
    }
    return io.DynamicCombo.Input(
        "target",
        options=[io.DynamicCombo.Option(each.value, inputs) for each, inputs in settings.items()],
        tooltip="The size of the crops. 'as it is' neither enlarges nor reduces, so that the way "
        "back is exact. 'as diffusers' gives the very numbers of its padding_mask_crop, in 8 bits.",
    )


def _padding_input() -> io.DynamicCombo.Input:
    percent = io.Float.Input(
        Unit.PERCENT.value,
        default=50.0,
        min=0.0,
        max=1000.0,
        step=5.0,
        tooltip="In percent of the longer side of what is masked.",
    )
    pixels = io.Int.Input(
        Unit.PIXELS.value, default=32, min=0, max=4096, tooltip="In pixels of the picture."
    )
    return io.DynamicCombo.Input(
        "padding",
        options=[io.DynamicCombo.Option(each.id, [each]) for each in (percent, pixels)],
        tooltip="How much of the surroundings is cut out with it, on every side.",
    )


def _blur_input(name: str, what: str, advanced: bool = True) -> io.Float.Input:
    return io.Float.Input(
        name,
        default=0.0,
        min=0.0,
        max=256.0,
        step=1.0,
        advanced=advanced,
        tooltip=f"Softens {what}, inwards and outwards, before anything is cut: the 'mask blur' of "
        "A1111.",
    )


def _blend_input() -> io.DynamicCombo.Input:
    """That of Paste Faces, with another way of others in the place of those for faces."""
    kept = {Method.FEATHER.value, Method.BANDS.value, Method.GRADIENT.value}
    options = [each for each in blend_input(feather=0.1).options if each.key in kept]
    return io.DynamicCombo.Input(
        "blend",
        options=[*options, io.DynamicCombo.Option(EXACT, [])],
        tooltip="How the crop and the picture meet. 'feather' is a soft edge; 'multi-band' blends "
        "tones wide and detail narrow; 'gradient-domain' takes the crop's detail and the picture's "
        "tones. 'as diffusers' overlays in 8 bits what was cut 'as diffusers'.",
    )


def _framing(target: dict, padding: dict, outside: str) -> Framing:
    unit = Unit(padding["padding"])
    given = {name: target[name] for name in ("width", "height", "megapixels") if name in target}
    return Framing(
        Target(target["target"]),
        **given,
        multiple=int(target.get("multiple", MULTIPLES[0])),
        padding=padding[unit.value],
        unit=unit,
        outside=Outside(outside),
    )


def _stitched(stitch, image, way: Way, blend: dict, picture, untouched) -> Pasted:
    advance = progress(max(len(stitch.cut), 1))
    if blend["blend"] != EXACT:
        chosen = blend_of(blend)
        return inpaint.stitch(image, stitch, picture, untouched, way, chosen, advance)
    if way is not Way.REPLACE or untouched is not None:
        raise ValueError(
            f"blend: '{EXACT}' knows neither '{Way.CHANGE.value}' nor untouched crops: set way to "
            f"'{Way.REPLACE.value}' and disconnect untouched, or choose another blend"
        )
    return inpaint.stitch_exactly(image, stitch, picture, advance)
