"""The pack in a ComfyUI that is too old: one line with the cure, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
TOO_OLD = (
    "hide('comfy_api')",
    "hide('comfy_api.latest')",
    "forget(io.Combo.Input, 'advanced')",
    "forget(io.Schema, 'search_aliases')",
    "del io.MultiType",
)
NEW_ENOUGH = ("None", "del io.BoundingBox")
# The real host, once for each change: it forks when it has loaded its own nodes.
HOST = """
import asyncio, os, sys
import comfy.options
comfy.options.enable_args_parsing()
sys.argv = ["main.py", "--cpu"]
import nodes
from comfy_api.latest import io

def hide(name):
    class Missing:
        def find_spec(self, found, path=None, target=None):
            if found == name:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    for found in [found for found in sys.modules if found.startswith(name)]:
        del sys.modules[found]
    sys.meta_path.insert(0, Missing())

def forget(kind, option):
    complete = kind.__init__
    def init(self, *values, **options):
        if option in options:
            raise TypeError(f"__init__() got an unexpected keyword argument {option!r}")
        complete(self, *values, **options)
    kind.__init__ = init

for change in sys.stdin.read().splitlines():
    sys.stdout.write(f"### {change}\\n")
    sys.stdout.flush()
    if os.fork() == 0:
        exec(change)
        sys.stdout.write(f"loaded: {asyncio.run(nodes.load_custom_node(os.environ['PACK']))}\\n")
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    """What the host wrote while it loaded the pack, for each change."""
    if "COMFYUI_PATH" not in os.environ:
        pytest.skip("COMFYUI_PATH is not set: run 'python install.py test'")
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork a host that has loaded its nodes")
    done = subprocess.run(
        [os.environ.get("COMFYUI_PYTHON", sys.executable), "-c", HOST],
        cwd=os.environ["COMFYUI_PATH"],
        env={**os.environ, "PACK": str(ROOT)},
        input="\n".join(TOO_OLD + NEW_ENOUGH),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    parts = [part.partition("\n") for part in done.stdout.split("### ")[1:]]
    return {change: written for change, _, written in parts}


@pytest.mark.parametrize("change", TOO_OLD)
def test_one_line_names_the_cure(told, change):
    assert "loaded: False" in told[change]
    assert "Traceback" not in told[change]
    [line] = [line for line in told[change].splitlines() if "Likeness needs" in line]
    assert line.endswith("update ComfyUI, then restart it.")


@pytest.mark.parametrize("change", NEW_ENOUGH)
def test_a_host_that_has_what_is_used_is_new_enough(told, change):
    assert "loaded: True" in told[change]
