"""torch on one thread for a while, and as before afterwards."""

from __future__ import annotations

import pytest
import torch
from pack.likeness.pixels.threads import one_thread


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_torch_works_alone_inside_and_as_before_afterwards(two_threads):
    with one_thread():
        assert torch.get_num_threads() == 1
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_an_error_or_a_cancel_gives_the_threads_back(two_threads):
    with pytest.raises(KeyboardInterrupt), one_thread():
        raise KeyboardInterrupt
    assert torch.get_num_threads() == 2


def test_a_function_may_be_called_again_and_again(two_threads):
    @one_thread()
    def threads() -> int:
        return torch.get_num_threads()

    assert [threads(), threads()] == [1, 1]
    assert torch.get_num_threads() == 2
