"""Files that are no restorer, or not a whole one, or more than one: each is told what it is."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pack.likeness.restoring.load import load
from standins import restorers
from standins.fan import write_fan
from standins.parsers import write_parsenet
from standins.restorers import NARROW, lightning_class, restoreformer_tensors, write_restoreformer
from standins.reswapper import write_reswapper
from torch import Tensor

AGAIN = "Delete it and put a whole copy in its place"
ANOTHER = "Use GFPGANv1.4.pth: 'python install.py models GFPGANv1.4.pth'"
LIST = "'python install.py models --list'"
ENDINGS = [".pth", ".ckpt", ".safetensors"]


@pytest.fixture
def file(tmp_path) -> Path:
    return write_restoreformer(tmp_path / "RestoreFormer.pth")


def refused(file: Path, *words: str, kind: type[Exception] = ValueError) -> str:
    with pytest.raises(kind) as told:
        load(file)
    for word in (str(file), *words):
        assert word in str(told.value)
    assert "weights_only" not in str(told.value)  # torch advises to do without it
    return str(told.value)


# --- whole files of other networks --------------------------------------------------------------


def esrgan() -> dict[str, Tensor]:
    from spandrel.architectures.ESRGAN import ESRGAN

    return ESRGAN(num_filters=8, num_blocks=1).state_dict()


def compact() -> dict[str, Tensor]:
    from spandrel.architectures.Compact import Compact

    return Compact(num_feat=8, num_conv=1).state_dict()


@pytest.mark.parametrize("ending", ENDINGS[:1] + ENDINGS[2:])
@pytest.mark.parametrize(("make", "called"), [(esrgan, "ESRGAN"), (compact, "RealESRGAN Compact")])
def test_an_upscaler(tmp_path, make, called, ending):
    file = restorers.write(tmp_path / f"GFPGANv1.4{ending}", make(), "params_ema")
    refused(file, f"holds {called}, which restores no faces", "Load Upscale Model")


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_autoencoder_of_codeformer(tmp_path, ending):
    file = restorers.write(tmp_path / f"codeformer{ending}", restorers.vqgan_tensors())
    refused(file, "autoencoder", "vqgan_code1024.pth", "Use codeformer.pth", "install.py models")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_vqgan_of_another_kind(tmp_path, ending):
    """spandrel takes it for RestoreFormer, whose names it has."""
    tensors = restoreformer_tensors(NARROW)
    for name in [name for name in tensors if ".attn" in name]:
        held = tensors.pop(name)
        if ".norm2." not in name:
            tensors[name.replace(".norm1.", ".norm.")] = held
    file = restorers.write(tmp_path / f"vqgan_f32{ending}", tensors)
    refused(file, "holds a VQGAN", "It restores no faces", LIST)


def test_networks_of_other_tasks(tmp_path):
    for file in (
        write_fan(tmp_path / "fan.pth.tar"),
        write_parsenet(tmp_path / "parser.pth"),
        write_reswapper(tmp_path / "reswapper_256.safetensors"),
    ):
        refused(file, "holds no restorer", "those of another network", "codeformer.pth", LIST)


def test_files_without_tensors(tmp_path):
    for held in ({}, {"params": {}}, {"epoch": 3, "note": "none"}):
        torch.save(held, tmp_path / "a.ckpt")
        refused(tmp_path / "a.ckpt", "holds no restorer: it has no tensors", LIST)
    for held in (torch.ones(3), [1, 2], {3: torch.ones(2)}):
        torch.save(held, tmp_path / "a.ckpt")
        refused(tmp_path / "a.ckpt", "not tensors by name", AGAIN)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", ["a.pt", "a.pth", "a.ckpt"])
def test_a_program(tmp_path, name):
    torch.jit.script(torch.nn.Conv2d(3, 3, 3)).save(str(tmp_path / name))
    refused(tmp_path / name, "TorchScript program", "is not opened. Use GFPGANv1.4.pth")


# --- files that are not whole -------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_cut_anywhere(tmp_path, ending):
    file = write_restoreformer(tmp_path / f"RestoreFormer{ending}")
    whole = file.read_bytes()
    lengths = [0, 1, 8, 100, *range(len(whole) // 9, len(whole), len(whole) // 9), len(whole) - 1]
    for length in lengths:
        file.write_bytes(whole[:length])
        refused(file, f"({length:,} bytes) cannot be used", AGAIN)


@pytest.mark.parametrize("ending", ENDINGS[:2])
@pytest.mark.parametrize(
    ("place", "written"),
    [
        (0, b"no"),  # how an entry begins
        (6, b"\xff\x00"),  # the version that wants it
        (28, b"\xff\xff"),  # how long its name is
        (42, b"\xff\xff\xff\x7f"),  # where it lies
    ],
)
def test_a_damaged_list_of_what_is_in_a_file(tmp_path, ending, place, written):
    file = write_restoreformer(tmp_path / f"RestoreFormer{ending}")
    whole = bytearray(file.read_bytes())
    start = whole.rindex(b"PK\x01\x02") + place
    whole[start : start + len(written)] = written
    file.write_bytes(whole)
    refused(file, f"({len(whole):,} bytes) cannot be used", AGAIN)


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_a_server_sends_instead(tmp_path, ending):
    file = tmp_path / f"GFPGANv1.4{ending}"
    for content in (b"<!DOCTYPE html><html><body>404: Not Found</body></html>", bytes(5000)):
        file.write_bytes(content)
        refused(file, "cannot be used", AGAIN)


@pytest.mark.parametrize("ending", ENDINGS)
def test_tensors_that_are_missing_or_too_many(tmp_path, ending):
    file, tensors = tmp_path / f"a{ending}", restoreformer_tensors(NARROW)
    less = {name: each for name, each in tensors.items() if name != "decoder.conv_in.bias"}
    refused(restorers.write(file, less), "lacks 1 tensor, such as decoder.conv_in.bias", AGAIN)
    more = tensors | {"decoder.more": torch.ones(2)}
    refused(restorers.write(file, more), "has 1 tensor too many, such as decoder.more", AGAIN)
    nan = tensors | {"decoder.conv_in.bias": torch.full((32,), torch.nan)}
    refused(restorers.write(file, nan), "decoder.conv_in.bias holds values that are no numbers")


def test_what_spandrel_takes_for_gfpgan_and_is_not_whole(tmp_path):
    """The original GFPGANv1.pth too, which is built in another way."""
    names = ("toRGB.0.weight", "stylegan_decoder.style_mlp.1.weight")
    file = restorers.write(tmp_path / "a.pth", {name: torch.ones(2) for name in names})
    refused(file, "as GFPGAN, Missing key(s)", AGAIN)
    nan = {name: torch.full((2,), torch.inf) for name in names}
    refused(restorers.write(file, nan), "values that are no numbers", AGAIN)


def test_codeformer_that_is_not_whole(tmp_path):
    pytest.importorskip("spandrel_extra_arches")
    names = ("position_emb", "idx_pred_layer.1.weight", "ft_layers.0.self_attn.in_proj_weight")
    held = {name: torch.ones(2, 2) for name in (*names, *restorers.vqgan_tensors())}
    refused(restorers.write(tmp_path / "a.pth", held), "as CodeFormer, ", AGAIN)
    few = {name: torch.ones(2, 2) for name in names}
    refused(restorers.write(tmp_path / "b.pth", few), "as CodeFormer, ", AGAIN)


# --- files with code in them --------------------------------------------------------------------


class Program:
    """What a pickle runs when it is opened without care."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def inside(tensors: dict[str, Tensor], program: Program) -> object:
    return {"params": tensors | {"decoder.conv_in.bias": program}}


