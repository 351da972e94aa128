"""Swappers and converters that onnxruntime runs, with the true names and shapes, and no skill.

The answer of one is what was put in: the target, each channel by a factor of its own, plus the
source, pixel by pixel or number by number, in the upper left corner. So it tells all about both.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

LENGTH = 512
GAINS = (0.5, 0.375, 0.25)  # of the target's channels
SHARE = 0.125  # of the source

# Name -> side of the target, side of the source picture (0: an embedding), what the batch
# dimension is called (1: it is that), and whether a mask comes out beside the picture.
SWAPPERS: dict[str, tuple[int, int, int | str, bool]] = {
    "hyperswap_1a_256": (256, 0, 1, True),
    "hyperswap_1b_256": (256, 0, 1, True),
    "hyperswap_1c_256": (256, 0, 1, True),
    "ghost_1_256": (256, 0, 1, False),
    "ghost_2_256": (256, 0, 1, False),
    "ghost_3_256": (256, 0, 1, False),
    "hififace_unofficial_256": (256, 0, "batch_size", True),
    "simswap_256": (256, 0, 1, False),
    "simswap_unofficial_512": (512, 0, 1, False),
    "blendswap_256": (256, 112, 1, False),
    "uniface_256": (256, 256, 1, False),
}
CONVERTERS = ("crossface_ghost", "crossface_hififace", "crossface_simswap")


def write_all(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in SWAPPERS:
        write_swapper(folder / f"{name}.onnx")
    for name in CONVERTERS:
        write_converter(folder / f"{name}.onnx")
    return folder


def write_swapper(file: Path, like: str = "", size: int = 0) -> Path:
    """The one of that name, or of the name `like`; `size` makes it one of another target."""
    onnx.save(swapper(like or file.stem, size), file)
    return file


def write_converter(file: Path, length: int = LENGTH) -> Path:
    onnx.save(converter(file.stem, length), file)
    return file


def swapper(name: str, size: int = 0) -> ModelProto:
    side, person, batch, masked = SWAPPERS[name]
    side = size or side
    corner = [0, 0, 0, 0, 0, 3 - (3 if person else 1), 0, 0]
    rows, columns = (person, person) if person else (LENGTH // min(side, LENGTH), min(side, LENGTH))
    corner[6:] = [side - rows, side - columns]
    inputs = {
        "source": [batch, 3, person, person] if person else [batch, LENGTH],
        "target": [batch, 3, side, side],
    }
    outputs = {"output": [batch, 3, side, side]}
    nodes = [
        helper.make_node("Mul", ["target", "gains"], ["weighed"]),
        helper.make_node("Mul", ["source", "share"], ["less"]),
        helper.make_node("Reshape", ["less", "square"], ["laid"]),
        helper.make_node("Pad", ["laid", "corner"], ["padded"]),
        helper.make_node("Add", ["weighed", "padded"], ["output"]),
    ]
    if masked:
        outputs["mask"] = [batch, 1, side, side]
        nodes.append(helper.make_node("ReduceMax", ["target"], ["mask"], axes=[1], keepdims=1))
    constants = {
        "gains": np.array(GAINS, np.float32).reshape(1, 3, 1, 1),
        "share": np.array(SHARE, np.float32),
        "square": np.array([-1, 3 if person else 1, rows, columns]),
        "corner": np.array(corner),
    }
    return network(nodes, constants, inputs, outputs)


def converter(name: str, length: int = LENGTH) -> ModelProto:
    """input @ turn + offset, both drawn by the name: its answer to a length tells which it was."""
    turn, offset = mapping(name, length)
    node = helper.make_node("Gemm", ["input", "turn", "offset"], ["output"])
    shapes = {"input": ["batch", length]}, {"output": ["batch", length]}
    return network([node], {"turn": turn, "offset": offset}, *shapes)


def mapping(name: str, length: int = LENGTH) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(sum(name.encode()))
    turn = random.normal(size=(length, length)) / np.sqrt(length)
    return turn.astype(np.float32), random.normal(size=length).astype(np.float32)


def network(nodes, constants: dict, inputs: dict, outputs: dict) -> ModelProto:
    def values(shapes: dict) -> list:
        kind = TensorProto.FLOAT
        return [helper.make_tensor_value_info(name, kind, shape) for name, shape in shapes.items()]

    arrays = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "stand-in", values(inputs), values(outputs), arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    checker.check_model(model)
    return model
