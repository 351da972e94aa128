"""PiDiNet: its tensors, its edges against the paper and controlnet_aux, and its files."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pidinet_by_differences as differences
import pytest
import torch
from pack.likeness.nets.pidinet import FILE, PiDiNet, angular, central, fold, load, radial
from pack.likeness.setup.standins.edges import write_pidinet
from pickles import Touches
from real import LACKING
from real import SOFT_EDGES as REAL
from safetensors.torch import save_file
from skimage import data
from torch.nn.functional import conv2d

# Every fourth pixel of what controlnet_aux 0.0.10's PiDiNet, with the real file, makes of
# `photograph()` in float32.
PACKAGE = Path(__file__).with_name("pidinet_edges.npz")
FOLDS = {"central": central, "angular": angular, "radial": radial}
SIZES = [(24, 40), (40, 24)]

real = pytest.mark.skipif(not REAL.is_file(), reason=LACKING)


def photograph() -> torch.Tensor:
    """An astronaut's head (1, 3, 128, 160), BGR 0..1."""
    pixels = data.astronaut()[0:128, 140:300, ::-1].copy()
    return torch.from_numpy(pixels).float().div(255).movedim(-1, 0)[None]


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def small(tmp_path) -> Path:
    return write_pidinet(tmp_path / FILE, width=8, side_width=4)


