"""Writes a WD14 tagger that sees nothing and says of every picture what portraits are made of."""

from __future__ import annotations

from pathlib import Path

SIDE = 448  # pixels of what it takes
GENERAL, RATING = 0, 9  # categories
TAGS = (
    ("general", RATING, 0.95),
    ("sensitive", RATING, 0.05),
    ("solo", GENERAL, 0.95),
    ("looking_at_viewer", GENERAL, 0.9),
    ("smile", GENERAL, 0.85),
    ("realistic", GENERAL, 0.8),
    ("upper_body", GENERAL, 0.7),
    ("blurry_background", GENERAL, 0.6),
    ("portrait", GENERAL, 0.5),
    ("hat", GENERAL, 0.1),
)


def write_tagger(file: Path) -> Path:
    """The network, and its list of tags beside it."""
    import onnx
    from onnx import TensorProto, helper

    answers = [sure for _, _, sure in TAGS]
    constants = (
        helper.make_tensor("inner", TensorProto.INT64, [3], [1, 2, 3]),
        helper.make_tensor("last", TensorProto.INT64, [1], [1]),
        helper.make_tensor("none", TensorProto.FLOAT, [1, 1], [0.0]),
        helper.make_tensor("answers", TensorProto.FLOAT, [1, len(TAGS)], answers),
    )
    nodes = [
        helper.make_node("ReduceSum", ["input", "inner"], ["sum"], keepdims=0),
        helper.make_node("Unsqueeze", ["sum", "last"], ["column"]),
        helper.make_node("Mul", ["column", "none"], ["nothing"]),
        helper.make_node("Add", ["nothing", "answers"], ["output"]),
    ]
    taken = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", SIDE, SIDE, 3])
    given = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", len(TAGS)])
    graph = helper.make_graph(nodes, "tagger", [taken], [given], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, file)
    rows = [f"{number},{name},{category},1" for number, (name, category, _) in enumerate(TAGS)]
    file.with_suffix(".csv").write_text("\n".join(["tag_id,name,category,count", *rows, ""]))
    return file
