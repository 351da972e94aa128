"""Writes textual inversions of random vectors as AUTOMATIC1111's trainer does, for SD 1.5."""

from __future__ import annotations

from pathlib import Path

import torch

from .text_encoders import TEXT_L

SPREAD = 0.02  # of the numbers in a token's vector
VECTORS = {"ng_deepnegative_v1_75t.pt": 75, "badhandv4.pt": 6}


def write_textual_inversion(file: Path, vectors: int, seed: int = 0) -> Path:
    random = torch.Generator().manual_seed(seed)
    values = torch.empty(vectors, TEXT_L).normal_(0, SPREAD, generator=random)
    told = {"string_to_token": {"*": 265}, "string_to_param": {"*": values}}
    told |= {"name": file.stem, "step": 0, "sd_checkpoint": None, "sd_checkpoint_name": None}
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(told, file)
    return file
