"""What an autoencoder does to a crop on the way there and back, taken out again."""

from __future__ import annotations

import torch
from torch import Tensor

from ..blending.feather import feathered, square
from ..crop import Crop, Crops
from ..pixels.raster import blur, resize

RIM = 16.0  # pixels of the crop; two cells of a latent picture, as far as old content reaches in
BROAD = 1 / 16  # of the shorter side: what is finer belongs to the old content


def without_drift(image: Tensor, untouched: Tensor, crops: Crops) -> Tensor:
    """`image` (N, h, w, 3) less what happened to the same crops when nothing was sampled.

    `untouched` (N, h, w, 3) are the crops as they came back from the autoencoder. Where nothing
    was painted they are what `image` shows, and the whole difference from the crops as they were
    cut is taken out. Under the mask there is new content: there only the broad difference in light
    and colour is; the fine one is detail of the old content, which would come back as a ghost.
    """
    count, *size = untouched.shape[:3]
    if count != len(image) or size not in (list(image.shape[1:3]), list(crops.patches.shape[1:3])):
        raise ValueError(
            f"untouched: crops of shape {tuple(untouched.shape)} are not those of the image, "
            f"{tuple(image.shape)}: connect the image of Crop For Inpaint through VAE Encode and "
            "VAE Decode, with nothing between"
        )
    pairs = zip(image, untouched, crops.cut, strict=True)
    return torch.stack([_without_drift(*each) for each in pairs])


def _without_drift(patch: Tensor, untouched: Tensor, crop: Crop) -> Tensor:
    patch = patch[..., :3]
    size = tuple(crop.original.shape[:2])
    drift = resize(untouched[..., :3], size).to(patch.device) - crop.original.to(patch).float()
    broad = blur(drift, BROAD * min(size), reduced=True)
    inner = _inside(crop, size).to(drift)[..., None]
    known = resize(torch.lerp(drift, broad, inner), tuple(patch.shape[:2]))
    return (patch.float() - known).clamp(0, 1).to(patch.dtype)


def _inside(crop: Crop, size: tuple[int, int]) -> Tensor:
    """0 where nothing was painted, 1 deeper than the rim inside of what was."""
    return square(size, RIM) if crop.painted is None else feathered(crop.painted, RIM)
