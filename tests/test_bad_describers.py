"""Folders of describers as they should not be. Nothing in them is ever run, or fetched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from pack.likeness.describing.folder import load
from pack.likeness.describing.known import KNOWN, folders, missing
from pickles import Touches
from safetensors.torch import load_file, save_file
from standins.describers import VOCABULARY, write_blip, write_vilt

pytestmark = pytest.mark.slow

WRITERS = {"blip": write_blip, "vilt": write_vilt}
WEIGHTS, CONFIG = "model.safetensors", "config.json"


@pytest.fixture(scope="module", params=WRITERS)
def whole(request, tmp_path_factory) -> Path:
    return WRITERS[request.param](tmp_path_factory.mktemp("whole") / request.param)


@pytest.fixture
def folder(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "a folder é"))


def refused(folder: Path, *words: str) -> str:
    """What loading says: the folder, each of the words, and how to get a whole one."""
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        load(folder)
    told = str(caught.value)
    cure = "hf download Salesforce/blip-vqa-base --local-dir"
    assert not [word for word in (str(folder), *words, cure) if word not in told], told
    assert len(told) < 1200, told
    assert "weights_only" not in told
    return told


def edit(folder: Path, name: str = CONFIG, **facts: object) -> None:
    known = json.loads((folder / name).read_text("utf-8"))
    (folder / name).write_text(json.dumps(known | facts), "utf-8")


def test_files_that_are_missing(folder):
    cases = {
        CONFIG: CONFIG,
        WEIGHTS: "model.safetensors or pytorch_model.bin",
        "preprocessor_config.json": "preprocessor_config.json or processor_config.json",
        "vocab.txt": "tokenizer.json or vocab.txt",
    }
    for name, told in cases.items():
        aside = (folder / name).rename(folder / "aside")
        refused(folder, f"has no {told}. A describer is a folder with config.json, ")
        aside.rename(folder / name)
    (folder / "tokenizer_config.json").unlink()  # can be done without
    assert load(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000])
def test_a_config_that_is_none(folder, content):
    (folder / CONFIG).write_bytes(content)
    refused(folder, "config.json cannot be read")


@pytest.mark.parametrize("content", ["[]", "null", "3", '"blip"'])
def test_a_config_of_another_kind(folder, content):
    (folder / CONFIG).write_text(content, "utf-8")
    refused(folder, "config.json holds a ")


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (
            {"model_type": "clip", "architectures": ["CLIPModel"]},
            "holds a CLIPModel, which",
        ),
        ({"model_type": "clip", "architectures": None}, "holds a clip, which answers"),
        ({"architectures": ["BlipForConditionalGeneration"]}, "a BlipForConditionalGeneration"),
        ({"architectures": ["ViltForMaskedLM"]}, "a ViltForMaskedLM"),
        ({"model_type": None, "architectures": []}, "holds a None"),
        ({"model_type": {"a": 1}, "architectures": 5}, "which answers no questions"),
        ({"model_type": "x" * 5000, "architectures": None}, "holds a xxx"),
    ],
)
def test_other_networks_are_named(folder, facts, told):
    edit(folder, **facts)
    refused(folder, told, "BlipForQuestionAnswering or ViltForQuestionAnswering")


def test_the_name_of_the_folder_tells_nothing(whole, tmp_path):
    other = "vilt-b32-finetuned-vqa" if whole.name == "blip" else "blip-vqa-base"
    named = Path(shutil.copytree(whole, tmp_path / other))
    assert load(named).kind == load(whole).kind
    edit(named, architectures=None)
    assert load(named).kind == load(whole).kind


def test_weights_that_are_cut_or_none(folder):
    content = (folder / WEIGHTS).read_bytes()
    for harm in (b"", content[:7], content[:5000], content[:-1], b"<!DOCTYPE html>" * 90):
        (folder / WEIGHTS).write_bytes(harm)
        refused(folder, "cannot be used")


def test_weights_of_another_network(folder):
    tensors = load_file(folder / WEIGHTS)
    first = sorted(name for name in tensors if "encoder.layer" in name)[0]
    save_file({name: each for name, each in tensors.items() if name != first}, folder / WEIGHTS)
    refused(folder, "lack 1 tensor", first)
    save_file(tensors | {first: torch.zeros(3)}, folder / WEIGHTS)
    refused(folder, "cannot be used")
    save_file({"x": torch.zeros(3)}, folder / WEIGHTS)
    refused(folder, "lack ")
    save_file(tensors | {first: torch.full_like(tensors[first], torch.nan)}, folder / WEIGHTS)
    refused(folder, first, "no numbers")
    save_file(tensors | {"embeddings.position_ids": torch.zeros(3)}, folder / WEIGHTS)
    assert load(folder)  # old files have such


def test_settings_that_make_no_network(folder):
    parts = {"text_config", "vision_config"} & json.loads((folder / CONFIG).read_text()).keys()
    for harm in ({"hidden_size": "many"}, {"num_attention_heads": 0}, {"hidden_size": 33}):
        kept = (folder / CONFIG).read_text("utf-8")
        known = json.loads(kept)
        edit(folder, **{part: known[part] | harm for part in parts} or harm)
        refused(folder, "cannot be used")
        (folder / CONFIG).write_text(kept, "utf-8")


def test_a_vocabulary_of_another_network(folder):
    words = [*VOCABULARY, *(f"more{number}" for number in range(20))]
    (folder / "vocab.txt").write_text("\n".join(words), "utf-8")
    refused(folder, f"its vocabulary has {len(words)} words")


@pytest.mark.parametrize("name", ["preprocessor_config.json", "tokenizer_config.json"])
def test_settings_of_the_processor_that_are_none(folder, name):
    (folder / name).write_text("{", "utf-8")
    refused(folder, "cannot be used")


def test_a_bin_is_read_as_weights_and_never_run(folder, tmp_path):
    touched = tmp_path / "touched"
    tensors = load_file(folder / WEIGHTS)
    old = folder / "pytorch_model.bin"
    torch.save(tensors | {"x": Touches(touched)}, old)
    assert load(folder)  # beside a .safetensors nobody looks at it
    (folder / WEIGHTS).unlink()
    for modern in (True, False):
        torch.save(tensors | {"x": Touches(touched)}, old, _use_new_zipfile_serialization=modern)
        refused(folder, "pytorch_model.bin", "holds more than weights, and is not opened")
    torch.jit.script(torch.nn.Conv2d(3, 3, 1)).save(old)
    refused(folder, "pytorch_model.bin", "is not opened")
    torch.save([1], old)
    refused(folder, "pytorch_model.bin holds a list")
    torch.save(tensors, old)
    content = old.read_bytes()
    old.write_bytes(content[:9000])
    refused(folder, "pytorch_model.bin is cut short")
    assert not touched.exists()
    old.write_bytes(content)
    loaded = load(folder).network.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())


def test_code_that_a_folder_names_is_not_used(folder, tmp_path):
    touched = tmp_path / "touched"
    code = f"from pathlib import Path\nPath({str(touched)!r}).touch()\n"
    (folder / "own.py").write_text(code, "utf-8")
    wanted = load(folder).network.state_dict()
    names = ("AutoConfig", "AutoModel", "AutoProcessor", "AutoTokenizer", "AutoImageProcessor")
    mapped = dict.fromkeys(names, "own.Own")
    foreign = {
        "auto_map": mapped,
        "quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True},
        "_attn_implementation": "kernels-community/flash-attn",
        "attn_implementation": "kernels-community/flash-attn",
        "transformers_weights": "elsewhere.safetensors",
        "dtype": "float16",
    }
    edit(folder, **foreign)
    edit(folder, "preprocessor_config.json", auto_map=mapped)
    edit(folder, "tokenizer_config.json", auto_map=mapped)
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "a/b"}', "utf-8")
    loaded = load(folder).network.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in wanted.items())
    assert not touched.exists()


def test_what_is_in_the_folders(tmp_path):
    for name in ("one/b", "one/a", "two/b", "one/nothing"):
        (tmp_path / name).mkdir(parents=True)
        if not name.endswith("nothing"):
            (tmp_path / name / CONFIG).touch()
    (tmp_path / "one" / CONFIG).touch()
    found = folders([tmp_path / "one", tmp_path / "two", tmp_path / "not there"])
    assert found == {"a": tmp_path / "one/a", "b": tmp_path / "one/b"}


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_one_that_is_missing_has_its_own_command(name, tmp_path):
    told = missing(name, tmp_path)
    source = KNOWN[name]
    assert f'hf download {source.repository} --local-dir "{tmp_path / name}"' in told
    assert source.licence in told
    assert told.count("hf download") == 1
