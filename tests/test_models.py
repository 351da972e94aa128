"""The table of weight files, and the command that lists and fetches them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from misbehaving import Host
from pack.likeness.models import (
    MODELS,
    Commercial,
    Model,
    Task,
    UnknownModel,
    find,
    folder,
    markdown,
    missing,
    path,
    present,
    size,
)
from pack.likeness.setup.models_command import listing, models
from pack.likeness.setup.process import SetupError

# Keys of folder_paths: ComfyUI's own, and those that packs share or that are ours.
FOLDERS = {
    "checkpoints",
    "controlnet",
    "detection",
    "embeddings",
    "facedetection",
    "facerestore_models",
    "geometry_estimation",
    "hyperswap",
    "insightface",
    "reswapper",
    "upscale_models",
    "wd14_tagger",
}


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    for name in ("COMFYUI_PATH", "HF_ENDPOINT", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.file)
def test_a_row_is_well_formed(model):
    assert model.folder in FOLDERS
    assert model.licence.strip() == model.licence != ""
    assert isinstance(model.task, Task)
    assert isinstance(model.commercial, Commercial)
    assert urlsplit(model.page).scheme == "https"
    assert "|" not in model.licence + model.note
    if model.url is not None:
        assert urlsplit(model.url).scheme == "https"
        assert urlsplit(model.url).netloc
        assert " " not in model.url
    if model.sha256 is not None:
        assert re.fullmatch("[0-9a-f]{64}", model.sha256)
    if model.bytes is not None:
        assert model.bytes > 0
    assert bool(model.members) == model.file.endswith(".zip")


def test_nothing_stands_twice():
    places = [path(model, Path("models")) for model in MODELS]
    files = [model.file.lower() for model in MODELS]
    urls = [model.url for model in MODELS if model.url]
    own_hashes = {model.sha256 for model in MODELS if model.sha256 and model.file[-4:] != ".csv"}
    for names in (places, files, urls):
        assert len(names) == len(set(names))
    assert len(own_hashes) == sum(
        model.sha256 is not None and model.file[-4:] != ".csv" for model in MODELS
    )


def test_an_insightface_pack_can_only_be_fetched_when_its_hash_is_known():
    packs = [model for model in MODELS if model.members]
    assert [model.name for model in packs] == ["buffalo_l", "antelopev2"]
    assert all(model.sha256 and model.bytes for model in packs)


@pytest.mark.parametrize("name", ["a/b.onnx", "..", "", "a\\b.onnx", "c:b.onnx", "/a"])
def test_a_row_names_a_plain_file(name):
    facts = (Task.SWAP, "insightface", "MIT", Commercial.YES, "https://example.org")
    with pytest.raises(ValueError, match="plain file name"):
        Model(name, *facts)
    with pytest.raises(ValueError, match="plain file name"):
        Model("a.zip", *facts, members=("fine.onnx", name))


def test_a_name_is_found_with_and_without_its_ending():
    assert find("inswapper_128.onnx") is find(" INSWAPPER_128 ")
    assert find("buffalo_l") is find("buffalo_l.zip")
    for model in MODELS:
        assert find(model.file) is model


def test_an_unknown_name_lists_near_ones():
    with pytest.raises(UnknownModel, match=r"inswaper_128.onx is not.*inswapper_128.onnx"):
        find("inswaper_128.onx")
    with pytest.raises(UnknownModel, match=r"Near to it: .*hyperswap_1a_256.onnx"):
        find("hyperswap")
    with pytest.raises(UnknownModel, match=r"^zzzz is not in the table\. Run .*--list"):
        find("zzzz")


def test_a_name_that_two_files_share_is_told():
    with pytest.raises(UnknownModel, match=r"wd-vit-tagger-v3.onnx or wd-vit-tagger-v3.csv"):
        find("wd-vit-tagger-v3")


def test_places_are_those_of_the_field(tmp_path):
    assert path(find("inswapper_128"), tmp_path) == tmp_path / "insightface/inswapper_128.onnx"
    assert path(find("buffalo_l"), tmp_path) == tmp_path / "insightface/models/buffalo_l"
    assert folder(find("buffalo_l"), tmp_path) == tmp_path / "insightface/models"
    assert folder(find("GFPGANv1.4"), tmp_path) == tmp_path / "facerestore_models"


def test_a_pack_is_present_when_all_its_files_are(tmp_path):
    pack = find("buffalo_l")
    for member in pack.members:
        assert not present(pack, tmp_path)
        path(pack, tmp_path).mkdir(parents=True, exist_ok=True)
        (path(pack, tmp_path) / member).touch()
    assert present(pack, tmp_path)
    path(find("GFPGANv1.4"), tmp_path).mkdir(parents=True)
    assert not present(find("GFPGANv1.4"), tmp_path)


def test_a_missing_file_comes_with_the_command_the_place_and_the_terms():
    model = find("inswapper_128")
    message = missing(model, Path("models/insightface"))
    for words in (
        "inswapper_128.onnx is not in models",
        "'python install.py models inswapper_128.onnx'",
        model.url,
        model.licence,
        "commercial use: no",
    ):
        assert words in message
    assert "get it from https://civitai.com/models/16993" in missing(
        find("badhandv4"), Path("models/embeddings")
    )


def test_sizes_read_well():
    assert [size(count) for count in (None, 7, 2_871_148, 1_260_435_999)] == [
        "unknown",
        "7 bytes",
        "2.9 MB",
        "1.3 GB",
    ]


def test_the_markdown_table_has_a_line_a_row():
    lines = markdown().splitlines()
    assert {line.count("|") for line in lines} == {7}
    for model in MODELS:
        assert sum(line.startswith(f"| [{model.file}](") for line in lines) == 1


def test_the_list_says_what_is_present_and_on_which_terms(tmp_path):
    place = path(find("table5_pidinet"), tmp_path)
    place.parent.mkdir(parents=True)
    place.touch()
    lines = {line.split()[0]: line for line in listing(tmp_path).splitlines() if line[:2] == "  "}
    assert set(lines) == {model.file for model in MODELS}
    assert "present" in lines["table5_pidinet.pth"]
    assert "ask the authors" in lines["table5_pidinet.pth"]
    assert "missing" in lines["inswapper_128.onnx"]
    assert "554.3 MB" in lines["inswapper_128.onnx"]
    assert find("inswapper_128").licence in lines["inswapper_128.onnx"]
    assert "get it from" in lines["badhandv4.pt"]


def run(*names: str, only_list: bool = False, chosen: Path | None = None) -> tuple[int, str]:
    told: list[str] = []
    code = models(list(names), only_list, str(chosen) if chosen else None, told.append)
    return code, "\n".join(told)


def test_without_names_the_command_lists(tmp_path):
    code, told = run(chosen=tmp_path)
    assert code == 0
    assert all(model.file in told for model in MODELS)
    code, told = run("buffalo_l", only_list=True, chosen=tmp_path)
    assert code == 0
    assert "buffalo_l.zip" in told
    assert "antelopev2" not in told
    assert list(tmp_path.iterdir()) == []


def test_the_command_names_what_is_near(tmp_path):
    with pytest.raises(SetupError, match=r"Near to it: .*GFPGANv1.4.pth"):
        run("GFPGAN1.4", chosen=tmp_path)


def test_the_command_shows_the_licence_then_fetches_and_reports_an_unknown_hash(
    tmp_path, monkeypatch
):
    with Host(b"weights") as host:
        monkeypatch.setenv("HF_ENDPOINT", host.url)
        code, told = run("ghost_1_256", chosen=tmp_path)
        assert code == 0
        assert [request["path"] for request in host.requests] == [
            "/facefusion/models-3.0.0/resolve/main/ghost_1_256.onnx"
        ]
        assert run("ghost_1_256", chosen=tmp_path)[1].count("was there already") == 1
        assert len(host.requests) == 1
    model = find("ghost_1_256")
    assert path(model, tmp_path).read_bytes() == b"weights"
    assert told.index(model.licence) < told.index("fetched:")
    assert f"7 bytes, sha256 {hashlib.sha256(b'weights').hexdigest()}" in told


def test_the_command_goes_on_after_a_failure_and_ends_with_it(tmp_path, monkeypatch):
    with Host(b"other") as host:
        monkeypatch.setenv("HF_ENDPOINT", host.url)
        code, told = run("badhandv4", "table5_pidinet", "ghost_1_256", chosen=tmp_path)
    assert code == 1
    assert "get it from" in told
    assert "announces 5 bytes, but table5_pidinet.pth has 2871148" in told
    assert told.endswith("Not fetched: badhandv4.pt, table5_pidinet.pth.")
    assert present(find("ghost_1_256"), tmp_path)
    assert not present(find("table5_pidinet"), tmp_path)


def test_where_comfyui_is_not_known_the_command_asks_for_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path / "nothing"))
    with pytest.raises(SetupError, match="COMFYUI_PATH"):
        run("buffalo_l")


def test_the_title_of_a_workflow_names_its_files(tmp_path):
    code, told = run("Swap, restore and compare", only_list=True, chosen=tmp_path)
    assert code == 0
    assert "GFPGANv1.4.pth" in told
    assert "GFPGANv1.3.pth" not in told
