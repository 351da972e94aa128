"""Every performance figure of the README, as a ratio measured in one run.

`python install.py bench [NAME ...] [--check] [--json FILE]` starts this in ComfyUI's own Python.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import signal
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

from measure import Row

ROOT = Path(__file__).resolve().parent.parent

HEADER = f"{'':7} {'':62} {'baseline':>8} {'ours':>8} {'':5} {'median':>8} (lowest to highest)"
ENTRIES = {
    "import": "entry_import",
    "detect": "entry_detect",
    "paste": "entry_paste",
    "restore": "entry_restore",
    "around": "entry_restore_around",
    "layout": "entry_restore_layout",
    "restore-memory": "entry_restore_memory",
    "stitch": "entry_stitch",
    "memory": "entry_memory",
    "recognise": "entry_recognise",
    "swap": "entry_swap",
    "folder": "entry_swap_memory",
    "soft-edge": "entry_soft_edge",
    "reference": "entry_reference",
    "recipe": "entry_recipe",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python install.py bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(ENTRIES)}")
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    options = parser.parse_args()
    unknown = set(options.names) - set(ENTRIES)
    if unknown:
        parser.error(f"no entry {', '.join(sorted(unknown))}; there are: {', '.join(ENTRIES)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # servers are stopped, too
    _make_pack_importable()
    rows = []
    print(HEADER)
    for name in options.names or ENTRIES:
        for row in _entry(name)():
            print(row, flush=True)
            rows.append(row)
    if options.json:
        report = {"machine": _machine(), "rows": [row.as_dict() for row in rows]}
        options.json.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return int(options.check and not all(row.reached for row in rows))


def _entry(name: str) -> Callable[[], Iterator[Row]]:
    return importlib.import_module(ENTRIES[name]).rows


def _make_pack_importable() -> None:
    """As `pack`: a repository on sys.path would shadow ComfyUI's own `nodes`."""
    pack = types.ModuleType("pack")
    pack.__path__ = [str(ROOT)]
    sys.modules["pack"] = pack
    sys.path.append(str(ROOT / "tests"))  # for the stand-ins


def _machine() -> dict:
    import torch

    return {
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    sys.exit(main())
