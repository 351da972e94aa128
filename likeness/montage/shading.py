"""A face in the light and the skin tone of another: what differs broadly is multiplied in."""

from __future__ import annotations

import torch
from torch import Tensor

from ..pixels.raster import blur
from .contour import to_view

DARKEST = 0.004  # of linear light: below it there is no colour to speak of
NEAR, BROAD, FAR = 0.15, 0.4, 0.8  # sigmas in distances between the eyes
LITTLE = 0.02  # of skin near a place, from which on what is farther counts more
DETAIL = 0.1  # variance of the logarithm: what varies less is the face, not its light
BRIGHTER, DARKER, TONE = 1.0, 1.5, 0.6  # of the logarithm, at most
BESIDE = 1.2  # so much more beside the contour, where the target's own skin follows
CALM = 0.7  # so much less in the eyes: they would shine


def linear(rgb: Tensor) -> Tensor:
    return torch.where(rgb > 0.04045, ((rgb.clamp(min=0) + 0.055) / 1.055) ** 2.4, rgb / 12.92)


def curved(light: Tensor) -> Tensor:
    bright = 1.055 * light.clamp(min=0.003) ** (1 / 2.4) - 0.055
    return torch.where(light > 0.0031308, bright, 12.92 * light)


def gains(target: Tensor, source: Tensor, skin: Tensor, edge: Tensor, eyes: Tensor) -> Tensor:
    """(h, w, 3): the factors of linear light that give `source` the light of `target`.

    Both (h, w, 3) in the view, compared where `skin` (h, w) has weight. `edge` is 1 at the contour
    and `eyes` in the eyes. The target's light is taken over as it is at large; of the source's own
    shadows what the target has not is taken out, along their edges.
    """
    (there, _), (here, _) = (light_of(picture, skin) for picture in (target, source))
    broad, there_beside, here_beside = _parted(there, here, skin)
    zero = torch.zeros_like(there_beside)
    common = there_beside.clamp(torch.minimum(here_beside, zero), torch.maximum(here_beside, zero))
    light, tone = (broad + common - here_beside).split([1, 3], dim=2)
    more = 1 + BESIDE * edge[..., None]
    up = BRIGHTER * more * (1 - CALM * eyes[..., None])
    light = _limited(light, skin, DARKER, up)
    return (light + _limited(tone, skin, TONE * more, TONE * more)).exp()


def _parted(there: Tensor, here: Tensor, skin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What differs at large, and what either has beside its own light at large."""
    large = [_spread(each, skin, BROAD) for each in (there, here)]
    return large[0] - large[1], there - large[0], here - large[1]


def light_of(picture: Tensor, skin: Tensor) -> tuple[Tensor, Tensor]:
    """Brightness and tone (h, w, 4) that lie on the skin, as logarithms; and what brightness
    each pixel (h, w) has beside that."""
    light = (linear(picture) + DARKEST).log()
    bright = light.mean(2, keepdim=True)
    broad = _along_edges(bright, torch.cat([bright, light - bright], dim=2), skin)
    return broad, (bright - broad[..., :1])[..., 0]


def _limited(change: Tensor, weights: Tensor, down: float | Tensor, up: float | Tensor) -> Tensor:
    """(h, w, C) of which no more than so much differs from place to place.

    A face in another's skin tone looks right; one whose shadows are all filled in does not.
    """
    overall = _middle(change, weights)
    away = change - overall
    length = away.norm(dim=2, keepdim=True).clamp(min=1e-6)
    most = torch.where(away.mean(2, keepdim=True) > 0, up, down) if change.shape[2] == 1 else up
    return overall + away * (most / length) * (length / most).tanh()


def _middle(values: Tensor, weights: Tensor) -> Tensor:
    """The median (C,) where there is much weight."""
    chosen = values[weights > 0.5]
    return chosen.median(0).values if len(chosen) else values.new_zeros(values.shape[2])


def _along_edges(guide: Tensor, values: Tensor, weights: Tensor) -> Tensor:
    """As `_spread` of `values` (h, w, C), but where `guide` (h, w, 1) takes large steps they do so.

    That is a guided filter. Beside the weights the guide is what is near them.
    """
    guide = torch.lerp(_spread(guide, weights), guide, weights[..., None])
    count = values.shape[2]
    products = torch.cat([guide, guide * guide, values, guide * values], dim=2)
    g, gg, v, gv = _spread(products, weights).split([1, 1, count, count], dim=2)
    slope = (gv - g * v) / ((gg - g * g).clamp(min=0) + DETAIL)
    lines = torch.cat([slope, v - slope * g], dim=2)
    slope, start = _spread(lines, weights).split(count, dim=2)
    return slope * guide + start


def _spread(values: Tensor, weights: Tensor, near: float = NEAR) -> Tensor:
    """The weighted mean near each place; where there is little weight, of farther away."""
    stack = torch.cat([values * weights[..., None], weights[..., None]], dim=2)
    unit = float(to_view()[0, 0])
    close, far = (blur(stack, sigma * unit, reduced=True) for sigma in (near, FAR))
    everywhere = stack.mean((0, 1))
    both = close + LITTLE * (far + LITTLE * everywhere)
    return both[..., :-1] / both[..., -1:].clamp(min=1e-9)
