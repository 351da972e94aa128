"""Graphs around Detect Faces for the tests of bad input, and pictures that hold any number."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from host import Result, Server
from pack.likeness.client import PromptError
from safetensors.torch import save
from standins import insightface_pack as standins
from torch import Tensor

BUNDLED = Path(__file__).resolve().parent.parent / "workflows" / "api" / "Find faces.json"
SETTINGS = {
    node["class_type"]: node["inputs"] for node in json.loads(BUNDLED.read_text("utf-8")).values()
}
NOVEL = itertools.count()


def node(class_type: str, **inputs: object) -> dict:
    return {"class_type": class_type, "inputs": inputs}


def put(server: Server, images: Tensor) -> dict:
    """Core nodes that give exactly these images (B, H, W, C): what is no number, and any C, too.

    Core's pixel space takes a latent file for a picture, without looking at its values.
    """
    latent = (images * 2 - 1).movedim(-1, 1).contiguous()
    content = save({"latent_tensor": latent, "latent_format_version_0": torch.zeros(0)})
    name = f"{hashlib.sha256(content).hexdigest()[:16]}.latent"
    (server.base / "input" / name).write_bytes(content)
    return {
        "latent": node("LoadLatent", latent=name),
        "space": node("VAELoader", vae_name="pixel_space"),
        "picture": node("VAEDecode", samples=["latent", 0], vae=["space", 0]),
    }


def find(pictures: dict, source: str = "built in", **changes: object) -> dict:
    """Load Face Analyzer, Detect Faces with these changes, Draw Faces, Faces To Boxes."""
    wanted = SETTINGS["LikenessDetectFaces"] | {"image": ["picture", 0], "analyzer": ["load", 0]}
    return pictures | {
        "load": node("LikenessLoadFaceAnalyzer", analyzer=source),
        "detect": node("LikenessDetectFaces", **(wanted | changes)),
        "draw": node("LikenessDrawFaces", image=["picture", 0], faces=["detect", 0]),
        "boxes": node("LikenessFacesToBoxes", faces=["detect", 0]),
        "told": node("PreviewAny", source=["boxes", 0]),
    }


def choose(prompt: dict, **changes: object) -> dict:
    """Select Faces between finding and the rest."""
    wanted = SETTINGS["LikenessSelectFaces"] | {"faces": ["detect", 0]}
    chosen = {"select": node("LikenessSelectFaces", **(wanted | changes))}
    for name in ("draw", "boxes"):
        chosen[name] = node(**prompt[name]["inputs"], class_type=prompt[name]["class_type"])
        chosen[name]["inputs"]["faces"] = ["select", 0]
    return prompt | chosen


@dataclass(frozen=True)
class Seen:
    """What came of a prompt made by `find`."""

    result: Result
    boxes: list[list[dict]]  # of each frame
    drawn: list[np.ndarray]

    @property
    def report(self) -> str:
        return self.result.texts["detect"]


def run(server: Server, prompt: dict, frames: int) -> Seen:
    """Run a prompt of `find`; the batch must come out as long as it went in."""
    result = server.run(prompt)
    seen = Seen(result, json.loads(result.texts["told"]), result.images("draw"))
    assert len(seen.boxes) == len(seen.drawn) == frames
    return seen


def refused(server: Server, prompt: dict, where: str, *words: str) -> PromptError:
    """The error that names this node, and each of the words: the input or file, and the cure."""
    error = server.fails(prompt)
    assert (error.node_id, error.class_type) == (where, prompt[where]["class_type"])
    missing = [word for word in words if word not in str(error)]
    assert not missing, str(error)
    return error


def assert_works(server: Server) -> None:
    """A good prompt, one that no cache can answer, does what it should."""
    pictures = {
        "portrait": node("LikenessLoadPortrait", portrait="cafe"),
        "picture": node(
            "ImageScale",
            image=["portrait", 0],
            upscale_method="area",
            width=160,
            height=160,
            crop="disabled",
        ),
    }
    seen = run(server, find(pictures, threshold=0.4 + next(NOVEL) * 1e-4), 1)
    assert "1 face" in seen.report


def marked(height: int, width: int, *markers: tuple[int, int]) -> Tensor:
    """A black picture (H, W, 3) with stand-in faces at (x, y), in steps of their size."""
    side = marker_size(width)
    picture = np.zeros((height, width, 3), np.uint8)
    for x, y in markers:
        picture[y : y + side, x : x + side] = standins.marker(side)
    return torch.from_numpy(picture).float() / 255


def marker_size(width: int) -> int:
    """Pixels of a stand-in face in pictures of this width, which is 640, 320 or 160."""
    return width * standins.MARKER_CELL // 640


def expected_box(x: int, y: int, width: int) -> dict:
    """Core's box for a marker at (x, y) in a picture of this width."""
    box, _ = standins.marked_face(x, y, marker_size(width))
    left, top = np.floor(box[:2]).astype(int).tolist()
    right, bottom = np.ceil(box[2:]).astype(int).tolist()
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


def places(boxes: list[dict]) -> list[dict]:
    """Boxes without label and score."""
    return [{key: box[key] for key in ("x", "y", "width", "height")} for box in boxes]
