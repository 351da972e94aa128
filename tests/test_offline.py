"""The network is closed, here and in the server that the tests start."""

from __future__ import annotations

import socket
import subprocess
import sys
from urllib.request import urlopen

import host
import pytest
from offline import NetworkClosed

NOWHERE = "192.0.2.1"  # an address that documentation may use, and nobody else


@pytest.mark.parametrize("url", [f"http://{NOWHERE}/model.onnx", "http://example.invalid/a"])
def test_a_download_fails_loudly(url):
    with pytest.raises(NetworkClosed, match="Nothing is downloaded unasked"):
        urlopen(url, timeout=1)


def test_loopback_stays_open():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        socket.create_connection(server.getsockname()).close()
        with pytest.raises(NetworkClosed), socket.socket() as client:
            client.connect_ex((NOWHERE, 80))


def test_the_server_closes_its_sockets_too(tmp_path):
    host.prepare(tmp_path, standins=False, pack=False)
    code = (tmp_path / "custom_nodes" / "offline.py").read_text("utf-8")
    code += f"\nimport urllib.request\nurllib.request.urlopen('http://{NOWHERE}/', timeout=1)\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "NetworkClosed" in done.stderr
