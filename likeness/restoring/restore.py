"""Restoring faces: cut out, given to the restorer, watched, put back, and measured.

A few faces at a time: of a long batch no more is kept than what goes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import torch
from torch import Tensor

from ..align import Fit, Outside, align
from ..blending.seam import against
from ..crop import GREY
from ..detect import Analyzer
from ..face import Face, Faces, moved
from ..laid import Way
from ..parse import Parser
from ..paste import Blend, Method, paste_into
from ..pixels.threads import one_thread
from ..progress import Progress, ignore
from ..report import counted
from ..sharpness import change, sharpness
from .asking import ask
from .canvas import MOST, Canvas, Enlarge, prepared
from .covering import Covers, head_masks
from .guard import Piece, Watched, watched
from .restorer import Restorer

UNWATCHED = "no analyzer that knows identity: how much likeness is lost was not watched"
UNPARSED = "no parser: all of the square counts"
UNLARGED = "factor is 1: the upscale model was not used"
REACH = 3  # times the spread of a face's points that its crop reaches beyond them at most


@dataclass(frozen=True)
class Settings:
    strength: float = 1.0  # 0: the face as it is, 1: the restored one
    fidelity: float = 0.7  # of networks that can be told, 1: most faithful
    covers: Covers = Covers.BOTH
    guard: float = 0.3  # how far the cosine to the face as it was may fall
    min_pixels: int = 16  # pixels of a face's longer side
    max_pixels: int = 0  # the same; 0: the size of the network's crop
    factor: float = 1.0  # how much larger the picture becomes
    way: Way = Way.REPLACE
    blend: Blend = field(default_factory=Blend)

    def __post_init__(self):
        for name in ("strength", "fidelity", "guard"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name):g}: choose 0 to 1")
        if not 1 <= self.factor <= MOST:
            raise ValueError(f"factor is {self.factor:g}: choose 1 to {MOST:g}")
        for name in ("min_pixels", "max_pixels"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)} px: choose 0 or more")


@dataclass(frozen=True, eq=False)
class Restoration:
    """What became of one face."""

    face: Face
    amount: float = 0.0  # of the restored face that was mixed in
    likeness: float | None = None  # cosine to the face as it was; None: not known
    unguarded: float | None = None  # the same with all that was wanted
    sharpness: tuple[float, float] | None = None  # before and after
    change: float | None = None  # mean difference within what was put back, 0..1
    seam: float | None = None
    left: str | None = None  # why the face was left as it was


@dataclass(frozen=True, eq=False)
class Restored:
    images: Tensor  # (B, h, w, C)
    masks: Tensor  # (B, h, w): how much of each pixel is new
    patches: Tensor  # (N, s, s, 3): the faces as the network gave them, without those left out
    restorations: tuple[Restoration, ...]  # of every face
    restorer: str
    notes: tuple[str, ...] = ()


def restore_faces(
    images: Tensor,
    faces: Faces,
    restorer: Restorer,
    settings: Settings = Settings(),
    parser: Parser | None = None,
    analyzer: Analyzer | None = None,
    enlarge: Enlarge | None = None,
    prepare: Callable[[], object] = lambda: None,
    progress: Progress = ignore,
) -> Restored:
    """`images` (B, H, W, C) with `faces` restored, `settings.factor` times as large.

    An `analyzer` that knows identity guards the likeness; `enlarge` makes the pictures larger.
    `prepare` is called after that, before the networks are, to make room for them.
    """
    faces.require(images)
    if images.shape[3] not in (3, 4):
        raise ValueError(
            f"faces cannot be restored in pictures of shape {tuple(images.shape)}: they need 3 "
            "channels, or 4 with alpha"
        )
    if settings.covers is Covers.PARSED and parser is None:
        raise ValueError("a parsed mask needs a parser: connect Load Face Parser")
    left = _left(faces, restorer, settings)
    todo = [number for number in range(len(faces)) if number not in left]
    classic = settings.blend.method is Method.FACEXLIB
    canvas = prepared(images, settings.factor, enlarge, classic)
    job = _Job(images, restorer, settings, parser, analyzer, canvas, classic)
    side = restorer.size
    patches = torch.empty(max(len(todo), 1), side, side, 3, device=images.device)
    if not todo:
        patches.fill_(GREY)
    done = {number: Restoration(faces.found[number], left=why) for number, why in left.items()}
    again = 0
    if todo:
        prepare()
    for start in range(0, len(todo), restorer.batch):
        numbers = todo[start : start + restorer.batch]
        here = faces.keep([faces.found[number] for number in numbers])
        made = patches[start : start + len(numbers)]
        results, repeated = _restored(job, here, made, partial(progress, start, len(todo)))
        done |= zip(numbers, results, strict=True)
        again += repeated
        progress(start + len(numbers), len(todo))
    told = [*faces.notes, *restorer.notes, *(_lacking(job) if todo else ())]
    if enlarge is not None and settings.factor == 1:
        told.append(UNLARGED)
    if again:
        told.append(
            f"{restorer.name} gave no picture for {again} of {counted(len(todo), 'face')}, and was "
            "asked again on the CPU"
        )
    return Restored(
        canvas.images,
        canvas.masks,
        patches,
        tuple(done[number] for number in range(len(faces))),
        restorer.name,
        tuple(dict.fromkeys(told)),
    )


@dataclass(frozen=True, eq=False)
class _Job:
    """What is the same for every face."""

    images: Tensor
    restorer: Restorer
    settings: Settings
    parser: Parser | None
    analyzer: Analyzer | None
    canvas: Canvas
    classic: bool  # as facexlib: beyond the picture all is grey, for one

    @property
    def parses(self) -> bool:
        return self.settings.covers.parses and self.parser is not None

    @property
    def watches(self) -> bool:
        return self.analyzer is not None and self.analyzer.space is not None

    @property
    def blend(self) -> Blend:
        """With the edge that goes with the choice of a mask."""
        return replace(self.settings.blend, sides=self.settings.covers is Covers.BOTH)

    @cached_property
    def safer(self) -> Restorer | None:
        return self.restorer.safer()


def _left(faces: Faces, restorer: Restorer, settings: Settings) -> dict[int, str]:
    """The faces, by number, that are left as they are, and why."""
    least, most = settings.min_pixels, settings.max_pixels or restorer.size
    own = ""
    if not settings.max_pixels:
        own = (
            " of the network, which would take detail away: set max_pixels to restore it all the "
            "same, or choose a larger network, such as gpen_bfr_1024.onnx"
        )
    left = {}
    for number, face in enumerate(faces):
        side = max(face.width, face.height)
        if (wrong := _misplaced(face, faces.size)) is not None:
            left[number] = wrong
        elif side < least:
            left[number] = f"{side:.0f} px is less than {least} px, too little to go by"
        elif side > most:
            left[number] = f"{side:.0f} px is more than the {most} px{own}"
    return left


def _misplaced(face: Face, size: tuple[int, int]) -> str | None:
    """What is wrong with the points of a face in a picture of this size, if anything is."""
    if not torch.isfinite(face.points).all():
        return f"its points are not numbers: {face.points.tolist()}"
    low, high = face.points.amin(0), face.points.amax(0)
    spread = float((high - low).max())
    if spread < 1:
        return f"its points are within {spread:.2g} px of each other"
    last = torch.tensor(size[::-1], device=low.device)
    if (high + REACH * spread < 0).any() or (low - REACH * spread > last).any():
        x, y = face.points.mean(0).tolist()
        return f"its points lie outside the picture, around ({x:.0f}, {y:.0f})"
    return None


def _lacking(job: _Job) -> list[str]:
    """What was asked for and cannot be done."""
    lacking = [UNWATCHED] if job.settings.guard < 1 and not job.watches else []
    return lacking + ([UNPARSED] if job.settings.covers.parses and not job.parses else [])


def _restored(
    job: _Job, faces: Faces, patches: Tensor, alive: Callable[[], None]
) -> tuple[list[Restoration], int]:
    """What became of a few faces, and how many the network was asked for twice.

    They are written to the canvas, and alone to `patches` (N, s, s, 3).
    """
    restorer = job.restorer
    with one_thread():
        crops = align(
            job.images,
            faces,
            restorer.template,
            restorer.size,
            Fit.ROBUST,
            outside=Outside.GREY if job.classic else Outside.MIRROR,
        )
    asked = ask(restorer, lambda: job.safer, crops.patches, job.settings.fidelity, patches)
    masks = None
    if job.parses:
        masks = head_masks(job.images, faces, crops, patches, restorer.template, job.parser)
    pieces = [
        Piece(
            face,
            job.images[face.frame, ..., :3],
            crop,
            patches[number],
            None if masks is None else masks[number],
        )
        for number, (face, crop) in enumerate(zip(faces, crops.cut, strict=True))
    ]
    seen = _watched(
        job, [piece for at, piece in enumerate(pieces) if at not in asked.failed], alive
    )
    results = [
        Restoration(piece.face, left="the network gave no picture")
        if number in asked.failed
        else _put(job, piece, next(seen))
        for number, piece in enumerate(pieces)
    ]
    return results, asked.again


def _watched(
    job: _Job, pieces: Sequence[Piece], alive: Callable[[], None]
) -> Iterator[Watched | None]:
    """How much of each to mix in; None where nothing is known of its likeness."""
    if not job.watches:
        return iter([None] * len(pieces))
    way, wanted, loss = job.settings.way, job.settings.strength, job.settings.guard
    return iter(watched(pieces, way, job.blend, wanted, loss, job.analyzer, alive))


def _put(job: _Job, piece: Piece, seen: Watched | None) -> Restoration:
    """Write a face to the canvas."""
    amount = job.settings.strength if seen is None else seen.amount
    canvas, frame = job.canvas, piece.face.frame
    with one_thread():
        edge = paste_into(
            canvas.images[frame, ..., :3],
            piece.patch,
            canvas.crop(piece.crop),
            job.settings.way,
            job.blend,
            (),
            piece.mask,
            canvas.masks[frame],
            amount,
            job.settings.factor,
        )
        now = moved(piece.face, canvas.matrix, frame)
        return Restoration(
            piece.face,
            amount,
            seen and seen.likeness,
            seen and seen.unguarded,
            (sharpness(piece.picture, piece.face), sharpness(canvas.images[frame], now)),
            amount * change(piece.crop.original, piece.patch, piece.mask),
            None if edge is None else against(*edge),
        )
