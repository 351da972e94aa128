"""The control picture of ControlNet openpose, drawn without a network."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from ..likeness.crop import Crops as Cut
from ..likeness.face import Faces as FoundFaces
from ..likeness.interchange import from_landmarks, is_landmarks
from ..likeness.pose_map.figures import Figures, Parts
from ..likeness.pose_map.openpose import from_poses, is_poses
from ..likeness.pose_map.pose_map import describe, gather, pose_maps
from ..likeness.report import counted
from .host import meant, named, progress, reported
from .types import Crops, FaceLandmarks, Faces, PoseKeypoints

Place = tuple[int, tuple[int, int]]  # how many pictures, height and width of each


class FacePoseMap(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessFacePoseMap",
            display_name="Face Pose Map",
            category="Likeness/control",
            description="Draws where faces look to, as dots on black: the control picture of "
            "ControlNet openpose. It fits the crop that is inpainted, and needs no network.",
            search_aliases=[
                "openpose",
                "openpose_face",
                "openpose_faceonly",
                "dwpose",
                "face keypoints",
                "pose preprocessor",
                "draw keypoints",
                "controlnet preprocessor",
            ],
            inputs=[
                io.Combo.Input(
                    "draw",
                    options=Parts,
                    default=Parts.FACE_AND_BODY,
                    tooltip="What is drawn of what is known. 'face and body' is openpose_face, "
                    "'face' openpose_faceonly, 'body' openpose, and with hands it is "
                    "openpose_full. Bodies and hands are known by pose alone.",
                ),
                io.MultiType.Input(
                    "faces",
                    [Faces, FaceLandmarks],
                    optional=True,
                    tooltip="From Refine Landmarks or Detect Faces, or core's face landmarks. They "
                    "were found in the whole picture, also when stitch is connected.",
                ),
                PoseKeypoints.Input(
                    "pose",
                    optional=True,
                    tooltip="Bodies, hands and faces as core's SDPose finds them. With faces "
                    "connected too, only bodies and hands are taken from here.",
                ),
                Crops.Input(
                    "stitch",
                    optional=True,
                    tooltip="From Crop For Inpaint or Align Faces: a map for every crop, with the "
                    "faces as they lie in it.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The whole pictures, to have the maps in their size when pose was "
                    "found in a smaller copy. Not needed otherwise.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="pose map",
                    tooltip="One for each picture, or for each crop; black where nobody is known.",
                ),
                io.String.Output(display_name="report", tooltip="Who is on each map."),
            ],
        )

    @classmethod
    def execute(cls, draw: str, faces=None, pose=None, stitch=None, image=None) -> io.NodeOutput:
        place = _place(stitch, image)
        found = None if faces is None else _faces(faces, place)
        if place is None and found is not None:
            place = found.frames, found.size
        people = gather(found, None if pose is None else _poses(pose, place))
        count = people.frames if stitch is None else len(stitch.cut)
        drawn = pose_maps(people, Parts(draw), stitch, progress(max(count, 1)))
        return reported(drawn.maps, report=describe(drawn))


def _place(stitch: Cut | None, image: Tensor | None) -> Place | None:
    """How many pictures there are, and of what size; None where only the faces or poses know."""
    seen = None if image is None else (len(image), tuple(image.shape[1:3]))
    if stitch is None:
        return seen
    meant("stitch", stitch, Cut, "Crop For Inpaint or Align Faces")
    place = stitch.frames, tuple(stitch.size)
    if seen is not None and seen != place:
        raise ValueError(
            f"image: {_told(*seen)} are not the {_told(*place)} that the crops of stitch were cut "
            "from: connect those, or no image"
        )
    return place


def _faces(faces: object, place: Place | None) -> FoundFaces:
    with named("faces"):
        if is_landmarks(faces):
            frames, size = place or (len(faces["frames"]), tuple(faces["image_size"]))
            return from_landmarks(faces, frames, size)
    meant("faces", faces, FoundFaces, "Detect Faces or Refine Landmarks")
    own = faces.frames, tuple(faces.size)
    if own != (place or own):
        raise ValueError(
            f"faces: they were found in {_told(*own)}, and {_told(*place)} came in: connect the "
            "faces of these pictures"
        )
    return faces


def _poses(pose: object, place: Place | None) -> Figures:
    with named("pose"):
        if not is_poses(pose):
            raise ValueError(
                f"a {type(pose).__name__} came in where core's POSE_KEYPOINT belongs, a list with "
                "the people of each frame: connect SDPose or another node that gives it"
            )
        return from_poses(pose, *(place or ()))


def _told(frames: int, size: tuple[int, int]) -> str:
    return f"{counted(frames, 'picture')} of {size[1]} x {size[0]} px"
