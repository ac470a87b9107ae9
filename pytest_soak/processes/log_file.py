"""The log of a process: a file with a largest size and some full ones before it, and its lines.

``NAME.log`` is the present file; ``NAME.log.1`` is the one before it, and so on.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_FLAGS = (
    os.O_RDWR
    | os.O_CREAT
    | os.O_APPEND
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe in its place blocks nothing
)
_CHUNK = 65536
LONGEST_LINE = 8192
"""Bytes of a line that are read; the rest of the line is left out."""


class CappedLog:
    """Appends to a log, and begins a new file when the present one is full.

    All files together have at most ``(keep + 1) * max_bytes`` bytes. Raises OSError.
    """

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._descriptor = os.open(path, _FLAGS, 0o666)
        self._size = os.fstat(self._descriptor).st_size

    def write(self, data: bytes) -> None:
        """Append; a line goes whole into one file if its end is in ``data``."""
        while data:
            space = self._max_bytes - self._size
            if space <= 0:
                self._rotate()
                continue
            part = data
            if len(data) > space:
                end = data.rfind(b"\n", 0, space) + 1
                if not end and self._size:
                    self._rotate()
                    continue
                part = data[: end or space]
            count = os.write(self._descriptor, part)
            self._size += count
            data = data[count:]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def _rotate(self) -> None:
        for number in range(self._keep, 0, -1):
            source = numbered(self.path, number - 1)
            with contextlib.suppress(FileNotFoundError):
                source.replace(numbered(self.path, number))
        if not self._keep:
            self.path.unlink(missing_ok=True)
        descriptor = os.open(self.path, _FLAGS, 0o666)
        os.close(self._descriptor)
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size


class LogReader:
    """The whole lines that are appended to a log from now on, across its rotations."""

    def __init__(self, path: Path) -> None:
        """``path`` is made if it is absent. Raises OSError."""
        self._path = path
        self._descriptor = os.open(path, _FLAGS, 0o666)
        self._position = os.fstat(self._descriptor).st_size
        self._line = b""

    def lines(self) -> Iterator[str]:
        """What is new. A line that has no end yet comes with a later call."""
        while True:
            newer = self._newer()
            yield from self._rest()
            if newer is None:
                return
            self.close()
            self._descriptor, self._position = newer, 0

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def _rest(self) -> Iterator[str]:
        while data := os.pread(self._descriptor, _CHUNK, self._position):
            self._position += len(data)
            first, *others = data.split(b"\n")
            self._line += first[: LONGEST_LINE - len(self._line)]
            for other in others:
                yield _text(self._line)
                self._line = other[:LONGEST_LINE]

    def _newer(self) -> int | None:
        """A descriptor of the file after the present one; None if there is none."""
        own = os.fstat(self._descriptor)
        newer: int | None = None
        number = 0
        while True:
            try:
                descriptor = os.open(numbered(self._path, number), os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                break
            if os.path.samestat(os.fstat(descriptor), own):
                os.close(descriptor)
                break
            if newer is not None:
                os.close(newer)
            newer = descriptor
            number += 1
        return newer


def last_lines(path: Path, count: int) -> tuple[str, ...]:
    """The last ``count`` lines of a log, oldest first, those of the file before it if need be.

    Empty if there is no log. A line without an end is a line.
    """
    lines: list[str] = []
    number = 0
    while len(lines) < count:
        try:
            data = _tail(numbered(path, number), count * LONGEST_LINE)
        except OSError:
            if number:
                break
            data = b""  # between the two steps of a rotation there is no present file
        lines = [*(_text(line) for line in data.splitlines()), *lines]
        number += 1
    return tuple(lines[-count:])


def numbered(path: Path, number: int) -> Path:
    """The file that is ``number`` files older than the present one."""
    return path if number == 0 else path.with_name(f"{path.name}.{number}")


def _tail(path: Path, size: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        start = max(0, os.fstat(descriptor).st_size - size)
        parts = []
        while len(data := os.pread(descriptor, _CHUNK, start)):
            parts.append(data)
            start += len(data)
            if len(parts) * _CHUNK > 2 * size:  # it grows as fast as it is read
                break
        return b"".join(parts)
    finally:
        os.close(descriptor)


def _text(line: bytes) -> str:
    return line[:LONGEST_LINE].decode("utf-8", "replace").rstrip("\r")
