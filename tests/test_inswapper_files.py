"""The files of inswapper and ReSwapper, however they were written, and what is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from pack.likeness.models import MODELS
from pack.likeness.nets import aei, iresnet, swap_generator
from pack.likeness.swapping.inswapper import HAS_EMAP, InSwapper, load
from pack.likeness.weights import OtherNetwork
from pickles import Touches
from standins.fan import write_fan
from standins.reswapper import append_emap, export, generator, random_emap, write_reswapper
from standins.swapper import write_swapper

NAME = "inswapper_128.onnx"


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> bytes:
    """The generator as torch.onnx writes it, without a map."""
    file = tmp_path_factory.mktemp("exported") / NAME
    export(generator(), file)
    return file.read_bytes()


@pytest.fixture
def bare(tmp_path, exported) -> Path:
    (tmp_path / NAME).write_bytes(exported)
    return tmp_path / NAME


@pytest.fixture
def file(bare) -> Path:
    append_emap(bare, random_emap())
    return bare


def example(count: int = 1, size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops (N, S, S, 3) and latents."""
    random = torch.Generator().manual_seed(1)
    latents = torch.randn(count, 512, generator=random)
    crops = torch.rand(count, size, size, 3, generator=random)
    return crops, latents / latents.norm(dim=1, keepdim=True)


def wanted(crops: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
    return generator()(crops.movedim(-1, 1), latents).movedim(1, -1)


def change(file: Path, *changes: Callable[[onnx.GraphProto], None]) -> None:
    model = onnx.load(file)
    for each in changes:
        each(model.graph)
    onnx.save(model, file)


# --- files --------------------------------------------------------------------------------------


def last(graph: onnx.GraphProto) -> None:
    graph.initializer.append(numpy_helper.from_array(random_emap(), "emap"))


def first(graph: onnx.GraphProto) -> None:
    graph.initializer.insert(0, numpy_helper.from_array(random_emap(), "emap"))


def renamed(graph: onnx.GraphProto) -> None:
    """In the middle, under the name that a program made up."""
    graph.initializer.insert(9, numpy_helper.from_array(random_emap(), "onnx::MatMul_717"))


def unnamed_among_others(graph: onnx.GraphProto) -> None:
    """Another of the same shape is before it: insightface takes the last one."""
    other = np.zeros((512, 512), np.float32)
    graph.initializer.insert(3, numpy_helper.from_array(other, "buff"))
    graph.initializer.append(numpy_helper.from_array(random_emap(), "buff2fs"))


def named_among_others(graph: onnx.GraphProto) -> None:
    first(graph)
    graph.initializer.append(numpy_helper.from_array(np.zeros((512, 512), np.float32), "buff"))


def emap_in_half(graph: onnx.GraphProto) -> None:
    half = random_emap().astype(np.float16)
    graph.initializer.append(numpy_helper.from_array(half, "emap_fp16"))


def all_in_half(graph: onnx.GraphProto) -> None:
    last(graph)
    halved(graph)


def cast_up(graph: onnx.GraphProto) -> None:
    """Stored in half precision, and made whole by a node before each use."""
    last(graph)
    for name in halved(graph):
        for node in graph.node:
            node.input[:] = [f"{name}_whole" if each == name else each for each in node.input]
        made = [f"{name}_whole"]
        graph.node.insert(0, helper.make_node("Cast", [name], made, to=TensorProto.FLOAT))


def halved(graph: onnx.GraphProto) -> list[str]:
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            half = numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(half, tensor.name))
    return [each.name for each in graph.initializer if each.data_type == TensorProto.FLOAT16]


def linears_moved(graph: onnx.GraphProto) -> None:
    """They ask for nothing but the latent, so a program may put them anywhere before their use."""
    last(graph)
    gemms = [node for node in graph.node if node.op_type == "Gemm"]
    others = [node for node in graph.node if node.op_type != "Gemm"]
    del graph.node[:]
    graph.node.extend([*gemms[::-1], *others])


def products_and_sums(graph: onnx.GraphProto) -> None:
    last(graph)
    nodes, turned = list(graph.node), set()
    del graph.node[:]
    for node in nodes:
        if node.op_type != "Gemm":
            graph.node.append(node)
            continue
        given, weight, bias = node.input
        if weight not in turned:
            held = next(each for each in graph.initializer if each.name == weight)
            values = np.ascontiguousarray(numpy_helper.to_array(held).T)
            held.CopyFrom(numpy_helper.from_array(values, weight))
            turned.add(weight)
        between = f"{node.output[0]}_product"
        graph.node.append(helper.make_node("MatMul", [given, weight], [between]))
        graph.node.append(helper.make_node("Add", [between, bias], list(node.output)))


