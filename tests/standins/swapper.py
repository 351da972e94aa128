"""An inswapper_128.onnx that insightface's own INSwapper takes; it answers with the negative."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 128
IDENTITY = 512  # length of the source's embedding


def write_swapper(file: Path) -> Path:
    pixels, identity = [1, 3, SIZE, SIZE], [1, IDENTITY]
    target, source, output = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("target", pixels), ("source", identity), ("output", pixels))
    )
    nodes = [
        helper.make_node("MatMul", ["source", "emap"], ["latent"]),
        helper.make_node("ReduceMean", ["latent"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "none"], ["nothing"]),
        helper.make_node("Sub", ["white", "target"], ["negative"]),
        helper.make_node("Add", ["negative", "nothing"], ["output"]),
    ]
    # insightface takes the last one for the map from ArcFace's space to the network's.
    constants = [
        numpy_helper.from_array(np.array(value, np.float32), name)
        for name, value in (("none", 0), ("white", 1), ("emap", np.eye(IDENTITY)))
    ]
    graph = helper.make_graph(nodes, "swap", [target, source], [output], constants)
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), file)
    return file
