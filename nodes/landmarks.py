"""Measuring the 68 landmarks of faces."""

from __future__ import annotations

from comfy_api.latest import io

from ..likeness.face import Faces as FoundFaces
from ..likeness.landmarks import SURE, WORKING, Reading, refine
from ..likeness.models import Task
from ..likeness.nets.fan import FAN, load
from ..likeness.report import describe
from . import weights
from .host import loaded, meant, patched, progress, reported
from .types import Faces, LandmarkNetwork


class LoadLandmarkNetwork(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessLoadLandmarkNetwork",
            display_name="Load Landmark Network",
            category="Likeness/faces",
            description="Loads a network that measures the 68 landmarks of a face: FAN, from "
            "face-alignment.",
            search_aliases=["face alignment", "2dfan4", "fan", "68 landmarks", "landmark model"],
            inputs=[
                io.Combo.Input(
                    "network",
                    options=weights.choices(Task.LANDMARKS),
                    tooltip="A file in models/facedetection.",
                ),
            ],
            outputs=[
                LandmarkNetwork.Output(display_name="network", tooltip="For Refine Landmarks."),
                io.String.Output(display_name="report", tooltip="Which network the file holds."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, network: str | None) -> str:  # None while it comes by a wire
        return weights.state(network, Task.LANDMARKS)

    @classmethod
    def execute(cls, network: str) -> io.NodeOutput:
        fan = load(weights.located("network", network, Task.LANDMARKS))
        return reported(patched(fan), report=f"{network}: FAN with {fan.stacks} hourglasses")


class RefineLandmarks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessRefineLandmarks",
            display_name="Refine Landmarks",
            category="Likeness/faces",
            description="Measures the 68 landmarks of every face. Faces of the built-in finder "
            "gain their real outline by it, and all faces points to a fraction of a pixel.",
            search_aliases=[
                "68 landmarks",
                "face landmarks",
                "face alignment",
                "fan",
                "facial keypoints",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures in which the faces were found."),
                Faces.Input("faces", tooltip="From Detect Faces or Select Faces."),
                LandmarkNetwork.Input("network", tooltip="From Load Landmark Network."),
                io.Float.Input(
                    "threshold",
                    default=SURE,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Faces in which the network is less sure of what it sees keep the "
                    "points they had; the report says which.",
                ),
                io.Combo.Input(
                    "reading",
                    options=Reading,
                    default=Reading.FINE,
                    advanced=True,
                    tooltip="'sub-pixel' turns each face upright and reads points to a fraction of "
                    "a cell. 'as face-alignment' gives what that package gives, before it rounds "
                    "to whole pixels.",
                ),
            ],
            outputs=[
                Faces.Output(
                    display_name="faces",
                    tooltip="The same faces with 68 measured landmarks and their five points.",
                ),
                io.String.Output(
                    display_name="report", tooltip="How sure the landmarks are, and every face."
                ),
            ],
        )

    @classmethod
    def execute(cls, image, faces, network, threshold: float, reading: str) -> io.NodeOutput:
        meant("faces", faces, FoundFaces, "Detect Faces or Select Faces")
        fan = loaded("network", network, FAN, "Load Landmark Network", WORKING)
        advance = progress(max(len(faces), 1))
        refined = refine(image, faces, fan, Reading(reading), threshold, advance)
        return reported(refined, report=describe(refined))
