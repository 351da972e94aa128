"""Who may import whom: nodes -> likeness, install.py -> likeness, never back."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from source import ROOT, imports, name_of, tops

HOST = {
    "api_server",
    "app",
    "comfy",
    "comfy_api",
    "comfy_api_nodes",
    "comfy_config",
    "comfy_execution",
    "comfy_extras",
    "execution",
    "folder_paths",
    "latent_preview",
    "node_helpers",
    "nodes",
    "server",
}
LIBRARY = sorted(ROOT.glob("likeness/**/*.py"))
NODES = sorted(ROOT.glob("nodes/**/*.py"))


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_the_library_knows_nothing_of_comfyui(path):
    names = imports(path)
    assert tops(names) & HOST == set()
    assert outside(names, LIBRARY) == set()


@pytest.mark.parametrize("path", NODES, ids=name_of)
def test_nodes_stand_on_the_library_alone(path):
    assert outside(imports(path), LIBRARY + NODES) == set()


def test_install_stands_on_the_library_alone():
    install = ROOT / "install.py"
    assert tops(imports(install, when_loaded=True)) <= {*sys.stdlib_module_names, "likeness"}
    assert tops(imports(install)) <= {*sys.stdlib_module_names, "likeness"}


def test_what_install_loads_needs_no_package():
    """It starts in a Python that has none yet."""
    ours = {f"pack.{name}" for name in imports(ROOT / "install.py", when_loaded=True)}
    waiting = [*filter(None, map(home, ours)), *ROOT.glob("likeness/setup/*.py")]
    waiting += [ROOT / "likeness" / name for name in ("models.py", "download.py", "client.py")]
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            names = imports(path, when_loaded=True)
            needed = tops(names) - {*sys.stdlib_module_names, "pack"}
            assert not needed, f"{name_of(path)} needs {needed}"
            waiting += filter(None, (home(name) for name in names if name.startswith("pack.")))


def test_the_pack_is_not_importable_by_its_folder():
    """Otherwise our `nodes` would stand in for ComfyUI's in every test."""
    assert ROOT not in [Path(entry).resolve() for entry in sys.path]


def outside(names: set[str], files: list[Path]) -> set[str]:
    """Those of the pack's own names that come from none of `files`."""
    return {name for name in names if name.startswith("pack.") and home(name) not in files}


def home(name: str) -> Path | None:
    """The file that pack.likeness.face or pack.likeness.face.Face comes from."""
    parts = name.split(".")[1:]
    for length in (len(parts), len(parts) - 1):
        path = ROOT.joinpath(*parts[:length])
        for candidate in (path.with_suffix(".py"), path / "__init__.py"):
            if path != ROOT and candidate.is_file():
                return candidate
    return None
