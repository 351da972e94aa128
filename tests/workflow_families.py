"""What differs between the checkpoints that a recipe is made for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """What differs between the checkpoints that a recipe is made for."""

    name: str
    ending: str  # of the titles
    checkpoint: str
    person: str  # the user's own LoRA
    side: int  # pixels of a crop
    megapixels: float  # of a whole picture
    controls: Mapping[str, str]  # the ControlNet for each kind of picture
    guidance: float
    memory: str  # for the recipe
    embeddings: str = ""

    @property
    def union(self) -> bool:
        """One ControlNet serves all kinds of pictures."""
        return UNION in self.controls.values()


UNION = "controlnet-union-sdxl-promax.safetensors"
UNION_TYPES = {"soft edge": "hed/pidi/scribble/ted", "pose": "openpose", "depth": "depth"}
SD15 = Family(
    "Stable Diffusion 1.5",
    "",
    "v1-5-pruned-emaonly-fp16.safetensors",
    "my_person_sd15.safetensors",
    side=512,
    megapixels=0.45,
    controls={
        "soft edge": "control_v11p_sd15_softedge_fp16.safetensors",
        "pose": "control_v11p_sd15_openpose_fp16.safetensors",
        "depth": "control_v11f1p_sd15_depth_fp16.safetensors",
    },
    guidance=7.0,
    memory="6 GB",
    embeddings="ng_deepnegative_v1_75t, badhandv4",
)
SDXL = Family(
    "SDXL",
    " (SDXL)",
    "sd_xl_base_1.0.safetensors",
    "my_person_sdxl.safetensors",
    side=1024,
    megapixels=1.0,
    controls=dict.fromkeys(UNION_TYPES, UNION),
    guidance=6.0,
    memory="12 GB",
)
