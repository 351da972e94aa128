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
from pack.likeness.setup import demo, demo_jobs, demo_models
from pack.likeness.setup.demo_models import Needed, Recipe
from pack.likeness.setup.place import free_port
from pack.likeness.setup.process import SetupError
from pack.likeness.setup.standins.table import APART, MAKERS
from pack.likeness.strength import Counting
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


RECIPES = ("V1 inpaint", "V2 inpaint and img2img", "V3 swap and img2img")


@pytest.mark.slow
@pytest.mark.timeout(1800)
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
    shown = [Path(line) for line in done.stdout.splitlines() if os.path.isfile(line)]
    assert [path.name for path in shown[-2:]] == ["swaps.jpg", "contact-sheet.jpg"]
    finds = [path for path in shown if path.stem.startswith("Find faces - ")]
    swaps = [path for path in shown if path.stem.startswith("Swap a face - ")]
    assert (len(finds), len(swaps), len(set(swaps))) == (5, 20, 20)
    assert all(is_another_face(path) for path in swaps)
    for title, graph in graphs(clone).items():
        told = [line for line in done.stdout.splitlines() if title in line.partition("It needs")[0]]
        for model in models(graph):
            assert any(model["name"] in line for line in told)
    for title in RECIPES:
        assert len([path for path in shown if path.stem.startswith(f"{title} - ")]) == 5
        assert f"{title}: stand-ins (random weights): " in done.stdout
        assert f"Left out: {title} (SDXL)" in done.stdout
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


def graphs(clone: Path) -> dict[str, dict]:
    files = (clone / "workflows").glob("*.json")
    return {path.stem: json.loads(path.read_text("utf-8")) for path in files}


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


def test_every_workflow_runs_on_every_portrait():
    prompt = {
        "1": {"class_type": demo_jobs.PORTRAIT, "inputs": {"portrait": "one"}},
        "2": {"class_type": "Other", "inputs": {"image": ["1", 0]}},
    }
    recipes = [Recipe("A", prompt), Recipe("B", {"2": prompt["2"]})]
    found = list(demo_jobs.jobs(recipes, NODE))
    assert [job.recipe for job in found] == [recipes[0], recipes[0], recipes[1]]
    assert [job.title for job in found] == ["A - one", "A - two", "B"]
    assert [job.prompt["1"]["inputs"]["portrait"] for job in found[:2]] == ["one", "two"]
    assert found[2].prompt == {"2": prompt["2"]}


def test_a_workflow_with_two_portraits_gets_two_people():
    places = {
        str(n): {"class_type": demo_jobs.PORTRAIT, "inputs": {"portrait": "one"}} for n in (1, 2)
    }
    found = demo_jobs.jobs([Recipe("A", places)], NODE)
    for job, people in zip(found, (["one", "two"], ["two", "one"]), strict=True):
        assert [job.prompt[key]["inputs"]["portrait"] for key in "12"] == people


def test_a_swap_runs_for_every_ordered_pair():
    """The target is the portrait that the swap changes, whatever its number."""
    swap = {
        "1": {"class_type": demo_jobs.PORTRAIT, "inputs": {"portrait": "one"}},
        "2": {"class_type": demo_jobs.PORTRAIT, "inputs": {"portrait": "two"}},
        "3": {"class_type": "ImageScale", "inputs": {"image": ["2", 0]}},
        "4": {"class_type": demo_jobs.SWAP, "inputs": {"image": ["3", 0], "source": ["1", 0]}},
    }
    found = list(demo_jobs.jobs([Recipe("A", swap)], THREE))
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


@pytest.mark.parametrize("further", ["LikenessRestoreFaces", "KSampler", "KSamplerAdvanced"])
def test_a_swap_that_goes_on_is_no_pair(further):
    """The sheet of swaps shows swaps."""
    swap = {
        str(n): {"class_type": demo_jobs.PORTRAIT, "inputs": {"portrait": "one"}} for n in (1, 2)
    }
    swap["3"] = {"class_type": demo_jobs.SWAP, "inputs": {"image": ["1", 0], "source": ["2", 0]}}
    swap["4"] = {"class_type": further, "inputs": {"image": ["3", 0]}}
    assert [job.pair for job in demo_jobs.jobs([Recipe("A", swap)], NODE)] == [None, None]


def test_a_workflow_for_a_folder_runs_once():
    prompt = {
        "1": {"class_type": demo_jobs.PORTRAIT, "inputs": {"portrait": "two"}},
        "2": {"class_type": demo_jobs.SWAP_FOLDER, "inputs": {}},
    }
    (job,) = demo_jobs.jobs([Recipe("A", prompt)], NODE)
    assert (job.title, job.prompt, job.pair) == ("A", prompt, None)


CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"
CONTROL = "control_v11p_sd15_softedge_fp16.safetensors"
PERSON = "my_person_sd15.safetensors"
FILES = {
    CHECKPOINT: "checkpoints",
    CONTROL: "controlnet",
    "table5_pidinet.pth": "detection",
    "badhandv4.pt": "embeddings",
}
PROMPT = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": CHECKPOINT}},
    "2": {
        "class_type": "LoraLoader",
        "inputs": {"model": ["1", 0], "clip": ["1", 1], "lora_name": PERSON},
    },
    "3": {"class_type": "ControlNetLoader", "inputs": {"control_net_name": CONTROL}},
    "4": {"class_type": "LikenessExactStrength", "inputs": {"steps": 30, "strength": 0.5}},
    "5": {"class_type": "KSamplerAdvanced", "inputs": {"model": ["2", 0], "steps": ["4", 0]}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["2", 1], "text": ["7", 0]}},
    "7": {"class_type": "LikenessAddEmbeddings", "inputs": {"missing": "stop"}},
    "8": {"class_type": "LikenessLoadSoftEdge", "inputs": {"network": "table5_pidinet.pth"}},
    "9": {
        "class_type": "LikenessCropForInpaint",
        "inputs": {"target": "fixed size", "target.width": 512, "target.height": 512},
    },
}


def planned(lacking: set[str], prompt: dict = PROMPT, files: dict[str, str] = FILES):
    """How the recipe runs where these files are not there."""
    url = "https://example.invalid"
    named = [{"name": name, "url": url, "directory": place} for name, place in files.items()]
    graph = {"nodes": [{"properties": {"models": named}}, {"properties": {}}]}
    there = {**files, PERSON: "loras"}

    def listed(folder: str) -> list[str]:
        return [name for name, place in there.items() if place == folder and name not in lacking]

    before = json.dumps(prompt)
    found = demo_models.recipe("V1", graph, prompt, listed)
    assert json.dumps(prompt) == before
    return found


def values(recipe: Recipe) -> list[object]:
    return [value for node in recipe.prompt.values() for value in node["inputs"].values()]


def test_a_recipe_whose_files_are_there_runs_as_it_is():
    assert planned(set()) == Recipe("V1", PROMPT)


@pytest.mark.parametrize("lacking", [CHECKPOINT, CONTROL])
def test_one_stand_in_of_a_family_makes_stand_ins_of_all(lacking):
    """Real and random weights of different shape do not fit together."""
    found = planned({lacking})
    for name in (CHECKPOINT, CONTROL, PERSON):
        assert os.path.join(APART, name) in values(found)
        assert name not in values(found)
    assert "table5_pidinet.pth" in values(found)
    assert {Path(name).name for name in found.standins} == {CHECKPOINT, CONTROL, PERSON}
    assert "stand-ins (random weights): checkpoint, ControlNets, LoRA. " in found.told
    real = found.told.partition("For the real thing: ")[2]
    assert f"python install.py models {lacking}" in real
    assert PERSON not in real


def test_a_checkpoint_that_stands_in_takes_few_steps():
    found = planned({CHECKPOINT})
    counted = {"steps": demo_models.STEPS, "strength": 0.5, "counting": Counting.KSAMPLER.value}
    assert found.prompt["4"]["inputs"] == counted
    assert found.prompt["5"]["inputs"]["steps"] == ["4", 0]
    assert found.prompt["9"]["inputs"]["target.width"] == demo_models.SIDE
    assert f"{demo_models.STEPS} steps" in found.told


def test_a_real_checkpoint_does_without_the_persons_lora():
    found = planned({PERSON})
    assert "2" not in found.prompt
    assert found.prompt["5"]["inputs"]["model"] == ["1", 0]
    assert found.prompt["6"]["inputs"]["clip"] == ["1", 1]
    assert found.prompt["4"] == PROMPT["4"]
    assert found.standins == ()
    assert found.told.startswith(f"Without {PERSON}. ")
    assert "your own, in models/loras" in found.told


def test_two_loras_in_a_row_are_both_left_out():
    second = {"model": ["2", 0], "clip": ["2", 1], "lora_name": PERSON}
    prompt = PROMPT | {"10": {"class_type": "LoraLoader", "inputs": second}}
    prompt["5"] = {"class_type": "KSampler", "inputs": {"model": ["10", 0]}}
    found = planned({PERSON}, prompt)
    assert found.prompt["5"]["inputs"]["model"] == ["1", 0]
    assert not {"2", "10"} & set(found.prompt)


def test_a_real_checkpoint_does_without_embeddings():
    found = planned({"badhandv4.pt"})
    assert found.prompt["7"]["inputs"]["missing"] == "leave out"
    assert found.standins == ()
    assert "Without badhandv4.pt" in found.told
    assert "badhandv4.pt from https://example.invalid" in found.told


def test_another_network_stands_in_by_itself():
    found = planned({"table5_pidinet.pth"})
    assert found.prompt == PROMPT
    assert found.standins == ("detection/table5_pidinet.pth",)
    assert "stand-ins (random weights): soft edge network. For the real thing: " in found.told
    assert "steps" not in found.told


