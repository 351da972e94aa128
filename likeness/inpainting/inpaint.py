"""A padded crop of what a mask covers, to inpaint in, and its stitch into the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..blending.seam import seam
from ..crop import Crop, Crops, as_crops
from ..face import Faces
from ..geometry import compose, scale_of, scaling, shift
from ..paste import Blend, Pasted, Way, paste
from ..pixels.raster import Border, duplicate, resize, warp
from ..pixels.threads import one_thread
from ..pixels.window import Window
from ..progress import Progress, ignore
from .aim import Aim, Empty, aims
from .drift import without_drift
from .exact import cut_exactly, exact_matrix, overlay_exactly
from .framing import (
    Framing,
    Outside,
    Size,
    Target,
    cut_out,
    extent_of,
    framed,
    patch_size,
    require_memory,
    with_padding,
)
from .painted import Layer

PLAIN = Blend()


@one_thread()
def crop_for_inpaint(
    images: Tensor,
    mask: Layer,
    framing: Framing,
    context: Layer | None = None,
    blend: Layer | None = None,
    faces: Faces | None = None,
    empty: Empty = Empty.PASS,
    progress: Progress = ignore,
) -> tuple[Crops, Tensor]:
    """Crops of `images` (B, H, W, C), and the part of the `mask` in each: (N, h, w).

    One mask serves all pictures, several masks may be of a single picture, or there is one for
    each. The `context` is to be seen too; the `blend` is where the stitch may change something, in
    the mask's place. With `faces` every crop is upright by the face under its mask.
    """
    _require(images, framing, faces)
    wanted, notes = aims(images, mask, context, blend, faces, empty, progress)
    boxes, size = _boxes(images[0], wanted, framing)
    patches = images.new_empty(len(wanted), *size, 3)
    masks = torch.zeros(max(len(wanted), 1), *size, device=images.device)
    cut: list[Crop] = []
    for number, (aim, box) in enumerate(zip(wanted, boxes, strict=True)):
        crop, masks[number] = _cut(images[aim.frame, ..., :3], aim, box, size, framing)
        patches[number] = crop.original
        cut.append(replace(crop, original=patches[number], painted=masks[number]))
        progress(len(wanted) + number + 1, 2 * len(wanted))
    return as_crops(cut, images, patches, notes), masks


def stitch(
    image: Tensor,
    crops: Crops,
    picture: Tensor | None = None,
    untouched: Tensor | None = None,
    way: Way = Way.REPLACE,
    blend: Blend = PLAIN,
    progress: Progress = ignore,
) -> Pasted:
    """`image` (N, h, w, 3), the crops after they were changed, in the pictures they were cut from.

    Or in other pictures of the same size. `untouched` (N, h, w, 3): see `without_drift`.
    """
    into = _into(image, crops, picture)
    if not crops.cut:
        return Pasted(into, ())
    if untouched is not None:
        image = without_drift(image, untouched, crops)
    return paste(into, image, crops, way, blend, progress=progress)


@one_thread()
def stitch_exactly(
    image: Tensor, crops: Crops, picture: Tensor | None = None, progress: Progress = ignore
) -> Pasted:
    """The crops overlaid as diffusers does it, where they were cut so; bit for bit in 8 bits."""
    into = _into(image, crops, picture)
    if not crops.cut:
        return Pasted(into, ())
    if any(crop.exact is None for crop in crops.cut):
        raise ValueError(
            "blend: crops that were not cut as diffusers cuts them cannot be stitched so. Choose "
            "the target 'as diffusers' in Crop For Inpaint, or another blend here."
        )
    result, seams = duplicate(into), []
    for number, crop in enumerate(crops.cut):
        under = cut_out(result[crop.frame, ..., :3], crop.exact, Border.BLACK)
        mask = cut_out(crop.mask, crop.exact, Border.BLACK).to(under.device).float()
        after = overlay_exactly(under, image[number], mask)
        seams.append(seam(under.float(), after.float(), mask))
        under.copy_(after)
        progress(number + 1, len(crops.cut))
    return Pasted(result, tuple(seams))


def _require(images: Tensor, framing: Framing, faces: Faces | None) -> None:
    if images.shape[3] not in (3, 4):
        raise ValueError(
            f"image: pictures of shape {tuple(images.shape)} cannot be cropped to inpaint in them, "
            "they need 3 channels, or 4 with alpha"
        )
    if faces is not None:
        faces.require(images)
    exact = framing.target is Target.DIFFUSERS
    if exact and (faces is not None or framing.outside is not Outside.SHIFT):
        raise ValueError(
            "target: 'as diffusers' knows neither turned crops nor crops that leave the picture: "
            "disconnect faces and set outside to 'shift inside', or choose another target"
        )


def _into(image: Tensor, crops: Crops, picture: Tensor | None) -> Tensor:
    """The pictures to stitch into."""
    if crops.cut and len(image) != len(crops.cut):
        raise ValueError(
            f"image: there are {len(image)} crops, and {len(crops.cut)} were cut: connect all that "
            "Crop For Inpaint gave, in their order"
        )
    if image.shape[3] not in (3, 4):
        raise ValueError(
            f"image: crops of shape {tuple(image.shape)} cannot be stitched, they need 3 channels, "
            "or 4 with alpha"
        )
    into = crops.pictures if picture is None else picture
    if into is None:
        raise ValueError("picture: the stitch holds no picture to put the crops into, connect one")
    frames, height, width = into.shape[:3]
    if (frames, (height, width)) != (crops.frames, crops.size):
        raise ValueError(
            f"picture: there are {frames} of {width} x {height} px, and the crops were cut from "
            f"{crops.frames} of {crops.size[1]} x {crops.size[0]} px: connect as many of that "
            "size, or none"
        )
    return into


def _boxes(picture: Tensor, wanted: Sequence[Aim], framing: Framing) -> tuple[list[Window], Size]:
    """The part of the picture, or of the upright one, that each crop shows, and their size."""
    shifts = framing.outside is Outside.SHIFT
    limits = [extent_of(picture, aim.turned) if shifts else None for aim in wanted]
    pairs = zip(wanted, limits, strict=True)
    boxes = [with_padding(aim.box, framing, limit) for aim, limit in pairs]
    size = patch_size(boxes, framing)
    pairs = zip(boxes, limits, strict=True)
    boxes = [framed(box, size, framing, limit) for box, limit in pairs]
    require_memory(boxes, picture)
    return boxes, size


def _cut(
    picture: Tensor, aim: Aim, box: Window, size: Size, framing: Framing
) -> tuple[Crop, Tensor]:
    """`box` of `picture` (H, W, 3), or of the upright one, as a patch, and the mask in it."""
    if framing.target is Target.DIFFUSERS:
        return _cut_exactly(picture, aim, box, size)
    if aim.turned is None:
        return _cut_straight(picture, aim, box, size, framing.border)
    matrix = compose(_to_patch(box, size), aim.turned)
    mask = warp(aim.mask.whole, matrix, size, Border.REPLICATE)
    return _crop(aim, matrix, warp(picture, matrix, size, framing.border)), mask


def _cut_straight(
    picture: Tensor, aim: Aim, box: Window, size: Size, border: Border
) -> tuple[Crop, Tensor]:
    patch = resize(cut_out(picture, box, border), size)
    mask = cut_out(aim.mask.whole, box, Border.REPLICATE)  # goes on, but is not seen in a mirror
    if mask.shape != size:
        patch.clamp_(0, 1)  # Lanczos rings
        mask = warp(mask, scaling(tuple(mask.shape), size), size, Border.REPLICATE)
    return _crop(aim, _to_patch(box, size), patch, box=box), mask


def _cut_exactly(picture: Tensor, aim: Aim, box: Window, size: Size) -> tuple[Crop, Tensor]:
    patch, mask = cut_exactly(picture, aim.mask.whole, box, size)
    matrix = exact_matrix(box, size)
    straight = box if torch.equal(matrix, _to_patch(box, size)) else None
    return _crop(aim, matrix, patch, box=straight, exact=box), mask


def _to_patch(box: Window, size: Size) -> Tensor:
    x0, y0, x1, y1 = box
    return compose(scaling((y1 - y0, x1 - x0), size), shift(-x0, -y0))


def _crop(aim: Aim, matrix: Tensor, patch: Tensor, **kept: Window | None) -> Crop:
    x0, y0, x1, y1 = aim.mask.box
    extent = max(x1 - x0, y1 - y0) * scale_of(matrix)
    return Crop(aim.frame, matrix, patch, extent, aim.allowed, **kept)
