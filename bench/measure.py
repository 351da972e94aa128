"""Timing two things in turn, and saying how they compare."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What of a pair a goal looks at: the number, how it is written, and its limit in words."""

    RATIO = (lambda baseline, ours: ours / baseline, "{:.2f}x", "< {:g}x")
    EXTRA = (lambda baseline, ours: ours - baseline, "{:+.3f}", "< +{:g}")
    OURS = (lambda baseline, ours: ours, "{:.3f}", "< {:g}")


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
        return statistics.median(self.values) < self.goal.limit

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


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
