"""Restoring against facexlib's FaceRestoreHelper itself, and CodeFormer's rule for its mask.

facexlib keeps crops and restored faces in 8 bits. A network that is asked here gets its very crops,
which ours may differ from by how they would be rounded, and answers in 8 bits too: compared is all
that is around the network. Without that rounding half a level of the crop, times the network's
gain, and half a level of its answer are between the two.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch
from pack.likeness.align import Fit, Outside, Template, align
from pack.likeness.crop import Crop
from pack.likeness.detect import detect
from pack.likeness.face import Face, Faces
from pack.likeness.frontal import cascade
from pack.likeness.geometry import scale_of
from pack.likeness.parse import CLASSES, Kind, Parser
from pack.likeness.parse import load as load_parser
from pack.likeness.paste import Blend, Method
from pack.likeness.restoring.covering import KEPT, Covers
from pack.likeness.restoring.load import load
from pack.likeness.restoring.restore import Restored, Settings, restore_faces
from standins import parsers, restorers
from test_paste_oracles import as_bgr, as_rgb, classes
from tiny_restorer import TinyRestorer
from torch import Tensor, nn
from torch.nn import functional

pytestmark = pytest.mark.slow

Network = Callable[[Tensor], Tensor]  # crops (N, s, s, 3), 0..1, to the same
FOUND = Path(__file__).with_name("demo_faces.json")


class Photo(NamedTuple):
    images: Tensor  # (1, H, W, 3)
    faces: Faces


@pytest.fixture(scope="module")
def crowd() -> Photo:
    """Six people; the built-in finder's faces of them."""
    import insightface

    images = as_rgb(insightface.data.get_image("t1"))[None]
    faces = detect(images, cascade.load())
    assert len(faces) >= 5
    return Photo(images, faces)


@pytest.fixture(scope="module")
def astronaut() -> Photo:
    """Its face as marked by eye, and one that is half outside."""
    from skimage import data

    images = torch.from_numpy(data.astronaut().copy())[None].float() / 255
    points = torch.tensor(json.loads(FOUND.read_text("utf-8"))["faces"]["astronaut"]["points"])
    moved = (points - points.mean(0)) @ torch.tensor([[0.9, 0.4], [-0.4, 0.9]]) * 1.6
    found = [Face(0, (180.0, 80.0, 270.0, 180.0), points, 1.0)]
    found.append(Face(0, (-60.0, 300.0, 60.0, 420.0), moved + torch.tensor([3.0, 360.0]), 1.0))
    return Photo(images, Faces(tuple(found), 1, (512, 512)))


def blurred(crops: Tensor, radius: int) -> Tensor:
    padded = functional.pad(crops.movedim(-1, 1), (radius,) * 4, mode="reflect")
    return functional.avg_pool2d(padded, 2 * radius + 1, 1).movedim(1, -1)


NETWORKS: dict[str, Network] = {
    "blur": lambda crops: blurred(crops, 4),
    "sharpen": lambda crops: (crops + 0.9 * (crops - blurred(crops, 2))).clamp(0, 1),
    "negative": lambda crops: 1 - crops,
    "colour": lambda crops: crops * torch.tensor([0.5, 0.9, 0.7]) + torch.tensor([0.3, 0.0, 0.1]),
}


def eight(network: Network) -> Network:
    """With answers in 8 bits, as facexlib has them."""
    return lambda crops: (network(crops).clamp(0, 1) * 255).round() / 255


