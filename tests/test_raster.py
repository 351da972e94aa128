"""Pixel operations: what holds exactly, both bodies equal, and OpenCV's and Pillow's numbers."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from pack.likeness.geometry import compose, identity, invert, scaling, shift, turn
from pack.likeness.pixels import raster, warping
from pack.likeness.pixels.raster import (
    Border,
    blur,
    duplicate,
    footprint,
    resize,
    warp,
)

SIZES = [(97, 160), (160, 97)]
ODD_SIZES = [*SIZES, (1, 1), (1, 40), (40, 1), (2, 3)]
MODES = {
    Border.BLACK: cv2.BORDER_CONSTANT,
    Border.REFLECT: cv2.BORDER_REFLECT_101,
    Border.REPLICATE: cv2.BORDER_REPLICATE,
}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def smooth(height: int, width: int) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    waves = [torch.sin(x / 17 + c) * torch.cos(y / 23 - c) for c in range(3)]
    return torch.stack(waves, dim=-1) / 2 + 0.5


def rolled(degrees: float, scale: float, at=(60.0, 40.0), to=(32.0, 30.0)) -> torch.Tensor:
    return turn(at, degrees, scale, to)


# --- warp ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ODD_SIZES)
@pytest.mark.parametrize("border", Border)
def test_nothing_moved_is_an_exact_copy(size, border):
    picture = noise(*size, 3)
    same = warp(picture, identity(), size, border)
    assert torch.equal(same, picture)
    assert same.data_ptr() != picture.data_ptr()


@pytest.mark.parametrize("border", Border)
@pytest.mark.parametrize(("x", "y"), [(3, -5), (-40, 7), (500, 0), (0, -900)])
@pytest.mark.parametrize("size", SIZES)
def test_a_shift_by_whole_pixels_is_exact_beyond_every_border(border, x, y, size):
    picture = noise(*size, 3)
    modes = {Border.BLACK: "constant", Border.REFLECT: "reflect", Border.REPLICATE: "edge"}
    pad = ((max(y, 0), max(-y, 0)), (max(x, 0), max(-x, 0)), (0, 0))
    there = np.pad(picture.numpy(), pad, mode=modes[border])
    top, left = max(-y, 0), max(-x, 0)
    expected = there[top : top + size[0], left : left + size[1]]
    # What rounding adds when matrices are put together must not turn a copy into a blend.
    rolls = compose(invert(rolled(17, 1.3)), rolled(17, 1.3))
    for matrix in (shift(x, y), compose(shift(x, y), rolls)):
        assert np.array_equal(warp(picture, matrix, size, border).numpy(), expected)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("border", Border)
@pytest.mark.parametrize(
    "matrix",
    [rolled(13, 0.8), rolled(-70, 1.9), rolled(200, 0.55), shift(0.5, -0.25), shift(-30.5, 60.2)],
)
def test_opencv_warps_the_whole_picture_to_the_same(size, border, matrix):
    picture = noise(*size, 3)
    fill = (0.2, 0.5, 0.9)
    ours = warp(picture, matrix, (64, 80), border, fill)
    theirs = cv2.warpAffine(
        picture.numpy(), matrix.numpy(), (80, 64), borderMode=MODES[border], borderValue=fill
    )
    assert np.abs(ours.numpy() - theirs).max() < 0.05 / 255


@pytest.mark.parametrize("size", ODD_SIZES)
@pytest.mark.parametrize("border", Border)
@pytest.mark.parametrize("matrix", [rolled(13, 0.8), rolled(-70, 1.9), shift(0.5, -0.25)])
@pytest.mark.parametrize("channels", [1, 3, 4, 6])
def test_both_bodies_sample_the_same(size, border, matrix, channels):
    picture, fill = noise(*size, channels), tuple(np.linspace(0, 1, channels))
    opencv = warping._sampled_by_opencv(picture, matrix, (50, 70), border, fill)
    plain = warping._sampled_by_torch(picture, matrix, (50, 70), border, fill)
    assert opencv.shape == plain.shape == (50, 70, channels)
    assert (opencv - plain).abs().max() < 0.05 / 255


@pytest.mark.parametrize("size", SIZES)
def test_there_and_back_keeps_a_smooth_picture(size):
    picture = smooth(*size)
    matrix = rolled(25, 1.4, at=(size[1] / 2, size[0] / 2), to=(150.0, 150.0))
    back = warp(warp(picture, matrix, (300, 300)), invert(matrix), size)
    inside = (slice(5, -5), slice(5, -5))
    assert (back - picture)[inside].abs().max() < 1 / 255


@pytest.mark.parametrize("factor", [3, 4, 7])
@pytest.mark.parametrize("border", Border)
def test_a_plain_reduction_is_the_mean_of_what_each_pixel_covers(factor, border):
    picture = noise(20 * factor, 13 * factor, 3)
    ours = warp(picture, scaling((20 * factor, 13 * factor), (20, 13)), (20, 13), border)
    means = picture.reshape(20, factor, 13, factor, 3).mean(dim=(1, 3))
    assert (ours - means).abs().max() < 1e-5


def test_only_the_axis_that_shrinks_is_averaged():
    picture = noise(40, 25, 3)
    ours = warp(picture, scaling((40, 25), (10, 25)), (10, 25))
    assert (ours - picture.reshape(10, 4, 25, 3).mean(1)).abs().max() < 1e-5


@pytest.mark.parametrize("degrees", [0, 30, 90, 200])
@pytest.mark.parametrize("scale", [0.45, 0.31, 0.1])
def test_a_reduced_picture_does_not_move(degrees, scale):
    """On a straight ramp averaging changes nothing, unless the pixel centres are got wrong."""
    y, x = torch.meshgrid(torch.arange(400.0), torch.arange(500.0), indexing="ij")
    ramp = torch.stack([x, y], dim=-1)
    matrix = turn((250.0, 200.0), degrees, scale, (8.0, 6.0))
    ours = warp(ramp, matrix, (13, 17))
    y, x = torch.meshgrid(torch.arange(13.0), torch.arange(17.0), indexing="ij")
    points = torch.stack([x, y], dim=-1).double() @ invert(matrix)[:, :2].T + invert(matrix)[:, 2]
    assert (ours - points).abs().max() < 1e-2


def test_a_checkerboard_reduced_turns_grey_instead_of_random():
    y, x = np.indices((600, 600))
    board = torch.from_numpy(((x // 2 + y // 2) % 2).astype(np.float32))
    matrix = rolled(20, 1 / 8, at=(300, 300), to=(25, 25))
    assert (warp(board, matrix, (50, 50)) - 0.5).abs().max() < 0.1


@pytest.mark.parametrize("border", Border)
def test_reduced_bands_are_joined_without_a_trace(border, monkeypatch):
    picture, matrix = noise(300, 260, 3), rolled(33, 0.21, at=(10.0, 20.0))
    whole = warp(picture, matrix, (64, 64), border)
    monkeypatch.setattr(warping, "BAND", 5_000)
    assert (warp(picture, matrix, (64, 64), border) - whole).abs().max() < 1e-6


@pytest.mark.parametrize("border", Border)
def test_both_bodies_reduce_the_same(border, monkeypatch):
    picture, matrix, fill = noise(300, 260, 3), rolled(33, 0.21, at=(10.0, 20.0)), (0.1, 0.5, 1.0)
    opencv = warp(picture, matrix, (64, 64), border, fill)
    monkeypatch.setattr(warping, "on_cpu", lambda image: False)
    assert (warp(picture, matrix, (64, 64), border, fill) - opencv).abs().max() < 0.05 / 255


@pytest.mark.parametrize("border", [Border.REFLECT, Border.REPLICATE])
@pytest.mark.parametrize("scale", [0.02, 0.3, 1.7])
def test_a_flat_picture_stays_flat_however_far_the_window_leaves_it(border, scale):
    flat = torch.full((97, 160, 3), 0.25)
    for at in ((80.0, 48.0), (-3_000.0, 900.0)):
        ours = warp(flat, rolled(12, scale, at=at), (40, 50), border)
        assert (ours - 0.25).abs().max() < 1e-6


@pytest.mark.parametrize("scale", [0.1, 0.9])
def test_wholly_outside_there_is_only_the_fill(scale):
    fill, away = (0.1, 0.2, 0.3), rolled(5, scale, at=(9_000.0, 50.0))
    ours = warp(noise(97, 160, 3), away, (20, 30), fill=fill)
    assert torch.equal(ours, torch.tensor(fill).expand(20, 30, 3))


def test_a_nan_far_from_the_window_does_not_reach_it():
    picture = noise(97, 160, 3)
    picture[90:, 150:] = math.nan
    for scale in (0.4, 1.1):
        matrix = rolled(10, scale, at=(30.0, 30.0), to=(10.0, 10.0))
        assert torch.isfinite(warp(picture, matrix, (20, 20))).all()


@pytest.mark.parametrize("side", [(40_000, 3), (3, 40_000)])
def test_longer_sides_than_opencv_takes(side):
    picture = noise(*side, 3)
    ours = warp(picture, shift(0.5, 0), side)
    middle = (picture[:, 1:] + picture[:, :-1]) / 2
    assert (ours[:, 1:] - middle).abs().max() < 1e-2
    corner = warp(picture, shift(0.5 - side[1] + 20, 20 - side[0]), (20, 20))
    count = (min(20, side[0]), min(20, side[1]) - 1)
    assert (corner[-count[0] :, -count[1] :] - middle[-count[0] :, -count[1] :]).abs().max() < 1e-4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_kinds_of_numbers_become_float32(dtype):
    picture = noise(97, 160, 3).to(dtype)
    kept = picture.clone()
    for made in (
        warp(picture, rolled(9, 1.2), (40, 40)),
        warp(picture, rolled(9, 0.2), (40, 40)),
        warp(picture, shift(2, 3), (40, 40)),
        resize(picture, (50, 60)),
        blur(picture, 3),
    ):
        assert made.dtype is torch.float32
        assert torch.isfinite(made).all()
    assert torch.equal(picture, kept)
    as_float = warp(kept.float(), rolled(9, 1.2), (40, 40))
    assert torch.equal(warp(picture, rolled(9, 1.2), (40, 40)), as_float)


@pytest.mark.parametrize("layout", ["channels first", "slice of alpha", "every second", "gradient"])
def test_any_layout_in_memory_gives_the_same(layout):
    wide = noise(97, 320, 4)
    picture = {
        "channels first": wide[..., :3].permute(2, 0, 1).contiguous().permute(1, 2, 0),
        "slice of alpha": wide[..., :3],
        "every second": wide[:, ::2, :3],
        "gradient": wide[..., :3].clone().requires_grad_(),
    }[layout]
    plain = picture.detach().contiguous()
    for act in (
        lambda image: warp(image, rolled(9, 1.2), (40, 40)),
        lambda image: warp(image, rolled(9, 0.3), (40, 40)),
        lambda image: resize(image, (50, 60)),
        lambda image: blur(image, 3),
        lambda image: blur(image, 12, reduced=True),
        duplicate,
    ):
        assert torch.equal(act(picture), act(plain))


@pytest.mark.parametrize(
    "rows",
    [
        ((0, 0, 5), (0, 0, 5)),
        ((1, 2, 0), (2, 4, 0)),
        ((1, 0, 0), (0, 0, 0)),
        ((math.nan, 0, 0), (0, 1, 0)),
        ((1, 0, math.inf), (0, 1, 0)),
    ],
)
def test_a_matrix_that_keeps_no_area_is_refused(rows):
    with pytest.raises(ValueError, match="degenerate matrix"):
        warp(noise(9, 9, 3), torch.tensor(rows, dtype=torch.float64), (5, 5))


def test_a_fill_of_another_number_of_channels_is_refused():
    with pytest.raises(ValueError, match="each of 3 channels"):
        warp(noise(9, 9, 3), rolled(3, 1), (5, 5), fill=(0.1,))


@pytest.mark.parametrize("patch", SIZES)
@pytest.mark.parametrize("matrix", [rolled(10, 0.3), rolled(-40, 1.5), shift(0.25, 0.5)])
def test_a_footprint_is_the_warp_of_white(patch, matrix):
    white = np.ones(patch, np.float32)
    theirs = cv2.warpAffine(white, matrix.numpy(), (90, 80))
    assert np.abs(footprint(patch, matrix, (80, 90)).numpy() - theirs).max() < 0.05 / 255


# --- resize ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [*ODD_SIZES, (512, 300)])
@pytest.mark.parametrize("target", [(64, 64), (97, 160), (301, 20), (1, 1)])
def test_pillow_resizes_to_the_same(size, target):
    from PIL import Image

    picture = noise(*size) * 2 - 0.5  # Pillow's floating mode does not clip either
    ours = resize(picture, target)
    theirs = Image.fromarray(picture.numpy()).resize(target[::-1], Image.LANCZOS)
    assert np.abs(ours.numpy() - np.asarray(theirs)).max() < 1e-5
    assert (
        torch.equal(resize(picture[..., None].expand(*size, 3), target)[..., 1], ours)
        or (resize(picture[..., None].expand(*size, 3), target)[..., 1] - ours).abs().max() < 1e-6
    )


def test_the_same_size_is_a_copy():
    picture = noise(97, 160, 3)
    same = resize(picture, (97, 160))
    assert torch.equal(same, picture)
    assert same.data_ptr() != picture.data_ptr()


@pytest.mark.parametrize("sizes", [((0, 5), (4, 4)), ((5, 5), (0, 4))])
def test_nothing_cannot_be_resized(sizes):
    with pytest.raises(ValueError, match="need a pixel at least"):
        resize(torch.zeros(*sizes[0], 3), sizes[1])


# --- blur ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sigma", [0.6, 3.0, (2.0, 9.0), (0.0, 4.0)])
def test_opencv_blurs_to_the_same(size, sigma):
    picture = noise(*size, 3)
    x, y = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    kernel = (2 * round(4 * x) + 1, 2 * round(4 * y) + 1)
    ours = blur(picture, sigma).numpy()
    if min(x, y) > 0:
        theirs = cv2.GaussianBlur(picture.numpy(), kernel, x, sigmaY=y)
        assert np.abs(ours - theirs).max() < 0.01 / 255
    from scipy.ndimage import gaussian_filter

    theirs = gaussian_filter(picture.numpy(), (y, x, 0), mode="mirror", truncate=4.0)
    assert np.abs(ours - theirs).max() < 0.3 / 255  # scipy rounds 4 sigma down at .5


def test_a_radius_of_its_own_cuts_the_bell_off():
    """The kernel of sd-webui's mask blur: sigma 16, 81 taps."""
    mask = (noise(160, 97) > 0.5).float()
    theirs = cv2.GaussianBlur(mask.numpy(), (81, 81), 16)
    assert np.abs(blur(mask, 16, radius=40).numpy() - theirs).max() < 0.01 / 255


