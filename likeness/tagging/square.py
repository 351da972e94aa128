"""A picture as WD14 networks want it: a square of BGR, 0..255, white where there is nothing."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ..picture import cleaned
from ..pixels.rgb8 import to_rgb8
from ..pixels.threads import one_thread

WHITE = (255, 255, 255)
MOST = 8  # squares' sides that a picture may be long: a strip's own square could fill the memory


def square(picture: Tensor, side: int) -> np.ndarray:
    """A picture (h, w, 1, 3 or 4) in the middle of a white square (side, side, 3), float32.

    Transparent pixels are white. It is resized in whole numbers, as it was for training: over its
    area where that shrinks it, by cubics where that enlarges it.
    """
    import cv2

    pixels = cv2.cvtColor(to_rgb8(_opaque(picture.cpu()))[0], cv2.COLOR_RGB2BGR)
    height, width = pixels.shape[:2]
    longest = max(height, width)
    if longest > MOST * side:
        height, width = (max(1, round(each * MOST * side / longest)) for each in (height, width))
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        longest = MOST * side
    top, left = (longest - height) // 2, (longest - width) // 2
    padded = cv2.copyMakeBorder(
        pixels,
        top,
        longest - height - top,
        left,
        longest - width - left,
        cv2.BORDER_CONSTANT,
        value=WHITE,
    )
    way = cv2.INTER_AREA if longest > side else cv2.INTER_CUBIC
    return cv2.resize(padded, (side, side), interpolation=way).astype(np.float32)


def _opaque(picture: Tensor) -> Tensor:
    if picture.shape[2] != 4:
        return picture
    with one_thread():
        whole = cleaned(picture)
        alpha = whole[..., 3:]
        return whole[..., :3] * alpha + (1 - alpha)
