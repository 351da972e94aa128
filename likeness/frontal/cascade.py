"""The built-in face finder: frontal faces, without any file to download and without identity.

scikit-image's cascade proposes windows. It is right about most frontal faces and wrong about much
else, so a window counts only when its neighbours are accepted too, the mean face fits where the
cascade saw one, and two irises are where it has eyes. The score is a logistic sum of these five
measurements, fitted to several hundred windows out of photographs and drawings: at 0.5 a face is as
likely as not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..face import Face
from ..geometry import similarity, transform
from ..mean_shape import five_points, mean_shape, place
from ..recognise import no_recogniser
from . import eyes, mean_face, mouth
from .sampling import Part, carry, grey, inverse, part, resize, upright
from .windows import Window, confirm, distinct, propose

SIDE = 1024  # long side of the picture that is searched at reach 1
SMALLEST = 36  # smallest window in that picture, pixels
LEAST = 20  # smallest window in the picture itself, pixels

# The eyes in a window: their distance and how far they are above its middle, as shares of its side.
EYES_APART, EYES_ABOVE = 0.375, 0.113
# The face's box in distances between the eyes: half its width, and from the forehead to the chin.
BOX = (1.08, -0.95, 1.8)

CLOSE = 64.0  # pixels between the eyes in a close-up, at most
CLOSE_SIZE, CLOSE_MIDDLE = (416, 384), (192.0, 160.0)

WEIGHTS = {"votes": 2.8, "detail": 2.0, "iris": 1.8, "strain": -1.0, "contrast": 0.8}
BIAS = -14.7
CERTAIN_VOTES = 150  # taken as given where somebody else has found the face


def load() -> BuiltIn:
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    return BuiltIn(Cascade(lbp_frontal_face_cascade_filename()), mean_face.load())


@dataclass(frozen=True, eq=False)
class BuiltIn:
    cascade: object  # skimage.feature.Cascade
    pattern: mean_face.Pattern
    name: str = "built in"
    parts: tuple[str, ...] = ("detection",)
    providers: tuple[str, ...] = ("CPU",)
    notes: tuple[str, ...] = ()
    space: str | None = None
    side: int = 0

    def find(self, frame: np.ndarray, threshold: float, reach: float = 1.0) -> list[Face]:
        """Faces of (H, W, 3) uint8 RGB that score `threshold` or more, the best first.

        `reach` scales the picture that is searched. At 1 the smallest window is 3.5 % of the long
        side, at 2 half of that, and never under 20 pixels of the picture itself.
        """
        height, width = frame.shape[:2]
        if min(height, width) < LEAST:
            return []
        scale = min(1.0, SIDE * reach / max(height, width))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        searched = resize(grey(frame), size)
        smallest = max(SMALLEST * max(height, width) / (SIDE * reach), LEAST) * scale
        windows = confirm(self.cascade, searched, propose(self.cascade, searched, smallest))
        found = [self.measure(frame, _whole(window, 1 / scale)) for window in windows]
        found = sorted((f for f in found if f.score >= threshold), key=lambda one: -one.score)
        found = distinct(found, _same_face)
        return [seen.face(self.pattern) for seen in found]

    def embed(self, crops: Sequence[np.ndarray]) -> Tensor:
        raise no_recogniser(self.name)

    def measure(self, frame: np.ndarray, window: Window) -> Seen:
        angle, above = math.radians(window.turn), EYES_ABOVE * window.size
        at = window.x + above * math.sin(angle), window.y - above * math.cos(angle)
        return see(self.pattern, frame, at, EYES_APART * window.size, window.turn, window.votes)


@dataclass(frozen=True, eq=False)
class Seen:
    """Two eyes in a grey close-up, and what speaks for a face around them."""

    close: Part
    eyes: np.ndarray  # (2, 2), left and right as seen, pixels of the close-up
    evidence: dict[str, float]

    @property
    def score(self) -> float:
        total = sum(WEIGHTS[name] * value for name, value in self.evidence.items())
        return 1 / (1 + math.exp(-BIAS - total))

    @property
    def window(self) -> Window:
        """A square around the eyes, in the picture."""
        left, right = carry(self.eyes, self.close.to_picture)
        return Window(*(left + right) / 2, float(np.hypot(*(right - left))) / EYES_APART)

    def face(self, pattern: mean_face.Pattern) -> Face:
        """All five points; the nose lies above the mouth as it does in the average face."""
        corners = torch.from_numpy(mouth.find(pattern, self.close.pixels, self.eyes))
        shape = five_points(mean_shape())
        shape[2, 1] *= corners[:, 1].mean() / shape[3:, 1].mean()
        shape[3:] = corners
        points = transform(shape, similarity(shape[:2], torch.from_numpy(self.eyes)))
        return _face(transform(points, torch.from_numpy(self.close.to_picture)), self.score)


def see(
    pattern: mean_face.Pattern,
    frame: np.ndarray,
    at: tuple[float, float],
    apart: float,
    turn: float,
    votes: int = CERTAIN_VOTES,
) -> Seen:
    """Look for eyes around `at`, about `apart` pixels from each other on a line turned by `turn`"""
    close = part(frame, upright(at, 0, min(1, CLOSE / apart), CLOSE_MIDDLE), CLOSE_SIZE)
    ((x, y), (beside, _)) = carry([at, np.add(at, (apart, 0))], inverse(close.to_picture))
    fit = mean_face.lay(pattern, close.pixels, (x, y), beside - x, turn)
    found = eyes.find(close.pixels, eyes.find(close.pixels, fit.eyes).points, spread=0.06)
    evidence = {
        "votes": math.log(votes),
        "detail": fit.detail,
        "iris": found.strength,
        "strain": fit.strain,
        "contrast": found.contrast,
    }
    return Seen(close, eyes.settle(close.pixels, found).points, evidence)


def points_in_box(frame: np.ndarray, box: tuple[float, float, float, float]) -> tuple[Face, bool]:
    """The face that somebody else put a box around, and whether its eyes were seen.

    Where they were not, the mean face is placed by the box alone. Boxes differ in how much of the
    forehead they hold, so several places of the eyes are tried. The score is the evidence for eyes.
    """
    pattern = mean_face.load()
    x0, y0, x1, y1 = box
    tried = [
        see(pattern, frame, ((x0 + x1) / 2, y0 + down * (y1 - y0)), apart * (x1 - x0), 0.0)
        for down in (0.32, 0.42)
        for apart in (0.38, 0.46)
    ]
    best = max(tried, key=lambda seen: seen.score)
    if best.score >= 0.5:
        return best.face(pattern), True
    _, top, bottom = BOX
    apart = (y1 - y0) / (bottom - top)
    middle = np.array([(x0 + x1) / 2, y0 - top * apart])
    points = torch.from_numpy(middle) + apart * five_points(mean_shape())
    return replace(_face(points, best.score), box=tuple(box)), False


def _whole(window: Window, scale: float) -> Window:
    """A window of a reduced picture in the picture itself."""
    x, y = ((value + 0.5) * scale - 0.5 for value in (window.x, window.y))
    return Window(x, y, window.size * scale, window.turn, window.votes)


def _same_face(one: Seen, other: Seen) -> bool:
    return one.window.shared(other.window) > 0.5


def _face(points: Tensor, score: float) -> Face:
    points = points.float()
    return Face(0, _box(points), points, score, landmarks68=place(points), estimated=True)


def _box(points: Tensor) -> tuple[float, float, float, float]:
    """Upright, of the face's own size: it does not grow when the head is turned."""
    half, top, bottom = BOX
    middle = torch.tensor([[0, (top + bottom) / 2]], dtype=torch.float64)
    own = five_points(mean_shape())[:2]
    x, y = transform(middle, similarity(own, points[:2]))[0].tolist()
    apart = float((points[1] - points[0]).norm())
    half, tall = half * apart, (bottom - top) / 2 * apart
    return x - half, y - tall, x + half, y + tall
