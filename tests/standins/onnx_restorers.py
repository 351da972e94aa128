"""Restorers that onnxruntime runs, with the true names, shapes and numbers, and no skill.

The answer of one is what was put in, each channel by a factor of its own; where it listens to
the fidelity number, that number is added. So it tells all about both.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

GAINS = (0.5, 0.375, 0.25)  # of the channels
SHARE = 0.25  # of the fidelity number

# Name -> side of the crop, and whether it listens to the fidelity number.
RESTORERS: dict[str, tuple[int, bool]] = {
    "gpen_bfr_256": (256, False),
    "gpen_bfr_512": (512, False),
    "gpen_bfr_1024": (1024, False),
    "gpen_bfr_2048": (2048, False),
    "gfpgan_1.2": (512, False),
    "gfpgan_1.3": (512, False),
    "gfpgan_1.4": (512, False),
    "codeformer": (512, True),
    "restoreformer_plus_plus": (512, False),
}


def write_all(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in RESTORERS:
        write_restorer(folder / f"{name}.onnx")
    return folder


def write_restorer(file: Path, like: str = "", size: int = 0) -> Path:
    """The one of that name, or of the name `like`; `size` makes it one of other crops."""
    side, faithful = RESTORERS[like or file.stem]
    onnx.save(restorer(size or side, faithful), file)
    return file


def write_identity(file: Path, size: int = 512) -> Path:
    """One that gives back what it is given; the size has to be that of its name."""
    onnx.save(restorer(size, RESTORERS.get(file.stem, (0, False))[1], (1.0, 1.0, 1.0), 0.0), file)
    return file


def write_sharpening(file: Path, strength: float = 1.5) -> Path:
    """One that sharpens, as an unsharp mask does, for what is looked at; of 512 px."""
    bell = np.exp(-(np.arange(-6, 7) ** 2) / (2 * 3.0**2))
    blur = np.outer(bell, bell) / bell.sum() ** 2
    kernel = -strength * blur
    kernel[6, 6] += 1 + strength
    shape = [1, 3, 512, 512]
    picture, output = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name in ("input", "output")
    )
    constants = {
        "beside": np.array([0, 0, 6, 6, 0, 0, 6, 6], np.int64),
        "kernel": np.repeat(kernel[None, None], 3, axis=0).astype(np.float32),
    }
    nodes = [
        helper.make_node("Pad", ["input", "beside"], ["wide"], mode="edge"),
        helper.make_node("Conv", ["wide", "kernel"], ["output"], group=3),
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(network(nodes, [picture], [output], constants), file)
    return file


def restorer(
    size: int | tuple[int, int],
    faithful: bool = False,
    gains: tuple[float, float, float] = GAINS,
    share: float = SHARE,
) -> ModelProto:
    """`input` and, where it is `faithful`, `weight` in; `output` out. A side may differ."""
    sides = list(size) if isinstance(size, tuple) else [size, size]
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, *sides])
    weight = helper.make_tensor_value_info("weight", TensorProto.DOUBLE, [1])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 3, *sides])
    weighed = helper.make_node("Mul", ["input", "gains"], ["weighed" if faithful else "output"])
    told = [
        helper.make_node("Cast", ["weight"], ["single"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["single", "share"], ["less"]),
        helper.make_node("Add", ["weighed", "less"], ["output"]),
    ]
    constants = {"gains": np.array(gains, np.float32).reshape(1, 3, 1, 1)}
    constants |= {"share": np.array(share, np.float32)} if faithful else {}
    return network(
        [weighed, *(told if faithful else [])],
        [picture, weight] if faithful else [picture],
        [output],
        constants,
    )


def network(nodes, inputs, outputs, constants: dict) -> ModelProto:
    arrays = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "stand-in", inputs, outputs, arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    checker.check_model(model)
    return model
