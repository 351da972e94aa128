"""Where a frontal face ends: its contour, seen in the pixels, near where an average face has it.

The face is laid upright into a small view, by its eyes and mouth. Around the middle of the face the
view is unrolled: along each ray the skin goes on to the jaw, the hair or the background. The
contour is the closed line that best parts what is coloured like the skin on the same side of the
face from what is not, runs along visible edges, is smooth, and stays near the average face.
Lengths are distances between the eyes, as in `mean_shape`; the origin is half way between the eyes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from ..blending.colour import to_lab
from ..face import Face
from ..geometry import compose, invert, similarity, transform
from ..mean_shape import five_points, mean_shape, place
from ..pixels.coverage import fill
from ..pixels.raster import Border, blur, warp
from ..regions import hull, outlines_from_68
from .brows import with_brows

UNIT = 48.0  # pixels of the view between the eyes
VIEW = (216, 176)  # height and width of the view
BETWEEN = (87.5, 92.0)  # of the eyes, in the view
CENTRE = (0.0, 0.55)  # of the rays: the tip of the nose
RAYS = 96  # clockwise as seen, from the one that points to the right
NEAREST, STEP, STEPS = 0.5, 0.02, 86  # places along a ray
AVERAGE_CHIN = 1.7  # below the eyes
# How far off the average face's contour may be: on the forehead, elsewhere, beside measured marks.
HAIRLINES, JAWS, MEASURED = 0.3, 0.15, 0.03
SKIN, EDGE, CREASE = 15.0, 6.5, 1.0  # what a length of skin, an edge, the crease under a chin count
CUT, CUT_BROW = 50.0, 6.0
BEND = 1.3  # places along the rays that the contour easily moves by from ray to ray
NECK = 0.03, 0.3  # what skin, and what is none, count below, where a neck or a collar follows
AROUND_FACE = ((-3.0, -3.2), (3.0, -3.2), (3.0, 3.8), (-3.0, 3.8))  # more than the view


@dataclass(frozen=True, eq=False)
class Contour:
    """The rays' ends around a face."""

    upright: Tensor  # (2, 3), from the picture to distances between the eyes
    radii: Tensor  # (RAYS,), float64
    seen: float  # how visible it was, 0..1
    skin: Tensor  # (3,) mean Lab of the skin
    landmarks: Tensor  # (68, 2) upright
    measured: bool  # landmarks

    def ends(self, share: float = 1.0) -> Tensor:
        """(RAYS, 2), in the picture; with `share` so much of the way from the centre."""
        return transform(around(self.radii * share), invert(self.upright))


def directions() -> Tensor:
    """(RAYS, 2), of length 1."""
    angle = torch.arange(RAYS, dtype=torch.float64) * (2 * torch.pi / RAYS)
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def around(radii: Tensor) -> Tensor:
    """The rays' ends (RAYS, 2), upright."""
    return torch.tensor(CENTRE, dtype=torch.float64) + radii[:, None] * directions()


def to_view() -> Tensor:
    """(2, 3), from upright to the view."""
    return torch.tensor([[UNIT, 0, BETWEEN[0]], [0, UNIT, BETWEEN[1]]], dtype=torch.float64)


def places() -> Tensor:
    return NEAREST + STEP * torch.arange(STEPS, dtype=torch.float64)


def upright(face: Face) -> Tensor:
    """(2, 3), from the picture to distances between the eyes: eyes and mouth on the mean shape's.

    The nose does not count: it tells more of how the head is turned than where it is.
    """
    chosen = [0, 1, 3, 4]
    points = face.points.detach().double().cpu()[chosen]
    if not bool(torch.isfinite(points).all()):
        raise ValueError(f"its points are not numbers: {face.points.tolist()}")
    return similarity(points, five_points(mean_shape())[chosen])


