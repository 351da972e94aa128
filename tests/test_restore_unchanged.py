"""A restorer that changes nothing gives the picture back; and the same restoration twice."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pack.likeness.align import Template, align
from pack.likeness.face import Faces
from pack.likeness.laid import Way
from pack.likeness.paste import Blend, Method
from pack.likeness.restoring.load import load
from pack.likeness.restoring.restore import Restored, Settings, restore_faces
from pack.likeness.restoring.restorer import Restorer
from standins import onnx_restorers, restorers
from test_align import batch, face_at
from test_paste_oracles import PLACES
from tiny_restorer import TinyRestorer
from torch import Tensor

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
SIZES = [(97, 160), (160, 97)]
every_size = pytest.mark.parametrize("size", SIZES)
everywhere = pytest.mark.parametrize("place", PLACES)
SAME = Settings(guard=1, min_pixels=0, max_pixels=4096)


def photo(size: tuple[int, int]) -> Tensor:
    """(1, H, W, 3) of a photograph around a face."""
    from skimage import data

    top, left = 60, 150
    part = data.astronaut()[top : top + size[0], left : left + size[1]]
    return torch.from_numpy(part.copy())[None].float() / 255


def placed(size: tuple[int, int], place: str) -> Faces:
    x, y, eyes, roll = PLACES[place]
    return batch(size, face_at(x * size[1], y * size[0], eyes * min(size), roll))


def in_memory(size: int = 256, template: Template = Template.FFHQ) -> TinyRestorer:
    return TinyRestorer(lambda crops, fidelity: crops, size=size, template=template)


@pytest.fixture(scope="module")
def in_files(tmp_path_factory) -> dict[str, Restorer]:
    """In onnxruntime, with the two frames that there are."""
    folder = tmp_path_factory.mktemp("models")
    return {
        name: load(onnx_restorers.write_identity(folder / f"{name}.onnx", side))
        for name, side in (("gfpgan_1.4", 512), ("gpen_bfr_256", 256))
    }


def there_and_back(images: Tensor, done: Restored, faces: Faces, restorer: Restorer) -> np.ndarray:
    """(H, W, 3) by OpenCV, bilinear, mixed in by our mask."""
    (crop,) = align(images, faces, restorer.template, restorer.size, fit="robust").cut
    picture, matrix = images[0].numpy(), crop.matrix.numpy()
    side = (restorer.size, restorer.size)
    there = cv2.warpAffine(picture, matrix, side, borderMode=cv2.BORDER_REFLECT_101)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    back = cv2.warpAffine(
        there, matrix, picture.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    mask = done.masks[0, ..., None].numpy()
    return mask * back + (1 - mask) * picture


def no_further_off(images: Tensor, faces: Faces, restorer: Restorer) -> None:
    done = restore_faces(images, faces, restorer, SAME)
    assert torch.equal(done.images[done.masks == 0], images[done.masks == 0])
    assert done.masks.any()
    theirs = there_and_back(images, done, faces, restorer) - images[0].numpy()
    ours = (done.images - images)[0].numpy()
    level = 0.05 / 255  # what OpenCV's warp and ours differ by
    assert np.abs(ours).mean() <= np.abs(theirs).mean() + level
    assert np.abs(ours).max() <= np.abs(theirs).max() + level
    assert np.abs(theirs).max() > 0.001, "they are not off at all"


@every_size
@pytest.mark.parametrize(
    ("place", "side"),
    # What becomes less than half as large is averaged, and aliased by OpenCV.
    [(p, s) for p in PLACES for s in (64, 256, 512) if s > 64 or PLACES[p][2] < 1],
)
def test_replaced_by_itself_it_is_no_further_off_than_by_opencv(size, place, side):
    no_further_off(photo(size), placed(size, place), in_memory(side))


@every_size
@pytest.mark.parametrize("name", ["gfpgan_1.4", "gpen_bfr_256"])
def test_the_same_by_onnxruntime(in_files, size, name):
    no_further_off(photo(size), placed(size, "half outside"), in_files[name])


@every_size
@everywhere
@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_change_only_leaves_every_bit(size, place, method, dtype):
    images = photo(size).to(dtype)
    settings = Settings(guard=1, min_pixels=0, max_pixels=4096, way=Way.CHANGE, blend=Blend(method))
    done = restore_faces(images, placed(size, place), in_memory(), settings)
    assert torch.equal(done.images, images)


@every_size
@pytest.mark.parametrize("place", ["turned", "half outside"])
@pytest.mark.parametrize("name", ["gfpgan_1.4", "gpen_bfr_256"])
def test_change_only_by_onnxruntime(in_files, size, place, name):
    """The way to -1..1 and back costs the last bits, which do not count as a change."""
    images, faces = photo(size), placed(size, place)
    settings = Settings(guard=1, min_pixels=0, max_pixels=4096, way=Way.CHANGE)
    done = restore_faces(images, faces, in_files[name], settings)
    assert torch.equal(done.images, images)


# --- the same twice ---------------------------------------------------------------------------

AGAIN = """
import sys
from pathlib import Path
sys.path[:] = [entry for entry in sys.path if entry]
sys.path.insert(0, sys.argv[1])
import conftest
from test_restore_unchanged import digest
print("DIGEST", digest(Path(sys.argv[2])))
"""


def digest(file: Path) -> str:
    """Of the pictures, masks and crops that the restorer in a file makes."""
    size = (160, 200)
    images = photo(size).repeat(2, 1, 1, 1)
    faces = batch(size, face_at(70, 60, 40, 4), face_at(120, 90, 30, -20, frame=1), frames=2)
    settings = Settings(
        min_pixels=0, guard=1, factor=1.5, blend=Blend(Method.BANDS, colour=0.5, grain=1.0)
    )
    done = restore_faces(images, faces, load(file), settings)
    assert (done.masks > 0).any()
    parts = (done.images, done.masks, done.patches)
    return hashlib.sha256(b"".join(part.numpy().tobytes() for part in parts)).hexdigest()


def write(folder: Path, kind: str) -> Path:
    if kind == "onnx":
        return onnx_restorers.write_restorer(folder / "codeformer.onnx")
    if kind == "gfpgan":
        return restorers.write(folder / "GFPGANv1.4.pth", restorers.gfpgan_tensors())
    return restorers.write_restoreformer(folder / "RestoreFormer.pth")


@pytest.mark.parametrize("kind", ["restoreformer", "onnx", "gfpgan"])
def test_same_file_same_picture(tmp_path, kind):
    file = write(tmp_path, kind)
    first, second = digest(file), digest(file)
    assert first == second
    done = subprocess.run(
        [sys.executable, "-c", AGAIN, str(ROOT / "tests"), str(file)],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("DIGEST ")[1].strip() == first
