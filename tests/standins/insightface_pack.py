"""Writes a small insightface pack: the file names, inputs and outputs of buffalo_l, random weights.

With `known_answer` its detector finds one thing only, the upright marker that `marker` draws, and
reports a face whose box and points are known in advance.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper, save

DETECTOR = "det_10g.onnx"
LANDMARKS_68 = "1k3d68.onnx"
LANDMARKS_106 = "2d106det.onnx"
IDENTITY = "w600k_r50.onnx"
ATTRIBUTES = "genderage.onnx"

STRIDES = (8, 16, 32)
ANCHORS = 2
SCORES = ("443", "468", "493")
BOXES = ("446", "471", "496")
POINTS = ("449", "474", "499")

# Of the stand-in face, in strides from the anchor, which is the upper left corner of a cell.
BOX = (0.25, 0.25, 1.25, 1.5)  # distances to the left, upper, right and lower edge
FIVE = ((0.3, 0.35), (0.7, 0.35), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))

# Of the random detector: some ten finds in a photograph, none on a flat surface.
GAIN = 2.0
FLOOR = {8: -20.0, 16: -4.5, 32: -4.5}

MARKER_CELL = 32  # the marker is found where it covers one cell of this many network pixels
MARKER = 8  # and is drawn on a grid of this many squares a side


def write_pack(folder: Path, known_answer: bool = False, seed: int = 0) -> Path:
    """Write the five files of buffalo_l into `folder`, which is made if need be; about 2 MB."""
    folder.mkdir(parents=True, exist_ok=True)
    save(known_detector() if known_answer else detector(seed), folder / DETECTOR)
    save(regressor(192, 3309, "data", "fc1", 2, seed + 1, cell=32), folder / LANDMARKS_68)
    save(regressor(192, 212, "data", "fc1", 2, seed + 2), folder / LANDMARKS_106)
    save(regressor(112, 512, "input.1", "683", 4, seed + 3), folder / IDENTITY)
    save(attributes(seed + 4), folder / ATTRIBUTES)
    return folder


def detector(seed: int = 0, points: bool = True, size: int | str = "?") -> ModelProto:
    """SCRFD as insightface knows it: scores, boxes and points at three strides, two anchors each.

    Without `points` it has six outputs; a number for `size` makes the input as rigid as some are.
    """
    random = np.random.default_rng(seed)
    heads = []
    for stride in STRIDES:
        noise = random.normal(size=(ANCHORS, 3, stride, stride)) * GAIN / stride
        noise -= noise.mean((1, 2, 3), keepdims=True)  # a flat surface is no face
        heads.append((noise, np.full(ANCHORS, float(FLOOR[stride]))))
    return _scrfd(heads, random, points, size)


def known_detector(size: int | str = "?") -> ModelProto:
    """SCRFD that answers a marker of one cell with one face, and nothing else with anything."""
    heads = []
    for stride in STRIDES:
        weight = np.zeros((ANCHORS, 3, stride, stride))
        bias = np.full(ANCHORS, -20.0)
        if stride == MARKER_CELL:
            wanted = marker(MARKER_CELL).transpose(2, 0, 1) / 127.5 - 1
            weight[0] = 60 * wanted / wanted.size
            bias[0] = -60 * 0.72
        heads.append((weight, bias))
    return _scrfd(heads, None, True, size)


def marker(size: int) -> np.ndarray:
    """An upright marker (size, size, 3) uint8 RGB, white ring, red above blue; 8 divides `size`."""
    grid = np.full((MARKER, MARKER, 3), 255, np.uint8)
    grid[1:-1, 1:-1] = (0, 0, 255)
    grid[1 : MARKER // 2, 1:-1] = (255, 0, 0)
    zoom = size // MARKER
    return grid.repeat(zoom, 0).repeat(zoom, 1)


def marked_face(x: float, y: float, size: float) -> tuple[np.ndarray, np.ndarray]:
    """The box (4,) and points (5, 2) reported for a marker whose upper left pixel is (x, y)."""
    left, upper, right, lower = BOX
    box = np.array([x - left * size, y - upper * size, x + right * size, y + lower * size])
    return box, np.array([x, y]) + np.array(FIVE) * size


def regressor(
    size: int, outputs: int, source: str, target: str, width: int, seed: int, cell: int = 16
) -> ModelProto:
    """One square RGB input to one row of numbers, as landmark and identity networks are."""
    random = np.random.default_rng(seed)
    cells = (size // cell) ** 2 * width
    nodes = [
        helper.make_node(
            "Conv",
            [source, "cw", "cb"],
            ["c"],
            "Conv_0",
            kernel_shape=[cell] * 2,
            strides=[cell] * 2,
        ),
        helper.make_node("Tanh", ["c"], ["t"], "Tanh_1"),
        helper.make_node("Flatten", ["t"], ["f"], "Flatten_2"),
        helper.make_node("Gemm", ["f", "gw", "gb"], [target], "Gemm_3", transB=1),
    ]
    weights = {
        "cw": random.normal(size=(width, 3, cell, cell)) * 2 / cell,
        "cb": random.normal(size=width) * 0.1,
        "gw": random.normal(size=(outputs, cells)) / np.sqrt(cells),
        "gb": random.normal(size=outputs) * 0.1,
    }
    shapes = ([("N", 3, size, size)], [("N", outputs)])
    return _model(nodes, weights, {source: shapes[0][0]}, {target: shapes[1][0]})


def attributes(seed: int = 4) -> ModelProto:
    """Sex and age: two scores and an age in hundreds of years."""
    model = regressor(96, 3, "data", "fc1", 2, seed)
    for tensor in model.graph.initializer:
        if tensor.name == "gb":
            tensor.CopyFrom(numpy_helper.from_array(np.float32([0, 0, 0.4]), "gb"))
        if tensor.name == "gw":
            scaled = numpy_helper.to_array(tensor) * np.float32([[1], [1], [0.1]])
            tensor.CopyFrom(numpy_helper.from_array(scaled, "gw"))
    return model


def restorer(size: int | str = 512) -> ModelProto:
    """Another kind of network: one picture in, one picture out."""
    node = helper.make_node("Identity", ["input"], ["output"], "Identity_0")
    shape = (1, 3, size, size)
    return _model([node], {}, {"input": shape}, {"output": shape})


def _scrfd(heads, random, points: bool, size: int | str) -> ModelProto:
    nodes, weights, outputs = [], {}, {}

    def head(name: str, stride: int, weight: np.ndarray, bias: np.ndarray) -> None:
        channels = len(bias) // ANCHORS
        weights.update({f"{name}w": weight, f"{name}b": bias})
        weights[f"{name}s"] = np.array([-1, channels])
        last = f"{name}r" if channels == 1 else name
        nodes.extend(
            [
                helper.make_node(
                    "Conv",
                    ["input.1", f"{name}w", f"{name}b"],
                    [f"{name}c"],
                    f"Conv_{name}",
                    kernel_shape=[stride] * 2,
                    strides=[stride] * 2,
                ),
                helper.make_node(
                    "Transpose", [f"{name}c"], [f"{name}t"], f"Transpose_{name}", perm=[2, 3, 0, 1]
                ),
                helper.make_node("Reshape", [f"{name}t", f"{name}s"], [last], f"Reshape_{name}"),
            ]
        )
        if channels == 1:
            nodes.append(helper.make_node("Sigmoid", [last], [name], f"Sigmoid_{name}"))
        outputs[name] = ("?", channels)

    for name, stride, (weight, bias) in zip(SCORES, STRIDES, heads, strict=True):
        head(name, stride, weight, bias)
    for names, constant in ((BOXES, BOX), (POINTS, np.ravel(FIVE)))[: 2 if points else 1]:
        for name, stride in zip(names, STRIDES, strict=True):
            bias = np.tile(np.asarray(constant, dtype=float), ANCHORS)
            weight = np.zeros((len(bias), 3, stride, stride))
            if random is not None:
                weight += random.normal(size=weight.shape) * 0.05 / stride
            head(name, stride, weight, bias)
    return _model(nodes, weights, {"input.1": (1, 3, size, size)}, outputs)


def _model(nodes, weights: dict, inputs: dict, outputs: dict) -> ModelProto:
    def values(shapes: dict) -> list:
        kind = TensorProto.FLOAT
        return [helper.make_tensor_value_info(name, kind, shape) for name, shape in shapes.items()]

    arrays = {
        name: array if array.dtype == np.int64 else array.astype(np.float32)
        for name, array in weights.items()
    }
    constants = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "stand-in", values(inputs), values(outputs), constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    checker.check_model(model)
    return model
