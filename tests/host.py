"""The real ComfyUI as a child process: this pack linked in, a base directory of its own."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import real
from pack.likeness.client import Client, PromptError, ServerError, images, texts
from pack.likeness.setup.place import free_port, link
from pack.likeness.setup.standins.table import MAKERS, SDXL
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PACK = "Likeness"
SOFT_EDGES = "detection/table5_pidinet.pth"
START_LIMIT = 180.0  # seconds
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SHOWN = 12_000  # characters of the log that a failed test shows


def insightface_pack(folder: Path) -> None:
    from standins.insightface_pack import write_pack

    write_pack(folder)


def landmark_network(file: Path) -> None:
    from standins.fan import write_fan

    write_fan(file)


def face_restorer(file: Path) -> None:
    from standins.restorers import write_restoreformer

    write_restoreformer(file)


def sharpening_restorer(file: Path) -> None:
    from standins.onnx_restorers import write_sharpening

    write_sharpening(file)


def soft_edges(file: Path) -> None:
    """The real file where it is at hand: thumbnails show what it draws."""
    if real.SOFT_EDGES.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(real.SOFT_EDGES, file)
    else:
        MAKERS[SOFT_EDGES].write(file)


# What stands in the models folder under the names that the workflows use: name -> maker.
STANDINS: Mapping[str, Callable[[Path], object]] = {
    "insightface/models/buffalo_l": insightface_pack,
    "facedetection/2DFAN4-11f355bf06.pth.tar": landmark_network,
    "facerestore_models/GFPGANv1.4.pth": face_restorer,
    "facerestore_models/gfpgan_1.4.onnx": sharpening_restorer,
    **{name: maker.write for name, maker in MAKERS.items()},
    SOFT_EDGES: soft_edges,
}
# Larger ones: `Server.add_sdxl` writes them.
SDXL_STANDINS = {name: maker.write for name, maker in SDXL.items()}


@dataclass(frozen=True)
class Result:
    """What a prompt left in the history."""

    entry: dict
    client: Client

    @property
    def texts(self) -> dict[str, str]:
        """What nodes reported, by node id."""
        return texts(self.entry)

    def images(self, node_id: str | int | None = None) -> list[np.ndarray]:
        """The pictures of one node, or of all: (H, W, 3) uint8."""
        outputs = self.entry["outputs"]
        listed = images({"outputs": outputs if node_id is None else {0: outputs[str(node_id)]}})
        return [_decode(self.client.view(image)) for image in listed]


@dataclass
class Server:
    url: str
    base: Path
    process: subprocess.Popen
    log_file: Path
    client: Client = field(init=False)
    _seen: int = 0

    def __post_init__(self):
        self.client = Client(self.url)

    def run(self, prompt: dict, timeout: float = 120.0) -> Result:
        """Run a graph in API format to its end."""
        entry = self.client.wait(self.client.queue(prompt), timeout)
        return Result(entry, self.client)

    def fails(self, prompt: dict, timeout: float = 120.0) -> PromptError:
        """The error that a graph ends with; the server must live on."""
        with pytest.raises(PromptError) as caught:
            self.run(prompt, timeout)
        self.client.system_stats()
        return caught.value

    def picture(self, image: dict) -> np.ndarray:
        """What a history entry lists, or the page: (H, W, 3) uint8."""
        return _decode(self.client.view(image))

    def until(self, claim: Callable[[], object], seconds: float = 60) -> None:
        """Wait for the claim to hold."""
        deadline = time.monotonic() + seconds
        while not claim():
            assert time.monotonic() < deadline, f"not so after {seconds:g} seconds"
            time.sleep(0.05)

    def idle(self) -> None:
        """Wait until nothing is queued and nothing runs."""
        self.until(lambda: not any(self.client.queued().values()))

    def forget(self) -> None:
        """Empty the host's cache of outputs, which it does after the prompt that follows."""
        self.client.fetch("/free", b'{"free_memory": true}', "application/json")
        blank = {"width": 16, "height": 16, "batch_size": 1, "color": 0}
        empty = {"class_type": "EmptyImage", "inputs": blank}
        shown = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
        self.run({"1": empty, "2": shown})

    def add_sdxl(self) -> None:
        """Write stand-ins of SDXL (0.6 GB), once, into the server's folder of models."""
        write_missing(SDXL_STANDINS, self.base / "models")

    def log(self) -> str:
        return COLOUR.sub("", self.log_file.read_text("utf-8", errors="replace"))

    def mark(self) -> None:
        """What is in the log by now is no longer recent."""
        self._seen = len(self.log())

    def recent(self) -> str:
        return self.log()[self._seen :][-SHOWN:]

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(
    comfyui: Path,
    base: Path,
    *,
    standins: bool = True,
    pack: bool = True,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Server:
    """Start ComfyUI on a free loopback port and wait until it answers."""
    prepare(base, standins=standins, pack=pack)
    port = free_port()
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    command = [python, "main.py", "--cpu", "--listen", "127.0.0.1", "--port", str(port)]
    command += ["--base-directory", str(base), "--disable-api-nodes"]
    command += ["--database-url", f"sqlite:///{(base / 'user' / 'comfyui.db').as_posix()}"]
    log_file = base / "server.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=comfyui,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = Server(f"http://127.0.0.1:{port}", base, process, log_file)
    try:
        _await(server)
    except BaseException:
        server.stop()
        raise
    server.mark()
    return server


def prepare(base: Path, *, standins: bool, pack: bool) -> None:
    """The base directory: the pack, a module that closes the sockets, stand-ins for models."""
    for name in ("custom_nodes", "user", "input", "output", "models"):
        (base / name).mkdir(parents=True, exist_ok=True)
    closed = (ROOT / "tests" / "offline.py").read_text("utf-8")
    closed += "\n\nclose_sockets()\nNODE_CLASS_MAPPINGS = {}\n"
    settings = base / "user" / "default" / "comfy.settings.json"  # no tutorial at the first page
    settings.parent.mkdir(exist_ok=True)
    settings.write_text('{"Comfy.TutorialCompleted": true}', "utf-8")
    (base / "custom_nodes" / "offline.py").write_text(closed, "utf-8")
    at = base / "custom_nodes" / PACK
    if pack and not at.exists():
        link(ROOT, at)
    if standins:
        write_missing(STANDINS, base / "models")


def write_missing(makers: Mapping[str, Callable[[Path], object]], models: Path) -> None:
    for name, make in makers.items():
        if not (models / name).exists():
            make(models / name)


def _await(server: Server) -> None:
    deadline = time.monotonic() + START_LIMIT
    while True:
        try:
            server.client.system_stats()
            return
        except ServerError as error:
            if server.process.poll() is not None or time.monotonic() > deadline:
                state = f"exit status {server.process.poll()}, {START_LIMIT:g} s allowed"
                raise RuntimeError(
                    f"ComfyUI did not start ({state}). Its log:\n{server.log()[-SHOWN:]}"
                ) from error
        time.sleep(0.2)


def _decode(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))
