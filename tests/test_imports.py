"""Loading the pack drags nothing heavy in: by its source, and inside the host's interpreter."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from source import ROOT, imports, name_of, tops

HEAVY = (
    "cv2",
    "diffusers",
    "facexlib",
    "insightface",
    "onnx",
    "onnxruntime",
    "peft",
    "skimage",
    "spandrel",
    "transformers",
)
LIGHT = {"torch", "numpy", "kornia", "safetensors", "pack", *sys.stdlib_module_names}
HOST = {"comfy", "comfy_api", "comfy_execution", "folder_paths", "node_helpers"}

LIBRARY = sorted(ROOT.glob("likeness/**/*.py"))
NODES = [ROOT / "__init__.py", *sorted(ROOT.glob("nodes/**/*.py"))]

# What the host has loaded already is taken away first, or nobody would ask the finder for it.
PROBE = """
import asyncio, sys
import comfy.options
comfy.options.enable_args_parsing()
sys.argv = ["main.py", "--cpu"]
import nodes

folder, heavy = {folder!r}, {heavy!r}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in heavy:
            raise RuntimeError(f"loading the pack imports {{name}}")

for name in [name for name in sys.modules if name.partition(".")[0] in heavy]:
    del sys.modules[name]
sys.meta_path.insert(0, Refuse())
print("loaded:", asyncio.run(nodes.load_custom_node(folder)))
print("ours:", sum(name.startswith("Likeness") for name in nodes.NODE_CLASS_MAPPINGS))
"""


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_the_library_loads_nothing_heavy(path):
    assert tops(imports(path, when_loaded=True)) <= LIGHT


@pytest.mark.parametrize("path", NODES, ids=name_of)
def test_the_nodes_load_nothing_heavy(path):
    assert tops(imports(path, when_loaded=True)) <= LIGHT | HOST


def test_the_host_loads_the_pack_without_heavy_packages():
    if "COMFYUI_PATH" not in os.environ:
        pytest.skip("COMFYUI_PATH is not set: run 'python install.py test'")
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    done = subprocess.run(
        [python, "-c", PROBE.format(folder=str(ROOT), heavy=HEAVY)],
        cwd=os.environ["COMFYUI_PATH"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "loaded: True" in done.stdout, done.stdout + done.stderr
    assert int(done.stdout.rsplit("ours:", 1)[1]) > 0
