"""RestoreFormer (Wang et al., 2022) and RestoreFormer++ (Wang et al., 2023): faces made sharp.

An encoder makes the picture small and deep, the nearest of a set of learned codes takes the place
of each of its vectors, and a decoder makes a face of the codes; by attention it looks up in the
features of the encoder what the face at hand is like. The two differ in that alone: the second
does it at 32 pixels too, with 4 heads instead of 8. Files: RestoreFormer.pth, RestoreFormer.ckpt
and RestoreFormer++.ckpt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from ..weights import OtherNetwork, blank, broken, fill
from .group_norm import GroupNorm

FILE = "RestoreFormer++.ckpt"
SIDE = 512  # of the pictures, pixels
GROUPS = 32  # of every norm: widths are multiples of it
EPSILON = 1e-6
HEADS, HEADS_PLUS = 8, 4
# The original release keeps the network under this name, beside what it was trained with.
PREFIX = "vqvae."
CODES = "quantize.embedding.weight"
TELLING = (
    CODES,
    "encoder.conv_in.weight",
    "encoder.down.0.block.0.norm1.weight",
    "decoder.conv_out.weight",
)
ASKING = "decoder.mid.attn_1.norm2.weight"  # what plain VQGANs lack: they do not look back


@dataclass(frozen=True)
class Shape:
    """What the tensors tell of a network; as it stands, RestoreFormer's."""

    widths: tuple[int, ...] = (64, 128, 128, 256, 256, 512)  # of the levels, the finest first
    blocks: int = 2  # of each level
    codes: int = 1024
    code: int = 256  # the length of one
    between: int = 256  # channels on either side of the codes
    plus: bool = False  # whether it is RestoreFormer++

    @property
    def heads(self) -> int:
        return HEADS_PLUS if self.plus else HEADS


class Block(nn.Module):
    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = norm(given), convolution(given, made)
        self.norm2, self.conv2 = norm(made), convolution(made, made)
        self.nin_shortcut = nn.Conv2d(given, made, 1) if given != made else None

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv1(functional.silu(self.norm1(x)))
        inner = self.conv2(functional.silu(self.norm2(inner)))
        return inner + (x if self.nin_shortcut is None else self.nin_shortcut(x))


