"""Soft edges: how pictures come to the network and edges come back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from pack.likeness import soft_edge
from pack.likeness.nets.pidinet import FILE, PiDiNet, load
from pack.likeness.setup.standins.edges import write_pidinet
from pack.likeness.soft_edge import Levels, describe, graded, seen_size, soft_edges
from real import LACKING
from real import SOFT_EDGES as REAL
from skimage import data

NAN = float("nan")


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> PiDiNet:
    return load(write_pidinet(tmp_path_factory.mktemp("edges") / FILE, width=8, side_width=4))


@pytest.fixture(scope="module")
def real() -> PiDiNet:
    if not REAL.is_file():
        pytest.skip(LACKING)
    return load(REAL)


def photograph(height: int, width: int) -> torch.Tensor:
    """(1, H, W, 3), 0..1, of 8 bits."""
    seen = cv2.resize(data.astronaut(), (width, height), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(seen).float().div(255)[None]


def recipe(
    picture: torch.Tensor, network: PiDiNet, resolution: int, eight_bits: bool
) -> np.ndarray:
    """By OpenCV, as the web UI does it: in 8 bits, or without rounding."""
    pixels = picture.numpy()
    if eight_bits:
        pixels = np.rint(pixels * 255).astype(np.uint8)
    height, width = pixels.shape[:2]
    scale = resolution / min(height, width)
    size = round(width * scale), round(height * scale)
    seen = cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
    seen = seen.astype(np.float32) / 255 if eight_bits else seen.clip(0, 1)
    down, across = ((64 - side % 64) % 64 for side in seen.shape[:2])
    padded = np.pad(seen, ((0, down), (0, across), (0, 0)), mode="edge")[..., ::-1].copy()
    with torch.no_grad():
        edges = network(torch.from_numpy(padded).movedim(-1, 0)[None])[0].numpy()
    edges = edges[: seen.shape[0], : seen.shape[1]]
    if eight_bits:
        edges = (edges * 255).clip(0, 255).astype(np.uint8)
    way = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    return cv2.resize(edges, (width, height), interpolation=way).astype(np.float32)


@pytest.mark.parametrize("size", [(97, 160), (160, 97), (64, 64), (300, 211)])
@pytest.mark.parametrize("resolution", [64, 128, 200])
def test_edges_are_those_of_the_recipe_by_opencv(network, size, resolution):
    picture = photograph(*size)
    made = soft_edges(picture, network, resolution)[0].numpy()
    wanted = recipe(picture[0], network, resolution, eight_bits=False)
    assert made.shape == size
    assert wanted.std() > 0.01
    assert np.abs(made - wanted).max() < 1e-5


def test_at_its_own_size_eight_bits_only_cut_decimals_off(real):
    picture = photograph(192, 256)
    levels = soft_edges(picture, real, 0)[0].numpy() * 255
    apart = levels - recipe(picture[0], real, 192, eight_bits=True)
    assert apart.min() > -0.01
    assert apart.max() < 1.01


def test_resized_in_eight_bits_edges_are_all_but_the_same(real):
    """The network sees half a level of rounding a few times as large; the mean is of the cut."""
    picture = photograph(240, 200)
    levels = soft_edges(picture, real, 256)[0].numpy() * 255
    apart = np.abs(levels - recipe(picture[0], real, 256, eight_bits=True))
    assert apart.max() < 6
    assert apart.mean() < 0.6
    assert (apart > 2).mean() < 0.02


def test_edges_lie_where_a_picture_changes(real):
    """Down the middle of a picture of two halves."""
    halves = torch.zeros(1, 96, 160, 3)
    halves[:, :, 80:] = 0.8
    drawn = soft_edges(halves, real, 0)[0]
    assert drawn[:, 78:82].amax(1).min() > 0.5
    assert drawn[:, :60].max() < 0.2
    assert drawn[:, 100:].max() < 0.2


def test_its_own_size(network):
    picture = photograph(128, 192)
    with torch.no_grad():
        wanted = network(picture.movedim(-1, 1).flip(1))
    assert (soft_edges(picture, network, 0) - wanted).abs().max() < 1e-6


def test_pictures_of_a_batch_are_as_alone(network):
    pictures = torch.cat([photograph(97, 160), 1 - photograph(97, 160), torch.zeros(1, 97, 160, 3)])
    together = soft_edges(pictures, network, 128)
    for number, picture in enumerate(pictures):
        assert torch.equal(together[number], soft_edges(picture[None], network, 128)[0])
    assert not torch.equal(together[0], together[1])


@pytest.mark.parametrize("size", [(256, 704), (704, 256)])
def test_a_large_picture_is_drawn_in_tiles_that_leave_no_trace(network, size, monkeypatch):
    picture = photograph(*size)
    whole, calls = soft_edges(picture, network, 0), []
    monkeypatch.setattr(soft_edge, "MOST", 1 << 16)
    monkeypatch.setattr(soft_edge, "TILE", 128)
    hook = network.register_forward_hook(lambda layer, args, out: calls.append(args[0].shape))
    tiled = soft_edges(picture, network, 0)
    hook.remove()
    assert len(calls) == 12
    assert max(height * width for *_, height, width in calls) < size[0] * size[1]
    assert (tiled - whole).abs().max() < 1e-5


def test_every_tile_moves_the_bar(network, monkeypatch):
    monkeypatch.setattr(soft_edge, "MOST", 1 << 14)
    monkeypatch.setattr(soft_edge, "TILE", 128)
    heard = []
    soft_edges(
        photograph(128, 256).repeat(3, 1, 1, 1),
        network,
        0,
        progress=lambda done, total: heard.append((done, total)),
    )
    assert heard == [(done, 6) for done in range(1, 7)]


def test_three_levels(network):
    picture = photograph(97, 160)
    smooth, levels = (soft_edges(picture, network, 128, each) for each in Levels)
    assert levels.unique().tolist() == [0, 0.5, 1]
    assert torch.equal(levels, (smooth * 3).floor().div(2).clamp(0, 1))


def test_where_levels_begin():
    below = float(np.nextafter(np.float32(2 / 3), np.float32(0)))
    edges = torch.tensor([0, 0.33, 0.34, below, 0.67, 0.999, 1.0])
    assert graded(edges, Levels.THREE).tolist() == [0, 0, 0.5, 0.5, 1, 1, 1]
    assert graded(edges, Levels.SMOOTH) is edges


@pytest.mark.parametrize(
    ("size", "resolution", "wanted"),
    [
        ((512, 512), 512, (512, 512)),
        ((97, 160), 512, (512, 845)),
        ((160, 97), 512, (845, 512)),
        ((2000, 1000), 512, (1024, 512)),
        ((97, 160), 0, (97, 160)),
        ((8, 8), 512, (512, 512)),
        ((8, 4000), 512, (16, 8192)),
        ((8, 20000), 512, (8, 20000)),
        ((20000, 4000), 512, (2560, 512)),
        ((1, 30000), 1, (1, 30000)),
    ],
)
def test_what_the_network_sees(size, resolution, wanted):
    assert seen_size(size, resolution) == wanted


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (8, 97), (3, 200)])
@pytest.mark.parametrize("resolution", [0, 64])
def test_tiny_pictures(network, size, resolution):
    drawn = soft_edges(photograph(*size), network, resolution)
    assert drawn.shape == (1, *size)
    assert drawn.isfinite().all()


def test_alpha_is_left_out_and_grey_is_grey(network):
    picture = photograph(97, 160)
    wanted = soft_edges(picture, network, 64)
    assert torch.equal(soft_edges(torch.cat([picture, picture[..., :1]], -1), network, 64), wanted)
    grey = picture[..., :1]
    wanted = soft_edges(grey.repeat(1, 1, 1, 3), network, 64)
    assert torch.equal(soft_edges(grey, network, 64), wanted)
    with pytest.raises(ValueError, match=r"image: .*\(1, 97, 160, 2\).*need 1 channel, 3, or 4"):
        soft_edges(picture[..., :2], network, 64)


def test_what_is_no_number_is_black_and_told(network):
    picture = photograph(97, 160)
    broken = picture.clone()
    broken[0, 40:60, 40:60] = NAN
    black = picture.clone()
    black[0, 40:60, 40:60] = 0
    drawn = soft_edges(broken, network, 64)
    assert torch.equal(drawn, soft_edges(black, network, 64))
    told = describe(broken, drawn, 64, Levels.SMOOTH)
    assert "0: edges on" in told
    assert "not a number in the picture was taken as black" in told


def test_it_comes_back_as_it_came_and_leaves_the_picture(network):
    picture = photograph(97, 160).half()
    before = picture.clone()
    drawn = soft_edges(picture, network, 64)
    assert drawn.dtype == torch.float16
    assert torch.equal(picture, before)
    assert (drawn.float() - soft_edges(picture.float(), network, 64)).abs().max() < 1e-3


def test_a_network_that_gives_no_numbers_is_named(tmp_path):
    broken = load(write_pidinet(tmp_path / FILE, width=8, side_width=4))
    broken.classifier.bias.fill_(NAN)
    with pytest.raises(ValueError, match=r"network: .* picture 0 .* not numbers.*fetch"):
        soft_edges(photograph(64, 64), broken, 64)


def test_the_report(network):
    pictures = photograph(97, 160).repeat(2, 1, 1, 1)
    drawn = soft_edges(pictures, network, 64, Levels.THREE)
    first, *rest = describe(pictures, drawn, 64, Levels.THREE).splitlines()
    assert first == (
        "2 edge maps of 160 x 97 px, three levels (softedge_pidisafe), drawn at 106 x 64 px"
    )
    assert rest == [f"{n}: edges on {float((drawn[n] > 0).float().mean()):.1%}" for n in (0, 1)]
