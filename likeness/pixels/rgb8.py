"""Pictures as the field's networks and OpenCV take them: uint8 RGB."""

from __future__ import annotations

import numpy as np
from torch import Tensor


def to_rgb8(image: Tensor) -> tuple[np.ndarray, int]:
    """A picture (H, W, C), 0..1, as (H, W, 3) uint8; and how many of its numbers were none.

    Alpha is dropped, grey is repeated, what is not a number becomes black.
    """
    import cv2

    numbers = image[..., :3].float().cpu().numpy()
    strange = 0
    if not np.isfinite(cv2.sumElems(numbers)).all():
        strange = int(np.isnan(numbers).sum())
        numbers = np.nan_to_num(numbers, nan=0.0, posinf=1.0, neginf=0.0)
    # OpenCV rounds and clips in one pass; torch's threads would wait for onnxruntime's.
    pixels = cv2.multiply(numbers, (255.0,) * 4, dtype=cv2.CV_8U).reshape(numbers.shape)
    return pixels if pixels.shape[2] == 3 else pixels.repeat(3, axis=2), strange