def beside(tensors: dict[str, Tensor], program: Program) -> object:
    return {"params": tensors, "optimizer": program}


def as_a_whole(tensors: dict[str, Tensor], program: Program) -> object:
    return program


def among_lightnings(tensors: dict[str, Tensor], program: Program) -> object:
    with lightning_class("ModelCheckpoint") as kind:
        return {"state_dict": tensors, "callbacks": {kind: program}}


@pytest.mark.parametrize("held", [inside, beside, as_a_whole])
@pytest.mark.parametrize("name", ["GFPGANv1.4.pth", "RestoreFormer++.ckpt", "a.pt"])
def test_code_is_never_run(tmp_path, name, held: Callable):
    torch.save(held({"a": torch.ones(2)}, Program(tmp_path / "ran")), tmp_path / name)
    module = os.mkdir.__module__
    told = refused(tmp_path / name, f"that would run {module}.mkdir", ANOTHER)
    assert AGAIN not in told
    assert not (tmp_path / "ran").exists()
    assert pickle.loads(pickle.dumps(Program(tmp_path / "ran"))) is None  # it would have
    assert (tmp_path / "ran").exists()


def test_nor_where_lightning_left_something(tmp_path):
    """Its own classes are passed over, and nothing that comes with them."""
    file = tmp_path / "RestoreFormer.ckpt"
    with lightning_class("ModelCheckpoint") as kind:
        held = {"state_dict": {"vqvae.a": torch.ones(2)}, kind: Program(tmp_path / "ran")}
        torch.save(held, file)
    told = refused(file, f"would run {os.mkdir.__module__}.mkdir.", ANOTHER)
    assert "pytorch_lightning" not in told
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("module", ["pytorch_lightningx", "my.lightning.callbacks"])
def test_names_that_look_like_lightnings(tmp_path, module):
    with lightning_class("ModelCheckpoint", module) as kind:
        torch.save({"state_dict": {"a": torch.ones(2)}, "callbacks": kind()}, tmp_path / "a.ckpt")
    refused(tmp_path / "a.ckpt", f"would run {module}.ModelCheckpoint", ANOTHER)


