"""Maps between a picture and a patch: invariants, and oracles that compute the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pack.likeness.geometry import (
    compose,
    identity,
    invert,
    quarter_turns,
    scale_of,
    scaling,
    shift,
    similarity,
    transform,
    transform_box,
    turn,
)

SIZES = [(97, 160), (160, 97)]


def some_points(count: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) * 100


def test_similarity_equals_scikit_image():
    from skimage.transform import SimilarityTransform

    noise = torch.Generator().manual_seed(1)
    for seed in range(50):
        source = some_points(seed=seed)
        target = source * 2.5 + torch.randn(5, 2, generator=noise) * 20
        expected = SimilarityTransform.from_estimate(source.numpy(), target.numpy()).params[:2]
        assert np.allclose(similarity(source, target), expected, atol=1e-4)


def test_similarity_of_one_place_is_refused():
    with pytest.raises(ValueError, match="all 5 points"):
        similarity(torch.ones(5, 2), some_points())


def test_invert_undoes_and_compose_does_first_then_second():
    first = similarity(some_points(), some_points(seed=1))
    second = shift(3, -7)
    points = some_points(9, seed=2).double()
    both = transform(transform(points, first), second)
    assert torch.allclose(transform(points, compose(second, first)), both)
    assert torch.allclose(transform(both, invert(compose(second, first))), points)
    assert torch.allclose(compose(invert(first), first), identity(), atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("turns", range(-1, 5))
def test_quarter_turns_follow_the_pixels(size, turns):
    picture = np.zeros(size)
    picture[13, 29] = 1
    y, x = np.argwhere(np.rot90(picture, turns))[0]
    moved = transform(torch.tensor([[29.0, 13.0]]), quarter_turns(size, turns))
    assert moved.tolist() == [[x, y]]


@pytest.mark.parametrize("size", SIZES)
def test_scaling_keeps_edges_on_edges(size):
    height, width = size
    matrix = scaling(size, (height * 3, width * 2))
    corners = torch.tensor([[-0.5, -0.5], [width - 0.5, height - 0.5]])
    assert transform(corners, matrix).tolist() == [
        [-0.5, -0.5],
        [width * 2 - 0.5, height * 3 - 0.5],
    ]


def test_a_turned_box_is_still_around_its_corners():
    box = transform_box((10, 20, 30, 60), quarter_turns((100, 200), 1))
    assert box == (20, 169, 60, 189)


def test_points_keep_their_dtype():
    assert transform(some_points(), identity()).dtype == torch.float32


def test_turn_sets_a_tilted_line_upright():
    matrix = turn((30, 40), 25, 2.0, (5, 6))
    tilted = torch.tensor(
        [[30.0, 40.0], [30 + 10 * math.cos(0.4363323), 40 + 10 * math.sin(0.4363323)]]
    )
    assert torch.allclose(transform(tilted, matrix), torch.tensor([[5.0, 6.0], [25.0, 6.0]]))
    assert math.isclose(scale_of(matrix), 2.0)
    assert math.isclose(scale_of(compose(matrix, matrix)), 4.0)


def test_turn_is_the_built_in_finders():
    from pack.likeness.frontal.sampling import upright

    assert np.allclose(turn((3, 4), -31, 0.7, (9, 8)), upright((3, 4), -31, 0.7, (9, 8)))
