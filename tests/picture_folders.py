"""Small folders of pictures for the tests of Swap Folder, and what is in a folder, by its bytes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from graphs import node
from host import Server
from pack.likeness.demo import PORTRAITS, read
from pack.likeness.frontal import cascade
from pack.likeness.identity import People
from pack.likeness.make_identity import make_identity
from pack.likeness.montage.montage import Montage
from pack.likeness.pixels.raster import resize
from pack.likeness.swap_folder.folder import swap_folder
from pack.likeness.swap_folder.settings import Limits, Settings
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SIDE = 128  # pixels of a picture: the smallest in which the finder is sure of every portrait
OPEN = Limits(shift=None, similarity=None, sharpness=None, colour=None, pose=None)


def portrait(name: str, side: int = SIDE) -> Image.Image:
    pixels = (resize(read(name)[0], (side, side)) * 255).round().byte().numpy()
    return Image.fromarray(pixels)


def fill(folder: Path, *names: str, side: int = SIDE) -> Path:
    """A folder with these portraits, or all of them, as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or PORTRAITS:
        portrait(name, side).save(folder / f"{name}.png")
    return folder


def someone(name: str = "harbour") -> People:
    return People((make_identity([read(name)], cascade.load(), name),))


def swap(source: Path, target: Path, people: People, settings: Settings | None = None, **more):
    """With the built-in swapper and finder; without settings, every result is accepted."""
    settings = settings or Settings(limits=OPEN)
    return swap_folder(source, target, people, Montage(), cascade.load(), settings, **more)


def tree(folder: Path) -> dict[str, str]:
    """Every file below the folder and its sha256."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows(folder: Path) -> list[dict]:
    """The lines of the folder's metadata."""
    lines = (folder / "metadata.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def command(*arguments: object) -> list[str]:
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    return [python, "-m", "likeness", "swap-folder", *map(str, arguments)]


def run(*arguments: object, **more) -> subprocess.CompletedProcess:
    """The command line, as a user has it."""
    settings = {"cwd": ROOT, "capture_output": True, "text": True, "check": False, **more}
    settings["env"] = os.environ | {"OMP_NUM_THREADS": "1"} | settings.get("env", {})
    return subprocess.run(command(*arguments), **settings)


def swap_folder_prompt(server: Server, folder: str, **changes: object) -> dict:
    """Swap Folder with the built-in swapper and finder and its own defaults but for the changes."""
    made = {
        "photo": node("LikenessLoadPortrait", portrait="harbour"),
        "finder": _usual(server, "LikenessLoadFaceAnalyzer"),
        "swapper": _usual(server, "LikenessLoadSwapper"),
    }
    made["person"] = _usual(
        server, "LikenessMakeIdentity", photos=["photo", 0], analyzer=["finder", 0], name="harbour"
    )
    wires = {"identity": ["person", 0], "swapper": ["swapper", 0], "analyzer": ["finder", 0]}
    made["swap"] = _usual(server, "LikenessSwapFolder", folder=folder, **(wires | changes))
    return made


def _usual(server: Server, kind: str, **changes: object) -> dict:
    """A node with the defaults that its server names."""
    described = server.client.object_info(kind)[kind]["input"]
    values = {}
    for name, (sort, *settings) in (described["required"] | described.get("optional", {})).items():
        told = settings[0] if settings else {}
        options = sort if isinstance(sort, list) else told.get("options", ())
        if "default" in told or options:
            values[name] = told.get("default", next(iter(options), None))
    return node(kind, **(values | changes))
