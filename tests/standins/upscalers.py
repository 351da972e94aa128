"""Writes an upscaler that core's Load Upscale Model takes: Real-ESRGAN's compact one, tiny."""

from __future__ import annotations

from pathlib import Path

import torch


def write_upscaler(file: Path, scale: int = 2) -> Path:
    """It makes every pixel a block of that pixel, since its weights are 0."""
    from spandrel.architectures.Compact import Compact

    network = Compact(
        num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=scale, act_type="prelu"
    )
    tensors = {name: torch.zeros_like(value) for name, value in network.state_dict().items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"params": tensors}, file)
    return file
