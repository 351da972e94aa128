"""Sharpness of faces: as OpenCV has it, and the same whatever the size and turn of the face."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
from pack.likeness.align import Template, face_matrix
from pack.likeness.detect import detect
from pack.likeness.face import Face
from pack.likeness.frontal import cascade
from pack.likeness.geometry import scaling, shift, transform, transform_box, turn
from pack.likeness.pixels.raster import Border, blur, resize, warp
from pack.likeness.sharpness import change, of_crop, sharpness
from skimage import data
from torch import Tensor

# Of the astronaut, marked by eye: pupils, tip of the nose, corners of the mouth.
POINTS = [[203.0, 101.7], [245.9, 103.8], [223.4, 127.3], [203.9, 140.4], [244.2, 141.1]]
PEOPLE = ("astronaut", "first of t1", "second of t1")


@cache
def photograph(name: str) -> tuple[Tensor, Face]:
    if name == "astronaut":
        face = Face(0, (175.0, 65.0, 275.0, 185.0), torch.tensor(POINTS), 1.0)
        return torch.from_numpy(data.astronaut()).float() / 255, face
    picture, found = crowd()
    return picture, found[PEOPLE.index(name) - 1]


@cache
def crowd() -> tuple[Tensor, tuple[Face, ...]]:
    import insightface.data

    picture = np.ascontiguousarray(insightface.data.get_image("t1")[:, :, ::-1])
    picture = torch.from_numpy(picture).float() / 255
    return picture, detect(picture[None], cascade.load()).found


def moved(face: Face, matrix: Tensor) -> Face:
    box = transform_box(face.box, matrix)
    return replace(face, points=transform(face.points, matrix), box=box)


def enlarged(name: str, factor: float) -> tuple[Tensor, Face]:
    picture, face = photograph(name)
    before = tuple(picture.shape[:2])
    after = tuple(round(side * factor) for side in before)
    return resize(picture, after), moved(face, scaling(before, after))


def cubic_crop(picture: Tensor, face: Face, size: int) -> Tensor:
    matrix = face_matrix(face, Template.FFHQ, size).numpy()
    cut = cv2.warpAffine(
        picture.numpy(),
        matrix,
        (size, size),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return torch.from_numpy(cut)


def by_opencv(crop: Tensor) -> float:
    """Of an ffhq crop of n * 256: the middle in 8-bit levels, n x n pixels as one."""
    n = len(crop) // 256
    levels = crop.numpy()[92 * n : 220 * n, 64 * n : 192 * n] * np.float32(255)
    grey = cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY).reshape(128, n, 128, n).mean(axis=(1, 3))
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


@pytest.mark.parametrize("name", PEOPLE)
def test_it_is_opencvs_number(name):
    """Of a crop; and of the picture that the crop was cut out of."""
    picture, face = photograph(name)
    crop = cubic_crop(picture, face, 512)
    wanted = by_opencv(crop)
    assert wanted > 20
    assert sharpness(picture, face) == pytest.approx(wanted, rel=1e-5)
    assert of_crop(crop.clamp(0, 1)) == pytest.approx(by_opencv(crop.clamp(0, 1)), rel=1e-5)
    assert of_crop(crop.clamp(0, 1)) == pytest.approx(wanted, rel=0.02)
    bilinear = warp(picture, face_matrix(face, Template.FFHQ, 512), (512, 512), Border.REPLICATE)
    assert of_crop(bilinear) == pytest.approx(by_opencv(bilinear), rel=1e-5)
    assert 0.55 < of_crop(bilinear) / wanted < 0.8


@pytest.mark.parametrize("times", [2, 3, 4, 8])
def test_crops_are_looked_at_in_means_of_their_own_pixels(times):
    crop = torch.rand(256 * times, 256 * times, 3)
    assert of_crop(crop) == pytest.approx(by_opencv(crop), rel=1e-5)


@pytest.mark.parametrize(("across", "start"), [(True, 128), (False, 184)])
def test_waves_have_the_number_that_they_should_have(across, start):
    """Of a wave a*cos(kx): (a*(2 - 2cos k))^2 / 2, less what averaging two pixels takes away."""
    for halves in (8, 16, 32):  # that the square holds, its outermost samples at extremes
        k = np.pi * halves / 127
        x = (torch.arange(512, dtype=torch.float64) - start - 0.5) / 2
        wave = (0.5 + 0.4 * torch.cos(k * x)).float()
        crop = (wave[None, :, None] if across else wave[:, None, None]).expand(512, 512, 3)
        level = 0.4 * 255 * np.cos(k / 4) * (2 - 2 * np.cos(k))
        assert of_crop(crop) == pytest.approx(level**2 / 2, rel=0.02)


@pytest.mark.parametrize("name", PEOPLE)
def test_blurring_lowers_it_step_by_step(name):
    picture, face = photograph(name)
    sigmas = (0, 0.4, 0.6, 0.8, 1, 1.5, 2, 4, 8)
    found = [sharpness(blur(picture, sigma), face) for sigma in sigmas]
    assert all(less < more for more, less in pairwise(found))
    assert found[4] < found[0] / 2.5
    assert found[-1] < found[0] / 100


@pytest.mark.parametrize("name", PEOPLE)
def test_a_larger_picture_of_a_face_is_as_sharp(name):
    """Enlarged by Lanczos, -3 to +12 %; by cubic, -15 to +5 %."""
    picture, face = photograph(name)
    once = sharpness(picture, face)
    for factor in (1.5, 2.0, 3.0):
        assert 0.97 < sharpness(*enlarged(name, factor)) / once < 1.12
    height, width = picture.shape[:2]
    cubic = cv2.resize(picture.numpy(), (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    twice = moved(face, scaling((height, width), (2 * height, 2 * width)))
    assert 0.85 < sharpness(torch.from_numpy(cubic), twice) / once < 1.05


@pytest.mark.parametrize("name", PEOPLE)
def test_a_smaller_picture_of_a_face_is_less_sharp(name):
    found = [sharpness(*enlarged(name, factor)) for factor in (1.0, 0.7, 0.5, 0.25)]
    assert 0.45 < found[1] / found[0] < 0.8
    assert 0.2 < found[2] / found[0] < 0.55
    assert found[3] < found[0] / 5


@pytest.mark.parametrize("factor", [4.3, 12, 25])
def test_a_face_of_many_pixels_is_averaged(factor):
    """Noise of single pixels, which sampling here and there would show, goes as it should."""
    picture, face = photograph("astronaut")
    part = picture[50:190, 150:290, 1:2]
    there, side = moved(face, shift(-150, -50)), round(140 * factor)
    large, there = resize(part, (side, side)), moved(there, scaling((140, 140), (side, side)))
    quiet = sharpness(large, there)
    assert quiet == pytest.approx(sharpness(picture[..., 1:2], face), rel=0.12)
    noise = torch.randn(large.shape, generator=torch.Generator().manual_seed(0))
    noisy = sharpness(large + noise.mul_(0.04), there)
    # Of noise of deviation s the Laplacian has 20 * s^2 / n, where n pixels are averaged.
    wanted = 20 * (0.04 * 255) ** 2 / (factor * 43 / 63) ** 2
    assert noisy - quiet == pytest.approx(wanted, rel=0.25)


@pytest.mark.parametrize("name", PEOPLE)
def test_a_turned_face_is_as_sharp(name):
    """Within -12 and +5 %, of which Lanczos sampling of the picture takes its share."""
    picture, face = photograph(name)
    once, (height, width) = sharpness(picture, face), picture.shape[:2]
    for degrees in (5, 30, 45, 90, 137, 180, -60):
        matrix = turn(face.centre, degrees, 1.0, face.centre)
        turned = cv2.warpAffine(
            picture.numpy(), matrix.numpy(), (width, height), flags=cv2.INTER_LANCZOS4
        )
        found = sharpness(torch.from_numpy(turned), moved(face, matrix))
        assert 0.88 < found / once < 1.05
    exactly = torch.rot90(picture, 2).contiguous()
    half = moved(face, turn(((width - 1) / 2, (height - 1) / 2), 180, 1, ((width - 1) / 2,) * 2))
    half = moved(half, shift(0, (height - width) / 2))
    assert sharpness(exactly, half) == pytest.approx(once, rel=0.02)


@pytest.mark.parametrize("size", [256, 384, 1024])
def test_crops_of_other_sizes_say_about_the_same(size):
    picture, face = photograph("astronaut")
    found = of_crop(cubic_crop(picture, face, size))
    assert found == pytest.approx(sharpness(picture, face), rel=0.05)


def test_crops_of_other_templates_say_about_the_same():
    picture, face = photograph("astronaut")
    matrix = face_matrix(face, Template.ARCFACE_128, 256)
    cut = warp(picture, matrix, (256, 256), Border.REPLICATE)
    framed = of_crop(warp(picture, face_matrix(face, Template.FFHQ, 256), (256, 256)))
    assert of_crop(cut, Template.ARCFACE_128) == pytest.approx(framed, rel=0.15)
    assert of_crop(cut) != pytest.approx(framed, rel=0.15)


def test_only_the_face_counts():
    picture, face = photograph("astronaut")
    once, noisy = sharpness(picture, face), torch.rand(picture.shape)
    x0, y0, x1, y1 = (160, 60, 290, 190)
    noisy[y0:y1, x0:x1] = picture[y0:y1, x0:x1]
    assert sharpness(noisy, face) == once
    assert sharpness(torch.rand(picture.shape), face) > 5 * once


def test_a_plain_face_has_none():
    _, face = photograph("astronaut")
    for level in (0.0, 0.3, 1.0):
        assert sharpness(torch.full((300, 300, 3), level), face) < 1e-6
        assert of_crop(torch.full((512, 512, 3), level)) < 1e-6
    assert sharpness(torch.full((300, 300, 3), float("nan")), face) == 0


@pytest.mark.parametrize("shape", [(97, 160), (160, 97)])
def test_a_face_at_the_edge_or_beyond(shape):
    """What is not there is repeated from the edge: the same as in a picture that has it."""
    picture, face = photograph("astronaut")
    height, width = shape
    for left, top in ((223, 90), (150, 118), (40, 20), (195, 95), (400, 400), (0, 300)):
        part = picture[top : top + height, left : left + width]
        there = moved(face, shift(-left, -top))
        wide = cv2.copyMakeBorder(part.numpy(), *(600,) * 4, cv2.BORDER_REPLICATE)
        whole = sharpness(torch.from_numpy(wide), moved(there, shift(600, 600)))
        assert sharpness(part, there) == pytest.approx(whole, rel=1e-3, abs=1e-6)


def test_alpha_grey_and_other_numbers():
    picture, face = photograph("astronaut")
    once = sharpness(picture, face)
    alpha = torch.cat([picture, torch.rand(*picture.shape[:2], 1)], 2)
    assert sharpness(alpha, face) == once
    assert sharpness(picture.double(), face) == once
    assert sharpness(picture.half(), face) == pytest.approx(once, rel=0.01)
    assert sharpness(picture.bfloat16(), face) == pytest.approx(once, rel=0.1)
    assert (
        sharpness(picture.flip(1).flip(1).transpose(0, 1).contiguous().transpose(0, 1), face)
        == once
    )
    luminance = picture @ torch.tensor([0.299, 0.587, 0.114])
    assert sharpness(luminance[..., None], face) == pytest.approx(once, rel=1e-4)
    crop = cubic_crop(picture, face, 512)
    assert of_crop(crop.half()) == pytest.approx(of_crop(crop), rel=0.01)
    assert of_crop(torch.cat([crop, crop[..., :1]], 2)) == of_crop(crop)


def test_what_is_not_a_number_is_black():
    picture, face = photograph("astronaut")
    strange, black = picture.clone(), picture.clone()
    strange[120:123, 220:223] = float("nan")
    strange[60, 60] = float("inf")
    black[120:123, 220:223] = 0
    before = strange.clone()
    assert sharpness(strange, face) == sharpness(black, face)
    assert torch.equal(strange.nan_to_num(7), before.nan_to_num(7))
    assert np.isfinite(of_crop(torch.full((512, 512, 3), float("-inf"))))


def test_faces_of_a_few_pixels():
    picture, face = enlarged("astronaut", 8 / 94)
    assert 0 < sharpness(picture, face) < 5
    tiny = moved(face, scaling((44, 44), (4, 4)))
    assert 0 <= sharpness(picture, tiny) < 1000
    assert of_crop(torch.rand(8, 8, 3)) > 0
    assert of_crop(torch.rand(1, 1, 3)) == pytest.approx(0, abs=1e-6)


def test_what_cannot_be_framed_is_refused():
    picture, face = photograph("astronaut")
    with pytest.raises(ValueError, match="all 5 points are at one place"):
        sharpness(picture, replace(face, points=torch.full((5, 2), 9.0)))
    with pytest.raises(ValueError, match="its points are not numbers"):
        sharpness(picture, replace(face, points=face.points * float("nan")))
    with pytest.raises(ValueError, match="a crop of 256 x 512 px is not square"):
        of_crop(torch.zeros(512, 256, 3))


def test_threads_are_left_as_they_were():
    picture, face = photograph("astronaut")
    before = torch.get_num_threads()
    sharpness(picture, face)
    change(picture, picture)
    assert torch.get_num_threads() == before


def test_change_is_the_mean_over_what_counts():
    before, after = torch.full((4, 6, 3), 0.5), torch.full((4, 6, 3), 0.5)
    after[:2] = torch.tensor([0.7, 0.4, 0.5])  # by 0.1 in the mean of the channels
    assert change(before, before) == 0
    assert change(before, after) == change(after, before) == pytest.approx(0.05)
    mask = torch.zeros(4, 6)
    assert change(before, after, mask) == 0
    mask[:2] = 0.5
    assert change(before, after, mask) == pytest.approx(0.1)
    mask[2:] = 0.5
    assert change(before, after, mask) == pytest.approx(0.05)
    assert change(before, after, torch.ones(4, 6)) == pytest.approx(0.05)
    mask[:2], mask[2:] = 0.25, 0.75
    assert change(before, after, mask.half()) == pytest.approx(0.025)
    assert change(before, after, mask / 100) == pytest.approx(0.025)
    assert change(torch.zeros(2, 2, 3), torch.ones(2, 2, 3)) == 1


def test_change_of_batches_alpha_halves_and_none():
    before, after = torch.rand(2, 5, 7, 4), torch.rand(2, 5, 7, 4)
    wanted = float((before - after)[..., :3].abs().mean())
    assert change(before, after) == pytest.approx(wanted, rel=1e-5)
    assert change(before, after[..., :3]) == pytest.approx(wanted, rel=1e-5)
    assert change(before.half(), after) == pytest.approx(wanted, rel=1e-2)
    kept = before.clone(), after.clone()
    after[0, 0, 0] = float("nan")
    assert 0 <= change(before, after, torch.ones(2, 5, 7)) <= 1
    assert torch.equal(before, kept[0])
    assert after[0, 0, 0].isnan().all()
    with pytest.raises(ValueError, match="they need one size"):
        change(before, after[:, :4])
