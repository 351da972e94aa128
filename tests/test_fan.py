"""FAN: its tensors, its maps against the face-alignment package's own, and its files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from pack.likeness.nets.fan import FAN, FILE, load
from pickles import Touches
from standins.fan import write_fan

# Of the sorted lines "name (shape)" of the tensors that the package's network has.
TENSORS = (1129, "0d87cf689f0e7da53efe30820ee3c0911f4cdddef49dec890fe2243627f25d23")


@pytest.fixture
def small(tmp_path) -> Path:
    return write_fan(tmp_path / FILE)


def pictures(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 256, 256, generator=torch.Generator().manual_seed(0))


def test_the_tensors_are_the_packages():
    with torch.device("meta"):
        tensors = FAN().state_dict()
    lines = sorted(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
    assert (len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()) == TENSORS


@pytest.mark.slow
def test_the_maps_are_the_packages(tmp_path):
    models = pytest.importorskip("face_alignment.models")
    ours = load(write_fan(tmp_path / FILE, width=256, stacks=4))
    theirs = models.FAN(4)
    theirs.load_state_dict(ours.state_dict())
    with torch.no_grad():
        made, wanted = ours(pictures(1)), theirs.eval()(pictures(1))[-1]
    assert made.std() > 0.01
    assert (made - wanted).abs().max() < 1e-5


def test_what_is_loaded_is_what_was_saved(small):
    network = load(small)
    saved = torch.load(small, weights_only=True)
    assert all(torch.equal(saved[name], value) for name, value in network.state_dict().items())
    assert (network.stacks, network.training) == (2, False)
    assert not any(weight.requires_grad for weight in network.parameters())


@pytest.mark.parametrize("name", ["2DFAN4-other.pth.tar", "mine.pth", "mine.safetensors"])
def test_other_names_and_safetensors(small, name):
    other = write_fan(small.with_name(name))
    with torch.no_grad():
        assert torch.equal(load(small)(pictures(1)), load(other)(pictures(1)))


def test_a_checkpoint_of_a_training_script(small):
    tensors = {f"module.{name}": value for name, value in load(small).state_dict().items()}
    torch.save({"epoch": 3, "state_dict": tensors}, small)
    assert load(small).stacks == 2


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_an_older_file_is_refused_by_the_name_of_the_right_one(tmp_path):
    older = tmp_path / "2DFAN4-cd938726ad.zip"
    torch.jit.script(torch.nn.Conv2d(3, 3, 3)).save(str(older))
    with pytest.raises(ValueError, match=f"cd938726ad.zip is a TorchScript.* Use {FILE}: 'python"):
        load(older)


def test_nothing_in_a_file_is_run(tmp_path):
    torch.save({"conv1.weight": Touches(tmp_path / "ran")}, tmp_path / FILE)
    with pytest.raises(ValueError, match="is not opened: that would run"):
        load(tmp_path / FILE)
    assert not (tmp_path / "ran").exists()


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def page_of_an_error(file: Path) -> None:
    file.write_bytes(b"<!DOCTYPE html><html><body>404: Not Found</body></html>")


def without_a_stack(file: Path) -> None:
    tensors = torch.load(file, weights_only=True)
    torch.save({name: value for name, value in tensors.items() if "m1." not in name}, file)


def of_another_shape(file: Path) -> None:
    torch.save(torch.load(file, weights_only=True) | {"l0.bias": torch.zeros(98)}, file)


def a_lone_tensor(file: Path) -> None:
    torch.save(torch.zeros(3), file)


HARMS = [cut_off, emptied, page_of_an_error, without_a_stack, of_another_shape, a_lone_tensor]


@pytest.mark.parametrize("harm", HARMS)
def test_a_broken_file_is_named_with_its_cure(small, harm):
    harm(small)
    with pytest.raises(ValueError, match=r"\(\d[\d,]* bytes\) cannot be used: .*Delete it") as told:
        load(small)
    assert str(small) in str(told.value)


@pytest.mark.parametrize("harm", [cut_off, emptied, page_of_an_error])
def test_a_broken_safetensors_file(tmp_path, harm):
    file = write_fan(tmp_path / "mine.safetensors")
    harm(file)
    with pytest.raises(ValueError, match=r"mine\.safetensors .* cannot be used: .*Delete it"):
        load(file)


def test_another_network(tmp_path):
    torch.save({"weight": torch.zeros(8)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=f"other.pth holds no landmark network.*use {FILE}"):
        load(tmp_path / "other.pth")
