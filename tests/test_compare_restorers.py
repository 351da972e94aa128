"""Compare Restorers: its sockets, its words, its errors; and in the real host."""

from __future__ import annotations

from itertools import combinations

import handmade
import numpy as np
import pytest
import torch
from graphs import node, put, refused
from pack.likeness.face import Faces
from pack.likeness.parse import CLASSES, FaceClass, Kind, Parser
from pack.likeness.sheet import GAP
from shapes import smooth
from standins.restorers import write_restoreformer
from tiny_restorer import TinyRestorer
from torch import nn

pytest.importorskip("comfy_api.latest", reason="no COMFYUI_PATH: run 'python install.py test'")

from pack.nodes.compare_restorers import CompareRestorers
from pack.nodes.host import patched

IMAGE = smooth((97, 160))[None]
FACES = Faces((handmade.measured(14.0, 60.0, 45.0),), 1, (97, 160))


class Patched(nn.Module):
    """A restorer as Load Face Restorer hands it on: a module behind ComfyUI's patcher."""

    name, size, batch, has_fidelity, notes = "patched.pth", 64, 2, True, ()
    template = TinyRestorer().template

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.5))
        self.heard: list[float] = []

    def restore(self, crops, fidelity):
        self.heard.append(fidelity)
        return (crops.to(self.gain) * self.gain).float()

    def safer(self):
        return None


@torch.inference_mode()
def executed(restorer, fidelities="0.7", **others):
    given = {"image": IMAGE, "faces": FACES} | others
    image = given.pop("image")
    return CompareRestorers.execute(image, restorer, fidelities, **given).args


def columns(report: str) -> list[str]:
    prefix = "mean of "
    means = [line for line in report.splitlines() if line.startswith(prefix)]
    return [line.removeprefix(prefix).partition(":")[0] for line in means]


def test_the_sheet_and_the_report():
    sheet, report = executed(TinyRestorer(name="GFPGANv1.4.pth"))
    assert sheet.shape[::3] == (1, 3)
    assert sheet.dtype == torch.float32
    assert report.startswith("1 face, 1 restorer side by side")
    assert columns(report) == ["GFPGANv1.4"]


def test_restorers_come_in_the_order_of_the_sockets_with_a_column_for_each_fidelity():
    told = TinyRestorer(name="codeformer.pth", has_fidelity=True)
    others = {"restorer_2": told, "restorer_4": TinyRestorer(name="c.onnx")}
    _, report = executed(TinyRestorer(name="a.pth"), "0.9, 0.2", **others)
    wanted = ["a", "codeformer, fidelity 0.9", "codeformer, fidelity 0.2", "c"]
    assert columns(report) == wanted
    assert [fidelity for _, fidelity in told.given] == [0.9, 0.2]


def test_what_is_behind_a_patcher():
    network = Patched().requires_grad_(False)
    _, report = executed(patched(network), "0.1, 0.4", restorer_2=TinyRestorer())
    assert network.heard == [0.1, 0.4]
    assert columns(report) == ["patched, fidelity 0.1", "patched, fidelity 0.4", "tiny"]


def test_faces_are_looked_for_where_none_are_given():
    plain = torch.full((2, 97, 160, 3), 0.5)
    restorer = TinyRestorer()
    sheet, report = executed(restorer, image=plain, faces=None)
    assert report.startswith("no face to restore")
    assert "analyzer: built in" in report
    assert not restorer.given
    assert sheet.shape[1] > 97


