"""ghost's generator: its tensors, its arithmetic written out once more, and its files."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import pytest
import torch
from pack.likeness.nets.aei import FILE, AEINet, Denormalization, Kind, load
from pack.likeness.weights import OtherNetwork
from standins.ghost import generator, write_backbone, write_ghost
from standins.reswapper import write_reswapper
from torch import Tensor
from torch.nn import functional

# Of the sorted lines "name (shape)" of the tensors that ghost's networks have, and how many
# numbers are learned: those of its published table.
NETWORKS = {
    (Kind.UNET, 1): (
        (223, "3b17ceccdcad7b9c2a47c24c0df064e21e00dd818322af40583e5f4249947fe2"),
        128_469_133,
    ),
    (Kind.UNET, 2): (
        (311, "71562879c3a9af54b554d2d9864a7754aea752af11615a4294ff6204b659ae26"),
        184_343_381,
    ),
    (Kind.UNET, 3): (
        (399, "bfd9202af5fffb9b91081fcba3a2023b6ab334eba139091b3fcb3b154d0dcf82"),
        240_217_629,
    ),
    (Kind.LINKNET, 2): (
        (311, "4db7fc7c918a03f613e97dd1b6c514fc4574add0896c4d611cc40fa627326adf"),
        164_776_789,
    ),
    (Kind.RESNET, 2): (
        (497, "5b99fa29c04e899c6e7b4f9dc97a34b85a468df866f50fdc667ed1ae90dc593d"),
        136_060_821,
    ),
}
WIDTH = 64
every_kind = pytest.mark.parametrize("kind", list(Kind))
every_depth = pytest.mark.parametrize("layers", [1, 2, 3])


def example(count: int = 1, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Pictures -1..1, and identities of the lengths that ghost's recogniser gives."""
    random = torch.Generator().manual_seed(seed)
    pictures = torch.rand(count, 3, 256, 256, generator=random) * 2 - 1
    return pictures, torch.randn(count, 512, generator=random)


