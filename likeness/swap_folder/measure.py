"""How a swapped face differs from the one before in what tells a broken swap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from ..align import Template, face_matrix
from ..blending.colour import to_lab
from ..face import Face
from ..geometry import scale_of, transform
from ..pixels.raster import Border, warp
from ..pixels.threads import one_thread
from .settings import Limits

SIDE = 256  # pixels of the crops that are compared
MARGIN = 0.35  # around the face in them, as a share of it
INSIDE, OUTSIDE = 0.9, 0.1  # shares of new picture that count as either side of the edge
BAND = 0.06  # how far from the edge colours are looked at, as a share of the crop
SECTORS = 12  # of the edge; the middle one counts, so that a lock of hair does not
FEWEST = 12  # pixels on either side that make a sector count
FLAT = 1e-6  # variance of a surface without detail: a picture of one colour has no edges to lose
NEAR = 0.6  # sides of the box: a face farther from the target's place is another one

# The five points of a face seen from the front, in distances between the eyes: x to the right,
# y down, z towards the viewer. Round numbers of an adult's head.
HEAD = (
    (-0.5, 0.0, 0.0),
    (0.5, 0.0, 0.0),
    (0.0, 0.62, 0.42),
    (-0.4, 1.08, 0.08),
    (0.4, 1.08, 0.08),
)


@dataclass(frozen=True)
class Measures:
    """None: that could not be measured."""

    shift: float | None = None  # mean way of the five points over the side of the box
    similarity: float | None = None  # to the person, cosine
    sharpness: float | None = None  # detail of the result over that of the target
    colour: float | None = None  # new step across the edge of what changed, in Lab
    pose: float | None = None  # largest of the next three
    pitch: float | None = None  # degrees by which it changed
    yaw: float | None = None
    roll: float | None = None

    def rounded(self) -> dict[str, float | None]:
        return {
            name: None if value is None else round(value, 4) + 0.0
            for name, value in asdict(self).items()
        }


def measure(
    before: Tensor,
    after: Tensor,
    changed: Tensor,
    face: Face,
    found: Sequence[Face],
    similarity: float | None,
) -> Measures:
    """Compare two pictures (H, W, 3) around `face` of the first, where `changed` (H, W) says.

    `found` are the faces of the second.
    """
    again = nearest(face, found)
    sharpness, colour = _looks(before, after, changed, face)
    if again is None:
        return Measures(similarity=similarity, sharpness=sharpness, colour=colour)
    turned = [abs(_turn(new - old)) for new, old in zip(pose(again), pose(face), strict=True)]
    way = (again.points.double() - face.points.double()).norm(dim=1).mean().item()
    return Measures(way / _side(face), similarity, sharpness, colour, max(turned), *turned)


def reasons(measures: Measures, limits: Limits) -> list[str]:
    """Why a result is broken, each with the value and the limit."""
    found = []
    if limits.shift is not None:
        if measures.shift is None:
            found.append("no face found again in its place")
        elif measures.shift > limits.shift:
            found.append(f"shifted: {measures.shift:.3f} is above {limits.shift:g}")
    for name, words, at_least in (
        ("similarity", "not like the person", True),
        ("sharpness", "blurred", True),
        ("colour", "colour jumps at the edge", False),
        ("pose", "pose changed", False),
    ):
        value, limit = getattr(measures, name), getattr(limits, name)
        if value is None or limit is None:
            continue
        if (value < limit) if at_least else (value > limit):
            side = "below" if at_least else "above"
            found.append(f"{words}: {value:.3g} is {side} {limit:g}")
    return found


def nearest(face: Face, found: Sequence[Face]) -> Face | None:
    """The face of the result in the place of this one."""
    ways = [(math.dist(face.centre, each.centre) / _side(face), each) for each in found]
    way, again = min(ways, key=lambda one: one[0], default=(math.inf, None))
    return again if way < NEAR else None


def pose(face: Face) -> tuple[float, float, float]:
    """Pitch, yaw and roll in degrees, from the five points: good for differences.

    They are laid over those of an average head, seen from far.
    """
    seen = face.points.double()
    seen = seen - seen.mean(dim=0)
    head = torch.tensor(HEAD, dtype=torch.float64)
    head = head - head.mean(dim=0)
    view = torch.linalg.lstsq(head, seen).solution.T  # (2, 3): two rows of a scaled rotation
    right = view[0] / view[0].norm().clamp(min=1e-9)
    down = view[1] - (view[1] @ right) * right
    down = down / down.norm().clamp(min=1e-9)
    forth = torch.linalg.cross(right, down)
    roll = math.degrees(math.atan2(down[0] - right[1], right[0] + down[1]))
    yaw = math.degrees(math.atan2(-forth[0], math.hypot(forth[1], forth[2])))
    pitch = math.degrees(math.atan2(forth[1], forth[2]))
    return pitch, yaw, roll


def _turn(degrees: float) -> float:
    return (degrees + 180) % 360 - 180


def _side(face: Face) -> float:
    return max(math.sqrt(max(face.area, 0.0)), 1.0)


@one_thread()
def _looks(
    before: Tensor, after: Tensor, changed: Tensor, face: Face
) -> tuple[float | None, float | None]:
    """Sharpness and colour, on the same cut of both pictures."""
    matrix = face_matrix(face, Template.UPRIGHT, SIDE, margin=MARGIN)
    size = (SIDE, SIDE)
    old, new = (
        warp(each[..., :3].float(), matrix, size, Border.REPLICATE).nan_to_num(0.0)
        for each in (before, after)
    )
    alpha = warp(changed.float()[..., None], matrix, size, Border.REPLICATE)[..., 0]
    middle = transform(face.points.mean(dim=0, keepdim=True).double(), matrix.double())[0]
    return _sharpness(old, new, alpha, scale_of(matrix)), _colour(old, new, alpha, middle)


def _sharpness(old: Tensor, new: Tensor, alpha: Tensor, scale: float) -> float | None:
    """Variance of the Laplacian where the picture is new, over the same before."""
    inner = alpha[1:-1, 1:-1] >= INSIDE
    if inner.sum() < FEWEST:
        return None
    was, now = (_laplacian(each.mean(dim=-1))[inner].var().item() for each in (old, new))
    return (now + FLAT) / (was + FLAT)


def _laplacian(grey: Tensor) -> Tensor:
    """(h - 2, w - 2) of (h, w)."""
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return around - 4 * grey[1:-1, 1:-1]


def _colour(old: Tensor, new: Tensor, alpha: Tensor, middle: Tensor) -> float | None:
    """By how much the two sides of the edge have come to differ, the median along the edge."""
    sides = _bands(alpha)
    rows, columns = torch.meshgrid(*map(torch.arange, alpha.shape), indexing="ij")
    angle = torch.atan2(rows - middle[1].item(), columns - middle[0].item())
    sector = ((angle / (2 * math.pi) + 0.5) * SECTORS).long().clamp(max=SECTORS - 1)
    labs = [to_lab(old), to_lab(new)]
    steps = []
    for number in range(SECTORS):
        here = [side & (sector == number) for side in sides]
        if min(int(each.sum()) for each in here) < FEWEST:
            continue
        was, now = (lab[here[0]].mean(dim=0) - lab[here[1]].mean(dim=0) for lab in labs)
        steps.append((now - was).norm())
    return torch.stack(steps).median().item() if steps else None


def _bands(alpha: Tensor) -> tuple[Tensor, Tensor]:
    """What lies near the edge, within it and beyond."""
    from ..pixels.distance import depth

    width = BAND * len(alpha)
    new, old = alpha >= INSIDE, alpha <= OUTSIDE
    # Farther from the one side by the width of the soft edge, so it is measured from the other.
    soft = torch.stack([depth(~old, len(alpha)), depth(~new, len(alpha))])
    between = ~(new | old)
    fade = soft.sum(dim=0)[between].median().item() if between.any() else 0.0
    return new & (soft[0] <= fade + width), old & (soft[1] <= fade + width)
