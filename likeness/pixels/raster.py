"""Operations on pixels, each with two bodies: OpenCV for the CPU, torch elsewhere.

Pictures are (H, W, C) or (H, W) of any float dtype, on any device; results are float32 there.
Only the part of a picture that counts is touched, and nothing above knows which body ran.
"""

from __future__ import annotations

from contextlib import nullcontext
from math import ceil, hypot, isfinite

import numpy as np
import torch
from torch import Tensor

from ..geometry import shift
from . import banded
from .threads import one_thread
from .warping import Border, filled, on_cpu, reaching, sampled, warped

LARGE = 1 << 26  # bytes from which on a copy gains by several threads
WHOLE = 1e-9  # how far from a whole number of pixels a shift may be
FLAT = 1e-9  # how little area a matrix may leave, as a share of what its columns could span
REACH = 3.5  # sigmas beyond which a blur has next to no weight


def warp(
    image: Tensor,
    matrix: Tensor,
    size: tuple[int, int],
    border: Border = Border.BLACK,
    fill: tuple[float, ...] | None = None,
) -> Tensor:
    """`image` moved by `matrix` (image to result), seen in a window of `size`, bilinear.

    What shrinks by more than 2 is averaged over its area first. A shift by whole pixels is an
    exact copy. `fill` (one value a channel) takes the place of black.
    """
    picture = image.detach() if image.ndim == 3 else image.detach()[..., None]
    channels = picture.shape[2]
    fill = (0.0,) * channels if fill is None else tuple(fill)
    if len(fill) != channels:
        raise ValueError(f"the fill {fill} is not one value for each of {channels} channels")
    matrix = _checked(matrix)
    if min(size) == 0 or min(picture.shape[:2]) == 0:
        result = filled(picture, size, fill)
    elif (moved := _whole_shift(matrix)) is not None:
        x, y = moved
        result = reaching(picture, (y, y + size[0]), (x, x + size[1]), border, fill)
    else:
        result = warped(picture, matrix, size, border, fill)
    return result if image.ndim == 3 else result[..., 0]


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """`image` in another size, edge to edge, by Lanczos filtering as Pillow does it."""
    if min(size) < 1 or min(image.shape[:2]) < 1:
        raise ValueError(
            f"a picture of {image.shape[1]} x {image.shape[0]} px cannot be resized to "
            f"{size[1]} x {size[0]} px: both need a pixel at least"
        )
    result = image.detach().float()
    for axis in (0, 1):
        if size[axis] != image.shape[axis]:
            result = banded.apply(result, banded.lanczos(image.shape[axis], size[axis]), axis)
    return result.clone() if tuple(size) == tuple(image.shape[:2]) else result


def blur(
    image: Tensor,
    sigma: float | tuple[float, float],
    radius: int | None = None,
    reduced: bool = False,
) -> Tensor:
    """A Gaussian of `sigma` pixels (both ways, or x and y), cut off at `radius` (4 sigma).

    `reduced` works at a smaller size where sigma is large: many times faster, and on masks and
    smooth pictures within 1/255 of the blur.
    """
    sigmas = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    if not all(0 <= each < float("inf") for each in sigmas) or (radius or 0) < 0:
        raise ValueError(f"a blur of sigma {sigma}, radius {radius} px is none: give 0 or more")
    source = image.detach().float()
    if max(sigmas) == 0 or source.numel() == 0:
        return source.clone()
    step = int(min(sigmas) / (4 if min(sigmas) >= 8 else 3))  # pixels of a block
    if reduced and step >= 2:
        return _blurred_small(source, sigmas, step)
    radii = tuple(round(4 * each) if radius is None else radius for each in sigmas)
    body = _blurred_by_opencv if on_cpu(source) else _blurred_by_torch
    return body(source, sigmas, radii)


def footprint(patch: tuple[int, int], matrix: Tensor, size: tuple[int, int]) -> Tensor:
    """How much a patch covers of the pixels (h, w) of a window: white on black, bilinear.

    `matrix` is from the patch to the window. Unlike in `warp`, nothing is averaged.
    """
    source = torch.ones(*patch, 1)
    return sampled(source, _checked(matrix), size, Border.BLACK, (0.0,))[..., 0]


def duplicate(images: Tensor) -> Tensor:
    """A copy to write into. On the CPU, large pages make it several times as fast as `clone`."""
    with one_thread() if images.nbytes < LARGE else nullcontext():
        return room_for(images).copy_(images.detach())


