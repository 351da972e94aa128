"""A package index in a folder: real wheels and source archives of a few bytes, for the real pip."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

HOSTS = Path(__file__).with_name("hosts")
EXTRA = re.compile(r"extra *== *[\"'](.+?)[\"']")
BACKEND = """
import os
def prepare_metadata_for_build_wheel(folder, settings=None):
    info = "{name}-{version}.dist-info"
    os.makedirs(os.path.join(folder, info))
    with open(os.path.join(folder, info, "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    return info
"""
RUNTIME = """
BUILD = "{build}"
def set_default_logger_severity(level): ...
def get_available_providers(): return ["{build}ExecutionProvider"]
class InferenceSession:
    def __init__(self, model, providers): self.providers = providers
    def get_providers(self): return self.providers
"""


def metadata(name: str, version: str, requires: Sequence[str] = ()) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    extras = {match.group(1) for line in requires if (match := EXTRA.search(line))}
    lines += [f"Provides-Extra: {extra}" for extra in sorted(extras)]
    return "\n".join([*lines, *(f"Requires-Dist: {line}" for line in requires), ""])


def write_wheel(
    folder: Path,
    name: str,
    version: str,
    requires: Sequence[str] = (),
    files: Mapping[str, str] | None = None,
) -> Path:
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    content = {
        **(files or {}),
        f"{info}/METADATA": metadata(name, version, requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    content[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*content, f"{info}/RECORD"])
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
    return wheel


def write_archive(folder: Path, name: str, version: str, files: Mapping[str, str]) -> Path:
    """A source archive that pip can look into without fetching anything to build it with."""
    content = {
        **files,
        "PKG-INFO": metadata(name, version),
        "pyproject.toml": "[build-system]\nrequires = []\n"
        'build-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": BACKEND.format(name=name, version=version),
    }
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for inner, text in content.items():
            member = tarfile.TarInfo(f"{name}-{version}/{inner}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def write_field(folder: Path) -> None:
    """The names and needs that matter here, as the field's packages declare them."""
    core = ["numpy", "onnx>=1.13", "onnxruntime", "opencv-python", "scikit-image"]
    write_wheel(folder, "insightface", "2.1", core)
    write_wheel(folder, "facexlib", "0.3.0", ["numpy", "opencv-python", "torch"])
    write_wheel(folder, "scikit-image", "0.26.0", ["numpy>=1.24"])
    write_wheel(folder, "onnx", "1.23.2", ["numpy>=1.23.2"])
    for version in ("1.26.4", "2.4.6"):
        write_wheel(folder, "numpy", version)
    for version, need in (("4.11.0.86", "numpy"), ("5.0.0.93", "numpy>=2")):
        for name in ("opencv-python", "opencv-python-headless"):
            write_wheel(folder, name, version, [need], {"cv2/__init__.py": f"BUILD = '{name}'"})
    write_wheel(folder, "triton", "3.6.0")
    write_wheel(folder, "flatbuffers", "25.12.19")
    write_wheel(folder, "torch", "2.11.0", ["numpy", "triton"])
    for name, build in (("onnxruntime", "CPU"), ("onnxruntime-gpu", "CUDA")):
        files = {"onnxruntime/__init__.py": RUNTIME.format(build=build)}
        write_wheel(folder, name, "1.31.1", ["flatbuffers", "numpy"], files)


def use(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """From now on every pip of this process's children knows this index alone."""
    patch.setenv("PIP_NO_INDEX", "1")
    patch.setenv("PIP_FIND_LINKS", str(folder))


class Environment:
    """A virtual environment; copies of one with pip in it are quick to make."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))

    @classmethod
    def make(cls, folder: Path, *flags: str) -> Environment:
        subprocess.run([sys.executable, "-m", "venv", *flags, str(folder)], check=True)
        return cls(folder)

    def copy(self, folder: Path) -> Environment:
        shutil.copytree(self.folder, folder, symlinks=True)
        return Environment(folder)

    @property
    def packages(self) -> Path:
        return next(self.folder.glob("[Ll]ib/**/site-packages"))

    def pip(self, *arguments: str) -> None:
        command = [self.python, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
        subprocess.run(command, check=True)

    def pretend(self, recorded: str) -> None:
        """Put the recorded metadata of a host's packages there, without the packages."""
        for name, facts in json.loads((HOSTS / f"{recorded}.json").read_text("utf-8")).items():
            folder = self.packages / f"{name.replace('-', '_')}-{facts['version']}.dist-info"
            folder.mkdir()
            text = metadata(name, facts["version"], facts.get("requires", ()))
            (folder / "METADATA").write_text(text, "utf-8")
            (folder / "INSTALLER").write_text("pip\n", "utf-8")

    def asks(self, code: str) -> str:
        done = subprocess.run([self.python, "-c", code], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def snapshot(self) -> dict[str, int]:
        """Every file with its time of writing; compiled ones aside."""
        files = (path for path in self.folder.rglob("*") if path.suffix != ".pyc")
        return {str(path): path.lstat().st_mtime_ns for path in files if path.is_file()}
