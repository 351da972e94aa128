"""The nodes of this pack, in menu order, and the model folders they look into."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .align import AlignFaces, PasteFaces
from .analyzer import LoadFaceAnalyzer
from .captions import CleanCaption
from .compare_restorers import CompareRestorers
from .control import LoadSoftEdge, SoftEdge
from .describe import DescribeImages, LoadDescriber
from .detect import DetectFaces
from .embeddings import AddEmbeddings
from .faces import DrawFaces, FacesToBoxes, SelectFaces
from .host import register_model_folders
from .identity import CompareFaces, JoinIdentities, MakeIdentity
from .identity_library import LoadIdentity, SaveIdentity
from .inpaint import CropForInpaint, StitchInpaint
from .landmarks import LoadLandmarkNetwork, RefineLandmarks
from .masks import FaceMask
from .parse import LoadFaceParser, ParseFace
from .portrait import LoadPortrait
from .pose_map import FacePoseMap
from .reference import ReferenceOnly
from .restore import LoadFaceRestorer, RestoreFaces
from .strength import ExactStrength
from .swap import LoadSwapper, SwapFaces
from .swap_folder import SwapFolder
from .tags import LoadTagger, TagImages

NODES: tuple[type[io.ComfyNode], ...] = (
    LoadFaceAnalyzer,
    DetectFaces,
    SelectFaces,
    LoadLandmarkNetwork,
    RefineLandmarks,
    DrawFaces,
    FacesToBoxes,
    MakeIdentity,
    SaveIdentity,
    LoadIdentity,
    JoinIdentities,
    CompareFaces,
    AlignFaces,
    PasteFaces,
    FaceMask,
    CropForInpaint,
    StitchInpaint,
    LoadFaceParser,
    ParseFace,
    LoadSwapper,
    SwapFaces,
    SwapFolder,
    LoadFaceRestorer,
    RestoreFaces,
    CompareRestorers,
    LoadSoftEdge,
    SoftEdge,
    FacePoseMap,
    ReferenceOnly,
    ExactStrength,
    LoadTagger,
    TagImages,
    LoadDescriber,
    DescribeImages,
    CleanCaption,
    AddEmbeddings,
    LoadPortrait,
)


class Likeness(ComfyExtension):
    async def on_load(self) -> None:
        register_model_folders()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        try:
            for node in NODES:
                node.define_schema()
        except (AttributeError, TypeError) as problem:  # sockets and options of newer schemas
            raise RuntimeError(
                f"Likeness needs a newer ComfyUI ({problem}): update ComfyUI, then restart it."
            ) from problem
        return list(NODES)


async def comfy_entrypoint() -> Likeness:
    return Likeness()