def find_contour(picture: Tensor, face: Face) -> Contour:
    """The contour of `face` in `picture` (H, W, 3)."""
    matrix = upright(face)
    measured = face.landmarks68 is not None and not face.estimated
    landmarks = face.landmarks68 if measured else place(face.points)
    landmarks = transform(landmarks.detach().double().cpu(), matrix)
    expected, tolerance = _expected(landmarks, measured)
    view = _view(picture, matrix)
    landmarks = landmarks if measured else with_brows(landmarks, view[0], to_view())
    eyes, brows, mouth, _ = features(landmarks)
    parts = [blur(each, 2.0) for each in (torch.maximum(eyes, mouth), brows)]
    rays = on_rays(torch.cat([view, torch.stack(parts)])).double()
    seen, known, vital, brow = rays[:3].movedim(0, 2), rays[3] > 0.9, rays[4], rays[5]
    feature = torch.maximum(vital, brow)
    reference, spread, skin = _skin(seen, known & (feature < 0.05), expected)
    alike = _alike(seen, reference, spread, known, feature)
    edges = _edges(seen, spread, known)
    worth = SKIN * alike.cumsum(1) * STEP + EDGE * edges
    worth -= ((places() - expected[:, None]) / tolerance[:, None]).square() / 2
    # It leaves no eye and no mouth outside, whatever edge is there; a brow may be under hair.
    for part, price in ((vital, CUT), (brow, CUT_BROW)):
        worth -= price * (part > 0.2).flip(1).cummax(1).values.flip(1)
    index = torch.from_numpy(_path(worth.numpy(), expected.numpy()))
    radii = blurred_around(NEAREST + STEP * index.double()[:, None], 1.2)[:, 0]
    visible = float(edges[torch.arange(RAYS), index].mean())
    return Contour(matrix, radii, visible, skin, landmarks, measured)


def _expected(landmarks: Tensor, measured: bool) -> tuple[Tensor, Tensor]:
    """How far along each ray the contour is thought to be, and how far off that may be."""
    radii, down = _radii(outlines_from_68(landmarks).whole), directions()[:, 1]
    if not measured:
        radii = radii * (1 + (AVERAGE_CHIN / 1.735 - 1) * down.clamp(0, 1))
    below = torch.full_like(down, MEASURED if measured else JAWS)
    return radii, torch.where(down < -0.35, HAIRLINES, below)


def _radii(polygon: Tensor) -> Tensor:
    """Where the rays meet a polygon (n, 2) around the centre."""
    start = (polygon - torch.tensor(CENTRE, dtype=torch.float64))[None]
    along, ray = start.roll(-1, 1) - start, directions()[:, None]
    turn = _cross(ray, along)
    far, where = _cross(start, along) / turn, _cross(start, ray) / turn
    hit = (turn.abs() > 1e-9) & (where >= -1e-9) & (where <= 1 + 1e-9) & (far > 0)
    return torch.where(hit, far, 0).amax(1).clamp(NEAREST, NEAREST + STEP * (STEPS - 1))


def _cross(one: Tensor, other: Tensor) -> Tensor:
    return one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]


