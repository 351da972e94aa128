"""People that are colours: an analyzer whose numbers a test can work out by itself.

A person is a square of one colour on black. The embedding is that colour, as a direction in space.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pack.likeness.detect import BORDER_GREY
from pack.likeness.face import Face

LENGTH = 20.0  # of a full colour's embedding
RED, PINK, ROSE, CYAN, BLUE = (255, 0, 0), (255, 60, 60), (255, 0, 60), (0, 255, 255), (0, 0, 255)
# Five points of a frontal face in a square of side 1, so near its middle that a crop stays inside.
POINTS = np.array([[0.4, 0.45], [0.6, 0.45], [0.5, 0.55], [0.42, 0.65], [0.58, 0.65]])


def photo(size: tuple[int, int], *squares: tuple[int, int, int, tuple]) -> torch.Tensor:
    """(1, H, W, 3) with squares (x, y, side, colour)."""
    picture = np.zeros((*size, 3), np.float32)
    for x, y, side, colour in squares:
        picture[y : y + side, x : x + side] = np.divide(colour, 255)
    return torch.from_numpy(picture)[None]


def embedding(*colour: float) -> np.ndarray:
    row = np.zeros(512)
    row[:3] = (np.array(colour) / 255 * 2 - 1) * LENGTH
    return row


@dataclass
class Colours:
    """Finds each square, and embeds the colour in the middle of a crop."""

    name: str = "colours"
    parts: tuple[str, ...] = ("detection", "identity")
    providers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    space: str | None = "colour space"
    side: int = 112

    def find(self, frame, threshold, reach=1.0):
        from scipy.ndimage import find_objects, label

        person = frame.any(axis=2) & ~(frame == BORDER_GREY).all(axis=2)
        places = find_objects(label(person)[0])
        return [self.face(columns, rows) for rows, columns in places]

    def face(self, columns: slice, rows: slice) -> Face:
        corner = np.array([columns.start, rows.start])
        side = columns.stop - columns.start
        x0, y0 = (corner + 0.25 * side).tolist()
        points = torch.from_numpy(corner + POINTS * side).float()
        return Face(0, (x0, y0, x0 + side / 2, y0 + side / 2), points, 0.9)

    def embed(self, crops):
        middle = self.side // 2
        rows = [embedding(*crop[middle, middle].tolist()) for crop in crops]
        return torch.from_numpy(np.float32(rows).reshape(-1, 512))
