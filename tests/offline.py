"""Close the network: only loopback stays reachable, so that a hidden download fails loudly."""

from __future__ import annotations

import socket

TARGETS = (
    (socket.socket, "connect"),
    (socket.socket, "connect_ex"),
    (socket.socket, "sendto"),
    (socket, "getaddrinfo"),
)
LOOPBACK = {"", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}


class NetworkClosed(RuntimeError):
    """Not an OSError: whoever takes a failed connection as an answer must still be noticed."""


def check(host: object) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name is not None and name not in LOOPBACK and not str(name).startswith("127."):
        raise NetworkClosed(
            f"Something tried to reach {name}. Nothing is downloaded unasked: a test that needs a "
            "server starts one on 127.0.0.1."
        )


def close_sockets() -> None:
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    sendto, getaddrinfo = socket.socket.sendto, socket.getaddrinfo

    def checked(method, place):
        def call(self, *args):
            if self.family in (socket.AF_INET, socket.AF_INET6):
                check(args[place][0])
            return method(self, *args)

        return call

    def resolve(host, *args, **kwargs):
        check(host)
        return getaddrinfo(host, *args, **kwargs)

    socket.socket.connect = checked(connect, 0)
    socket.socket.connect_ex = checked(connect_ex, 0)
    socket.socket.sendto = checked(sendto, -1)
    socket.getaddrinfo = resolve