class Attention(nn.Module):
    """Every place of a map takes from all others what its question asks for."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = norm(channels), norm(channels)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor, asking: Tensor | None = None) -> Tensor:
        """Of the shape of x; the questions are of `asking`, or of x itself."""
        known = self.norm1(x)
        asked = known if asking is None else self.norm2(asking)
        q, k, v = (self._split(each) for each in (self.q(asked), self.k(known), self.v(known)))
        found = functional.scaled_dot_product_attention(q, k, v)
        return x + self.proj_out(found.transpose(2, 3).reshape(x.shape))

    def _split(self, maps: Tensor) -> Tensor:
        """(N, C, h, w) as (N, heads, h * w, C / heads)."""
        return maps.reshape(len(maps), self.heads, -1, maps[0, 0].numel()).transpose(2, 3)


class Middle(nn.Module):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.block_1 = Block(channels, channels)
        self.attn_1 = Attention(channels, heads)
        self.block_2 = Block(channels, channels)


class Level(nn.Module):
    """Blocks of one resolution, each with attention after it where `heads` says so."""

    def __init__(self, given: int, made: int, blocks: int, heads: int = 0) -> None:
        super().__init__()
        self.block = nn.ModuleList(Block(given if not n else made, made) for n in range(blocks))
        self.attn = nn.ModuleList(Attention(made, heads) for _ in range(blocks if heads else 0))

    def forward(self, x: Tensor, asking: Tensor | None = None) -> Tensor:
        for number, block in enumerate(self.block):
            x = block(x)
            if self.attn:
                x = self.attn[number](x, asking)
        return x


class Resampling(nn.Module):
    """Half or twice the resolution."""

    def __init__(self, channels: int, up: bool) -> None:
        super().__init__()
        self.up = up
        self.conv = nn.Conv2d(channels, channels, 3, 1 if up else 2, 1 if up else 0)

    def forward(self, x: Tensor) -> Tensor:
        if self.up:
            return self.conv(functional.interpolate(x, scale_factor=2, mode="nearest"))
        return self.conv(functional.pad(x, (0, 1, 0, 1)))


class Encoder(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        widths, last = shape.widths, len(shape.widths) - 1
        self.conv_in = convolution(3, widths[0])
        self.down = nn.ModuleList()
        for number, width in enumerate(widths):
            given = widths[max(number - 1, 0)]
            level = Level(given, width, shape.blocks, shape.heads if number == last else 0)
            if number < last:
                level.downsample = Resampling(width, up=False)
            self.down.append(level)
        self.mid = Middle(widths[-1], shape.heads)
        self.norm_out = norm(widths[-1])
        self.conv_out = convolution(widths[-1], shape.between)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
        """What becomes codes; what the levels made, the last of them within the middle; its end."""
        x = self.conv_in(x)
        features = []
        for level in self.down[:-1]:
            x = level(x)
            features.append(x)
            x = level.downsample(x)
        x = self.mid.block_1(self.down[-1](x))
        features.append(x)
        end = self.mid.block_2(self.mid.attn_1(x))
        return self.conv_out(functional.silu(self.norm_out(end))), features, end


class Decoder(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        widths, last = shape.widths, len(shape.widths) - 1
        self.conv_in = convolution(shape.between, widths[-1])
        self.mid = Middle(widths[-1], shape.heads)
        self.up = nn.ModuleList()
        asking = {last, last - 1} if shape.plus else {last}
        for number, width in enumerate(widths):
            given = widths[min(number + 1, last)]
            heads = shape.heads if number in asking else 0
            level = Level(given, width, shape.blocks + 1, heads)
            if number:
                level.upsample = Resampling(width, up=True)
            self.up.append(level)
        self.norm_out = norm(widths[0])
        self.conv_out = convolution(widths[0], 3)

    def forward(self, x: Tensor, features: Sequence[Tensor], end: Tensor) -> Tensor:
        x = self.mid.block_1(self.conv_in(x))
        x = self.mid.block_2(self.mid.attn_1(x, end))
        for number in reversed(range(len(self.up))):
            level = self.up[number]
            x = level(x, features[number])
            if number:
                x = level.upsample(x)
        return self.conv_out(functional.silu(self.norm_out(x)))


class Codes(nn.Module):
    def __init__(self, count: int, length: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(count, length)

    def forward(self, x: Tensor) -> Tensor:
        """The nearest code for each vector of x (N, C, h, w)."""
        codes = self.embedding.weight
        vectors = x.movedim(1, -1)
        # A vector's own length is the same to all codes.
        distances = codes.square().sum(1) - 2 * (vectors @ codes.T)
        return self.embedding(distances.argmin(-1)).movedim(-1, 1)


class RestoreFormer(nn.Module):
    """Pictures (N, 3, 512, 512), RGB -1..1, to pictures of the same kind, which may go beyond."""

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        shape = shape or Shape()
        self.shape = shape
        self.encoder = Encoder(shape)
        self.decoder = Decoder(shape)
        self.quantize = Codes(shape.codes, shape.code)
        self.quant_conv = nn.Conv2d(shape.between, shape.code, 1)
        self.post_quant_conv = nn.Conv2d(shape.code, shape.between, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        made, features, end = self.encoder(pictures)
        codes = self.quantize(self.quant_conv(made))
        return self.decoder(self.post_quant_conv(codes), features, end)


def norm(channels: int) -> GroupNorm:
    return GroupNorm(GROUPS, channels, eps=EPSILON)


def convolution(given: int, made: int) -> nn.Conv2d:
    return nn.Conv2d(given, made, 3, padding=1)


def bare(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of the network alone, where a file of the original release has others beside them."""
    inside = {name for name in tensors if name.startswith(PREFIX)}
    if not inside:
        return dict(tensors)
    return {name.removeprefix(PREFIX): tensors[name] for name in tensors if name in inside}


def from_tensors(tensors: Mapping[str, Tensor], file: Path) -> RestoreFormer:
    """The network of these tensors, of it alone, which came from `file`; in float32."""
    if any(name not in tensors for name in TELLING):
        raise OtherNetwork(
            f"{file} holds no RestoreFormer: its tensors are those of another network"
        )
    shape = shape_of(tensors, file)
    network = blank(lambda: RestoreFormer(shape))
    fill(network, tensors, file)
    return network


def shape_of(tensors: Mapping[str, Tensor], file: Path) -> Shape:
    levels = count(tensors, "encoder.down.")
    widths = tuple(
        length(tensors, f"encoder.down.{level}.block.0.conv2.bias") for level in range(levels)
    )
    if any(not width or width % GROUPS for width in widths):
        told = f"its {levels} levels are {widths} channels wide, not multiples of {GROUPS}"
        raise ValueError(broken(file, told))
    if tensors[CODES].ndim != 2:
        raise ValueError(broken(file, f"its {CODES} is {tuple(tensors[CODES].shape)}"))
    return Shape(
        widths,
        count(tensors, "encoder.down.0.block."),
        *tensors[CODES].shape,
        max(length(tensors, "post_quant_conv.bias"), 1),
        plus=f"decoder.up.{levels - 2}.attn.0.q.weight" in tensors,
    )


def length(tensors: Mapping[str, Tensor], name: str) -> int:
    """Of a vector; 0 where there is none of the name."""
    return tensors[name].numel() if name in tensors and tensors[name].ndim == 1 else 0


def count(tensors: Mapping[str, Tensor], prefix: str) -> int:
    """How many different words come after the prefix, before the next dot."""
    return len({name[len(prefix) :].split(".")[0] for name in tensors if name.startswith(prefix)})
