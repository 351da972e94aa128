"""The pack's own sockets, and core's that it speaks."""

from __future__ import annotations

from comfy_api.latest import io

Analyzer = io.Custom("LIKENESS_ANALYZER")  # likeness.detect.Analyzer
Faces = io.Custom("LIKENESS_FACES")  # likeness.face.Faces

Boxes = io.BoundingBox  # core's: list[frame] of list[dict]
FaceLandmarks = io.Custom("FACE_LANDMARKS")  # core's, of its MediaPipe node