EXACT = [last, first, renamed, unnamed_among_others, named_among_others, linears_moved]
EXACT += [products_and_sums]


def same_swap(swapper: InSwapper, latent: float, pixels: float) -> None:
    crops, latents = example()
    assert (swapper.emap - torch.from_numpy(random_emap())).abs().max() <= latent
    assert (swapper.swap(crops, latents) - wanted(crops, latents)).abs().max() <= pixels


@pytest.mark.parametrize("written", EXACT)
def test_an_onnx_file(bare, written):
    change(bare, written)
    same_swap(load(bare), 0, 1e-5)


@pytest.mark.parametrize("written", [emap_in_half, all_in_half, cast_up])
def test_an_onnx_file_in_half_precision(bare, written):
    change(bare, written)
    swapper = load(bare)
    assert {weight.dtype for weight in swapper.parameters()} == {torch.float32}
    same_swap(swapper, 1e-4, 0.02)
    assert not torch.equal(swapper.emap, torch.from_numpy(random_emap()))


@pytest.mark.parametrize(
    "options",
    [
        {"opset_version": 11},
        {"opset_version": 17},
        {"do_constant_folding": False},
        {"dynamic_axes": {"target": {0: "count", 2: "height", 3: "width"}, "source": {0: "count"}}},
    ],
)
def test_exports_of_other_kinds(tmp_path, options):
    export(generator(), tmp_path / NAME, **options)
    append_emap(tmp_path / NAME, random_emap(), "")
    swapper = load(tmp_path / NAME)
    same_swap(swapper, 0, 1e-5)
    assert swapper.size == 128


@pytest.mark.slow
def test_the_full_width(tmp_path):
    file = write_reswapper(tmp_path / NAME, width=128)
    assert file.stat().st_size > 554e6
    swapper = load(file)
    file.unlink()
    assert sum(weight.numel() for weight in swapper.parameters()) == 138_292_739
    network, (crops, latents) = generator(128), example()
    made = network(crops.movedim(-1, 1), latents).movedim(1, -1)
    assert made.std() > 0.05
    assert (swapper.swap(crops, latents) - made).abs().max() < 1e-4
    assert torch.equal(swapper.emap, torch.from_numpy(random_emap()))


@pytest.mark.parametrize("name", ["reswapper-429500.pth", "mine.safetensors", "mine.pt"])
def test_files_of_torch(tmp_path, name):
    swapper = load(write_reswapper(tmp_path / name))
    same_swap(swapper, 0, 1e-5)
    assert (swapper.name, swapper.size, swapper.batch) == (name, 128, 1)
    assert swapper.space == "w600k_r50"


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("reswapper_256-1567500.pth", 256),
        ("reswapper_256-1399500.safetensors", 256),
        ("reswapper-256000.pth", 128),
        ("my_reswapper_512.pth", 512),
        ("reswapper_250.pth", 128),  # no multiple of 4
        ("reswapper_100000.pth", 128),
        ("256.pth", 128),
    ],
)
def test_the_size_of_torch_files_is_in_their_names(tmp_path, name, size):
    assert load(write_reswapper(tmp_path / name, width=4)).size == size


# --- the map of identities ----------------------------------------------------------------------


def without_emap(folder: Path) -> Path:
    file = write_reswapper(folder / "reswapper-429500.pth")
    file.with_name("emap.npy").unlink()
    return file


def test_the_map_from_a_file_beside(tmp_path):
    file = without_emap(tmp_path)
    write_reswapper(tmp_path / NAME, width=4)
    swapper = load(file)
    same_swap(swapper, 0, 1e-5)
    assert swapper.notes == (f"the map of identities is from {NAME}",)
    np.save(tmp_path / "emap.npy", random_emap(3))
    assert np.array_equal(load(file).emap.numpy(), random_emap(3))


def test_the_map_from_inswapper_where_it_belongs(tmp_path):
    """models/reswapper and models/insightface lie side by side."""
    file = without_emap(tmp_path / "reswapper")
    write_reswapper(tmp_path / "insightface" / NAME, width=4)
    same_swap(load(file), 0, 1e-5)


def test_files_to_fetch_are_known():
    fetched = {HAS_EMAP, aei.FILE, iresnet.FILE, swap_generator.FILE}
    assert fetched <= {model.file for model in MODELS}


