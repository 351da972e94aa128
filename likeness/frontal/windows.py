"""Square windows that scikit-image's cascade takes for frontal faces, and how surely it does.

The cascade compares brightness sums over 3 x 3 blocks (Liao et al., ICB 2007). scikit-image can
enlarge the window, but rounds the blocks down then; here the picture is made smaller instead, and
the window stays as large as it was in training.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .sampling import carry, inverse, part, resize, upright

WINDOW = 24  # pixels, as trained
STEP = 1.1  # from one window size to the next
EVERY_PIXEL = 256  # up to this long side every window is tried, above it one in four
TILTS = -24, 24  # degrees: the cascade itself sees about 15 to either side
TILTED_FROM = 2.4  # smallest windows
MOST = 4000, 100  # hits that are grouped, the largest; groups that are looked at again, the densest
CELLS = 2**24  # whole numbers up to this are exact in the float32 sums of scikit-image

PATCH = 36  # pixels: a window, and room to move it
FIRST_LOOK = [(zoom, turn) for zoom in (0.87, 1.0, 1.15) for turn in (-12, 0, 12)]
CLOSE_LOOK = [(zoom, turn) for zoom in np.geomspace(0.82, 1.22, 7) for turn in range(-16, 17, 8)]
# With each look: how few votes leave no chance of a face.
LOOKS = (FIRST_LOOK, 3), (CLOSE_LOOK, 28)
FLATTEST = 2.0  # grey levels of 255: less contrast than this shows nothing


@dataclass(frozen=True)
class Window:
    """A square seen as a face."""

    x: float  # of its middle, in pixels
    y: float
    size: float
    turn: float = 0.0  # degrees, clockwise as seen
    votes: int = 1  # how many windows around it were seen as faces too

    def shared(self, other: Window) -> float:
        """Share of the smaller square that lies in the other."""
        half, smaller = (self.size + other.size) / 2, min(self.size, other.size)
        across = min(half - abs(self.x - other.x), smaller)
        down = min(half - abs(self.y - other.y), smaller)
        return max(across, 0) * max(down, 0) / smaller**2


def propose(cascade: object, picture: np.ndarray, smallest: float) -> list[Window]:
    """Windows of `smallest` pixels and larger in a grey picture (H, W), the densest first.

    Tilted heads are looked for in the turned picture, when they are larger.
    """
    found = grouped(search(cascade, picture, smallest, EVERY_PIXEL))
    for turn in TILTS:
        found += grouped(search_tilted(cascade, picture, TILTED_FROM * smallest, turn))
    found.sort(key=lambda window: (-window.votes, abs(window.turn)))
    return distinct(found, same)[: MOST[1]]


def search(cascade: object, picture: np.ndarray, smallest: float, every_pixel: int) -> list[Window]:
    hits: list[Window] = []
    scale = WINDOW / smallest
    while min(picture.shape) * scale > WINDOW:
        size = tuple(round(side * scale) for side in picture.shape)
        level = resize(picture, size)
        back = np.divide(picture.shape[::-1], size[::-1])
        for corner in accepted(cascade, level, 1 if max(size) <= every_pixel else 2):
            x, y = (corner + WINDOW / 2) * back - 0.5
            hits.append(Window(float(x), float(y), WINDOW / scale))
        scale /= STEP
    return hits


def search_tilted(
    cascade: object, picture: np.ndarray, smallest: float, turn: float
) -> list[Window]:
    height, width = picture.shape
    cosine, sine = math.cos(math.radians(turn)), abs(math.sin(math.radians(turn)))
    scale = min(1, WINDOW / smallest)
    size = (
        math.ceil((height * cosine + width * sine) * scale),
        math.ceil((width * cosine + height * sine) * scale),
    )
    middle = (size[1] - 1) / 2, (size[0] - 1) / 2
    matrix = upright(((width - 1) / 2, (height - 1) / 2), turn, scale, middle)
    turned = part(picture, matrix, size).cut(matrix, size)
    back = inverse(matrix)
    return [
        Window(*carry((hit.x, hit.y), back).tolist(), hit.size / scale, turn)
        for hit in search(cascade, turned, smallest * scale, 0)
    ]


def accepted(cascade: object, picture: np.ndarray, step: int) -> np.ndarray:
    """Corners (N, 2) as x, y of the windows that pass, one in `step` squared tried."""
    level = picture - picture.mean()
    gain = min(max(CELLS / (level.size * 128), 1), 8)
    whole = np.rint(level.astype(np.float64) * gain)
    just = (WINDOW, WINDOW), (WINDOW + 0.1, WINDOW + 0.1)
    # one neighbour and an overlap that cannot be: hits come back one by one
    hits = cascade.detect_multi_scale(whole, STEP, step, *just, 1, 2)
    return np.array([(hit["c"], hit["r"]) for hit in hits], dtype=float).reshape(-1, 2)


def grouped(hits: list[Window]) -> list[Window]:
    """Means of hits that lie on each other, the densest first; strays around a group are dropped"""
    if not hits:
        return []
    hits = hits[-MOST[0] :]  # they come smallest first
    data = np.array([(hit.x, hit.y, hit.size) for hit in hits])
    half = data[:, 2] / 2
    low, high = data[:, :2] - half[:, None], data[:, :2] + half[:, None]
    sides = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
    common = np.prod(np.maximum(sides, 0), axis=2)
    union = data[:, 2, None] ** 2 + data[None, :, 2] ** 2 - common
    alike = common / union
    left, groups = np.ones(len(hits), bool), []
    while left.any():
        counts = ((alike > 0.4) & left).sum(1) * left
        chosen = int(counts.argmax())
        members = (alike[chosen] > 0.4) & left
        x, y, size = data[members].mean(0)
        votes = int(members.sum())
        groups.append(Window(float(x), float(y), float(size), hits[chosen].turn, votes))
        left &= ~(members | (alike[chosen] > 0.2))
    return groups


def confirm(cascade: object, picture: np.ndarray, proposals: Iterable[Window]) -> list[Window]:
    """The proposals that hold when looked at closely, moved to the middle of their votes."""
    windows = list(proposals)
    for ways, fewest in LOOKS:
        seen = [look(cascade, picture, window, ways) for window in windows]
        seen = [window for window in seen if window is not None and window.votes >= fewest]
        seen.sort(key=lambda window: -window.votes)
        windows = distinct(seen, same)
    return windows


def same(one: Window, other: Window) -> bool:
    return one.shared(other) > 0.6 and abs(math.log(one.size / other.size)) < 0.4


def distinct(items: Iterable, same) -> list:
    """Those that are not the same as one before them."""
    kept: list = []
    for item in items:
        if not any(same(item, other) for other in kept):
            kept.append(item)
    return kept


def look(
    cascade: object, picture: np.ndarray, window: Window, ways: list[tuple[float, float]]
) -> Window | None:
    """Count the windows seen as faces around `window`: moved by a quarter, zoomed, turned, mirrored

    Returned is their mean, or None when there are none.
    """
    at, size = (window.x, window.y), (PATCH, PATCH)
    middle = (PATCH - 1) / 2
    around = part(picture, upright(at, 0, WINDOW / window.size, (31.5, 31.5)), (64, 64))
    if around.pixels.std() < FLATTEST:
        return None
    hits = []
    for zoom, by in ways:
        turn = window.turn + by
        matrix = upright(at, turn, WINDOW / window.size / zoom, (middle, middle))
        patch = around.cut(matrix, size)
        back = inverse(matrix)
        for mirrored in (False, True):
            corners = accepted(cascade, patch[:, ::-1] if mirrored else patch, 1)
            inside = corners + (WINDOW - 1) / 2
            if mirrored:
                inside[:, 0] = PATCH - 1 - inside[:, 0]
            hits += [(x, y, window.size * zoom, turn) for x, y in carry(inside, back)]
    if not hits:
        return None
    return Window(*np.mean(hits, axis=0).tolist(), votes=len(hits))
