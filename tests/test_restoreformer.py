"""RestoreFormer and RestoreFormer++: their tensors, and their answers against spandrel's parts."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import spandrel_networks
import torch
from pack.likeness.nets.restoreformer import (
    CODES,
    Codes,
    RestoreFormer,
    Shape,
    bare,
    from_tensors,
    shape_of,
)
from pack.likeness.weights import OtherNetwork
from spandrel_networks import pictures
from standins.restorers import NARROW, restoreformer, restoreformer_tensors

# Of the sorted lines "name (shape)" of the tensors that the files have.
PLAIN = (405, "b89c5e61fe5f40f385adee5237623f47fa346c711d0c31a3bc4257da34172df4")
PLUS = (441, "043ef2d443fe54b905ebcd233a94dd8846f5e472d444094bba724f9140c8706b")
FILE = Path("RestoreFormer.ckpt")
SHAPES = [
    NARROW,
    Shape((32, 32, 64, 64, 64, 96), 2, 100, 48, 40),
    Shape((32,) * 6, 1, 64, 32, 32, plus=True),
    Shape((32, 32, 64, 64, 96, 128), 2, 100, 48, 40, plus=True),
]


@pytest.mark.parametrize(
    ("plus", "tensors", "parameters"), [(False, PLAIN, 72_680_003), (True, PLUS, 73_472_579)]
)
def test_the_tensors_are_the_releases(plus, tensors, parameters):
    with torch.device("meta"):
        held = RestoreFormer(Shape(plus=plus)).state_dict()
    lines = sorted(f"{name} {tuple(tensor.shape)}" for name, tensor in held.items())
    assert (len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()) == tensors
    assert sum(tensor.numel() for tensor in held.values()) == parameters


@pytest.mark.parametrize("shape", SHAPES)
def test_the_answers_are_spandrels(shape):
    """In double precision, where hardly any rounding is left."""
    network = restoreformer(shape).double()
    theirs = spandrel_networks.restoreformer(shape, network.state_dict()).double()
    given = pictures(2, 96).double()
    made, wanted = network(given), theirs(given)[0]
    assert made.std() > 0.05
    assert (made[0] - made[1]).abs().mean() > 0.01
    assert (made - wanted).abs().max() < 1e-9


@pytest.mark.parametrize("shape", SHAPES[::2])
def test_in_single_precision(shape):
    """What is left is rounding."""
    network = restoreformer(shape)
    theirs = spandrel_networks.restoreformer(shape, network.state_dict())
    made, wanted = network(pictures(1, 256)), theirs(pictures(1, 256))[0]
    assert (made - wanted).abs().max() < 0.01
    assert (made - wanted).abs().mean() < 1e-4


@pytest.mark.parametrize("shape", SHAPES)
def test_what_the_tensors_tell(shape):
    tensors = restoreformer_tensors(shape)
    assert shape_of(tensors, FILE) == shape
    network = from_tensors(tensors, FILE)
    assert all(torch.equal(tensors[name], held) for name, held in network.state_dict().items())
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())


def test_the_heads_count():
    """The two divide the same tensors in another way."""
    network = restoreformer(SHAPES[2]).double()
    before = network(pictures(1, 96).double())
    for layer in network.modules():
        if hasattr(layer, "heads"):
            assert layer.heads == 4
            layer.heads = 8
    assert (network(pictures(1, 96).double()) - before).abs().mean() > 1e-3


def test_the_nearest_code():
    codes = Codes(50, 6).requires_grad_(False)
    given = torch.randn(2, 6, 3, 4, generator=torch.Generator().manual_seed(2))
    found = codes(given)
    for frame in range(2):
        for y in range(3):
            for x in range(4):
                apart = (codes.embedding.weight - given[frame, :, y, x]).norm(dim=1)
                assert torch.equal(found[frame, :, y, x], codes.embedding.weight[apart.argmin()])


def test_a_batch_is_its_parts():
    network, given = restoreformer(), pictures(3, 128)
    together = network(given)
    for number in range(3):
        assert (network(given[number : number + 1])[0] - together[number]).abs().max() < 1e-3


def test_the_original_release_has_more_beside(tmp_path):
    tensors = restoreformer_tensors(SHAPES[2])
    held = {f"vqvae.{name}": value for name, value in tensors.items()}
    held["loss.discriminator.main.0.weight"] = torch.ones(3)
    network = from_tensors(bare(held), FILE)
    assert all(torch.equal(tensors[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"decoder.up.4.attn.1.q.weight": None}, "lacks 1 tensor, such as decoder.up.4.attn.1.q"),
        (
            {"decoder.up.3.attn.0.q.weight": torch.ones(4)},
            "1 tensor too many, such as decoder",
        ),
        ({"post_quant_conv.bias": None}, "lacks 1 tensor, such as post_quant_conv.bias"),
        ({"quant_conv.bias": torch.ones(9)}, r"its quant_conv.bias is \(9,\), not \(32,\)"),
        ({"quant_conv.bias": torch.ones(32) / 0}, "quant_conv.bias holds values that are no numb"),
        ({CODES: torch.ones(9)}, r"its quantize.embedding.weight is \(9,\)"),
        ({"encoder.down.2.block.0.conv2.bias": torch.ones(33)}, r"\(32, 32, 33, 32, 32, 32\) chan"),
        ({"encoder.down.2.block.0.conv2.bias": None}, r"\(32, 32, 0, 32, 32, 32\) channels"),
        ({"encoder.down.2.block.0.conv2.bias": torch.ones(())}, r"\(32, 32, 0, 32, 32, 32\) ch"),
    ],
)
def test_tensors_that_are_not_right(tmp_path, changes, words):
    file = tmp_path / "RestoreFormer++.ckpt"
    file.write_bytes(b"its size is told")
    tensors = {**restoreformer_tensors(SHAPES[2]), **changes}
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    with pytest.raises(ValueError, match=rf"RestoreFormer\+\+.ckpt .*cannot be used: .*{words}"):
        from_tensors(tensors, file)


def test_another_network():
    with pytest.raises(OtherNetwork, match="holds no RestoreFormer"):
        from_tensors({"weight": torch.ones(3)}, FILE)
