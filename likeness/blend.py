"""How a patch and its surroundings meet: the choices of every node that pastes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from torch import Tensor

from .blending.mixing import bands, gradient

MOST = 10  # of a share or a strength: more is a slip


class Method(str, Enum):
    """How a patch and its surroundings meet."""

    FEATHER = "feather"
    BANDS = "multi-band"
    GRADIENT = "gradient-domain"
    INSIGHTFACE = "as insightface"
    FACEXLIB = "as facexlib"


CLASSIC = (Method.INSIGHTFACE, Method.FACEXLIB)  # their edges follow rules of their own
# The others mix in proportion to alpha.
MIXES: dict[Method, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    Method.BANDS: bands,
    Method.GRADIENT: gradient,
}


@dataclass(frozen=True)
class Blend:
    method: Method = Method.FEATHER
    feather: float = 0.1  # share of the extent, inwards
    colour: float = 0.0  # how much of the colour difference on the ring is taken out
    grain: float = 0.0  # how much of the missing noise is put back
    # Whether a patch that has a mask of its own fades out at its sides too. None: as the method has
    # it, which is yes, but for facexlib's; insightface's always does.
    sides: bool | None = None

    def __post_init__(self):
        for name in ("feather", "colour", "grain"):
            if not 0 <= getattr(self, name) <= MOST:
                raise ValueError(f"{name} is {getattr(self, name):g}: choose 0 to {MOST}")

    @property
    def is_plain(self) -> bool:
        """Only mixes the patch and the picture by how much of each counts."""
        return self.method not in MIXES and not self.colour and not self.grain


FEATHERED = Blend()
