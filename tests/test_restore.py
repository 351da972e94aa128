"""Restoring around the network: sizes, masks, amount, larger pictures, what fails, report."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan

import handmade
import numpy as np
import pytest
import torch
from pack.likeness.align import Template
from pack.likeness.face import Faces, moved
from pack.likeness.geometry import scaling, shift
from pack.likeness.laid import Way
from pack.likeness.parse import CLASSES, FaceClass, Kind, Parser
from pack.likeness.paste import Blend, Method
from pack.likeness.pixels.raster import Border, resize, warp
from pack.likeness.report import describe_restored
from pack.likeness.restoring.covering import KEPT, Covers
from pack.likeness.restoring.restore import (
    UNLARGED,
    UNPARSED,
    UNWATCHED,
    Restored,
    Settings,
    restore_faces,
)
from pack.likeness.sharpness import sharpness
from shapes import smooth
from tiny_restorer import TinyRestorer
from torch import nn

SIZES = [(97, 160), (160, 97)]


def pictures(size=(97, 160), frames: int = 1) -> torch.Tensor:
    return torch.stack([smooth(size, seed) for seed in range(frames)])


def face(frame: int = 0, x: float = 60.0, y: float = 45.0, eyes: float = 14.0):
    return handmade.measured(eyes, x, y, frame, degrees=7)


def of(images: torch.Tensor, *found) -> Faces:
    return Faces(found, len(images), tuple(images.shape[1:3]))


def restored(images=None, found=None, restorer=None, **settings) -> Restored:
    images = pictures() if images is None else images
    found = of(images, face()) if found is None else found
    others = {name: settings.pop(name) for name in ("parser", "enlarge") if name in settings}
    return restore_faces(images, found, restorer or TinyRestorer(), Settings(**settings), **others)


@pytest.mark.parametrize("size", SIZES)
def test_only_what_the_mask_says_has_changed(size):
    images = pictures(size, 2)
    done = restored(images, of(images, face(0), face(1, 45, 70)))
    changed = (done.images != images).any(-1)
    assert changed.flatten(1).any(1).all()
    assert (done.masks[changed] > 0).all()
    assert torch.equal(done.images[done.masks == 0], images[done.masks == 0])
    whole = done.masks == 1
    assert whole.any()
    torch.testing.assert_close(done.images[whole], 1 - images[whole], atol=0.02, rtol=0)


@pytest.mark.parametrize("way", Way)
def test_a_restorer_that_changes_nothing_gives_the_picture_back(way):
    images = pictures(frames=2)
    same = TinyRestorer(lambda crops, fidelity: crops, size=128)
    done = restored(images, of(images, face(0), face(1)), same, way=way)
    assert torch.equal(done.images[done.masks == 0], images[done.masks == 0])
    if way is Way.CHANGE:
        assert torch.equal(done.images, images)
    else:
        torch.testing.assert_close(done.images, images, atol=0.01, rtol=0)


def test_inputs_are_left_alone():
    images = pictures(frames=2)
    before, found = images.clone(), of(images, face(0), face(1))
    points = [one.points.clone() for one in found]
    restored(images, found, factor=1.5, strength=0.5, blend=Blend(Method.BANDS, grain=1.0))
    restored(images, found, TinyRestorer(lambda crops, fidelity: crops.mul_(0.5)))
    assert torch.equal(images, before)
    assert all(torch.equal(one.points, was) for one, was in zip(found, points, strict=True))


@pytest.mark.parametrize("blend", [Blend(method) for method in Method])
@pytest.mark.parametrize("way", Way)
def test_the_amount_mixes(blend, way):
    images = pictures()
    none, half, full = (
        restored(images, strength=amount, blend=blend, way=way) for amount in (0.0, 0.5, 1.0)
    )
    assert torch.equal(none.images, images)
    assert not none.masks.any()
    torch.testing.assert_close(half.masks, full.masks / 2)
    if blend.is_plain:
        mean = (images + full.images) / 2
        # What is added and cut off at black and white is not half of what is cut off twice.
        tolerance = 0.2 if way is Way.CHANGE else 1e-5
        torch.testing.assert_close(half.images, mean, atol=tolerance, rtol=0)


def test_fidelity_reaches_the_network():
    restorer = TinyRestorer(has_fidelity=True)
    restored(restorer=restorer, fidelity=0.25)
    assert [fidelity for _, fidelity in restorer.given] == [0.25]


def test_a_few_crops_at_a_time_in_the_order_of_the_faces():
    images = pictures(frames=5)
    found = of(images, *(face(frame, 50.0 + 5 * frame) for frame in (3, 0, 4, 1, 2)))
    restorer, seen = TinyRestorer(), []
    done = restore_faces(
        images,
        found,
        restorer,
        Settings(),
        progress=lambda finished, total: seen.append((finished, total)),
    )
    assert [len(crops) for crops, _ in restorer.given] == [3, 2]
    assert [each.face for each in done.restorations] == list(found)
    assert seen == [(3, 5), (5, 5)]
    alone = restored(images, of(images, found.found[1]))
    assert torch.equal(done.patches[1], alone.patches[0])


def test_frames_with_different_counts_of_faces():
    images = pictures(frames=4)
    found = of(images, face(0), face(0, 110), face(2), face(3, 40))
    done = restored(images, found)
    assert (done.images != images).flatten(1).any(1).tolist() == [True, False, True, True]


def test_without_a_face_the_pictures_pass_through():
    images = pictures(frames=2)
    done = restored(images, of(images))
    assert torch.equal(done.images, images)
    assert not done.masks.any()
    assert done.patches.shape == (1, 64, 64, 3)
    assert describe_restored(done).splitlines()[0] == "no face to restore"


def test_too_small_and_too_large_faces_are_left_and_told():
    images = pictures((300, 400))
    small, middle, large = face(0, 40, 40, 3), face(0, 120, 60, 14), face(0, 260, 150, 60)
    done = restored(images, of(images, small, middle, large), min_pixels=12)
    assert [each.left is None for each in done.restorations] == [False, True, False]
    assert "is less than 12 px" in done.restorations[0].left
    assert "more than the 64 px of the network" in done.restorations[2].left
    assert len(done.patches) == 1
    told = describe_restored(done).splitlines()
    assert told[0] == "1 of 3 faces restored in 1 picture by tiny.pth"
    assert any(line.startswith("2: frame 0, left as it was: ") for line in told)
    wide = restored(images, of(images, small, middle, large), min_pixels=0, max_pixels=300)
    assert [each.left for each in wide.restorations] == [None] * 3
    narrow = restored(images, of(images, middle), max_pixels=20).restorations[0].left
    assert "more than the 20 px" in narrow
    assert "network" not in narrow


def test_a_batch_in_which_nothing_is_left_to_do():
    images = pictures()
    done = restored(images, min_pixels=1000)
    assert torch.equal(done.images, images)
    assert "nothing" not in describe_restored(done)
    assert UNWATCHED not in done.notes


def half_left(where: FaceClass = FaceClass.HAIR, side: int = 512) -> Parser:
    """Sees something of the head in the left half of every crop, background in the right."""

    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, crops):
            assert crops.shape[1:] == (3, 512, 512)
            scores = torch.zeros(len(crops), len(CLASSES), 512, 512)
            scores[:, CLASSES.index(where), :, :256] = 1
            return (scores,)

    return Parser(Kind("halves", lambda tensors: None, (0.5,) * 3, (0.5,) * 3, CLASSES), Halves())


@pytest.mark.parametrize("template", [Template.FFHQ, Template.ARCFACE_128])
@pytest.mark.parametrize("covers", [Covers.PARSED, Covers.BOTH])
def test_a_parsed_mask(covers, template):
    images = pictures()
    upright = replace(handmade.measured(14, 60, 45), landmarks68=None)
    restorer = TinyRestorer(template=template)
    whole = restored(images, of(images, upright), restorer, covers=Covers.SQUARE)
    parsed = restored(images, of(images, upright), restorer, covers=covers, parser=half_left())
    assert parsed.masks[..., :59].any()
    assert not parsed.masks[..., 62:].any()
    assert whole.masks[..., 62:].any()
    if covers is Covers.BOTH:
        assert (parsed.masks <= whole.masks + 1e-6).all()
    else:
        assert (parsed.masks > whole.masks + 0.1).any()  # up to the sides of the crop
    dropped = restored(
        images, of(images, upright), restorer, covers=covers, parser=half_left(FaceClass.NECK)
    )
    assert torch.equal(dropped.images, images)


def test_what_is_kept_of_a_parsed_head():
    """ParseNet's classes 1 to 13 and 15, as facexlib has it."""
    assert [CLASSES.index(name) for name in KEPT] == [*range(1, 14), 15]


