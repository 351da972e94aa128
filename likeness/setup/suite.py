"""The tests and the benchmarks, run by the Python of the host."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import packages
from .host import add, need, ready
from .place import PACK, Comfy
from .process import Say, clean_environment, typed

# "-m pytest" would put the repository on sys.path, where its folder "nodes" hides ComfyUI's module.
PYTEST = "import sys; sys.path[:] = filter(None, sys.path); import pytest; sys.exit(pytest.main())"


def test(arguments: Sequence[str], say: Say) -> int:
    """The whole suite; `arguments` go to pytest. Returns its exit code."""
    comfy = _ready_with_oracles(say)
    command = ["-c", PYTEST, "--rootdir", str(PACK), "--durations=10", *arguments]
    return _run(comfy, command, PACK)


def bench(arguments: Sequence[str], say: Say) -> int:
    """The benchmarks; `arguments` go to bench/run.py. Returns its exit code."""
    comfy = _ready_with_oracles(say)
    return _run(comfy, [str(PACK / "bench" / "run.py"), *arguments], Path.cwd())


def _ready_with_oracles(say: Say) -> Comfy:
    """The host, with the packages that only the tests and the benchmarks need."""
    comfy = ready(say)
    file = PACK / "tests" / "requirements.txt"
    if comfy.own:
        add(comfy, "tests.json", packages.read(file), say)
    else:
        cure = typed(comfy.python, "-m", "pip", "install", "-r", file)
        need(comfy, packages.read(file), cure)
    return comfy


def _run(comfy: Comfy, command: Sequence[str], folder: Path) -> int:
    environment = clean_environment(
        COMFYUI_PATH=str(comfy.path), COMFYUI_PYTHON=comfy.python, PYTHONUNBUFFERED="1"
    )
    with subprocess.Popen([comfy.python, *command], cwd=folder, env=environment) as child:
        try:
            return child.wait()
        except KeyboardInterrupt:
            return child.wait()  # it got the interrupt too, and ends in its own way
        except SystemExit:  # we alone were told to end; the tests' conftest heeds this as Ctrl-C
            child.terminate()
            raise
