"""Detection: what we add to the networks, and the built-in finder's time and accuracy."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from measure import Goal, Kind, Row, in_turn

TRUNK = 64  # channels
DETECTOR_MACS, IDENTITY_MACS = 5.0e9, 6.3e9  # of SCRFD-10GF at 640 x 640 and of IResNet-50
TRUTH = Path(__file__).resolve().parent.parent / "tests" / "demo_faces.json"


def rows() -> Iterator[Row]:
    yield from _pack_rows()
    yield from _built_in_rows()


def _pack_rows() -> Iterator[Row]:
    """A pack of stand-ins that cost what the real networks cost."""
    from pack.likeness.detect import Retry, detect
    from pack.likeness.insight import load
    from standins import insightface_pack as standins

    with tempfile.TemporaryDirectory() as folder:
        standins.write_pack(Path(folder), known_answer=True)
        _make_heavy(Path(folder, standins.DETECTOR), 640, DETECTOR_MACS)
        _make_heavy(Path(folder, standins.IDENTITY), 112, IDENTITY_MACS)
        pack = load(Path(folder))
        for name, height, width in (("1080p", 1080, 1920), ("4K", 2160, 3840)):
            image, count = _marked_picture(height, width, standins.marker)
            found = detect(image, pack, retry=Retry.NONE)
            assert len(found) == count, f"{len(found)} of {count} stand-in faces found"
            pairs = in_turn(
                _bare_networks(pack, count), lambda image=image: detect(image, pack), pairs=7
            )
            what = f"a pack on {name}, {count} faces, against its bare networks"
            yield Row("detect", what, pairs, Goal(Kind.RATIO, 1.25))


def _marked_picture(height: int, width: int, marker: Callable) -> tuple[torch.Tensor, int]:
    """A picture (1, H, W, 3) with two faces that the stand-in detector knows."""
    cell = 32 * max(height, width) // 640
    picture = np.full((height, width, 3), 127, np.uint8)
    for column in (2, 6):
        picture[2 * cell : 3 * cell, column * cell : (column + 1) * cell] = marker(cell)
    return torch.from_numpy(picture).float().div(255)[None], 2


def _make_heavy(file: Path, side: int, macs: float) -> None:
    """Adds a trunk of 3 x 3 convolutions whose result counts for next to nothing."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(file)
    graph = model.graph
    random = np.random.default_rng(0)

    def constant(name: str, array: np.ndarray) -> str:
        graph.initializer.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    stride = 4 if side > 200 else 1
    layer = (side // stride) ** 2 * TRUNK * TRUNK * 9
    last = graph.input[0].name
    for index in range(1 + round(macs / layer)):
        before, step = (3, stride) if index == 0 else (TRUNK, 1)
        weight = random.normal(size=(TRUNK, before, 3, 3)) * np.sqrt(2 / (before * 9))
        inputs = [last, constant(f"trunk{index}w", weight)]
        last = f"trunk{index}"
        node = helper.make_node("Conv", inputs, [f"{last}c"], strides=[step] * 2, pads=[1] * 4)
        graph.node.extend([node, helper.make_node("Relu", [f"{last}c"], [last])])
    target = graph.output[0].name
    for node in graph.node:
        node.output[:] = [f"{name}_light" if name == target else name for name in node.output]
    graph.node.extend(
        [
            helper.make_node("ReduceMean", [last], ["trunk_mean"], keepdims=0),
            helper.make_node(
                "Mul", ["trunk_mean", constant("trunk_share", np.array(1e-20))], ["share"]
            ),
            helper.make_node("Add", [f"{target}_light", "share"], [target]),
        ]
    )
    onnx.save(model, file)


def _bare_networks(pack, faces: int) -> Callable[[], None]:
    """Each network of the pack on a ready input: the detector once, the others for each face."""
    runs = []
    for task, network in pack.networks.items():
        (source,) = network.session.get_inputs()
        side = 640 if task == "detection" else source.shape[2]
        blob = np.zeros((1, 3, side, side), np.float32)
        runs += [(network.session, {source.name: blob})] * (1 if task == "detection" else faces)
    return lambda: [session.run(None, inputs) for session, inputs in runs]


def _built_in_rows() -> Iterator[Row]:
    from pack.likeness.demo import PORTRAITS, read
    from pack.likeness.detect import detect
    from pack.likeness.frontal.cascade import load

    finder = load()
    portrait = read(next(iter(PORTRAITS)))
    square = torch.nn.functional.interpolate(portrait.movedim(-1, 1), size=4320, mode="bicubic")
    sides = (7680 - 4320) // 2
    large = torch.nn.functional.pad(square, (sides, sides, 0, 0), mode="replicate").movedim(1, -1)
    bare = _bare_cascade()
    ours = []
    pairs = in_turn(lambda: bare(large), lambda: ours.append(detect(large, finder)), pairs=5)
    assert all(len(found) == 1 for found in ours), "the face of the 8K picture is not found"
    what = "built in on 8K, against the bare cascade at 1,024 px"
    yield Row("detect", what, pairs, Goal(Kind.OURS, 1.0))
    yield Row(
        "detect",
        "built in, five points of six faces, against the cascade's box alone",
        tuple(_point_errors(finder)),
        Goal(Kind.OURS, 0.10, "eyes"),
    )


def _bare_cascade() -> Callable[[torch.Tensor], list]:
    """scikit-image's cascade as its documentation uses it, on a picture reduced by torch."""
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    cascade = Cascade(lbp_frontal_face_cascade_filename())

    def run(images: torch.Tensor) -> list:
        factor = 1024 / max(images.shape[1:3])
        small = torch.nn.functional.interpolate(
            images.movedim(-1, 1), scale_factor=factor, mode="area"
        )
        pixels = small[0].movedim(0, -1).mul(255).byte().numpy()
        return cascade.detect_multi_scale(
            pixels, scale_factor=1.1, step_ratio=1, min_size=(24, 24), max_size=(1024, 1024)
        )

    return run


def _point_errors(finder) -> Iterator[tuple[float, float]]:
    """Mean error of the five points in distances between the eyes: box alone, and the finder."""
    from pack.likeness.detect import detect
    from pack.likeness.frontal.cascade import EYES_ABOVE, EYES_APART
    from pack.likeness.geometry import similarity, transform
    from pack.likeness.mean_shape import five_points, mean_shape

    bare = _bare_cascade()
    shape = five_points(mean_shape())
    for image, truth in _marked_by_hand():
        boxes = [(box["c"], box["r"], box["width"]) for box in bare(image)]
        column, row, side = max(boxes, key=lambda box: box[2])
        scale = max(image.shape[1:3]) / 1024
        middle = torch.tensor([column + side / 2, row + side * (0.5 - EYES_ABOVE)]) * scale
        half = torch.tensor([side * scale * EYES_APART / 2, 0])
        alone = transform(shape, similarity(shape[:2], torch.stack([middle - half, middle + half])))
        (face,) = detect(image, finder)
        apart = (truth[1] - truth[0]).norm()
        yield tuple(
            float((points - truth).norm(dim=1).mean() / apart) for points in (alone, face.points)
        )


def _marked_by_hand() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    from pack.likeness.demo import PORTRAITS, read
    from skimage.data import astronaut

    names = {file: name for name, file in PORTRAITS.items()}
    for file, marks in json.loads(TRUTH.read_text("utf-8"))["faces"].items():
        known = file in names
        image = read(names[file]) if known else torch.from_numpy(astronaut()).float()[None] / 255
        yield image, torch.tensor(marks["points"])
