"""Where things are: the pack, the ComfyUI around it, the cache folder, a free port."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from .process import SetupError

PACK = Path(os.path.abspath(__file__)).parents[2]
GIB = 1 << 30


@dataclass(frozen=True)
class Comfy:
    """A ComfyUI and its Python; `own` when install.py made it and may install into it."""

    path: Path
    python: str
    own: bool = False


def surrounding(pack: Path = PACK) -> Path | None:
    """The ComfyUI whose custom_nodes holds the pack."""
    root = pack.parent.parent
    return root if pack.parent.name == "custom_nodes" and (root / "main.py").is_file() else None


def existing() -> Comfy | None:
    """The ComfyUI that COMFYUI_PATH names, or the one around the pack; None where there is none."""
    python = _named_python()
    if path := _named():
        return Comfy(path, python or _python_of(path))
    around = surrounding()
    return Comfy(around, python or sys.executable) if around else None


def _named() -> Path | None:
    named = os.environ.get("COMFYUI_PATH")
    if not named:
        return None
    path = Path(named).expanduser().absolute()
    if not (path / "main.py").is_file():
        raise SetupError(
            f"COMFYUI_PATH is '{named}', and there is no ComfyUI there (no main.py). "
            "Correct it, or unset it to have a sandboxed ComfyUI made."
        )
    return path


def _named_python() -> str | None:
    """COMFYUI_PYTHON as a path that holds in every folder."""
    named = os.environ.get("COMFYUI_PYTHON")
    if not named:
        return None
    found = shutil.which(os.path.expanduser(named))
    if not found:
        raise SetupError(f"COMFYUI_PYTHON is '{named}', which cannot be run. Correct or unset it.")
    return os.path.abspath(found)


def _python_of(comfy: Path) -> str:
    """The Python of a ComfyUI by its usual places, otherwise the running one."""
    windows = sys.platform == "win32"
    inner = Path("Scripts/python.exe") if windows else Path("bin/python")
    usual = [comfy / "venv" / inner, comfy / ".venv" / inner]
    usual.append(comfy.parent / "python_embeded" / "python.exe")
    return next((str(python) for python in usual if python.is_file()), sys.executable)


def models_folder(pack: Path = PACK) -> Path | None:
    """ComfyUI's models folder as far as it can be told without running ComfyUI."""
    if path := _named():
        return path / "models"
    return pack.parent.parent / "models" if pack.parent.name == "custom_nodes" else None


def cache_folder() -> Path:
    """LIKENESS_CACHE, otherwise the platform's folder for what can be made again."""
    if named := os.environ.get("LIKENESS_CACHE"):
        return Path(named).expanduser().absolute()
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData/Local")
    elif sys.platform == "darwin":
        base = home / "Library/Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "likeness"


def need_space(folder: Path, needed: int) -> None:
    """Raise before a long job when the disk cannot hold its result."""
    there = folder
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if free < needed:
        raise SetupError(
            f"{needed / GIB:.1f} GiB are needed in {folder}, and {free / GIB:.1f} GiB are free. "
            "Make room, or name a folder on another disk in LIKENESS_CACHE."
        )


def free_port(wanted: int | None = None) -> int:
    """A port of the loopback interface that nobody listens on: the wanted one, or any."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted or 0))
        except (OSError, OverflowError) as error:
            raise SetupError(
                f"Port {wanted} cannot be used ({error}); perhaps another ComfyUI has it. "
                "Name another one with --port, or leave --port out for any free one."
            ) from error
        return probe.getsockname()[1]


def link(pack: Path, at: Path) -> None:
    """Make the pack appear at `at`: a symbolic link, on Windows a junction (needs no rights)."""
    if sys.platform == "win32":
        import _winapi

        _winapi.CreateJunction(str(pack), str(at))
    else:
        at.symlink_to(pack, target_is_directory=True)


def unlink(at: Path) -> None:
    """Remove what `link` made, never what it points at."""
    if sys.platform == "win32":
        if at.exists():
            at.rmdir()
    else:
        at.unlink(missing_ok=True)
