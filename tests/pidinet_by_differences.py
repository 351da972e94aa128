"""PiDiNet once more, from its paper: differences of pixels are taken, then weighed and added.

Nothing is folded, no layer is shared with the pack's network, and all runs in double precision.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

# The ring around the middle of 3 x 3 taps in rows, clockwise from the first corner.
RING = (0, 1, 2, 5, 8, 7, 6, 3)
KINDS = ("central", "angular", "radial", "plain")
STAGES = (3, 4, 4, 4)


def patches(x: torch.Tensor, side: int) -> torch.Tensor:
    """Every pixel's surroundings: (N, C, side * side, H, W), 0 beyond the border."""
    rows = functional.unfold(x, side, padding=side // 2)
    return rows.view(len(x), x.shape[1], side * side, *x.shape[2:])


def weighed(taps: torch.Tensor, weight: torch.Tensor, groups: int) -> torch.Tensor:
    """Taps (N, C, K, H, W) times kernels (O, C / groups, K), summed."""
    if groups == 1:
        return torch.einsum("nckhw,ock->nohw", taps, weight)
    return torch.einsum("nckhw,ck->nchw", taps, weight[:, 0])


def central(x, weight, groups):
    taps = patches(x, 3)
    return weighed(taps - taps[:, :, 4:5], weight, groups)


def angular(x, weight, groups):
    """Each pixel of the ring less the next one; the middle, which has no next one, less itself."""
    taps = patches(x, 3)
    following = taps.clone()
    for at, then in zip(RING, (*RING[1:], RING[0]), strict=True):
        following[:, :, at] = taps[:, :, then]
    return weighed(taps - following, weight, groups)


def radial(x, weight, groups):
    """Each pixel two steps out less the one a step out, in the eight directions."""
    taps = patches(x, 5).unflatten(2, (5, 5))
    steps = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
    differences = [
        taps[:, :, 2 + 2 * dy, 2 + 2 * dx] - taps[:, :, 2 + dy, 2 + dx] for dy, dx in steps
    ]
    return weighed(torch.stack(differences, 2), weight[:, :, 1:], groups)


def plain(x, weight, groups):
    return weighed(patches(x, 3), weight, groups)


def convolved(kind: str, x: torch.Tensor, weight: torch.Tensor, groups: int) -> torch.Tensor:
    ways = {"central": central, "angular": angular, "radial": radial, "plain": plain}
    return ways[kind](x, weight.flatten(2), groups)


def edges(tensors: dict[str, torch.Tensor], pictures: torch.Tensor) -> np.ndarray:
    """The fused edges (N, H, W) of pictures (N, 3, H, W), BGR 0..1."""
    of = {name.removeprefix("module."): tensor.double() for name, tensor in tensors.items()}

    def conv(name, x, **settings):
        return functional.conv2d(x, of[f"{name}.weight"], of.get(f"{name}.bias"), **settings)

    x = convolved("central", pictures.double(), of["init_block.weight"], 1)
    layer, sides = 1, []
    for stage, blocks in enumerate(STAGES):
        for block in range(1, blocks + 1):
            name = f"block{stage + 1}_{block}"
            if stage and block == 1:
                x = functional.max_pool2d(x, 2)
            y = convolved(KINDS[layer % 4], x, of[f"{name}.conv1.weight"], x.shape[1])
            y = conv(f"{name}.conv2", y.relu())
            x = y + (conv(f"{name}.shortcut", x) if stage and block == 1 else x)
            layer += 1
        y = conv(f"dilations.{stage}.conv1", x.relu())
        y = sum(
            conv(f"dilations.{stage}.conv2_{at}", y, padding=step, dilation=step)
            for at, step in enumerate((5, 7, 9, 11), 1)
        )
        share = conv(f"attentions.{stage}.conv1", y.relu())
        share = conv(f"attentions.{stage}.conv2", share, padding=1).sigmoid()
        side = conv(f"conv_reduces.{stage}.conv", y * share)
        size = pictures.shape[2:]
        sides.append(functional.interpolate(side, size, mode="bilinear", align_corners=False))
    return conv("classifier", torch.cat(sides, 1))[:, 0].sigmoid().numpy()
