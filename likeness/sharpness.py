"""How sharp a face is, whatever its size in the picture; and how much a picture changed.

Sharpness is the variance of the Laplacian of the luminance, in 8-bit levels, as OpenCV's users
know it: cv2.Laplacian(grey, cv2.CV_32F).var(). It is always taken of the same thing: the face
from brows to chin, by its five points, upright and SIDE pixels square. That is half of a crop
framed for ffhq, averaged where the picture has more pixels and enlarged where it has fewer.

Photographs of faces 90 to 170 pixels wide say 0 to 10 % more when enlarged 2x by Lanczos, -9 to
+3 % when turned by any angle, and at half the size a quarter to a half of it. Of a face wider
than some 140 pixels the finest, pores and noise, is averaged away. Glasses, beards and noise count
as detail, so compare a face with itself, both times by the same function.
"""

from __future__ import annotations

from math import ceil, floor

import numpy as np
from torch import Tensor

from .align import Template, face_matrix, targets
from .face import Face
from .geometry import compose, invert, scale_of, scaling, shift, similarity, transform_box
from .pixels.threads import one_thread

SIDE = 128  # pixels of the square that is looked at
CROP = 2 * SIDE  # of the ffhq crop that it lies in
LEFT, TOP = 64, 92  # where it begins in that crop
FEWEST, MOST = 2, 8  # samples on a side for a pixel of the square; as many as the picture has
LEVELS = 255  # of 8 bits
REACH = 3  # pixels around the square that cubic sampling may look at


def sharpness(image: Tensor, face: Face) -> float:
    """Of a face in a picture (H, W, C) of 0..1; ValueError where its points are at one place."""
    return _variance(image, face_matrix(face, Template.FFHQ, CROP))


def of_crop(patch: Tensor, template: Template = Template.FFHQ) -> float:
    """The same of a crop (s, s, C) of 0..1 that is framed by the template.

    Of one of 512 for ffhq the middle is looked at, in means of 2 x 2 pixels; of 1024, of 4 x 4.
    A crop that was cut by cubic sampling says what its picture does, within 2 %; by bilinear, as
    Align Faces cuts, a quarter to two fifths less, for that blurs.
    """
    height, width = patch.shape[:2]
    if height != width:
        raise ValueError(f"a crop of {width} x {height} px is not square: give one that is")
    points = targets(template, width)[0]
    return _variance(patch, similarity(points, targets(Template.FFHQ, CROP)[0]))


@one_thread()
def change(before: Tensor, after: Tensor, mask: Tensor | None = None) -> float:
    """Mean absolute change of colour, 0..1, between pictures (..., h, w, C) of 0..1.

    A `mask` (..., h, w) says how much each pixel counts; 0 where none does.
    """
    if before.shape[:-1] != after.shape[:-1]:
        raise ValueError(
            f"pictures of shape {tuple(before.shape)} and {tuple(after.shape)} cannot be "
            "compared: they need one size"
        )
    old, new = (each.detach()[..., :3].float() for each in (before, after.to(before.device)))
    each = (new - old).abs_().nan_to_num_(0.0, 1.0)
    if mask is None:
        return float(each.mean())
    weight = mask.detach().to(each)
    total = float(weight.sum())
    mean = each @ each.new_full((each.shape[-1],), 1 / each.shape[-1])  # a third of mean(-1)
    return float((mean * weight).sum()) / total if total > 0 else 0.0


@one_thread()
def _variance(picture: Tensor, matrix: Tensor) -> float:
    """`matrix` is from the picture to the ffhq crop of CROP."""
    import cv2

    samples = min(max(ceil(1 / scale_of(matrix) - 1e-6), FEWEST), MOST)
    fine, side = compose(shift(-LEFT * samples, -TOP * samples), matrix * samples), SIDE * samples
    grey, fine = _grey(picture, fine, side)
    sides, border = (side, side), cv2.BORDER_REPLICATE
    seen = cv2.warpAffine(grey, fine.numpy(), sides, flags=cv2.INTER_CUBIC, borderMode=border)
    face = cv2.resize(seen, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(face * LEVELS, cv2.CV_32F))
    return float(deviation[0, 0]) ** 2


def _grey(picture: Tensor, matrix: Tensor, side: int) -> tuple[np.ndarray, Tensor]:
    """The luminance of the part that is sampled, and the matrix from there.

    Where it has several pixels to a sample, these are averaged first. What is not a number is
    black.
    """
    import cv2

    step = max(1, floor(1 / scale_of(matrix)))
    x0, y0, x1, y1 = transform_box((0, 0, side - 1, side - 1), invert(matrix))
    top, bottom = _part(y0, y1, step, picture.shape[0])
    left, right = _part(x0, x1, step, picture.shape[1])
    part = picture.detach()[top:bottom, left:right].float().cpu().contiguous().numpy()
    grey = cv2.cvtColor(part[..., :3], cv2.COLOR_RGB2GRAY) if part.shape[2] > 2 else part[..., 0]
    grey = np.clip(np.nan_to_num(grey, nan=0.0, posinf=1.0, neginf=0.0), 0, 1)
    tall, wide = bottom - top, right - left
    if step > 1:
        tall, wide = max(tall // step, 1), max(wide // step, 1)
        grey = cv2.resize(grey, (wide, tall), interpolation=cv2.INTER_AREA)
    there = compose(scaling((bottom - top, right - left), (tall, wide)), shift(-left, -top))
    return grey, compose(matrix, invert(there))


def _part(low: float, high: float, step: int, length: int) -> tuple[int, int]:
    """The pixels of one axis that are read between two places; one at least."""
    start = min(max(floor(low) - REACH * step, 0), length - 1)
    return start, max(min(ceil(high) + REACH * step + 1, length), start + 1)
