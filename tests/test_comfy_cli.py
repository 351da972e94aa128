"""The bundled API files run with comfy-cli, the command line of ComfyUI's makers.

They are handed over as they are; in those that would take too long some numbers are smaller.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pack.likeness.client import results
from pack.likeness.partial import Busy, reserved
from pack.likeness.setup.place import cache_folder
from test_recipes import bundled
from workflow_builder import workflows

pytestmark = pytest.mark.slow

VERSION = "1.23.0"
PATIENCE = 600  # seconds for its installation, and for one workflow


@pytest.fixture(scope="module")
def comfy() -> Path:
    """The program, in an environment of its own that is made once."""
    folder = cache_folder() / f"comfy-cli-{VERSION}"
    scripts = folder / ("Scripts" if sys.platform == "win32" else "bin")
    complete = folder / "complete"
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with reserved(folder):
            if not complete.exists():
                _install(folder, scripts)
                complete.touch()
    except Busy:
        pytest.skip(f"another run is making {folder}")
    return next(scripts.glob("comfy*"))


def _install(folder: Path, scripts: Path) -> None:
    python = next(iter(scripts.glob("python*")), scripts / "python")
    steps = (
        [sys.executable, "-m", "venv", "--clear", folder],
        [python, "-m", "pip", "install", f"comfy-cli=={VERSION}"],
    )
    for step in steps:
        done = subprocess.run(
            list(map(str, step)), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            pytest.skip(f"comfy-cli {VERSION} cannot be had here: {' '.join(last)}")


@pytest.fixture
def cli(comfy, tmp_path):
    """Run it without questions, in a home of its own: cli("run", ...)."""
    home = {name: str(tmp_path) for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "APPDATA")}
    environment = {"PATH": os.environ["PATH"], **home}

    def run(*arguments: object) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [str(comfy), "--skip-prompt", *map(str, arguments)],
            env=environment,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    run("tracking", "disable")
    return run


@pytest.mark.parametrize("workflow", workflows(), ids=lambda each: each.title)
def test_it_runs_every_bundled_workflow_to_its_end(workflow, cli, server, tmp_path):
    file = workflow.api_file
    if workflow.title[:2] in ("V2", "V3") or "SDXL" in workflow.title:  # an hour on a CPU
        file = tmp_path / file.name
        file.write_text(json.dumps(bundled(workflow.title)), "utf-8")
    if "SDXL" in workflow.title:
        server.add_sdxl()
    server.forget()
    before = set(_history(server))
    host, _, port = server.url.removeprefix("http://").partition(":")
    where = ("--host", host, "--port", port)
    cli("run", "--workflow", file, *where, "--wait", "--timeout", PATIENCE)
    ((_, entry),) = [each for each in _history(server).items() if each[0] not in before]
    assert entry["status"]["status_str"] == "success"
    assert results(entry)
    assert all(server.picture(image).size for image in results(entry))


def _history(server) -> dict:
    return json.loads(server.client.fetch("/history"))
