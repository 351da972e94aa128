"""A restorer's file is known by what is in it; what lies around the tensors is read past."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import spandrel
import torch
from pack.likeness.restoring.load import load
from pack.likeness.restoring.network_restorer import NetworkRestorer
from pack.likeness.restoring.onnx_restorer import OnnxRestorer
from pack.likeness.weights import read
from standins import onnx_restorers, restorers
from standins.restorers import NARROW, lightning_class, restoreformer_tensors, write_restoreformer
from torch import Tensor

NAMES = ["RestoreFormer.pth", "RestoreFormer.ckpt", "mine.safetensors", "codeformer.pth", "A.PT"]
LEVELS = ["params_ema", "params-ema", "params", "model_state_dict", "state_dict", "model", "net"]


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    return restoreformer_tensors(NARROW)


def same(restorer: NetworkRestorer, tensors: dict[str, Tensor]) -> bool:
    held = restorer.network.state_dict()
    return held.keys() == tensors.keys() and all(
        torch.equal(held[name], tensor) for name, tensor in tensors.items()
    )


@pytest.mark.parametrize("name", NAMES)
def test_names_tell_nothing(tmp_path, tensors, name):
    restorer = load(restorers.write(tmp_path / name, tensors))
    assert same(restorer, tensors)
    assert (restorer.name, restorer.notes) == (name, ("its tensors are RestoreFormer's",))


@pytest.mark.parametrize("name", NAMES)
def test_the_second_one_too(tmp_path, name):
    restorer = load(write_restoreformer(tmp_path / name, plus=True))
    assert restorer.notes == ("its tensors are RestoreFormer++'s",)
    assert restorer.network.shape.heads == 4


@pytest.mark.parametrize("prefix", ["", "module.", "netG.", "module.netG."])
@pytest.mark.parametrize("level", LEVELS)
def test_levels_and_prefixes(tmp_path, level, prefix):
    held = {f"{prefix}{name}": torch.full((2,), 3.0) for name in ("a.weight", "module.b", "c")}
    torch.save({"iteration": 5, level: held}, tmp_path / "it.pth")
    assert sorted(read(tmp_path / "it.pth", "")) == ["a.weight", "c", "module.b"]


def test_the_averaged_ones_are_taken(tmp_path):
    held = {"params": {"a": torch.zeros(2)}, "params_ema": {"a": torch.ones(2)}}
    torch.save(held, tmp_path / "it.pth")
    assert torch.equal(read(tmp_path / "it.pth", "")["a"], torch.ones(2))
    torch.save({"state_dict": held}, tmp_path / "it.pth")
    assert torch.equal(read(tmp_path / "it.pth", "")["a"], torch.ones(2))


def test_a_tensor_may_be_called_like_a_level(tmp_path):
    held = {"model": torch.ones(2), "net": torch.zeros(2), "note": "none"}
    torch.save(held, tmp_path / "it.pth")
    assert sorted(read(tmp_path / "it.pth", "")) == ["model", "net"]


def as_a_key(kind: type) -> object:
    return {kind: {"best_model_score": torch.ones(())}}


def as_a_value(kind: type) -> object:
    made = kind()
    made.best_model_score = 3
    return made


def as_a_call(kind: type) -> object:
    class Called:
        def __reduce__(self):
            return kind, (1, 2)

    return Called()


@pytest.mark.parametrize("left", [as_a_key, as_a_value, as_a_call])
@pytest.mark.parametrize("module", ["pytorch_lightning.callbacks.x", "lightning.pytorch.y"])
@pytest.mark.parametrize("new", [True, False])
def test_classes_of_lightning_are_read_past(tmp_path, left: Callable[[type], object], module, new):
    """None of them is there, and none is looked for."""
    with lightning_class("ModelCheckpoint", module) as kind:
        held = {"state_dict": {"a": torch.ones(2)}, "callbacks": left(kind)}
        torch.save(held, tmp_path / "it.ckpt", _use_new_zipfile_serialization=new)
    allowed = set(torch.serialization.get_safe_globals())
    assert torch.equal(read(tmp_path / "it.ckpt", "")["a"], torch.ones(2))
    assert module not in sys.modules
    assert set(torch.serialization.get_safe_globals()) == allowed


def test_dictionaries_of_lightning(tmp_path):
    """It has kinds of its own, for the settings of a run."""
    with lightning_class("AttributeDict", "pytorch_lightning.utilities.parsing", dict) as kind:
        held = {"state_dict": {"a": torch.ones(2)}, "hyper_parameters": kind(rate=3)}
        torch.save(held, tmp_path / "it.ckpt")
    assert torch.equal(read(tmp_path / "it.ckpt", "")["a"], torch.ones(2))


def test_an_onnx_file(tmp_path):
    file = onnx_restorers.write_restorer(tmp_path / "gpen_bfr_256.onnx")
    assert isinstance(load(file), OnnxRestorer)


def test_codeformer_without_its_package(tmp_path, monkeypatch):
    """What it is, what it may be used for, and the command."""
    monkeypatch.setitem(sys.modules, "spandrel_extra_arches.architectures.CodeFormer", None)
    monkeypatch.setitem(sys.modules, "spandrel_extra_arches", None)
    names = ("position_emb", "idx_pred_layer.1.weight", "ft_layers.0.self_attn.in_proj_weight")
    held = {name: torch.ones(2) for name in (*names, *restorers.vqgan_tensors())}
    file = restorers.write(tmp_path / "any.pth", held, "params_ema")
    with pytest.raises(RuntimeError) as told:
        load(file)
    for word in ("any.pth", "CodeFormer", "S-Lab licence forbids commercial use", "GFPGAN"):
        assert word in str(told.value)
    assert "'python -m pip install spandrel_extra_arches'" in str(told.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "level"),
    [
        ("GFPGANv1.4.pth", "GFPGAN", "params_ema"),
        ("codeformer.pth", "CodeFormer", "params_ema"),
        ("RestoreFormer++.ckpt", "RestoreFormer++", ""),
    ],
)
def test_real_files(tmp_path, name, kind, level):
    """Of the true size; spandrel's registry, which is ComfyUI's too, stays as it was."""
    made = {"GFPGAN": restorers.gfpgan_tensors, "CodeFormer": restorers.codeformer_tensors}
    tensors = made.get(kind, restorers.restoreformerpp_tensors)()
    registered = [support.architecture.id for support in spandrel.MAIN_REGISTRY]
    file = restorers.write(tmp_path / name, tensors, level)
    restorer = load(file)
    shutil.rmtree(tmp_path)
    assert same(restorer, tensors)
    assert restorer.notes == (f"its tensors are {kind}'s",)
    assert [support.architecture.id for support in spandrel.MAIN_REGISTRY] == registered


def test_files_that_are_gone(tmp_path):
    for name in ("gone.onnx", "gone.pth", "gone.ckpt"):
        with pytest.raises(FileNotFoundError, match=f"{name} is not there. Press R"):
            load(tmp_path / name)


def test_what_is_no_file_of_a_restorer(tmp_path):
    for name in ("a.pth", "a.ckpt"):
        Path(tmp_path / name).mkdir()
    (tmp_path / "a.txt").write_text("a")
    for name in ("a.pth", "a.ckpt", "a.txt"):
        with pytest.raises(ValueError, match=r"is no file of a restorer. Accepted are GFPGANv1"):
            load(tmp_path / name)
