"""The alignment of the FFHQ data set by 68 landmarks, and how it fills what lies outside.

Karras, Laine, Aila, "A Style-Based Generator Architecture for Generative Adversarial Networks".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .geometry import invert, scale_of, shift, transform
from .pixels.raster import blur
from .pixels.warping import Border, reaching

BORDER = 0.1  # shares of the crop's side: what is looked at around it,
PAD = 0.3  # what is added at least where it leaves the picture,
MOST = 1  # times the picture's longer side that is ever added,
BLUR = 0.02  # and the sigma that the added part is blurred by


def quad_matrix(landmarks: Tensor, size: int) -> Tensor:
    """From the picture to a square crop, by the eyes and mouth of (68, 2) landmarks."""
    points = landmarks.double()
    left, right = points[36:42].mean(0), points[42:48].mean(0)
    eyes, between = (left + right) / 2, right - left
    down = (points[48] + points[54]) / 2 - eyes
    across = between - torch.stack([-down[1], down[0]])
    length = across.norm()
    if not length > 0:
        raise ValueError("its eyes and mouth are at one place")
    half = across / length * max(2.0 * between.norm(), 1.8 * down.norm())
    centre = eyes + 0.1 * down
    (x, y), scale = half.tolist(), 2 / size
    first = centre - half - torch.stack([-half[1], half[0]])  # the crop's outer corner
    back = torch.tensor([[x, -y], [y, x]], dtype=torch.float64) * scale
    start = first + back @ torch.tensor([0.5, 0.5], dtype=torch.float64)
    return invert(torch.cat([back, start[:, None]], dim=1))


def pad(picture: Tensor, matrix: Tensor, size: int) -> tuple[Tensor, Tensor | None]:
    """The part of `picture` (H, W, C) under the crop, with a blurred mirror where it ends.

    The second is the map from that part to the picture; None when the picture is left as it is.
    """
    side = size / scale_of(matrix)
    border = max(round(BORDER * side), 3)
    height, width = picture.shape[:2]
    corners = torch.tensor([[0, 0], [0, size], [size, size], [size, 0]]).double() - 0.5
    quad = transform(corners, invert(matrix))
    low, high = quad.amin(0).floor().long() - border, quad.amax(0).ceil().long() + border
    limit = torch.tensor([width, height])
    start, stop = low.clamp(min=0).minimum(limit - 1), high.minimum(limit).clamp(min=1)
    over = [*(-low).clamp(min=0).tolist(), *(high - limit).clamp(min=0).tolist()]
    if max(over) <= border - 4:
        return picture, None
    # Beyond a picture's width there is nothing but the one colour that the padding ends in.
    most = MOST * max(height, width)
    side = min(side, most)
    left, top, right, bottom = (min(max(amount, round(PAD * side)), most) for amount in over)
    (x0, y0), (x1, y1) = start.tolist(), stop.tolist()
    rows, columns = (-top, y1 - y0 + bottom), (-left, x1 - x0 + right)
    padded = reaching(picture[y0:y1, x0:x1], rows, columns, Border.REFLECT)
    near = torch.maximum(
        _beyond(padded.shape[0], top, bottom, picture.device)[:, None],
        _beyond(padded.shape[1], left, right, picture.device)[None],
    )[..., None]
    soft = blur(padded, BLUR * side)
    padded = padded + (soft - padded) * (3 * near + 1).clamp(0, 1)
    padded = padded + (padded.flatten(0, 1).median(0).values - padded) * near.clamp(0, 1)
    return padded, shift(x0 - left, y0 - top)


def _beyond(length: int, before: int, after: int, device: torch.device) -> Tensor:
    """1 at the outer end of a padded line, 0 where the picture begins, below 0 inside."""
    index = torch.arange(length, dtype=torch.float32, device=device)
    at_start = 1 - index / before if before else torch.full_like(index, -math.inf)
    at_end = 1 - (length - 1 - index) / after if after else torch.full_like(index, -math.inf)
    return torch.maximum(at_start, at_end)
