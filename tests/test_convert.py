"""A restorer's file as safetensors: the same picture, less around it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import torch
from pack.likeness.__main__ import main
from pack.likeness.restoring import convert as converting
from pack.likeness.restoring.convert import convert
from pack.likeness.restoring.load import load
from safetensors import safe_open
from source import ROOT
from standins import restorers
from standins.restorers import write_restoreformer


@pytest.fixture
def file(tmp_path) -> Path:
    return write_restoreformer(tmp_path / "RestoreFormer++.ckpt", plus=True)


def crops() -> torch.Tensor:
    return torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("plus", [False, True])
def test_the_picture_is_the_same(tmp_path, plus):
    file = write_restoreformer(tmp_path / "any.ckpt", plus=plus)
    before = file.read_bytes()
    converted = convert(file, tmp_path / "new" / "any.safetensors")
    old, new = load(file), load(converted.file)
    assert torch.equal(old.restore(crops(), 0.5), new.restore(crops(), 0.5))
    assert new.notes == old.notes == converted.notes
    assert file.read_bytes() == before


def test_the_network_alone_is_written(file):
    target = file.with_name("new.safetensors")
    converted = convert(file, target)
    with safe_open(target, "pt") as opened:
        names = set(opened.keys())
    assert names == load(file).network.state_dict().keys()
    assert (converted.tensors, converted.after) == (len(names), target.stat().st_size)
    assert converted.before == file.stat().st_size > converted.after
    told = f"RestoreFormer++'s; {len(names)} tensors, {converted.after:,} bytes of"
    assert told in str(converted)
    assert sorted(each.name for each in file.parent.iterdir()) == [file.name, target.name]


def test_tensors_that_share_their_memory(tmp_path):
    tensors = restorers.restoreformer_tensors(restorers.NARROW)
    first, second = "encoder.down.0.block.0.norm1.bias", "encoder.down.0.block.0.norm2.bias"
    tensors[second] = tensors[first]
    file = restorers.write(tmp_path / "tied.pth", tensors)
    new = load(convert(file, tmp_path / "tied.safetensors").file).network.state_dict()
    assert torch.equal(new[first], new[second])


def test_what_is_there_stays(file):
    target = file.with_name("new.safetensors")
    target.write_text("mine")
    with pytest.raises(FileExistsError, match=r"new\.safetensors is there already: delete it"):
        convert(file, target)
    assert target.read_text() == "mine"


def test_a_run_that_fails_leaves_nothing(file, monkeypatch):
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(converting.os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        convert(file, file.with_name("new.safetensors"))
    assert list(file.parent.iterdir()) == [file]


def test_what_another_run_is_writing_stays(file):
    other = file.with_name("new.safetensors.part")
    other.write_text("half of it")
    convert(file, file.with_name("new.safetensors"))
    assert other.read_text() == "half of it"


@pytest.mark.skipif(os.name == "nt", reason="has no such modes")
def test_who_could_read_the_one_can_read_the_other(file):
    file.chmod(0o644)
    made = convert(file, file.with_name("new.safetensors"))
    assert made.file.stat().st_mode & 0o777 == 0o644


def test_what_cannot_be_converted_is_told_with_its_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "new.safetensors"
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "a.ckpt"))):
        convert(Path("a.ckpt"), target)
    (tmp_path / "folder.ckpt").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        convert(Path("folder.ckpt"), target)
    (tmp_path / "gfpgan_1.4.onnx").write_bytes(b"whole")
    with pytest.raises(ValueError, match="stays as it is: what is converted ends in"):
        convert(Path("gfpgan_1.4.onnx"), target)
    assert not target.exists()


def test_what_is_no_restorer_is_not_converted(tmp_path, file):
    other = restorers.write(tmp_path / "vqgan_code1024.pth", restorers.vqgan_tensors())
    target = tmp_path / "new.safetensors"
    with pytest.raises(ValueError, match=r"Use codeformer\.pth"):
        convert(other, target)
    with pytest.raises(ValueError, match=r"new\.pth does not end in \.safetensors"):
        convert(file, tmp_path / "new.pth")
    with pytest.raises(FileNotFoundError, match=r"gone\.ckpt is not there"):
        convert(tmp_path / "gone.ckpt", target)
    assert not target.exists()


def test_the_command(file, capsys):
    target = file.with_name("new.safetensors")
    assert main(["convert", str(file), str(target)]) == 0
    assert "its tensors are RestoreFormer++'s; " in capsys.readouterr().out
    assert main(["convert", str(file), str(target)]) == 1
    assert capsys.readouterr().err.startswith(f"likeness: {target} is there already")


@pytest.mark.slow
def test_on_the_command_line(file):
    target = file.with_name("new.safetensors")
    python = os.environ.get("COMFYUI_PYTHON") or "python"
    command = [python, "-m", "likeness", "convert", str(file), str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert str(target) in done.stdout
    assert load(target).notes == ("its tensors are RestoreFormer++'s",)
