"""What counts as a picture of what a network gives."""

from __future__ import annotations

import pytest
import torch
from pack.likeness.picture import FLAT, is_picture


def drawn() -> torch.Tensor:
    return torch.rand(16, 16, 3, generator=torch.Generator().manual_seed(0))


def test_a_picture_is_one():
    assert is_picture(drawn().flip(0), drawn())
    assert is_picture(drawn() * 10 * FLAT, drawn())


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_one_number_that_is_none_is_enough(number):
    answer = drawn()
    answer[7, 3, 1] = number
    assert not is_picture(answer, drawn())
    assert not is_picture(answer, torch.zeros(16, 16, 3))


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_plain_answer_is_one_only_to_a_plain_crop(level):
    plain = torch.full((16, 16, 3), level)
    assert not is_picture(plain, drawn())
    assert not is_picture(plain + drawn() * FLAT, drawn())
    assert is_picture(plain, torch.full((16, 16, 3), 0.25))
