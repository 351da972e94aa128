"""Which stand-ins there are, by folder and file, and who writes them. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

# Of one base model, which fit only each other: they go where they are not taken for real ones.
FAMILY = ("checkpoints", "controlnet", "loras")
APART = "stand-in"


@dataclass(frozen=True)
class Maker:
    module: str
    function: str
    options: Mapping[str, int] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        getattr(import_module(f".{self.module}", __package__), self.function)(file, **self.options)


def _control(seed: int) -> Maker:
    return Maker("controlnets", "write_control_sd15", {"seed": seed})


def _vectors(count: int) -> Maker:
    return Maker("textual_inversions", "write_textual_inversion", {"vectors": count})


# What a demo makes where the real file is not there; small, and written in seconds.
MAKERS: Mapping[str, Maker] = {
    "checkpoints/v1-5-pruned-emaonly-fp16.safetensors": Maker("sd15", "write_sd15"),
    "controlnet/control_v11p_sd15_softedge_fp16.safetensors": _control(1),
    "controlnet/control_v11p_sd15_openpose_fp16.safetensors": _control(2),
    "controlnet/control_v11f1p_sd15_depth_fp16.safetensors": _control(3),
    "loras/my_person_sd15.safetensors": Maker("loras", "write_lora_sd15"),
    "embeddings/ng_deepnegative_v1_75t.pt": _vectors(75),
    "embeddings/badhandv4.pt": _vectors(6),
    "geometry_estimation/depth_anything_3_small.safetensors": Maker("depth", "write_depth"),
    "detection/table5_pidinet.pth": Maker("edges", "write_pidinet"),
    "facedetection/parsing_parsenet.pth": Maker("parser", "write_parsenet"),
    "wd14_tagger/wd-vit-tagger-v3.onnx": Maker("tagger", "write_tagger"),
}
# Those of SDXL, 0.6 GB on the disk, which only tests make.
SDXL: Mapping[str, Maker] = {
    "checkpoints/sd_xl_base_1.0.safetensors": Maker("sdxl", "write_sdxl"),
    "controlnet/controlnet-union-sdxl-promax.safetensors": Maker(
        "controlnets", "write_control_union"
    ),
    "loras/my_person_sdxl.safetensors": Maker("loras", "write_lora_sdxl"),
}


def place(name: str) -> str:
    """Where a demo puts the stand-in, below a folder of models."""
    folder, _, file = name.partition("/")
    return f"{folder}/{APART}/{file}" if folder in FAMILY else name