@pytest.mark.parametrize("new", [True, False])
def test_a_whole_file_that_holds_more_than_weights(tmp_path, new):
    """Another copy of it is no better."""
    file, held = tmp_path / "a.pth", {"params": {"a": torch.ones(2)}, "loss": np.float64(0.5)}
    torch.save(held, file, _use_new_zipfile_serialization=new)
    told = refused(file, "multiarray.scalar", "holds more than weights", ANOTHER, "state_dict")
    assert AGAIN not in told
    with lightning_class("A" * 400, "my.settings") as kind:
        torch.save({"params": {}, "kept": kind()}, file, _use_new_zipfile_serialization=new)
    assert len(refused(file, "would run")) < 700


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize(
    ("protocol", "words"), [(0, ("would run", ANOTHER)), (2, ("would run", ANOTHER)), (4, (AGAIN,))]
)
def test_a_bare_pickle(tmp_path, protocol, words):
    """As torch wrote them before 1.6, and as no torch does."""
    file = tmp_path / "a.pth"
    file.write_bytes(pickle.dumps(Program(tmp_path / "ran"), protocol))
    refused(file, *words)
    assert not (tmp_path / "ran").exists()


def rewritten(file: Path, content: bytes) -> None:
    """With other instructions in the place of the pickle's own."""
    made = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name.endswith("/data.pkl") else old.read(name))
    file.write_bytes(made.getvalue())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02.",  # nothing on the stack
        b"\x80\x02N0.",
        b"\x80\x02}q\x00X\x0a\x00\x00\x00state_dicth\x01s.",  # of something never kept
        b"\x80\x02cpytorch_lightning.x\nY\n}b.",  # a state for a class
        b"\x80\x02cpytorch_lightning.x\nY\nK\x01R.",  # called without arguments' brackets
        b"\x80\x02cpytorch_lightning.x\nY\n)R(K\x01K\x02K\x03e.",
    ],
)
def test_pickles_that_no_program_has_written(file, content):
    rewritten(file, content)
    refused(file, "cannot be used", AGAIN)


def test_a_file_that_holds_itself(file):
    rewritten(file, b"\x80\x02}q\x00X\x0a\x00\x00\x00state_dicth\x00s.")
    refused(file, "it has no tensors", LIST)
