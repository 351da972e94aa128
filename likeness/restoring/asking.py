"""A few crops through a restorer, and a look at what came back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..picture import cleaned, is_picture
from ..pixels.threads import one_thread
from .restorer import Restorer

ROUNDING = 2**-22  # what a way to -1..1 and back may cost: so much is no change


@dataclass(frozen=True)
class Asked:
    failed: tuple[int, ...] = ()  # the crops of which no picture came
    again: int = 0  # how many were asked for again by safer rules


def ask(
    restorer: Restorer,
    safer: Callable[[], Restorer | None],
    crops: Tensor,
    fidelity: float,
    patches: Tensor,
) -> Asked:
    """Write the crops (N, s, s, 3), restored, to `patches`, which are as large.

    What is no picture is asked for again by what `safer` gives; in the end the crop stands there.
    """
    given = cleaned(crops)
    failed = _written(restorer, given, list(range(len(given))), fidelity, patches)
    second, again = safer() if failed else None, 0
    if second is not None:
        again = len(failed)
        failed = _written(second, given, failed, fidelity, patches)
    patches[failed] = given[failed]
    return Asked(tuple(failed), again)


def _written(
    restorer: Restorer, given: Tensor, numbers: list[int], fidelity: float, patches: Tensor
) -> list[int]:
    """Those of the numbers of which no picture came."""
    asked = given if len(numbers) == len(given) else given[numbers]
    answers = _answers(restorer, asked, fidelity)
    failed = []
    with one_thread():
        for number, answer in zip(numbers, answers, strict=True):
            if not is_picture(answer, given[number]):
                failed.append(number)
                continue
            patch = patches[number].copy_(answer).clamp_(0, 1)
            same = (patch - given[number]).abs_() <= ROUNDING
            torch.where(same, given[number], patch, out=patch)
    return failed


def _answers(restorer: Restorer, crops: Tensor, fidelity: float) -> Tensor:
    with torch.no_grad():
        answers = restorer.restore(crops, fidelity)
    if answers.shape != crops.shape:
        raise ValueError(
            f"{restorer.name} makes {tuple(answers.shape)} of crops of shape {tuple(crops.shape)}, "
            "where a face restorer keeps the size: choose another file in Load Face Restorer"
        )
    return answers.to(crops)
