"""A small client of the WebSocket protocol (RFC 6455); standard library only.

with connect("ws://127.0.0.1:8188/ws?clientId=me") as socket:
    while (message := socket.receive(1.0)) is not ENDED: ...  # str, bytes, or None: nothing yet
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import ssl
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FINAL, RESERVED, OPCODE, MASKED, LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F
SHORT = 125  # bytes a control frame may hold
NORMAL, WRONG, NOT_TEXT, TOO_LARGE = 1000, 1002, 1007, 1009  # reasons to close, RFC 6455, 7.4.1
LARGEST = 64 << 20  # bytes of one message
HEAD_LIMIT = 64 << 10  # bytes of the server's answer to the handshake
PIECE = 1 << 16

ENDED = object()  # what `receive` returns after the server has closed


class WebSocketError(OSError):
    """The server refused the connection, broke the protocol, or went away."""


@dataclass
class WebSocket:
    """An open connection. `receive` may be given up and called again at any byte."""

    raw: socket.socket
    largest: int = LARGEST
    timeout: float = 10.0  # seconds that sending may take
    _buffer: bytearray = field(default_factory=bytearray)
    _parts: bytearray = field(default_factory=bytearray)
    _kind: int = 0  # of the message whose parts are gathered; 0 between messages
    _ended: bool = False

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def receive(self, seconds: float) -> object:
        """The next message, str or bytes; None where none came in time; ENDED after the last."""
        deadline = time.monotonic() + seconds
        while not self._ended:
            frame = self._frame()
            if frame is not None:
                message = self._take(*frame)
                if message is not None:
                    return message
                continue
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._read(left)
        return ENDED

    def send(self, text: str) -> None:
        self._send(TEXT, text.encode())

    def close(self) -> None:
        """Say goodbye, without waiting for an answer, and hang up."""
        if self.raw.fileno() == -1:
            return
        try:
            if not self._ended:
                self._send(CLOSE, struct.pack("!H", NORMAL))
        except OSError:
            pass  # it is gone already
        finally:
            self._ended = True
            self.raw.close()

    def _read(self, seconds: float) -> None:
        self.raw.settimeout(max(seconds, 1e-3))
        try:
            piece = self.raw.recv(PIECE)
        except (TimeoutError, ssl.SSLWantReadError):
            return
        except OSError as error:
            self._ended = True
            raise WebSocketError(f"the connection was lost: {error}") from error
        if not piece:
            self._ended = True
            raise WebSocketError("the server hung up in the middle")
        self._buffer += piece

    def _frame(self) -> tuple[bool, int, bytes] | None:
        """The first frame of the buffer: whether it is final, opcode, content; None: not whole."""
        head = self._buffer
        if len(head) < 2:
            return None
        first, second = head[0], head[1]
        opcode, length, start = first & OPCODE, second & LENGTH, 2
        if first & RESERVED:
            self._fail(WRONG, "a frame with reserved bits, though no extension was agreed on")
        if second & MASKED:
            self._fail(WRONG, "a masked frame, which only clients send")
        if opcode not in (CONTINUED, TEXT, BINARY, CLOSE, PING, PONG):
            self._fail(WRONG, f"a frame of the unknown kind {opcode:#x}")
        if opcode >= CLOSE and (length > SHORT or not first & FINAL):
            self._fail(WRONG, "a control frame that is too long or in parts")
        if length > SHORT:
            start, form = (4, "!H") if length == SHORT + 1 else (10, "!Q")
            if len(head) < start:
                return None
            (length,) = struct.unpack_from(form, head, 2)
        if length + len(self._parts) > self.largest:
            self._fail(TOO_LARGE, f"a message of more than {self.largest} bytes")
        if len(head) < start + length:
            return None
        content = bytes(head[start : start + length])
        del head[: start + length]
        return bool(first & FINAL), opcode, content

    def _take(self, final: bool, opcode: int, content: bytes) -> object:
        """The message that this frame completes; control frames are answered here."""
        if opcode == PING:
            self._send(PONG, content)
        elif opcode == CLOSE:
            self._goodbye(content)
        elif opcode != PONG:
            return self._gather(final, opcode, content)
        return None

    def _gather(self, final: bool, opcode: int, content: bytes) -> str | bytes | None:
        if (opcode == CONTINUED) != bool(self._kind):
            told = "a continuation of nothing" if opcode == CONTINUED else "one message in another"
            self._fail(WRONG, told)
        self._kind = self._kind or opcode
        self._parts += content
        if not final:
            return None
        whole, kind = bytes(self._parts), self._kind
        self._parts.clear()
        self._kind = 0
        if kind == BINARY:
            return whole
        try:
            return whole.decode("utf-8")
        except UnicodeDecodeError:
            self._fail(NOT_TEXT, "a text that is not UTF-8")

    def _goodbye(self, content: bytes) -> None:
        if len(content) == 1:
            self._fail(WRONG, "a reason to close that is cut off")
        with contextlib.suppress(OSError):  # it did not wait for the answer
            self._send(CLOSE, content[:2])
        self._ended = True

    def _fail(self, code: int, what: str) -> None:
        with contextlib.suppress(OSError):  # what it did is told all the same
            self._send(CLOSE, struct.pack("!H", code))
        self._ended = True
        raise WebSocketError(f"the server sent {what}")

    def _send(self, opcode: int, content: bytes) -> None:
        """One frame, masked as a client's must be."""
        length = len(content)
        if length <= SHORT:
            head = struct.pack("!BB", FINAL | opcode, MASKED | length)
        elif length < 1 << 16:
            head = struct.pack("!BBH", FINAL | opcode, MASKED | SHORT + 1, length)
        else:
            head = struct.pack("!BBQ", FINAL | opcode, MASKED | SHORT + 2, length)
        mask = os.urandom(4)
        repeated = (mask * (length // 4 + 1))[:length]
        number = int.from_bytes(content, "big") ^ int.from_bytes(repeated, "big")
        self.raw.settimeout(self.timeout)
        try:
            self.raw.sendall(head + mask + number.to_bytes(length, "big"))
        except OSError as error:
            raise WebSocketError(f"the connection was lost: {error}") from error


def connect(
    url: str,
    headers: Mapping[str, str] | None = None,
    timeout: float = 10.0,
    largest: int = LARGEST,
) -> WebSocket:
    """Open ws:// or wss://; WebSocketError where there is no such server."""
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError(
            f"{url!r} is not the address of a websocket: it begins with ws:// or wss://"
        )
    secure = parts.scheme == "wss"
    try:
        raw = socket.create_connection(
            (parts.hostname, parts.port or (443 if secure else 80)), timeout
        )
    except OSError as error:
        raise WebSocketError(f"no connection to {url}: {error}") from error
    try:
        if secure:
            raw = ssl.create_default_context().wrap_socket(raw, server_hostname=parts.hostname)
        rest = _shake_hands(raw, parts, headers or {}, timeout)
    except OSError as error:
        raw.close()
        if isinstance(error, WebSocketError):
            raise
        raise WebSocketError(f"{url} did not open: {error}") from error
    except BaseException:
        raw.close()
        raise
    return WebSocket(raw, largest, timeout, bytearray(rest))


def _shake_hands(raw: socket.socket, parts, headers: Mapping[str, str], timeout: float) -> bytes:
    """Ask for the upgrade and check the answer; returns what came behind it."""
    key = base64.b64encode(os.urandom(16))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = {
        "Host": parts.netloc.rpartition("@")[2],
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key.decode(),
        "Sec-WebSocket-Version": "13",
    }
    asked = "".join(f"{name}: {value}\r\n" for name, value in (fields | dict(headers)).items())
    raw.sendall(f"GET {path} HTTP/1.1\r\n{asked}\r\n".encode("latin-1"))
    head, rest = _head(raw, time.monotonic() + timeout)
    status, *lines = head.decode("latin-1").split("\r\n")
    answered = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    if status.split(" ")[1:2] != ["101"]:
        raise WebSocketError(f"the server did not open a websocket, it answered {status[:100]!r}")
    proof = base64.b64encode(hashlib.sha1(key + SALT).digest()).decode()
    tokens = {token.strip().lower() for token in answered.get("connection", "").split(",")}
    agreed = answered.get("upgrade", "").lower() == "websocket" and "upgrade" in tokens
    if not agreed or answered.get("sec-websocket-accept") != proof:
        raise WebSocketError("the server's answer is not that of a websocket")
    if answered.get("sec-websocket-extensions") or answered.get("sec-websocket-protocol"):
        raise WebSocketError("the server chose an extension or a protocol that nobody offered")
    return rest


def _head(raw: socket.socket, deadline: float) -> tuple[bytes, bytes]:
    got = b""
    while b"\r\n\r\n" not in got:
        left = deadline - time.monotonic()
        if left <= 0:
            raise WebSocketError("the server did not answer in time")
        raw.settimeout(left)
        piece = raw.recv(PIECE)
        if not piece:
            raise WebSocketError("the server hung up instead of answering")
        got += piece
        if len(got) > HEAD_LIMIT:
            raise WebSocketError("the server's answer has no end")
    head, _, rest = got.partition(b"\r\n\r\n")
    return head, rest
