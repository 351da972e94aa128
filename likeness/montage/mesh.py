"""From one face to another: a mesh over the landmarks and the contour, and pixels moved by it.

Works upright, in distances between the eyes, in the small view of `contour`; what is found there is
smooth and is enlarged to the pixels of the crop.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..geometry import compose, invert, scale_of, scaling, transform
from ..pixels.raster import Border, blur, warp
from .contour import AROUND_FACE, CENTRE, VIEW, Contour, around, directions, to_view

SOFT = 0.04  # creases of the mesh are smoothed over this length
MOST = 1.3  # a jaw is made larger or smaller by this at most
BESIDE = (1.25, 1.7)  # the mesh goes on beyond the contour, shares of it


def displacement(target: Contour, source: Contour) -> Tensor:
    """(h, w, 2) in the view: what leads from a place of the target to the source's, upright."""
    from scipy.interpolate import LinearNDInterpolator

    here, there = anchors(target, source)
    height, width = VIEW
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    grid = transform(torch.stack([x, y], dim=2).double().reshape(-1, 2), invert(to_view()))
    moved = LinearNDInterpolator(here.numpy(), (there - here).numpy(), fill_value=0.0)(grid.numpy())
    field = torch.from_numpy(moved).float().reshape(height, width, 2)
    return blur(field, SOFT * scale_of(to_view()))


def anchors(target: Contour, source: Contour) -> tuple[Tensor, Tensor]:
    """Places (n, 2) of the target and the same places of the source."""
    radii = (target.radii, matching(target, source))
    here, there = (
        torch.cat([contour.landmarks[17:], *(around(each * share)[::2] for share in (1, *BESIDE))])
        for contour, each in zip((target, source), radii, strict=True)
    )
    frame = torch.tensor(AROUND_FACE, dtype=torch.float64)
    here, there = torch.cat([here, frame]), torch.cat([there, frame])
    _, first = np.unique(here.numpy().round(4), axis=0, return_index=True)
    return here[first], there[first]


def matching(target: Contour, source: Contour) -> Tensor:
    """(RAYS,): how far along each ray of the source the target's contour is found.

    Jaw goes to jaw. A forehead is not stretched: hairlines say little about a face.
    """
    ratio = (source.radii / target.radii).clamp(1 / MOST, MOST)
    upwards = ((-directions()[:, 1] - 0.1) / 0.4).clamp(0, 1)
    return target.radii * torch.lerp(ratio, torch.ones_like(ratio), upwards)


def places_in(field: Tensor, target: Tensor, source: Tensor, size: tuple[int, int]) -> Tensor:
    """(h, w, 2): where in the source's picture each pixel of a window (h, w) of the target's is.

    `target` leads from the window to upright, `source` from the picture.
    """
    places = transform(_grid(size), target) + enlarged(field, target, size).double()
    return transform(places, invert(source))


def moved_to(
    picture: Tensor, field: Tensor, target: Tensor, source: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """`picture` (H, W, 3) of the source seen through the mesh, in a window (h, w) of the target's.

    Also where that is the picture (h, w), and not beyond its border or no number. The matrices are
    as above.
    """
    import cv2

    known = picture.isfinite().all(2, keepdim=True)
    picture = torch.cat([torch.where(known, picture, 0.0), known], dim=2).float()
    shrunk = scale_of(source) / scale_of(target)
    if shrunk < 0.5:
        smaller = tuple(max(1, round(side * shrunk)) for side in picture.shape[:2])
        way = scaling(tuple(picture.shape[:2]), smaller)
        picture = warp(picture, way, smaller, Border.REPLICATE)
        source = compose(source, invert(way))
    places = places_in(field, target, source, size).float().numpy()
    height, width = picture.shape[:2]
    inside = (places >= -0.5).all(2) & (places <= np.array([width, height]) - 0.5).all(2)
    pixels = np.ascontiguousarray(picture.numpy())
    seen = cv2.remap(pixels, places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    seen = torch.from_numpy(seen)
    return seen[..., :-1].clamp(0, 1), torch.from_numpy(inside) & (seen[..., -1] > 0.99)


def polar(size: tuple[int, int], target: Tensor, field: Tensor | None = None) -> tuple:
    """Angle as a ray's number and distance from the centre, each (h, w), of a window's pixels."""
    places = transform(_grid(size), target)
    if field is not None:
        places = places + enlarged(field, target, size).double()
    x, y = (places - torch.tensor(CENTRE, dtype=torch.float64)).unbind(2)
    rays = len(directions())
    return torch.atan2(y, x) / (2 * torch.pi) * rays % rays, torch.hypot(x, y)


def along(values: Tensor, angle: Tensor) -> Tensor:
    """`values` (RAYS,) at angles (h, w) between the rays."""
    first = angle.floor().long() % len(values)
    return torch.lerp(values[first], values[(first + 1) % len(values)], angle - angle.floor())


def enlarged(planes: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
    """Smooth values of the view (h, w, C) in a window, to which `target` belongs."""
    return warp(planes, invert(compose(to_view(), target)), size, Border.REPLICATE)


def _grid(size: tuple[int, int]) -> Tensor:
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    return torch.stack([x, y], dim=2).double()
