"""Restorers that run in onnxruntime: GPEN, GFPGAN, CodeFormer and RestoreFormer++ as .onnx."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..align import Template
from ..onnx_network import CPU, open_known, picture_answer, picture_array, runs_on_the_cpu
from ..outline import outline
from .table import FIDELITY, PICTURE, ROWS, Row, row_of


@dataclass(frozen=True, eq=False)
class OnnxRestorer:
    """A Restorer by a row of the table."""

    file: Path
    row: Row
    session: Any
    notes: tuple[str, ...]
    batch: int = 1  # the files take no more

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def like(self) -> str:
        return f"{self.row.name}.onnx"

    @property
    def size(self) -> int:
        return self.row.size

    @property
    def template(self) -> Template:
        return self.row.template

    @property
    def has_fidelity(self) -> bool:
        return self.row.has_fidelity

    def restore(self, crops: Tensor, fidelity: float) -> Tensor:
        done = [self._restored(crop, fidelity) for crop in crops]
        return torch.stack(done).to(crops.device) if done else crops.float()

    def safer(self) -> OnnxRestorer | None:
        return None if runs_on_the_cpu(self.session) else load(self.file, [CPU])

    def _restored(self, crop: Tensor, fidelity: float) -> Tensor:
        feed = {PICTURE: picture_array(crop.detach().float().cpu() * 2 - 1)}
        if self.has_fidelity:
            feed[FIDELITY] = np.array([fidelity], np.float64)
        answer = picture_answer(self.file, self.session, feed, like=PICTURE)
        return (answer.clamp(-1, 1) + 1) / 2


def load(file: Path, providers: Sequence[str] | None = None) -> OnnxRestorer:
    """The restorer in `file`, which its name tells and its inputs must bear out.

    `providers` are names of onnxruntime; CUDA when it is there, else the CPU, when None.
    """
    outline(file)
    row = row_of(file.stem)
    if row is None:
        raise ValueError(
            f"{file} is not a restorer that is supported yet. Those in .onnx files are "
            f"{', '.join(ROWS)}, known by these names. If it is one of them, give it its name back."
        )
    session, notes = open_known(file, row.inputs, row.inputs[PICTURE], providers, row.kinds)
    return OnnxRestorer(file, row, session, notes)
