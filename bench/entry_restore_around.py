"""Restoring: what goes on around the networks, the parsing one counted as one of them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from entry_paste import picture
from entry_restore import FRAME, SIDE, face_at, oval
from measure import Goal, Kind, Row
from torch import Tensor, nn

RUNS = 5
FACE = 300  # px


def rows() -> Iterator[Row]:
    from pack.likeness.parse import load as load_parser
    from pack.likeness.restoring.covering import Covers
    from pack.likeness.restoring.load import from_tensors
    from standins import parsers, restorers

    with tempfile.TemporaryDirectory() as folder:
        file = parsers.write_parsenet(Path(folder, parsers.PARSENET), small=False)
        parser = load_parser(file)
    restorer = from_tensors(restorers.gfpgan_tensors(), Path("GFPGANv1.4.pth"))
    networks = restorer.network, parser.network = _Timed(restorer.network), _Timed(parser.network)
    parser.network.answer = _seen_as_oval()
    what = f"a face of {FACE} px in 4K, against GFPGAN"
    for covers, told in ((Covers.BOTH, "and ParseNet alone"), (Covers.SQUARE, "alone, square")):
        pairs = _around(restorer, parser, networks, covers)
        yield Row("around", f"{what} {told}", pairs, Goal(Kind.RATIO, 1.03))


class _Timed(nn.Module):
    """A network that counts its seconds, and answers with something else where that is given."""

    spent = 0.0
    answer = None

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *given, **named):
        start = time.perf_counter()
        made = self.network(*given, **named)
        self.spent += time.perf_counter() - start
        return made if self.answer is None else self.answer


def _around(restorer, parser, networks, covers) -> tuple[tuple[float, float], ...]:
    """The time of all and of the networks in it are from one run: they differ by a percent."""
    from pack.likeness.face import Faces
    from pack.likeness.restoring.restore import Settings, restore_faces

    images, settings = picture(FRAME), Settings(covers=covers)
    faces = Faces((face_at((1900.0, 1000.0), FACE * 1.5, 10.0),), 1, FRAME)

    def both() -> tuple[float, float]:
        for network in networks:
            network.spent = 0.0
        start = time.perf_counter()
        restored = restore_faces(images, faces, restorer, settings, parser)
        whole = time.perf_counter() - start
        assert not restored.restorations[0].left, restored.restorations[0].left
        assert restored.masks.any(), "nothing was pasted"
        return sum(network.spent for network in networks), whole

    both()
    return tuple(both() for _ in range(RUNS))


def _seen_as_oval() -> tuple[Tensor]:
    """What random weights see is no face: skin in an oval, laid out as the network's own answer."""
    found = torch.zeros(1, 19, SIDE, SIDE).to(memory_format=torch.channels_last)
    found[:, :2] = torch.stack([1 - oval(), oval()], dim=1)
    return (found,)
