"""Crops through a swapping network: sources mixed, boosted, in batches, and looked at after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..crop import Crops
from ..picture import cleaned, is_picture
from ..pixels.threads import one_thread
from ..progress import Progress, ignore
from .boost import parts
from .pairing import Pair
from .swapper import Swapper


@dataclass(frozen=True, eq=False)
class Made:
    """New patches for crops."""

    patches: Tensor  # (N, h, w, 3), float32
    masks: Tensor | None = None  # (N, h, w): which part of each counts; None: all of it
    failed: tuple[int, ...] = ()  # the patches that are no picture
    notes: tuple[str, ...] = ()


def through_network(
    swapper: Swapper,
    crops: Crops,
    pairs: Sequence[Pair],
    strength: float,
    boost: int,
    progress: Progress = ignore,
) -> Made:
    """The crops with the faces of their pairs' people.

    Where the network's answer is no picture it is asked again in full precision.
    """
    originals = cleaned(crops.patches[: len(pairs)])
    patches, each = torch.empty_like(originals), boost**2
    sources = sources_of(swapper, pairs, originals, strength, boost)
    sources = [source for source in sources for _ in range(each)]
    work = list(zip(parts(originals, boost), sources, parts(patches, boost), strict=True))
    failed = _swapped(swapper, work, range(len(work)), progress)
    notes: list[str] = []
    safer = swapper.safer() if failed else None
    if safer is not None:
        faces = {number // each for number in failed}
        notes.append(
            f"{swapper.name} gave no picture for {len(faces)} of {len(pairs)} faces; they were "
            "done again in full precision"
        )
        failed = _swapped(safer, work, failed, progress)
    with one_thread():
        if swapper.space is None:
            torch.lerp(originals, patches, strength, out=patches)
        lost = dict.fromkeys(number // each for number in failed)
        return Made(patches.clamp_(0, 1), None, tuple(lost), tuple(notes))


def sources_of(
    swapper: Swapper, pairs: Sequence[Pair], crops: Tensor, strength: float, boost: int
) -> list[Tensor]:
    """What goes into the network: between each target's own identity and the person's."""
    mixes = swapper.space is not None and strength < 1
    people = {id(pair.person): pair.person for pair in pairs}
    known = {number: swapper.source(person) for number, person in people.items()}
    given = [known[id(pair.person)] for pair in pairs]
    if not mixes:
        return given
    owns = [
        swapper.own(pair.face, torch.stack(parts(crop[None], boost)).mean(0))
        for pair, crop in zip(pairs, crops, strict=True)
    ]
    return [between(own, source, strength) for own, source in zip(owns, given, strict=True)]


def between(own: Tensor, source: Tensor, strength: float) -> Tensor:
    """A latent on the way from one to the other, as long as the two are there."""
    if strength == 0:
        return own
    mixed = torch.lerp(own, source.to(own), strength)
    length = torch.lerp(own.norm(), source.to(own).norm(), strength)
    return mixed * (length / mixed.norm().clamp(min=1e-12))


def _swapped(
    swapper: Swapper,
    work: Sequence[tuple[Tensor, Tensor, Tensor]],
    numbers: Sequence[int],
    progress: Progress,
) -> list[int]:
    """Fill what these numbers of `work` want: crop, source and where the new crop belongs.

    Returns the numbers whose new crop is no picture.
    """
    failed: list[int] = []
    for start in range(0, len(numbers), swapper.batch):
        here = numbers[start : start + swapper.batch]
        with one_thread():
            crops, sources = (torch.stack([work[at][which] for at in here]) for which in (0, 1))
        with torch.no_grad():
            answers = swapper.swap(crops, sources)
        with one_thread():
            for number, crop, answer in zip(here, crops, answers, strict=True):
                work[number][2].copy_(answer)
                failed += [] if is_picture(answer, crop) else [number]
        progress(start + len(here), len(numbers))
    return failed
