"""The weights in an .onnx file, read without running it: its layers in the order of its graph.

Names in such files are whatever a program made of them; what a weight is for, the node says that
uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .weights import broken

Shape = tuple[int | None, ...]  # None where a size may be anything

# TensorProto's numbers of float, float16, double and bfloat16.
FLOATS = (1, 10, 11, 16)
EXTERNAL = 1  # TensorProto's data_location of what is kept in another file
CONSTANT = "Constant"
PASSING = ("Cast", "Identity")


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution or a linear layer, its weight laid out as in torch."""

    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True, eq=False)
class Graph:
    """What a file holds, in float32."""

    convolutions: tuple[Layer, ...]
    # By the first convolution that their answer reaches: what tidies a graph up may move them.
    linears: tuple[Layer, ...]
    rest: Mapping[str, Tensor]  # what none of those layers uses, in the file's order
    inputs: Mapping[str, Shape]


def read(file: Path) -> Graph:
    """The weights in `file`. Nothing of it is run, and no other file is opened."""
    graph = _opened(file)
    try:
        constants = {
            tensor.name: _values(tensor)
            for tensor in graph.initializer
            if tensor.data_type in FLOATS
        }
        return _sorted_out(graph, constants)
    except (ValueError, TypeError, IndexError, RuntimeError) as problem:
        raise ValueError(broken(file, f"its weights cannot be read ({problem})")) from problem


def _opened(file: Path) -> Any:
    try:
        from google.protobuf.message import DecodeError
        from onnx import load
    except ImportError as problem:
        raise RuntimeError(
            f"onnx, which reads {file.name}, cannot be used ({problem}). Run 'python install.py' "
            "in the pack's folder with ComfyUI's Python, which installs it."
        ) from problem
    try:
        graph = load(file, load_external_data=False).graph
    except DecodeError as problem:
        raise ValueError(broken(file, "it is not a whole ONNX network")) from problem
    if not graph.node:
        raise ValueError(broken(file, "it holds no ONNX network"))
    inner = [each.t for node in graph.node if node.op_type == CONSTANT for each in node.attribute]
    if any(tensor.data_location == EXTERNAL for tensor in [*graph.initializer, *inner]):
        raise ValueError(
            f"{file} keeps its weights in other files, and those are not opened. Use a copy that "
            "holds them itself: in Python, onnx.save(onnx.load(file), copy) writes one."
        )
    return graph


def _sorted_out(graph: Any, constants: dict[str, Tensor]) -> Graph:
    origin = {name: name for name in constants}  # of what was made of them on the way
    held = {tensor.name for tensor in graph.initializer}  # older files list them as inputs too
    convolutions: list[Layer] = []
    linears: list[Layer] = []
    places: dict[int, int] = {}  # of linears: the first convolution after each
    met: dict[str, frozenset[int]] = {}  # by value: the linears that are in it
    used: set[str] = set()
    for node in graph.node:
        here = frozenset().union(*(met.get(name, ()) for name in node.input))
        if made := _constant(node, constants):
            constants[node.output[0]] = made[0]
            origin[node.output[0]] = origin.get(made[1], node.output[0])
        elif layer := _convolution(node, constants):
            for number in here:
                places.setdefault(number, len(convolutions))
            here = frozenset()
            convolutions.append(layer)
            used.update(node.input[1:])
        elif found := _linear(node, graph, constants):
            here |= {len(linears)}
            linears.append(found[0])
            used.update(found[1])
        met |= dict.fromkeys(node.output, here)
    used = {origin[name] for name in used if name in origin}
    order = sorted(range(len(linears)), key=lambda at: places.get(at, len(convolutions)))
    return Graph(
        tuple(convolutions),
        tuple(linears[at] for at in order),
        {name: constants[name] for name in dict.fromkeys(origin.values()) if name not in used},
        {each.name: _shape(each) for each in graph.input if each.name not in held},
    )


def _constant(node: Any, constants: Mapping[str, Tensor]) -> tuple[Tensor, str] | None:
    """What the node makes of constants alone, and the name of what it is made of."""
    if node.op_type == CONSTANT:
        tensor = next((each.t for each in node.attribute if each.name == "value"), None)
        if tensor is None or tensor.data_type not in FLOATS:
            return None
        return _values(tensor), node.output[0]
    value = constants.get(node.input[0]) if node.input else None
    if value is None:
        return None
    if node.op_type in PASSING:
        return value, node.input[0]
    if node.op_type == "Transpose":
        turned = next((list(each.ints) for each in node.attribute if each.name == "perm"), None)
        return value.permute(turned or list(range(value.ndim))[::-1]), node.input[0]
    return None


def _convolution(node: Any, constants: Mapping[str, Tensor]) -> Layer | None:
    if node.op_type != "Conv" or node.input[1] not in constants:
        return None
    bias = constants.get(node.input[2]) if len(node.input) > 2 else None
    return Layer(constants[node.input[1]], bias)


def _linear(
    node: Any, graph: Any, constants: Mapping[str, Tensor]
) -> tuple[Layer, list[str]] | None:
    """The layer, and the names of the constants in it: a Gemm, or a MatMul and the Add after it."""
    weight = constants.get(node.input[1]) if len(node.input) > 1 else None
    if weight is None or weight.ndim != 2:
        return None
    if node.op_type == "Gemm":
        facts = {each.name: each.i if each.type == each.INT else each.f for each in node.attribute}
        if facts.get("transA") or facts.get("alpha", 1) != 1 or facts.get("beta", 1) != 1:
            return None
        bias = constants.get(node.input[2]) if len(node.input) > 2 else None
        return Layer(weight if facts.get("transB") else weight.T, bias), list(node.input[1:])
    if node.op_type == "MatMul":
        added = _added(node.output[0], graph, constants)
        return Layer(weight.T, constants.get(added)), [node.input[1], added]
    return None


def _added(name: str, graph: Any, constants: Mapping[str, Tensor]) -> str:
    """The constant row that is added to a value; an empty name where there is none."""
    for node in graph.node:
        if node.op_type == "Add" and name in node.input:
            for other in node.input:
                if other in constants and constants[other].ndim == 1:
                    return other
    return ""


def _values(tensor: Any) -> Tensor:
    from onnx import numpy_helper

    return torch.from_numpy(numpy_helper.to_array(tensor).astype("float32"))


def _shape(value: Any) -> Shape:
    sizes = value.type.tensor_type.shape.dim
    return tuple(size.dim_value if size.HasField("dim_value") else None for size in sizes)
