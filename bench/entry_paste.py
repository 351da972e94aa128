"""Pasting a face back, against insightface's own paste-back with the same mask formula."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from measure import Goal, Kind, Row, in_turn, seconds

PAIRS = 11
CALLS = 5  # in a row, all timed together: a single one of ours is over too soon
PATCH = 128
ROLL = 10  # degrees
SIZES = {"1080p": (1080, 1920), "4K": (2160, 3840)}
# Side of the crop in the picture; how many times as fast into a ready frame, and with a new one.
CASES = ((200, "1080p", 20, 8), (400, "4K", 20, 7), (1200, "4K", 8, 5))


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        swapper = _swapper(Path(folder))
        for side, name, into, new in CASES:
            yield from _paste_rows(swapper, side, name, into, new)
    yield from _copy_rows()


def picture(size: tuple[int, int]) -> torch.Tensor:
    """A batch of one smooth random picture of whole numbers out of 255."""
    coarse = torch.rand(1, 3, 9, 16, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, size, mode="bicubic").clamp(0, 1)
    return (smooth.movedim(1, -1) * 255).round().div(255).contiguous()


def as_bgr(image: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray((image * 255).round().byte().numpy()[..., ::-1])


def _swapper(folder: Path):
    """insightface's class around a network that costs nothing."""
    from insightface.model_zoo.inswapper import INSwapper
    from standins.swapper import write_swapper

    with contextlib.redirect_stdout(io.StringIO()):
        return INSwapper(str(write_swapper(folder / "inswapper_128.onnx")))


def _paste_rows(swapper, side: int, name: str, into: float, new: float) -> Iterator[Row]:
    from pack.likeness.align import ARCFACE
    from pack.likeness.crop import Crop, as_crops, take
    from pack.likeness.geometry import invert, transform, turn
    from pack.likeness.paste import Blend, Method, paste, paste_into

    images, blend = picture(SIZES[name]), Blend(Method.INSIGHTFACE)
    bgr, centre = as_bgr(images[0]), (images.shape[2] * 0.5, images.shape[1] * 0.5)
    middle = ((PATCH - 1) / 2, (PATCH - 1) / 2)
    matrix = turn(centre, ROLL, PATCH / side, middle)
    points = torch.tensor(ARCFACE, dtype=torch.float64) + torch.tensor([8.0, 0.0])
    face = SimpleNamespace(kps=transform(points, invert(matrix)).float().numpy())
    source = SimpleNamespace(normed_embedding=np.full(512, 512**-0.5, np.float32))

    def theirs(paste_back: bool):
        return swapper.get(bgr, face, source, paste_back=paste_back)

    fake, found = theirs(False)
    patches = torch.from_numpy(fake[..., ::-1].copy())[None].float() / 255
    original = take(images[0], torch.from_numpy(found), (PATCH, PATCH))[None]
    crop = Crop(0, torch.from_numpy(found), original[0], float(PATCH))
    crops, ready = as_crops([crop], images, original), images.clone()
    ours = paste(images, patches, crops, blend=blend).images
    difference = (ours[0] * 255 - torch.from_numpy(theirs(True)[..., ::-1].copy())).abs()
    assert difference.max() < 3, f"pasted otherwise than insightface: {difference.max()}"
    what = f"{side} px in {name}, against insightface's paste-back"
    yield Row(
        "paste",
        f"{what}, ready frame",
        _pasting(theirs, lambda: paste_into(ready[0], patches[0], crop, blend=blend)),
        Goal(Kind.FASTER, into),
    )
    yield Row(
        "paste",
        f"{what}, new picture",
        _pasting(theirs, lambda: paste(images, patches, crops, blend=blend)),
        Goal(Kind.FASTER, new),
    )


def _pasting(theirs: Callable, ours: Callable) -> tuple[tuple[float, float], ...]:
    """Theirs is what the paste adds to the crop and the network."""
    theirs(True), theirs(False), ours()
    return tuple(
        (
            seconds(lambda: theirs(True), CALLS) - seconds(lambda: theirs(False), CALLS),
            seconds(ours, CALLS),
        )
        for _ in range(PAIRS)
    )


def _copy_rows() -> Iterator[Row]:
    from pack.likeness.crop import as_crops
    from pack.likeness.paste import paste
    from pack.likeness.pixels.raster import duplicate

    images = picture(SIZES["4K"])
    pairs = in_turn(images.clone, lambda: duplicate(images), PAIRS)
    yield Row("paste", "the copy of a 4K picture, against clone", pairs, Goal(Kind.RATIO, 1.2))
    none = as_crops([], images, images.new_zeros(0, PATCH, PATCH, 3))
    pairs = in_turn(images.clone, lambda: paste(images, none.patches, none), PAIRS)
    yield Row("paste", "4K without a face, against clone", pairs, Goal(Kind.RATIO, 1.2))
