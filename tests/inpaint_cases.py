"""Pictures, masks and faces that the tests of the inpainting crop look at."""

from __future__ import annotations

import math
import random

import pytest
import torch
from pack.likeness.face import Face
from pack.likeness.inpainting.framing import Framing, Target
from pack.likeness.paste import Way

both_sizes = pytest.mark.parametrize("size", [(97, 160), (160, 97)])


every_way = pytest.mark.parametrize("way", Way)


SMALL = Framing(width=64, height=64)


SAME = Framing(Target.SAME)


def noise(count, size, channels=3, seed=0):
    return torch.rand(count, *size, channels, generator=torch.Generator().manual_seed(seed))


def smooth(size, seed=0):
    coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    wide = torch.nn.functional.interpolate(coarse, size, mode="bicubic", align_corners=True)
    return wide.movedim(1, -1) * 0.6 + 0.2


def blob(size, seed=0):
    """A mask (H, W) with a soft ellipse anywhere, some of it beyond the picture."""
    dice = random.Random(seed)
    x, y = dice.uniform(0, size[1]), dice.uniform(0, size[0])
    wide, high = dice.uniform(2, size[1] / 2), dice.uniform(2, size[0] / 2)
    down, across = torch.arange(size[0])[:, None] - y, torch.arange(size[1]) - x
    return (3 - 3 * ((across / wide) ** 2 + (down / high) ** 2)).clamp(0, 1)


def face(frame, x, y, side, roll=0.0):
    """A face whose eyes are `side` / 2 apart and turned by `roll` degrees."""
    angle = math.radians(roll)
    along = torch.tensor([math.cos(angle), math.sin(angle)]) * side / 4
    centre = torch.tensor([float(x), float(y)])
    down = torch.tensor([-along[1], along[0]])
    points = [centre - along, centre + along, centre, centre - along + down, centre + along + down]
    box = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    return Face(frame, box, torch.stack(points), 0.9)
