"""The built-in swap: a photomontage. The source's face, moved by a mesh, in the target's light."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..face import Face
from ..geometry import compose
from ..identity import Portrait
from .contour import Contour, find_contour, upright
from .covered import mask_of, scene
from .mesh import displacement, enlarged, moved_to
from .shading import curved, gains, linear

ROOM = 3.9  # distances between the eyes that a crop shows, across and down
MIDDLE = (0.0, 0.4)  # of the crop
GREY = 0.004  # channels that differ by less on average are a black and white picture's
FAINT = 0.45  # how visible a contour has to be
ASIDE = 0.3  # of the tip of the nose, in distances between the eyes


@dataclass(frozen=True)
class Montage:
    """What the swap socket carries for the built-in swap; it has no weights."""

    name: str = "warp and blend"
    notes: tuple[str, ...] = (
        "a photomontage by landmarks, without any network: the picture of the source's face is "
        "put over the target's, in its light. Frontal faces only; a swap network gives more",
    )


@dataclass(frozen=True, eq=False)
class Mounted:
    """A crop with another face in it, and where that is."""

    patch: Tensor  # (S, S, 3), the crop where the mask is 0
    mask: Tensor  # (S, S), 0..1, with a soft edge
    notes: tuple[str, ...]


def frame(face: Face, size: int) -> Tensor:
    """(2, 3), from the picture to a square crop of `size`: the whole face, upright."""
    scale = size / ROOM
    middle = (size - 1) / 2
    grown = torch.tensor(
        [[scale, 0, middle - scale * MIDDLE[0]], [0, scale, middle - scale * MIDDLE[1]]],
        dtype=torch.float64,
    )
    return compose(grown, upright(face))


def contour_of(portrait: Portrait) -> Contour:
    return find_contour(portrait.image.detach().float().cpu(), portrait.face)


def montage(
    crop: Tensor, face: Face, portrait: Portrait, contour: Contour | None = None
) -> Mounted:
    """The portrait's face in `crop` (S, S, 3); `face` is the crop's, in its pixels.

    `contour` is the portrait's; it is found where it is not given.
    """
    picture, other = (image.detach().float().cpu() for image in (crop, portrait.image))
    if not _coloured(picture):
        other = other.mean(2, keepdim=True).expand_as(other)
    target = find_contour(picture, face)
    source = contour_of(portrait) if contour is None else contour
    field, size = displacement(target, source), tuple(picture.shape[:2])
    both = scene(picture, other, target, source, field)
    light = gains(both.seen, both.moved, both.skin, both.edge, both.eyes)
    small = torch.cat([light, mask_of(both)[..., None]], dim=2)
    light, mask = enlarged(small, target.upright, size).split([3, 1], dim=2)
    moved, inside = moved_to(other, field, target.upright, source.upright, size)
    mask = mask[..., 0] * inside * picture.isfinite().all(2)
    patch = curved(linear(moved) * light).clamp(0, 1)
    mask = mask.to(crop)
    patch = torch.where(mask[..., None] > 0, patch.to(crop), crop.detach())
    return Mounted(patch, mask, _notes(target, source))


def _coloured(picture: Tensor) -> bool:
    """Whether a picture (H, W, 3) is more than black and white."""
    known = picture[picture.isfinite().all(2)]
    return not len(known) or float((known.amax(1) - known.amin(1)).mean()) > GREY


def _notes(target: Contour, source: Contour) -> tuple[str, ...]:
    notes = []
    for whose, contour in (("target's", target), ("source's", source)):
        if contour.seen < FAINT:
            notes.append(f"the edge of the {whose} face is hardly visible: it was guessed")
        if abs(float(contour.landmarks[30, 0])) > ASIDE:
            notes.append(f"the {whose} face is turned aside: a montage fits frontal faces only")
    return tuple(notes)
