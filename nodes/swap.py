"""Swapping faces. What only a run needs is imported there: the host's start pays for the rest."""

from __future__ import annotations

import comfy.model_management
import torch
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from ..likeness.identity import People
from ..likeness.models import Task
from ..likeness.parse import WORKING as PARSING
from ..likeness.parse import Parser as ParserNetwork
from ..likeness.paste import Way
from ..likeness.report import describe_swapped, describe_swapper
from ..likeness.swapping.boost import MOST
from ..likeness.swapping.covering import Covers
from ..likeness.swapping.pairing import Pairing
from ..likeness.swapping.swapper import BATCH
from . import weights
from .analyzer import faces_in, faces_input, finder
from .blending import blend_input, blend_of, way_input
from .host import loaded, meant, named, patched, progress, reported, working_dtype
from .types import Analyzer, Crops, Identity, Parser, Swapper

BUILT_IN = "built in: warp and blend"
WORKING = 400_000_000  # bytes that a network works in, for each crop of 256 px


class LoadSwapper(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessLoadSwapper",
            display_name="Load Swapper",
            category="Likeness/swap",
            description="Loads what swaps faces: a network, or the built-in photomontage that "
            "needs no file.",
            search_aliases=[
                "inswapper",
                "reswapper",
                "hyperswap",
                "simswap",
                "ghost",
                "reactor",
                "face swap model",
                "roop",
            ],
            inputs=[
                io.Combo.Input(
                    "swapper",
                    options=[BUILT_IN, *weights.choices(Task.SWAP)],
                    default=BUILT_IN,
                    tooltip="'built in' lays the photo itself over the face, by its landmarks: no "
                    "file, frontal faces only. The others are networks in models/insightface, "
                    "models/reswapper and models/hyperswap; most forbid commercial use, and the "
                    "report says which.",
                ),
            ],
            outputs=[
                Swapper.Output(display_name="swapper", tooltip="For Swap Faces."),
                io.String.Output(
                    display_name="report",
                    tooltip="What it is, what it needs of a person, and its licence.",
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, swapper: str | None) -> str:  # None while it comes by a wire
        if swapper == BUILT_IN:
            return BUILT_IN
        return weights.state(swapper, Task.SWAP) + weights.states(Task.CONVERT)

    @classmethod
    def execute(cls, swapper: str) -> io.NodeOutput:
        from ..likeness.montage.montage import Montage
        from ..likeness.swapping.load import load

        if swapper == BUILT_IN:
            montage = Montage()
            return reported(montage, report=describe_swapper(montage))
        network = load(weights.located("swapper", swapper, Task.SWAP))
        report = describe_swapper(network)
        if not isinstance(network, torch.nn.Module):
            return reported(network, report=report)
        dtype = working_dtype()
        report += f"\nruns on {comfy.model_management.get_torch_device()} in {dtype}"
        return reported(patched(network.to(dtype)), report=report)


class SwapFaces(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessSwapFaces",
            display_name="Swap Faces",
            category="Likeness/swap",
            description="Puts the face of a person onto faces of pictures. Use your own face, or "
            "that of somebody who agreed.",
            search_aliases=[
                "face swap",
                "reactor",
                "roop",
                "deepfake",
                "replace face",
                "inswapper",
                "swap face",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures whose faces are replaced."),
                Swapper.Input("swapper", tooltip="From Load Swapper."),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="1 is the person, 0 is who was there before; between them networks "
                    "mix the two identities, and swappers that go by a picture fade.",
                ),
                io.Int.Input(
                    "boost",
                    default=1,
                    min=1,
                    max=MOST,
                    tooltip="How many times the network's own resolution the new face gets: 4 "
                    "makes 512 px of 128. Costs time by its square. The built-in swap has the "
                    "resolution of the picture anyway.",
                ),
                io.Combo.Input(
                    "covers",
                    options=Covers,
                    default=Covers.BOX,
                    tooltip="What of the new face is put back. 'box': all of the crop, or what the "
                    "built-in swap covers. 'landmarks': face and forehead. 'parsed': what a parser "
                    "sees of the face, so that hair, hands and hats stay before it. 'mask': what "
                    "is masked.",
                ),
                io.Combo.Input(
                    "pairing",
                    options=Pairing,
                    default=Pairing.ORDER,
                    tooltip="Who goes onto whom. 'in order': the first person onto the first face "
                    "of each picture and so on, a single person onto all. 'by similarity': so "
                    "that people and faces are as alike as can be, each person once in a picture.",
                ),
                way_input(),
                blend_input(feather=0.1),
                faces_input(),
                Identity.Input(
                    "identity",
                    optional=True,
                    tooltip="Who goes there: from Make Identity or Load Identity.",
                ),
                io.Image.Input(
                    "source",
                    optional=True,
                    tooltip="Instead of an identity: a photo of the person. The largest face "
                    "counts; several photos are a person each.",
                ),
                Analyzer.Input(
                    "analyzer",
                    optional=True,
                    tooltip="Looks at the source, and finds faces where none are given; one that "
                    "knows identity also measures the likeness of the result. Without it the "
                    "built-in finder is used.",
                ),
                Parser.Input(
                    "parser", optional=True, tooltip="From Load Face Parser, for 'parsed'."
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where the pictures may change, whatever 'covers' says.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The pictures with the new faces."),
                io.Mask.Output(
                    display_name="mask", tooltip="What has changed, and how much of it is new."
                ),
                io.Image.Output(
                    display_name="crops",
                    tooltip="The new faces before they were put back: restore or refine them, "
                    "then paste them into the original with Paste Faces.",
                ),
                Crops.Output(display_name="placement", tooltip="Of the crops, for Paste Faces."),
                io.String.Output(
                    display_name="report",
                    tooltip="Who went where, and how like them each face was before and is now.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        image,
        swapper,
        strength: float,
        boost: int,
        covers: str,
        pairing: str,
        way: str,
        blend: dict,
        faces=None,
        identity=None,
        source=None,
        analyzer=None,
        parser=None,
        mask=None,
    ) -> io.NodeOutput:
        from ..likeness.swapping.swap import Settings, swap_faces

        analyzer = finder(analyzer)
        people = _people(identity, source, analyzer)
        settings = Settings(
            strength, boost, Covers(covers), Pairing(pairing), Way(way), blend_of(blend)
        )
        if settings.covers is Covers.PARSED:
            parser = loaded("parser", parser, ParserNetwork, "Load Face Parser", PARSING)
        faces = faces_in(image, faces, analyzer)
        swapped = swap_faces(
            image,
            faces,
            people,
            ready(swapper),
            settings,
            mask,
            parser,
            analyzer,
            progress(max(len(faces), 1)),
        )
        return reported(
            swapped.images,
            swapped.masks,
            swapped.patches,
            swapped.crops,
            report=describe_swapped(swapped),
        )


def ready(swapper: object) -> object:
    """What came by the swapper socket, on its device."""
    from ..likeness.montage.montage import Montage

    if isinstance(swapper, ModelPatcher):
        comfy.model_management.load_models_gpu([swapper], memory_required=BATCH * WORKING)
        return swapper.model
    if not isinstance(swapper, Montage) and not hasattr(swapper, "swap"):
        raise ValueError(
            f"swapper: a {type(swapper).__name__} swaps no faces: connect Load Swapper"
        )
    return swapper


def _people(identity: object, source: torch.Tensor | None, analyzer: object) -> People:
    if (identity is None) == (source is None):
        given = "both are" if identity is not None else "neither is"
        raise ValueError(
            f"identity, source: {given} connected. Connect either an identity (Make Identity, "
            "Load Identity) or a source photo"
        )
    if identity is not None:
        meant("identity", identity, People, "Make Identity or Load Identity")
        return identity
    from ..likeness.make_identity import each_a_person

    with named("source"):
        return each_a_person([source], analyzer)