def test_without_a_parser_the_square_counts_and_it_is_said():
    both, square = restored(covers=Covers.BOTH), restored(covers=Covers.SQUARE)
    assert torch.equal(both.images, square.images)
    assert UNPARSED in both.notes
    assert UNPARSED not in square.notes
    with pytest.raises(ValueError, match="connect Load Face Parser"):
        restored(covers=Covers.PARSED)


@pytest.mark.parametrize("factor", [1.5, 2.0])
def test_the_picture_is_enlarged_and_the_face_lies_where_it_was(factor):
    images = pictures((97, 160), 2)
    found = of(images, face(0), face(1, 100))
    same = TinyRestorer(lambda crops, fidelity: crops, size=128)
    done = restored(images, found, same, factor=factor)
    size = (int(97 * factor), int(160 * factor))
    assert done.images.shape == (2, *size, 3)
    assert done.masks.shape == (2, *size)
    plain = restored(images, of(images), same, factor=factor).images
    torch.testing.assert_close(done.images, plain, atol=0.02, rtol=0)
    assert torch.equal(done.images[done.masks == 0], plain[done.masks == 0])


@pytest.mark.parametrize("factor", [1.5, 2.0, 3.0])
@pytest.mark.parametrize("aside", [(0.3, 0.0), (-0.3, 0.0), (0.0, 0.3), (0.0, -0.3)])
def test_in_an_enlarged_picture_the_face_lies_there_to_a_fraction_of_a_pixel(factor, aside):
    """On a picture with detail: moved by a third of a pixel, the plain one fits less well."""
    small = torch.rand(1, 49, 80, 3, generator=torch.Generator().manual_seed(0))
    images = resize(small[0], (97, 160)).clamp(0, 1)[None]
    same = TinyRestorer(lambda crops, fidelity: crops, size=256)
    done = restored(images, restorer=same, factor=factor, max_pixels=1000)
    plain = restored(images, of(images), same, factor=factor).images[0]
    moved_away = warp(plain, shift(*aside), tuple(plain.shape[:2]), Border.REPLICATE)
    inside = done.masks[0] == 1
    assert inside.any()
    miss, worse = ((done.images[0] - each)[inside].abs().mean() for each in (plain, moved_away))
    assert miss < worse
    assert done.restorations[0].sharpness[1] == pytest.approx(
        sharpness(done.images[0], moved(face(), scaling((97, 160), tuple(plain.shape[:2]))))
    )