class Background(nn.Module):
    """A parsing network that sees no head anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1), requires_grad=False)

    def forward(self, pictures):
        scores = torch.zeros(len(pictures), len(CLASSES), *pictures.shape[2:])
        scores[:, CLASSES.index(FaceClass.BACKGROUND)] = 1
        return scores, pictures


def test_a_parser_says_what_is_put_back():
    _, all_of_it = executed(TinyRestorer())
    kind = Kind("background", lambda tensors: None, (0.5,) * 3, (0.5,) * 3, CLASSES)
    parser = patched(Parser(kind, Background()))
    _, nothing = executed(TinyRestorer(), parser=parser)
    assert "changed by 0.0%" not in all_of_it
    assert "changed by 0.0%" in nothing


@pytest.mark.parametrize("text", ["much", "", "0.5; 0.7", "2"])
def test_a_text_that_is_no_list_of_fidelities_names_the_input(text):
    with pytest.raises(ValueError, match=r"^fidelities: .*0 to 1 with commas.*'0\.3, 0\.7'"):
        executed(TinyRestorer(), text)


@pytest.mark.parametrize("name", ["restorer", "restorer_3"])
def test_what_restores_nothing_names_its_input(name):
    given = {"restorer": TinyRestorer()} | {name: IMAGE}
    with pytest.raises(ValueError, match=f"^{name}: a Tensor restores no faces"):
        executed(**given)


def test_too_many_columns():
    told = TinyRestorer(has_fidelity=True)
    numbers = ",".join(str(number / 10) for number in range(9))
    with pytest.raises(ValueError, match="18 columns of restorers and fidelities"):
        executed(told, numbers, restorer_2=told)


def compare(pictures: dict, **changes) -> dict:
    """Two stand-ins side by side on `pictures`."""
    wires = {
        "image": ["picture", 0],
        "restorer": ["first", 0],
        "fidelities": "0.7",
        "restorer_2": ["second", 0],
        "analyzer": ["load", 0],
    }
    given = {name: value for name, value in (wires | changes).items() if value is not None}
    return pictures | {
        "load": node("LikenessLoadFaceAnalyzer", analyzer="built in"),
        "first": node("LikenessLoadFaceRestorer", restorer="gfpgan_1.4.onnx"),
        "second": node("LikenessLoadFaceRestorer", restorer="GFPGANv1.4.pth"),
        "compare": node("LikenessCompareRestorers", **given),
        "shown": node("PreviewImage", images=["compare", 0]),
    }


@pytest.mark.slow
def test_two_restorers_in_the_host(server):
    portrait = {"picture": node("LikenessLoadPortrait", portrait="garden")}
    result = server.run(compare(portrait))
    (sheet,) = result.images("shown")
    assert sheet.shape[1] == 3 * 512 + 4 * GAP
    assert result.texts["compare"].startswith("1 face, 2 restorers side by side")
    assert columns(result.texts["compare"]) == ["gfpgan_1.4", "GFPGANv1.4"]
    for one, other in combinations(tiles(sheet, 3), 2):
        assert np.abs(one - other).mean() > 1
        # A restored face has soft sides: beyond them all columns show the same.
        assert np.abs(one - other)[:, 0].max() <= 2


def tiles(sheet: np.ndarray, count: int) -> list[np.ndarray]:
    """Of the only row, without what is near its upper and lower end."""
    lefts = [GAP + at * (512 + GAP) for at in range(count)]
    return [sheet[100:500, left : left + 512].astype(int) for left in lefts]


@pytest.mark.slow
def test_cores_upscale_model_that_is_a_restorer(server):
    write_restoreformer(server.base / "models" / "upscale_models" / "face.pth")
    portrait = {"picture": node("LikenessLoadPortrait", portrait="garden")}
    core = {"core": node("UpscaleModelLoader", model_name="face.pth")}
    same = {"same": node("LikenessLoadFaceRestorer", restorer="GFPGANv1.4.pth")}
    prompt = core | same | compare(portrait, restorer=["core", 0], restorer_2=["same", 0])
    result = server.run(prompt)
    (sheet,) = result.images("shown")
    original, cores, ours = tiles(sheet, 3)
    # One network, loaded by both. A random one has codes that are equally near: rounding chooses.
    assert np.abs(cores - ours).mean() < 5
    assert np.abs(cores - original).mean() > 20
    assert columns(result.texts["compare"]) == ["RestoreFormer by core's loader", "GFPGANv1.4"]


@pytest.mark.slow
def test_pictures_without_a_face_in_the_host(server):
    result = server.run(compare(put(server, torch.full((2, 120, 160, 4), 0.5))))
    (sheet,) = result.images("shown")
    assert (sheet[GAP : GAP + 120, GAP : GAP + 160] == 127).all()
    assert "no face to restore" in result.texts["compare"]


@pytest.mark.slow
def test_errors_in_the_host_name_the_input(server):
    portrait = {"picture": node("LikenessLoadPortrait", portrait="garden")}
    refused(server, compare(portrait, fidelities="high"), "compare", "fidelities: ", "'0.3, 0.7'")
    switch = {"on_true": ["picture", 0], "on_false": ["picture", 0], "switch": True}
    wrong = {"switch": node("ComfySwitchNode", **switch)}
    prompt = wrong | compare(portrait, restorer_2=["switch", 0])
    refused(server, prompt, "compare", "restorer_2: ", "connect Load Face Restorer")
