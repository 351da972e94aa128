"""Every picture of a folder swapped, looked at, and put where it belongs; one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..detect import Analyzer, detect
from ..face import Face, Faces, largest_first
from ..identity import People
from ..montage.montage import Montage
from ..parse import Parser
from ..progress import Progress, ignore
from ..swapping.swap import LostFace, Swap, Swapped, swap_faces
from ..swapping.swapper import Swapper
from .journal import Journal, Record, State, open_journal
from .measure import Measures, measure, reasons
from .provenance import Origin, encoded
from .settings import Settings, Which, facts
from .sources import (
    Listing,
    Picture,
    Source,
    Unreadable,
    apart,
    decode,
    listing,
    load,
    result_names,
)
from .summary import FolderReport, summarise
from .written import FolderError, claimed

Say = Callable[[str], object]


def silent(line: str) -> None: ...


@dataclass(frozen=True, eq=False)
class Work:
    """What is the same for every picture."""

    people: People
    swapper: Swapper | Montage
    analyzer: Analyzer
    settings: Settings
    parser: Parser | None


def swap_folder(
    source: Path | Listing,
    target: Path,
    people: People,
    swapper: Swapper | Montage,
    analyzer: Analyzer,
    settings: Settings | None = None,
    progress: Progress = ignore,
    say: Say = silent,
    parser: Parser | None = None,
    anew: bool = False,
) -> FolderReport:
    """Swap the people into the pictures right in `source`; results and their records in `target`.

    A run that was stopped goes on; one of other settings is refused, or with `anew` its results
    are removed first. `progress` is called after every picture, `say` told what became of it.
    """
    settings = settings or Settings()
    listed = listing(source) if isinstance(source, Path) else source
    for folder in {each.path.parent for each in listed.pictures} | _named(source):
        apart(folder, target)
    _require_people(people, swapper)
    work = Work(people, swapper, analyzer, settings, parser)
    listed = replace(listed, notes=(*listed.notes, *_unmeasured(work)))
    wanted = facts(people, swapper, analyzer, settings, parser)
    with claimed(target):
        journal = open_journal(target, wanted, anew)
        names = _names(listed, journal, settings)
        total = len(listed.pictures)
        progress(0, total)
        for number, picture in enumerate(listed.pictures, 1):
            told = _one(picture, names[picture.name], journal, work)
            say(f"[{number}/{total}] {picture.name}: {told}")
            progress(number, total)
        return summarise(journal, listed, wanted, swapper, analyzer)


def _one(source: Source, file: str, journal: Journal, work: Work) -> str:
    """Do one picture, unless it is done; what became of it, in words."""
    digest = None
    try:
        content, digest = load(source)
        if journal.done(source.name, digest, file):
            return f"{journal.records[source.name].state.value}, done before"
        picture = decode(content)
    except Unreadable as reason:
        record, result = Record(source.name, digest, State.SKIPPED, reasons=(str(reason),)), None
    else:
        try:
            record, result = _swapped(picture, work)
        except LostFace as problem:
            record, result = _skipped(picture, str(problem)), None
        except ValueError as problem:
            raise FolderError(f"{source.name}: {problem}") from problem
        record = replace(record, source=source.name, digest=digest)
        if record.state is not State.SKIPPED:
            record = replace(record, file=file)
    journal.add(record, result)
    return "; ".join([record.state.value, *record.reasons])


def _swapped(picture: Picture, work: Work) -> tuple[Record, bytes | None]:
    """What becomes of a picture, without names; and the file of the result."""
    settings, before = work.settings, as_image(picture.pixels)
    faces = _found(before, work)
    if not len(faces):
        return _skipped(picture, "no face was found in it"), None
    if settings.which is Which.LARGEST:
        faces = faces.keep(largest_first(faces)[:1])
    swapped = swap_faces(
        before,
        faces,
        work.people,
        work.swapper,
        settings.swapping,
        parser=work.parser,
        analyzer=work.analyzer,
    )
    done = [swap for swap in swapped.swaps if swap.left is None]
    if not done:
        return _skipped(picture, *dict.fromkeys(swap.left for swap in swapped.swaps)), None
    pixels = _pixels(picture.pixels, swapped)
    measured = _measured(before, as_image(pixels), swapped, done, work)
    told = [reason for each in measured for reason in reasons(each, settings.limits)]
    if np.array_equal(pixels, picture.pixels):
        told.append("the swap has changed nothing")
    left = [f"a face was left as it was: {swap.left}" for swap in swapped.swaps if swap.left]
    record = Record(
        "",
        None,
        State.REJECTED if told else State.ACCEPTED,
        reasons=tuple(dict.fromkeys(told)),
        faces=tuple(_face(swap, each) for swap, each in zip(done, measured, strict=True)),
        notes=(*picture.notes, *left),
    )
    origin = Origin(swapped.swapper, not isinstance(work.swapper, Montage))
    return record, encoded(pixels, settings.form, origin, picture.profile)


def _measured(
    before: Tensor, after: Tensor, swapped: Swapped, done: list[Swap], work: Work
) -> list[Measures]:
    found = _found(after, work).found
    return [
        measure(before[0], after[0], swapped.masks[0], swap.face, found, swap.after)
        for swap in done
    ]


def _found(image: Tensor, work: Work) -> Faces:
    return detect(image, work.analyzer, work.settings.threshold, work.settings.retry)


def _face(swap: Swap, measures: Measures) -> dict:
    """A face of a record."""
    return {
        "person": str(swap.person),
        "box": _box(swap.face),
        "score": round(swap.face.score, 4),
        "similarity_before": None if swap.before is None else round(swap.before, 4),
        **measures.rounded(),
        "seam": None if swap.seam is None else round(swap.seam, 4),
    }


def _box(face: Face) -> list[int]:
    """x, y, width, height in whole pixels of the upright picture."""
    x0, y0, x1, y1 = map(round, face.box)
    return [x0, y0, x1 - x0, y1 - y0]


def as_image(pixels: np.ndarray) -> Tensor:
    """(1, H, W, 3), 0..1, of (H, W, 3 or 4) uint8."""
    return torch.from_numpy(np.array(pixels[..., :3])).float().div_(255)[None]


def _pixels(original: np.ndarray, swapped: Swapped) -> np.ndarray:
    """The result with 8 bits, the original's own numbers where nothing is new, and its alpha."""
    made = swapped.images[0].float().cpu().mul(255).round_().clamp_(0, 255).byte().numpy()
    return np.concatenate([made, original[..., 3:]], axis=2)


