"""What swapping a folder takes at its peak, with few pictures and with ten times as many."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from measure import Goal, Kind, Row

ROOT = Path(__file__).resolve().parent.parent
FEW, MANY = 6, 60
SIDE = 512  # px: all of them kept as floats would be a fifth of what the program takes


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        pair = (_peak(Path(folder), FEW), _peak(Path(folder), MANY))
    what = f"a folder of {MANY} pictures, against one of {FEW}"
    yield Row("folder", what, (pair,), Goal(Kind.RATIO, 1.1, "GB"))


def _peak(folder: Path, count: int) -> float:
    """Gigabytes that `python -m likeness swap-folder` had in memory at once."""
    source, target = folder / f"{count} pictures", folder / f"{count} swapped"
    photo = _write_pictures(source, count)
    command = [sys.executable, "-m", "likeness", "swap-folder", source, target, "--person", photo]
    log, alone = folder / f"{count}.log", os.environ | {"OMP_NUM_THREADS": "1"}  # sooner done
    with log.open("wb") as told:
        process = subprocess.Popen(
            command, cwd=ROOT, env=alone, stdout=told, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    swapped = len(list(target.glob("*/*.png")))
    if process.returncode or swapped != count:
        sys.exit(f"{swapped} of {count} pictures were swapped:\n{log.read_text('utf-8')}")
    return usage.ru_maxrss * 1024 / 1e9


def _write_pictures(folder: Path, count: int) -> Path:
    """The demo portraits enlarged, each time a little darker; returns one for the person."""
    from pack.likeness.demo import PORTRAITS, read
    from PIL import Image

    folder.mkdir()
    large = [
        torch.nn.functional.interpolate(read(name).movedim(-1, 1), size=SIDE, mode="bicubic")
        for name in PORTRAITS
    ]
    for number in range(count):
        seen = large[number % len(large)][0].movedim(0, -1).clamp(0, 1) * (1 - number / 10 / count)
        pixels = (seen * 255).round().byte().numpy()
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder / "00.png"
