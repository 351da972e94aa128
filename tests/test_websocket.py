"""The websocket client, against a little server that says byte by byte what a test wants said."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import struct
import threading
import time

import pytest
from pack.likeness import websocket
from pack.likeness.websocket import ENDED, WebSocketError, connect

TEXT, BINARY, CLOSE, PING, PONG, CONTINUED = 1, 2, 8, 9, 10, 0
SOON = 5.0  # seconds that no test takes


def frame(opcode: int, content: bytes = b"", final: bool = True, reserved: int = 0) -> bytes:
    """As a server sends it: unmasked."""
    first = (0x80 if final else 0) | reserved | opcode
    if len(content) <= 125:
        return struct.pack("!BB", first, len(content)) + content
    form, mark = ("!BBH", 126) if len(content) < 1 << 16 else ("!BBQ", 127)
    return struct.pack(form, first, mark, len(content)) + content


class Peer:
    """The server's end of one connection."""

    def __init__(self, raw: socket.socket):
        self.raw = raw
        raw.settimeout(SOON)
        self.request = b""

    def shake(self, **changed: str | None) -> None:
        """Answer the handshake, with some of its fields otherwise; None leaves one out."""
        while b"\r\n\r\n" not in self.request:
            self.request += self.raw.recv(4096)
        key = self.field("Sec-WebSocket-Key")
        digest = hashlib.sha1(key.encode() + websocket.SALT).digest()
        fields = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": base64.b64encode(digest).decode(),
        } | {name.replace("_", "-"): value for name, value in changed.items()}
        told = "".join(f"{k}: {v}\r\n" for k, v in fields.items() if v is not None)
        self.raw.sendall(f"HTTP/1.1 101 Switching\r\n{told}\r\n".encode())

    def field(self, name: str) -> str:
        (line,) = [each for each in self.request.decode().split("\r\n") if each.startswith(name)]
        return line.partition(":")[2].strip()

    def take(self) -> tuple[int, bytes]:
        """A frame of the client, which must be masked: opcode, content."""
        first, second = self._exactly(2)
        assert first & 0x80
        assert second & 0x80, "a client masks"
        length = second & 0x7F
        if length > 125:
            form, size = ("!H", 2) if length == 126 else ("!Q", 8)
            (length,) = struct.unpack(form, self._exactly(size))
        mask, content = self._exactly(4), self._exactly(length)
        return first & 15, bytes(each ^ mask[at % 4] for at, each in enumerate(content))

    def _exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            piece = self.raw.recv(count - len(got))
            assert piece, "the client hung up"
            got += piece
        return got


@contextlib.contextmanager
def serving(behave, handshake: bool = True):
    """The address of a server that shakes hands and then does this; its complaints are raised."""
    wrong: list[BaseException] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            raw, _ = listening.accept()
            with raw:
                try:
                    peer = Peer(raw)
                    if handshake:
                        peer.shake()
                    behave(peer)
                except BaseException as error:
                    wrong.append(error)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{listening.getsockname()[1]}/ws?clientId=me"
        thread.join(SOON)
    assert not thread.is_alive()
    assert not wrong, wrong


def sends(*pieces: bytes, wait: float = 0.0):
    def behave(peer: Peer):
        for piece in pieces:
            peer.raw.sendall(piece)
            time.sleep(wait)
        peer.raw.shutdown(socket.SHUT_WR)
        while peer.raw.recv(4096):
            pass

    return behave


def heard(*pieces: bytes, wait: float = 0.0, **options) -> list[object]:
    """The messages that come of these bytes, up to the end."""
    with serving(sends(*pieces, wait=wait)) as url, connect(url, **options) as opened:
        messages = []
        while (message := opened.receive(SOON)) is not ENDED:
            messages.append(message)
        return messages


def fails(*pieces: bytes, **options) -> str:
    with pytest.raises(WebSocketError) as caught:
        heard(*pieces, **options)
    return str(caught.value)


def test_the_handshake_asks_for_the_path_and_proves_itself():
    seen = {}

    def behave(peer: Peer):
        seen.update(request=peer.request, version=peer.field("Sec-WebSocket-Version"))

    with serving(behave) as url, connect(url):
        pass
    assert seen["request"].startswith(b"GET /ws?clientId=me HTTP/1.1\r\n")
    assert seen["version"] == "13"


def test_texts_and_bytes_come_as_they_were_sent():
    wanted = ["ünï", b"\x00\xff", "x" * 125, "x" * 126, b"y" * 65535, b"z" * 65536, ""]
    frames = [
        frame(TEXT, each.encode()) if isinstance(each, str) else frame(BINARY, each)
        for each in wanted
    ]
    assert heard(*frames, frame(CLOSE)) == wanted


def test_it_may_arrive_byte_by_byte():
    whole = frame(TEXT, b"slow") + frame(BINARY, b"b" * 200) + frame(CLOSE)
    pieces = [whole[at : at + 1] for at in range(len(whole))]
    assert heard(*pieces, wait=0.001) == ["slow", b"b" * 200]


def test_a_message_in_parts_is_one_with_pings_between_them():
    parts = [
        frame(TEXT, "zü".encode()[:2], final=False),
        frame(PING, b"there?"),
        frame(CONTINUED, "zü".encode()[2:], final=False),
        frame(CONTINUED, b"ge"),
    ]
    assert heard(*parts, frame(TEXT, b"next"), frame(CLOSE)) == ["züge", "next"]


