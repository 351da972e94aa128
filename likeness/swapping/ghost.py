"""Swapping with ghost: the identity goes in as its own recogniser sees it in the portrait."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..align import Template, face_matrix
from ..crop import take
from ..face import Face
from ..geometry import compose, scaling
from ..identity import Identity
from ..nets import aei, iresnet
from ..nets.aei import AEINet
from ..nets.iresnet import IResNet
from ..pixels.raster import Border
from ..weights import read
from .swapper import BATCH, PICTURE

SPACE = "ghost_iresnet100"
CUT = 224  # pixels of the crops that its recogniser and its generator look at, resized


class Ghost(nn.Module):
    """A `Swapper`. It runs on the device and in the dtype of its weights.

    An identity in its own space goes in as it is; of any other, the portrait does.
    """

    space = SPACE
    takes = PICTURE
    size = aei.SIDE
    notes = ("it knows people by a network of its own, from their picture",)

    def __init__(self, network: AEINet, recogniser: IResNet, name: str = "ghost") -> None:
        super().__init__()
        self.network = network
        self.recogniser = recogniser
        self.name = name

    @property
    def batch(self) -> int:
        return 1 if self._weight.device.type == "cpu" else BATCH

    def frame(self, face: Face) -> Tensor:
        larger = scaling((CUT, CUT), (self.size, self.size))
        return compose(larger, face_matrix(face, Template.GHOST, CUT))

    def source(self, person: Identity) -> Tensor:
        """(512,), as long as the recogniser gives it."""
        if person.space == SPACE and person.embedding is not None:
            return person.embedding * person.length
        portrait = person.picture(self.name)
        matrix = face_matrix(portrait.face, Template.GHOST, CUT)
        return self._recognised(take(portrait.image[..., :3], matrix, (CUT, CUT), Border.BLACK))

    def own(self, face: Face, crop: Tensor) -> Tensor:
        if face.space == SPACE and face.embedding is not None:
            return face.embedding
        return self._recognised(crop[..., :3])

    def swap(self, crops: Tensor, sources: Tensor) -> Tensor:
        seen, identities = (each.detach().to(self._weight) for each in (crops[..., :3], sources))
        made = self.network(seen.movedim(-1, 1).contiguous() * 2 - 1, identities)
        return ((made.float() + 1) / 2).movedim(1, -1).to(crops.device)

    def safer(self) -> Ghost | None:
        return None if self._weight.dtype == torch.float32 else deepcopy(self).float()

    def _recognised(self, crop: Tensor) -> Tensor:
        """The embedding (512,) of a crop (S, S, 3) that is framed as `frame` frames it."""
        seen = crop.detach().to(self._weight).nan_to_num(0.0).clamp(0, 1)
        seen = seen.movedim(-1, 0)[None] * 2 - 1
        if seen.shape[-1] != CUT:
            seen = functional.interpolate(seen, (CUT, CUT), mode="bilinear", align_corners=False)
        side = (iresnet.SIDE, iresnet.SIDE)
        seen = functional.interpolate(seen, side, mode="bilinear", align_corners=True)
        return self.recogniser(seen)[0].float().cpu()

    @property
    def _weight(self) -> Tensor:
        return self.network.generator.up1.bias


def load(file: Path, recogniser: Path | None = None) -> Ghost:
    """The swapper in `file`, with its recogniser, which is looked for beside it."""
    return from_tensors(read(file, instead=aei.FILE), file, recogniser)


def from_tensors(
    tensors: Mapping[str, Tensor], file: Path, recogniser: Path | None = None
) -> Ghost:
    network = aei.from_tensors(tensors, file)
    recogniser = recogniser or file.with_name(iresnet.FILE)
    if not recogniser.exists():
        raise FileNotFoundError(
            f"{recogniser} is not there, and {file.name} knows people by it. Run 'python "
            f"install.py models {iresnet.FILE}' in the pack's folder, or put it there."
        )
    return Ghost(network, iresnet.load(recogniser), file.name)
