"""Recognising 32 faces, against insightface's own call for one after the other."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from entry_paste import as_bgr, picture
from measure import Goal, Kind, Row, in_turn
from torch import Tensor, nn

PAIRS = 5
FRAMES, ACROSS, DOWN = 2, 4, 4  # faces in each frame
FRAME = (1080, 1920)
SIDE = 112
STAGES = ((64, 3), (128, 4), (256, 14), (512, 3))  # channels and blocks of IResNet-50
PARAMETERS = (43.5e6, 43.7e6)


def rows() -> Iterator[Row]:
    from insightface.app.common import Face as Record
    from pack.likeness.insight import load
    from pack.likeness.recognise import recognise
    from standins import insightface_pack as standins

    with tempfile.TemporaryDirectory() as folder:
        standins.write_pack(Path(folder))
        _write_network(Path(folder, standins.IDENTITY))
        pack = load(Path(folder))
    images, faces = picture(FRAME).repeat(FRAMES, 1, 1, 1), list(_faces())
    images[1:] = 1 - images[1:]
    frames, network = [as_bgr(image) for image in images], pack.networks["recognition"]

    def theirs() -> Tensor:
        records = [Record(kps=face.points.numpy()) for face in faces]
        made = [
            network.get(frames[face.frame], one) for face, one in zip(faces, records, strict=True)
        ]
        return torch.stack([torch.from_numpy(each) for each in made])

    def ours() -> Tensor:
        return torch.stack([face.embedding for face in recognise(images, faces, pack)])

    alike = torch.nn.functional.cosine_similarity(ours()[:, None], theirs()[None], dim=2)
    assert alike.diagonal().min() >= 0.9999, f"recognised otherwise: {alike.diagonal().min()}"
    others = alike - torch.eye(len(faces))
    assert others.max() < 0.99, "every face has the same embedding, so nothing is proved"
    what = f"{len(faces)} faces with IResNet-50, against one by one"
    yield Row("recognise", what, in_turn(theirs, ours, PAIRS), Goal(Kind.FASTER, 1.1))


def _faces():
    from pack.likeness.align import ARCFACE
    from pack.likeness.face import Face
    from pack.likeness.geometry import invert, transform, turn

    cell, middle = FRAME[1] / ACROSS, ((SIDE - 1) / 2, (SIDE - 1) / 2)
    for number in range(FRAMES * ACROSS * DOWN):
        frame, place = divmod(number, ACROSS * DOWN)
        x = (place % ACROSS + 0.5) * cell
        y = (place // ACROSS + 0.5) * FRAME[0] / DOWN
        matrix = invert(turn((x, y), number - 16, SIDE / 200, middle))
        points = transform(torch.tensor(ARCFACE, dtype=torch.float64), matrix).float()
        yield Face(frame, (x - 70, y - 90, x + 70, y + 90), points, 1.0)


class _Block(nn.Module):
    """Deng et al., ArcFace, 2019: the improved residual unit."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.PReLU(after),
            nn.Conv2d(after, after, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.skip = nn.Sequential()
        if stride != 1:
            self.skip.append(nn.Conv2d(before, after, 1, stride=stride, bias=False))
            self.skip.append(nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + self.skip(x)


def _write_network(file: Path) -> None:
    """IResNet-50 of random weights, for any number of crops."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)]
    before = 64
    for channels, blocks in STAGES:
        for number in range(blocks):
            layers.append(_Block(before, channels, 1 if number else 2))
            before = channels
    layers += [nn.BatchNorm2d(before), nn.Flatten()]
    layers += [nn.Linear(before * (SIDE // 16) ** 2, 512), nn.BatchNorm1d(512)]
    network = nn.Sequential(*layers).eval()
    count = sum(each.numel() for each in network.parameters())
    assert PARAMETERS[0] < count < PARAMETERS[1], f"no IResNet-50: {count:,} parameters"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the way without onnxscript is the older one
        torch.onnx.export(
            network,
            (torch.rand(1, 3, SIDE, SIDE),),
            str(file),
            input_names=["input.1"],
            output_names=["embedding"],
            dynamic_axes={"input.1": {0: "N"}, "embedding": {0: "N"}},
            opset_version=13,
            dynamo=False,
        )
