"""Weights out of .onnx files: what each is for is told by the node that uses it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from pack.likeness.initialisers import Graph, read

RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.normal(size=(4, 3, 3, 3)).astype(np.float32)
WEIGHT = RANDOM.normal(size=(6, 5)).astype(np.float32)  # as torch has it: outs, ins
BIAS = RANDOM.normal(size=6).astype(np.float32)
OTHER = RANDOM.normal(size=(5, 5)).astype(np.float32)


def write(
    file: Path,
    nodes: Sequence[onnx.NodeProto],
    stored: dict[str, np.ndarray],
    inputs: Sequence[str] = ("x",),
) -> Path:
    """A file of these nodes and initialisers; its inputs are (N, 5) and its output is the last."""
    taken = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *stored[name].shape])
        if name in stored
        else helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 5])
        for name in inputs
    ]
    answer = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)
    weights = [numpy_helper.from_array(value, name) for name, value in stored.items()]
    graph = helper.make_graph(list(nodes), "graph", taken, [answer], weights)
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), file)
    return file


def node(kind: str, given: str, made: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(kind, given.split(), [made], **attributes)


def same(found: torch.Tensor, wanted: np.ndarray, within: float = 0.0) -> bool:
    assert found.dtype == torch.float32
    return found.shape == wanted.shape and float((found - torch.tensor(wanted)).abs().max()) <= (
        within
    )


LINEARS = {
    "Gemm": ([node("Gemm", "x w b", "y", transB=1)], {"w": WEIGHT, "b": BIAS}),
    "Gemm, ins first": ([node("Gemm", "x w b", "y")], {"w": WEIGHT.T, "b": BIAS}),
    "MatMul and Add": (
        [node("MatMul", "x w", "z"), node("Add", "z b", "y")],
        {"w": WEIGHT.T, "b": BIAS},
    ),
    "Add the other way round": (
        [node("MatMul", "x w", "z"), node("Add", "b z", "y")],
        {"w": WEIGHT.T, "b": BIAS},
    ),
    "through Identity": (
        [
            node("Identity", "w", "same"),
            node("Identity", "same", "again"),
            node("Gemm", "x again b", "y", transB=1),
        ],
        {"w": WEIGHT, "b": BIAS},
    ),
    "turned by a node": (
        [
            node("Transpose", "w", "turned", perm=[1, 0]),
            node("MatMul", "x turned", "z"),
            node("Add", "z b", "y"),
        ],
        {"w": WEIGHT, "b": BIAS},
    ),
    "cast up by a node": (
        [
            node("Cast", "w", "up", to=TensorProto.FLOAT),
            node("Cast", "b", "up2", to=TensorProto.FLOAT),
            node("Gemm", "x up up2", "y", transB=1),
        ],
        {"w": WEIGHT.astype(np.float16), "b": BIAS.astype(np.float16)},
    ),
    "in half precision": (
        [node("Gemm", "x w b", "y", transB=1)],
        {"w": WEIGHT.astype(np.float16), "b": BIAS.astype(np.float16)},
    ),
    "in double precision": (
        [node("Gemm", "x w b", "y", transB=1)],
        {"w": WEIGHT.astype(np.float64), "b": BIAS.astype(np.float64)},
    ),
    "as Constant nodes": (
        [
            node("Constant", "", "w", value=numpy_helper.from_array(WEIGHT)),
            node("Constant", "", "b", value=numpy_helper.from_array(BIAS)),
            node("Gemm", "x w b", "y", transB=1),
        ],
        {},
    ),
}


@pytest.mark.parametrize("way", LINEARS)
def test_a_linear_layer(tmp_path, way):
    nodes, stored = LINEARS[way]
    graph = read(write(tmp_path / "a.onnx", nodes, {"first": OTHER, **stored, "last": OTHER}))
    (layer,) = graph.linears
    within = 0.002 if any(each.dtype == np.float16 for each in stored.values()) else 0
    assert same(layer.weight, WEIGHT, within)
    assert same(layer.bias, BIAS, within)
    assert list(graph.rest) == ["first", "last"]
    assert same(graph.rest["last"], OTHER)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Gemm", "x w b", "y", transB=1, alpha=0.5)],
        [node("Gemm", "x w b", "y", transB=1, beta=0.5)],
        [node("MatMul", "w x", "y")],
    ],
)
def test_what_is_no_plain_layer_is_none(tmp_path, nodes):
    graph = read(write(tmp_path / "a.onnx", nodes, {"w": WEIGHT, "b": BIAS}))
    assert graph.linears == ()
    assert set(graph.rest) == {"w", "b"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_layers_of_torch(tmp_path):
    """A convolution with and without a bias, read back as torch had them."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 1, bias=False)
    ).requires_grad_(False)
    torch.onnx.export(
        network, (torch.rand(1, 3, 8, 8),), tmp_path / "a.onnx", dynamo=False, input_names=["x"]
    )
    graph = read(tmp_path / "a.onnx")
    assert [torch.equal(graph.convolutions[n].weight, network[2 * n].weight) for n in (0, 1)]
    assert torch.equal(graph.convolutions[0].bias, network[0].bias)
    assert graph.convolutions[1].bias is None
    assert graph.inputs == {"x": (1, 3, 8, 8)}
    assert not graph.rest


