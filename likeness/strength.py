"""How many steps a strength means: the recipes were written for programs that count differently."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

MOST = 0.999  # A1111 takes a higher strength for this
LONGEST = 10_000  # steps; the same as ComfyUI's own samplers allow


class Counting(str, Enum):
    """Whose rule; the values are what a user reads."""

    A1111 = "as A1111"
    DIFFUSERS = "as diffusers"
    KSAMPLER = "as KSampler"


@dataclass(frozen=True)
class Span:
    """The last part of a schedule: from step `start` of `steps` to the end."""

    steps: int
    start: int

    @property
    def run(self) -> int:
        return self.steps - self.start


def span(steps: int, strength: float, counting: Counting) -> Span:
    """What is run of a schedule when a picture is to change by `strength`, 0..1."""
    if not 0 <= strength <= 1:
        raise ValueError(f"strength is {strength:g}: choose 0 to 1")
    return COUNTINGS[counting](steps, strength)


def _a1111(steps: int, strength: float) -> Span:
    """One step more than the share, so that even strength 0 runs one."""
    return Span(steps, steps - int(min(strength, MOST) * steps) - 1)


def _diffusers(steps: int, strength: float) -> Span:
    return Span(steps, max(steps - min(int(steps * strength), steps), 0))


def _ksampler(steps: int, strength: float) -> Span:
    """All steps are run, as the end of a schedule that is longer by as much."""
    if strength == 0:
        return Span(steps, steps)
    whole = int(steps / strength) if strength <= 0.9999 else steps
    if whole > LONGEST:
        raise ValueError(
            f"a strength of {strength:g} in {steps} steps is the end of a schedule of {whole}: "
            f"choose a strength of {steps / LONGEST:g} or more, or fewer steps"
        )
    return Span(whole, whole - steps)


COUNTINGS = {
    Counting.A1111: _a1111,
    Counting.DIFFUSERS: _diffusers,
    Counting.KSAMPLER: _ksampler,
}


def describe_span(span: Span, strength: float, counting: Counting) -> str:
    return (
        f"strength {strength:g} {counting.value}: {span.run} of {span.steps} steps are run, from "
        f"step {span.start} on"
    )
