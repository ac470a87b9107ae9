"""Ports on the loopback interface: free ones for ``{port:NAME}``, and whether one is taken."""

from __future__ import annotations

import contextlib
import errno
import random
import socket
from pathlib import Path

import psutil

_FIRST, _LAST = 20_000, 32_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_ATTEMPTS = 1000
_ADDRESSES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


class FreePorts:
    """A free port for each name; the same one for as long as the object lives.

    The numbers are outside those that the kernel gives to connections, which could take one
    between two starts of a process.
    """

    def __init__(self) -> None:
        self._ports: dict[str, int] = {}
        self._random = random.SystemRandom()

    def port(self, name: str) -> int:
        """The port with this name. Raises OSError if none is free."""
        if name not in self._ports:
            self._ports[name] = self._free()
        return self._ports[name]

    @property
    def numbers(self) -> frozenset[int]:
        """The ports that were given out."""
        return frozenset(self._ports.values())

    def _free(self) -> int:
        first, last = _own_range()
        for _ in range(_ATTEMPTS):
            port = self._random.randint(first, last)
            if port not in self._ports.values() and _is_free(port):
                return port
        raise OSError(errno.EADDRINUSE, f"no port from {first} to {last} is free")


def is_taken(port: int) -> bool:
    """Whether a program listens on ``port`` of a loopback address."""
    return not _is_free(port) and accepts(port)


def _is_free(port: int) -> bool:
    """Whether ``port`` can be bound: nothing listens, and no connection from it is left over."""
    for family, address in _ADDRESSES:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
    return True


def accepts(port: int, timeout_s: float = 0.25) -> bool:
    """Whether a program accepts a connection on ``port`` of a loopback address."""
    for _, address in _ADDRESSES:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((address, port), timeout=timeout_s),
        ):
            return True
    return False


def listener(port: int) -> str | None:
    """``"python, process 123"``: which program listens on ``port``; None if it cannot be seen."""
    try:
        for connection in psutil.net_connections("tcp"):
            is_listening = connection.status == psutil.CONN_LISTEN and connection.pid is not None
            if is_listening and getattr(connection.laddr, "port", None) == port:
                return f"{psutil.Process(connection.pid).name()}, process {connection.pid}"
    except (psutil.Error, OSError):
        return None
    return None


def _own_range() -> tuple[int, int]:
    """The first and last of a thousand ports or more that the kernel gives to no connection."""
    try:
        first, last = map(int, _RANGE.read_text("ascii").split())
    except (OSError, ValueError):
        first, last = 49_152, 65_535  # the range of IANA, and of macOS
    if first > _FIRST + 1000:
        return _FIRST, min(_LAST, first - 1)
    return (last + 1, 65_535) if last < 64_000 else (_FIRST, _LAST)
