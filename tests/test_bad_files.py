"""Weight files and folders as they should not be, in the real host.

Wanted is a result, or an error that names the node, the file and the cure; afterwards the next
prompt works.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import graphs
import onnx
import pytest
import torch
from graphs import find, marked, node, put, refused, run
from onnx.external_data_helper import convert_model_to_external_data
from standins import insightface_pack as standins

pytestmark = pytest.mark.slow

SIZE = (192, 320)
LANDMARKS = '''
import numpy as np


class Landmarks:
    """Core's face landmarks for some frames, with a face in some of them: no weights exist here."""

    INPUT_TYPES = classmethod(
        lambda cls: {"required": {"frames": ("INT",), "width": ("INT",), "faces": ("STRING",)}}
    )
    RETURN_TYPES, FUNCTION, CATEGORY = ("FACE_LANDMARKS",), "give", "test"

    def give(self, frames, width, faces):
        entries = [[FACE] if str(frame) in faces.split() else [] for frame in range(frames)]
        return ({"frames": entries, "image_size": (192, width), "connection_sets": {}},)


FACE = {
    "bbox_xyxy": np.array([40.5, 20.25, 90.5, 80.75], np.float32),
    "blendshapes": {},
    "landmarks_xy": np.full((478, 2), 50, np.float32) + np.arange(478)[:, None] % 7,
    "landmarks_3d": np.zeros((478, 3), np.float32),
    "presence": 9.0,
    "score": 0.75,
    "transformation_matrix": np.eye(4, dtype=np.float32),
}

