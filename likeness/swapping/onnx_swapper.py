"""Swappers that run in onnxruntime: hyperswap, ghost, simswap and the others of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import models
from ..crop import take
from ..face import Face
from ..geometry import similarity
from ..identity import Identity, require_space
from ..onnx_network import (
    CPU,
    as_array,
    open_known,
    picture_answer,
    picture_array,
    require,
    runs_on_the_cpu,
)
from ..outline import outline
from ..pixels.raster import Border
from ..sessions import open_session
from .swapper import PICTURE
from .table import LENGTH, ROWS, SPACE, Embedding, Layout, Picture, Row, places

CONVERTER_INPUT = "input"


@dataclass(frozen=True, eq=False)
class OnnxSwapper:
    """A Swapper by a row of the table."""

    file: Path
    row: Row
    session: Any
    converter: Any | None  # the session that carries an embedding over, where the row has one
    notes: tuple[str, ...]
    batch: int = 1  # most of the files take no more

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def size(self) -> int:
        return self.row.size

    @property
    def space(self) -> str | None:
        return SPACE if isinstance(self.row.person, Embedding) else None

    @property
    def takes(self) -> str:
        return f"identity by {self.space}" if self.space else PICTURE

    def frame(self, face: Face) -> Tensor:
        return _laid(face, self.row.layout, self.size)

    def source(self, person: Identity) -> Tensor:
        """(512,), or the crop (s, s, 3), 0..1, of their picture."""
        wanted = self.row.person
        if isinstance(wanted, Picture):
            portrait = person.picture(self.name)
            matrix = _laid(portrait.face, wanted.layout, wanted.size)
            side = (wanted.size, wanted.size)
            return take(portrait.image[..., :3].float(), matrix, side, Border.REPLICATE)
        return self._latent(person.in_space(SPACE, self.name) * person.length, str(person))

    def own(self, face: Face, crop: Tensor) -> Tensor | None:
        if isinstance(self.row.person, Picture):
            return None
        owner = "the face at ({:.0f}, {:.0f})".format(*face.centre)
        if face.embedding is None:
            raise ValueError(
                f"{owner} has no embedding, and {self.name} needs one by {SPACE} to keep some of "
                "the face: detect with an insightface pack that has it (buffalo_l), chosen in Load "
                "Face Analyzer"
            )
        require_space(face.space, SPACE, owner, self.name)
        return self._latent(face.embedding, owner)

    def swap(self, crops: Tensor, sources: Tensor) -> Tensor:
        pairs = zip(crops, sources, strict=True)
        done = [self._swapped(crop, source) for crop, source in pairs]
        return torch.stack(done).to(crops.device) if done else crops.float()

    def safer(self) -> OnnxSwapper | None:
        return None if runs_on_the_cpu(self.session) else load(self.file, [CPU])

    def _swapped(self, crop: Tensor, source: Tensor) -> Tensor:
        mean, deviation = (torch.tensor(each) for each in (self.row.mean, self.row.deviation))
        target = (crop.detach().float().cpu() - mean) / deviation
        feed = {
            "target": picture_array(target),
            "source": picture_array(source) if source.ndim == 3 else as_array(source),
        }
        result = picture_answer(self.file, self.session, feed, like="target")
        return result * 0.5 + 0.5 if self.row.signed else result

    def _latent(self, embedding: Tensor, owner: str) -> Tensor:
        """What the network takes for an `embedding` (512,) as the recogniser gave it."""
        length = float(embedding.float().norm())
        if embedding.shape != (LENGTH,) or not 0 < length < float("inf"):
            raise ValueError(
                f"the embedding of {owner}, of shape {tuple(embedding.shape)} and length "
                f"{length:g}, is none: make it anew with Make Identity or Detect Faces"
            )
        latent = as_array(embedding)
        if self.converter is not None:
            latent = self.converter.run(None, {CONVERTER_INPUT: latent})[0]
        result = torch.from_numpy(latent[0].astype(np.float32, copy=False))
        return result / result.norm() if self.row.person.unit else result


def load(file: Path, providers: Sequence[str] | None = None) -> OnnxSwapper:
    """The swapper in `file`, which its name tells and its inputs must bear out.

    `providers` are names of onnxruntime; CUDA when it is there, else the CPU, when None.
    """
    outline(file)
    row = ROWS.get(file.stem.lower())
    if row is None:
        raise ValueError(
            f"{file} is not a swapper that is supported yet. Those in .onnx files are "
            f"{', '.join(ROWS)}, known by these names, and inswapper_128 and ReSwapper, known by "
            "what is in them. If it is one of them, give it its name back."
        )
    session, notes = open_known(file, row.inputs, row.inputs["target"], providers)
    return OnnxSwapper(file, row, session, _converter(file, row), notes)


def _converter(file: Path, row: Row) -> Any | None:
    """Its session on the CPU, where so little is done at once; None where the row has none."""
    name = row.person.converter if isinstance(row.person, Embedding) else None
    if name is None:
        return None
    beside = file.with_name(name)
    if not beside.exists():
        told = models.missing(models.find(name), file.parent)
        raise FileNotFoundError(f"{file.name} needs another file beside it: {told}")
    outline(beside)
    session = open_session(beside, [CPU])
    require(beside, session, {CONVERTER_INPUT: (1, LENGTH)}, (1, LENGTH))
    return session


def _laid(face: Face, layout: Layout, size: int) -> Tensor:
    """From the picture of the face to the crop of `size`."""
    if not torch.isfinite(face.points).all():
        raise ValueError(f"its points are not numbers: {face.points.tolist()}")
    return similarity(face.points.cpu(), places(layout, size))