def test_pings_are_answered_with_what_they_hold():
    def behave(peer: Peer):
        peer.raw.sendall(frame(PING, b"are you there?") + frame(PONG, b"unasked"))
        assert peer.take() == (PONG, b"are you there?")
        peer.raw.sendall(frame(TEXT, b"good") + frame(CLOSE, struct.pack("!H", 1001) + b"bye"))
        assert peer.take() == (CLOSE, struct.pack("!H", 1001))

    with serving(behave) as url, connect(url) as opened:
        assert opened.receive(SOON) == "good"
        assert opened.receive(SOON) is ENDED
        assert opened.receive(SOON) is ENDED


@pytest.mark.parametrize("length", [0, 3, 125, 126, 65535, 65536])
def test_what_is_sent_is_masked_and_whole(length):
    text = "".join(chr(97 + at % 26) for at in range(length))

    def behave(peer: Peer):
        assert peer.take() == (TEXT, text.encode())
        assert peer.take() == (CLOSE, struct.pack("!H", 1000))

    with serving(behave) as url, connect(url) as opened:
        opened.send(text)


def test_nothing_yet_is_none_and_nothing_is_lost_by_it():
    go = threading.Event()

    def behave(peer: Peer):
        peer.raw.sendall(frame(TEXT, b"whole")[:3])
        go.wait(SOON)
        peer.raw.sendall(frame(TEXT, b"whole")[3:])
        peer.take()

    with serving(behave) as url, connect(url) as opened:
        assert opened.receive(0.05) is None
        go.set()
        assert opened.receive(SOON) == "whole"


def test_a_message_beyond_the_limit_is_refused_before_it_is_read():
    announced = struct.pack("!BBQ", 0x80 | BINARY, 127, 1 << 40)
    assert "more than 1000 bytes" in fails(announced, largest=1000)
    parts = [frame(BINARY, b"x" * 600, final=False), frame(CONTINUED, b"x" * 600)]
    assert "more than 1000 bytes" in fails(*parts, largest=1000)
    assert heard(frame(BINARY, b"x" * 1000), frame(CLOSE), largest=1000) == [b"x" * 1000]


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (frame(TEXT, b"x", reserved=0x40), "reserved bits"),
        (b"\x81\x81maskx", "masked"),
        (frame(3, b"x"), "unknown kind 0x3"),
        (frame(11, b"x"), "unknown kind 0xb"),
        (frame(PING, b"x" * 126), "too long or in parts"),
        (frame(PING, b"x", final=False), "too long or in parts"),
        (frame(CONTINUED, b"x"), "a continuation of nothing"),
        (frame(TEXT, b"x", final=False) + frame(TEXT, b"y"), "one message in another"),
        (frame(TEXT, b"\xff\xfe"), "not UTF-8"),
        (frame(CLOSE, b"\x03"), "cut off"),
    ],
)
def test_what_breaks_the_protocol_ends_the_connection(sent, told):
    codes = []

    def behave(peer: Peer):
        peer.raw.sendall(sent)
        codes.append(peer.take())

    with serving(behave) as url, connect(url) as opened:
        with pytest.raises(WebSocketError, match=told):
            opened.receive(SOON)
        assert opened.receive(SOON) is ENDED
    ((opcode, reason),) = codes
    assert opcode == CLOSE
    assert struct.unpack("!H", reason)[0] == (1007 if "UTF-8" in told else 1002)


def test_a_server_that_hangs_up_is_told():
    with serving(lambda peer: peer.raw.sendall(frame(TEXT, b"cut off")[:4])) as url:  # noqa: SIM117
        with connect(url) as opened, pytest.raises(WebSocketError, match="hung up"):
            opened.receive(SOON)


@pytest.mark.parametrize(
    "changed",
    [
        {"Sec_WebSocket_Accept": "bm90IHRoZSBrZXk="},
        {"Sec_WebSocket_Accept": None},
        {"Upgrade": "h2c"},
        {"Connection": "close"},
        {"Sec_WebSocket_Extensions": "permessage-deflate"},
    ],
)
def test_an_answer_that_is_not_a_websockets_is_refused(changed):
    with serving(lambda peer: peer.shake(**changed), handshake=False) as url:  # noqa: SIM117
        with pytest.raises(WebSocketError, match=r"not that of a websocket|nobody offered"):
            connect(url)


def test_a_proxy_that_refuses_is_told_with_its_words():
    def behave(peer: Peer):
        peer.raw.recv(4096)
        peer.raw.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    with serving(behave, handshake=False) as url, pytest.raises(WebSocketError, match="502 Bad"):
        connect(url)


def test_an_answer_without_end_is_given_up():
    def behave(peer: Peer):
        peer.raw.recv(4096)
        with contextlib.suppress(OSError):
            for _ in range(1000):
                peer.raw.sendall(b"X: " + b"x" * 4096)

    with serving(behave, handshake=False) as url, pytest.raises(WebSocketError, match="no end"):
        connect(url)


def test_a_server_that_does_not_answer_is_given_up():
    over = threading.Event()
    with serving(lambda _: over.wait(SOON), handshake=False) as url:
        with pytest.raises(WebSocketError):
            connect(url, timeout=0.1)
        over.set()


def test_no_server_is_told():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(WebSocketError, match="no connection to ws://127"):
        connect(f"ws://127.0.0.1:{port}/ws")


def test_an_address_of_another_kind_is_told():
    with pytest.raises(ValueError, match="begins with ws://"):
        connect("http://127.0.0.1/ws")