NODE_CLASS_MAPPINGS = {"TestLandmarks": Landmarks}
'''


@pytest.fixture(autouse=True)
def lives_on(server):
    yield
    graphs.assert_works(server)


@pytest.fixture
def packs(server):
    """The folder of packs in the host; what a test puts there is taken away after it."""
    folder = server.base / "models/insightface/models"
    before = set(folder.iterdir())
    yield folder
    for path in set(folder.iterdir()) - before:
        shutil.rmtree(path)


@pytest.fixture(scope="module")
def elsewhere(start_server, tmp_path_factory):
    """A host whose models folder may not be written, with packs where a YAML file says."""
    base, weights = (tmp_path_factory.mktemp(name) for name in ("base", "weights é, 1"))
    (base / "custom_nodes").mkdir()
    (base / "custom_nodes" / "landmarks.py").write_text(LANDMARKS, "utf-8")
    standins.write_pack(base / "models/insightface/models/at home", known_answer=True)
    standins.write_pack(weights / "faces/models/far away", known_answer=True)
    standins.write_pack(weights / "more/farther away", known_answer=True)
    cut_off(standins.write_pack(weights / "faces/models/broken") / standins.DETECTOR)
    paths = base / "paths.yaml"
    where = (
        f"likeness:\n  base_path: {weights}\n  insightface: |\n    faces\n    more\n    nowhere\n"
    )
    paths.write_text(where, "utf-8")
    with read_only(base / "models"), read_only(weights):
        arguments = ["--extra-model-paths-config", str(paths)]
        started = start_server(base=base, standins=False, arguments=arguments)
        yield started
        started.stop()


def looks(server, name: str, at: tuple[int, int] = (64, 64)) -> graphs.Seen:
    """What the pack of this name sees in a picture of a marker."""
    return run(server, find(put(server, marked(*SIZE, at)[None]), name), 1)


def assert_broken(server, name: str, *words: str) -> None:
    refused(server, find(put(server, marked(*SIZE)[None]), name), "load", *words)


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def page_of_an_error(file: Path) -> None:
    file.write_bytes(b"<!DOCTYPE html><html><body>404: Not Found</body></html>")


def state_dict(file: Path) -> None:
    torch.save({"weight": torch.zeros(8)}, file)


def without_its_data(file: Path) -> None:
    """A network that keeps its numbers in a second file, which nobody fetched."""
    model = onnx.load(file)
    convert_model_to_external_data(model, location=f"{file.name}.data", size_threshold=0)
    onnx.save(model, file)
    file.with_name(f"{file.name}.data").unlink()


@pytest.mark.parametrize("harm", [cut_off, emptied, page_of_an_error, state_dict, without_its_data])
def test_a_broken_weight_file_is_named_and_mended(server, packs, harm: Callable[[Path], None]):
    folder = standins.write_pack(packs / "harmed", known_answer=True)
    for name in (standins.DETECTOR, standins.IDENTITY):
        whole = (folder / name).read_bytes()
        harm(folder / name)
        assert_broken(server, "harmed", str(folder / name), "put a whole copy in its place")
        (folder / name).write_bytes(whole)
        assert "1 face" in looks(server, "harmed").report


def test_another_kind_of_network(server, packs):
    folder = standins.write_pack(packs / "restorer only") / standins.DETECTOR
    for file in folder.parent.iterdir():
        file.unlink()
    onnx.save(standins.restorer(512), folder.parent / "GFPGANv1.4.onnx")
    words = ("GFPGANv1.4.onnx is another kind of network", "det_10g.onnx", "Load Face Analyzer")
    assert_broken(server, "restorer only", *words)
    onnx.save(standins.restorer(512), folder)
    assert_broken(server, "restorer only", "det_10g.onnx is another kind of network")
    onnx.save(standins.detector(points=False), folder)
    assert_broken(server, "restorer only", "det_10g.onnx is a detector that gives no points")
    onnx.save(standins.known_detector(), folder)
    seen = looks(server, "restorer only")
    assert "1 face" in seen.report
    assert "GFPGANv1.4.onnx is another kind" in seen.result.texts["load"]


def test_a_pack_one_folder_too_deep(server, packs):
    standins.write_pack(packs / "antelopev2/antelopev2", known_answer=True)
    seen = looks(server, "antelopev2")
    assert "1 face" in seen.report
    assert "antelopev2 is unpacked one folder too deep" in seen.result.texts["load"]


@pytest.mark.parametrize("name", ["my  pack é [1]", "белка 顔", "{x} 100% & 'so'"])
def test_names_of_folders(server, packs, name):
    standins.write_pack(packs / name, known_answer=True)
    seen = looks(server, name)
    assert "1 face" in seen.report
    assert f"analyzer: {name}" in seen.report


def test_a_pack_that_is_gone(server, packs):
    folder = standins.write_pack(packs / "gone", known_answer=True)
    assert "1 face" in looks(server, "gone").report
    shutil.rmtree(folder)
    assert_broken(server, "gone", "analyzer", "'gone'", "'built in'")
    prompt = find(put(server, marked(*SIZE)[None]), source=["switch", 0])
    prompt["text"] = node("PrimitiveString", value="gone")
    wires = {"on_true": ["text", 0], "on_false": ["text", 0]}
    prompt["switch"] = node("ComfySwitchNode", switch=True, **wires)
    words = ("analyzer", "'gone'", "built in, buffalo_l", "models/insightface/models")
    refused(server, prompt, "load", *words)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["far away", "farther away", "at home"])
def test_packs_elsewhere_and_folders_that_may_not_be_written(elsewhere, name):
    seen = looks(elsewhere, name)
    assert "1 face" in seen.report
    graphs.assert_works(elsewhere)


def test_the_host_starts_with_folders_that_may_not_be_written(elsewhere):
    start = elsewhere.log().partition("To see the GUI go to")[0]
    [line] = [line for line in start.splitlines() if "Likeness" in line]
    assert re.search(r"seconds: .*Likeness$", line)


def test_a_broken_file_in_a_folder_that_may_not_be_written(elsewhere):
    assert_broken(elsewhere, "broken", standins.DETECTOR, "put a whole copy in its place")
    graphs.assert_works(elsewhere)


def test_landmarks_of_another_batch(elsewhere):
    pictures = put(elsewhere, torch.stack([marked(*SIZE)] * 3))
    prompt = find(pictures, analyzer=["landmarks", 0])
    for frames, width in ((2, 320), (3, 192), (0, 320)):
        prompt["landmarks"] = node("TestLandmarks", frames=frames, width=width, faces="0")
        words = ("analyzer", f"{frames} frames of {width} x 192", "the image has 3", "connect")
        refused(elsewhere, prompt, "detect", *words)
    prompt["landmarks"] = node("TestLandmarks", frames=3, width=320, faces="")
    assert run(elsewhere, prompt, 3).report.startswith("0 faces")
    graphs.assert_works(elsewhere)


def test_cores_landmarks_take_the_detectors_place(elsewhere):
    prompt = find(put(elsewhere, torch.zeros(3, *SIZE, 3)), analyzer=["landmarks", 0])
    prompt["landmarks"] = node("TestLandmarks", frames=3, width=320, faces="1")
    seen = run(elsewhere, prompt, 3)
    assert "found by core's face landmarks" in seen.report
    first, (box,), last = seen.boxes
    assert first == last == []
    assert [box[key] for key in ("x", "y", "width", "height")] == [40, 20, 51, 61]
    assert box["score"] == 0.75


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing may be written in the folder, not even by root; skips where root cannot be held."""
    inside = [folder, *folder.rglob("*")]
    for path in inside:
        path.chmod(path.stat().st_mode & ~0o222)
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    chattr = shutil.which("chattr") if is_root else None
    if chattr:
        subprocess.run([chattr, "-R", "+i", folder], capture_output=True, check=False)
    try:
        with contextlib.suppress(PermissionError):
            (folder / "written").touch()
            pytest.skip("root may write everywhere here, even in what chattr holds")
        yield
    finally:
        if chattr:
            subprocess.run([chattr, "-R", "-i", folder], capture_output=True, check=False)
        for path in inside:
            path.chmod(path.stat().st_mode | 0o200)
