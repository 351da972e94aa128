"""Loading what finds faces."""

from __future__ import annotations

from pathlib import Path

import torch
from comfy_api.latest import io

from ..likeness import insight
from ..likeness.detect import detect
from ..likeness.face import Faces as FoundFaces
from ..likeness.report import describe_analyzer
from .host import fingerprint, meant, model_folders, progress, reported
from .types import Analyzer, Faces

BUILT_IN = "built in"


class LoadFaceAnalyzer(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessLoadFaceAnalyzer",
            display_name="Load Face Analyzer",
            category="Likeness/faces",
            description="Loads what finds faces: the built-in finder, or an insightface pack.",
            search_aliases=[
                "insightface",
                "antelopev2",
                "buffalo_l",
                "face analysis",
                "face model loader",
                "bbox detector loader",
                "ultralytics detector provider",
                "scrfd",
            ],
            inputs=[
                io.Combo.Input(
                    "analyzer",
                    options=[BUILT_IN, *insight.packs(model_folders("insightface"))],
                    default=BUILT_IN,
                    tooltip="'built in' needs no file and finds frontal faces, without identity. "
                    "Packs in models/insightface/models find all poses and know identity.",
                ),
            ],
            outputs=[
                Analyzer.Output(display_name="analyzer", tooltip="For Detect Faces."),
                io.String.Output(
                    display_name="report", tooltip="What it can do and what it runs on."
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, analyzer: str | None) -> str:  # None while it comes by a wire
        packs = insight.packs(model_folders("insightface"))
        return fingerprint(packs[analyzer]) if analyzer in packs else BUILT_IN

    @classmethod
    def execute(cls, analyzer: str) -> io.NodeOutput:
        loaded = finder(None) if analyzer == BUILT_IN else insight.load(_folder(analyzer))
        return reported(loaded, report=describe_analyzer(loaded))


def finder(analyzer: object) -> object:
    """What came by an analyzer socket; the built-in finder where nothing did."""
    if analyzer is None:
        from ..likeness.frontal import cascade

        return cascade.load()
    if not hasattr(analyzer, "parts"):
        raise ValueError(
            f"analyzer: a {type(analyzer).__name__} finds no faces: connect Load Face Analyzer"
        )
    return analyzer


def faces_input() -> io.Input:
    """For nodes that find the faces themselves where none are given."""
    return Faces.Input(
        "faces",
        optional=True,
        tooltip="Which faces, from Detect Faces or Select Faces. Without it all faces that the "
        "analyzer finds.",
    )


def faces_in(image: torch.Tensor, faces: object, analyzer: object) -> FoundFaces:
    """What came by a faces socket; all that the analyzer finds where nothing did."""
    if faces is None:
        return detect(image, analyzer, progress=progress(len(image)))
    meant("faces", faces, FoundFaces, "Detect Faces or Select Faces")
    return faces


def _folder(analyzer: str) -> Path:
    packs = insight.packs(model_folders("insightface"))
    if analyzer not in packs:
        raise ValueError(
            f"analyzer is {str(analyzer)[:80]!r}, which is not there: choose one of "
            f"{', '.join([BUILT_IN, *packs])}, or unpack it into models/insightface/models"
        )
    return packs[analyzer]
