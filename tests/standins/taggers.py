"""WD14 taggers with the true layout: a network of 448 px, and the list of its tags beside it.

One sees nothing and knows what portraits are made of; another answers with the pixels that it is
given, so that it tells all about what was done to a picture before.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper

from .onnx_restorers import network

SIDE = 448
STEP = 32  # px between the pixels that the seeing one tells of
GENERAL, CHARACTER, RATING = 0, 4, 9

# Of either version: what the input and the output are called, and what stands for the batch.
LAYOUTS = {
    "v2": ("input_1:0", "predictions_sigmoid", "unk__0"),
    "v3": ("input", "output", "batch_size"),
}
RATINGS = (("general", 0.94), ("sensitive", 0.05), ("questionable", 0.01), ("explicit", 0.002))
# What one could be told of any portrait, with how sure: some of it not sure enough.
PORTRAIT = (
    ("1girl", 0.98),
    ("solo", 0.97),
    ("long_hair", 0.82),
    ("looking_at_viewer", 0.91),
    ("smile", 0.88),
    ("brown_hair", 0.71),
    ("brown_eyes", 0.46),
    ("upper_body", 0.77),
    ("outdoors", 0.63),
    ("blurry_background", 0.58),
    ("shirt", 0.52),
    ("realistic", 0.95),
    ("portrait", 0.66),
    ("lips", 0.49),
    ("nose", 0.41),
    ("hat", 0.08),
    ("monochrome", 0.02),
    ("^_^", 0.11),
)
CHARACTERS = (("hatsune_miku", 0.03), ("ganyu_(genshin_impact)", 0.01))

Row = tuple[str, int]  # tag and category


def write_tagger(folder: Path, stem: str = "wd-vit-tagger-v3") -> Path:
    """One of fixed answers, such as fit a portrait; its file."""
    rows, answers = fixed_rows(PORTRAIT, CHARACTERS)
    return write_pair(folder, stem, rows, fixed(answers))


def write_fixed(
    folder: Path,
    stem: str,
    general: Sequence[tuple[str, float]],
    characters: Sequence[tuple[str, float]] = (),
    **options: object,
) -> Path:
    """One that is as sure of each tag as told, whatever it sees; options are those of `fixed`."""
    rows, answers = fixed_rows(general, characters)
    return write_pair(folder, stem, rows, fixed(answers, **options))


def fixed_rows(
    general: Sequence[tuple[str, float]], characters: Sequence[tuple[str, float]] = ()
) -> tuple[list[Row], list[float]]:
    groups = ((RATINGS, RATING), (general, GENERAL), (characters, CHARACTER))
    rows = [(name, category) for group, category in groups for name, _ in group]
    return rows, [answer for group, _ in groups for _, answer in group]


def write_seeing(folder: Path, stem: str = "seeing", side: int = SIDE, **options: object) -> Path:
    """One whose answers are every 32nd pixel of what it is given, blue before green before red."""
    count = 3 * len(range(0, side, STEP)) ** 2
    rows = [(f"pixel_{number}_{'bgr'[number % 3]}", GENERAL) for number in range(count)]
    return write_pair(folder, stem, rows, seeing(side, **options))


def write_pair(folder: Path, stem: str, rows: Sequence[Row], model: ModelProto) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_list(folder / f"{stem}.csv", rows)
    onnx.save(model, folder / f"{stem}.onnx")
    return folder / f"{stem}.onnx"


def write_list(file: Path, rows: Sequence[Row]) -> None:
    """As published: the ratings with a number of their own, no quotes but where they are needed."""
    lines = ["tag_id,name,category,count"]
    for number, (name, category) in enumerate(rows):
        quoted = '"' + name.replace('"', '""') + '"' if set(name) & set(',"') else name
        tag_id = 9999999 - number if category == RATING else 470575 + number
        lines.append(f"{tag_id},{quoted},{category},{5_000_000 // (number + 1)}")
    file.write_text("\n".join(lines) + "\n", "utf-8")


def fixed(
    answers: Sequence[float], layout: str = "v3", side: int = SIDE, batch: object = None
) -> ModelProto:
    """The answers for every picture; the batch is any number, or as told."""
    constants = {"none": np.zeros((1, 1), np.float32), "answers": np.float32([answers])}
    constants["inner"] = np.array([1, 2, 3], np.int64)
    output = LAYOUTS[layout][1]
    nodes = [
        helper.make_node("ReduceSum", [LAYOUTS[layout][0], "inner"], ["sum"], keepdims=0),
        helper.make_node("Unsqueeze", ["sum", "last"], ["column"]),
        helper.make_node("Mul", ["column", "none"], ["nothing"]),
        helper.make_node("Add", ["nothing", "answers"], [output]),
    ]
    constants["last"] = np.array([1], np.int64)
    return _model(nodes, constants, layout, side, batch, len(answers))


def seeing(side: int = SIDE, layout: str = "v3", batch: object = None) -> ModelProto:
    constants = {
        "first": np.array([0, 0], np.int64),
        "end": np.array([side, side], np.int64),
        "sides": np.array([1, 2], np.int64),
        "step": np.array([STEP, STEP], np.int64),
        "flat": np.array([0, -1], np.int64),
        "white": np.array(255, np.float32),
    }
    picture, output, _ = LAYOUTS[layout]
    nodes = [
        helper.make_node("Slice", [picture, "first", "end", "sides", "step"], ["grid"]),
        helper.make_node("Reshape", ["grid", "flat"], ["row"]),
        helper.make_node("Div", ["row", "white"], [output]),
    ]
    count = 3 * len(range(0, side, STEP)) ** 2
    return _model(nodes, constants, layout, side, batch, count)


def _model(
    nodes: list, constants: dict, layout: str, side: int, batch: object, count: int
) -> ModelProto:
    picture, output, any_number = LAYOUTS[layout]
    first = any_number if batch is None else batch
    taken = helper.make_tensor_value_info(picture, TensorProto.FLOAT, [first, side, side, 3])
    given = helper.make_tensor_value_info(output, TensorProto.FLOAT, [first, count])
    return network(nodes, [taken], [given], constants)
