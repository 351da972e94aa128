"""Reading a picture at the places that a matrix says: what is outside, averaging, bilinear."""

from __future__ import annotations

from enum import Enum
from math import ceil, floor, hypot

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..geometry import compose, invert, transform_box
from . import banded

LONGEST = 32_000  # pixels on a side that OpenCV can warp
CHANNELS = 4  # that OpenCV can warp at once
BAND = 1 << 22  # pixels that are averaged at once

Range = tuple[int, int]  # whole pixels, the end not included


class Border(str, Enum):
    """What lies outside a picture."""

    BLACK = "black"  # or the fill colour
    REFLECT = "mirror"  # about the middle of the outermost pixels
    REPLICATE = "repeat edge"


def on_cpu(image: Tensor) -> bool:
    return image.device.type == "cpu"


def filled(picture: Tensor, size: tuple[int, int], fill: tuple[float, ...]) -> Tensor:
    colour = torch.tensor(fill, dtype=torch.float32, device=picture.device)
    return colour.expand(*size, len(fill)).contiguous()


def reaching(
    picture: Tensor, rows: Range, columns: Range, border: Border, fill: tuple[float, ...] = ()
) -> Tensor:
    """A copy of the pixels in a range that may leave the picture."""
    if border is Border.BLACK:
        result = filled(picture, (rows[1] - rows[0], columns[1] - columns[0]), fill)
        inside = [_within(*each) for each in zip((rows, columns), picture.shape[:2], strict=True)]
        (top, bottom), (left, right) = inside
        if top < bottom and left < right:
            target = result[
                top - rows[0] : bottom - rows[0], left - columns[0] : right - columns[0]
            ]
            target.copy_(picture[top:bottom, left:right])
        return result
    for axis, wanted in enumerate((rows, columns)):
        length = picture.shape[axis]
        if _within(wanted, length) == wanted:
            picture = picture.narrow(axis, wanted[0], wanted[1] - wanted[0])
            continue
        index = np.arange(*wanted)
        reflects = border is Border.REFLECT
        index = banded.mirrored(index, length) if reflects else index.clip(0, length - 1)
        picture = picture.index_select(axis, torch.from_numpy(index).to(picture.device))
    return picture.to(torch.float32, copy=True, memory_format=torch.contiguous_format)


def _within(wanted: Range, length: int) -> Range:
    return max(wanted[0], 0), min(wanted[1], length)


def warped(
    picture: Tensor,
    matrix: Tensor,
    size: tuple[int, int],
    border: Border,
    fill: tuple[float, ...],
) -> Tensor:
    """The part that is read is found, averaged where it shrinks, then sampled."""
    x0, y0, x1, y1 = transform_box((0, 0, size[1] - 1, size[0] - 1), invert(matrix))
    read = ((y0, y1), (x0, x1))
    # Per axis of the picture, rows first: how many of its pixels make one of the result.
    shrinks = [1 / hypot(*matrix[:, axis].tolist()) for axis in (1, 0)]
    steps = [round(shrink) if shrink > 2 else 1 for shrink in shrinks]
    if max(steps) > 1:
        starts, seen = _averaged(picture, read, steps, border, fill)
    else:
        rows, columns = (_read(*each, border) for each in zip(read, picture.shape[:2], strict=True))
        starts, seen = (rows[0], columns[0]), picture[slice(*rows), slice(*columns)]
    if 0 in seen.shape[:2]:
        return filled(picture, size, fill)
    (top, left), (tall, wide) = starts, steps
    grid = torch.tensor(
        [[wide, 0, left + (wide - 1) / 2], [0, tall, top + (tall - 1) / 2]], dtype=torch.float64
    )
    return sampled(seen.float(), compose(matrix, grid), size, border, fill)


def _read(read: tuple[float, float], length: int, border: Border) -> Range:
    """The pixels that bilinear sampling between the ends of `read` looks at, on one axis."""
    low, high = floor(read[0]) - 1, ceil(read[1]) + 2
    if border is Border.BLACK:
        return _within((low, high), length)
    if border is Border.REFLECT:
        low, high = min(low, 2 * (length - 1) - high), max(high, -low + 1)
    low = min(max(low, 0), length - 1)
    return low, max(min(high, length), low + 1)


