"""Embeddings in micro-batches: the same as one by one, for faces of any frames and any origin."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import onnx
import pytest
import torch
from pack.likeness import insight
from pack.likeness.compare import cosine
from pack.likeness.detect import detect
from pack.likeness.face import Face
from pack.likeness.frontal import cascade
from pack.likeness.recognise import BATCH, embedded, recognise
from standins import insightface_pack as standins


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return insight.load(standins.write_pack(tmp_path_factory.mktemp("models") / "buffalo_l"))


@pytest.fixture(scope="module")
def photographs():
    import insightface
    from skimage import data

    astronaut = np.zeros((886, 1280, 3), np.uint8)  # as large as the other one
    astronaut[:512, :512] = data.astronaut()
    crowd = insightface.data.get_image("t1")[..., ::-1]
    return torch.from_numpy(np.stack([crowd, astronaut])).float() / 255


@pytest.fixture(scope="module")
def faces(pack, photographs):
    return detect(photographs, pack)


@dataclass
class Counting:
    """An analyzer that notes how many crops it is given at once."""

    inner: insight.Pack
    lengths: list = field(default_factory=list)

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def embed(self, crops):
        self.lengths.append(len(crops))
        return self.inner.embed(crops)


def bare(faces):
    return [replace(face, embedding=None, space=None) for face in faces]


def test_a_batch_gives_what_one_by_one_gives(pack, photographs, faces):
    assert len(faces) > 2 * BATCH
    assert len({face.frame for face in faces}) == 2
    for face in faces:
        [alone] = recognise(photographs, bare([face]), pack)
        assert cosine(face.embedding, alone.embedding) >= 0.9999
        assert (face.embedding - alone.embedding).abs().max() < 1e-5
        assert (face.space, face.embedding.shape) == ("w600k_r50", (512,))
    different = [cosine(faces.found[0].embedding, face.embedding) for face in faces.found[1:]]
    assert min(different) < 0.99, "the embeddings tell nothing apart"


def test_faces_go_in_few_at_a_time_and_come_back_in_order(pack, photographs, faces):
    shuffled = bare(faces)[::-1][::2] + bare(faces)[::2]
    counting, calls = Counting(pack), []
    found = recognise(photographs, shuffled, counting, lambda *call: calls.append(call))
    assert counting.lengths[:-1] == [BATCH] * (len(shuffled) // BATCH)
    assert sum(counting.lengths) == len(shuffled)
    assert calls == [(done + 1, len(shuffled)) for done in range(len(shuffled))]
    known = {face.box: face.embedding for face in faces}
    for was, face in zip(shuffled, found, strict=True):
        assert (face.frame, face.box) == (was.frame, was.box)
        torch.testing.assert_close(face.embedding, known[face.box], atol=1e-5, rtol=0)
        assert was.embedding is None


def test_only_a_few_crops_are_held(pack, photographs, faces):
    """Frames are asked for one after the other, no sooner than the crops before are through."""
    counting, asked = Counting(pack), []

    def shown():
        for face in bare(faces):
            asked.append(len(counting.lengths))
            yield face, np.zeros((20, 20, 3), np.uint8)

    list(embedded(shown(), counting))
    assert asked == [number // BATCH for number in range(len(faces))]


def test_the_pictures_stay_what_they_were(pack, photographs, faces):
    kept = photographs.clone()
    recognise(photographs, bare(faces), pack)
    assert torch.equal(photographs, kept)


def test_no_faces(pack):
    assert recognise(torch.zeros(1, 8, 8, 3), [], pack) == []
    assert pack.embed([]).shape == (0, 512)


def test_faces_of_another_origin(pack, photographs, faces):
    """Such as core's landmarks give: whole numbers, no score, outside the frame."""
    first = faces.found[0]
    rounded = Face(first.frame, first.box, first.points.round(), 1.0)
    outside = Face(1, (-90, -90, -10, -10), first.points - 3000, 1.0)
    [near, far] = recognise(photographs, [rounded, outside], pack)
    assert cosine(near.embedding, first.embedding) > 0.9
    assert far.embedding.isfinite().all()


def test_cancel_is_heard(pack, photographs, faces):
    class Cancelled(BaseException): ...

    def cancel(done, total):
        raise Cancelled

    counting = Counting(pack)
    with pytest.raises(Cancelled):
        recognise(photographs, bare(faces), counting, cancel)
    assert counting.lengths == [BATCH]


@pytest.mark.parametrize("value", [float("nan"), 7.0])
def test_points_that_hold_no_face(pack, photographs, faces, value):
    broken = replace(faces.found[0], points=torch.full((5, 2), value))
    with pytest.raises(ValueError, match=r"face in frame 0 cannot be recognised.*Select Faces"):
        recognise(photographs, [broken], pack)


def test_an_analyzer_without_identity(tmp_path, photographs, faces):
    built_in = cascade.load()
    assert built_in.space is None
    for call in (
        lambda: recognise(photographs, bare(faces), built_in),
        lambda: built_in.embed([]),
    ):
        with pytest.raises(ValueError, match=r"'built in' knows no identity.*buffalo_l"):
            call()
    onnx.save(standins.detector(), tmp_path / standins.DETECTOR)
    with pytest.raises(ValueError, match="knows no identity"):
        recognise(photographs, bare(faces), insight.load(tmp_path))


def declared(batch, rows) -> onnx.ModelProto:
    """The stand-in with this many crops in and rows out, by its declaration."""
    model = standins.regressor(112, 512, "input.1", "683", 4, 3)
    for value, number in ((model.graph.input[0], batch), (model.graph.output[0], rows)):
        dimension = value.type.tensor_type.shape.dim[0]
        dimension.Clear()
        setattr(dimension, "dim_value" if isinstance(number, int) else "dim_param", number)
    return model


def flattened_to_one() -> onnx.ModelProto:
    """Takes any number by its declaration, and makes one row of them all further in."""
    model = declared("N", 1)
    [flatten] = [node for node in model.graph.node if node.op_type == "Flatten"]
    flatten.op_type = "Reshape"
    flatten.input.append("shape")
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, -1]), "shape"))
    return model


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        (declared("None", 1), [8, 3]),  # as arcface_torch exports: w600k_r50 and its kind
        (declared("N", "N"), [8, 3]),
        (declared(1, 1), [1] * 11),
        (flattened_to_one(), [1] * 11),
    ],
    ids=["real", "any", "one", "one inside"],
)
def test_files_of_every_kind_of_batch(tmp_path, model, asked, monkeypatch):
    standins.write_pack(tmp_path)
    onnx.save(model, tmp_path / standins.IDENTITY)
    pack = insight.load(tmp_path)
    network, seen = pack.networks["recognition"], []
    get_feat = network.get_feat

    def counted(crops):
        seen.append(len(crops))
        return get_feat(crops)

    monkeypatch.setattr(network, "get_feat", counted)
    crops = np.random.default_rng(0).integers(0, 256, (11, 112, 112, 3), dtype=np.uint8)
    rows = pack.embed(list(crops))
    assert seen == asked
    for row, crop in zip(rows, crops, strict=True):
        [alone] = get_feat([np.ascontiguousarray(crop[..., ::-1])])
        np.testing.assert_allclose(row, alone, atol=1e-5)
    assert rows.std(dim=0).max() > 0.01
