"""install.py demo against the real ComfyUI: pictures, a contact sheet, no server left behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pack.likeness import sheet
from pack.likeness.setup import demo
from pack.likeness.setup.place import free_port
from pack.likeness.setup.process import SetupError
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = shutil.ignore_patterns(".git", "output", "__pycache__", ".*_cache")


@pytest.fixture
def clone(tmp_path):
    """The pack in a folder of its own, so that the user's pictures stay what they are."""
    return Path(shutil.copytree(ROOT, tmp_path / "a clone", ignore=LEFT_OUT))


@pytest.fixture
def quiet_home(tmp_path, monkeypatch):
    """Where temporary folders go, to see that none stays."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def comfyui():
    if "COMFYUI_PATH" not in os.environ:
        pytest.skip("COMFYUI_PATH is not set: run 'python install.py test'")


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_demo_leaves_pictures_and_no_server(comfyui, clone, quiet_home):
    port = free_port()
    done = subprocess.run(
        [sys.executable, str(clone / "install.py"), "demo", "--port", str(port)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = [Path(line) for line in done.stdout.splitlines() if Path(line).is_file()]
    assert shown[-1] == clone / "output" / "contact-sheet.jpg"
    workflows = list((clone / "workflows" / "api").glob("*.json"))
    assert len(shown) - 1 >= 5 * len(workflows) > 0
    for path in shown:
        with Image.open(path) as picture:
            picture.load()
    assert f"[1/{len(shown) - 1}]" in done.stdout
    assert re.search(r"a contact sheet in [\d.]+ s", done.stdout)
    assert not answers(port)
    assert list(quiet_home.glob("likeness-*")) == []


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_demo_that_is_stopped_stops_its_server(comfyui, clone, quiet_home, name):
    port = free_port()
    with subprocess.Popen(
        [sys.executable, str(clone / "install.py"), "demo", "--port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # a shell's background job is started with Ctrl-C ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as stopped:
        for line in stopped.stdout:
            if line.startswith("Starting ComfyUI"):
                time.sleep(2)
                stopped.send_signal(getattr(signal, name))
        assert stopped.wait(30) == {"SIGINT": 130, "SIGTERM": 143}[name]
    assert not answers(port)
    assert list(quiet_home.glob("likeness-*")) == []
    assert (clone / "install.py").is_file()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_pack_that_cannot_be_imported_is_told(comfyui, clone):
    (clone / "__init__.py").write_text("raise RuntimeError('planted')", "utf-8")
    done = subprocess.run(
        [sys.executable, str(clone / "install.py"), "demo"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "did not load the pack" in done.stderr
    assert "RuntimeError: planted" in done.stderr


def test_a_pack_folder_that_cannot_be_written_is_told(monkeypatch, tmp_path):
    (tmp_path / "output").touch()
    monkeypatch.setattr(demo, "PACK", tmp_path)
    with pytest.raises(SetupError, match="cannot be written"):
        demo._output()


NODE = {"name": "X", "input": {"required": {"portrait": ["COMBO", {"options": ["one", "two"]}]}}}


def test_every_workflow_runs_on_every_portrait(tmp_path):
    prompt = {
        "1": {"class_type": demo.PORTRAIT, "inputs": {"portrait": "one"}},
        "2": {"class_type": "Other", "inputs": {"image": ["1", 0]}},
    }
    (tmp_path / "A.json").write_text(json.dumps(prompt), "utf-8")
    (tmp_path / "B.json").write_text(json.dumps({"2": prompt["2"]}), "utf-8")
    found = list(demo.jobs(tmp_path, NODE))
    assert [job.title for job in found] == ["A - one", "A - two", "B"]
    assert [job.prompt["1"]["inputs"]["portrait"] for job in found[:2]] == ["one", "two"]
    assert found[2].prompt == {"2": prompt["2"]}


def test_a_choice_is_read_in_both_spellings():
    assert demo.combo(NODE) == ("portrait", ["one", "two"])
    older = {"name": "X", "input": {"required": {"portrait": [["one"], {}]}}}
    assert demo.combo(older) == ("portrait", ["one"])
    with pytest.raises(SetupError, match="offers no portraits"):
        demo.combo({"name": "X", "input": {"required": {"n": ["INT", {}]}}})


def test_the_contact_sheet_holds_every_picture(tmp_path):
    colours = {"wide": (200, 30, 30), "tall": (30, 200, 30), "café": (30, 30, 200)}
    sizes = {"wide": (4000, 100), "tall": (97, 160), "café": (160, 97)}
    for name, colour in colours.items():
        Image.new("RGB", sizes[name], colour).save(tmp_path / f"{name}.png")
    sheet.save(tmp_path / "sheet.png", [tmp_path / f"{name}.png" for name in colours])
    with Image.open(tmp_path / "sheet.png") as made:
        counts = {colour: count for count, colour in made.getcolors(1 << 24)}
    for name, colour in colours.items():
        width = round(sizes[name][0] * sheet.HEIGHT / sizes[name][1])
        assert counts[colour] == width * sheet.HEIGHT
