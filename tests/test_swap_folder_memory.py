"""Swap Folder holds one picture at a time, however many there are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from picture_folders import ROOT, command, portrait

FEW, MANY, SIDE = 4, 40, 1200  # pictures, and pixels of a side: 17 MB as floats
ROOM = 60  # MB: what three more of them would take, where 36 are more
STARTED = """
import resource, runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_module("likeness", run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak(source: Path, target: Path, person: Path) -> int:
    """MB of the largest the process ever was."""
    _, _, _, *arguments = command(source, target, "--person", person)
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    done = subprocess.run(
        [python, "-c", STARTED, "likeness", *arguments],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.rsplit("peak ", 1)[1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak in the units of Linux")
def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path):
    portrait("harbour", 400).save(tmp_path / "person.png")
    (tmp_path / "few").mkdir()
    (tmp_path / "many").mkdir()
    portrait("cafe", SIDE).save(tmp_path / "few" / "0.jpg", quality=90)
    for folder, count in (("few", FEW), ("many", MANY)):
        for number in range(count):
            to = tmp_path / folder / f"{number:02}.jpg"
            shutil.copy(tmp_path / "few" / "0.jpg", to)
    (tmp_path / "few" / "0.jpg").unlink()
    few = peak(tmp_path / "few", tmp_path / "out few", tmp_path / "person.png")
    many = peak(tmp_path / "many", tmp_path / "out many", tmp_path / "person.png")
    print(f"{few} MB with {FEW} pictures, {many} MB with {MANY}")
    assert many < few + ROOM
