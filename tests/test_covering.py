"""Which part of a swapped crop is put back: what a parser sees of the face, and what is drawn."""

from __future__ import annotations

from dataclasses import replace

import handmade
import pytest
import torch
from pack.likeness.crop import as_crops
from pack.likeness.face import Faces, moved
from pack.likeness.geometry import invert, transform
from pack.likeness.identity import People
from pack.likeness.parse import CLASSES, FaceClass, Kind, Parser
from pack.likeness.swapping.covering import FACE, Covers, patch_masks
from pack.likeness.swapping.pairing import Pair
from pack.likeness.swapping.swap import Settings, cut, swap_faces
from tiny_swapper import TinySwapper, person
from torch import nn

SIZE = (160, 210)
X, Y, EYES = 100.0, 70.0, 30.0
SKIN, HAND = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])
BAR = slice(96, 112)  # rows of a blue bar across the picture, over the mouth


class Red(nn.Module):
    """Red is skin, all else background: a parser of one line, over the true class order."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, crops):
        scores = crops.new_full((len(crops), len(CLASSES), *crops.shape[2:]), -9.0)
        scores[:, CLASSES.index(FaceClass.SKIN)] = crops[:, 0] - crops[:, 2]
        scores[:, CLASSES.index(FaceClass.BACKGROUND)] = 0.0
        return (scores,)


@pytest.fixture(scope="module")
def parser() -> Parser:
    return Parser(Kind("red", lambda tensors: None, (0.0,) * 3, (1.0,) * 3, CLASSES), Red()).eval()


@pytest.fixture
def face():
    return handmade.measured(EYES, X, Y, degrees=6)


def picture() -> torch.Tensor:
    """A red disc, the face, crossed by a blue bar."""
    y, x = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    disc = ((x - X) / (1.1 * EYES)) ** 2 + ((y - Y - 0.4 * EYES) / (1.4 * EYES)) ** 2 < 1
    shown = torch.where(disc[..., None], SKIN, torch.tensor([0.1, 0.1, 0.1]))
    shown[BAR] = HAND
    return shown[None]


def of(face) -> Faces:
    return Faces((face,), 1, SIZE)


def test_what_is_before_the_face_stays(face, parser):
    """A hand over the mouth."""
    images = picture()
    done = swap_faces(
        images,
        of(face),
        People((person(0),)),
        TinySwapper(),
        Settings(covers=Covers.PARSED, boost=4),
        parser=parser,
    )
    inner = slice(BAR.start + 2, BAR.stop - 2)
    assert torch.equal(done.images[:, inner], images[:, inner])
    changed = (done.images - images).abs().amax(-1)[0] > 0.5
    assert changed[60:90, 85:115].float().mean() > 0.9  # the middle of the face, above the bar
    assert not changed[picture()[0, ..., 0] < 0.5].any()


def test_the_mask_lies_on_the_crop_where_the_picture_shows_skin(face, parser):
    images = picture()
    crops = cut(images, [Pair(face, person(0))], TinySwapper(), 4)
    (mask,), _ = patch_masks(Covers.PARSED, images, [face], crops, parser)
    red = crops.patches[0, ..., 0] - crops.patches[0, ..., 2]
    sure = (red > 0.9) | (red < 0.1)
    assert ((mask > 0.5) == (red > 0.5))[sure].float().mean() > 0.98
    assert 0.2 < mask.mean() < 0.9


def test_drawn_landmarks_lie_on_the_crop(face):
    images = picture()
    crops = cut(images, [Pair(face, person(0))], TinySwapper(), 4)
    (mask,), _ = patch_masks(Covers.LANDMARKS, images, [face], crops, None)
    inside = transform(face.landmarks68[27:].double(), crops.cut[0].matrix).round().long()
    assert mask[inside[:, 1], inside[:, 0]].min() > 0.5
    brow = torch.tensor([[X, Y - 0.6 * EYES]])  # in the middle of the forehead
    x, y = transform(brow, crops.cut[0].matrix)[0].round().long().tolist()
    assert mask[y, x] > 0.5
    assert mask[:3].max() == 0
    assert mask[:, :2].max() == 0


def test_all_of_a_crop_counts_otherwise(face):
    crops = as_crops([], picture(), torch.zeros(1, 8, 8, 3))
    for covers in (Covers.BOX, Covers.MASK):
        assert patch_masks(covers, picture(), [face], crops, None) == (None, [])


def test_a_face_moves_with_its_crop(face):
    full = replace(face, mesh={"landmarks_xy": None})
    crops = cut(picture(), [Pair(full, person(0))], TinySwapper(), 2)
    inside = moved(full, crops.cut[0].matrix, 3)
    home = invert(crops.cut[0].matrix)
    torch.testing.assert_close(transform(inside.points, home), full.points)
    torch.testing.assert_close(transform(inside.landmarks68, home), full.landmarks68)
    assert inside.frame == 3
    assert inside.mesh is None
    assert 0 < inside.width < 64


def test_hair_hands_and_hats_are_no_face():
    out = {FaceClass.BACKGROUND, FaceClass.HAIR, FaceClass.HAT, FaceClass.NECK, FaceClass.CLOTH}
    assert not out & set(FACE)
    assert {FaceClass.SKIN, FaceClass.MOUTH, FaceClass.GLASSES} <= set(FACE)
