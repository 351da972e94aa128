"""Soft edges, against controlnet_aux's: its own detector, or what that runs, as published.

controlnet_aux brings an OpenCV that collides with the host's. Where it is not installed, the same
is computed here: convolutions of differences worked out anew in every call, one picture after the
other, 8-bit pictures in and out.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from measure import Goal, Kind, Row, in_turn
from real import SOFT_EDGES
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, max_pool2d

PAIRS = 7
SIDE = 512
FILE = "table5_pidinet.pth"
AROUND = [3, 0, 1, 6, 4, 2, 7, 8, 5]
OUTER, INNER = [0, 2, 4, 10, 14, 20, 22, 24], [6, 7, 8, 11, 13, 16, 17, 18]

Detector = Callable[[np.ndarray], np.ndarray]  # (H, W, 3) uint8 RGB to (H, W) uint8


def rows() -> Iterator[Row]:
    from pack.likeness.nets.pidinet import load
    from pack.likeness.soft_edge import soft_edges

    with tempfile.TemporaryDirectory() as folder:
        file = _weights(Path(folder))
        network, (detector, told) = load(file), _detector(file)
    photographs = _photographs()
    for count in (1, len(photographs)):
        seen = photographs[:count]
        images = torch.stack([torch.from_numpy(each) for each in seen]).float().div(255)

        def theirs(seen: list[np.ndarray] = seen) -> list[np.ndarray]:
            return [detector(each) for each in seen]

        def ours(images: Tensor = images) -> Tensor:
            return soft_edges(images, network, SIDE)

        difference = (ours() * 255 - torch.from_numpy(np.stack(theirs()))).abs()
        assert difference.max() < 1.01, f"drawn otherwise, by {difference.max()} of 255"
        what = f"{'a photograph' if count == 1 else f'{count} of them'} of {SIDE} px, against"
        yield Row("edges", f"{what} {told}", in_turn(theirs, ours, PAIRS), Goal(Kind.RATIO, 1))


def _photographs() -> list[np.ndarray]:
    """scikit-image's astronaut from all sides: what one picture costs, another one costs."""
    from skimage.data import astronaut

    return [np.ascontiguousarray(np.rot90(astronaut(), turns)) for turns in range(4)]


def _weights(folder: Path) -> Path:
    """The real file, or one of random weights, in `folder`."""
    from pack.likeness.nets.pidinet import PiDiNet

    file = folder / FILE
    if SOFT_EDGES.is_file():
        shutil.copy(SOFT_EDGES, file)
        return file
    torch.manual_seed(0)
    tensors = PiDiNet().state_dict()
    torch.save({"state_dict": {f"module.{name}": tensors[name] for name in tensors}}, file)
    return file


def _detector(file: Path) -> tuple[Detector, str]:
    if importlib.util.find_spec("controlnet_aux"):
        return _installed(file), "controlnet_aux"
    held = torch.load(file, weights_only=True)["state_dict"]
    tensors = {name.removeprefix("module."): held[name] for name in held}
    return lambda picture: _detected(picture, tensors), "what controlnet_aux runs"


def _installed(file: Path) -> Detector:
    from controlnet_aux.pidi import PidiNetDetector

    theirs = PidiNetDetector.from_pretrained(str(file.parent), filename=file.name)

    def run(picture: np.ndarray) -> np.ndarray:
        asked = {"detect_resolution": SIDE, "image_resolution": SIDE, "output_type": "np"}
        return theirs(picture, **asked)[..., 0]

    return run


@torch.no_grad()
def _detected(picture: np.ndarray, tensors: Mapping[str, Tensor]) -> np.ndarray:
    import cv2

    small = _resized(picture, cv2)
    seen = torch.from_numpy(small[..., ::-1].copy()).float().div(255)
    edges = _network(seen.movedim(-1, 0)[None].contiguous(), tensors)[0, 0].numpy()
    drawn = (edges * 255).clip(0, 255).astype(np.uint8)
    return cv2.resize(drawn, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _resized(picture: np.ndarray, cv2) -> np.ndarray:
    """The short side about 512, both sides a multiple of 64."""
    scale = SIDE / min(picture.shape[:2])
    height, width = (round(side * scale / 64) * 64 for side in picture.shape[:2])
    way = cv2.INTER_LANCZOS4 if scale > 1 else cv2.INTER_AREA
    return cv2.resize(picture, (width, height), interpolation=way)


def _network(x: Tensor, w: Mapping[str, Tensor]) -> Tensor:
    """Su et al., "Pixel Difference Networks", 2021: carv4, none of its kernels worked out before.

    All five maps are made ready, as the published network does; the last one is the answer.
    """
    size, maps = x.shape[2:], []
    operations = [_central, _angular, _radial, _plain]
    layer, x = 1, _central(x, w["init_block.weight"], 1)
    for stage, blocks in enumerate((3, 4, 4, 4), 1):
        for number in range(1, blocks + 1):
            name, operation = f"block{stage}_{number}", operations[layer % 4]
            shorter = stage > 1 and number == 1
            x = max_pool2d(x, 2) if shorter else x
            y = operation(x, w[f"{name}.conv1.weight"], x.shape[1]).relu()
            y = conv2d(y, w[f"{name}.conv2.weight"])
            beside = _conv(x, w, f"{name}.shortcut") if shorter else x
            x, layer = y + beside, layer + 1
        maps.append(interpolate(_side(x, w, stage - 1), size, mode="bilinear"))
    maps.append(_conv(torch.cat(maps, 1), w, "classifier"))
    return [each.sigmoid() for each in maps][-1]


def _side(x: Tensor, w: Mapping[str, Tensor], i: int) -> Tensor:
    x = _conv(x.relu(), w, f"dilations.{i}.conv1")
    x = sum(
        conv2d(x, w[f"dilations.{i}.conv2_{number}.weight"], padding=step, dilation=step)
        for number, step in enumerate((5, 7, 9, 11), 1)
    )
    y = _conv(x.relu(), w, f"attentions.{i}.conv1")
    y = conv2d(y, w[f"attentions.{i}.conv2.weight"], padding=1)
    return _conv(x * y.sigmoid(), w, f"conv_reduces.{i}.conv")


def _conv(x: Tensor, w: Mapping[str, Tensor], name: str) -> Tensor:
    return conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"])


def _plain(x: Tensor, kernel: Tensor, groups: int) -> Tensor:
    return conv2d(x, kernel, padding=1, groups=groups)


def _central(x: Tensor, kernel: Tensor, groups: int) -> Tensor:
    middle = conv2d(x, kernel.sum((2, 3), keepdim=True), groups=groups)
    return conv2d(x, kernel, padding=1, groups=groups) - middle


def _angular(x: Tensor, kernel: Tensor, groups: int) -> Tensor:
    turned = kernel.flatten(2)[:, :, AROUND].view(kernel.shape)
    return conv2d(x, kernel - turned, padding=1, groups=groups)


def _radial(x: Tensor, kernel: Tensor, groups: int) -> Tensor:
    ring = kernel.flatten(2)[:, :, 1:]
    wide = torch.zeros(*kernel.shape[:2], 25)
    wide[:, :, OUTER], wide[:, :, INNER] = ring, -ring
    return conv2d(x, wide.view(*kernel.shape[:2], 5, 5), padding=2, groups=groups)
