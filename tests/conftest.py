"""What every test stands on: the pack as `pack`, closed sockets, the real host, the real page."""

from __future__ import annotations

import os
import signal
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A repository on sys.path would shadow ComfyUI's own `nodes`; `python -m pytest` puts it there.
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != ROOT]
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack

if COMFYUI := os.environ.get("COMFYUI_PATH"):
    import torch

    sys.path.insert(0, COMFYUI)
    from comfy.cli_args import args

    args.cpu = not torch.cuda.is_available()
    torch.set_num_threads(1)  # the server has the other cores; what waits for them costs minutes

import host  # noqa: E402
import offline  # noqa: E402
import page  # noqa: E402

SERVERS = pytest.StashKey[list[host.Server]]()


def interrupt(*_):
    raise KeyboardInterrupt


def pytest_addoption(parser):
    parser.addoption(
        "--rewrite",
        action="store_true",
        help="write the files that are compared with the code anew: tests/api.json, the "
        "workflows, the README's tables",
    )


def pytest_configure(config):
    signal.signal(signal.SIGTERM, interrupt)  # servers are stopped, however the run ends
    config.stash[SERVERS] = []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    for server in item.config.stash[SERVERS]:
        server.mark()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for server in item.config.stash[SERVERS]:
            if written := server.recent():
                report.sections.append((f"what ComfyUI at {server.url} wrote", written))
    return report


@pytest.fixture(scope="session", autouse=True)
def closed_sockets():
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in offline.TARGETS:
            patch.setattr(owner, name, getattr(owner, name))
        offline.close_sockets()
        yield


@pytest.fixture(scope="session")
def rewrite(request) -> bool:
    return request.config.getoption("--rewrite")


@pytest.fixture(scope="session")
def start_server(request, tmp_path_factory):
    """Start another ComfyUI: start_server(standins=False, ...), with the options of `host.start`.

    `base` is its base directory, a new one by default; stop it as soon as it is not needed.
    """
    if not COMFYUI:
        pytest.skip(
            "COMFYUI_PATH is not set: run 'python install.py test', which makes a ComfyUI, or set "
            "COMFYUI_PATH to the folder of one."
        )
    servers = request.config.stash[SERVERS]

    def start(**options) -> host.Server:
        base = options.pop("base", None) or tmp_path_factory.mktemp("host")
        server = host.start(Path(COMFYUI), base, **options)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def server(start_server) -> host.Server:
    """The one ComfyUI that most tests share: this pack in it, stand-ins for the model files."""
    return start_server()


@pytest.fixture(scope="session")
def browser():
    """The Chromium of the machine, once; editors are opened in it."""
    with page.Browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def shared_editor(browser, server):
    return browser.open(server.url)


@pytest.fixture
def editor(shared_editor):
    """The graph editor of `server`, empty; an error of the page's scripts fails the test."""
    shared_editor.clear()
    yield shared_editor
    assert not shared_editor.take_errors()