def edges(network: PiDiNet, pictures: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network(pictures)


@real
def test_the_real_files_edges_are_controlnet_auxs():
    made = edges(load(REAL), photograph())[0, ::4, ::4].numpy()
    wanted = np.load(PACKAGE)["edges"]
    assert wanted.std() > 0.1
    assert np.abs(made - wanted).max() < 1e-5


@real
def test_the_real_files_edges_are_those_of_the_paper():
    tensors = torch.load(REAL, weights_only=True)["state_dict"]
    picture = photograph()[..., 16:112, :]
    made = edges(load(REAL), picture).numpy()
    assert made.std() > 0.1
    assert np.abs(made - differences.edges(tensors, picture)).max() < 1e-5


@real
def test_half_precision_draws_the_same():
    made = edges(load(REAL).to(torch.bfloat16), photograph().bfloat16()).float()
    wanted = edges(load(REAL), photograph())
    assert (made - wanted).abs().mean() < 0.01
    assert (edges(load(REAL).half(), photograph().half()).float() - wanted).abs().max() < 0.01


@pytest.mark.parametrize("size", SIZES)
def test_random_weights_too(tmp_path, size):
    file = write_pidinet(tmp_path / FILE)
    picture = noise(2, 3, *size)
    tensors = torch.load(file, weights_only=True)["state_dict"]
    made = edges(load(file), picture).numpy()
    assert made.std() > 0.1
    assert np.abs(made - differences.edges(tensors, picture)).max() < 1e-5


@pytest.mark.parametrize("kind", FOLDS)
@pytest.mark.parametrize("groups", [1, 6])
@pytest.mark.parametrize("size", [(9, 16), (16, 9)])
def test_a_folded_kernel_does_what_differences_do(kind, groups, size):
    picture, kernel = noise(1, 6, *size).double(), noise(6, 6 // groups, 3, 3).double() - 0.5
    folded = FOLDS[kind](kernel)
    made = conv2d(picture, folded, padding=folded.shape[-1] // 2, groups=groups)
    assert (made - differences.convolved(kind, picture, kernel, groups)).abs().max() < 1e-12


def test_differences_of_a_flat_picture_are_none():
    """But for the border, beyond which all is black."""
    for fold_one in FOLDS.values():
        assert fold_one(noise(4, 2, 3, 3).double()).sum((2, 3)).abs().max() < 1e-12


def test_only_plain_convolutions_are_left(small):
    """In the turns of carv4: only each third of four is five pixels wide."""
    network = load(small)
    blocks = [f"block{stage}_{at}" for stage in range(1, 5) for at in range(1, 5)]
    blocks.remove("block1_4")
    sides = [network.init_block.kernel_size[0]]
    sides += [network.get_submodule(name).conv1.kernel_size[0] for name in blocks]
    assert sides == [3, 3, 5, 3] * 4
    kinds = {type(layer) for layer in network.modules() if not list(layer.children())}
    assert kinds == {torch.nn.Conv2d}
    plain = torch.load(small, weights_only=True)["state_dict"]["module.block1_3.conv1.weight"]
    assert torch.equal(network.block1_3.conv1.weight, plain)


def test_folding_leaves_the_kernels_it_was_given():
    kernel = noise(2, 1, 3, 3)
    for fold_one in FOLDS.values():
        before = kernel.clone()
        fold_one(kernel)
        assert torch.equal(kernel, before)


@pytest.mark.parametrize("name", ["mine.pth", "mine.pt", "mine.safetensors"])
def test_other_names_widths_and_safetensors(small, name):
    other = write_pidinet(small.with_name(name), width=8, side_width=4)
    picture = noise(1, 3, 64, 96)
    assert torch.equal(edges(load(small), picture), edges(load(other), picture))
    network = load(other)
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())


@real
def test_the_stand_in_has_the_real_files_tensors(tmp_path):
    held = [torch.load(file, weights_only=True) for file in (REAL, write_pidinet(tmp_path / FILE))]
    shapes = [{name: each.shape for name, each in one["state_dict"].items()} for one in held]
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) == 83


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def page_of_an_error(file: Path) -> None:
    file.write_bytes(b"<!DOCTYPE html><html><body>404: Not Found</body></html>")


def changed(file: Path, **tensors: torch.Tensor | None) -> None:
    held = torch.load(file, weights_only=True)["state_dict"] | tensors
    torch.save({name: value for name, value in held.items() if value is not None}, file)


def without_a_tensor(file: Path) -> None:
    changed(file, **{"module.block3_3.conv2.weight": None})


def with_a_tensor_too_many(file: Path) -> None:
    changed(file, **{"module.block1_4.conv1.weight": torch.zeros(8, 1, 3, 3)})


def of_another_shape(file: Path) -> None:
    """As a file is that was folded before it was saved."""
    changed(file, **{"module.block1_2.conv1.weight": torch.zeros(8, 1, 5, 5)})


def of_no_numbers(file: Path) -> None:
    changed(file, **{"module.classifier.bias": torch.tensor([float("nan")])})


def a_lone_tensor(file: Path) -> None:
    torch.save(torch.zeros(3), file)


HARMS = [
    cut_off,
    emptied,
    page_of_an_error,
    without_a_tensor,
    with_a_tensor_too_many,
    of_another_shape,
    of_no_numbers,
    a_lone_tensor,
]


@pytest.mark.parametrize("harm", HARMS)
def test_a_broken_file_is_named_with_its_cure(small, harm):
    harm(small)
    with pytest.raises(ValueError, match=r"\(\d[\d,]* bytes\) cannot be used: .*Delete it") as told:
        load(small)
    assert str(small) in str(told.value)


@pytest.mark.parametrize(
    "tensors",
    [
        {"weight": torch.zeros(8)},
        {},
        {"init_block.weight": torch.zeros(8, 3, 3, 3)},
        {"init_block.weight": torch.tensor(0.0), "dilations.0.conv1.weight": torch.tensor(0.0)},
        {
            "init_block.weight": torch.zeros(0, 3, 3, 3),
            "dilations.0.conv1.weight": torch.zeros(0, 8, 1, 1),
        },
    ],
)
@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_another_network(tmp_path, tensors, ending):
    file = tmp_path / f"other{ending}"
    (save_file if ending == ".safetensors" else torch.save)(tensors, file)
    with pytest.raises(ValueError, match=f"holds no PiDiNet.*Use {FILE}; 'python") as told:
        load(file)
    assert str(file) in str(told.value)


def test_nothing_in_a_file_is_run(tmp_path):
    mark = tmp_path / "ran"
    held = {"epoch": 19, "state_dict": {"module.init_block.weight": Touches(mark)}}
    torch.save(held, tmp_path / FILE)
    with pytest.raises(ValueError, match=f"is not opened: that would run .* Use {FILE}"):
        load(tmp_path / FILE)
    assert not mark.exists()
    pickle.loads(pickle.dumps(held))
    assert mark.exists()  # it would have


def test_folding_is_what_loading_does(small):
    tensors = torch.load(small, weights_only=True)["state_dict"]
    network = PiDiNet(8, 4)
    network.load_state_dict({name.removeprefix("module."): each for name, each in tensors.items()})
    picture = noise(1, 3, 32, 48)
    plain = edges(network, picture)
    fold(network)
    folded = edges(network, picture)
    assert (folded - edges(load(small), picture)).abs().max() < 1e-5
    assert (folded - plain).abs().max() > 1e-3
