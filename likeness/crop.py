"""A patch that was cut out of a picture, and all that its exact way back needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from .pixels.raster import Border, warp

GREY = 0.5


@dataclass(frozen=True, eq=False)
class Crop:
    """A patch of one frame, and how it was cut."""

    frame: int
    matrix: Tensor  # (2, 3), picture to patch
    original: Tensor  # (h, w, 3), the patch as it was cut
    extent: float  # size of the face or the mask in patch pixels; shares are shares of this
    mask: Tensor | None = None  # (H, W) of the picture: all that may change; None: all under it
    box: tuple[int, int, int, int] | None = None  # straight crop: the resized part of the picture
    exact: tuple[int, int, int, int] | None = None  # the part that was cut as diffusers cuts it
    painted: Tensor | None = None  # (h, w) of the patch: what gets new content; None: all of it


@dataclass(frozen=True, eq=False)
class Crops:
    """The crops of a batch of equally large frames, all of one patch size."""

    cut: tuple[Crop, ...]
    frames: int
    size: tuple[int, int]  # height, width of every frame
    patches: Tensor  # (N, h, w, 3), the originals; one grey patch where nothing was cut
    pictures: Tensor | None = None  # (frames, H, W, C), what they were cut from
    notes: tuple[str, ...] = ()


def as_crops(
    cut: Sequence[Crop], pictures: Tensor, patches: Tensor, notes: Sequence[str] = ()
) -> Crops:
    """`patches` (N, h, w, 3) hold the originals of `cut`; a grey one stands in for none."""
    if not len(cut):
        patches = patches.new_full((1, *patches.shape[1:]), GREY)
    frames, height, width = pictures.shape[:3]
    return Crops(tuple(cut), frames, (height, width), patches, pictures, tuple(notes))


def take(
    picture: Tensor,
    matrix: Tensor,
    size: tuple[int, int],
    border: Border = Border.REFLECT,
    fill: tuple[float, ...] | None = None,
) -> Tensor:
    """The patch (h, w, C) of `picture` (H, W, C), in the dtype of the picture."""
    return warp(picture, matrix, size, border, fill).to(picture.dtype)
