"""How much of a face is covered by the other: inside of both contours, below the hair of both."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

from ..geometry import compose, invert
from ..pixels.distance import depth
from ..pixels.raster import Border, blur, warp
from .contour import (
    UNIT,
    VIEW,
    Contour,
    blurred_around,
    directions,
    features,
    on_rays,
    places,
    to_view,
)
from .mesh import along, moved_to, polar
from .shading import light_of

ARCH = (1.5, 1.45)  # half axes of the ellipse around the nose that ends on the forehead
EDGE, HAIR, FADE = 0.14, 0.28, 0.36  # widths of the soft edge: at jaw, hair, on the forehead
RIM = 0.12  # what is nearer the contour may be hair: it is not compared
NEAR = 0.45  # what is nearer the contour is near it
BROWS = 16.0  # the more, the farther around them what is dark is theirs
STRAND = 0.4  # of the logarithm: what differs more from the skin around it is none
FAR = 2.3  # farther than any contour


@dataclass(frozen=True, eq=False)
class Scene:
    """Both faces in the view, the source's moved onto the target's; each (h, w) or (h, w, 3)."""

    seen: Tensor
    moved: Tensor
    within: Tensor  # how far inside of both contours, in distances between the eyes
    skin: Tensor  # 0..1: where both show bare skin, which is compared
    eyes: Tensor  # 0..1

    @property
    def edge(self) -> Tensor:
        """1 at the contour, 0 from so far inside on that it is not near."""
        return (1 - self.within / NEAR).clamp(0, 1)


def scene(picture: Tensor, other: Tensor, target: Contour, source: Contour, field: Tensor) -> Scene:
    """Of the pictures (H, W, 3) and the mesh's `field`."""
    known = picture.isfinite().all(2, keepdim=True)
    both = torch.cat([torch.where(known, picture, 0.0), known], dim=2)
    both = warp(both, compose(to_view(), target.upright), VIEW, Border.BLACK)
    seen, shown = both[..., :3], both[..., 3] > 0.99
    here = invert(to_view())
    moved, inside = moved_to(other, field, here, source.upright, VIEW)
    angle, far = polar(VIEW, here)
    turned, away = polar(VIEW, here, field)
    within = torch.minimum(along(target.radii, angle) - far, along(source.radii, turned) - away)
    within = within.float()
    eyes, brows, mouth, nostrils = (blur(each, 2.5) for each in features(target.landmarks))
    bare = (1 - 2 * torch.stack([eyes, brows, mouth, nostrils]).amax(0)).clamp(0, 1)
    skin = bare * (within / RIM).clamp(0, 1) * inside * shown
    # What is dark beside the target's brows is theirs, and goes with them; beside the source's it
    # may as well be hair.
    own = _off(seen, skin) * (blur(brows, 4.0) < 1 / BROWS) * (within > RIM / 2)
    allowed = bare * (within < NEAR) * (blur(eyes + mouth, 6.0) < 0.02)
    hanging = torch.maximum(own, _off(moved, skin) * (within > 0)) * allowed
    ends = along(_free(hanging), angle) - far
    within = torch.minimum(within, ends.float())
    skin = skin * (ends / RIM).clamp(0, 1).float()
    return Scene(seen, moved, within, skin, (2 * eyes).clamp(0, 1))


def _off(picture: Tensor, skin: Tensor) -> Tensor:
    """Where a picture (h, w, 3) does not look like the skin around."""
    return (light_of(picture, skin)[1].abs() > STRAND).float()


def _free(hanging: Tensor) -> Tensor:
    """(RAYS,): how far along each ray nothing hangs into the face; below the mouth, without end.

    What is behind a strand is left out with it: there are no holes in a face.
    """
    found = on_rays(functional.max_pool2d(hanging[None], 5, 1, 2))[0].double() > 0.5
    first = torch.where(found, places(), FAR).amin(1)
    first = torch.where(directions()[:, 1] < 0.1, first, FAR)
    # A single ray is a speck.
    first = torch.minimum(torch.maximum(first, first.roll(1)), torch.maximum(first, first.roll(-1)))
    nearest = torch.stack([first.roll(by) for by in (-1, 0, 1)]).amin(0)
    return blurred_around(nearest[:, None], 1.5)[:, 0]


def mask_of(scene: Scene) -> Tensor:
    """(h, w) in the view, 0..1: inside and, on the forehead, fading out above the brows."""
    angle, far = polar(VIEW, invert(to_view()))
    above = along(_brow_arch(), angle) - far
    # Where a contour jumps from ray to ray, what is inside may yet be near an end.
    deep = depth(scene.within > 0, UNIT) / UNIT + EDGE / 10
    within = torch.minimum(scene.within, deep)
    share = _rising(within / along(_softness(), angle).float())
    return torch.minimum(share, _rising(above.float() / FADE))


def _softness() -> Tensor:
    """(RAYS,): how wide the edge at the contour is; widest where a forehead meets hair."""
    up = ((-directions()[:, 1] - 0.5) / 0.3).clamp(0, 1)
    return EDGE + (HAIR - EDGE) * up


def _brow_arch() -> Tensor:
    """(RAYS,): how far along each ray the forehead is covered; below the eyes, without end."""
    x, y = directions().unbind(1)
    arch = 1 / torch.hypot(x / ARCH[0], y / ARCH[1])
    return torch.where(y < 0, arch, FAR)


def _rising(share: Tensor) -> Tensor:
    share = share.clamp(0, 1)
    return share.square() * (3 - 2 * share)
