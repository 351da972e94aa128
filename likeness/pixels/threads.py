"""torch's own threads, kept out of the way of OpenCV's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """What torch does on the CPU in here it does alone, on the thread that is there.

    After each operation that it shares out, its other threads go on spinning for a while and hold
    the cores that OpenCV's next one needs: many small operations in turn take several times as
    long as with one thread.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
