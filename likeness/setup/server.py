"""A ComfyUI server of our own: started on the loopback interface, always stopped again."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..client import Client, ServerError
from .place import PACK, Comfy, link, unlink
from .process import Say, SetupError, clean_environment, inside, tail

START_LIMIT = 300.0  # seconds
LENT = "extra_model_paths.yaml"
PATIENCE = 10.0  # seconds a server gets to end by itself


@dataclass(frozen=True)
class Own:
    """A server of ours, and the folder of models that nobody else sees."""

    client: Client
    models: Path


@contextlib.contextmanager
def running(comfy: Comfy, port: int, log: Path, say: Say) -> Iterator[Own]:
    """A server with the pack in it and a base directory of its own; gone when the block ends.

    Of the ComfyUI whose code it runs it sees the model files.
    """
    base = Path(tempfile.mkdtemp(prefix="likeness-demo-"))
    linked = base / "custom_nodes" / "Likeness"
    try:
        for name in ("custom_nodes", "user", "input", "output", "models"):
            (base / name).mkdir()
        link(PACK, linked)
        _lend(comfy.path / "models", base)
        with log.open("wb") as file, _started(comfy, port, base, file) as process:
            client = Client(f"http://127.0.0.1:{port}")
            _await(client, process, log, say)
            try:
                yield Own(client, base / "models")
            except ServerError as error:
                if process.poll() is not None:
                    raise died(process, log) from error
                raise SetupError(f"{error}\nThe server's log is {log}.") from error
    finally:
        unlink(linked)
        shutil.rmtree(base, ignore_errors=True)


def _lend(models: Path, base: Path) -> None:
    """Let the server whose base directory this is look into the folder of models, too."""
    names = sorted(path.name for path in models.iterdir()) if models.is_dir() else []
    folders = {name: name for name in names if (models / name).is_dir()}
    lent = {"comfyui": {"base_path": str(models), **folders}}
    (base / LENT).write_text(json.dumps(lent), "utf-8")  # JSON is YAML, too


@contextlib.contextmanager
def _started(comfy: Comfy, port: int, base: Path, log: object) -> Iterator[subprocess.Popen]:
    database = (base / "user" / "comfyui.db").as_posix()
    command = [
        comfy.python, "main.py", "--listen", "127.0.0.1", "--port", str(port),
        "--base-directory", str(base), "--database-url", f"sqlite:///{database}",
        "--extra-model-paths-config", str(base / LENT),
        "--disable-auto-launch", "--disable-api-nodes",
    ]  # fmt: skip
    if on_cpu(comfy.python):
        command.append("--cpu")
    apart = {"start_new_session": True}  # Ctrl-C is for us; we stop the server ourselves
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    process = subprocess.Popen(
        command,
        cwd=comfy.path,
        env=clean_environment(PYTHONUNBUFFERED="1"),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        **apart,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def on_cpu(python: str) -> bool:
    """Whether ComfyUI needs --cpu to start; imports torch only where nothing less can tell."""
    found = inside(python, "accelerator")
    if found["cuda_build"]:
        return not found["nvidia"]
    return inside(python, "device")["device"] == "cpu"


def _await(client: Client, process: subprocess.Popen, log: Path, say: Say) -> None:
    started = shown = time.monotonic()
    while True:
        try:
            client.system_stats()
        except ServerError as error:
            now = time.monotonic()
            if process.poll() is not None or now - started > START_LIMIT:
                raise died(process, log) from error
        else:
            say(f"ComfyUI answers at {client.url} ({time.monotonic() - started:.1f} s)")
            return
        if now - shown > 5:
            shown = now
            say(f"  ... waiting for ComfyUI, {now - started:.0f} s")
        time.sleep(0.2)


def died(process: subprocess.Popen, log: Path) -> SetupError:
    state = process.poll()
    what = f"did not answer in {START_LIMIT:.0f} s" if state is None else f"ended with code {state}"
    text = log.read_text("utf-8", errors="replace")
    return SetupError(f"ComfyUI {what}. The end of its log ({log}):\n{tail(text, 15)}")
