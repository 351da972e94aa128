"""insightface packs: the numbers of the package itself, and the ways in which a folder is wrong."""

from __future__ import annotations

import json
import shutil
import warnings

import numpy as np
import onnx
import pytest
from pack.likeness import insight, sessions
from pack.likeness.face import Sex
from pack.likeness.recognise import embedded
from standins import insightface_pack as standins

CPU = ["CPUExecutionProvider"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return standins.write_pack(tmp_path_factory.mktemp("models") / "buffalo_l")


@pytest.fixture(scope="module")
def pack(folder):
    return insight.load(folder)


@pytest.fixture(scope="module")
def photographs():
    import insightface
    from skimage import data

    return {
        "astronaut": data.astronaut(),
        "t1": np.ascontiguousarray(insightface.data.get_image("t1")[..., ::-1]),
    }


@pytest.fixture(scope="module")
def reference(folder):
    from insightface.app import FaceAnalysis

    analysis = FaceAnalysis(str(folder), providers=CPU)
    analysis.prepare(ctx_id=-1, det_thresh=0.5, det_size=(640, 640))
    return analysis


@pytest.mark.parametrize("name", ["astronaut", "t1"])
@pytest.mark.parametrize("reach", [1.0, 0.5])
def test_results_are_those_of_insightface(pack, reference, photographs, name, reach):
    picture = photographs[name]
    reference.det_model.input_sizes = [(round(640 * reach),) * 2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        theirs = reference.get(np.ascontiguousarray(picture[..., ::-1]))
    ours = pack.find(picture, 0.5, reach)
    assert {(face.embedding, face.space) for face in ours} == {(None, None)}
    ours = list(embedded(((face, picture) for face in ours), pack))
    assert len(ours) == len(theirs) > 3
    for face, other in zip(ours, theirs, strict=True):
        assert np.array_equal(face.box, other.bbox)
        assert np.array_equal(face.points, other.kps)
        assert face.score == other.det_score
        assert np.array_equal(face.landmarks68, other.landmark_3d_68[:, :2])
        np.testing.assert_allclose(face.embedding, other.embedding, atol=1e-5)
        assert np.array_equal(face.pose, other.pose)
        assert face.age == other.age
        assert face.sex == (Sex.MALE if other.sex == "M" else Sex.FEMALE)
        assert (face.frame, face.space) == (0, "w600k_r50")


def test_a_swapped_channel_order_would_be_noticed(pack, photographs):
    picture = photographs["astronaut"]
    faces, swapped = (pack.find(p, 0.5) for p in (picture, picture[..., ::-1].copy()))
    assert [face.box for face in faces] != [face.box for face in swapped]


def test_threshold_and_input_stay_what_they_were(pack, photographs):
    picture = photographs["astronaut"].copy()
    scores = [face.score for face in pack.find(picture, 0.3)]
    assert np.array_equal(picture, photographs["astronaut"])
    assert min(scores) < 0.5
    kept = [face.score for face in pack.find(picture, 0.5)]
    assert kept == [score for score in scores if score >= 0.5]


def test_what_a_pack_tells_of_itself(pack, folder):
    assert pack.name == "buffalo_l"
    assert pack.folder == folder
    assert pack.parts == ("detection", "landmarks", "identity", "sex and age")
    assert pack.providers == ("CPUExecutionProvider",)
    assert pack.notes == ()


def test_a_pack_of_a_detector_alone(tmp_path, folder, photographs):
    shutil.copy(folder / standins.DETECTOR, tmp_path)
    pack = insight.load(tmp_path)
    assert pack.parts == ("detection",)
    assert (pack.space, pack.side) == (None, 0)
    face = pack.find(photographs["astronaut"], 0.5)[0]
    assert face.embedding is face.landmarks68 is face.age is face.sex is face.pose is None
    assert face.space is None


def test_embeddings_of_crops(pack):
    crops = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    assert pack.embed(list(crops)).shape == (3, 512)


@pytest.mark.parametrize("size", [(1, 1), (1, 16), (16, 16), (3, 4000), (97, 160), (4000, 16)])
def test_any_size_is_looked_at(pack, size):
    assert pack.find(np.full((*size, 3), 90, np.uint8), 0.5) == []


@pytest.mark.parametrize("name", ["tiny é [1]", "белка", "a [b", "{x} 100%"])
def test_names_of_folders(tmp_path, name, capfd):
    folder = standins.write_pack(tmp_path / name, known_answer=True)
    assert insight.packs([tmp_path]) == {name: folder}
    assert insight.load(folder).parts[0] == "detection"
    assert capfd.readouterr() == ("", "")


def test_a_relative_folder(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert insight.load("buffalo_l").folder == folder


def test_one_folder_too_deep(tmp_path, folder):
    shutil.copytree(folder, tmp_path / "antelopev2" / "antelopev2")
    assert insight.packs([tmp_path]) == {"antelopev2": tmp_path / "antelopev2"}
    pack = insight.load(tmp_path / "antelopev2")
    assert pack.name == "antelopev2"
    assert len(pack.parts) == 4
    assert "too deep" in pack.notes[0]


def test_packs_are_listed_in_order_and_once(tmp_path, folder):
    one, two = tmp_path / "one", tmp_path / "two"
    for place in ("models/zeta", "models/alpha", "beside", "models/empty"):
        (one / place).mkdir(parents=True)
        if place != "models/empty":
            (one / place / "x.onnx").touch()
    for place in ("alpha", "models/other"):
        (two / place).mkdir(parents=True)
        (two / place / "X.ONNX").touch()
    (one / "inswapper_128.onnx").touch()
    found = insight.packs([one, two, tmp_path / "missing"])
    assert list(found) == ["alpha", "zeta", "beside", "other"]
    assert found["alpha"] == one / "models" / "alpha"


@pytest.mark.parametrize("name", [standins.DETECTOR, standins.IDENTITY])
@pytest.mark.parametrize("keep", [0.5, 0.001, 0.0])
def test_a_broken_file_is_named(tmp_path, folder, name, keep):
    broken = shutil.copytree(folder, tmp_path / "buffalo_l") / name
    content = broken.read_bytes()
    broken.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(ValueError, match=rf"{name} \([\d,]+ bytes\).*models --list"):
        insight.load(broken.parent)


def test_another_kind_of_network_is_left_aside(tmp_path, folder, photographs):
    mixed = shutil.copytree(folder, tmp_path / "buffalo_l")
    onnx.save(standins.restorer(512), mixed / "GFPGANv1.4.onnx")
    onnx.save(standins.restorer(128), mixed / "a.onnx")
    onnx.save(standins.restorer("side"), mixed / "b.onnx")
    onnx.save(standins.regressor(112, 7, "input", "emotion", 1, 0), mixed / "c.onnx")
    shutil.copy(mixed / standins.IDENTITY, mixed / "z.onnx")
    pack = insight.load(mixed)
    assert len(pack.parts) == 4
    assert pack.space == "w600k_r50"
    for name in ("GFPGANv1.4.onnx", "a.onnx", "b.onnx", "c.onnx", "z.onnx"):
        assert any(name in note for note in pack.notes)
    assert pack.find(photographs["astronaut"], 0.5)


def test_folders_without_a_detector(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match=r"no \.onnx files"):
        insight.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="is not there"):
        insight.load(tmp_path / "nowhere")
    bare = shutil.copytree(folder, tmp_path / "bare")
    (bare / standins.DETECTOR).unlink()
    with pytest.raises(ValueError, match="no face detector"):
        insight.load(bare)
    onnx.save(standins.restorer(512), bare / standins.DETECTOR)
    with pytest.raises(ValueError, match=r"det_10g.onnx is another kind of network"):
        insight.load(bare)
    onnx.save(standins.detector(points=False), bare / standins.DETECTOR)
    with pytest.raises(ValueError, match=r"det_10g.onnx is a detector that gives no points"):
        insight.load(bare)


def test_a_detector_of_one_size(tmp_path):
    onnx.save(standins.known_detector(size=320), tmp_path / standins.DETECTOR)
    pack = insight.load(tmp_path)
    picture = np.zeros((192, 320, 3), np.uint8)
    picture[64:96, 128:160] = standins.marker(32)
    [face] = pack.find(picture, 0.5, reach=2.0)
    np.testing.assert_allclose(face.box, standins.marked_face(128, 64, 32)[0], atol=1e-3)
    for size in ((1, 500), (500, 1)):
        assert pack.find(np.zeros((*size, 3), np.uint8), 0.5) == []


@pytest.fixture
def described(tmp_path, folder):
    """A pack with a manifest, of a detector and an identity network."""
    for name in (standins.DETECTOR, standins.IDENTITY):
        shutil.copy(folder / name, tmp_path)
    tasks = {"detection": standins.DETECTOR, "recognition": standins.IDENTITY}
    manifest = {
        "manifest_version": 2,
        "model_id": "raccoon_s",
        "license": "MODEL.LICENSE",
        "tasks": {task: {"file": name} for task, name in tasks.items()},
    }
    (tmp_path / "MODEL.LICENSE").touch()
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def test_a_pack_with_a_manifest(described, photographs):
    pack = insight.load(described)
    assert pack.parts == ("detection", "identity")
    assert pack.space == "w600k_r50"
    crops = [np.zeros((pack.side, pack.side, 3), np.uint8)]
    assert pack.embed(crops).shape == (1, 512)


@pytest.mark.parametrize("name", [standins.DETECTOR, standins.IDENTITY])
@pytest.mark.parametrize("keep", [0.5, 0.0])
def test_a_broken_file_of_a_manifest_is_named(described, name, keep):
    broken = described / name
    content = broken.read_bytes()
    broken.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(ValueError, match=rf"{name} \([\d,]+ bytes\).*models --list"):
        insight.load(described)


def test_loading_asks_for_no_download(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    insight.load(standins.write_pack(tmp_path / "pack"))
    assert not (tmp_path / ".insightface").exists()


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_providers_are_read_back(folder):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime offers CUDA")
    pack = insight.load(folder, ["CUDAExecutionProvider", "CPUExecutionProvider"])
    assert pack.providers == ("CPUExecutionProvider",)
    [note] = pack.notes
    assert "could not start CUDAExecutionProvider for 1k3d68.onnx" in note
    assert "install.py doctor" in note


def test_notes_on_providers():
    cuda, cpu = ["CUDAExecutionProvider", "CPUExecutionProvider"], ["CPUExecutionProvider"]
    assert sessions.provider_notes(cuda, {"a.onnx": cuda, "b.onnx": cuda}) == []
    [missing, *groups] = sessions.provider_notes(cuda, {"a.onnx": cuda, "b.onnx": cpu})
    assert "could not start CUDAExecutionProvider for b.onnx" in missing
    assert groups == ["a.onnx: " + ", ".join(cuda), "b.onnx: CPUExecutionProvider"]


def test_two_runtimes_are_reported_with_their_cure(tmp_path, monkeypatch):
    assert sessions.runtime_notes() == []
    for name in ("onnxruntime", "onnxruntime-gpu"):
        info = tmp_path / f"{name.replace('-', '_')}-1.23.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.23.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    [note] = sessions.runtime_notes()
    assert "onnxruntime and onnxruntime-gpu are both installed" in note
    assert "'python install.py'" in note
