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

import host
import pytest
from pack.likeness import sheet, swap_sheet
from pack.likeness.setup import demo
from pack.likeness.setup.place import free_port
from pack.likeness.setup.process import SetupError
from PIL import Image, ImageChops

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
@pytest.mark.timeout(400)
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
    assert [path.name for path in shown[-2:]] == ["swaps.jpg", "contact-sheet.jpg"]
    finds = [path for path in shown if path.stem.startswith("Find faces - ")]
    swaps = [path for path in shown if path.stem.startswith("Swap a face - ")]
    assert (len(finds), len(swaps), len(set(swaps))) == (5, 20, 20)
    assert all(is_another_face(path) for path in swaps)
    for graph in graphs(clone):
        for model in models(graph):
            told = [line for line in done.stdout.splitlines() if line.startswith("Left out: ")]
            assert any(model["name"] in line and model["url"] in line for line in told)
    for path in shown:
        with Image.open(path) as picture:
            picture.load()
    assert f"[{len(shown) - 2}/{len(shown) - 2}]" in done.stdout
    assert re.search(r"a sheet of swaps and a contact sheet in [\d.]+ s", done.stdout)
    assert not answers(port)
    assert list(quiet_home.glob("likeness-*")) == []


def is_another_face(path: Path) -> bool:
    """Whether a part of the portrait is new, and the border is not."""
    target = path.stem.rpartition(" ")[2]
    with Image.open(path) as swap, Image.open(path.with_name(f"Portrait - {target}.png")) as own:
        box = ImageChops.difference(swap.convert("RGB"), own.convert("RGB")).getbbox()
        return box is not None and 0 < box[0] < box[2] < swap.width and box[1] > 0


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(os.name == "nt", reason="makes symbolic links")
def test_a_workflow_whose_models_are_there_runs(comfyui, clone, tmp_path, monkeypatch):
    monkeypatch.setenv("COMFYUI_PATH", str(with_models(tmp_path / "comfyui")))
    title = "Inpaint a face with a padded crop"
    for file in (clone / "workflows").rglob("*.json"):
        if file.stem != title:
            file.unlink()
    quick = clone / "workflows" / "api" / f"{title}.json"
    graph = quick.read_text("utf-8").replace('"steps": 20', '"steps": 1')
    quick.write_text(re.sub(r'("target\.\w+"): 512', r"\1: 128", graph), "utf-8")
    done = subprocess.run(
        [sys.executable, str(clone / "install.py"), "demo"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Left out" not in done.stdout
    assert len(list((clone / "output").glob(f"{title} - *.png"))) == 5


def with_models(folder: Path) -> Path:
    """The ComfyUI of the tests under another path, with stand-ins in a models folder of its own."""
    folder.mkdir()
    for path in Path(os.environ["COMFYUI_PATH"]).iterdir():
        if path.name != "models":
            (folder / path.name).symlink_to(path)
    for name, make in host.STANDINS.items():
        make(folder / "models" / name)
    return folder


def graphs(clone: Path) -> list[dict]:
    return [json.loads(path.read_text("utf-8")) for path in (clone / "workflows").glob("*.json")]


def models(graph: dict) -> list[dict]:
    return [model for node in graph["nodes"] for model in node["properties"].get("models", ())]


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

OPTIONS = {"options": ["one", "two", "c/d"]}
THREE = {"name": "X", "input": {"required": {"portrait": ["COMBO", OPTIONS]}}}


def test_every_workflow_runs_on_every_portrait(tmp_path):
    prompt = {
        "1": {"class_type": demo.PORTRAIT, "inputs": {"portrait": "one"}},
        "2": {"class_type": "Other", "inputs": {"image": ["1", 0]}},
    }
    (tmp_path / "A.json").write_text(json.dumps(prompt), "utf-8")
    (tmp_path / "B.json").write_text(json.dumps({"2": prompt["2"]}), "utf-8")
    found = list(demo.jobs([tmp_path / "A.json", tmp_path / "B.json"], NODE))
    assert [job.title for job in found] == ["A - one", "A - two", "B"]
    assert [job.prompt["1"]["inputs"]["portrait"] for job in found[:2]] == ["one", "two"]
    assert found[2].prompt == {"2": prompt["2"]}


def test_a_workflow_with_two_portraits_gets_two_people(tmp_path):
    places = {str(n): {"class_type": demo.PORTRAIT, "inputs": {"portrait": "one"}} for n in (1, 2)}
    (tmp_path / "A.json").write_text(json.dumps(places), "utf-8")
    for job, people in zip(
        demo.jobs([tmp_path / "A.json"], NODE), (["one", "two"], ["two", "one"]), strict=True
    ):
        assert [job.prompt[key]["inputs"]["portrait"] for key in "12"] == people


def test_a_swap_runs_for_every_ordered_pair(tmp_path):
    """The target is the portrait that the swap changes, whatever its number."""
    swap = {
        "1": {"class_type": demo.PORTRAIT, "inputs": {"portrait": "one"}},
        "2": {"class_type": demo.PORTRAIT, "inputs": {"portrait": "two"}},
        "3": {"class_type": "ImageScale", "inputs": {"image": ["2", 0]}},
        "4": {"class_type": demo.SWAP, "inputs": {"image": ["3", 0], "source": ["1", 0]}},
    }
    (tmp_path / "A.json").write_text(json.dumps(swap), "utf-8")
    found = list(demo.jobs([tmp_path / "A.json"], THREE))
    assert [job.title for job in found[:3]] == [
        "Portrait - one",
        "A - two on one",
        "A - c_d on one",
    ]
    assert len({job.pair for job in found}) == len(found) == 9
    for job in found:
        values = {key: node["inputs"].get("portrait") for key, node in job.prompt.items()}
        if job.pair.person == job.pair.target:
            assert values == {"2": job.pair.target, "shown": None}
            assert job.prompt["shown"]["inputs"]["images"] == ["2", 0]
        else:
            assert values == {"1": job.pair.person, "2": job.pair.target, "3": None, "4": None}


def test_a_swap_that_is_restored_is_no_pair(tmp_path):
    """The sheet of swaps shows swaps."""
    swap = {str(n): {"class_type": demo.PORTRAIT, "inputs": {"portrait": "one"}} for n in (1, 2)}
    swap["3"] = {"class_type": demo.SWAP, "inputs": {"image": ["1", 0], "source": ["2", 0]}}
    swap["4"] = {"class_type": demo.RESTORE, "inputs": {"image": ["3", 0]}}
    (tmp_path / "A.json").write_text(json.dumps(swap), "utf-8")
    assert [job.pair for job in demo.jobs([tmp_path / "A.json"], NODE)] == [None, None]


def test_a_workflow_for_a_folder_runs_once(tmp_path):
    prompt = {
        "1": {"class_type": demo.PORTRAIT, "inputs": {"portrait": "two"}},
        "2": {"class_type": demo.SWAP_FOLDER, "inputs": {}},
    }
    (tmp_path / "A.json").write_text(json.dumps(prompt), "utf-8")
    (job,) = demo.jobs([tmp_path / "A.json"], NODE)
    assert (job.title, job.prompt, job.pair) == ("A", prompt, None)


FILE = {"name": "a.safetensors", "url": "https://example.invalid/a", "directory": "checkpoints"}
LOADERS = {"id": 1, "type": "Loader", "properties": {"models": [FILE]}}


def test_model_files_that_are_there_are_not_needed():
    graph = {"nodes": [LOADERS, {"id": 2, "type": "Other", "properties": {}}]}
    assert demo.needed(graph, lambda folder: ["b", FILE["name"]]) == []


def test_model_files_that_are_not_there_are_named_once():
    folders = {FILE["directory"]: ["b"], "loras": [FILE["name"]]}
    (needed,) = demo.needed({"nodes": [LOADERS, LOADERS]}, folders.__getitem__)
    assert all(value in str(needed) for value in FILE.values())


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


def test_the_sheet_of_swaps_shows_what_changed(tmp_path):
    """Targets down, people across; all pictures of a row are cut alike, around what is new."""
    grounds = {"one": (200, 30, 30), "two": (30, 200, 30), "three": (30, 30, 200)}
    faces = {"one": (250, 250, 0), "two": (0, 250, 250), "three": (250, 0, 250)}
    files = []
    for target, ground in grounds.items():
        for person, face in faces.items():
            picture = Image.new("RGB", (160, 97), ground)
            if person != target:
                picture.paste(face, (100, 40, 120, 60))
            files.append(tmp_path / f"{person} on {target}.png")
            picture.save(files[-1])
    swap_sheet.save(tmp_path / "sheet.png", list(grounds), files)
    with Image.open(tmp_path / "sheet.png") as made:
        middle = swap_sheet.CELL // 2
        for down, (target, ground) in enumerate(grounds.items(), 1):
            for across, (person, face) in enumerate(faces.items(), 1):
                x, y = swap_sheet._place(across, down)
                at_middle = made.getpixel((x + middle, y + middle))
                if person != target:
                    assert at_middle == face
                    assert made.getpixel((x + 3, y + 3)) == ground
                else:
                    assert at_middle not in (face, ground)
            for x, y in (swap_sheet._place(0, down), swap_sheet._place(down, 0)):
                assert made.getpixel((x + middle, y + middle)) == ground
        x, y = swap_sheet._place(3, 3)
        right, below = made.width - (x + swap_sheet.CELL), made.height - (y + swap_sheet.CELL)
        assert right == below == swap_sheet.MARGIN


@pytest.mark.parametrize(
    ("box", "size", "shown"),
    [
        ((40, 40, 60, 60), (160, 97), (35, 35, 65, 65)),
        ((0, 0, 20, 10), (160, 97), (0, 0, 30, 30)),
        ((60, 20, 97, 160), (97, 160), (0, 41, 97, 138)),
        (None, (160, 97), (31, 0, 128, 97)),
    ],
)
def test_a_square_around_what_changed_stays_in_the_picture(box, size, shown):
    assert swap_sheet.around(box, size) == shown


def test_a_sheet_of_swaps_needs_every_pair(tmp_path):
    with pytest.raises(ValueError, match="3 pictures for 2 people: 4 are needed"):
        swap_sheet.save(tmp_path / "sheet.png", ["a", "b"], [tmp_path / "x.png"] * 3)
