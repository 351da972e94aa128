"""A web server on loopback that serves one file, and misbehaves in the way that a test asks for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STALL = 1.0  # seconds; longer than the patience of the tests


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self):
        host = self.server.host
        host.requests.append(dict(self.headers, path=self.path))
        behave = host.plan.pop(0) if host.plan else host.always
        self.close_connection = True
        try:
            behave(self, host)
        except (BrokenPipeError, ConnectionResetError):
            return

    def log_message(self, *_):
        return

    def start(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def asked(self, host: Host) -> int:
        """Where the wanted range starts; 0 where the whole is wanted, or If-Range does not hold."""
        wanted = self.headers.get("Range")
        if not wanted or self.headers.get("If-Range", host.etag) != host.etag:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def partial(self, host: Host, start: int, **headers: object) -> bytes:
        """Send the head of an honest answer; returns the body that is due."""
        total = len(host.content)
        if host.etag:
            headers.setdefault("ETag", host.etag)
        if start >= total:
            self.start(416, Content_Range=f"bytes */{total}", Content_Length=0)
            return b""
        headers.setdefault("Content_Length", total - start)
        headers.setdefault("Content_Type", "application/octet-stream")
        if start:
            headers.setdefault("Content_Range", f"bytes {start}-{total - 1}/{total}")
        self.start(206 if start else 200, **headers)
        return host.content[start:]


Behaviour = Callable[[Handler, "Host"], None]


def honest(handler: Handler, host: Host) -> None:
    handler.wfile.write(handler.partial(host, handler.asked(host)))


def slow(handler: Handler, host: Host) -> None:
    body = handler.partial(host, handler.asked(host))
    for start in range(0, len(body), 1 + len(body) // 5):
        handler.wfile.write(body[start : start + 1 + len(body) // 5])
        time.sleep(0.05)


def ignores_range(handler: Handler, host: Host) -> None:
    handler.wfile.write(handler.partial(host, 0))


def cuts_off(after: int, first: Behaviour = honest) -> Behaviour:
    def behave(handler: Handler, host: Host) -> None:
        start = 0 if first is ignores_range else handler.asked(host)
        handler.wfile.write(handler.partial(host, start)[:after])

    return behave


def stalls(after: int) -> Behaviour:
    def behave(handler: Handler, host: Host) -> None:
        handler.wfile.write(handler.partial(host, handler.asked(host))[:after])
        handler.wfile.flush()
        host.over.wait(STALL)

    return behave


def announces(length: int) -> Behaviour:
    def behave(handler: Handler, host: Host) -> None:
        handler.wfile.write(handler.partial(host, 0, Content_Length=length))

    return behave


def sends(content: bytes, **headers: object) -> Behaviour:
    def behave(handler: Handler, _: Host) -> None:
        handler.start(200, Content_Length=len(content), **headers)
        handler.wfile.write(content)

    return behave


def answers(status: int, **headers: object) -> Behaviour:
    def behave(handler: Handler, _: Host) -> None:
        handler.start(status, Content_Length=0, **headers)

    return behave


def says_of_the_rest(**headers: object) -> Behaviour:
    """Answers a range, with a head that is not quite right."""

    def behave(handler: Handler, host: Host) -> None:
        handler.wfile.write(handler.partial(host, handler.asked(host), **headers))

    return behave


def chunked(cut: int | None = None) -> Behaviour:
    """The whole without a length; with `cut`, only so much, and no end mark."""

    def behave(handler: Handler, host: Host) -> None:
        handler.start(200, Transfer_Encoding="chunked", ETag=host.etag)
        for start in range(0, len(host.content) if cut is None else cut, 1000):
            piece = host.content[start : start + 1000]
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if cut is None:
            handler.wfile.write(b"0\r\n\r\n")

    return behave


class Server(ThreadingHTTPServer):
    daemon_threads = True
    host: Host


@dataclass
class Host:
    content: bytes
    etag: str = '"first"'
    plan: list[Behaviour] = field(default_factory=list)  # the next answers, one a request
    always: Behaviour = honest  # every answer after those
    requests: list[dict[str, str]] = field(default_factory=list)  # headers, and the path
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def __enter__(self) -> Host:
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.host = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def ranges(self) -> list[str | None]:
        return [request.get("Range") for request in self.requests]
