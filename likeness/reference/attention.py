"""Self-attention that also looks at a reference: its keys and values beside one's own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]  # queries, keys, values: (rows, tokens, width)
KeysValues = tuple[Tensor, Tensor]


def attend_to_both(
    attend: Attend,
    queries: Tensor,  # (rows, tokens, width)
    keys: Tensor,
    values: Tensor,
    stored: KeysValues,  # of the reference, row for row
    unconditional: Tensor,  # (rows,) bool, on the CPU
    fidelity: float,
) -> Tensor:
    """What every row sees of itself and the reference.

    Of the unconditional rows the part `fidelity`, from 0 to 1, sees itself alone. At 1 these rows
    are computed as if there were no reference.
    """
    alone = unconditional if fidelity > 0 else torch.zeros_like(unconditional)
    both = ~alone if fidelity == 1 else torch.ones_like(alone)
    result = queries
    if both.any():
        q, k, v, k_stored, v_stored = (
            _rows(each, both) for each in (queries, keys, values, *stored)
        )
        seen = attend(q, torch.cat([k, k_stored], 1), torch.cat([v, v_stored], 1))
        result = _with_rows(queries, both, seen)
    if alone.any():
        own = attend(*(_rows(each, alone) for each in (queries, keys, values)))
        if fidelity < 1:
            own = torch.lerp(_rows(result, alone), own, fidelity)
        result = _with_rows(result, alone, own)
    return result


def unconditional_rows(chunks: list[int], rows: int) -> Tensor:
    """Which of the rows are unconditional, on the CPU; a chunk of them that is not 0 is."""
    if rows % len(chunks):
        raise ValueError(f"{rows} rows cannot be {len(chunks)} chunks of one size")
    return torch.tensor([chunk != 0 for chunk in chunks]).repeat_interleave(rows // len(chunks))


def _rows(tensor: Tensor, chosen: Tensor) -> Tensor:
    """Those rows; the tensor itself where they are all of them."""
    return tensor if chosen.all() else tensor[chosen]


def _with_rows(tensor: Tensor, chosen: Tensor, rows: Tensor) -> Tensor:
    if chosen.all():
        return rows
    replaced = tensor.clone()
    replaced[chosen] = rows
    return replaced
