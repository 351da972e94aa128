"""What the pack adds to ComfyUI's start, against an empty pack."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import Goal, Kind, Row

ROOT = Path(__file__).resolve().parent.parent
PROCESSES = 5

# Runs in ComfyUI's folder. The first empty pack pays for what the host loads at its first pack.
LOADING = """
import asyncio, logging, sys, time
empty, ours = sys.argv[1:]
sys.argv = ["main.py", "--cpu"]
sys.path.insert(0, ".")
import comfy.options
comfy.options.enable_args_parsing()
import nodes
asyncio.run(nodes.init_builtin_extra_nodes())
times = []
for path in (empty + "/first", empty + "/second", ours):
    start = time.perf_counter()
    assert asyncio.run(nodes.load_custom_node(path, module_parent="custom_nodes")), path
    times.append(time.perf_counter() - start)
print("TIMES", *times[1:])
"""


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("first", "second"):
            pack = Path(folder, name)
            pack.mkdir()
            (pack / "__init__.py").write_text("NODE_CLASS_MAPPINGS = {}\n", "utf-8")
        _load(folder)  # leaves compiled files, as any first start of ComfyUI does
        pairs = tuple(_load(folder) for _ in range(PROCESSES))
    yield Row("import", "loading the pack, against an empty pack", pairs, Goal(Kind.EXTRA, 0.05))


def _load(empty: str) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", LOADING, empty, str(ROOT)],
        cwd=os.environ["COMFYUI_PATH"],
        env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
        capture_output=True,
        text=True,
        check=False,
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("TIMES")), None)
    if line is None:
        sys.exit(f"ComfyUI's nodes could not be loaded:\n{done.stdout}{done.stderr}")
    baseline, ours = map(float, line.split()[1:])
    return baseline, ours
