"""What pasting into a batch of 4K frames takes beyond its output, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from measure import Goal, Kind, Row

ROOT = Path(__file__).resolve().parent.parent
FRAMES = 64
GIGABYTES_A_FRAME = 2160 * 3840 * 3 * 4 / 1e9
SPARE = 3.0  # gigabytes that are left to the rest of the machine

# One face in every frame, 512 px patches that are views of a few. Input and patches are there
# before the first measurement; what a first paste of one frame leaves behind counts for nothing.
PASTING = """
import sys, types
root, frames = sys.argv[1], int(sys.argv[2])
pack = types.ModuleType("pack")
pack.__path__ = [root]
sys.modules["pack"] = pack
import torch
from pack.likeness.crop import Crop, as_crops
from pack.likeness.geometry import turn
from pack.likeness.paste import paste

def resident(what):
    for line in open("/proc/self/status"):
        if line.startswith(what):
            return int(line.split()[1]) * 1024

def crops_of(images):
    patch = torch.rand(1, 512, 512, 3)
    matrix = turn((1900.0, 1000.0), 10, 512 / 600, (255.5, 255.5))
    cut = [Crop(frame, matrix, patch[0], 300.0) for frame in range(len(images))]
    return as_crops(cut, images, patch.expand(len(images), -1, -1, -1))

images = torch.full((frames, 2160, 3840, 3), 0.5)
crops = crops_of(images)
first = crops_of(images[:1])
paste(images[:1], 1 - first.patches[:1], first)
patches = torch.rand(1, 512, 512, 3)
open("/proc/self/clear_refs", "w").write("5")
before = resident("VmRSS")
result = paste(images, patches, crops).images
print("PEAK", resident("VmHWM") - before, result.numel() * result.element_size())
"""


def rows() -> Iterator[Row]:
    frames = min(FRAMES, int((_available() - SPARE) / (2 * GIGABYTES_A_FRAME)))
    if frames < 2:
        sys.exit(f"memory: no room for two 4K frames and their output: {_available():.1f} GB free")
    done = subprocess.run(
        [sys.executable, "-c", PASTING, str(ROOT), str(frames)],
        capture_output=True,
        text=True,
        check=False,
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("PEAK")), None)
    if line is None:
        sys.exit(f"the pasting process failed:\n{done.stdout}{done.stderr}")
    peak, output = (float(each) / 1e9 / GIGABYTES_A_FRAME for each in line.split()[1:])
    what = f"a face in each of {frames} 4K frames: beyond the output, peak"
    yield Row("memory", what, ((output, peak - output),), Goal(Kind.OURS, 1.0, "frame"))


def _available() -> float:
    """Gigabytes."""
    for line in Path("/proc/meminfo").read_text("utf-8").splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) * 1024 / 1e9
    raise OSError("/proc/meminfo does not say how much memory is available")