def test_an_upscaler_without_a_factor_is_not_asked():
    """Else the whole picture would be painted anew, and what has no face would not stay."""
    images = pictures()
    done = restored(images, enlarge=lambda image: image.repeat_interleave(2, 1) * 0)
    assert torch.equal(done.images[done.masks == 0], images[done.masks == 0])
    assert UNLARGED in done.notes
    assert UNLARGED not in restored(images).notes
    assert UNLARGED in restored(images, of(images), enlarge=lambda image: image).notes


def test_what_is_no_number_does_not_spread_when_a_picture_is_enlarged():
    images = pictures()
    images[:, 90, 150] = nan
    assert restored(images, factor=2).images.isfinite().all()


def test_the_networks_get_room_once_after_the_picture_is_enlarged():
    order = []
    images = pictures(frames=2)
    restorer = TinyRestorer(lambda crops, fidelity: order.append("network") or crops)

    def enlarge(image):
        order.append("enlarge")
        return image.repeat_interleave(2, 1).repeat_interleave(2, 2)

    found = of(images, face(0), face(1))
    restore_faces(
        images,
        found,
        restorer,
        Settings(factor=2),
        enlarge=enlarge,
        prepare=lambda: order.append("room"),
    )
    assert order == ["enlarge", "enlarge", "room", "network"]
    restore_faces(images, of(images), restorer, prepare=lambda: order.append("room"))
    assert len(order) == 4


@pytest.mark.parametrize("method", [Method.FEATHER, Method.INSIGHTFACE, Method.FACEXLIB])
def test_the_seam_is_measured_however_little_is_mixed_in(method):
    images = pictures()
    seams = [
        restored(images, strength=amount, blend=Blend(method)).restorations[0].seam
        for amount in (1.0, 0.3, 0.0)
    ]
    assert seams[0] > seams[1] > 1
    assert seams[2] == pytest.approx(1)


def test_the_background_comes_from_the_upscaler():
    images, given = pictures((97, 160), 2), []

    def enlarge(image):
        given.append(tuple(image.shape))
        return image.repeat_interleave(4, 1).repeat_interleave(4, 2) * 0.5

    done = restored(images, of(images, face(0)), factor=2, enlarge=enlarge)
    assert given == [(1, 97, 160, 3)] * 2
    outside = done.masks == 0
    half = restored(images * 0.5, of(images), factor=2).images
    assert (done.images[outside] - half[outside]).abs().mean() < 0.01
    assert done.restorations[0].sharpness[1] > 0


