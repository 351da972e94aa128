"""Restorers that run in torch: the network itself is called, in the range that it was trained in.

spandrel's descriptors are not: they give some of the networks 0..1 where all want -1..1, let
GFPGAN add noise that is new each time, and leave CodeFormer at a fidelity of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..align import Template
from ..pixels.threads import one_thread
from .restorer import BATCH

SIZE = 512


@dataclass(frozen=True)
class Kind:
    """How the networks of a sort are asked."""

    call: Callable[[nn.Module, Tensor, float], Tensor]  # pictures -1..1 and the fidelity
    like: str  # a file of likeness.models that holds such a network
    has_fidelity: bool = False
    layout: torch.memory_format = torch.channels_last  # of weights; a third less time on a CPU


def gfpgan(network: nn.Module, pictures: Tensor, fidelity: float) -> Tensor:
    return network(pictures, return_rgb=False, randomize_noise=False)[0]


def codeformer(network: nn.Module, pictures: Tensor, fidelity: float) -> Tensor:
    return network(pictures, weight=fidelity)[0]


def restoreformer(network: nn.Module, pictures: Tensor, fidelity: float) -> Tensor:
    return network(pictures)[0]


def ours(network: nn.Module, pictures: Tensor, fidelity: float) -> Tensor:
    return network(pictures)


# By spandrel's names for the architectures.
KINDS: dict[str, Kind] = {
    # In the other layout it cannot run.
    "GFPGAN": Kind(gfpgan, "GFPGANv1.4.pth", layout=torch.contiguous_format),
    "CodeFormer": Kind(codeformer, "codeformer.pth", has_fidelity=True),
    "RestoreFormer": Kind(restoreformer, "RestoreFormer.pth"),
}
OURS = Kind(ours, "RestoreFormer++.ckpt")  # nets/restoreformer.py, for both of the name


class NetworkRestorer(nn.Module):
    """A `Restorer`. It runs in float32, on the device of its weights."""

    size = SIZE
    template = Template.FFHQ

    def __init__(
        self, network: nn.Module, kind: Kind, name: str, notes: Sequence[str] = ()
    ) -> None:
        super().__init__()
        if any(weight.dtype != torch.float32 for weight in network.parameters()):
            network = deepcopy(network).float()  # it may be somebody else's
        self.network = network.eval()
        self.kind = kind
        self.name = name
        self.notes = tuple(notes)

    @property
    def like(self) -> str:
        return self.kind.like

    @property
    def has_fidelity(self) -> bool:
        return self.kind.has_fidelity

    @property
    def batch(self) -> int:
        return 1 if self._device.type == "cpu" else BATCH

    @torch.no_grad()
    def restore(self, crops: Tensor, fidelity: float) -> Tensor:
        seen = crops[..., :3].detach().to(self._device, torch.float32)
        with one_thread():
            pictures = torch.mul(seen, 2).sub_(1).movedim(-1, 1).contiguous()
        made = self.kind.call(self.network, pictures, fidelity)
        with one_thread():
            made = made.movedim(1, -1).contiguous()
            return made.clamp(-1, 1).add_(1).div_(2).to(crops.device)

    def safer(self) -> None:
        """None: it runs in float32 wherever it is, and nothing safer is known."""

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device
