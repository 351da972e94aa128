"""What restored faces are pasted into: the pictures, or larger ones made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import log

import numpy as np
import torch
from torch import Tensor

from ..crop import Crop
from ..geometry import compose, identity, invert, scaling
from ..paste import ASPECT
from ..pixels.raster import duplicate, resize

MOST = 8.0  # times the side of a picture
Enlarge = Callable[[Tensor], Tensor]  # (1, H, W, 3) to the same, larger


@dataclass(frozen=True, eq=False)
class Canvas:
    images: Tensor  # (B, h, w, C), to be written into
    masks: Tensor  # (B, h, w): how much of each pixel is new, to be written into
    matrix: Tensor  # (2, 3), from the pictures to these

    def crop(self, crop: Crop) -> Crop:
        """A crop of the pictures as one of these."""
        return replace(crop, matrix=compose(crop.matrix, invert(self.matrix)))


def prepared(images: Tensor, factor: float, enlarge: Enlarge | None, classic: bool) -> Canvas:
    """`images` (B, H, W, C) with `factor` times the side, to write into.

    `enlarge` makes them larger, one by one, and Lanczos filtering brings them to their size;
    without it that filtering does all, and where the size stays neither is asked. What is not a
    number becomes black on the way. `classic` enlarges and places faces as facexlib does.
    """
    frames, *size = images.shape[:3]
    wide = tuple(int(side * factor) for side in size)
    if factor == 1:
        return Canvas(duplicate(images), _blank(frames, *wide).to(images.device), identity())
    try:
        masks = _blank(frames, *wide).to(images.device)
        made = images.new_empty(frames, *wide, images.shape[3])
    except (MemoryError, RuntimeError) as problem:
        raise MemoryError(
            f"there is no room for {frames} pictures of {wide[1]} x {wide[0]} px: choose a "
            f"smaller factor than {factor:g}, or restore fewer pictures at once ({problem})"
        ) from problem
    resized = _lanczos4 if classic else resize
    for number, picture in enumerate(images):
        colours = picture[..., :3] if enlarge is None else _enlarged(picture[..., :3], enlarge)
        numbers = colours.to(images.device).float().nan_to_num(0.0, 1.0, 0.0)
        made[number, ..., :3] = resized(numbers, wide).clamp_(0, 1)
        if picture.shape[2] > 3:
            made[number, ..., 3:] = resize(picture[..., 3:], wide).clamp_(0, 1)
    return Canvas(made, masks, _theirs(factor) if classic else scaling(tuple(size), wide))


def _blank(*shape: int) -> Tensor:
    """numpy's zeros cost nothing until they are written to."""
    return torch.from_numpy(np.zeros(shape, np.float32))


def _enlarged(picture: Tensor, enlarge: Enlarge) -> Tensor:
    """(H, W, 3) made larger, and looked at whether it is that."""
    made = enlarge(picture[None])
    before, after = tuple(picture.shape), tuple(made.shape)
    fits = len(after) == 4 and (after[0], after[3]) == (1, 3) and min(after) > 0
    if not fits or abs(log(after[2] / after[1] * before[0] / before[1])) > ASPECT:
        raise ValueError(
            f"the upscale model makes a picture of shape {after} of one of shape (1, "
            f"{before[0]}, {before[1]}, 3): choose one that makes it larger as a whole, such as "
            "RealESRGAN_x2plus.pth"
        )
    return made[0].detach()


def _theirs(factor: float) -> Tensor:
    """facexlib moves enlarged faces by half a factor, half a pixel more than edge to edge."""
    aside = 0.5 * factor if factor > 1 else 0.0
    return torch.tensor([[factor, 0, aside], [0, factor, aside]], dtype=torch.float64)


def _lanczos4(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """By OpenCV's filter of eight pixels, which facexlib takes."""
    import cv2

    pixels = np.ascontiguousarray(picture.detach().float().cpu().numpy())
    made = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_LANCZOS4)
    return torch.from_numpy(made).to(picture.device)
