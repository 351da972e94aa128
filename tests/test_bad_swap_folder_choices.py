"""Mistakes in what Swap Folder is told, on the command line and in the node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from graphs import node, refused
from pack.likeness import __main__
from pack.likeness.frontal import cascade
from pack.likeness.montage.montage import Montage
from pack.likeness.swap_folder.folder import swap_folder
from pack.likeness.swap_folder.settings import Settings
from pack.likeness.swapping.covering import Covers
from pack.likeness.swapping.swap import Settings as Swapping
from picture_folders import ROOT, command, fill, portrait, run, someone, swap_folder_prompt, tree
from PIL import Image

posix = pytest.mark.skipif(os.name != "posix", reason="links, mounts and limits as Unix has them")


@pytest.fixture(scope="module")
def person():
    return someone()


@pytest.fixture
def source(tmp_path) -> Path:
    return fill(tmp_path / "in", "cafe", "snow")


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("person") / "me.png"
    portrait("harbour").save(file)
    return file


def test_the_command_has_the_defaults_of_the_library():
    options = __main__.parser().parse_args(["swap-folder", "in", "out", "--person", "me.jpg"])
    assert __main__._settings(options) == Settings()


@posix
@pytest.mark.slow
def test_a_limit_on_files_ends_the_command_with_words_and_it_goes_on(source, tmp_path, photo):
    import resource

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))  # bytes: no picture fits

    done = run(source, tmp_path / "out", "--person", photo, preexec_fn=limited)
    assert done.returncode == 1
    assert "is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert set(tree(tmp_path / "out")) == {".likeness/journal.jsonl"}
    done = run(source, tmp_path / "out", "--person", photo)
    assert done.returncode == 0, done.stderr
    assert "2 of 2" in done.stdout


MISTAKES = {
    "no such source": (["gone", "out", "--person", "PHOTO"], 1, "is not a folder"),
    "no such person": (["in", "out", "--person", "gone.png"], 1, "--person gone.png"),
    "no face": (["in", "out", "--person", "blank.png"], 1, "no face"),
    "no such identity": (["in", "out", "--person", "gone.safetensors"], 1, "is not there"),
    "no swapper": (["in", "out", "--person", "PHOTO", "--swapper", "gone.pth"], 1, "gone.pth"),
    "no analyzer": (["in", "out", "--person", "PHOTO", "--analyzer", "gone"], 1, "not there"),
    "no parser": (["in", "out", "--person", "PHOTO", "--covers", "parsed"], 1, "--parser"),
    "strength": (["in", "out", "--person", "PHOTO", "--strength", "7"], 1, "choose 0 to 1"),
    "limit": (["in", "out", "--person", "PHOTO", "--pose", "much"], 2, "--pose"),
    "limit below": (["in", "out", "--person", "PHOTO", "--pose", "-4"], 1, "limit pose is -4"),
    "nobody": (["in", "out"], 2, "--person"),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_on_the_command_line_are_told_without_a_traceback(
    source, tmp_path, photo, mistake
):
    arguments, status, words = MISTAKES[mistake]
    Image.new("RGB", (64, 64)).save(tmp_path / "blank.png")
    arguments = [str(photo) if each == "PHOTO" else each for each in arguments]
    root = Path(__file__).resolve().parent.parent
    done = run(*arguments, cwd=tmp_path, env={"PYTHONPATH": str(root)})
    assert done.returncode == status, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@posix
@pytest.mark.slow
def test_whoever_stops_reading_ends_the_command_without_a_word_and_it_goes_on(
    source, tmp_path, photo
):
    arguments = command(source, tmp_path / "out", "--person", photo)
    process = subprocess.Popen(
        arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(60) == 1
    done = run(source, tmp_path / "out", "--person", photo)
    assert done.returncode == 0, done.stderr


@posix
@pytest.mark.slow
def test_names_that_the_terminal_cannot_show_stop_nothing(source, tmp_path, photo):
    (source / "cafe.png").rename(source / "café.png")
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/m\xff.png"))
    shutil.copy(photo, strange)
    done = run(source, tmp_path / "out", "--person", strange, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "caf\\xe9.png: accepted" in done.stdout
    assert (tmp_path / "out" / "accepted" / "café.png").is_file()


def through_a_wire(prompt: dict, **texts: str) -> dict:
    """The prompt with these inputs by wires, which the host does not hold to its choices."""
    for name, text in texts.items():
        prompt[f"text {name}"] = node("PrimitiveString", value=text)
        wires = {"on_true": [f"text {name}", 0], "on_false": [f"text {name}", 0]}
        prompt[f"wire {name}"] = node("ComfySwitchNode", switch=True, **wires)
        prompt["swap"]["inputs"][name] = [f"wire {name}", 0]
    return prompt


@pytest.mark.parametrize(
    "folder",
    [
        *("/etc", "..", "input/../..", "input/link", "temp", "input/gone", "", "output/../input"),
        *("input/" + "x" * 300, "input\\..\\..", "input/C:/x", "input/x\0", "input/circle"),
    ],
)
def test_a_folder_outside_input_and_output_is_refused(server, tmp_path, folder):
    link = server.base / "input" / "link"
    if not link.is_symlink():
        link.symlink_to(fill(tmp_path / "private", "cafe"))
    circle = server.base / "input" / "circle"
    if not circle.is_symlink():
        circle.symlink_to("circle")
    prompt = through_a_wire(swap_folder_prompt(server, "demo portraits", name="no"), folder=folder)
    refused(server, prompt, "swap", "folder", "no folder in ComfyUI's input or output")
    assert not (server.base / "output" / "no").exists()
    assert "input" in offered(server)
    assert not {"input/link", "input/circle"} & set(offered(server))
    circle.unlink()
    link.unlink()


@pytest.mark.parametrize(
    "name",
    ["../x", "/tmp/x", "C:\\x", "C:x", "", " ", ".", "a/../../x", "a//b", "x\0", "..\\x"],
)
def test_a_name_that_leads_elsewhere_is_refused(server, name):
    prompt = swap_folder_prompt(server, "demo portraits", name=name)
    refused(server, prompt, "swap", "name", "below ComfyUI's output")


@posix
def test_a_name_that_leads_elsewhere_by_a_link_is_refused(server, tmp_path):
    link = server.base / "output" / "away"
    link.symlink_to(tmp_path)
    prompt = swap_folder_prompt(server, "demo portraits", name="away/x")
    refused(server, prompt, "swap", "name", "below ComfyUI's output")
    assert not (tmp_path / "x").exists()
    link.unlink()


def test_other_things_than_people_and_swappers_are_refused(server):
    good = swap_folder_prompt(server, "demo portraits", name="no")
    for name, words in (("identity", "Make Identity"), ("swapper", "Load Swapper")):
        prompt = json.loads(json.dumps(good))
        wires = {"on_true": ["photo", 0], "on_false": ["photo", 0]}
        prompt["wrong"] = node("ComfySwitchNode", switch=True, **wires)
        prompt["swap"]["inputs"][name] = ["wrong", 0]
        refused(server, prompt, "swap", name, words)


def offered(server) -> list[str]:
    info = server.client.object_info("LikenessSwapFolder")["LikenessSwapFolder"]
    sort, settings = info["input"]["required"]["folder"]
    return sort if isinstance(sort, list) else settings["options"]


def test_covering_by_a_mask_is_refused_and_people_are_needed(source, tmp_path, person):
    with pytest.raises(ValueError, match="a folder has no masks"):
        Settings(Swapping(covers=Covers.MASK))
    nobody = replace(person, known=())
    with pytest.raises(ValueError, match="no person"):
        swap_folder(source, tmp_path / "out", nobody, Montage(), cascade.load())
