"""Commands to the supervisor and its events: JSON lines over two pipes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from pytest_soak.processes.sections import Seconds

_CHUNK = 65536


class Start(Struct, frozen=True, tag="start"):
    """Start a process; the answer is Started or Failed."""

    id: int
    name: str
    command: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    """Added to the supervisor's own environment."""
    log: str
    """Path of its log file."""
    log_bytes: int
    log_keep: int
    notify: bool
    stop_signal: int
    grace_s: Seconds


class Stop(Struct, frozen=True, tag="stop"):
    """End a process and all of its children; the answer is Stopped."""

    id: int
    name: str


class Signal(Struct, frozen=True, tag="signal"):
    """Send a signal to a process, not to its children; the answer is Done or Failed."""

    id: int
    name: str
    signal: int


class End(Struct, frozen=True, tag="end"):
    """End all processes in reverse order, then the supervisor; the answer is Stopped."""

    id: int


Command = Start | Stop | Signal | End


class Hello(Struct, frozen=True, tag="hello"):
    """The supervisor is ready for commands."""

    notices: tuple[str, ...]
    """What this operating system lacks, as sentences."""


class Started(Struct, frozen=True, tag="started"):
    id: int
    name: str
    pid: int
    mark: str
    """When it was started, as in :class:`.identity.Identity`."""


class Failed(Struct, frozen=True, tag="failed"):
    id: int
    problem: str


class Done(Struct, frozen=True, tag="done"):
    id: int


class Stopped(Struct, frozen=True, tag="stopped"):
    id: int
    killed: bool
    """Something was left after the grace and had to be killed."""
    denied: tuple[int, ...]
    """Processes that may not be signalled: those of another user."""


class Exited(Struct, frozen=True, tag="exited"):
    """A process ended; its children may go on."""

    name: str
    pid: int
    status: int
    """Exit code; the negative number of the signal if it was ended by one."""
    requested: bool
    """It was being stopped."""


class Notified(Struct, frozen=True, tag="notified"):
    """A process sent ``READY=1``."""

    name: str
    pid: int


class LogFailed(Struct, frozen=True, tag="log_failed"):
    """Output of a process was lost; reported once for a process."""

    name: str
    problem: str


Answer = Started | Failed | Done | Stopped
Event = Hello | Answer | Exited | Notified | LogFailed


def encoded(message: Command | Event) -> bytes:
    """One line. ASCII: names of files and variables may have bytes that are no UTF-8."""
    return json.dumps(msgspec.to_builtins(message), ensure_ascii=True).encode("ascii") + b"\n"


def command_of(line: bytes) -> Command:
    """Raises ValueError for what is no command."""
    command: Command = msgspec.convert(_loaded(line), Command)
    return command


def event_of(line: bytes) -> Event:
    """Raises ValueError for what is no event."""
    event: Event = msgspec.convert(_loaded(line), Event)
    return event


def _loaded(line: bytes) -> Any:
    return json.loads(line)


class LineReader:
    """Whole lines of a pipe that does not block."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.is_at_end = False
        """The other side closed the pipe, or ended."""
        self._rest = b""

    def lines(self) -> Iterator[bytes]:
        """The lines that have come since the last call, without their ends."""
        while not self.is_at_end:
            try:
                data = os.read(self.descriptor, _CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            self.is_at_end = not data
            *whole, self._rest = (self._rest + data).split(b"\n")
            yield from whole
