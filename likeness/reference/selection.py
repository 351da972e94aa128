"""Which blocks of a UNet a reference reaches: the weight selects, it does not blend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

Place = tuple[str, int, int]  # "input", "middle" or "output", the block, the transformer in it
Block = tuple[str, int]

SMALLEST = 1e-5  # a style fidelity that counts as none


class Variant(str, Enum):
    """What of the reference is taken; the values are what a user reads."""

    ATTENTION = "attention"  # reference_only
    ADAIN = "adain"  # reference_adain
    BOTH = "attention and adain"  # reference_adain+attn


@dataclass(frozen=True)
class Family:
    """What sd-webui does differently for the families of UNets."""

    inputs: tuple[int, ...]  # blocks whose statistics are adapted, the last ones first
    outputs: tuple[int, ...]  # and those on the way up, the first ones first
    power: int  # of the style fidelity


SD = Family((4, 5, 7, 8, 10, 11), (0, 1, 2, 3, 4, 5, 6, 7), power=1)
SDXL = Family((4, 5, 7, 8), (0, 1, 2, 3, 4, 5), power=3)


def attention_blocks(widths: Mapping[Place, int], weight: float) -> tuple[Place, ...]:
    """The blocks that read the reference, in the network's order.

    `widths` has every self-attention, in the network's order. Of N, sorted by width with the
    widest first, the one at i is selected if weight > i / N.
    """
    order = sorted(widths, key=lambda place: -widths[place])
    chosen = {place for i, place in enumerate(order) if weight > i / len(order)}
    return tuple(place for place in widths if place in chosen)


def adain_blocks(family: Family, present: Sequence[Block], weight: float) -> tuple[Block, ...]:
    """The blocks, of those present in the network, whose output gets the reference's statistics."""
    thresholds: dict[Block, float] = {("middle", 0): 0.0}
    for i, block in enumerate(family.inputs):
        thresholds["input", block] = 2 * (1 - i / len(family.inputs))
    for i, block in enumerate(family.outputs):
        thresholds["output", block] = 2 * i / len(family.outputs)
    return tuple(block for block in present if weight > thresholds.get(block, float("inf")))


def fidelity_in(family: Family, fidelity: float) -> float:
    """The style fidelity that the family works with, 0 where it is next to nothing."""
    working = fidelity**family.power
    return working if working > SMALLEST else 0.0