def _averaged(
    picture: Tensor,
    read: tuple[tuple[float, float], tuple[float, float]],
    steps: list[int],
    border: Border,
    fill: tuple[float, ...],
) -> tuple[tuple[int, int], Tensor]:
    """The means over blocks of `steps` pixels, and where the first block begins.

    A block begins where the area under the result's outermost pixel does, so that a plain
    reduction by a whole factor is exactly the mean.
    """
    (top, tall), (left, wide) = (
        _blocks(*each, border) for each in zip(read, steps, picture.shape[:2], strict=True)
    )
    if min(tall, wide) < 1:
        return (top, left), picture[:0]
    height, width = picture.shape[:2]
    if border is Border.REFLECT and tall * steps[0] * wide * steps[1] > BAND + 4 * height * width:
        # Mostly mirror images, which need not be laid out to be averaged.
        lines = (top, tall, steps[0], height), (left, wide, steps[1], width)
        down, across = (_shares(*each).to(picture.device, torch.float32) for each in lines)
        return (top, left), torch.einsum("yh,hwc,xw->yxc", down, picture.float(), across)
    columns, bands = (left, left + wide * steps[1]), []
    rows = max(1, BAND // (steps[0] * (columns[1] - columns[0])))
    for start in range(0, tall, rows):
        stop = min(start + rows, tall)
        span = (top + start * steps[0], top + stop * steps[0])
        inside = zip((span, columns), picture.shape[:2], strict=True)
        if all(_within(wanted, length) == wanted for wanted, length in inside):
            band = picture[slice(*span), slice(*columns)].float()
        else:
            band = reaching(picture, span, columns, border, fill)
        bands.append(_block_means(band, steps))
    return (top, left), torch.cat(bands)


def _shares(first: int, count: int, step: int, length: int) -> Tensor:
    """How much each of `length` pixels of a mirrored line counts in each block (count, length)."""
    index = banded.mirrored(np.arange(first, first + count * step), length)
    shares = np.zeros((count, length))
    np.add.at(shares, (np.repeat(np.arange(count), step), index), 1 / step)
    return torch.from_numpy(shares)


def _blocks(read: tuple[float, float], step: int, length: int, border: Border) -> Range:
    """Where the first block begins on one axis, and how many blocks there are."""
    low, high = read
    first = round(low - (step - 1) / 2) - step
    count = ceil((high - low) / step) + 3
    if border is Border.REFLECT:
        return first, count
    # One block wholly outside, on either side, stands for all that follow.
    skipped = max(0, (-step - first) // step)
    first += skipped * step
    count = min(count - skipped, ceil((length + step - first) / step))
    return (min(first, length), max(count, 1)) if border is Border.REPLICATE else (first, count)


def _block_means(part: Tensor, steps: list[int]) -> Tensor:
    height, width = part.shape[0] // steps[0], part.shape[1] // steps[1]
    if on_cpu(part):
        import cv2

        means = cv2.resize(part.numpy(), (width, height), interpolation=cv2.INTER_AREA)
        return torch.from_numpy(means).reshape(height, width, part.shape[2])
    return part.reshape(height, steps[0], width, steps[1], -1).mean(dim=(1, 3))


def sampled(
    part: Tensor,
    matrix: Tensor,
    size: tuple[int, int],
    border: Border,
    fill: tuple[float, ...],
) -> Tensor:
    fits = max(*part.shape[:2], *size) <= LONGEST
    body = _sampled_by_opencv if on_cpu(part) and fits else _sampled_by_torch
    return body(part, matrix, size, border, fill)


def _sampled_by_opencv(
    part: Tensor,
    matrix: Tensor,
    size: tuple[int, int],
    border: Border,
    fill: tuple[float, ...],
) -> Tensor:
    import cv2

    modes = {
        Border.BLACK: cv2.BORDER_CONSTANT,
        Border.REFLECT: cv2.BORDER_REFLECT_101,
        Border.REPLICATE: cv2.BORDER_REPLICATE,
    }
    backwards = invert(matrix).numpy()
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    layers = []
    for first in range(0, part.shape[2], CHANNELS):
        layer, some = (
            each[..., first : first + CHANNELS] for each in (part.numpy(), np.array(fill))
        )
        count = layer.shape[2]
        if count == 2:  # OpenCV rounds to 1/32 of a pixel then, and only then
            layer, some = layer[..., [0, 1, 1]], some[[0, 1, 1]]
        moved = cv2.warpAffine(
            layer, backwards, size[::-1], flags=flags, borderMode=modes[border], borderValue=some
        )
        layers.append(torch.from_numpy(moved).reshape(*size, -1)[..., :count])
    return layers[0] if len(layers) == 1 else torch.cat(layers, dim=-1)


def _sampled_by_torch(
    part: Tensor,
    matrix: Tensor,
    size: tuple[int, int],
    border: Border,
    fill: tuple[float, ...],
) -> Tensor:
    modes = {Border.BLACK: "zeros", Border.REFLECT: "reflection", Border.REPLICATE: "border"}
    if border is Border.REFLECT:  # one pixel has nothing to be mirrored about
        part = part.repeat(*(2 if length == 1 else 1 for length in part.shape[:2]), 1)
    corners = border is Border.REFLECT
    height, width = part.shape[:2]
    backwards = invert(matrix)
    x = torch.arange(size[1], dtype=torch.float64)
    y = torch.arange(size[0], dtype=torch.float64)
    grid = []
    for row, length in zip(backwards, (width, height), strict=True):
        along, across = row[0] * x + row[2], row[1] * y
        scale = 2 / (length - 1) if corners else 2 / length
        offset = -1 if corners else 1 / length - 1
        parts = (along * scale + offset)[None, :], (across * scale)[:, None]
        grid.append(sum(each.to(part.device, torch.float32) for each in parts))
    colour = torch.tensor(fill, dtype=torch.float32, device=part.device)
    source = part - colour if border is Border.BLACK else part
    moved = functional.grid_sample(
        source.movedim(-1, 0)[None],
        torch.stack(grid, dim=-1)[None],
        mode="bilinear",
        padding_mode=modes[border],
        align_corners=corners,
    )
    result = moved[0].movedim(0, -1).contiguous()
    return result + colour if border is Border.BLACK else result