def chain(order: Sequence[int]) -> list[onnx.NodeProto]:
    """Three convolutions, each answer changed by a linear layer; those are in this order."""
    linears = [node("MatMul", f"x w{number}", f"s{number}") for number in order]
    steps = []
    for number in range(3):
        steps.append(node("Conv", f"c{number} k{number}", f"d{number}"))
        steps.append(node("Mul", f"d{number} s{number}", f"c{number + 1}"))
    return [*linears, *steps, node("Conv", "c3 k3", "y")]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_linear_layers_are_in_the_order_of_what_they_change(tmp_path, order):
    stored = {f"k{number}": KERNEL + number for number in range(4)}
    stored |= {f"w{number}": WEIGHT.T + number for number in range(3)}
    graph = read(write(tmp_path / "a.onnx", chain(order), stored, ["x", "c0"]))
    for number in range(3):
        assert same(graph.linears[number].weight, WEIGHT + number)
    for number in range(4):
        assert same(graph.convolutions[number].weight, KERNEL + number)


def test_inputs(tmp_path):
    """Their sizes, where they have any; older files list all that they store among them."""
    stored = {"w": WEIGHT, "b": BIAS, "sides": np.array([1, 2])}
    nodes = [node("Gemm", "x w b", "y", transB=1)]
    graph = read(write(tmp_path / "a.onnx", nodes, stored, ["x", "w", "b", "sides"]))
    assert graph.inputs == {"x": (None, 5)}


def outside(file: Path, folder: Path) -> Path:
    """The same network with its weights in a file of `folder`."""
    model = onnx.load(file)
    onnx.save(model, file, save_as_external_data=True, location="weights", size_threshold=0)
    model = onnx.load(file, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = f"../{folder.name}/weights"
    file.write_bytes(model.SerializeToString())
    folder.mkdir()
    return file.with_name("weights").rename(folder / "weights")


def test_weights_in_other_files_are_not_opened(tmp_path):
    (tmp_path / "models").mkdir()
    stored = {"w": WEIGHT, "b": BIAS}
    nodes = [node("Gemm", "x w b", "y", transB=1)]
    file = write(tmp_path / "models" / "a.onnx", nodes, stored)
    weights = outside(file, tmp_path / "secret")
    assert weights.stat().st_size > 100
    for _ in range(2):
        with pytest.raises(ValueError, match=r"a\.onnx keeps its weights in other files.*Use a"):
            read(file)
        weights.unlink(missing_ok=True)  # there or not, it is not looked at


def test_a_constant_in_another_file_is_not_opened(tmp_path):
    (tmp_path / "weights").write_bytes(WEIGHT.tobytes())
    held = numpy_helper.from_array(WEIGHT)
    onnx.external_data_helper.set_external_data(held, "weights")
    held.ClearField("raw_data")
    nodes = [node("Constant", "", "w", value=held), node("Gemm", "x w b", "y")]
    with pytest.raises(ValueError, match="keeps its weights in other files"):
        read(write(tmp_path / "a.onnx", nodes, {"b": BIAS}))


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><html>404</html>", b"\0" * 5000])
def test_what_is_no_onnx_file(tmp_path, content):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.onnx \(\d[\d,]* bytes\) cannot be.*Delete it"):
        read(tmp_path / "a.onnx")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_that_was_cut_off(tmp_path, share):
    stored = {"w": WEIGHT, "b": BIAS, "rest": RANDOM.normal(size=9000).astype(np.float32)}
    file = write(tmp_path / "a.onnx", [node("Gemm", "x w b", "y", transB=1)], stored)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"a\.onnx .* cannot be used: .*Delete it"):
        read(file)


def test_weights_of_another_size_than_said(tmp_path):
    file = write(tmp_path / "a.onnx", [node("Gemm", "x w b", "y")], {"w": WEIGHT, "b": BIAS})
    model = onnx.load(file)
    model.graph.initializer[0].dims[0] = 70
    file.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=r"cannot be used: its weights cannot be read.*Delete it"):
        read(file)


def test_whole_numbers_are_no_weights(tmp_path):
    stored = {"shape": np.array([1, 2]), "w": WEIGHT, "b": BIAS}
    graph = read(write(tmp_path / "a.onnx", [node("Gemm", "x w b", "y")], stored))
    assert isinstance(graph, Graph)
    assert not graph.rest