@pytest.mark.parametrize(("kind", "layers"), NETWORKS)
def test_the_tensors_are_ghosts(kind, layers):
    with torch.device("meta"):
        network = AEINet(kind, layers)
    tensors = network.state_dict()
    lines = sorted(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    learned = sum(weight.numel() for weight in network.parameters())
    assert ((len(lines), digest), learned) == NETWORKS[kind, layers]


# --- the same, written out from the description -------------------------------------------------


class Written:
    """The network's arithmetic on its tensors by name, in double precision."""

    def __init__(self, network: AEINet) -> None:
        self.tensors = {name: value.double() for name, value in network.state_dict().items()}
        self.layers = network.layers

    def conv(self, x: Tensor, name: str, stride: int = 1, pad: int = 0) -> Tensor:
        weight, bias = self.tensors[f"{name}.weight"], self.tensors.get(f"{name}.bias")
        return functional.conv2d(x, weight, bias, stride, pad)

    def batch_norm(self, x: Tensor, name: str) -> Tensor:
        mean, spread, gain, shift = (
            self.tensors[f"{name}.{part}"].view(1, -1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (spread + 1e-5).sqrt() * gain + shift

    def up(self, x: Tensor, name: str) -> Tensor:
        weight = self.tensors[f"{name}.deconv.weight"]
        x = functional.conv_transpose2d(x, weight, stride=2, padding=1)
        return leaky(self.batch_norm(x, f"{name}.bn"))

    def unet(self, x: Tensor) -> list[Tensor]:
        return self.down_and_up(x, lambda made, beside: torch.cat([made, beside], 1))

    def linknet(self, x: Tensor) -> list[Tensor]:
        return self.down_and_up(x, lambda made, beside: made + beside)

    def down_and_up(self, x: Tensor, join) -> list[Tensor]:
        feat = {0: x}
        for k in range(1, 8):
            made = self.conv(feat[k - 1], f"encoder.conv{k}.0", 2, 1)
            feat[k] = leaky(self.batch_norm(made, f"encoder.conv{k}.1"))
        z = {1: feat[7]}
        for k in range(1, 7):
            z[k + 1] = join(self.up(z[k], f"encoder.deconv{k}"), feat[7 - k])
        z[8] = twice(z[7])
        return [z[k] for k in range(1, 9)]

    def resnet(self, x: Tensor) -> list[Tensor]:
        x = self.batch_norm(self.conv(x, "encoder.conv0", 1, 3), "encoder.bn0").relu()
        z = [x]
        z.append(self.batch_norm(self.conv(x, "encoder.conv1", 2, 3), "encoder.bn1").relu())
        for level in range(1, 7):
            x = z[-1]
            for block, stride in ((0, 2), (1, 1)):
                name = f"encoder.layer{level}.{block}"
                y = self.batch_norm(self.conv(x, f"{name}.conv1", stride), f"{name}.bn1").relu()
                y = self.batch_norm(self.conv(y, f"{name}.conv2", 1, 1), f"{name}.bn2").relu()
                y = self.batch_norm(self.conv(y, f"{name}.conv3"), f"{name}.bn3")
                if block == 0:
                    x = self.conv(x, f"{name}.downsample.0", 2)
                    x = self.batch_norm(x, f"{name}.downsample.1")
                x = (x + y).relu()
            z.append(x)
        return z[::-1]

    def linear(self, vector: Tensor, name: str) -> Tensor:
        row = vector @ self.tensors[f"{name}.weight"].T + self.tensors[f"{name}.bias"]
        return row.view(*row.shape, 1, 1)

    def aad(self, h: Tensor, z_attr: Tensor, z_id: Tensor, name: str) -> Tensor:
        mean = h.mean((2, 3), keepdim=True)
        n = (h - mean) / (((h - mean) ** 2).mean((2, 3), keepdim=True) + 1e-5).sqrt()
        a = self.conv(z_attr, f"{name}.conv1") * n + self.conv(z_attr, f"{name}.conv2")
        i = self.linear(z_id, f"{name}.fc1") * n + self.linear(z_id, f"{name}.fc2")
        m = 1 / (1 + (-self.conv(n, f"{name}.conv_h")).exp())
        return (1 - m) * a + m * i

    def block(self, h: Tensor, z_attr: Tensor, z_id: Tensor, name: str) -> Tensor:
        x = h
        for k in range(self.layers):
            x = self.aad(x, z_attr, z_id, f"{name}.add_blocks.{3 * k}").relu()
            x = self.conv(x, f"{name}.add_blocks.{3 * k + 2}", 1, 1)
        if f"{name}.last_add_block.2.weight" in self.tensors:
            h = self.aad(h, z_attr, z_id, f"{name}.last_add_block.0").relu()
            h = self.conv(h, f"{name}.last_add_block.2", 1, 1)
        return x + h

    def generator(self, z: list[Tensor], z_id: Tensor) -> Tensor:
        weight, bias = (self.tensors[f"generator.up1.{part}"] for part in ("weight", "bias"))
        x = torch.einsum("ni,iohw->nohw", z_id, weight) + bias.view(1, -1, 1, 1)
        for k in range(1, 9):
            x = self.block(x, z[k - 1], z_id, f"generator.AADBlk{k}")
            x = twice(x) if k < 8 else x
        return x.tanh()


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.1 * x)


def twice(x: Tensor) -> Tensor:
    """Bilinear, corners on corners: by a matrix for each direction."""
    for axis in (2, 3):
        count = x.shape[axis]
        at = torch.arange(2 * count).double() * (count - 1) / (2 * count - 1)
        weights = (1 - (at[:, None] - torch.arange(count)).abs()).clamp(min=0)
        x = torch.tensordot(x, weights, dims=([axis], [1])).movedim(-1, axis)
    return x


@every_kind
def test_the_attributes(kind):
    network, (pictures, _) = generator(kind, 1, WIDTH), example()
    made = network.encoder(pictures)
    written = getattr(Written(network), kind.value)(pictures.double())
    assert [each.shape[-1] for each in made] == [2, 4, 8, 16, 32, 64, 128, 256]
    for ours, wanted in zip(made, written, strict=True):
        assert (ours - wanted).abs().max() < 1e-5 * (1 + wanted.abs().max())


@pytest.mark.parametrize("number", range(1, 9))
@every_depth
def test_a_block(number, layers):
    """Those that keep their width have a plain shortcut, the others one of their own."""
    network = generator(Kind.UNET, layers, WIDTH)
    block = network.generator.get_submodule(f"AADBlk{number}")
    assert (block.last_add_block is None) == (number < 4)
    layer = block.add_blocks[0]
    random = torch.Generator().manual_seed(number)
    x = 3 * torch.randn(2, layer.conv1.out_channels, 6, 6, generator=random) + 1
    attributes = torch.randn(2, layer.conv1.in_channels, 6, 6, generator=random)
    identity = torch.randn(2, 512, generator=random)
    written = Written(network)
    given = x.double(), attributes.double(), identity.double(), f"generator.AADBlk{number}"
    wanted = written.block(*given)
    assert wanted.std() > 0.1
    assert (block(x, attributes, identity) - wanted).abs().max() < 1e-5 * (1 + wanted.abs().max())


def test_a_layer_by_its_pixels():
    """One pixel of one channel, by plain sums."""
    torch.manual_seed(0)
    layer = Denormalization(4, 3).requires_grad_(False)
    x, attributes, identity = torch.randn(1, 4, 5, 6), torch.randn(1, 3, 5, 6), torch.randn(1, 512)
    made = layer(x, attributes, identity)[0, 2, 3, 1]
    values = x[0].double().numpy()
    spread = np.sqrt(values.var(axis=(1, 2)) + 1e-5)
    normal = (values[:, 3, 1] - values.mean(axis=(1, 2))) / spread
    here = attributes[0, :, 3, 1].double().numpy()

    def of(part, vector):
        weight = part.weight[2 if len(part.weight) > 1 else 0].double().numpy().ravel()
        return weight @ vector + float(part.bias[2 if len(part.weight) > 1 else 0])

    person = identity[0].double().numpy()
    attribute = of(layer.conv1, here) * normal[2] + of(layer.conv2, here)
    personal = of(layer.fc1, person) * normal[2] + of(layer.fc2, person)
    share = 1 / (1 + np.exp(-of(layer.conv_h, normal)))
    assert float(made) == pytest.approx((1 - share) * attribute + share * personal, abs=1e-5)


@every_kind
@every_depth
def test_the_whole_network(kind, layers):
    network = generator(kind, layers, WIDTH).double()
    pictures, identities = (each.double() for each in example(2))
    made = network(pictures, identities)
    assert made.shape == (2, 3, 256, 256)
    assert -1 <= made.min() < -0.2 < 0.2 < made.max() <= 1
    written = Written(network)
    wanted = written.generator(getattr(written, kind.value)(pictures), identities)
    assert (made - wanted).abs().max() < 1e-8
    assert (made - network(pictures, identities.flip(0))).abs().mean() > 0.01
    single = network.float()(pictures.float(), identities.float())
    assert (single - wanted).abs().mean() < 1e-5


def test_half_precision():
    network, (pictures, identities) = generator(), example()
    exact = network(pictures, identities)
    made = network.bfloat16()(pictures.bfloat16(), identities.bfloat16())
    assert (made.float() - exact).abs().mean() < 0.05


# --- files --------------------------------------------------------------------------------------


@every_kind
@every_depth
def test_what_a_file_holds_is_told_by_its_tensors(tmp_path, kind, layers):
    file = write_ghost(tmp_path / "mine.pth", kind, layers, 32)
    network = load(file)
    assert (network.kind, network.layers, network.training) == (kind, layers, False)
    saved = torch.load(file, weights_only=True)
    assert all(torch.equal(saved[name], value) for name, value in network.state_dict().items())


@pytest.mark.slow
def test_the_full_width(tmp_path):
    file = write_ghost(tmp_path / FILE, width=1024)
    assert file.stat().st_size > 737e6
    network = load(file)
    file.unlink()
    pictures, identities = example()
    made = network(pictures, identities)
    wanted = generator(width=1024)(pictures, identities)
    assert (made - wanted).abs().max() < 1e-4


@pytest.mark.parametrize(
    "lost",
    [
        "encoder.conv3.1.running_var",
        "encoder.deconv6.bn.bias",
        "generator.up1.bias",
        "generator.AADBlk8.last_add_block.2.weight",
        "generator.AADBlk5.add_blocks.3.conv_h.bias",
    ],
)
def test_a_missing_tensor_is_never_made_up(tmp_path, lost):
    tensors = generator(width=32).state_dict()
    del tensors[lost]
    torch.save(tensors, tmp_path / FILE)
    told = rf"cannot be used: it lacks 1 tensor, such as {re.escape(lost)}\."
    with pytest.raises(ValueError, match=told):
        load(tmp_path / FILE)


def test_weights_that_are_no_numbers(tmp_path):
    tensors = generator(width=32).state_dict()
    tensors["generator.AADBlk2.add_blocks.0.fc1.weight"][0, 0] = float("nan")
    torch.save(tensors, tmp_path / FILE)
    with pytest.raises(ValueError, match=r"its generator\.AADBlk2.*fc1\.weight holds.*no numbers"):
        load(tmp_path / FILE)


def without_layers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in tensors.items() if "AADBlk1.add_blocks" not in name}


def of_an_odd_width(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return tensors | {"generator.up1.weight": torch.zeros(512, 33, 2, 2)}


def without_a_way_up(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in tensors.items() if "deconv" not in name}


@pytest.mark.parametrize("harm", [without_layers, of_an_odd_width, without_a_way_up])
def test_a_network_of_another_make(tmp_path, harm):
    torch.save(harm(generator(width=32).state_dict()), tmp_path / "other.pth")
    with pytest.raises(OtherNetwork, match=rf"other\.pth holds no swapping network.*Use {FILE}"):
        load(tmp_path / "other.pth")


@pytest.mark.parametrize("write", [write_reswapper, write_backbone])
def test_another_network(tmp_path, write):
    write(tmp_path / "other.pth")
    with pytest.raises(OtherNetwork, match=r"other\.pth holds no swapping network of ghost"):
        load(tmp_path / "other.pth")


def test_a_file_that_was_cut_off(tmp_path):
    file = write_ghost(tmp_path / FILE, width=32)
    file.write_bytes(file.read_bytes()[:90_000])
    with pytest.raises(ValueError, match=r"\(90,000 bytes\) cannot be used.*Delete it"):
        load(file)
