"""spandrel's own networks with the tensors of ours, called as their authors call them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pack.likeness.nets.restoreformer import Shape
from torch import Tensor, nn


class Plus(nn.Module):
    """RestoreFormer++ of spandrel's parts: 4 heads, and questions at twice the resolution too.

    spandrel's decoder asks the features called "..._atten", and its encoder names only the
    deepest ones so.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        from spandrel.architectures.RestoreFormer.__arch import restoreformer_arch as parts

        common = {
            "ch": shape.widths[0],
            "out_ch": 3,
            "ch_mult": multipliers(shape),
            "num_res_blocks": shape.blocks,
            "z_channels": shape.between,
            "head_size": 4,
        }
        self.encoder = parts.MultiHeadEncoder(**common, attn_resolutions=(16,), double_z=False)
        self.decoder = parts.MultiHeadDecoderTransformer(**common, attn_resolutions=(16, 32))
        self.quantize = parts.VectorQuantizer(shape.codes, shape.code, beta=0.25)
        self.quant_conv = nn.Conv2d(shape.between, shape.code, 1)
        self.post_quant_conv = nn.Conv2d(shape.code, shape.between, 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, None]:
        seen = self.encoder(pictures)
        seen["block_4_atten"] = seen["block_4"]
        codes = self.quantize(self.quant_conv(seen["out"]))[0]
        return self.decoder(self.post_quant_conv(codes), seen), None


def restoreformer(shape: Shape, tensors: Mapping[str, Tensor]) -> nn.Module:
    from spandrel.architectures.RestoreFormer import RestoreFormer

    network = (
        Plus(shape)
        if shape.plus
        else RestoreFormer(
            n_embed=shape.codes,
            embed_dim=shape.code,
            ch=shape.widths[0],
            ch_mult=multipliers(shape),
            num_res_blocks=shape.blocks,
            z_channels=shape.between,
        )
    )
    network.load_state_dict(tensors)
    return network.requires_grad_(False).eval()


def multipliers(shape: Shape) -> tuple[int, ...]:
    return tuple(width // shape.widths[0] for width in shape.widths)


def pictures(count: int = 1, size: int = 512, seed: int = 1) -> Tensor:
    """(N, 3, size, size) of soft clouds of colour, -1..1."""
    coarse = torch.rand(count, 3, 9, 9, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1) * 2 - 1
