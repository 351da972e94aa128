"""Embeddings of faces: crops cut as insightface cuts them, a few at a time through the network."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from .face import Face
from .pixels.rgb8 import to_rgb8
from .progress import Progress, ignore

if TYPE_CHECKING:
    from .detect import Analyzer

BATCH = 8  # crops at once; more are slower again, on the CPU, once they leave its cache


def recognise(
    images: Tensor, faces: Sequence[Face], analyzer: Analyzer, progress: Progress = ignore
) -> list[Face]:
    """The faces of `images` (B, H, W, C), wherever they come from, with embeddings, in order."""
    require_recogniser(analyzer)
    order = sorted(range(len(faces)), key=lambda number: faces[number].frame)
    made: list[Face | None] = [None] * len(faces)
    ordered = (faces[number] for number in order)
    for done, face in enumerate(embedded(_shown(images, ordered), analyzer)):
        made[order[done]] = face
        progress(done + 1, len(faces))
    return made


def embedded(shown: Iterable[tuple[Face, np.ndarray]], analyzer: Analyzer) -> Iterator[Face]:
    """Each face with its embedding; it comes with its frame (H, W, 3) uint8 RGB.

    Of the frames only the crops are kept, and of those no more than a micro-batch.
    """
    cuts = ((face, cut(pixels, face, analyzer.side)) for face, pixels in shown)
    while batch := list(islice(cuts, BATCH)):
        rows = analyzer.embed([crop for _, crop in batch])
        for (face, _), row in zip(batch, rows, strict=True):
            yield replace(face, embedding=row.clone(), space=analyzer.space)


def cut(pixels: np.ndarray, face: Face, side: int) -> np.ndarray:
    """The face as recognisers are trained on it: (side, side, 3) uint8 of a frame of such."""
    from insightface.utils.face_align import norm_crop

    five = face.points.float().cpu().numpy()
    if not np.isfinite(five).all() or np.ptp(five, axis=0).max() == 0:
        raise ValueError(
            f"a face in frame {face.frame} cannot be recognised, its points are {five.tolist()}: "
            "leave it out with Select Faces"
        )
    with warnings.catch_warnings():
        # insightface fits its crops by a call that scikit-image has renamed
        warnings.simplefilter("ignore", FutureWarning)
        return norm_crop(pixels, five, side)


def require_recogniser(analyzer: Analyzer) -> None:
    if analyzer.space is None:
        raise no_recogniser(analyzer.name)


def no_recogniser(analyzer: str) -> ValueError:
    return ValueError(
        f"the analyzer '{analyzer}' knows no identity: choose an insightface pack that has a "
        "recognition network, such as buffalo_l with w600k_r50, in Load Face Analyzer"
    )


def normalised(embedding: Tensor) -> Tensor:
    """Of length 1, in double precision, whatever length the network gave it."""
    return torch.nn.functional.normalize(embedding.double(), dim=-1)


def _shown(images: Tensor, faces: Iterable[Face]) -> Iterator[tuple[Face, np.ndarray]]:
    """Faces, in the order of their frames, with the bytes of each frame, made once."""
    frame, pixels = None, None
    for face in faces:
        if face.frame != frame:
            frame, pixels = face.frame, to_rgb8(images[face.frame])[0]
        yield face, pixels
