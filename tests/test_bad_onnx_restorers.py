"""Files of restorers in .onnx as they should not be.

Wanted is an error that names the file, what is wrong with it, and the cure.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from pack.likeness.restoring.onnx_restorer import load
from pack.likeness.restoring.table import ROWS
from standins import insightface_pack, onnx_swappers
from standins import onnx_restorers as standins

AGAIN = "put a whole copy in its place"
LIST = "models --list"


@pytest.fixture
def folder(tmp_path):
    for name in ("gfpgan_1.4", "codeformer", "gpen_bfr_256"):
        standins.write_restorer(tmp_path / f"{name}.onnx")
    return tmp_path


def refused(file: Path, *words: str) -> str:
    """What is said of the file; it names it, is short, and holds the words."""
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        load(file)
    told = str(caught.value)
    assert str(file) in told
    assert len(told) < 700, told
    for word in words:
        assert word in told, told
    return told


def empty(file: Path) -> None:
    file.write_bytes(b"")


def page(file: Path) -> None:
    file.write_bytes(b"<!DOCTYPE html><html><body>404: Not Found</body></html>")


def zeros(file: Path) -> None:
    file.write_bytes(bytes(100_000))


def noise(file: Path) -> None:
    file.write_bytes(np.random.default_rng(0).bytes(100_000))


def a_zip(file: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, file)


@pytest.mark.parametrize("harm", [empty, page, zeros, noise, a_zip], ids=lambda each: each.__name__)
@pytest.mark.parametrize("name", ["codeformer", "who knows é"])
def test_what_is_no_network_is_named(tmp_path, harm, name):
    file = tmp_path / f"{name}.onnx"
    harm(file)
    refused(file, "bytes) is not a whole ONNX network", AGAIN, LIST)


def test_a_network_cut_anywhere_is_never_opened(folder):
    file = folder / "codeformer.onnx"
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        refused(file)


def test_what_is_there_no_more(folder):
    with pytest.raises(FileNotFoundError, match=r"gone\.onnx is not there"):
        load(folder / "gone.onnx")
    (folder / "gfpgan_1.2.onnx").mkdir()
    refused(folder / "gfpgan_1.2.onnx", "is a folder")


def test_files_that_are_not_in_the_table(folder):
    """The list of what is known is in the error."""
    standins.write_restorer(folder / "restorer_x.onnx", like="gfpgan_1.4")
    told = refused(folder / "restorer_x.onnx", "supported yet", "its name")
    assert all(name in told for name in ROWS)
    shutil.copy(folder / "gfpgan_1.4.onnx", folder / "gfpgan_1.4 (1).onnx")
    refused(folder / "gfpgan_1.4 (1).onnx", "give it its name back")
    onnx_swappers.write_swapper(folder / "hyperswap_1a_256.onnx")
    refused(folder / "hyperswap_1a_256.onnx", "is not a restorer that is supported yet")


def test_other_networks_under_a_known_name(folder):
    file = folder / "gfpgan_1.4.onnx"
    onnx.save(onnx_swappers.swapper("simswap_unofficial_512"), file)
    told = refused(file, "takes source (1, 512)", "target (1, 3, 512, 512)", AGAIN)
    assert "where input (1, 3, 512, 512)" in told
    onnx.save(insightface_pack.detector(), file)
    refused(file, "input.1", AGAIN)


@pytest.mark.parametrize(
    ("name", "size", "found"),
    [
        ("gpen_bfr_1024", 512, (512, 512)),
        ("gpen_bfr_256", 512, (512, 512)),
        ("gfpgan_1.4", 256, (256, 256)),
        ("gfpgan_1.4", (512, 256), (512, 256)),
        ("gfpgan_1.4", (256, 512), (256, 512)),
        ("codeformer", (384, 512), (384, 512)),
    ],
)
def test_a_network_of_another_size_is_refused_with_both(tmp_path, name, size, found):
    """One that is not square among them."""
    file = tmp_path / f"{name}.onnx"
    onnx.save(standins.restorer(size, ROWS[name].has_fidelity), file)
    takes, expected = refused(file, AGAIN).split(", where ")
    assert f"input {(1, 3, *found)}" in takes
    assert f"input {(1, 3, ROWS[name].size, ROWS[name].size)}" in expected


def renamed(graph) -> None:
    graph.input[0].name = "face"
    next(node for node in graph.node if "input" in node.input).input[0] = "face"


def surplus(graph) -> None:
    graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1]))


def half(graph) -> None:
    """The crop in another number."""
    shape = [1, 3, 512, 512]
    graph.input[0].CopyFrom(helper.make_tensor_value_info("input", TensorProto.FLOAT16, shape))
    graph.node.insert(0, helper.make_node("Cast", ["input"], ["full"], to=TensorProto.FLOAT))
    graph.node[1].input[0] = "full"


def grey(graph) -> None:
    """Of the answer one channel."""
    graph.node[-1].output[0] = "whole"
    graph.node.append(helper.make_node("ReduceMax", ["whole"], ["output"], axes=[1], keepdims=1))
    graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1


def flat(graph) -> None:
    """Without a batch."""
    graph.node[-1].output[0] = "whole"
    graph.node.append(helper.make_node("Squeeze", ["whole"], ["output"]))
    del graph.output[0].type.tensor_type.shape.dim[0]


def doubles(graph) -> None:
    graph.node[-1].output[0] = "single"
    graph.node.append(helper.make_node("Cast", ["single"], ["output"], to=TensorProto.DOUBLE))
    graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE


@pytest.mark.parametrize("edit", [renamed, surplus, half, grey, flat, doubles])
def test_a_restorer_of_other_inputs_or_outputs(tmp_path, edit):
    model = standins.restorer(512)
    edit(model.graph)
    file = tmp_path / "gfpgan_1.3.onnx"
    onnx.save(model, file)
    refused(file, "it takes", "are expected", AGAIN)


def test_a_fidelity_number_that_is_not_as_the_row_says(tmp_path):
    """Missing, unasked, of another kind, of another shape."""
    file = tmp_path / "codeformer.onnx"
    onnx.save(standins.restorer(512), file)
    takes, expected = refused(file).split(", where ")
    assert "weight" not in takes
    assert "weight (1,) tensor(double)" in expected
    other = tmp_path / "gfpgan_1.4.onnx"
    onnx.save(standins.restorer(512, faithful=True), other)
    assert "weight (1,) tensor(double)" in refused(other).split(", where ")[0]
    for kind, shape, told in (
        (TensorProto.FLOAT, [1], "weight (1,) tensor(float)"),
        (TensorProto.DOUBLE, [1, 1], "weight (1, 1) tensor(double)"),
    ):
        model = standins.restorer(512, faithful=True)
        model.graph.input[1].CopyFrom(helper.make_tensor_value_info("weight", kind, shape))
        onnx.save(model, file)
        assert told in refused(file, AGAIN).split(", where ")[0]


@pytest.mark.parametrize("shape", [[], None, ["n"]])
def test_a_fidelity_number_without_a_fixed_shape_goes_in(tmp_path, shape):
    model = standins.restorer(512, faithful=True)
    weight = helper.make_tensor_value_info("weight", TensorProto.DOUBLE, shape)
    model.graph.input[1].CopyFrom(weight)
    file = tmp_path / "codeformer.onnx"
    onnx.save(model, file)
    result = load(file).restore(torch.full((1, 512, 512, 3), 0.5), 1.0)
    assert (result - (0.5 + standins.SHARE / 2)).abs().max() < 1e-6


def test_an_answer_of_another_size_is_refused_when_it_comes(tmp_path):
    """A file need not say how large its answer is."""
    model = standins.restorer(512)
    model.graph.node[-1].output[0] = "whole"
    starts, ends, axes = (
        onnx.numpy_helper.from_array(np.array(values), name)
        for name, values in (("starts", [0]), ("ends", [500]), ("axes", [2]))
    )
    model.graph.initializer.extend([starts, ends, axes])
    model.graph.node.append(
        helper.make_node("Slice", ["whole", "starts", "ends", "axes"], ["output"])
    )
    dims = model.graph.output[0].type.tensor_type.shape.dim
    dims[2].dim_param = "as many as there are"
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "rows"
    file = tmp_path / "gfpgan_1.2.onnx"
    onnx.save(model, file)
    restorer = load(file)
    with pytest.raises(ValueError, match=r"answers \(1, 3, 512, 512\) with \(1, 3, 500, 512\)"):
        restorer.restore(torch.zeros(1, 512, 512, 3), 0.5)


@pytest.mark.parametrize("place", ["../secret.bin", "beside.bin", "/etc/hostname"])
def test_weights_in_another_file_are_not_opened(tmp_path, place):
    inner = tmp_path / "facerestore_models"
    inner.mkdir()
    for secret in (tmp_path / "secret.bin", inner / "beside.bin"):
        secret.write_bytes(bytes(12))
    model = standins.restorer(512)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", place), ("offset", "0"), ("length", "12")):
        tensor.external_data.add(key=key, value=value)
    file = inner / "gfpgan_1.4.onnx"
    file.write_bytes(model.SerializeToString())
    refused(file, f"in another file, '{place}'", "not opened", LIST)
