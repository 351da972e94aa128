"""Swapping faces: cut out, given to the swapper, put back, and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

import torch
from torch import Tensor

from ..compare import cosine
from ..crop import Crop, Crops, as_crops, take
from ..detect import Analyzer
from ..face import Face, Faces, moved
from ..geometry import compose, scale_of, scaling
from ..identity import Identity, People
from ..laid import Way
from ..montage.montage import Montage, contour_of, frame, montage
from ..parse import Parser
from ..paste import Blend, paste, require_masks
from ..pixels.raster import Border
from ..pixels.threads import one_thread
from ..progress import Progress, ignore
from ..recognise import recognise
from .boost import MOST
from .covering import Covers, patch_masks
from .network import Made, through_network
from .pairing import Pair, Pairing, paired
from .swapper import Swapper

MONTAGE = (256, 1024)  # pixels of the montage's crop, at least and at most
STEP = 8  # its side is a multiple of this
PROFILE = 60  # degrees of yaw beyond which no swapper was trained


class LostFace(ValueError):
    """One of the faces cannot be swapped; others can."""


@dataclass(frozen=True)
class Settings:
    strength: float = 1.0  # 0: the target's own identity, 1: the person's
    boost: int = 1  # how much larger than the network's the crop's side is
    covers: Covers = Covers.BOX
    pairing: Pairing = Pairing.ORDER
    way: Way = Way.REPLACE
    blend: Blend = field(default_factory=Blend)

    def __post_init__(self):
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength is {self.strength:g}: choose 0 to 1")
        if self.boost not in range(1, MOST + 1):
            raise ValueError(f"boost is {self.boost}: choose 1 to {MOST}")


@dataclass(frozen=True, eq=False)
class Swap:
    """What became of one face."""

    face: Face
    person: Identity
    before: float | None = None  # cosine of the face and the person
    after: float | None = None  # the same of the result; None: not known
    seam: float | None = None
    left: str | None = None  # why the face was left as it was


@dataclass(frozen=True, eq=False)
class Swapped:
    images: Tensor  # (B, H, W, C)
    masks: Tensor  # (B, H, W): how much of each pixel is new
    crops: Crops  # of the faces, for whoever pastes them again
    patches: Tensor  # (N, h, w, 3), the new faces
    swaps: tuple[Swap, ...]
    swapper: str
    notes: tuple[str, ...] = ()


def swap_faces(
    images: Tensor,
    faces: Faces,
    people: People,
    swapper: Swapper | Montage,
    settings: Settings = Settings(),
    masks: Tensor | None = None,
    parser: Parser | None = None,
    analyzer: Analyzer | None = None,
    progress: Progress = ignore,
) -> Swapped:
    """`images` (B, H, W, C) with the people's faces in place of `faces`.

    `masks` (B or 1, H, W) say where the pictures may change. `parser` is for a parsed mask;
    an `analyzer` that knows identity measures how like the people the result is.
    """
    faces.require(images)
    if images.shape[3] not in (3, 4):
        raise ValueError(
            f"faces cannot be swapped in pictures of shape {tuple(images.shape)}: they need 3 "
            "channels, or 4 with alpha"
        )
    if settings.covers is Covers.MASK and masks is None:
        raise ValueError("nothing is masked: connect a mask, or choose another one than 'mask'")
    require_masks(masks, images)
    faces = _known(images, faces, analyzer, progress)
    pairs, notes = paired(faces, people, settings.pairing)
    crops = cut(images, pairs, swapper, settings.boost)
    made = _made(swapper, crops, pairs, settings, progress)
    covered, told = _covered(images, pairs, crops, made, settings, parser, progress)
    patches = made.patches
    if made.failed:
        patches[list(made.failed)] = crops.patches[list(made.failed)].float()
    pasted = paste(
        images,
        patches,
        crops,
        settings.way,
        _edge(settings, swapper, masks),
        masks,
        covered,
        progress,
        keep_masks=True,
    )
    swaps = [
        Swap(pair.face, pair.person, seam=seam, left=_left(number, made))
        for number, (pair, seam) in enumerate(zip(pairs, pasted.seams, strict=True))
    ]
    return Swapped(
        pasted.images,
        pasted.masks,
        crops,
        patches,
        tuple(_measured(pasted.images, swaps, analyzer, progress)),
        swapper.name,
        tuple(
            dict.fromkeys(
                [
                    *faces.notes,
                    *(note for person in people for note in person.notes),
                    *swapper.notes,
                    *notes,
                    *made.notes,
                    *told,
                    *_profiles(pairs),
                ]
            )
        ),
    )


@one_thread()
def cut(images: Tensor, pairs: Sequence[Pair], swapper: Swapper | Montage, boost: int) -> Crops:
    """The faces as the swapper wants them, `boost` times as large."""
    size = _montage_side(pairs, swapper) if isinstance(swapper, Montage) else swapper.size * boost
    made: list[Crop] = []
    patches = images.new_empty(len(pairs), size, size, 3)
    for number, face in enumerate(pair.face for pair in pairs):
        matrix = _matrix(number, face, swapper, size)
        patches[number] = take(images[face.frame, ..., :3], matrix, (size, size), Border.REPLICATE)
        extent = max(face.width, face.height) * scale_of(matrix)
        made.append(Crop(face.frame, matrix, patches[number], extent))
    return as_crops(made, images, patches)


def _matrix(number: int, face: Face, swapper: Swapper | Montage, size: int) -> Tensor:
    """From the picture to the crop of a face, which is the number-th."""
    try:
        if isinstance(swapper, Montage):
            return frame(face, size)
        small = (swapper.size, swapper.size)
        return compose(scaling(small, (size, size)), swapper.frame(face))
    except ValueError as problem:
        raise LostFace(
            f"face {number} (frame {face.frame}) cannot be cut out: {problem}. Leave it out with "
            "Select Faces, or take its points from Refine Landmarks."
        ) from problem


def _montage_side(pairs: Sequence[Pair], swapper: Montage) -> int:
    """As many pixels as the largest face has."""
    least, most = MONTAGE
    small = [_matrix(number, pair.face, swapper, least) for number, pair in enumerate(pairs)]
    sides = [least / scale_of(matrix) for matrix in small]
    return int(min(max([least, *sides]), most)) // STEP * STEP


def _made(
    swapper: Swapper | Montage,
    crops: Crops,
    pairs: Sequence[Pair],
    settings: Settings,
    progress: Progress,
) -> Made:
    if not pairs:
        return Made(crops.patches)
    if not isinstance(swapper, Montage):
        return through_network(swapper, crops, pairs, settings.strength, settings.boost, progress)
    originals, told = crops.patches.detach().float(), []
    patches = torch.empty_like(originals)
    masks = originals.new_empty(originals.shape[:3])
    people = {id(pair.person): pair.person.picture(swapper.name) for pair in pairs}
    with one_thread():
        contours = {number: contour_of(portrait) for number, portrait in people.items()}
    for number, (pair, crop) in enumerate(zip(pairs, crops.cut, strict=True)):
        person, inside = id(pair.person), moved(pair.face, crop.matrix)
        with one_thread():
            mounted = montage(originals[number], inside, people[person], contours[person])
            torch.lerp(originals[number], mounted.patch, settings.strength, out=patches[number])
            masks[number] = mounted.mask
        told += [f"face {number}: {note}" for note in mounted.notes]
        progress(number + 1, len(pairs))
    return Made(patches, masks, notes=tuple(told))


def _covered(
    images: Tensor,
    pairs: Sequence[Pair],
    crops: Crops,
    made: Made,
    settings: Settings,
    parser: Parser | None,
    progress: Progress,
) -> tuple[Tensor | None, list[str]]:
    faces = [pair.face for pair in pairs]
    if not pairs:
        return None, []
    chosen, notes = patch_masks(settings.covers, images, faces, crops, parser, progress)
    given = [mask.to(crops.patches.device) for mask in (made.masks, chosen) if mask is not None]
    if made.failed:
        given.append(crops.patches.new_ones(crops.patches.shape[:3], dtype=torch.float32))
        given[-1][list(made.failed)] = 0
    return (reduce(torch.minimum, given) if given else None), notes


def _edge(settings: Settings, swapper: Swapper | Montage, masks: Tensor | None) -> Blend:
    """The montage has a soft edge of its own, where nothing else limits it."""
    own = isinstance(swapper, Montage) and settings.covers is Covers.BOX and masks is None
    return replace(settings.blend, feather=0.0) if own else settings.blend


def _known(images: Tensor, faces: Faces, analyzer: Analyzer | None, progress: Progress) -> Faces:
    """With embeddings where they are lacking and the analyzer can make them."""
    lacking = any(face.embedding is None for face in faces)
    if analyzer is None or analyzer.space is None or not lacking:
        return faces
    return replace(faces, found=tuple(recognise(images, faces.found, analyzer, progress)))


def _measured(
    images: Tensor, swaps: list[Swap], analyzer: Analyzer | None, progress: Progress
) -> list[Swap]:
    """With the likeness before and, where an analyzer can tell, after."""
    measured = [replace(swap, before=_likeness(swap.face, swap.person)) for swap in swaps]
    able = analyzer is not None and analyzer.space is not None
    if not able or not any(swap.person.space == analyzer.space for swap in swaps):
        return measured
    results = recognise(images, [swap.face for swap in swaps], analyzer, progress)
    return [
        replace(swap, after=_likeness(face, swap.person))
        for swap, face in zip(measured, results, strict=True)
    ]


def _likeness(face: Face, person: Identity) -> float | None:
    known = face.embedding is not None and person.embedding is not None
    if not known or face.space != person.space:
        return None
    return cosine(face.embedding, person.embedding)


def _left(number: int, made: Made) -> str | None:
    return "the network gave no picture" if number in made.failed else None


def _profiles(pairs: Sequence[Pair]) -> list[str]:
    turned = [
        str(number)
        for number, pair in enumerate(pairs)
        if pair.face.pose is not None and abs(pair.face.pose[1]) > PROFILE
    ]
    if not turned:
        return []
    return [f"in profile, where swaps often break: face {', '.join(turned)}"]
