"""Every restorer of the table, by stand-ins whose answer tells what they were given."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from pack.likeness.align import targets
from pack.likeness.models import MODELS, Task, find
from pack.likeness.restoring import onnx_restorer
from pack.likeness.restoring.table import NAMESAKES, ROWS
from standins import onnx_restorers as standins
from standins.onnx_restorers import GAINS, SHARE

CPU = "CPUExecutionProvider"

# The facts once more, as they are published: side, shares of the crop where the points go, and
# whether the fidelity number goes in.
ARCFACE_128 = (
    (0.36167656, 0.40387734),
    (0.63696719, 0.40235469),
    (0.50019687, 0.56044219),
    (0.38710391, 0.72160547),
    (0.61507734, 0.72034453),
)
FFHQ_512 = (
    (0.37691676, 0.46864664),
    (0.62285697, 0.46912813),
    (0.50123859, 0.61331904),
    (0.39308822, 0.725411),
    (0.61150205, 0.72490465),
)
FACTS = {
    "gpen_bfr_256": (256, ARCFACE_128, False),
    "gpen_bfr_512": (512, FFHQ_512, False),
    "gpen_bfr_1024": (1024, FFHQ_512, False),
    "gpen_bfr_2048": (2048, FFHQ_512, False),
    "gfpgan_1.2": (512, FFHQ_512, False),
    "gfpgan_1.3": (512, FFHQ_512, False),
    "gfpgan_1.4": (512, FFHQ_512, False),
    "codeformer": (512, FFHQ_512, True),
    "restoreformer_plus_plus": (512, FFHQ_512, False),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return standins.write_all(tmp_path_factory.mktemp("models") / "facerestore_models")


@pytest.fixture(scope="module")
def opened(folder):
    return {name: onnx_restorer.load(folder / f"{name}.onnx") for name in FACTS}


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_the_rows_are_the_files_of_the_table():
    files = {model.file for model in MODELS if model.task is Task.RESTORE}
    assert {f"{name}.onnx" for name in ROWS} == {file for file in files if file.endswith(".onnx")}
    assert ROWS.keys() == FACTS.keys() == standins.RESTORERS.keys()
    assert all(name == row.name for name, row in ROWS.items())


@pytest.mark.parametrize("name", FACTS)
def test_what_a_restorer_says_of_itself(opened, name):
    restorer, (size, points, faithful) = opened[name], FACTS[name]
    assert (restorer.name, restorer.size) == (f"{name}.onnx", size)
    assert (restorer.has_fidelity, restorer.batch) == (faithful, 1)
    (found,) = targets(restorer.template, size)
    assert (found - torch.tensor(points) * size).abs().max() < 2e-6 * size


@pytest.mark.parametrize("name", FACTS)
def test_crops_go_in_and_out_as_the_row_says(opened, name):
    """The network sees -1..1; what it answers is seen as 0..1, and no further."""
    size, _, faithful = FACTS[name]
    crops = drawn(1 if size > 512 else 2, size, size, 3)
    before = crops.clone()
    for fidelity in (0.0, 0.7, 1.0):
        results = opened[name].restore(crops, fidelity)
        assert results.shape == crops.shape
        assert results.dtype == torch.float32
        assert torch.equal(crops, before)
        seen = (crops.numpy() - 0.5) / 0.5 * np.array(GAINS, np.float32)
        seen += SHARE * fidelity if faithful else 0.0
        wanted = (np.clip(seen, -1, 1) + 1) / 2
        assert np.abs(results.numpy() - wanted).max() < 1e-6


def test_fidelity_goes_in_with_all_its_digits(tmp_path):
    """A float64, as the file wants it: float32 is off by 1.5e-9 at a tenth."""
    model = standins.restorer(512, faithful=True)
    model.graph.node[1].input[0] = "far"
    for number, (name, value) in enumerate((("tenth", 0.1), ("much", 1e8))):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
        kind, taken, given = (("Sub", "weight", "near"), ("Mul", "near", "far"))[number]
        model.graph.node.insert(1 + number, helper.make_node(kind, [taken, name], [given]))
    onnx.save(model, tmp_path / "codeformer.onnx")
    restorer, crops = onnx_restorer.load(tmp_path / "codeformer.onnx"), drawn(2, 512, 512, 3)
    wanted = ((crops * 2 - 1) * torch.tensor(GAINS) + 1) / 2
    assert (restorer.restore(crops, 0.1) - wanted).abs().max() < 1e-6
    off = restorer.restore(crops, float(np.float32(0.1))) - wanted
    assert (off - SHARE * 0.149011612 / 2).abs().max() < 1e-5


def test_what_lies_outside_is_clipped(tmp_path):
    file = tmp_path / "gfpgan_1.4.onnx"
    onnx.save(standins.restorer(512, gains=(3.0, -2.0, 1.0)), file)
    crops = drawn(1, 512, 512, 3)
    result = onnx_restorer.load(file).restore(crops, 0.5)
    assert result.min() == 0
    assert result.max() == 1
    wanted = (crops.numpy() * 2 - 1) * (3, -2, 1)
    assert np.abs(result.numpy() - (np.clip(wanted, -1, 1) / 2 + 0.5)).max() < 1e-6
    assert ((result > 0) & (result < 1)).any(dim=2).any()


def test_what_else_a_network_gives_is_not_asked_for(tmp_path):
    """numpy has no such numbers: it could not be had at all."""
    file, second = tmp_path / "gfpgan_1.4.onnx", onnx.TensorProto.BFLOAT16
    model = standins.restorer(512)
    model.graph.node.append(helper.make_node("Cast", ["input"], ["coarse"], to=second))
    shape = [1, 3, 512, 512]
    model.graph.output.append(helper.make_tensor_value_info("coarse", second, shape))
    onnx.save(model, file)
    alone = standins.write_restorer(tmp_path / "gfpgan_1.3.onnx")
    crops = drawn(1, 512, 512, 3)
    made, wanted = (onnx_restorer.load(each).restore(crops, 0.5) for each in (file, alone))
    assert torch.equal(made, wanted)


@pytest.mark.parametrize("name", FACTS)
def test_what_changes_nothing_gives_back_its_crops(tmp_path, name):
    size = FACTS[name][0]
    file = standins.write_identity(tmp_path / f"{name}.onnx", size)
    crops = drawn(1, size, size, 3)
    assert (onnx_restorer.load(file).restore(crops, 0.3) - crops).abs().max() < 1e-7


def test_what_it_runs_on_is_told(opened):
    for name, restorer in opened.items():
        assert f"{name}.onnx runs on {restorer.session.get_providers()[0]}" in restorer.notes[0]
        if restorer.session.get_providers() == [CPU]:
            assert restorer.safer() is None


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_is_told(folder):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime offers CUDA")
    wanted = ["CUDAExecutionProvider", CPU]
    told, note = onnx_restorer.load(folder / "gpen_bfr_512.onnx", wanted).notes
    assert told == f"gpen_bfr_512.onnx runs on {CPU}"
    assert "could not start CUDAExecutionProvider for gpen_bfr_512.onnx" in note


def test_what_ran_elsewhere_falls_back_to_the_cpu(folder):
    import onnxruntime

    others = [name for name in onnxruntime.get_available_providers() if name != CPU]
    if not others:
        pytest.skip("this onnxruntime offers the CPU alone")
    restorer = onnx_restorer.load(folder / "codeformer.onnx", [others[0], CPU])
    assert restorer.session.get_providers()[0] == others[0]
    assert restorer.safer().session.get_providers() == [CPU]
    assert restorer.safer().safer() is None
    crops = drawn(1, 512, 512, 3)
    assert (restorer.safer().restore(crops, 0.4) - restorer.restore(crops, 0.4)).abs().max() < 1e-4


def test_names_are_read_in_any_case(tmp_path, folder):
    shutil.copy(folder / "codeformer.onnx", tmp_path / "CodeFormer.ONNX")
    assert onnx_restorer.load(tmp_path / "CodeFormer.ONNX").row is ROWS["codeformer"]


def test_crops_of_any_float_go_in(opened):
    restorer = opened["codeformer"]
    crops = drawn(1, 512, 512, 3)
    plain = restorer.restore(crops, 0.5)
    for kind in (torch.float16, torch.bfloat16, torch.float64):
        other = restorer.restore(crops.to(kind), 0.5)
        assert other.dtype == torch.float32
        assert (other - plain).abs().max() < (4e-3 if kind is torch.bfloat16 else 1e-3)
    none = restorer.restore(crops[:0].half(), 0.5)
    assert (none.shape, none.dtype) == ((0, 512, 512, 3), torch.float32)


def test_the_same_crops_give_the_same_twice(opened):
    crops = drawn(2, 512, 512, 3)
    first, second = (opened["codeformer"].restore(crops, 0.7) for _ in range(2))
    assert torch.equal(first, second)
    each = torch.cat([opened["codeformer"].restore(crop[None], 0.7) for crop in crops])
    assert torch.equal(first, each)


def test_numbers_that_are_none_are_handed_on(opened):
    """They are the caller's to see, who knows what else could be tried."""
    crops = drawn(1, 512, 512, 3)
    crops[0, 3, 4] = float("nan")
    result = opened["gfpgan_1.3"].restore(crops, 0.5)
    assert result[0, 3, 4].isnan().all()
    assert result.isnan().sum() == 3


@pytest.mark.parametrize("name", NAMESAKES)
def test_reactors_names_for_the_same_networks(name, tmp_path):
    file = standins.write_restorer(tmp_path / f"{name.upper()}.onnx", like=NAMESAKES[name])
    restorer = onnx_restorer.load(file)
    assert restorer.row is ROWS[NAMESAKES[name]]
    assert restorer.name == file.name
    assert find(restorer.like).task is Task.RESTORE