@pytest.mark.parametrize("size", ODD_SIZES)
@pytest.mark.parametrize("sigma", [1.5, 40.0, (3.0, 0.0)])
@pytest.mark.parametrize("channels", [1, 3, 6])
def test_both_bodies_blur_the_same_even_wider_than_the_picture(size, sigma, channels):
    picture = noise(*size, channels)
    sigmas = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    radii = tuple(round(4 * each) for each in sigmas)
    opencv = raster._blurred_by_opencv(picture, sigmas, radii)
    plain = raster._blurred_by_torch(picture, sigmas, radii)
    assert (opencv - plain).abs().max() < 0.01 / 255


@pytest.mark.parametrize("size", [(300, 420), (420, 301)])
@pytest.mark.parametrize("sigma", [9.0, 20.0, (12.0, 30.0)])
def test_a_reduced_blur_is_the_blur_within_a_level(size, sigma):
    y, x = np.indices(size)
    disc = torch.from_numpy(((x - 150) ** 2 + (y - 150) ** 2 < 60**2).astype(np.float32))
    strip = torch.zeros(size)  # its edges run along the border, and into it
    strip[:, 5:], strip[100:140] = 1, 1
    for picture in (disc, strip, smooth(*size), torch.zeros(size), torch.ones(size)):
        short = blur(picture, sigma, reduced=True)
        assert short.shape == picture.shape
        difference = (short - blur(picture, sigma)).abs() * 255
        assert difference.max() < 1
        assert difference.mean() < 0.1


