"""Timing two things in turn, and saying how they compare."""

from __future__ import annotations

import operator
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What of a pair a goal looks at: the number, how it is written, its limit, when it is met."""

    RATIO = (lambda baseline, ours: ours / baseline, "{:.2f}x", "< {:g}x", operator.lt)
    EXTRA = (lambda baseline, ours: ours - baseline, "{:+.3f}", "< +{:g}", operator.lt)
    OURS = (lambda baseline, ours: ours, "{:.3f}", "< {:g}", operator.lt)
    FASTER = (lambda baseline, ours: baseline / ours, "{:.1f}x", ">= {:g}x", operator.ge)


@dataclass(frozen=True)
class Goal:
    kind: Kind
    limit: float
    unit: str = "s"

    def value(self, baseline: float, ours: float) -> float:
        return self.kind.value[0](baseline, ours)

    def written(self, value: float) -> str:
        return self.kind.value[1].format(value)

    def __str__(self) -> str:
        return self.kind.value[2].format(self.limit)

    def reached(self, value: float) -> bool:
        return self.kind.value[3](value, self.limit)


@dataclass(frozen=True)
class Row:
    """One comparison: pairs of (baseline, ours), each pair measured back to back."""

    entry: str
    what: str
    pairs: tuple[tuple[float, float], ...]
    goal: Goal

    @property
    def values(self) -> list[float]:
        return sorted(self.goal.value(baseline, ours) for baseline, ours in self.pairs)

    @property
    def reached(self) -> bool:
        return self.goal.reached(statistics.median(self.values))

    def as_dict(self) -> dict:
        return {
            "entry": self.entry,
            "what": self.what,
            "baseline": statistics.median(pair[0] for pair in self.pairs),
            "ours": statistics.median(pair[1] for pair in self.pairs),
            "median": statistics.median(self.values),
            "spread": [self.values[0], self.values[-1]],
            "unit": self.goal.unit,
            "goal": str(self.goal),
            "reached": self.reached,
        }

    def __str__(self) -> str:
        row = self.as_dict()
        median, low, high = map(self.goal.written, (row["median"], *row["spread"]))
        return (
            f"{self.entry:7} {self.what:62} {row['baseline']:8.4f} {row['ours']:8.4f} "
            f"{row['unit']:5} {median:>8} ({low} to {high})  goal {row['goal']:8} "
            f"{'ok' if self.reached else 'MISSED'}"
        )


def in_turn(
    baseline: Callable[[], object], ours: Callable[[], object], pairs: int
) -> tuple[tuple[float, float], ...]:
    """Both once to warm up, then `pairs` times one after the other, in seconds."""
    baseline(), ours()
    return tuple((seconds(baseline), seconds(ours)) for _ in range(pairs))


def seconds(action: Callable[[], object], calls: int = 1) -> float:
    """Of one call, the mean of so many in a row."""
    start = time.perf_counter()
    for _ in range(calls):
        action()
    return (time.perf_counter() - start) / calls