def room_for(images: Tensor) -> Tensor:
    """Memory as for `images`, not filled yet; on the CPU in large pages."""
    if not on_cpu(images) or not images.numel():
        return torch.empty(images.shape, dtype=images.dtype, device=images.device)
    # numpy asks the system for huge pages, torch does not; it knows no bfloat16, but bytes.
    memory = torch.from_numpy(np.empty(images.numel() * images.element_size(), np.uint8))
    return memory.view(images.dtype).reshape(images.shape)


def _checked(matrix: Tensor) -> Tensor:
    matrix = matrix.detach().double().cpu()
    (a, b, x), (c, d, y) = matrix.tolist()
    flat = not abs(a * d - b * c) > FLAT * hypot(a, c) * hypot(b, d)
    if flat or not all(map(isfinite, (a, b, c, d, x, y))):
        raise ValueError(
            f"a picture cannot be warped by the degenerate matrix {matrix.tolist()}: it has to "
            "keep an area. Check the points or the box that it was made from."
        )
    return matrix


def _whole_shift(matrix: Tensor) -> tuple[int, int] | None:
    """Where the result's first pixel (x, y) lies, if the matrix only shifts by whole pixels."""
    rounded = matrix.round()
    if (matrix - rounded).abs().max() > WHOLE or not torch.equal(rounded, shift(*rounded[:, 2])):
        return None
    return int(-rounded[0, 2]), int(-rounded[1, 2])


def _blurred_by_opencv(
    image: Tensor, sigmas: tuple[float, float], radii: tuple[int, int]
) -> Tensor:
    import cv2

    x, y = map(banded.gaussian_weights, sigmas, radii)
    blurred = cv2.sepFilter2D(
        image.contiguous().numpy(), cv2.CV_32F, x, y, borderType=cv2.BORDER_REFLECT_101
    )
    return torch.from_numpy(blurred).reshape(image.shape)


def _blurred_by_torch(image: Tensor, sigmas: tuple[float, float], radii: tuple[int, int]) -> Tensor:
    for axis, sigma, radius in zip((1, 0), sigmas, radii, strict=True):
        weights = banded.gaussian_weights(sigma, radius)
        image = banded.apply(image, banded.symmetric(image.shape[axis], weights), axis)
    return image


def _blurred_small(image: Tensor, sigmas: tuple[float, float], step: int) -> Tensor:
    """Averaged over blocks of `step` pixels, blurred by what is missing, enlarged again.

    Averaging over d pixels has a variance of (d^2 - 1) / 12, bilinear enlarging one of d^2 / 6.
    The picture goes on beyond its border as far as the blur reaches.
    """
    missing = [(each**2 - (step**2 - 1) / 12 - step**2 / 6) ** 0.5 / step for each in sigmas]
    kernels = [banded.gaussian_weights(each, round(4 * each)) for each in missing]
    beyond = [step * ceil(REACH * each / step) for each in sigmas[::-1]]  # rows, columns
    ends = [
        before + (-length - 2 * before) % step
        for length, before in zip(image.shape[:2], beyond, strict=True)
    ]
    body = _small_by_opencv if on_cpu(image) else _small_by_torch
    blurred = body(image, step, kernels, beyond, ends)
    inside = (slice(at, at + n) for at, n in zip(beyond, image.shape[:2], strict=True))
    return blurred[tuple(inside)]


def _small_by_opencv(
    image: Tensor, step: int, kernels: list[np.ndarray], before: list[int], after: list[int]
) -> Tensor:
    import cv2

    (top, left), (bottom, right) = before, after
    wide = cv2.copyMakeBorder(
        image.contiguous().numpy(), top, bottom, left, right, cv2.BORDER_REFLECT_101
    )
    height, width = wide.shape[:2]
    few = cv2.resize(wide, (width // step, height // step), interpolation=cv2.INTER_AREA)
    few = cv2.sepFilter2D(few, cv2.CV_32F, *kernels, borderType=cv2.BORDER_REPLICATE)
    grown = cv2.resize(few, (width, height), interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(grown).reshape(height, width, *image.shape[2:])


def _small_by_torch(
    image: Tensor, step: int, kernels: list[np.ndarray], before: list[int], after: list[int]
) -> Tensor:
    for axis in (0, 1):
        length = image.shape[axis]
        rows = banded.mirrored(np.arange(-before[axis], length + after[axis]), length)
        image = image.index_select(axis, torch.from_numpy(rows).to(image.device))
        blocks = image.unflatten(axis, (-1, step)).mean(axis + 1)
        smooth = banded.symmetric(blocks.shape[axis], kernels[1 - axis])
        blurred = banded.apply(blocks, smooth, axis)
        image = banded.apply(blurred, banded.enlarging(blocks.shape[axis], step), axis)
    return image
