"""Restoring faces. What only a run needs is imported there: the host's start pays for the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import comfy.model_management
import torch
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from ..likeness.models import Task
from ..likeness.parse import Parser as ParserNetwork
from ..likeness.paste import Way
from ..likeness.report import describe_restored, describe_restorer
from ..likeness.restoring.canvas import MOST
from ..likeness.restoring.covering import Covers
from ..likeness.restoring.restorer import BATCH
from . import weights
from .analyzer import faces_in, faces_input, finder
from .blending import blend_input, blend_of, way_input
from .host import meant, named, patched, progress, reported
from .types import Analyzer, Parser, Restorer

WORKING = 1_500_000_000  # bytes that a network works in, for each crop of 512 px


class LoadFaceRestorer(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessLoadFaceRestorer",
            display_name="Load Face Restorer",
            category="Likeness/restore",
            description="Loads a network that makes small, blurred or swapped faces sharp.",
            search_aliases=[
                "gfpgan",
                "codeformer",
                "restoreformer",
                "gpen",
                "face restore model loader",
                "facerestore_cf",
                "face enhancer",
                "reactor",
            ],
            inputs=[
                io.Combo.Input(
                    "restorer",
                    options=weights.choices(Task.RESTORE),
                    tooltip="GFPGAN, RestoreFormer, RestoreFormer++, CodeFormer and GPEN, in "
                    "models/facerestore_models. What is in a file counts, not its name; .onnx "
                    "files are known by their names. Those that are there come first. CodeFormer "
                    "and GPEN may not be used commercially.",
                ),
            ],
            outputs=[
                Restorer.Output(
                    display_name="restorer", tooltip="For Restore Faces and Compare Restorers."
                ),
                io.String.Output(
                    display_name="report", tooltip="What it is, how it works, and its licence."
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, restorer: str | None) -> str:  # None while it comes by a wire
        return weights.state(restorer, Task.RESTORE)

    @classmethod
    def execute(cls, restorer: str) -> io.NodeOutput:
        from ..likeness.restoring.load import load

        network = load(weights.located("restorer", restorer, Task.RESTORE))
        report = describe_restorer(network)
        if not isinstance(network, torch.nn.Module):
            return reported(network, report=report)
        report += f"\nruns on {comfy.model_management.get_torch_device()} in {torch.float32}"
        return reported(patched(network), report=report)


class RestoreFaces(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessRestoreFaces",
            display_name="Restore Faces",
            category="Likeness/restore",
            description="Makes small, blurred or swapped faces sharp and puts them back where they "
            "were, still the same people.",
            search_aliases=[
                "face restore",
                "restore face",
                "gfpgan",
                "codeformer",
                "face enhance",
                "face boost",
                "facerestore",
                "fix faces",
                "upscale face",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures whose faces are restored."),
                restorer_input("restorer"),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How much of the restored face is mixed in; 0 leaves every pixel.",
                ),
                io.Float.Input(
                    "fidelity",
                    default=0.7,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="For CodeFormer: 1 keeps to the face as it is, 0 makes the most "
                    "beautiful one and often somebody else. The others take no such number.",
                ),
                io.Combo.Input(
                    "covers",
                    options=Covers,
                    default=Covers.BOTH,
                    tooltip="What of the restored crop is put back. 'square': all of it. 'parsed': "
                    "face, ears and hair, as a parser sees them. 'square and parsed': the lesser "
                    "of the two, so that nothing shows at the crop's border; without a parser it "
                    "is the square.",
                ),
                io.Float.Input(
                    "guard",
                    default=0.3,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How much likeness to the face as it was may be lost, where the "
                    "analyzer knows identity: less of a restored face is mixed in until the "
                    "similarity, 1 at first, has fallen by no more than this. 1 is no guard.",
                ),
                io.Int.Input(
                    "min_pixels",
                    default=16,
                    min=0,
                    max=8192,
                    advanced=True,
                    tooltip="Faces whose longer side is shorter are left as they are. Below about "
                    "60 px networks invent a face.",
                ),
                io.Int.Input(
                    "max_pixels",
                    default=0,
                    min=0,
                    max=8192,
                    advanced=True,
                    tooltip="Faces whose longer side is longer are left as they are. 0: those "
                    "larger than the network's own crop, which would lose detail.",
                ),
                io.Float.Input(
                    "factor",
                    default=1.0,
                    min=1.0,
                    max=MOST,
                    step=0.25,
                    tooltip="How many times as wide and high the picture becomes: the restored "
                    "faces bring their detail, the rest is enlarged by the upscale model, or "
                    "smoothly where none is connected.",
                ),
                way_input(),
                blend_input(feather=0.1),
                faces_input(),
                Analyzer.Input(
                    "analyzer",
                    optional=True,
                    tooltip="Finds faces where none are given; one that knows identity guards the "
                    "likeness. Without it the built-in finder is used, and nothing is guarded.",
                ),
                Parser.Input(
                    "parser", optional=True, tooltip="From Load Face Parser, for a parsed mask."
                ),
                io.UpscaleModel.Input(
                    "upscale_model",
                    optional=True,
                    tooltip="From core's Load Upscale Model, for what is not a face; 'factor' says "
                    "how large the result becomes, whatever the model's own factor is. At 1 it is "
                    "not used.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The pictures, faces restored."),
                io.Mask.Output(
                    display_name="mask", tooltip="Where a restored face is, and how much of it."
                ),
                io.Image.Output(
                    display_name="crops",
                    tooltip="The restored faces alone, as the network gave them.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="What became of each face: how like itself, how sharp, how changed.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        image,
        restorer,
        strength: float,
        fidelity: float,
        covers: str,
        guard: float,
        min_pixels: int,
        max_pixels: int,
        factor: float,
        way: str,
        blend: dict,
        faces=None,
        analyzer=None,
        parser=None,
        upscale_model=None,
    ) -> io.NodeOutput:
        from ..likeness.restoring.restore import Settings, restore_faces

        analyzer = finder(analyzer)
        settings = Settings(
            strength=strength,
            fidelity=fidelity,
            covers=Covers(covers),
            guard=guard,
            min_pixels=min_pixels,
            max_pixels=max_pixels,
            factor=factor,
            way=Way(way),
            blend=blend_of(blend),
        )
        network, patchers = taken(restorer)
        sight, more = parser_for(settings.covers, parser)
        restored = restore_faces(
            image,
            faces_in(image, faces, analyzer),
            network,
            settings,
            sight,
            analyzer,
            enlarger(upscale_model),
            partial(make_room, [*patchers, *more]),
            progress(1),
        )
        return reported(
            restored.images,
            restored.masks,
            restored.patches,
            report=describe_restored(restored),
        )


def restorer_input(input_id: str, optional: bool = False, name: str | None = None) -> io.Input:
    return io.MultiType.Input(
        input_id,
        [Restorer, io.UpscaleModel],
        display_name=name,
        optional=optional,
        tooltip="From Load Face Restorer, or from core's Load Upscale Model where its file is a "
        "face restorer.",
    )


def parser_for(covers: Covers, parser: object) -> tuple[ParserNetwork | None, list[ModelPatcher]]:
    """The parser where one is connected and its mask is wanted, and what moves it."""
    if parser is None or not covers.parses:
        return None, []
    meant("parser", getattr(parser, "model", parser), ParserNetwork, "Load Face Parser")
    return parser.model, [parser]


def taken(restorer: object, input_id: str = "restorer") -> tuple[object, list[ModelPatcher]]:
    """The network that came by a restorer socket, and what moves it, where anything does."""
    if isinstance(restorer, ModelPatcher) and hasattr(restorer.model, "restore"):
        return restorer.model, [restorer]
    if hasattr(restorer, "architecture"):  # core's upscale model
        from ..likeness.restoring.spandrel_restorer import from_descriptor

        with named(input_id):
            network = from_descriptor(restorer, f"{restorer.architecture.name} by core's loader")
        same = network.network is restorer.model
        patcher = getattr(restorer, "patcher", None) if same else None
        return network, [patcher or patched(network)]
    if not hasattr(restorer, "restore"):
        raise ValueError(
            f"{input_id}: a {type(restorer).__name__} restores no faces: connect Load Face Restorer"
        )
    return restorer, []


def make_room(patchers: Sequence[ModelPatcher]) -> None:
    """Bring all of them to their device at once: one by one, the next might send the last away."""
    if patchers:
        comfy.model_management.load_models_gpu(list(patchers), memory_required=BATCH * WORKING)


def enlarger(upscale_model: object) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Core's own upscaling, a picture at a time."""
    if upscale_model is None:
        return None
    if getattr(upscale_model, "purpose", None) == "FaceSR":
        raise ValueError(
            "upscale_model: it is a face restorer, which makes nothing larger: connect it to "
            "'restorer', and an upscaler such as RealESRGAN_x2plus.pth here"
        )
    if not hasattr(upscale_model, "scale"):
        raise ValueError(
            f"upscale_model: a {type(upscale_model).__name__} makes nothing larger: connect "
            "Load Upscale Model"
        )
    from comfy_extras.nodes_upscale_model import ImageUpscaleWithModel

    return lambda image: ImageUpscaleWithModel.execute(upscale_model, image).args[0]
