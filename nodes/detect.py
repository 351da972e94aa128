"""Finding faces in pictures."""

from __future__ import annotations

from comfy_api.latest import io

from ..likeness.detect import Retry, detect, detect_in_boxes
from ..likeness.face import Faces as FoundFaces
from ..likeness.interchange import from_boxes, from_landmarks, is_boxes, is_landmarks
from ..likeness.report import describe
from .host import named, progress, reported
from .types import Analyzer, Boxes, FaceLandmarks, Faces


class DetectFaces(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessDetectFaces",
            display_name="Detect Faces",
            category="Likeness/faces",
            description="Finds the faces in every picture of a batch.",
            search_aliases=[
                "face detection",
                "face detector",
                "find faces",
                "bbox detector",
                "face analysis",
                "face bounding box",
                "face landmarks",
                "segs",
                "facedetailer",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures to look at; any size, any number."),
                io.MultiType.Input(
                    "analyzer",
                    [Analyzer, FaceLandmarks, Boxes],
                    tooltip="From Load Face Analyzer. Or core's face landmarks or bounding boxes, "
                    "when another node has found the faces already.",
                ),
                io.Float.Input(
                    "threshold",
                    default=0.5,
                    min=0.05,
                    max=1.0,
                    step=0.01,
                    tooltip="How sure a find must be. Lower it when faces are missed, raise it "
                    "when things that are no face are found.",
                ),
                io.Combo.Input(
                    "retry",
                    options=Retry,
                    default=Retry.ALL,
                    advanced=True,
                    tooltip="What to try on a picture in which nothing was found at first.",
                ),
            ],
            outputs=[
                Faces.Output(display_name="faces", tooltip="Every face, largest first."),
                io.String.Output(
                    display_name="report", tooltip="What was found where, and by what."
                ),
            ],
        )

    @classmethod
    def execute(cls, image, analyzer, threshold: float, retry: str) -> io.NodeOutput:
        found = _find(image, analyzer, threshold, Retry(retry))
        return reported(found, report=describe(found))


def _find(image, analyzer, threshold: float, retry: Retry) -> FoundFaces:
    advance = progress(len(image))
    with named("analyzer"):
        if is_landmarks(analyzer):
            return from_landmarks(analyzer, len(image), tuple(image.shape[1:3]))
        boxes = from_boxes(analyzer, len(image)) if is_boxes(analyzer) else None
        if boxes is None and not hasattr(analyzer, "parts"):
            raise ValueError(
                f"a {type(analyzer).__name__} finds no faces: connect Load Face Analyzer, or "
                "core's face landmarks or bounding boxes"
            )
    if boxes is not None:
        return detect_in_boxes(image, boxes, advance)
    return detect(image, analyzer, threshold, retry, advance)
