"""Packages that unpack into one and the same folder, of which only one may be installed."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

CPU, GPU = "onnxruntime", "onnxruntime-gpu"
ONNXRUNTIME = (
    CPU,
    GPU,
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-rocm",
    "onnxruntime-migraphx",
    "onnxruntime-silicon",
    "onnxruntime-training",
)
OPENCV = (
    "opencv-python",
    "opencv-contrib-python",
    "opencv-python-headless",
    "opencv-contrib-python-headless",
)
FAMILIES = (ONNXRUNTIME, OPENCV)


def members(family: tuple[str, ...], installed: Mapping[str, str]) -> list[str]:
    return [name for name in family if name in installed]


def absent(installed: Mapping[str, str]) -> dict[str, str]:
    """Names that must not be installed, with the version their present relative stands in for."""
    found = {}
    for family in FAMILIES:
        present = members(family, installed)
        for name in family:
            if present and name not in installed:
                found[name] = installed[present[0]]
    return found


def keeper(present: list[str], gpu: bool) -> str:
    """Which of several installed onnxruntimes is right for a machine with or without a GPU."""
    others = [name for name in present if name not in (CPU, GPU)]
    order = [GPU, *others, CPU] if gpu else [*others, CPU, GPU]
    return next(name for name in order if name in present)


def stand_in(name: str, version: str, folder: Path) -> Path:
    """An empty wheel: pip counts the name as provided and looks neither for it nor for its needs.

    Used to resolve only, never installed.
    """
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    records = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        records.append(f"{path},sha256={digest.decode()},{len(text.encode())}")
    files[f"{info}/RECORD"] = "\n".join([*records, f"{info}/RECORD,,", ""])
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel
