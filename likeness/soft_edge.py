"""Soft edges: the control picture that ControlNet's soft edges were trained on, by PiDiNet.

A picture is looked at, and its edges are brought back to its size, as Stable Diffusion web UI does
it; but all in floats, where that rounds to 8 bits on the way in and cuts to 8 bits on the way out.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

import numpy as np
import torch
from torch import Tensor

from .nets.pidinet import COARSEST, PiDiNet
from .picture import cleaned
from .progress import Progress, ignore
from .report import counted, shortened

RESOLUTION = 512  # short side of what the network looks at, pixels
MULTIPLE = 64  # of its sides
LONGEST = 8192  # pixels that a long side is enlarged to
MOST = 1 << 21  # pixels at once
TILE, REACH = 1024, 24 * COARSEST  # of larger pictures; farther than that the network does not see
WORKING = MOST * 1000  # bytes that the network works in
SEEN = 0.5  # edges from which on a report counts a pixel


class Levels(str, Enum):
    """How edges are graded; the values are what a user reads."""

    SMOOTH = "smooth (softedge_pidinet)"
    THREE = "three levels (softedge_pidisafe)"


def soft_edges(
    images: Tensor,
    network: PiDiNet,
    resolution: int = RESOLUTION,
    levels: Levels = Levels.SMOOTH,
    progress: Progress = ignore,
) -> Tensor:
    """The edges (B, H, W), 0..1, of `images` (B, H, W, C), in the dtype and place of those.

    The network sees pictures of which the short side is `resolution`; 0 is a picture's own size.
    """
    if images.shape[3] not in (1, 3, 4):
        raise ValueError(
            f"image: edges cannot be drawn of pictures of shape {tuple(images.shape)}: they need 1 "
            "channel, 3, or 4 with alpha"
        )
    count, size = len(images), tuple(images.shape[1:3])
    seen = seen_size(size, resolution)
    at_once, tiles = _at_once(network, seen), list(_tiles(_padded(seen)))
    maps = torch.empty(count, *size, dtype=images.dtype, device=images.device)
    total, done = len(range(0, count, at_once)) * len(tiles), 0
    for start in range(0, count, at_once):
        pictures = torch.stack([_shown(image, seen) for image in images[start : start + at_once]])
        edges = torch.empty(len(pictures), *pictures.shape[2:])
        for inner, outer in tiles:
            edges[:, inner[0], inner[1]] = _drawn(network, pictures, inner, outer)
            done += 1
            progress(done, total)
        for number, drawn in enumerate(edges[:, : seen[0], : seen[1]], start):
            if not all(bound.isfinite() for bound in drawn.aminmax()):
                raise ValueError(
                    f"network: what it drew for picture {number} are not numbers. Load its file "
                    "anew, or fetch the file anew"
                )
            maps[number] = graded(_back(drawn, size), levels)
    return maps


def graded(edges: Tensor, levels: Levels) -> Tensor:
    """Edges as they are, or 0, a half and 1: a third and two thirds of the way the next begins."""
    return edges if levels is Levels.SMOOTH else (edges * 3).floor().clamp(max=2) / 2


def seen_size(size: tuple[int, int], resolution: int) -> tuple[int, int]:
    """The size in which the network sees a picture of `size`, before it is filled up."""
    scale = resolution / min(size) if resolution else 1.0
    if scale > 1:
        scale = max(min(scale, LONGEST / max(size)), 1.0)
    height, width = (max(round(side * scale), 1) for side in size)
    return height, width


def describe(images: Tensor, maps: Tensor, resolution: int, levels: Levels) -> str:
    """What was drawn of what, then for each picture how much of it is edges."""
    (height, width), size = maps.shape[1:], seen_size(tuple(maps.shape[1:]), resolution)
    lines = [
        f"{counted(len(maps), 'edge map')} of {width} x {height} px, {levels.value}, drawn at "
        f"{size[1]} x {size[0]} px"
    ]
    for number, (image, edges) in enumerate(zip(images, maps, strict=True)):
        line = f"{number}: edges on {float((edges >= SEEN).float().mean()):.1%}"
        if not all(bound.isfinite() for bound in image.aminmax()):
            line += ", what is not a number in the picture was taken as black"
        lines.append(line)
    return shortened(lines)


def _at_once(network: PiDiNet, seen: tuple[int, int]) -> int:
    """Pictures: one by one on a CPU, which takes half the time of four together."""
    height, width = _padded(seen)
    on_cpu = next(network.parameters()).device.type == "cpu"
    return 1 if on_cpu else max(MOST // (height * width), 1)


def _padded(size: tuple[int, int]) -> tuple[int, int]:
    height, width = (-(-side // MULTIPLE) * MULTIPLE for side in size)
    return height, width


def _tiles(size: tuple[int, int]) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Parts that make up a picture of `size`, and what the network needs to see for each."""
    whole = size[0] * size[1] <= MOST
    steps = size if whole else (TILE, TILE)
    for top in range(0, size[0], steps[0]):
        for left in range(0, size[1], steps[1]):
            starts = tuple(zip((top, left), steps, size, strict=True))
            inner = tuple(slice(at, min(at + step, end)) for at, step, end in starts)
            outer = tuple(
                slice(max(part.start - REACH, 0), min(part.stop + REACH, end))
                for part, end in zip(inner, size, strict=True)
            )
            yield inner, outer


def _shown(image: Tensor, seen: tuple[int, int]) -> Tensor:
    """`image` (H, W, C) as the network takes it: (3, h, w), BGR."""
    import cv2

    pixels = cleaned(image[..., :3]).cpu().expand(-1, -1, 3).contiguous().numpy()
    height, width = seen
    if (height, width) != pixels.shape[:2]:
        larger = min(seen) > min(pixels.shape[:2])
        way = cv2.INTER_CUBIC if larger else cv2.INTER_AREA
        pixels = np.clip(cv2.resize(pixels, (width, height), interpolation=way), 0, 1)
    down, across = (full - side for full, side in zip(_padded(seen), seen, strict=True))
    pixels = cv2.copyMakeBorder(pixels[..., ::-1], 0, down, 0, across, cv2.BORDER_REPLICATE)
    return torch.from_numpy(pixels).movedim(-1, 0)


@torch.no_grad()
def _drawn(
    network: PiDiNet,
    pictures: Tensor,
    inner: tuple[slice, slice],
    outer: tuple[slice, slice],
) -> Tensor:
    """The edges of a part of `pictures` (n, 3, h, w), on the CPU."""
    seen = pictures[:, :, outer[0], outer[1]].to(next(network.parameters()))
    edges = network(seen.contiguous(memory_format=torch.channels_last)).float().cpu()
    part = [slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True)]
    return edges[:, part[0], part[1]]


def _back(edges: Tensor, size: tuple[int, int]) -> Tensor:
    """`edges` (h, w) in the size of the picture."""
    import cv2

    if tuple(edges.shape) == size:
        return edges
    way = cv2.INTER_LINEAR if min(size) > min(edges.shape) else cv2.INTER_AREA
    height, width = size
    resized = cv2.resize(edges.contiguous().numpy(), (width, height), interpolation=way)
    return torch.from_numpy(resized).clamp_(0, 1)