def _skipped(picture: Picture, *reasons: str) -> Record:
    return Record("", None, State.SKIPPED, reasons=reasons, notes=picture.notes)


def _names(listed: Listing, journal: Journal, settings: Settings) -> dict[str, str]:
    """Names of the results; those of pictures that have left the folder stay taken."""
    here = {picture.name for picture in listed.pictures}
    gone = [each.file for each in journal.sorted() if each.source not in here and each.file]
    return result_names(here, settings.form.ending, gone)


def _named(source: Path | Listing) -> set[Path]:
    return {source} if isinstance(source, Path) else set()


def _unmeasured(work: Work) -> list[str]:
    """Whose likeness the floor cannot be held to."""
    if work.settings.limits.similarity is None:
        return []
    space = work.analyzer.space
    return [
        f"the floor was not looked at for {person}: the analyzer '{work.analyzer.name}' knows "
        f"{space or 'no'} identity, the person has {person.space or 'none'}"
        for person in work.people
        if space is None or person.space != space
    ]


def _require_people(people: People, swapper: Swapper | Montage) -> None:
    """What the swapper needs of a person is told before the first picture."""
    if not len(people):
        raise ValueError("there is no person to swap in")
    for person in people:
        if isinstance(swapper, Montage):
            person.picture(swapper.name)
        else:
            swapper.source(person)
