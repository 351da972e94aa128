"""People for the tests of pose maps: one who stands, and how nodes tell of them."""

from __future__ import annotations

import torch
from pack.likeness.face import Face, Faces

NAN = float("nan")
# A person from the front in a picture of 256 x 256 px, in OpenPose's order.
STANDING = torch.tensor(
    [
        (128, 60), (128, 100), (100, 102), (85, 140), (80, 175), (156, 100), (175, 135), (165, 170),
        (112, 180), (110, 215), (107, 250), (145, 180), (147, 215), (150, 250), (120, 52),
        (136, 52), (111, 57), (145, 57),
    ],
    dtype=torch.float32,
)  # fmt: skip


def faces_in(size: tuple[int, int], *found: Face, frames: int = 1) -> Faces:
    return Faces(tuple(found), frames, size)


def flat(points: torch.Tensor, sure: float = 1.0) -> list[float]:
    return torch.cat([points, torch.full((len(points), 1), sure)], 1).flatten().tolist()


def posed(size: tuple[int, int], *people: dict) -> dict:
    return {"canvas_height": size[0], "canvas_width": size[1], "people": list(people)}
