"""The pack's own sockets, and core's that it speaks."""

from __future__ import annotations

from comfy_api.latest import io

Analyzer = io.Custom("LIKENESS_ANALYZER")  # likeness.detect.Analyzer
Faces = io.Custom("LIKENESS_FACES")  # likeness.face.Faces
Crops = io.Custom("LIKENESS_CROPS")  # likeness.crop.Crops
Parser = io.Custom("LIKENESS_PARSER")  # a patcher around a likeness.parse.Parser
Parsing = io.Custom("LIKENESS_PARSING")  # likeness.parse.Parsing
Identity = io.Custom("LIKENESS_IDENTITY")  # likeness.identity.People
Swapper = io.Custom("LIKENESS_SWAPPER")  # likeness.swapping.swapper.Swapper, or a patcher around it
Restorer = io.Custom("LIKENESS_RESTORER")  # likeness.restoring.restorer.Restorer, or as above
LandmarkNetwork = io.Custom("LIKENESS_LANDMARK_NETWORK")  # a patcher around likeness.nets.fan.FAN
SoftEdgeNetwork = io.Custom("LIKENESS_SOFT_EDGE")  # a patcher around likeness.nets.pidinet.PiDiNet
Tagger = io.Custom("LIKENESS_TAGGER")  # likeness.tagging.tagger.Tagger
Describer = io.Custom("LIKENESS_DESCRIBER")  # likeness.describing.describer.Describer

# Core's, by name, since they have no class in every ComfyUI that has the V3 schema.
Boxes = io.Custom("BOUNDING_BOX")  # list[frame] of list[dict]
FaceLandmarks = io.Custom("FACE_LANDMARKS")  # of its MediaPipe node
PoseKeypoints = io.Custom("POSE_KEYPOINT")  # list[frame] of the dicts that OpenPose writes
