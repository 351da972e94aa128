"""What restoring a face in each of 32 frames takes beyond its outputs, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from measure import Goal, Kind, Row

BENCH = Path(__file__).resolve().parent
FRAMES = 32
FRAME_BYTES = 1080 * 1920 * 3 * 4

# The network is one line and parsing is a ready answer: theirs is no memory of ours. What a first
# frame leaves behind counts for nothing. Pages of the masks that nothing was written to are not
# there yet; they are among the outputs, so they are written to after the peak was read.
RESTORING = """
import sys
bench, frames = sys.argv[1], int(sys.argv[2])
sys.path.append(bench)
import run
run._make_pack_importable()
import torch
from dataclasses import replace
from entry_restore import face_at, negative, oval
from pack.likeness.face import Faces
from pack.likeness.restoring.restore import restore_faces

def resident(what):
    for line in open("/proc/self/status"):
        if line.startswith(what):
            return int(line.split()[1]) * 1024

def restored(images):
    faces = [replace(face_at((960.0, 540.0), 500, 10.0), frame=at) for at in range(len(images))]
    found = Faces(tuple(faces), len(images), tuple(images.shape[1:3]))
    return restore_faces(images, found, negative(), parser=lambda crops: classes)

images, classes = torch.full((frames, 1080, 1920, 3), 0.5), oval().to(torch.uint8)
images[:, 400:700, 800:1100] = torch.rand(300, 300, 3)
restored(images[:1])
open("/proc/self/clear_refs", "w").write("5")
before = resident("VmRSS")
result = restored(images)
peak, after = resident("VmHWM"), resident("VmRSS")
assert all(each.left is None for each in result.restorations), result.restorations[0].left
result.masks.add_(0)
peak += resident("VmRSS") - after
outputs = sum(each.nbytes for each in (result.images, result.masks, result.patches))
print("PEAK", peak - before, outputs)
"""


def rows() -> Iterator[Row]:
    done = subprocess.run(
        [sys.executable, "-c", RESTORING, str(BENCH), str(FRAMES)],
        capture_output=True,
        text=True,
        check=False,
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("PEAK")), None)
    if line is None:
        sys.exit(f"the restoring process failed:\n{done.stdout}{done.stderr}")
    peak, outputs = (int(each) / FRAME_BYTES for each in line.split()[1:])
    what = f"a face restored in each of {FRAMES} 1080p frames: beyond the outputs"
    yield Row("memory", what, ((outputs, peak - outputs),), Goal(Kind.OURS, 1.0, "frame"))