def off(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


class Facexlib(NamedTuple):
    picture: np.ndarray  # (H, W, 3) uint8 BGR, restored
    crops: Tensor  # (N, s, s, 3), what the network was asked

    def asks(self, network: Network) -> Network:
        """The network as it is asked there, for crops that are the same but for rounding."""

        def answers(crops: Tensor) -> Tensor:
            same = [
                min(self.crops, key=lambda one: float((one - crop).abs().max())) for crop in crops
            ]
            assert (torch.stack(same) - crops).abs().max() < 0.6 / 255
            return torch.cat([eight(network)(one[None]) for one in same])

        return answers


@pytest.fixture(scope="module")
def random_parser(tmp_path_factory) -> Parser:
    """facexlib's ParseNet, which sees something of everything everywhere."""
    return load_parser(parsers.write_parsenet(tmp_path_factory.mktemp("p") / parsers.PARSENET))


class Drawn(nn.Module):
    """Sees the same face in every crop, away from its border."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        logits = functional.one_hot(classes(512), len(CLASSES)).movedim(-1, 0).float()
        return logits.expand(len(crops), -1, -1, -1), crops


@pytest.fixture(scope="module")
def drawn_parser() -> Parser:
    return Parser(Kind("drawn", lambda tensors: None, (0.5,) * 3, (0.5,) * 3, CLASSES), Drawn())


def by_facexlib(
    monkeypatch,
    photo: Photo,
    network: Network,
    parser: Parser | None,
    side: int,
    factor: int,
    enlarged: np.ndarray | None = None,
) -> Facexlib:
    """Its networks, which it would fetch, are those that are given."""
    from facexlib.utils import face_restoration_helper as module

    network_of = None if parser is None else parser.network
    monkeypatch.setattr(module, "init_detection_model", lambda *_, **__: None)
    monkeypatch.setattr(module, "init_parsing_model", lambda *_, **__: network_of)
    helper = module.FaceRestoreHelper(
        factor, face_size=side, device="cpu", use_parse=parser is not None
    )
    helper.read_image(as_bgr(photo.images[0]))
    helper.all_landmarks_5 = [face.points.numpy() for face in photo.faces]
    helper.align_warp_face()
    for crop in helper.cropped_faces:
        helper.add_restored_face(as_bgr(eight(network)(as_rgb(crop)[None])[0]))
    helper.get_inverse_affine()
    crops = torch.stack([as_rgb(crop) for crop in helper.cropped_faces])
    return Facexlib(helper.paste_faces_to_input_image(upsample_img=enlarged), crops)


def by_us(
    photo: Photo,
    network: Network,
    parser: Parser | None,
    side: int,
    factor: float,
    enlarged: np.ndarray | None = None,
    covers: Covers | None = None,
) -> Restored:
    plain = Covers.SQUARE if parser is None else Covers.PARSED
    return restore_faces(
        photo.images,
        photo.faces,
        TinyRestorer(lambda crops, fidelity: network(crops), size=side),
        Settings(
            covers=covers or plain,
            guard=1,
            min_pixels=0,
            max_pixels=4096,
            factor=factor,
            blend=Blend(Method.FACEXLIB),
        ),
        parser,
        enlarge=None if enlarged is None else lambda image: as_rgb(enlarged)[None],
    )


def crops_of(photo: Photo, side: int, factor: float) -> list[Crop]:
    """Of the enlarged picture, by facexlib's way of placing."""
    aside = 0.5 * factor if factor > 1 else 0.0
    made = []
    for crop in align(*photo, Template.FFHQ, side, Fit.ROBUST, outside=Outside.GREY).cut:
        back = cv2.invertAffineTransform(crop.matrix.numpy()) * factor
        back[:, 2] += aside
        there = torch.from_numpy(cv2.invertAffineTransform(back))
        made.append(Crop(0, there, crop.original, crop.extent))
    return made


def hold(
    done: Restored, theirs: Facexlib, unsure: np.ndarray, rounded: bool, share: float = 1e-4
) -> None:
    """Within 2/255, and but for a `share` of the pixels 1. Cut off to whole numbers as theirs is.

    `unsure` (H, W) are pixels that theirs have wrong: up to 1/64 of the contrast, see below.
    `rounded`: they have the enlarged picture in 8 bits before they cut it off.
    """
    ours = (done.images[0] * 255 + 1e-3).clamp(0, 255).floor().numpy()
    difference = np.abs(ours - theirs.picture[..., ::-1])
    new = done.masks[0].numpy() > 0
    assert new.any()
    assert not new.all()
    assert difference[~unsure].max() <= 2
    assert difference[unsure].max(initial=0) <= 5
    assert (difference[~unsure] > 1).mean() <= share
    assert difference.mean() < 0.06 + 0.5 * (1 if rounded else new.mean())


def along(crop: Crop, size: tuple[int, int], inside: float) -> np.ndarray:
    """The pixels (H, W) near the square that is so many pixels of the patch inside it."""
    y, x = np.indices(size)
    matrix, last = crop.matrix.numpy(), crop.original.shape[0] - 1
    at = np.stack([x, y], axis=-1) @ matrix[:, :2].T + matrix[:, 2]
    depth = np.minimum(at, last - at).min(-1)
    return np.abs(depth - inside) <= 1.5 * max(1.0, scale_of(crop.matrix))


def unsure_of(photo: Photo, parse: bool, side: int, factor: float, size: tuple[int, int]):
    """Where facexlib's result is off: where its parsed mask is cut off, ten pixels inside the
    patch, OpenCV reads it at 1/32 of a pixel; its square has a dark fringe."""
    inside = 9.5 * side / 512 if parse else 0.0
    return np.any([along(crop, size, inside) for crop in crops_of(photo, side, factor)], axis=0)


def enlarged_by(image: Tensor, factor: int) -> np.ndarray:
    """What an upscale model could have made."""
    size = (int(image.shape[1] * factor), int(image.shape[0] * factor))
    return cv2.resize(as_bgr(image), size, interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("name", NETWORKS)
# At a factor of 1 no upscale model is asked here, and the background stays.
@pytest.mark.parametrize(
    ("factor", "background"),
    [(1, "itself"), (2, "itself"), (2, "upscaled"), (2, "upscaled twice as much")],
)
@pytest.mark.parametrize("parse", [False, True], ids=["square", "parsed"])
def test_facexlib_restores_the_same(
    monkeypatch, astronaut, drawn_parser, parse, factor, background, name
):
    network, parser = NETWORKS[name], drawn_parser if parse else None
    times = {"itself": 0, "upscaled": factor, "upscaled twice as much": 2 * factor}[background]
    enlarged = enlarged_by(astronaut.images[0], times) if times else None
    side = 256 if background == "upscaled" else 512
    theirs = by_facexlib(monkeypatch, astronaut, network, parser, side, factor, enlarged)
    done = by_us(astronaut, theirs.asks(network), parser, side, factor, enlarged)
    unsure = unsure_of(astronaut, parse, side, factor, theirs.picture.shape[:2])
    rounded = background != "upscaled" and (factor, times) != (1, 0)
    hold(done, theirs, unsure, rounded)


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("parse", [False, True], ids=["square", "parsed"])
def test_facexlib_restores_a_crowd_the_same(monkeypatch, crowd, random_parser, parse, factor):
    """With a parser that sees something everywhere."""
    network, parser = NETWORKS["sharpen"], random_parser if parse else None
    theirs = by_facexlib(monkeypatch, crowd, network, parser, 512, factor)
    done = by_us(crowd, theirs.asks(network), parser, 512, factor)
    hold(done, theirs, unsure_of(crowd, parse, 512, factor, theirs.picture.shape[:2]), factor > 1)


@pytest.mark.parametrize("name", ["negative", "colour", "blur"])
@pytest.mark.parametrize("parse", [False, True], ids=["square", "parsed"])
def test_without_rounding_in_between_it_is_the_same_too(
    monkeypatch, astronaut, drawn_parser, parse, name
):
    """For networks that answer a level with a level or less: half a level each for crop and
    answer, and what is left is cut off."""
    network, parser = NETWORKS[name], drawn_parser if parse else None
    theirs = by_facexlib(monkeypatch, astronaut, network, parser, 512, 1)
    done = by_us(astronaut, network, parser, 512, 1)
    unsure = unsure_of(astronaut, parse, 512, 1, theirs.picture.shape[:2])
    hold(done, theirs, unsure, False, share=1e-3)


@pytest.mark.parametrize(("parse", "factor"), [(False, 1), (True, 2)])
def test_facexlib_restores_the_same_by_gfpgan(
    monkeypatch, tmp_path, astronaut, random_parser, parse, factor
):
    restorer = load(restorers.write(tmp_path / "GFPGANv1.4.pth", restorers.gfpgan_tensors()))
    alone = astronaut._replace(faces=astronaut.faces.keep(astronaut.faces.found[:1]))
    parser = random_parser if parse else None
    enlarged = enlarged_by(alone.images[0], factor)

    def network(crops: Tensor) -> Tensor:
        return restorer.restore(crops, 0.5)

    theirs = by_facexlib(monkeypatch, alone, network, parser, 512, factor, enlarged)
    done = by_us(alone, theirs.asks(network), parser, 512, factor, enlarged)
    assert (done.images[0] - as_rgb(enlarged)).abs().max() > 0.1, "it changes nothing"
    hold(done, theirs, unsure_of(alone, parse, 512, factor, theirs.picture.shape[:2]), False)


# --- CodeFormer's rule ------------------------------------------------------------------------


def by_codeformers_rule(
    background: np.ndarray, crops: list[Crop], faces: Tensor, seen: np.ndarray, factor: float
) -> np.ndarray:
    """(H, W, 3): everywhere the lesser of the square soft mask and the parsed one.

    `background` (H, W, 3) and `faces` (N, 512, 512, 3) are 0..1, `seen` (512, 512) is the head.
    """
    made, sides = background.astype(np.float64), background.shape[1::-1]
    parsed = seen.astype(np.float32)  # of doubles OpenCV reads at 1/32 of a pixel
    for _ in range(2):
        parsed = cv2.GaussianBlur(parsed, (101, 101), 11)
    parsed[:10], parsed[-10:], parsed[:, :10], parsed[:, -10:] = 0, 0, 0, 0
    for crop, face in zip(crops, faces, strict=True):
        back = cv2.invertAffineTransform(crop.matrix.numpy())
        square = cv2.warpAffine(np.ones((512, 512), np.float32), back, sides)
        square = cv2.erode(square, np.ones((int(2 * factor),) * 2, np.uint8))
        pasted = square[..., None] * cv2.warpAffine(face.numpy(), back, sides)
        edge = int(square.sum() ** 0.5) // 20
        soft = cv2.erode(square, np.ones((2 * edge, 2 * edge), np.uint8))
        soft = cv2.GaussianBlur(soft, (2 * edge + 1, 2 * edge + 1), 0)
        mask = np.minimum(soft, cv2.warpAffine(parsed, back, sides))[..., None]
        made = mask * pasted + (1 - mask) * made
    return made


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("sees", ["a drawn face", "the head everywhere"])
def test_the_lesser_of_square_and_parsed(monkeypatch, astronaut, drawn_parser, sees, factor):
    seen = np.isin(classes(512).numpy(), [CLASSES.index(name) for name in KEPT])
    if sees == "the head everywhere":
        monkeypatch.setattr(
            "test_restore_oracles.classes", lambda side: torch.ones(side, side).long()
        )
        seen = np.ones((512, 512), bool)
    enlarged = enlarged_by(astronaut.images[0], factor)
    network = NETWORKS["negative"]
    done = by_us(astronaut, network, drawn_parser, 512, factor, enlarged, Covers.BOTH)
    cut = align(*astronaut, Template.FFHQ, 512, Fit.ROBUST, outside=Outside.GREY)
    crops, faces = crops_of(astronaut, 512, factor), network(cut.patches)
    background = as_rgb(enlarged).numpy()
    theirs = by_codeformers_rule(background, crops, faces, seen, factor)
    difference = np.abs(done.images[0].numpy() - theirs) * 255
    assert (np.abs(theirs - background) > 0.2).any()
    assert difference.max() < 2
    assert difference.mean() < 0.06
    assert (difference > 1).mean() < 1e-3
