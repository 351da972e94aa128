"""What a run has done so far: a line for every picture, on the disk before the picture is.

The first line names the settings. A picture's record comes before the file that it names, so a
file that no record names is never ours, and one that is to be replaced is removed before; where a
run was killed between the two, the picture is done again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path

from .written import KEPT, WORK, FolderError, complaints, contents, own_folder, put, remove

FILE = f"{WORK}/journal.jsonl"
KIND, FORM = "Likeness swap folder", 1
SHOWN = 60  # characters of a setting in a message


class State(str, Enum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SKIPPED = "skipped"


# What a run writes beside the pictures.
METADATA = {state: f"{state.value}/metadata.jsonl" for state in (State.ACCEPTED, State.REJECTED)}
REPORT, README, SHEET = "report.json", "README.md", "contact-sheet.jpg"
SUMMARIES = (*METADATA.values(), REPORT, README, SHEET)


@dataclass(frozen=True)
class Record:
    """What became of one picture of the folder."""

    source: str
    digest: str | None  # sha256 of the source; None where it could not be read
    state: State
    file: str | None = None  # name of the result in the folder of its state
    reasons: tuple[str, ...] = ()  # why it was rejected or skipped
    faces: tuple[dict, ...] = ()  # of each face that was swapped: where, who, and the measures
    notes: tuple[str, ...] = ()

    @property
    def place(self) -> str | None:
        """The result below the target."""
        return None if self.file is None else f"{self.state.value}/{self.file}"


@dataclass
class Journal:
    """The records of a target folder, by source."""

    target: Path
    records: dict[str, Record] = field(default_factory=dict)
    ours: set[str] = field(default_factory=set)  # places that a record has ever named

    def done(self, source: str, digest: str, file: str) -> bool:
        """Whether this very picture has its result."""
        record = self.records.get(source)
        if record is None or record.digest != digest:
            return False
        if record.place is None:
            return True
        return record.file == file and (self.target / record.place).is_file()

    def add(self, record: Record, content: bytes | None) -> None:
        """Write down what became of a picture, then put its result in place.

        What was there goes first: a file that is there is always that of the record.
        """
        if record.place is not None and record.place not in self.ours:
            self._require_free(record.place)
        for place in self._replaced_by(record):
            remove(self.target, place)
        with complaints(self.target), (self.target / FILE).open("ab") as file:
            file.write(line(_plain(record)))
            file.flush()
            os.fsync(file.fileno())
        self.records[record.source] = record
        if record.place is not None:
            self.ours.add(record.place)
            put(self.target, record.place, content)

    def _replaced_by(self, record: Record) -> set[str]:
        """Where the result comes, and where the one before was; not what is another's by now."""
        before = self.records.get(record.source)
        others = {each.place for each in self.records.values() if each is not before}
        old = set() if before is None else {before.place} - others
        return (old | {record.place}) & self.ours

    def tidy(self, settings: Mapping[str, object]) -> None:
        """One line for each picture, in their order: the same however the run came here."""
        lines = [_header(settings), *(line(_plain(record)) for record in self.sorted())]
        put(self.target, FILE, b"".join(lines))

    def sorted(self) -> list[Record]:
        return [self.records[name] for name in sorted(self.records)]

    def of(self, state: State) -> list[Record]:
        return [record for record in self.sorted() if record.state is state]

    def _require_free(self, place: str) -> None:
        path = self.target / place
        if path.exists() or path.is_symlink():
            raise FolderError(
                f"{path} is there and no run has written it: move it away, or choose another "
                f"folder. {KEPT}"
            )


def open_journal(target: Path, settings: Mapping[str, object], anew: bool) -> Journal:
    """The journal of the folder, which must be of these settings; a new one in an empty folder."""
    for state in METADATA:
        own_folder(target / state.value)
    if (target / FILE).is_file():
        journal = _read(target, settings, anew)
        if not anew:
            return journal
        _clear(journal)
    else:
        _require_empty(target)
    put(target, FILE, _header(settings))
    return Journal(target)


