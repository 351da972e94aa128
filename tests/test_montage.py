"""The built-in swap against faces marked by hand: every demo portrait on every other."""

from __future__ import annotations

import pytest
import torch
from montage_cases import EYE_DISTANCE, PAIRS, QUICK, cropped, portrait_of, swapped
from pack.likeness import demo
from pack.likeness.montage.montage import contour_of, montage
from pack.likeness.pixels.raster import blur
from scipy import ndimage
from torch import Tensor

LIGHT = 0.2  # in distances between the eyes: what is broader is the light, and the target's

pairs = pytest.mark.parametrize(
    ("target", "source"),
    [pytest.param(*pair, marks=() if pair in QUICK else pytest.mark.slow) for pair in PAIRS],
)


def detail(image: Tensor, weights: Tensor) -> Tensor:
    """Brightness (h, w) as a logarithm, without its mean over the breadth of light."""
    bright = (image @ torch.tensor([0.2126, 0.7152, 0.0722]) + 0.02).log()
    sigma = LIGHT * EYE_DISTANCE
    mean = blur(bright * weights, sigma) / blur(weights, sigma).clamp(min=1e-4)
    return (bright - mean)[weights > 0]


def alike(one: Tensor, other: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([one, other]))[0, 1])


@pairs
def test_inside_it_is_the_source(target, source):
    """The warped source is its portrait moved by the mesh; light is the target's by intent."""
    swap = swapped(target, source)
    inside = (swap.mounted.mask > 0.5).float()
    result, own, other = (
        detail(each, inside) for each in (swap.mounted.patch, swap.crop, swap.warped)
    )
    assert alike(result, other) > 0.9
    assert alike(result, own) < alike(result, other) - 0.15


@pairs
def test_eyes_are_on_eyes(target, source):
    swap = swapped(target, source)
    eyes = torch.stack([swap.lands(point) for point in swap.source["points"][:2]])
    wanted = swap.target["points"][:2]
    assert (eyes - wanted).norm(dim=1).max() <= 0.08 * (wanted[1] - wanted[0]).norm()


@pairs
def test_the_chin_is_on_the_chin(target, source):
    """Along the face. A chin is marked where it is lowest in the picture: aside if tilted."""
    swap = swapped(target, source)
    off = swap.lands(swap.source["chin"]) - swap.target["chin"]
    assert abs(float(off[1])) <= 0.03 * swap.width
    assert abs(float(off[0])) <= 0.10 * swap.width


@pairs
def test_it_covers_the_face_and_no_hair(target, source):
    swap = swapped(target, source)
    marked, mask = swap.target, swap.mounted.mask
    middle = marked["points"].mean(0)
    chin, edges, hairline = marked["chin"], marked["edges"], marked["hairline"]
    rows = (mask > 0.02).nonzero()[:, 0]
    assert rows.min() > hairline[1]
    assert -0.04 * swap.width < float(rows.max() - chin[1]) < 0.03 * swap.width
    for edge in edges:
        assert swap.covered(edge + 0.06 * (edge - middle)) < 0.05
        assert swap.covered(middle + 0.75 * (edge - middle)) > 0.95
    assert swap.covered(middle + 0.8 * (chin - middle)) > 0.95
    assert all(swap.covered(point) > 0.99 for point in marked["points"])
    assert swap.covered(swap.lands(swap.source["hairline"])) < 0.02


@pairs
def test_outside_nothing_changes(target, source):
    swap = swapped(target, source)
    mask, patch = swap.mounted.mask, swap.mounted.patch
    assert torch.equal(patch[mask == 0], swap.crop[mask == 0])
    assert 0.1 < float((mask > 0).float().mean()) < 0.4
    assert mask[[0, -1]].max() == mask[:, [0, -1]].max() == 0
    assert 0 <= mask.min() <= mask.max() == 1
    assert 0 <= patch.min() <= patch.max() <= 1


@pairs
def test_the_edge_is_soft_and_there_are_no_holes(target, source):
    mask = swapped(target, source).mounted.mask
    steps = torch.stack([mask.diff(dim=0).abs().max(), mask.diff(dim=1).abs().max()])
    assert steps.max() < 0.2
    for part in (mask > 0.5, mask <= 0.5):
        assert ndimage.label(part.numpy())[1] == 1


@pairs
def test_the_skin_has_the_targets_colour(target, source):
    swap = swapped(target, source)
    inside = swap.mounted.mask > 0.9
    result, own = (each[inside].mean(0) for each in (swap.mounted.patch, swap.crop))
    assert (result - own).abs().max() < 0.085  # up to 0.22 between the pictures


@pytest.mark.parametrize("name", demo.PORTRAITS)
def test_a_face_on_itself_stays_as_it_is(name):
    crop, face = cropped(name)
    portrait = portrait_of(name)
    mounted = montage(crop, face, portrait)
    off = (mounted.patch - crop).abs().amax(2)[mounted.mask > 0]
    assert off.mean() < 0.012
    assert off.quantile(0.99) < 0.08


def test_hair_over_the_brow_is_not_carried_over():
    """Astronaut's hairline is just above her brows."""
    swap = swapped("studio", "astronaut")
    fringe = swap.lands(swap.source["hairline"])
    assert swap.covered(fringe) < 0.05
    assert swap.covered(swap.lands(swap.source["points"][0])) > 0.99


def test_a_strand_in_the_targets_face_stays():
    crop, face = cropped("snow")
    x, y = (face.points[:2].mean(0) + EYE_DISTANCE * torch.tensor([0.4, -0.55])).long().tolist()
    before = montage(crop, face, portrait_of("cafe")).mask
    hanging = crop.clone()
    hanging[y - 40 : y + 8, x - 3 : x + 4] *= 0.25
    after = montage(hanging, face, portrait_of("cafe")).mask
    assert before[y, x] > 0.3
    assert after[y, x] < 0.05


def test_a_contour_that_is_known_is_not_looked_for_again():
    crop, face = cropped("cafe")
    portrait, other = portrait_of("studio"), portrait_of("garden")
    usual = montage(crop, face, portrait)
    assert torch.equal(montage(crop, face, portrait, contour_of(portrait)).patch, usual.patch)
    assert not torch.equal(montage(crop, face, portrait, contour_of(other)).patch, usual.patch)


def test_grey_stays_grey():
    crop, face = cropped("snow")
    grey = crop.mean(2, keepdim=True).expand_as(crop).contiguous()
    patch = montage(grey, face, portrait_of("garden")).patch
    assert (patch.amax(2) - patch.amin(2)).max() < 0.002


def test_side_light_stays():
    """In snow the light comes from the right, in garden from everywhere."""
    crop, face = cropped("snow")
    mounted = montage(crop, face, portrait_of("garden"))
    x = face.points[2, 0] + torch.tensor([-0.55, 0.55]) * EYE_DISTANCE
    y = int(face.points[2, 1])
    left, right = (
        mounted.patch[y - 8 : y + 8, int(at) - 8 : int(at) + 8].mean() for at in x.tolist()
    )
    assert right > 1.25 * left