@pytest.mark.parametrize("size", [(300, 420), (301, 97), (40, 1)])
def test_both_bodies_of_the_reduced_blur_are_the_same(size, monkeypatch):
    picture = noise(*size, 3)
    opencv = blur(picture, 13, reduced=True)
    monkeypatch.setattr(raster, "on_cpu", lambda image: False)
    assert (blur(picture, 13, reduced=True) - opencv).abs().max() < 0.05 / 255


def test_no_blur_is_a_copy():
    picture = noise(97, 160, 3)
    same = blur(picture, 0)
    assert torch.equal(same, picture)
    assert same.data_ptr() != picture.data_ptr()


@pytest.mark.parametrize("sigma", [-1.0, math.nan, math.inf])
def test_an_impossible_blur_is_refused(sigma):
    with pytest.raises(ValueError, match="give 0 or more"):
        blur(noise(9, 9), sigma)


# --- duplicate -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("shape", [(2, 97, 160, 3), (0, 4, 4, 3), (1, 1, 1, 4)])
def test_a_duplicate_is_the_same_and_apart(dtype, shape):
    images = noise(*shape).to(dtype)
    images.view(-1)[:1] = math.nan
    copy = duplicate(images)
    assert copy.dtype is dtype
    assert copy.is_contiguous()
    assert torch.equal(copy.nan_to_num(7), images.nan_to_num(7))
    copy.zero_()
    assert images.numel() == 0 or images.abs().nansum() > 0 or images.numel() <= 4


# --- nothing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1])
def test_an_empty_side_stays_empty(axis):
    picture = torch.zeros((0, 5, 3) if axis else (5, 0, 3))
    assert warp(picture, rolled(3, 1), (4, 6)).shape == (4, 6, 3)
    assert warp(noise(9, 9, 3), rolled(3, 1), (0, 6)).shape == (0, 6, 3)
    assert blur(picture, 3).shape == picture.shape


def test_a_picture_mirrored_many_times_is_averaged_without_laying_it_out():
    picture = torch.rand(20, 30, 3, generator=torch.Generator().manual_seed(5))
    period = [np.abs((np.arange(-1600, 1600) + n - 1) % (2 * n - 2) - (n - 1)) for n in (20, 30)]
    whole = picture.numpy()[period[0]][:, period[1]]
    expected = whole.reshape(16, 200, 16, 200, 3).mean((1, 3))
    matrix = torch.tensor([[1 / 200, 0, 8 - 0.4975], [0, 1 / 200, 8 - 0.4975]]).double()
    made = warp(picture, matrix, (16, 16), Border.REFLECT)
    assert np.abs(made.numpy() - expected).max() < 1e-4