def features(landmarks: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Eyes, brows, mouth and nostrils, each (h, w) in the view; `landmarks` (68, 2) are upright."""
    points, window = transform(landmarks, to_view()), (0, 0, VIEW[1], VIEW[0])
    outlines = outlines_from_68(points)
    parts = outlines.eyes, outlines.brows, (outlines.mouth,), (points[30:36],)
    return tuple(
        torch.stack([fill(hull([each]), window) for each in part]).amax(0) for part in parts
    )


def _view(picture: Tensor, matrix: Tensor) -> Tensor:
    """Lab of the upright face, and where it is known (4, h, w)."""
    known = torch.isfinite(picture).all(dim=2)
    clean = torch.where(known[..., None], picture, 0.0).clamp(0, 1).float()
    both = torch.cat([clean, known[..., None].float()], dim=2)
    seen = blur(warp(both, compose(to_view(), matrix), VIEW, Border.BLACK), 1.0)
    valid = seen[..., 3:]
    lab = to_lab(seen[..., :3] / valid.clamp(min=1e-3))
    return torch.cat([lab, valid], dim=2).movedim(2, 0)


def on_rays(planes: Tensor) -> Tensor:
    """Planes (C, h, w) of the view along the rays (C, RAYS, STEPS), 0 beyond it."""
    ends = torch.tensor(CENTRE, dtype=torch.float64) + places()[:, None] * directions()[:, None]
    pixels = ends * UNIT + torch.tensor(BETWEEN, dtype=torch.float64)
    size = torch.tensor([VIEW[1], VIEW[0]], dtype=torch.float64)
    grid = ((pixels + 0.5) * 2 / size - 1).float()[None]
    return functional.grid_sample(planes[None], grid, align_corners=False)[0]


def _skin(seen: Tensor, usable: Tensor, expected: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The colour of skin on each side (RAYS, 3), how much it varies (3,), and its mean (3,).

    Hair that hangs into the face is no skin: what is far from the rest counts less and less.
    """
    share = places() / expected[:, None]
    last = torch.where(directions()[:, 1] < -0.5, 0.66, 0.85)[:, None]
    usable = usable & (share > 0.45) & (share < last)
    if usable.sum() < RAYS:
        usable = torch.ones_like(usable)
    weights = usable.double()
    least, most = seen.new_tensor([5.0, 2.5, 2.5]), seen.new_tensor([14.0, 6.0, 6.0])
    for _ in range(3):
        sums = torch.cat([(weights[..., None] * seen).sum(1), weights.sum(1)[:, None]], dim=1)
        mean = sums[:, :3].sum(0) / sums[:, 3].sum()
        local = blurred_around(sums, 5.0)
        local = (local[:, :3] + 3 * mean) / (local[:, 3:] + 3)
        away = (seen - local[:, None]).abs()
        spread = (away[weights > 0.1].median(0).values * 1.5).clamp(least, most)
        weights = usable * (-(away / spread).square().sum(2) / 18).exp()
    return local, spread, mean


def _alike(
    seen: Tensor, reference: Tensor, spread: Tensor, known: Tensor, feature: Tensor
) -> Tensor:
    """From 1, skin, to -1.5, none (RAYS, STEPS); beyond the picture 0."""
    away = ((seen - reference[:, None]) / spread).square().sum(2)
    alike = (1 - away / 3.5**2).clamp(-1.5, 1)
    alike = torch.lerp(alike, torch.full_like(alike, 0.5), feature.clamp(0, 1))
    weight = torch.where(alike > 0, *map(alike.new_tensor, NECK))
    alike = alike * torch.where(_below(), weight, 1.0)
    return torch.where(known, alike, 0.0)


def _edges(seen: Tensor, spread: Tensor, known: Tensor) -> Tensor:
    """How much the colour changes along the ray, 0..1 (RAYS, STEPS).

    A chin ends where it is darkest, in the crease between it and the neck.
    """
    before, after = _beside(seen, 2)
    strength = ((after - before) / (2 * spread)).square().sum(2).sqrt()
    before, after = _beside(seen, 4)
    crease = ((before + after - 2 * seen)[..., 0] / (2 * spread[0])).clamp(min=0)
    strength = strength + torch.where(_below(), CREASE * crease, 0.0)
    return torch.where(known, strength / (1 + strength), 0.0)


def _beside(seen: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """What lies so many places nearer and farther along the rays."""
    index = torch.arange(seen.shape[1])
    return seen[:, (index - reach).clamp(min=0)], seen[:, (index + reach).clamp(max=index[-1])]


def _below() -> Tensor:
    """(RAYS, 1): which rays point down."""
    return (directions()[:, 1] > 0.3)[:, None]


def _path(worth: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """The best place on each ray, neighbours near each other: a walk around, twice for a start."""
    rays, steps = worth.shape
    order = np.arange(-rays // 2, rays + rays // 2) % rays
    offsets, here = np.arange(-5, 6), np.arange(steps)
    source = here[:, None] + offsets
    inside = (source >= 0) & (source < steps)
    total, came = worth[order[0]].copy(), []
    for before, ray in pairwise(order):
        slope = (expected[ray] - expected[before]) / STEP
        price = ((-offsets - slope) / BEND) ** 2 / 2
        values = np.where(inside, total[source.clip(0, steps - 1)] - price, -np.inf)
        best = values.argmax(1)
        came.append(source[here, best])
        total = values[here, best] + worth[ray]
    path = [int(total.argmax())]
    for step in reversed(came):
        path.append(int(step[path[-1]]))
    path.reverse()
    result = np.empty(rays, int)
    result[order[rays // 2 : rays // 2 + rays]] = path[rays // 2 : rays // 2 + rays]
    return result


def blurred_around(values: Tensor, sigma: float) -> Tensor:
    """(RAYS, C), blurred around."""
    offset = torch.arange(RAYS, dtype=torch.float64)
    offset = torch.minimum(offset, RAYS - offset)
    kernel = (-(offset / sigma).square() / 2).exp()
    kernel /= kernel.sum()
    return torch.stack([kernel.roll(ray) for ray in range(RAYS)]) @ values
