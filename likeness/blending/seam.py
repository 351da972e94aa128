"""How visible the edge of a patch is, as a number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..pixels.threads import one_thread
from .colour import to_lab

PAIRS = 256  # looked at, evenly spread over all along the edge
LINES = 48  # rows, and columns, that are searched for them
REACH = 1  # pixels beyond the two that meet at the edge, to either side
FAINT = 0.1  # Lab difference of a surface without any detail: far below what can be seen


@dataclass(frozen=True, eq=False)
class Edge:
    """Pairs of pixels on either side of a mask's edge."""

    rows: Tensor  # (2, N)
    columns: Tensor  # (2, N)

    def pixels(self, image: Tensor) -> Tensor:
        """A copy of what lies on either side in `image` (h, w, 3), which may be a view."""
        return image[self.rows, self.columns].float()


def seam(before: Tensor, after: Tensor, alpha: Tensor) -> float | None:
    """How much the edge of `alpha` (h, w) stands out in `after` (h, w, 3), as `against`.

    None where alpha has no edge.
    """
    edge = edge_of(alpha)
    return None if edge is None else against(edge.pixels(before), edge.pixels(after))


@one_thread()
def against(before: Tensor, after: Tensor) -> float | None:
    """Mean Lab difference between the pixels (2, N, 3) on either side, over that before.

    1: the edge is as it was before; 2: it stands out twice as much. What is no number does not
    count; None where nothing else is there.
    """
    lab = to_lab(torch.stack([before, after]))
    steps = (lab[:, 0] - lab[:, 1]).norm(dim=-1)
    steps = steps[:, steps.isfinite().all(dim=0)]
    if not steps.shape[1]:
        return None
    was, now = steps.mean(dim=1).tolist()
    return (now + FAINT) / (was + FAINT)


def edge_of(alpha: Tensor) -> Edge | None:
    """The edge of `alpha` (h, w), along some of its rows and columns; None where it has none."""
    found = []
    for across in (alpha, alpha.T):
        every = max(1, len(across) // LINES)
        lines = (across[::every] >= 0.5).cpu().numpy()
        line, place = np.nonzero(lines[:, 1:] != lines[:, :-1])
        ends = np.stack([place - REACH, place + 1 + REACH]).clip(0, across.shape[1] - 1)
        found.append((np.stack([line * every] * 2), ends))
    (rows, across), (columns, down) = found
    both = np.stack([np.hstack([rows, down]), np.hstack([across, columns])])
    if not both.shape[2]:
        return None
    rows, columns = torch.from_numpy(both[:, :, :: -(-both.shape[2] // PAIRS)])
    return Edge(rows, columns)
