"""How high the brows are, where five points do not tell: a dark line above the eyes."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

from ..geometry import transform

BROWS = slice(17, 27)
LIFTS = torch.arange(-0.3, 0.1001, 0.02, dtype=torch.float64)  # distances of the eyes, down
BESIDE = 0.13  # so far above and below the line is skin
USUAL = 0.13  # how far brows usually are from where an average face has them
FAINT, MOST = 3.0, 25.0  # L* that brows are darker by at least, and what counts of it
WORTH = 4.0  # L* that are given for a lift of `USUAL`


def with_brows(landmarks: Tensor, light: Tensor, to_light: Tensor) -> Tensor:
    """`landmarks` (68, 2), upright, with the brows where `light` (h, w), L*, has them.

    `to_light` leads from upright to its pixels. Where nothing is dark enough they stay.
    """
    line = landmarks[BROWS]
    line = torch.cat([line, (line[1:] + line[:-1])[[0, 1, 2, 3, 5, 6, 7, 8]] / 2])
    lifted = line + torch.stack([torch.zeros_like(LIFTS), LIFTS], dim=1)[:, None]
    up = torch.tensor([0.0, BESIDE], dtype=torch.float64)
    above, here, below = (_seen(light, lifted + by * up, to_light) for by in (-1, 0, 1))
    darker = ((above + below) / 2 - here).clamp(max=MOST).double()
    each = torch.stack([darker[:, line[:, 0] < 0].mean(1), darker[:, line[:, 0] > 0].mean(1)])
    darkness = each.mean(0)  # both move alike: one alone may be under hair
    best = int((darkness - WORTH / 2 * (LIFTS / USUAL).square()).argmax())
    if not float(darkness[best]) > FAINT:
        return landmarks
    moved = landmarks.clone()
    moved[BROWS, 1] += LIFTS[best]
    return moved


def _seen(light: Tensor, points: Tensor, to_light: Tensor) -> Tensor:
    """`light` (h, w) at points (..., n, 2), upright."""
    size = torch.tensor(light.shape[::-1], dtype=torch.float64)
    grid = ((transform(points, to_light) + 0.5) * 2 / size - 1).float()
    planes = light[None, None].float()
    return functional.grid_sample(planes, grid[None], padding_mode="border", align_corners=False)[
        0, 0
    ]
