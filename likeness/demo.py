"""The demo portraits: generated people, in the templates that ComfyUI installs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

PACKAGE = "comfyui_workflow_templates_media_image"
PORTRAITS = {
    "cafe": "video_ltx2_i2v-1.webp",
    "snow": "flux1_krea_dev-1.webp",
    "garden": "hidream_e1_1-2.webp",
    "harbour": "image_z_image_turbo-1.webp",
    "studio": "image_hidream_o1-1.webp",
}


def read(name: str) -> Tensor:
    """The portrait called `name`, (1, H, W, 3); the first frame where the file is animated."""
    from PIL import Image

    with Image.open(locate(name)) as file:
        pixels = np.array(file.convert("RGB"))
    return torch.from_numpy(pixels).float().div(255)[None]


def locate(name: str) -> Path:
    package = importlib.util.find_spec(PACKAGE)
    if package is None:
        raise FileNotFoundError(
            f"the demo portraits come with ComfyUI's package {PACKAGE.replace('_', '-')}, which "
            "is not installed: run 'pip install -r requirements.txt' in ComfyUI's folder, or use "
            "Load Image with a picture of your own"
        )
    path = Path(package.submodule_search_locations[0], "templates", PORTRAITS[name])
    if not path.is_file():
        raise FileNotFoundError(
            f"{path.name} is not in this version of {PACKAGE.replace('_', '-')}: choose another "
            "portrait, or use Load Image with a picture of your own"
        )
    return path
