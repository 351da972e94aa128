"""The surface through the values along an edge, against a sparse solver."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pack.likeness.blending.membrane import membrane
from shapes import ellipse, half, noise, smooth

SIZES = [(97, 160), (160, 97)]
SHAPES = {
    "ellipse": ellipse,
    "half": half,
    "all but a corner": lambda size: 1 - half(size) * half(size[::-1]).T,
    "crumbs": lambda size: ((smooth(size)[..., 0] > 0.5) & (noise(size)[..., 0] < 2)).float(),
}


def solved(values: torch.Tensor, inside: torch.Tensor) -> np.ndarray:
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import spsolve

    within = inside.numpy()
    number = np.full(within.shape, -1)
    number[within] = np.arange(within.sum())
    rows, columns, entries = [], [], []
    held, pulls = np.zeros(within.sum()), np.zeros((within.sum(), len(values)))
    data = values.movedim(0, 2).numpy()
    for one, other in ((np.s_[1:, :], np.s_[:-1, :]), (np.s_[:, 1:], np.s_[:, :-1])):
        for here, there in ((one, other), (other, one)):
            of = within[here]
            met = number[there][of]
            own = number[here][of]
            held[own] += 1
            pulls[own[met < 0]] += data[here][of][met < 0]
            rows.append(own[met >= 0])
            columns.append(met[met >= 0])
            entries.append(-np.ones((met >= 0).sum()))
    diagonal = np.arange(len(held))
    rows, columns = np.concatenate([*rows, diagonal]), np.concatenate([*columns, diagonal])
    system = coo_matrix((np.concatenate([*entries, held]), (rows, columns))).tocsr()
    surface = np.zeros_like(data)
    surface[within] = spsolve(system, pulls)
    return surface.transpose(2, 0, 1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_solution_of_laplaces_equation(size, shape):
    """For values 0.25 apart; tolerance in levels of 255: maximum 1.5, mean 0.3, 2 % above 0.75."""
    inside = SHAPES[shape](size) > 0
    values = (smooth(size, seed=3) / 2).movedim(2, 0)
    away = np.abs(membrane(values, inside).numpy() - solved(values, inside))[:, inside] * 255
    assert away.max() < 1.5
    assert away.mean() < 0.3
    assert (away > 0.75).mean() < 0.02


@pytest.mark.parametrize("size", [*SIZES, (1, 9), (5, 4), (12, 12)])
def test_it_stays_between_the_values_and_is_nothing_outside(size):
    inside = torch.ones(size, dtype=torch.bool)
    inside[0, 0] = False
    inside[-1, : size[1] // 2] = False
    values = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    kept = values.clone()
    surface = membrane(values, inside)
    assert torch.equal(values, kept)
    assert not surface[:, ~inside].any()
    assert surface.min() > -0.05
    assert surface.max() < 1.05


def test_a_region_without_an_edge_has_no_surface():
    assert not membrane(torch.rand(3, 40, 30), torch.ones(40, 30, dtype=torch.bool)).any()
    assert not membrane(torch.rand(3, 40, 30), torch.zeros(40, 30, dtype=torch.bool)).any()
