"""A person out of photos: the mean of what a network made of them, and the best of the photos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil

import numpy as np
import torch
from torch import Tensor

from .align import Template, align
from .detect import LADDER, Analyzer, Retry, look, require_images
from .face import Face, Faces, largest_first
from .geometry import scale_of, transform
from .identity import Identity, People, Portrait
from .pixels.raster import resize
from .pixels.rgb8 import to_rgb8
from .progress import Progress, ignore
from .recognise import embedded, normalised
from .report import counted

FLOOR = 0.3  # cosine; photos of one person are seldom below, of two seldom above
ENOUGH = 3  # photos of which one may be dropped
MARGIN = 0.6  # of the portrait, shares of the face box on every side
SIDES, STEP = (256, 1024), 8  # pixels of the portrait, at least and at most, and in steps of
FULL = 512  # pixels of a face's box beyond which a photo gets no better
STAND_IN = 256  # pixels of the grey picture of somebody without a portrait


@dataclass(eq=False)
class Album:
    """Photos one after the other, and what is found in them."""

    pictures: list[Tensor]  # (H, W, C) each, of any sizes
    faces: list[Face] = field(default_factory=list)  # `frame` counts the photos
    notes: list[str] = field(default_factory=list)

    def photo(self, face: Face) -> Tensor:
        """(H, W, 3), 0..1, on the CPU; what is not a number is black."""
        picture = self.pictures[face.frame][..., :3].float().cpu()
        picture = torch.nan_to_num(picture, nan=0.0, posinf=1.0, neginf=0.0).clamp(0, 1)
        return picture.expand(-1, -1, 3)


def make_identity(
    photos: Sequence[Tensor],
    analyzer: Analyzer,
    name: str = "",
    floor: float = FLOOR,
    progress: Progress = ignore,
    threshold: float = 0.5,
) -> Identity:
    """One person out of all photos, each a batch (B, H, W, C); the largest face of each counts.

    A photo that agrees less than `floor` with the mean of the others is left out, while three are
    there to decide by.
    """
    if not -1 <= floor <= 1:
        raise ValueError(f"agreement is {floor:g}: choose -1 to 1, such as {FLOOR}")
    album = _open(photos, analyzer, threshold, progress)
    if analyzer.space is None:
        chosen = max(album.faces, key=_quality)
        return Identity(
            name=name,
            photos=len(album.faces),
            portrait=_portrait(album, chosen),
            notes=(*album.notes, _without(analyzer), f"portrait: photo {chosen.frame}"),
        )
    kept, dropped = agreeing(album.faces, floor)
    units = _units(kept)
    mean = normalised(units.mean(0))
    alike = (units @ mean).tolist()
    best = max(range(len(kept)), key=lambda at: (round(alike[at], 6), _quality(kept[at])))
    return Identity(
        name=name,
        embedding=mean.float(),
        space=analyzer.space,
        length=float(torch.stack([face.embedding.float() for face in kept]).norm(dim=1).mean()),
        photos=len(kept),
        agreement=sum(alike) / len(alike) if len(kept) > 1 else None,
        portrait=_portrait(album, kept[best]),
        notes=(*album.notes, *dropped, f"portrait: photo {kept[best].frame}"),
    )


def each_a_person(
    photos: Sequence[Tensor],
    analyzer: Analyzer,
    progress: Progress = ignore,
    names: Sequence[str] = (),
    threshold: float = 0.5,
) -> People:
    """The largest face of every photo as a person of its own; `names` in the order of photos.

    A photo without a face is an error: those after it would become somebody else.
    """
    album = _open(photos, analyzer, threshold, progress)
    seen = {face.frame for face in album.faces}
    empty = [str(number) for number in range(len(album.pictures)) if number not in seen]
    if empty:
        raise ValueError(
            f"no face in photo {', '.join(empty)} of {len(album.pictures)}, each of which is to be "
            f"a person, with analyzer '{analyzer.name}' and threshold {threshold:g}: take it out, "
            "or lower threshold"
        )
    without = () if analyzer.space else (_without(analyzer),)
    known = []
    for face in album.faces:
        given = names[face.frame] if face.frame < len(names) else ""
        known.append(
            Identity(
                name=given or f"person {face.frame}",
                embedding=_units([face])[0].float() if analyzer.space else None,
                space=analyzer.space,
                length=float(face.embedding.float().norm()) if analyzer.space else 1.0,
                portrait=_portrait(album, face),
                notes=without,
            )
        )
    known[0] = replace(known[0], notes=(*album.notes, *without))
    return People(tuple(known))


def agreeing(faces: Sequence[Face], floor: float) -> tuple[list[Face], list[str]]:
    """The faces that look like one person, and notes on those that do not."""
    kept, notes = list(faces), []
    while len(kept) >= ENOUGH:
        units = _units(kept)
        alike = torch.einsum("nd,nd->n", units, normalised(units.sum(0) - units))
        worst = int(alike.argmin())
        if alike[worst] >= floor:
            break
        notes.append(
            f"photo {kept[worst].frame} left out: it agrees {float(alike[worst]):.2f} with the "
            f"others, less than {floor:g}"
        )
        del kept[worst]
    if len(kept) == 2:
        first, second = _units(kept)
        if (alike := float(first @ second)) < floor:
            numbers = " and ".join(str(face.frame) for face in kept)
            notes.append(
                f"warning: photos {numbers} agree only {alike:.2f}, less than {floor:g}; they may "
                "be of two people. Add photos, or take one away"
            )
    return kept, notes


def portraits(people: People) -> Tensor:
    """(N, S, S, 3), all as large as the largest; a grey picture for a person without."""
    known = [person.portrait for person in people if person.portrait is not None]
    side = max((one.image.shape[0] for one in known), default=STAND_IN)
    made = torch.full((len(people), side, side, 3), 0.5)
    for number, person in enumerate(people):
        if person.portrait is not None:
            image = person.portrait.image
            made[number] = image if len(image) == side else resize(image, (side, side))
    return made.clamp(0, 1)


def _open(
    photos: Sequence[Tensor], analyzer: Analyzer, threshold: float, progress: Progress
) -> Album:
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold is {threshold:g}: give a number above 0, up to 1, such as 0.5")
    album = Album([picture for batch in photos for picture in require_images(batch)])
    shown = _looked_through(album, analyzer, threshold, progress)
    album.faces += embedded(shown, analyzer) if analyzer.space else [face for face, _ in shown]
    if not album.faces:
        raise ValueError(
            f"no face in {counted(len(album.pictures), 'photo')}, looked at with analyzer "
            f"'{analyzer.name}' and threshold {threshold:g}: lower threshold, give photos in which "
            "the face is larger, or choose an insightface pack in Load Face Analyzer (the built-in "
            "one sees frontal faces only)"
        )
    return album


def _looked_through(
    album: Album, analyzer: Analyzer, threshold: float, progress: Progress
) -> Iterator[tuple[Face, np.ndarray]]:
    """The largest face of each photo, and the photo in bytes; notes are taken on the way."""
    for number, picture in enumerate(album.pictures):
        pixels, strange = to_rgb8(picture)
        if strange:
            album.notes.append(
                f"photo {number}: {strange:,} values are not numbers and were taken as black"
            )
        faces, _ = look(pixels, analyzer, threshold, LADDER[Retry.ALL])
        if not faces:
            album.notes.append(f"photo {number}: no face, left out")
        if len(faces) > 1:
            album.notes.append(f"photo {number}: {len(faces)} faces, the largest is taken")
        if faces:
            yield replace(largest_first(faces)[0], frame=number), pixels
        progress(number + 1, len(album.pictures))


def _units(faces: Sequence[Face]) -> Tensor:
    """(N, 512), of length 1."""
    for face in faces:
        if not (face.embedding.isfinite().all() and face.embedding.any()):
            raise ValueError(
                f"the network {face.space} gave no usable embedding for photo {face.frame}: take "
                "it away, or 'python install.py doctor' in the pack's folder shows what it runs on"
            )
    return normalised(torch.stack([face.embedding for face in faces]))


def _quality(face: Face) -> float:
    """Large and frontal is good: pixels of the box, less where the nose is off the middle."""
    left, right, nose = face.points[:3].double()
    across = right - left
    apart = float(across.norm())
    if apart == 0:
        return 0.0
    aside = float((nose - (left + right) / 2) @ across) / apart**2
    return min(max(face.width, face.height), FULL) * max(0.0, 1 - 2 * abs(aside))


def _portrait(album: Album, face: Face) -> Portrait:
    """Cut upright at the photo's own scale, as far as the limits allow."""
    picture = album.photo(face)[None]
    side = max(face.width, face.height) * (1 + 2 * MARGIN)
    size = min(max(ceil(side / STEP) * STEP, SIDES[0]), SIDES[1])
    alone = Faces((replace(face, frame=0),), 1, tuple(picture.shape[1:3]))
    crop = align(picture, alone, Template.UPRIGHT, size, margin=MARGIN).cut[0]
    scale = scale_of(crop.matrix)
    centre = transform(torch.tensor(face.centre, dtype=torch.float64), crop.matrix).tolist()
    half, tall = scale * face.width / 2, scale * face.height / 2
    dense = face.landmarks68
    moved = Face(
        frame=0,
        box=(centre[0] - half, centre[1] - tall, centre[0] + half, centre[1] + tall),
        points=transform(face.points, crop.matrix),
        score=face.score,
        landmarks68=None if dense is None else transform(dense, crop.matrix),
        estimated=face.estimated,
    )
    return Portrait(crop.original.clamp(0, 1), moved)


def _without(analyzer: Analyzer) -> str:
    return (
        f"the analyzer '{analyzer.name}' knows no identity: there is a picture and no embedding, "
        "which is enough for the built-in swap; a swapping network and Compare Faces need an "
        "insightface pack"
    )
