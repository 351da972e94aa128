"""Restorers side by side: the same faces restored by each, with what was measured of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..align import Template, align
from ..detect import Analyzer
from ..face import FEW, Face, Faces
from ..parse import Parser
from ..progress import Progress, ignore
from ..report import counted, shortened
from ..sheet import GAP
from .columns import COLUMNS, Column, labels
from .restore import Restoration, Settings, restore_faces
from .restorer import Restorer

ROWS = 16  # faces on a sheet, at most
SIDES, WIDTH = (512, 384, 256), 2000  # pixels: of a shown face; of the sheet if that can be
FRAMING = Template.FFHQ  # of what is shown, whatever a restorer wants itself
UNGUARDED = 1.0  # of the likeness may be lost
UNLIMITED = 1 << 20  # pixels
PLACES = 3  # of a similarity
PARTS = 100  # of a column's progress


@dataclass(frozen=True, eq=False)
class SideBySide:
    """What became of the same faces under every restorer; lists of columns, those of faces."""

    faces: Faces
    labels: tuple[str, ...]  # of the columns
    restorers: int  # of which some may have several columns
    before: Tensor  # (n, S, S, 3), the first faces as they were
    after: tuple[Tensor, ...]  # for each column the same parts of the restored pictures
    restorations: tuple[tuple[Restoration, ...], ...]
    pictures: Tensor  # (B, H, W, C) as they came
    notes: tuple[str, ...] = ()


def compare_restorers(
    images: Tensor,
    faces: Faces,
    columns: Sequence[Column],
    settings: Settings,
    parser: Parser | None = None,
    analyzer: Analyzer | None = None,
    progress: Progress = ignore,
) -> SideBySide:
    """`faces` of `images` (B, H, W, C) restored in every column, each time from the pictures.

    Everything of the restored faces is put back, of large ones too and however much of the
    likeness is lost: what a restorer does is to be seen.
    """
    faces.require(images)
    if not 1 <= len(columns) <= COLUMNS:
        raise ValueError(
            f"{len(columns)} columns of restorers and fidelities: give 1 to {COLUMNS} in all"
        )
    names, count = labels(columns), len({id(column.restorer) for column in columns})
    if not len(faces):
        return SideBySide(faces, names, count, images[:0], (), (), images, faces.notes)
    shown, side = faces.keep(faces.found[:ROWS]), _side(len(columns))
    after, restorations, told = [], [], []
    for number, column in enumerate(columns):
        restored = restore_faces(
            images,
            faces,
            column.restorer,
            _all_of_it(settings, column),
            parser,
            analyzer,
            prepare=column.prepare,
            progress=_part(progress, number, len(columns)),
        )
        after.append(_cut(restored.images, shown, side))
        restorations.append(restored.restorations)
        told.append([note for note in restored.notes if note not in faces.notes])
        told[-1] += _larger(faces, column.restorer)
        del restored  # else its pictures would be there while the next ones are made
    before = _cut(images, shown, side)
    notes = [*faces.notes, *_once(names, told)]
    return SideBySide(
        faces, names, count, before, tuple(after), tuple(restorations), images, tuple(notes)
    )


def _all_of_it(settings: Settings, column: Column) -> Settings:
    return replace(
        settings,
        fidelity=column.fidelity,
        strength=1.0,
        max_pixels=UNLIMITED,
        guard=UNGUARDED,
        factor=1.0,
    )


def _once(names: Sequence[str], told: Sequence[Sequence[str]]) -> list[str]:
    """What is told of all columns, then what is told of some, with their names."""
    shared = [note for note in told[0] if len(told) > 1 and all(note in own for own in told)]
    pairs = ((name, note) for name, own in zip(names, told, strict=True) for note in own)
    return shared + [f"{name}: {note}" for name, note in pairs if note not in shared]


def _side(columns: int) -> int:
    """Pixels of a shown face: the largest that lets them all stand beside each other."""
    fitting = [side for side in SIDES if (columns + 1) * (side + GAP) + GAP <= WIDTH]
    return max(fitting, default=min(SIDES))


def _cut(images: Tensor, faces: Faces, side: int) -> Tensor:
    """(n, side, side, 3), on the CPU, of the same parts of all pictures of these faces."""
    patches = align(images, faces, FRAMING, side).patches[: len(faces)]
    return torch.nan_to_num(patches.detach().float()).clamp(0, 1).cpu()


def _part(progress: Progress, number: int, columns: int) -> Progress:
    """The progress of one column, as a part of all."""

    def advance(done: int, total: int) -> object:
        share = done * PARTS // max(total, 1)
        return progress(number * PARTS + min(share, PARTS), columns * PARTS)

    return advance


def _larger(faces: Faces, restorer: Restorer) -> list[str]:
    """Which faces lose detail, since the network has fewer pixels than they."""
    large = [
        str(number)
        for number, face in enumerate(faces)
        if max(face.width, face.height) > restorer.size
    ]
    if not large:
        return []
    listed = ", ".join(large[:FEW]) + ", ..." * (len(large) > FEW)
    return [
        f"more than the {restorer.size} px of the network, so that Restore Faces would leave it "
        f"as it is: face {listed}"
    ]


def describe_side_by_side(compared: SideBySide) -> str:
    """A line of totals, the notes, a line for every face and restorer, the means of each."""
    if not len(compared.faces):
        return "\n".join(["no face to restore: nothing to compare", *compared.faces.notes])
    columns = list(zip(compared.labels, compared.restorations, strict=True))
    lines = [totals(compared), *compared.notes]
    if all(each.likeness is None for each in compared.restorations[0]):
        lines.append(
            "how like itself each face stays was not measured: that takes an analyzer that knows "
            "identity, such as buffalo_l"
        )
    for number, face in enumerate(compared.faces):
        lines.append(place(number, face))
        lines += [
            f"  {label}: {', '.join(told(column[number]).values())}" for label, column in columns
        ]
    means = [f"mean of {label}: {_means(column)}" for label, column in columns]
    return "\n".join([shortened(lines), *means])


def totals(compared: SideBySide) -> str:
    restorers = counted(compared.restorers, "restorer")
    if len(compared.labels) > compared.restorers:
        restorers += f" in {len(compared.labels)} columns"
    return f"{counted(len(compared.faces), 'face')}, {restorers} side by side"


def place(number: int, face: Face) -> str:
    return f"face {number}, frame {face.frame}, {max(face.width, face.height):.0f} px"


def told(restoration: Restoration) -> dict[str, str]:
    """What a reader is told of a face, by what it is about."""
    if restoration.left is not None:
        return {"left": f"left as it was: {restoration.left}"}
    return _written(*scores(restoration))


def scores(restoration: Restoration) -> tuple[float | None, ...]:
    """Likeness, sharpness before and after, change."""
    return restoration.likeness, *(restoration.sharpness or (None, None)), restoration.change


def _written(
    likeness: float | None, before: float | None, after: float | None, change: float | None
) -> dict[str, str]:
    texts = {
        "likeness": None if likeness is None else f"similarity {likeness:.{PLACES}f}",
        "sharpness": None if after is None else f"sharpness {before:.0f} -> {after:.0f}",
        "change": None if change is None else f"changed by {change:.1%}",
    }
    return {about: text for about, text in texts.items() if text is not None}


def _means(column: Sequence[Restoration]) -> str:
    """Over the faces that were restored."""
    done = sum(each.left is None for each in column)
    values = zip(*map(scores, column), strict=True)
    known = [[each for each in row if each is not None] for row in values]
    means = [sum(each) / len(each) if each else None for each in known]
    return ", ".join([*_written(*means).values(), f"{done} of {counted(len(column), 'face')}"])
