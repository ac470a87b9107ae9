"""The socket by which a process says that it is ready, as services of systemd do."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from pathlib import Path

VARIABLE = "NOTIFY_SOCKET"
_LONGEST_PATH = 90
"""Bytes; the address of a socket takes 104 on macOS and 108 on Linux."""
_MOST_AT_ONCE = 100


class NotifySocket:
    """A datagram socket in a directory of its own with a short path. Raises OSError.

    It is read as long as the process lives, since a full socket would stop the process.
    """

    def __init__(self) -> None:
        self._directory = Path(_short_directory())
        self.path = self._directory / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | _CLOEXEC)
        self.socket.settimeout(0.0)
        try:
            self.socket.bind(os.fspath(self.path))
        except OSError:
            self.close()
            raise

    def is_ready(self) -> bool:
        """Read what has come. Returns whether ``READY=1`` was in it."""
        is_ready = False
        for _ in range(_MOST_AT_ONCE):
            try:
                message = self.socket.recv(8192)
            except OSError:
                break
            is_ready = is_ready or b"READY=1" in message.split(b"\n")
        return is_ready

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.close()
        shutil.rmtree(self._directory, ignore_errors=True)


_CLOEXEC = getattr(socket, "SOCK_CLOEXEC", 0)


def _short_directory() -> str:
    folder = tempfile.gettempdir()
    if len(os.fsencode(folder)) > _LONGEST_PATH - 30 and Path("/tmp").is_dir():  # noqa: S108
        folder = "/tmp"  # noqa: S108 - the directory in it is new, and closed to others
    return tempfile.mkdtemp(prefix="soak-", dir=folder)
