"""Take the wanted files out of a zip, side by side in one folder, and nothing else."""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo


class NotAsExpected(Exception):
    """The archive is broken, or does not hold what it should."""


def unpack(archive: Path, folder: Path, names: tuple[str, ...]) -> None:
    """Put the files `names` of `archive` into `folder`, however deep they lie in it.

    Only these names are ever written, so an archive cannot reach another place. They are unpacked
    beside `folder` first: a broken archive or a kill leaves `folder` as it was.
    """
    staging = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        with ZipFile(archive) as source:
            entries = _entries(source, names)
            staging.mkdir()
            for name, entry in entries.items():
                with source.open(entry) as packed, (staging / name).open("wb") as sink:
                    shutil.copyfileobj(packed, sink, 1 << 20)
        folder.mkdir(exist_ok=True)
        for name in names:
            (staging / name).replace(folder / name)
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise NotAsExpected(f"a zip that cannot be unpacked ({error})") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _entries(source: ZipFile, names: tuple[str, ...]) -> dict[str, ZipInfo]:
    found = {
        entry.filename.replace("\\", "/").rpartition("/")[2]: entry
        for entry in source.infolist()
        if not entry.is_dir()
    }
    absent = [name for name in names if name not in found]
    if absent:
        raise NotAsExpected(
            f"a zip without {', '.join(absent)}; it holds {', '.join(sorted(found)) or 'nothing'}"
        )
    return {name: found[name] for name in names}
