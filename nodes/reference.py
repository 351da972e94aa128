"""Letting a model look at a reference picture while it paints."""

from __future__ import annotations

from collections import Counter

from comfy_api.latest import io

from ..likeness.reference.selection import (
    Variant,
    adain_blocks,
    attention_blocks,
    fidelity_in,
)
from ..likeness.report import counted
from .host import reported
from .reference_patch import Reference, family, layers, refuse_unfit, widths

PIXELS = 8  # of a side that one of the latent stands for


class ReferenceOnly(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessReferenceOnly",
            display_name="Reference Only",
            category="Likeness/sampling",
            description="Lets a model look at a reference picture while it paints: SD 1.x, SD 2.x "
            "and SDXL, without a ControlNet file: 'reference_only' of A1111.",
            search_aliases=[
                "reference_only",
                "reference_adain",
                "reference attention",
                "reference controlnet",
                "reference control",
                "style fidelity",
                "ip adapter without model",
            ],
            inputs=[
                io.Model.Input("model", tooltip="SD 1.x, SD 2.x or SDXL, with its LoRAs."),
                io.Float.Input(
                    "weight",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How many of the model's blocks look at the reference, the widest "
                    "first: 0.5 is half of them, 1 is all, 0 is no reference.",
                ),
                io.Float.Input(
                    "style_fidelity",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Higher follows the reference more: at 1 it shows to the prompt alone, "
                    "so that cfg amplifies it; at 0 to the negative prompt as well.",
                ),
                io.Combo.Input(
                    "variant",
                    options=Variant,
                    default=Variant.ATTENTION,
                    tooltip="What is taken of the reference: what is to be seen in it, the tones "
                    "of its textures and colours, or both.",
                ),
                io.Float.Input(
                    "start_percent",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    advanced=True,
                    tooltip="When the model begins to look at the reference: 0 is the first step.",
                ),
                io.Float.Input(
                    "end_percent",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    advanced=True,
                    tooltip="When the model stops looking at the reference: 1 is the last step.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The reference, best cropped and of the size that is sampled. Needs "
                    "vae.",
                ),
                io.Vae.Input(
                    "vae", optional=True, tooltip="The model's own, to encode image with."
                ),
                io.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="The reference, encoded already, in the place of image and vae.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    display_name="model",
                    tooltip="The model that looks at the reference. The one that came in is left "
                    "as it was.",
                ),
                io.String.Output(
                    display_name="report", tooltip="Which blocks look at the reference."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        model,
        weight: float,
        style_fidelity: float,
        variant: str,
        start_percent: float,
        end_percent: float,
        image=None,
        vae=None,
        latent=None,
    ) -> io.NodeOutput:
        refuse_unfit(model)
        if start_percent > end_percent:
            raise ValueError(
                f"start_percent: {start_percent:g} comes after end_percent {end_percent:g}, so "
                "that the reference would never be looked at: lower it"
            )
        reference = _reference(
            _encoded(model, image, vae, latent),
            model,
            weight,
            style_fidelity,
            Variant(variant),
            (start_percent, end_percent),
        )
        patched = reference.add_to(model) if reference.read else model.clone()
        return reported(patched, report=_described(reference, model))


def _encoded(model, image, vae, latent):
    """The one reference there is, as a latent that the model could sample."""
    if (image is None) == (latent is None):
        raise ValueError(
            "image, latent: "
            + ("neither is connected" if latent is None else "both are connected")
            + ": connect a picture to image, with a vae, or its latent to latent"
        )
    if latent is None and vae is None:
        raise ValueError("vae: image needs one: connect the checkpoint's VAE")
    samples = vae.encode(image[..., :3]) if latent is None else latent["samples"]
    channels = model.get_model_object("latent_format").latent_channels
    source = "vae" if latent is None else "latent"
    if samples.is_nested or samples.ndim != 4 or samples.shape[1] != channels:
        raise ValueError(
            f"{source}: a latent of shape {tuple(samples.shape)} "
            f"came in, and this model samples (pictures, {channels}, height, width): use the "
            "autoencoder of the model's own family"
        )
    if not samples.isfinite().all():
        raise ValueError(
            f"{source}: the reference's latent holds values that are not numbers, and so would all "
            "that is sampled: connect another picture, or start ComfyUI with --fp32-vae"
        )
    return samples


def _reference(samples, model, weight, fidelity, variant: Variant, part) -> Reference:
    unet, kind = model.model.diffusion_model, family(model)
    attention, adain = (), ()
    if variant is not Variant.ADAIN:
        attention = attention_blocks(widths(unet), weight)
    if variant is not Variant.ATTENTION:
        adain = adain_blocks(kind, list(layers(unet)), weight)
    return Reference(samples, attention, adain, fidelity_in(kind, fidelity), *part)


def _described(reference: Reference, model) -> str:
    """What looks at the reference, a line for each way of looking."""
    every = widths(model.model.diffusion_model)
    if not reference.read:
        return "nothing looks at the reference: raise weight"
    lines = []
    if reference.attention:
        counts = Counter(every[place] for place in reference.attention)
        wide = ", ".join(
            f"{count} of width {width}" for width, count in sorted(counts.items(), reverse=True)
        )
        lines.append(f"attention: {len(reference.attention)} of {len(every)} blocks: {wide}")
    if reference.adain:
        names = ", ".join(f"{name} {number}" for name, number in reference.adain)
        lines.append(f"adain: {names}")
    pictures, _, height, width = reference.latent.shape
    lines.append(
        f"reference: {counted(pictures, 'picture')} of {PIXELS * width} x {PIXELS * height} px, "
        "fitted while sampling where another size is sampled"
    )
    lines.append(f"style fidelity in use: {reference.fidelity:g}")
    return "\n".join(lines)
