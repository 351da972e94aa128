"""Swapping: what goes on around the network, and six faces against insightface's own swapper."""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from entry_paste import as_bgr, picture
from measure import Goal, Kind, Row, in_turn
from torch import Tensor

ONCE, SIX = 7, 5  # runs
FRAME = (2160, 3840)
SIDE, SPACE = 128, "w600k_r50"  # px of a network's crop; what made the embeddings
FACE = 400  # px of the crop's side in the picture
CROPS = (250, 300, 360, 430, 540, 700)  # the same of the six


def rows() -> Iterator[Row]:
    yield _around_row()
    yield _six_row()


def _around_row() -> Row:
    """The time of all and of the network in it are from one run: they differ by a percent."""
    from pack.likeness.nets.swap_generator import Generator
    from pack.likeness.swapping.inswapper import InSwapper
    from pack.likeness.swapping.swap import swap_faces

    class Timed(InSwapper):
        spent = 0.0  # seconds in the network

        def swap(self, crops: Tensor, sources: Tensor) -> Tensor:
            start = time.perf_counter()
            made = super().swap(crops, sources)
            self.spent += time.perf_counter() - start
            return made

    torch.manual_seed(0)
    generator = Generator().requires_grad_(False).eval().to(memory_format=torch.channels_last)
    swapper = Timed(generator, torch.eye(512))
    images, people = picture(FRAME), _person()
    faces = _faces([((1900.0, 1000.0), FACE, 10.0)])

    def both() -> tuple[float, float]:
        swapper.spent, start = 0.0, time.perf_counter()
        swapped = swap_faces(images, faces, people, swapper)
        whole = time.perf_counter() - start
        assert swapped.masks.any(), "nothing was swapped"
        return swapper.spent, whole

    both()
    pairs = tuple(both() for _ in range(ONCE))
    what = f"a face of {FACE} px in 4K, against inswapper's network alone"
    return Row("swap", what, pairs, Goal(Kind.RATIO, 1.03))


def _six_row() -> Row:
    from pack.likeness.paste import Blend, Method
    from pack.likeness.swapping.swap import Settings, swap_faces

    images, people = picture(FRAME), _person()
    faces = _faces(
        [
            ((650.0 + 1250 * (number % 3), 600.0 + 950 * (number // 3)), side, 10.0 - 4 * number)
            for number, side in enumerate(CROPS)
        ]
    )
    bgr, records = as_bgr(images[0]), [SimpleNamespace(kps=face.points.numpy()) for face in faces]
    source = SimpleNamespace(normed_embedding=people.known[0].embedding.numpy())
    their = _their_swapper()
    swapper, settings = _same_network(their), Settings(blend=Blend(Method.INSIGHTFACE))

    def theirs() -> np.ndarray:
        made = bgr
        for record in records:
            made = their.get(made, record, source, paste_back=True)
        return made

    def ours() -> Tensor:
        return swap_faces(images, faces, people, swapper, settings).images[0]

    difference = (ours() * 255 - torch.from_numpy(theirs()[..., ::-1].copy())).abs()
    assert difference.max() < 3.5, f"swapped otherwise than insightface: {difference.max()}"
    what = "six faces in 4K, tiny network, against insightface one by one"
    return Row("swap", what, in_turn(theirs, ours, SIX), Goal(Kind.FASTER, 10))


def _person():
    from pack.likeness.identity import Identity, People

    embedding = torch.nn.functional.normalize(torch.arange(1.0, 513.0), dim=0)
    return People((Identity("somebody", embedding, SPACE),))


def _faces(placed: list[tuple[tuple[float, float], int, float]]):
    """Faces whose crops have these centres, sides and turns in degrees."""
    from pack.likeness.align import ARCFACE
    from pack.likeness.face import Face, Faces
    from pack.likeness.geometry import invert, transform, turn

    points = torch.tensor(ARCFACE, dtype=torch.float64) + torch.tensor([8.0, 0.0])
    middle, found = ((SIDE - 1) / 2, (SIDE - 1) / 2), []
    for (x, y), side, roll in placed:
        where = transform(points, invert(turn((x, y), roll, SIDE / side, middle))).float()
        box = (x - side / 3, y - side / 2.5, x + side / 3, y + side / 2.5)
        found.append(Face(0, box, where, 1.0))
    return Faces(tuple(found), 1, FRAME)


def _their_swapper():
    """insightface's class around a network that costs nothing."""
    from insightface.model_zoo.inswapper import INSwapper
    from standins.swapper import write_swapper

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        return INSwapper(str(write_swapper(Path(folder, "inswapper_128.onnx"))))


def _same_network(their):
    """The session of insightface's swapper as a swapper of ours."""
    from pack.likeness.align import Template, face_matrix

    def swap(crops: Tensor, sources: Tensor) -> Tensor:
        given = {"target": crops.movedim(-1, 1).numpy(), "source": sources.numpy()}
        (made,) = their.session.run(None, given)
        return torch.from_numpy(made).movedim(1, -1)

    def source(person) -> Tensor:
        latent = person.in_space(SPACE, "the network") @ torch.tensor(their.emap)
        return torch.nn.functional.normalize(latent, dim=0)

    return SimpleNamespace(
        name="tiny",
        size=SIDE,
        batch=1,  # as its file has it
        space=SPACE,
        notes=(),
        frame=lambda face: face_matrix(face, Template.INSWAPPER_256, SIDE),
        source=source,
        own=lambda face, crop: None,
        swap=swap,
        safer=lambda: None,
    )