def test_more_than_there_is_room_for():
    """The pages are asked for before anything is done, and the words say what to change."""
    wide = torch.zeros(1, 1, 1, 3).expand(4000, 4000, 4000, 3)
    nobody = Faces((), 4000, (4000, 4000))
    with pytest.raises(MemoryError, match="4000 pictures of 32000 x 32000 px: choose a smaller fa"):
        restore_faces(wide, nobody, TinyRestorer(), Settings(factor=8))


def test_alpha_is_kept_and_enlarged():
    alpha = torch.linspace(0, 1, 160).expand(1, 97, 160)
    images = torch.cat([pictures(), alpha[..., None]], -1)
    done = restored(images)
    assert torch.equal(done.images[..., 3], images[..., 3])
    large = restored(images, factor=2).images
    assert large.shape == (1, 194, 320, 4)
    torch.testing.assert_close(large[..., 3].mean(), alpha.mean())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_pictures_keep_their_dtype(dtype):
    images = pictures().to(dtype)
    done = restored(images)
    assert done.images.dtype == dtype
    assert torch.equal(done.images[done.masks == 0], images[done.masks == 0])
    assert (done.images != images).any()


def test_what_gives_no_picture_is_asked_again_and_then_left():
    images = pictures(frames=2)
    found = of(images, face(0), face(1))

    def broken(crops, fidelity):
        made = 1 - crops
        made[0] = nan
        return made

    second = TinyRestorer(lambda crops, fidelity: 1 - crops)
    done = restored(images, found, TinyRestorer(broken, second))
    assert "tiny.pth gave no picture for 1 of 2 faces, and was asked again on the CPU" in done.notes
    assert not any("no picture" in note for note in restored(images, found).notes)
    assert [len(crops) for crops, _ in second.given] == [1]
    assert all(each.left is None for each in done.restorations)
    assert torch.equal(done.images, restored(images, found).images)
    lost = restored(images, found, TinyRestorer(broken, TinyRestorer(broken)))
    assert [each.left for each in lost.restorations] == ["the network gave no picture", None]
    assert torch.equal(lost.images[0], images[0])
    assert lost.images.isfinite().all()
    assert torch.equal(lost.images[1], done.images[1])


def test_what_is_no_number_around_a_face_goes_in_as_black():
    images = pictures()
    images[:, 45, 60] = nan
    restorer = TinyRestorer()
    done = restored(images, restorer=restorer)
    assert restorer.given[0][0].isfinite().all()
    assert not isnan(done.restorations[0].change)


def test_the_report_tells_sharpness_and_change():
    images = pictures()
    sharp = TinyRestorer(lambda crops, fidelity: (crops + 0.2 * torch.rand_like(crops)).clamp(0, 1))
    done = restored(images, restorer=sharp)
    (one,) = done.restorations
    before, after = one.sharpness
    assert before == pytest.approx(sharpness(images[0], one.face))
    assert after == pytest.approx(sharpness(done.images[0], one.face))
    assert after > 2 * before
    assert 0.05 < one.change < 0.15
    line = describe_restored(done).splitlines()[-1]
    assert f"sharpness {before:.0f} -> {after:.0f}, changed by {one.change:.1%}" in line


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"strength": 1.2}, "strength is 1.2: choose 0 to 1"),
        ({"fidelity": -1}, "fidelity is -1: choose 0 to 1"),
        ({"guard": nan}, "guard is nan"),
        ({"factor": 0.5}, "factor is 0.5: choose 1 to 8"),
        ({"min_pixels": -1}, "min_pixels is -1 px"),
    ],
)
def test_settings_out_of_range(settings, words):
    with pytest.raises(ValueError, match=words):
        Settings(**settings)


def test_pictures_that_cannot_be_restored():
    with pytest.raises(ValueError, match="4 with alpha"):
        restored(pictures()[..., :1])
    with pytest.raises(ValueError, match="connect the image that went into Detect Faces"):
        restored(pictures((50, 60)), of(pictures(), face()))


def test_the_same_twice():
    images = pictures(frames=2)
    found = of(images, face(0), face(1))
    settings = {"blend": Blend(Method.BANDS, colour=0.5, grain=1.0), "factor": 1.5}
    first, second = (restored(images, found, **settings) for _ in range(2))
    assert np.array_equal(first.images.numpy(), second.images.numpy())
    assert torch.equal(first.masks, second.masks)
