"""Asked by install.py within another interpreter: one question in, one line of JSON out."""

from __future__ import annotations

import base64
import ctypes
import importlib.metadata
import importlib.util
import json
import platform
import re
import runpy
import sys
from pathlib import Path

# An ONNX model of one Identity node on a float vector: enough to see which provider really loads.
IDENTITY = base64.b64decode(
    "CAgSADo6ChAKAXgSAXkiCElkZW50aXR5EgRsb29rWg8KAXgSCgoICAESBAoCCAFiDwoBeRIKCggIARIECgIIAUIECgAQDQ=="
)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def packages() -> dict:
    """Every installed distribution; of one that is there twice the first on the path counts."""
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name, version = distribution.metadata["Name"], distribution.version
        if name and version:
            found.setdefault(normal(name), version)
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": found,
    }


def unmet(families: str, *requirements: str) -> dict:
    """Which requirements, and which of theirs, are not met by what is installed.

    A name of a family (JSON: list of lists) is met by any other of that family.
    """
    try:
        from packaging.requirements import Requirement
    except ImportError:
        try:
            from pip._vendor.packaging.requirements import Requirement
        except ImportError:  # no pip either: asking it next says so, with the cure
            return {"unmet": sorted(requirements)}

    installed = packages()["packages"]
    provided = {
        name
        for family in json.loads(families)
        if any(member in installed for member in family)
        for name in family
        if name not in installed
    }
    missing: list[str] = []
    seen: set[str] = set()
    open_ends = [(line, "") for line in requirements]
    while open_ends:
        line, extra = open_ends.pop()
        wanted = Requirement(line)
        name = normal(wanted.name)
        if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
            continue
        if name in provided or f"{line}|{extra}" in seen:
            continue
        seen.add(f"{line}|{extra}")
        version = installed.get(name)
        if version is None or not wanted.specifier.contains(version, prereleases=True):
            missing.append(line)
            continue
        for inner in importlib.metadata.requires(wanted.name) or ():
            open_ends.extend((inner, each) for each in (wanted.extras or {""}))
    return {"unmet": sorted(missing)}


def accelerator() -> dict:
    """Whether an NVIDIA GPU answers, and for which CUDA torch was built; imports nothing large."""
    cuda = None
    torch = importlib.util.find_spec("torch")
    if torch and torch.submodule_search_locations:
        folder = next(iter(torch.submodule_search_locations))
        try:
            cuda = runpy.run_path(f"{folder}/version.py").get("cuda")
        except OSError:
            cuda = None
    return {"nvidia": _nvidia_devices() > 0, "cuda_build": cuda}


def _nvidia_devices() -> int:
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def device() -> dict:
    """Whether ComfyUI would find something faster than the CPU; imports torch."""
    import torch

    kinds = {"cuda": torch.cuda, "mps": torch.backends.mps, "xpu": getattr(torch, "xpu", None)}
    usable = [name for name, kind in kinds.items() if kind is not None and kind.is_available()]
    return {"device": usable[0] if usable else "cpu"}


def providers() -> dict:
    """onnxruntime's providers: compiled in, and those that a session really got."""
    if importlib.util.find_spec("torch"):
        import torch  # noqa: F401  its CUDA libraries are the ones onnxruntime finds in ComfyUI
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    available = onnxruntime.get_available_providers()
    session = onnxruntime.InferenceSession(IDENTITY, providers=available)
    return {"available": available, "in_use": session.get_providers()}


QUESTIONS = {
    "packages": packages,
    "unmet": unmet,
    "accelerator": accelerator,
    "device": device,
    "providers": providers,
}

if __name__ == "__main__":
    own = str(Path(__file__).absolute().parent)
    sys.path[:] = [each for each in sys.path if each != own]  # its modules stand in for nobody's
    sys.stdout.write("\n" + json.dumps(QUESTIONS[sys.argv[1]](*sys.argv[2:])) + "\n")
