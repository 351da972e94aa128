"""Files of taggers and lists of tags as they should not be, and networks that answer nonsense.

Wanted is an error that names the file, what is wrong with it, and the cure.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from pack.likeness.onnx_network import runs_on_the_cpu
from pack.likeness.tagging.labels import read
from pack.likeness.tagging.tag import Settings, tag_images
from pack.likeness.tagging.tagger import Tagger, load
from standins import insightface_pack, onnx_restorers
from standins import taggers as standins

AGAIN = "put a whole copy in its place"
ROWS = [("general", 9), ("smile", 0), ("long_hair", 0)]
ANSWERS = [0.9, 0.8, 0.7]
PICTURES = torch.full((3, 8, 8, 3), 0.5)


@pytest.fixture
def file(tmp_path) -> Path:
    return standins.write_pair(tmp_path, "wd", ROWS, standins.fixed(ANSWERS))


def refused(file: Path, *words: str) -> None:
    """What is said of a tagger names its file, is short, and holds the words."""
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        load(file)
    told = str(caught.value)
    assert len(told) < 700, told
    for word in (file.stem, str(file.parent), *words):
        assert word in told, told


@pytest.mark.parametrize(
    "content",
    [b"", b"<!DOCTYPE html><html><body>404</body></html>", bytes(9000), b"\x08\x07" * 4000],
    ids=["empty", "page", "zeros", "noise"],
)
def test_what_is_no_network_is_named(file, content):
    file.write_bytes(content)
    refused(file, "bytes) is not a whole ONNX network", AGAIN)


def test_what_is_there_no_more_or_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.onnx is not there"):
        load(tmp_path / "gone.onnx")
    (tmp_path / "wd.onnx").mkdir()
    refused(tmp_path / "wd.onnx", "is a folder")


def test_a_network_of_a_newer_onnx_asks_for_a_newer_onnxruntime(file):
    model = standins.fixed(ANSWERS)
    model.opset_import[0].version = 999
    file.write_bytes(model.SerializeToString())
    refused(file, "too new for onnxruntime", "1.17", "Update onnxruntime", "999")


def test_networks_of_other_kinds(file):
    onnx.save(onnx_restorers.restorer(512), file)
    refused(file, "is not a WD14 tagger", "input (1, 3, 512, 512)", "colours last", "Load Tagger")
    onnx.save(onnx_restorers.restorer(512, faithful=True), file)
    refused(file, "it takes 2 inputs (input (1, 3, 512, 512)", "weight", "not one picture")
    onnx.save(insightface_pack.detector(), file)
    refused(file, "is not a WD14 tagger", "input.1")


def shaped(*sides: object, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """One that declares its picture so."""
    model = standins.fixed(ANSWERS)
    taken = helper.make_tensor_value_info("input", kind, list(sides))
    model.graph.input[0].CopyFrom(taken)
    if kind != TensorProto.FLOAT:
        model.graph.node.insert(
            0, helper.make_node("Cast", ["input"], ["cast"], to=TensorProto.FLOAT)
        )
        model.graph.node[1].input[0] = "cast"
    return model


@pytest.mark.parametrize(
    ("sides", "reason"),
    [
        ((2, 448, 448, 3), "1 or any number"),
        ((1, 448, 448, 4), "colours last"),
        ((1, 448, 448, 1), "colours last"),
        ((1, 448, 320, 3), "a square of a fixed size"),
        (("n", "side", "side", 3), "a square of a fixed size"),
        ((1, 4, 4, 3), "a square of a fixed size"),
        ((1, 5000, 5000, 3), "a square of a fixed size"),
    ],
)
def test_pictures_of_another_shape(file, sides, reason):
    onnx.save(shaped(*sides), file)
    told = ", ".join(repr(side) for side in sides)
    refused(file, f"input ({told}) tensor(float)", reason, "Choose another file")


def test_other_numbers(file):
    onnx.save(shaped(1, 448, 448, 3, kind=TensorProto.FLOAT16), file)
    refused(file, "tensor(float16)", "tensor(float) is expected")
    model = standins.fixed(ANSWERS)
    model.graph.node[-1].output[0] = "single"
    model.graph.node.append(helper.make_node("Cast", ["single"], ["output"], to=TensorProto.DOUBLE))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    onnx.save(model, file)
    refused(file, "it gives tensor(double)", "Choose another file")


@pytest.mark.parametrize("rows", [ROWS[:2], [*ROWS, ("hat", 0)]], ids=["fewer", "more"])
def test_a_list_of_another_length_is_refused_with_both_numbers(file, rows):
    standins.write_list(file.with_suffix(".csv"), rows)
    words = ("gives 3 numbers", f"wd.csv has {len(rows)} tags", "install.py models wd.csv")
    refused(file, *words, "selected_tags.csv")


def test_a_list_of_another_length_is_found_out_later_where_nothing_is_declared(file):
    model = standins.fixed(ANSWERS)
    model.graph.node[-1].output[0] = "whole"
    every = numpy_helper.from_array(np.ones(3, bool), "every")
    model.graph.initializer.append(every)
    model.graph.node.append(helper.make_node("Compress", ["whole", "every"], ["output"], axis=1))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "tags"
    onnx.save(model, file)
    standins.write_list(file.with_suffix(".csv"), ROWS[:2])
    tagger = load(file)
    with pytest.raises(ValueError, match=r"gives 3 numbers .*wd\.csv has 2 tags.*models wd\.csv"):
        tag_images(PICTURES, tagger)


def test_a_network_without_its_list(file):
    file.with_suffix(".csv").unlink()
    refused(file, "wd.csv is not in", "selected_tags.csv", "save it there as wd.csv")


def test_a_known_network_without_its_list(tmp_path):
    file = standins.write_tagger(tmp_path)
    file.with_suffix(".csv").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        load(file)
    told = str(caught.value)
    assert "wd-vit-tagger-v3.csv is not in" in told
    assert "'python install.py models wd-vit-tagger-v3.csv'" in told


LISTS = {
    "empty": (b"", "it is empty"),
    "blank": (b"\n \n\n", "no column name and no column category, but nothing"),
    "page": (b"<!DOCTYPE html><html>404: Not Found", "but <!doctype html>"),
    "columns": (b"tag_id,tag,category,count\n1,a,0,2\n", "no column name, but tag_id, tag, cat"),
    "no header": (b"1,a,0,2\n2,b,0,2\n", "no column name and no column category"),
    "semicolons": (b"tag_id;name;category\n1;a;0\n", "no column name and no column category"),
    "header alone": (b"tag_id,name,category,count\n", "a header and no tag"),
    "utf-16": ("name,category\na,0\n".encode("utf-16"), "not written in UTF-8"),
    "latin": ("name,category\né,0\n".encode("latin-1"), "not written in UTF-8"),
    "short row": (b"name,category\na,0\nb\n", "tag number 2 has no name or no category"),
    "no name": (b"name,category\na,0\n ,0\n", "tag number 2 has no name or no category"),
    "category": (b"name,category\na,0\nb,general\n", "tag number 2 is 'general'"),
    "quote": (b'name,category\n"a,0\n' + b"b,0\n" * 50_000, "field larger"),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_that_are_none(file, name):
    content, reason = LISTS[name]
    file.with_suffix(".csv").write_bytes(content)
    refused(file, f"wd.csv ({len(content):,} bytes) is not the list", reason, AGAIN)


def test_a_list_too_large_is_not_read(tmp_path):
    with (tmp_path / "wd.csv").open("wb") as opened:
        opened.truncate(60_000_000)
    with pytest.raises(ValueError, match="too large"):
        read(tmp_path / "wd.csv")


def test_a_list_cut_anywhere_is_refused_or_does_not_fit(file):
    """It never gives tags under wrong names."""
    whole = file.with_suffix(".csv").read_bytes()
    for length in range(len(whole) - len("ir,0,1666666\n")):
        file.with_suffix(".csv").write_bytes(whole[:length])
        refused(file)


def answering(file: Path, answers: list[float]) -> Tagger:
    onnx.save(standins.fixed(answers), file)
    return load(file)


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
def test_answers_that_are_no_numbers(file, strange):
    tagger = answering(file, [0.5, strange, 0.5])
    with pytest.raises(ValueError, match=r"wd\.onnx answers with values that are no numbers"):
        tag_images(PICTURES, tagger)


@pytest.mark.parametrize("strange", [-0.5, 1.5, 7.0])
def test_answers_that_are_no_confidence(file, strange):
    tagger = answering(file, [0.5, strange, 0.5])
    with pytest.raises(ValueError, match=r"wd\.onnx answers with .* the sigmoid.*Load Tagger"):
        tag_images(PICTURES, tagger)


def test_answers_that_rounding_took_out_of_range(file):
    tagger = answering(file, [0.5, 1.0005, -0.0005])
    tagged = tag_images(PICTURES, tagger, Settings(general=0))
    assert tagged.pictures[0].found == (("smile", 1.0), ("long hair", 0.0))


def test_a_network_that_fails_as_it_runs(file):
    """It is asked for fewer at once, and then told of, with the file."""
    model = standins.seeing()
    fixed = next(each for each in model.graph.initializer if each.name == "flat")
    fixed.raw_data = np.array([7, 5], np.int64).tobytes()  # 588 values make no 7 x 5
    standins.write_pair(file.parent, "wd", [(f"pixel_{at}", 0) for at in range(588)], model)
    with pytest.raises(ValueError, match=r"wd\.onnx did not take \(1, 448, 448, 3\)"):
        tag_images(PICTURES, load(file))


@pytest.mark.parametrize("shape", [(0, 8, 8, 3), (1, 0, 8, 3), (8, 8, 3), (1, 8, 8, 2)])
def test_pictures_that_are_none(file, shape):
    with pytest.raises(ValueError, match="cannot be tagged"):
        tag_images(torch.zeros(shape), load(file))


def test_a_cancel_is_not_swallowed(file):
    class Cancelled(BaseException):
        pass

    def cancel(done: int, total: int) -> None:
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        tag_images(PICTURES, load(file), None, cancel)


def test_what_fails_elsewhere_is_asked_for_on_the_cpu(file):
    """By a provider that every onnxruntime has and that does nothing itself."""
    elsewhere = ["AzureExecutionProvider", "CPUExecutionProvider"]
    onnx.save(standins.fixed([0.5, np.nan, 0.5]), file)
    tagger = load(file, elsewhere)
    if runs_on_the_cpu(tagger.session):
        pytest.skip("this onnxruntime has no other provider than the CPU")
    with pytest.raises(ValueError, match="values that are no numbers"):
        tag_images(PICTURES, tagger)
    onnx.save(standins.fixed(ANSWERS), file)  # what the CPU gets right
    tagged = tag_images(PICTURES, tagger)
    assert tagged.texts == ["smile, long hair"] * 3
    assert [note.partition(":")[0] for note in tagged.notes] == [
        "one picture at a time was asked for",
        "done on the CPU",
    ]
