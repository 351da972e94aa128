"""Points out of heat maps: drawn blobs whose place is known, and face-alignment's own reading."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pack.likeness.heatmaps import fitted, quartered

SIZES = [(64, 64), (40, 64), (64, 40)]


def blobs(centres, sigmas=(1.5, 1.5), angle=0.0, noise=0.0, height=0.8, size=(64, 64)):
    """Gaussians (N, h, w) about centres (N, 2)."""
    y, x = torch.meshgrid(*(torch.arange(side).double() for side in size), indexing="ij")
    x, y = (grid - centres[:, axis, None, None] for axis, grid in enumerate((x, y)))
    angle = torch.tensor(angle)
    along, across = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    maps = height * torch.exp(-((along / sigmas[0]) ** 2) / 2 - ((across / sigmas[1]) ** 2) / 2)
    random = torch.Generator().manual_seed(1)
    return maps + noise * torch.randn(maps.shape, generator=random, dtype=torch.float64)


def centres(count: int, size=(64, 64), margin: float = 8.0) -> torch.Tensor:
    random = torch.rand(count, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    room = torch.tensor([size[1] - 1, size[0] - 1]) - 2 * margin
    return margin + random * room


def misses(read, maps, wanted) -> torch.Tensor:
    return (read(maps).points - wanted).norm(dim=-1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sigmas", [(1.0, 1.0), (1.75, 1.75), (3.2, 3.2), (1.2, 2.5)])
def test_a_drawn_blob_is_found_exactly(size, sigmas):
    wanted = centres(300, size)
    assert misses(fitted, blobs(wanted, sigmas, 0.7, size=size), wanted).max() < 1e-6


@pytest.mark.parametrize("sigmas", [(1.2, 1.2), (1.75, 1.75), (1.2, 2.5)])
@pytest.mark.parametrize(("noise", "times"), [(0.0, 100), (0.01, 5), (0.03, 2.5)])
def test_it_is_more_accurate_than_a_quarter_of_a_cell(sigmas, noise, times):
    wanted = centres(400)
    maps = blobs(wanted, sigmas, 0.7, noise)
    whole = (quartered(maps).points.round() - wanted).norm(dim=-1).mean()
    coarse, fine = misses(quartered, maps, wanted).mean(), misses(fitted, maps, wanted).mean()
    assert fine * times < coarse < whole * 1.2


def test_a_blob_at_the_edge_of_its_map():
    places = [(0.0, 0.0), (0.3, 30.2), (63.0, 62.6), (31.4, 62.9), (-0.4, 10.0)]
    wanted = torch.tensor(places, dtype=torch.float64)
    assert misses(fitted, blobs(wanted), wanted).max() < 1e-6


@pytest.mark.parametrize("read", [fitted, quartered])
def test_maps_without_a_blob(read):
    """Nothing is made up: the highest cell counts, and points are numbers."""
    ramp = torch.arange(64.0).expand(64, 64)
    spike = torch.zeros(64, 64)
    spike[20, 30] = 1
    maps = torch.stack([torch.zeros(64, 64), -torch.ones(64, 64), ramp, spike, ramp - 100])
    points = read(maps).points
    assert torch.isfinite(points).all()
    assert points[3].tolist() == [30, 20]
    assert points[2, 0] >= 62


def test_heights_and_shapes():
    maps = blobs(centres(12).round(), height=0.7).view(3, 4, 64, 64)
    for read in (fitted, quartered):
        peaks = read(maps.float())
        assert peaks.points.shape == (3, 4, 2)
        assert torch.allclose(peaks.heights, torch.tensor(0.7, dtype=torch.float64), atol=1e-6)
        assert read(maps[:0]).points.shape == (0, 4, 2)


@pytest.mark.slow  # the package compiles its own for ten seconds
def test_quarters_are_the_packages():
    utils = pytest.importorskip("face_alignment.utils")
    random = torch.rand(3, 68, 64, 64, generator=torch.Generator().manual_seed(0))
    random[0, :4] = 0
    random[0, 0, 0, 5] = random[0, 1, 63, 7] = random[0, 2, 9, 0] = random[0, 3, 9, 63] = 1
    drawn = blobs(centres(68, margin=-1.0)).float()[None]
    for maps in (random, drawn):
        theirs, _, heights = utils.get_preds_fromhm(maps.numpy())
        ours = quartered(maps)
        # Theirs count from a cell's corner, ours from its middle.
        assert np.array_equal(ours.points.numpy() + 0.5, theirs)
        assert np.array_equal(ours.heights.float().numpy(), heights)
