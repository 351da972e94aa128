"""`python -m likeness run` as its users start it: a process of a Python that has no packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# -I -S: nothing of the environment, no site-packages; what is imported beyond Python's own is told.
BARE = """
import runpy, sys
sys.path.insert(0, {root!r})
sys.argv[0] = "likeness"
try:
    runpy.run_module("likeness", run_name="__main__", alter_sys=True)
finally:
    tops = {{name.partition(".")[0] for name in sys.modules}}
    foreign = tops - {{*sys.stdlib_module_names, "likeness", "__main__"}}
    assert not foreign, foreign
"""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def paths(self) -> list[Path]:
        return [Path(line) for line in self.out.splitlines()]

    @property
    def report(self) -> dict:
        return json.loads(self.paths[-1].read_text("utf-8"))


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", BARE.format(root=str(ROOT)), *map(str, arguments)]


def start(*arguments: object, folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        command("run", *arguments),
        cwd=folder,
        env={key: value for key, value in os.environ.items() if key in ("PATH", "SYSTEMROOT")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def run(*arguments: object, folder: Path) -> Done:
    return ended(start(*arguments, folder=folder))


def ended(process: subprocess.Popen, seconds: float = 120) -> Done:
    try:
        out, err = process.communicate(timeout=seconds)
    finally:
        process.kill()
    return Done(process.returncode, out, err)