def lost(target: Path) -> list[str]:
    """The results that a run has left in the folder and that are not there any more."""
    try:
        lines, _ = _lines(contents(target / FILE))
        records = {values["source"]: _record(values) for values in lines[1:]}
    except (
        LookupError,
        OSError,
        RecursionError,
        TypeError,
        ValueError,
    ):  # whoever goes on with it says why
        return []
    places = [record.place for record in records.values() if record.place is not None]
    return sorted(place for place in places if not (target / place).is_file())


def line(values: Mapping[str, object]) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode("utf-8") + b"\n"


def differences(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """What two settings do not share, in words."""
    names = dict.fromkeys([*before, *now])
    return [
        f"{name} was {_shown(before.get(name))}, is {_shown(now.get(name))}"
        for name in names
        if before.get(name) != now.get(name)
    ]


def _read(target: Path, settings: Mapping[str, object], anew: bool) -> Journal:
    path = target / FILE
    own_folder(path)
    with complaints(target):
        content = contents(path)
    try:
        lines, whole = _lines(content)
        before, records = _begun(lines[0]), [_record(values) for values in lines[1:]]
    except (LookupError, RecursionError, TypeError, ValueError) as error:
        raise FolderError(
            f"{path} cannot be read: it is broken, or by another version. Choose another folder"
        ) from error
    changed = [] if anew else differences(before, json.loads(line(settings)))
    if changed:
        raise FolderError(
            f"{target} was begun with other settings: {'; '.join(changed)}. Choose another "
            "folder, or start anew (--anew), which removes what that run has written"
        )
    journal = Journal(target)
    for record in records:
        journal.records[record.source] = record
        if record.place is not None:
            journal.ours.add(record.place)
    if whole < len(content):  # the last line was cut off
        with complaints(target):
            os.truncate(path, whole)
    return journal


def _lines(content: bytes) -> tuple[list, int]:
    """The values of the whole lines, up to the first that is none; and how many bytes they are."""
    found, whole = [], 0
    for each in content.splitlines(keepends=True):
        try:
            found.append(json.loads(each) if each.endswith(b"\n") else None)
        except ValueError:
            break
        if found[-1] is None:
            found.pop()
            break
        whole += len(each)
    return found, whole


def _require_empty(target: Path) -> None:
    with complaints(target):
        strangers = sorted(name for name in os.listdir(target) if name != WORK)
    if strangers:
        raise FolderError(
            f"{target} is not empty ({', '.join(strangers[:3])}) and holds no results of Swap "
            "Folder: choose a new or empty folder"
        )


def _clear(journal: Journal) -> None:
    """Remove what the journal names as written by us; the journal goes last."""
    for place in (*sorted(journal.ours), *SUMMARIES, FILE):
        remove(journal.target, place)


def _header(settings: Mapping[str, object]) -> bytes:
    return line({"kind": KIND, "form": FORM, "settings": settings})


def _plain(record: Record) -> dict:
    return asdict(record) | {"state": record.state.value}


def _begun(header: dict) -> dict:
    """The settings that a run was begun with."""
    if (header["kind"], header["form"]) != (KIND, FORM) or not isinstance(header["settings"], dict):
        raise ValueError("another program's")
    return header["settings"]


def _record(values: dict) -> Record:
    """A folder may be a stranger's: what its journal names is written over, and removed."""
    lists = {name: tuple(values[name]) for name in ("reasons", "faces", "notes")}
    words = [values["source"], *lists["reasons"], *lists["notes"]]
    if not all(isinstance(each, str) for each in words):
        raise TypeError("its words are none")
    if not all(isinstance(each, dict) for each in lists["faces"]):
        raise TypeError("its faces are none")
    record = Record(**(values | lists | {"state": State(values["state"])}))
    if record.file is not None and not _is_plain(record.file):
        raise ValueError(f"{record.file!r} leads out of the folder")
    if (record.file is None) is not (record.state is State.SKIPPED):
        raise ValueError("a result without a file, or a file without a result")
    return record


def _is_plain(name: str) -> bool:
    return Path(name).name == name and name[:1] not in ("", ".") and "\0" not in name


def _shown(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + " ..."