def test_no_map_anywhere(tmp_path):
    file = without_emap(tmp_path)
    write_reswapper(tmp_path / "other.onnx", width=4)  # has one, but may be of anything
    with pytest.raises(ValueError, match=r"Put ReSwapper's emap\.npy or inswapper_128\.onnx.*'pyt"):
        load(file)


def test_an_onnx_file_without_a_map(bare):
    with pytest.raises(ValueError, match=r"it has no map of identities, 512 x 512.*Delete it"):
        load(bare)


def of_another_shape(file: Path) -> None:
    np.save(file, random_emap()[:511])


def of_no_numbers(file: Path) -> None:
    np.save(file, np.where(np.eye(512) > 0, np.nan, 1))


def of_zeros(file: Path) -> None:
    np.save(file, np.zeros((512, 512), np.float32))


def of_words(file: Path) -> None:
    np.save(file, np.full((512, 512), "a"))


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize(
    "harm", [of_another_shape, of_no_numbers, of_zeros, of_words, cut_off, emptied]
)
def test_a_broken_map(tmp_path, harm):
    file = write_reswapper(tmp_path / "reswapper-429500.pth", width=4)
    harm(tmp_path / "emap.npy")
    with pytest.raises(ValueError, match=r"emap\.npy \(.* bytes\) cannot be used: .*Delete it"):
        load(file)


def test_nothing_in_a_map_is_run(tmp_path):
    file = write_reswapper(tmp_path / "reswapper-429500.pth", width=4)
    np.save(tmp_path / "emap.npy", np.array([Touches(tmp_path / "ran")]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"emap\.npy .* cannot be used: .*Delete it"):
        load(file)
    assert not (tmp_path / "ran").exists()


# --- what is no such file -----------------------------------------------------------------------


def test_another_onnx_network_is_told_by_what_it_has(tmp_path):
    write_swapper(tmp_path / NAME)
    with pytest.raises(OtherNetwork, match=r"inswapper_128\.onnx is no swapping.*0 convolutions"):
        load(tmp_path / NAME)


def test_inputs_of_another_network(file):
    change(file, lambda graph: graph.input.pop())
    with pytest.raises(OtherNetwork, match=r"its inputs are target \(1, 3, 128, 128\)"):
        load(file)


@pytest.mark.parametrize("shape", [(1, 3, 128, 112), (1, 3, 130, 130), (1, 3, 8192, 8192)])
def test_sizes_that_do_not_fit(file, shape):
    def reshape(graph):
        for size, value in zip(
            graph.input[0].type.tensor_type.shape.dim[2:], shape[2:], strict=True
        ):
            size.dim_value = value

    change(file, reshape)
    with pytest.raises(OtherNetwork, match=f"its pictures are .{shape[0]}, 3, {shape[2]}"):
        load(file)


def swapped_weights(graph: onnx.GraphProto) -> None:
    """Two convolutions of different shapes have changed places."""
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    one, other = convolutions[1], convolutions[2]
    one.input[1], other.input[1] = other.input[1], one.input[1]


def one_less(graph: onnx.GraphProto) -> None:
    graph.node.remove(next(node for node in graph.node if node.op_type == "Gemm"))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (swapped_weights, r"its convolution 1 is \(64, 32, 3, 3\), not \(32, 16, 3, 3\)"),
        (one_less, "it has 11 linear layers, not 12"),
    ],
)
def test_a_graph_of_other_shapes(file, harm, told):
    change(file, harm)
    with pytest.raises(OtherNetwork, match=told):
        load(file)


def test_weights_that_are_no_numbers(file):
    def harm(graph):
        weight = next(each for each in graph.initializer if each.dims == [64, 32, 3, 3])
        values = numpy_helper.to_array(weight).copy()
        values[1, 2, 0, 0] = np.nan
        weight.CopyFrom(numpy_helper.from_array(values, weight.name))

    change(file, harm)
    with pytest.raises(ValueError, match=r"its target_encoder\.4\.weight holds.*no numbers"):
        load(file)


def test_a_cut_off_file(file):
    cut_off(file)
    with pytest.raises(ValueError, match=r"inswapper_128\.onnx .* cannot be used: .*Delete it"):
        load(file)


def test_another_network_of_torch(tmp_path):
    write_fan(tmp_path / "fan.pth", width=16, stacks=1)
    with pytest.raises(OtherNetwork, match=r"fan\.pth holds no swapping network"):
        load(tmp_path / "fan.pth")