def test_a_tagger_brings_its_list():
    files = {"wd-vit-tagger-v3.onnx": "wd14_tagger", "wd-vit-tagger-v3.csv": "wd14_tagger"}
    assert planned(set(files), files=FILES | files).standins == (
        "wd14_tagger/wd-vit-tagger-v3.onnx",
    )
    (only,) = planned({"wd-vit-tagger-v3.csv"}, files=FILES | files)
    assert only.name == "wd-vit-tagger-v3.csv"


def test_a_recipe_without_a_stand_in_is_left_out():
    lacking = planned({"other.pth", CHECKPOINT}, files=FILES | {"other.pth": "facerestore_models"})
    assert {each.name for each in lacking} == {"other.pth", CHECKPOINT}
    for each in lacking:
        assert isinstance(each, Needed)
        assert all(value in str(each) for value in (each.name, each.url, each.directory))


def test_what_runs_and_what_does_not_is_told(tmp_path):
    said: list[str] = []
    (tmp_path / "api").mkdir()
    for title, folder in (("A", "checkpoints"), ("B", "facerestore_models")):
        named = {"name": CHECKPOINT, "url": "u", "directory": folder}
        graph = {"nodes": [{"properties": {"models": [named]}}]}
        (tmp_path / f"{title}.json").write_text(json.dumps(graph), "utf-8")
        (tmp_path / "api" / f"{title}.json").write_text(json.dumps({"1": PROMPT["1"]}), "utf-8")
    (runs,) = demo.recipes_of(tmp_path, lambda folder: [], said.append)
    assert runs.title == "A"
    assert said[0] == f"A: {runs.told}"
    assert said[1].startswith("Left out: B")
    assert CHECKPOINT in said[1]


def test_every_kind_of_stand_in_has_a_name():
    assert {name.partition("/")[0] for name in MAKERS} <= set(demo_models.KINDS)


def test_a_choice_is_read_in_both_spellings():
    assert demo_jobs.combo(NODE) == ("portrait", ["one", "two"])
    older = {"name": "X", "input": {"required": {"portrait": [["one"], {}]}}}
    assert demo_jobs.combo(older) == ("portrait", ["one"])
    with pytest.raises(SetupError, match="offers no portraits"):
        demo_jobs.combo({"name": "X", "input": {"required": {"n": ["INT", {}]}}})


def test_the_contact_sheet_holds_every_picture(tmp_path):
    """A row for each recipe, under a band of words; what is too wide goes on in the next line."""
    colours = {"wide": (200, 30, 30), "tall": (30, 200, 30), "café": (30, 30, 200)}
    sizes = {"wide": (600, 100), "tall": (97, 160), "café": (160, 97)}
    for name, colour in colours.items():
        Image.new("RGB", sizes[name], colour).save(tmp_path / f"{name}.png")
    rows = [("One", ["wide", "tall"]), ("Two: " + "word " * 200, ["café"])]
    files = [(words, [tmp_path / f"{name}.png" for name in names]) for words, names in rows]
    sheet.save(tmp_path / "sheet.png", files)
    with Image.open(tmp_path / "sheet.png") as made:
        counts = {colour: count for count, colour in made.getcolors(1 << 24)}
        tops = {colour: top_of(made, colour) for colour in (*colours.values(), sheet.BAND)}
    for name, colour in colours.items():
        width = round(sizes[name][0] * sheet.HEIGHT / sizes[name][1])
        assert counts[colour] == width * sheet.HEIGHT
    assert tops[sheet.BAND] == 0
    wide, tall, cafe = (tops[colour] for colour in colours.values())
    assert wide + sheet.HEIGHT < tall < tall + sheet.HEIGHT < cafe
    assert counts[sheet.BAND] > 2 * made.width * sheet.LINE


def top_of(picture: Image.Image, colour: tuple[int, int, int]) -> int:
    flat = Image.new("RGB", picture.size, colour)
    differs = ImageChops.difference(picture, flat).convert("L").point(lambda value: value == 0)
    return differs.getbbox()[1]


def test_the_sheet_is_made_by_the_program(tmp_path):
    Image.new("RGB", (30, 20), (200, 30, 30)).save(tmp_path / "a b.png")
    row = ["--row", "V1: stand-ins (random weights)", str(tmp_path / "a b.png")]
    program = [sys.executable, str(ROOT / "likeness" / "sheet.py"), str(tmp_path / "sheet.png")]
    subprocess.run([*program, *row, *row], check=True)
    with Image.open(tmp_path / "sheet.png") as made:
        assert made.height > 2 * sheet.HEIGHT


def test_lines_are_filled_from_the_left():
    assert sheet.in_lines("aa bb cccccccc d", 5, len) == ["aa bb", "cccccccc", "d"]
    assert sheet.in_lines("cccccccc d", 5, len) == ["cccccccc", "d"]


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
