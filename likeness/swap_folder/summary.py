"""What a finished run leaves beside the pictures: metadata, a report, a contact sheet, a README."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..detect import Analyzer
from ..montage.montage import Montage
from ..report import counted, shortened
from ..swapping.swapper import Swapper
from .contact import contact_sheet
from .journal import METADATA, README, REPORT, SHEET, Journal, Record, State, line
from .provenance import BY_HAND, BY_NETWORK
from .sources import Listing
from .written import put, remove

STATEMENT = (
    "Faces in these pictures were swapped by {swapper}. The pictures are synthetic: they show no "
    "real event, and the person shown was not there. Use them only with the consent of that person."
)
CARD = """\
---
configs:
- config_name: default
  data_files:
  - split: train
    path: "accepted/**"
---
# Swapped pictures

{statement}

- `accepted/`: pictures that passed every filter. Its `metadata.jsonl` is what the `imagefolder`
  of Hugging Face's datasets reads: a line for each picture, with the file it was made from, the
  person, the face's box (x, y, width, height) and every measured value.
- `rejected/`: pictures that a filter took for broken, with the reasons in its `metadata.jsonl`.
- `report.json`: totals, settings, reasons, and what was skipped.
- `contact-sheet.jpg`: faces before and after.

Each picture says the same of itself: in its description, and in XMP as the digital source type
{kind}.
"""


@dataclass(frozen=True)
class FolderReport:
    """What became of a folder."""

    folder: Path
    accepted: int
    rejected: int
    skipped: int
    reasons: tuple[tuple[str, int], ...]  # why pictures were rejected or skipped, most first
    notes: tuple[str, ...]
    sheet: Path | None  # None: there is no result to show


def summarise(
    journal: Journal,
    listed: Listing,
    settings: Mapping[str, object],
    swapper: Swapper | Montage,
    analyzer: Analyzer,
) -> FolderReport:
    """Write the summaries of all records; the same bytes for the same records."""
    target = journal.target
    for state, place in METADATA.items():
        rows = b"".join(line(_row(record)) for record in journal.of(state))
        put(target, place, rows) if rows else remove(target, place)
    notes = [*listed.notes, *dict.fromkeys((*swapper.notes, *analyzer.notes))]
    gone = len(journal.records.keys() - {picture.name for picture in listed.pictures})
    if gone:
        notes.append(f"{counted(gone, 'picture')} not in the folder any more: the results stay")
    skipped = [[each.source, "; ".join(each.reasons)] for each in journal.of(State.SKIPPED)]
    skipped += map(list, listed.others)
    statement = STATEMENT.format(swapper=swapper.name)
    report = {
        "what": statement,
        "digital_source_type": _kind(swapper),
        "totals": {
            "pictures": len(journal.records),
            **{state.value: len(journal.of(state)) for state in State},
            "other_files": len(listed.others),
        },
        "settings": settings,
        "reasons": dict(_reasons(journal)),
        "rejected": [
            {"file": record.file, "source": record.source, "reasons": list(record.reasons)}
            for record in journal.of(State.REJECTED)
        ],
        "skipped": [{"source": name, "reason": why} for name, why in sorted(skipped)],
        "notes": notes,
    }
    put(target, REPORT, (json.dumps(report, ensure_ascii=False, indent=2) + "\n").encode("utf-8"))
    put(target, README, CARD.format(statement=statement, kind=_kind(swapper)).encode("utf-8"))
    sheet = contact_sheet(journal, listed)
    put(target, SHEET, sheet) if sheet else remove(target, SHEET)
    journal.tidy(settings)
    counts = [len(journal.of(state)) for state in (State.ACCEPTED, State.REJECTED)]
    return FolderReport(
        target,
        *counts,
        len(skipped),
        tuple(_reasons(journal)),
        tuple(notes),
        target / SHEET if sheet else None,
    )


def describe_folder(report: FolderReport) -> str:
    """A line of totals, why pictures were left out, the notes."""
    total = report.accepted + report.rejected + report.skipped
    lines = [
        f"{report.accepted} of {counted(total, 'file')} accepted, {report.rejected} rejected, "
        f"{report.skipped} skipped, in {report.folder}"
    ]
    lines += [f"{count} x {reason}" for reason, count in report.reasons]
    lines += report.notes
    lines.append("the pictures are synthetic and say so in their metadata")
    return shortened(lines)


def _row(record: Record) -> dict:
    """A line of metadata.jsonl."""
    row = {"file_name": record.file, "source": record.source, "faces": list(record.faces)}
    if record.state is State.REJECTED:
        row["reasons"] = list(record.reasons)
    return row | {"notes": list(record.notes)}


def _reasons(journal: Journal) -> list[tuple[str, int]]:
    """Without their values, the most frequent first."""
    counts = Counter(
        reason.partition(":")[0] for each in journal.sorted() for reason in each.reasons
    )
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


def _kind(swapper: Swapper | Montage) -> str:
    return BY_HAND if isinstance(swapper, Montage) else BY_NETWORK
