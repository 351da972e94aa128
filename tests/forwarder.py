"""What stands between a client and a server: a proxy without websockets, or a restart."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit

PIECE = 1 << 16


class Forwarder:
    """Hands connections on to `target`, which may be changed; what is open then breaks off."""

    def __init__(self, target: str, websockets: bool = True):
        self.target, self.websockets = target, websockets
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Forwarder:
        return self

    def __exit__(self, *_) -> None:
        self.listening.close()
        self.break_off()

    def move(self, target: str) -> None:
        self.target = target
        self.break_off()

    def break_off(self) -> None:
        while self.open:
            raw = self.open.pop()
            with contextlib.suppress(OSError):
                raw.shutdown(socket.SHUT_RDWR)
            raw.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                raw, _ = self.listening.accept()
                threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        with contextlib.suppress(OSError), raw:
            head = raw.recv(PIECE)
            if head.startswith(b"GET /ws") and not self.websockets:
                raw.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                return
            place = urlsplit(self.target)
            with socket.create_connection((place.hostname, place.port)) as onward:
                self.open += [raw, onward]
                onward.sendall(head)
                back = threading.Thread(target=_pour, args=(onward, raw), daemon=True)
                back.start()
                _pour(raw, onward)
                back.join()


def _pour(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
