"""Which kind of swapper a file is: its tensors tell, whatever it is called."""

from __future__ import annotations

import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper
from pack.likeness.nets.aei import Kind
from pack.likeness.swapping.ghost import Ghost
from pack.likeness.swapping.inswapper import InSwapper
from pack.likeness.swapping.load import load
from pack.likeness.swapping.onnx_swapper import OnnxSwapper
from standins import ghost, onnx_swappers, reswapper

NARROWEST = 4  # of the generators that are written here


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A generator for 256 px as torch.onnx writes it; its inputs are hyperswap's."""
    file = tmp_path_factory.mktemp("reswapper") / "reswapper_256.onnx"
    return reswapper.write_reswapper(file, NARROWEST, size=256)


@pytest.mark.parametrize("name", ["reswapper_256", "hyperswap_1a_256", "who knows"])
def test_an_inswapper_is_one_under_any_name(tmp_path, exported, name):
    file = tmp_path / f"{name}.onnx"
    file.write_bytes(exported.read_bytes())
    swapper = load(file)
    assert isinstance(swapper, InSwapper)
    assert (swapper.name, swapper.size) == (file.name, 256)


def test_an_inswapper_in_half_precision_is_one(tmp_path, exported):
    model = onnx.load(exported)
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            half = numpy_helper.to_array(tensor).astype("float16")
            tensor.CopyFrom(numpy_helper.from_array(half, tensor.name))
    onnx.save(model, tmp_path / "inswapper_128_fp16.onnx")
    assert isinstance(load(tmp_path / "inswapper_128_fp16.onnx"), InSwapper)


@pytest.mark.parametrize("name", ["reswapper-1.pth", "someone.safetensors", "G_unet_2blocks.pth"])
def test_reswappers_weights_are_known(tmp_path, name):
    swapper = load(reswapper.write_reswapper(tmp_path / name, NARROWEST))
    assert isinstance(swapper, InSwapper)
    assert swapper.name == name


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("name", ["G_unet_2blocks.pth", "reswapper.safetensors"])
def test_ghosts_weights_are_known(tmp_path, kind, name):
    swapper = load(ghost.write_ghost(tmp_path / name, kind, width=32))
    assert isinstance(swapper, Ghost)
    assert swapper.name == name
    with pytest.raises(ValueError, match=r"backbone\.pth holds no swapper: it is ghost's identity"):
        load(tmp_path / ghost.BACKBONE)


def test_the_others_are_known_by_their_names(tmp_path):
    file = onnx_swappers.write_swapper(tmp_path / "hyperswap_1b_256.onnx")
    swapper = load(file, ["CPUExecutionProvider"])
    assert isinstance(swapper, OnnxSwapper)
    assert swapper.name == "hyperswap_1b_256.onnx"
    assert swapper.notes == ("hyperswap_1b_256.onnx runs on CPUExecutionProvider",)


def test_both_kinds_offer_the_same(tmp_path, exported):
    """What goes around a swapper need not know which it is."""
    file = onnx_swappers.write_swapper(tmp_path / "hyperswap_1b_256.onnx")
    for swapper in (load(file), load(exported)):
        assert swapper.space == "w600k_r50"
        crops, sources = torch.rand(2, 256, 256, 3), torch.rand(2, 512)
        assert swapper.swap(crops, sources).shape == crops.shape
        assert swapper.batch >= 1
        assert all(isinstance(note, str) for note in swapper.notes)
        assert swapper.safer() is None
