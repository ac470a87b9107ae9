"""The output of one process on its way into its log, within a rate that bounds the supervisor.

A process that writes faster waits, as it would for a terminal. Output that the log cannot take is
dropped, so that a full disk does not stop the process.
"""

from __future__ import annotations

import contextlib
import os
import time

from pytest_soak.processes.log_file import CappedLog

RATE = 16_000_000
"""Bytes per second that are read of one process."""
_SPAN_S = 0.1
_CHUNK = 65536
_PIPE_BYTES = 1 << 20
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ of Linux
_MOST_AT_END = 4 << 20


class Output:
    """The reading end of a pipe to which a process writes."""

    def __init__(self, descriptor: int, log: CappedLog) -> None:
        self.descriptor = descriptor
        self.is_at_end = False
        """Nothing can come any more, or the pipe is closed."""
        self.problem: str | None = None
        """Why output was dropped first."""
        self._log = log
        self._span_began = 0.0
        self._read_in_span = 0
        os.set_blocking(descriptor, False)
        _enlarge(descriptor)

    def pump(self) -> float:
        """Move what is there. Returns the seconds to wait before the next call, 0 mostly."""
        now = time.monotonic()
        if now - self._span_began >= _SPAN_S:
            self._span_began, self._read_in_span = now, 0
        while not self.is_at_end:
            if self._read_in_span >= RATE * _SPAN_S:
                return max(0.001, self._span_began + _SPAN_S - now)
            if not self._move():
                break
        return 0.0

    def finish(self) -> None:
        """Move what is left, whatever the rate: the process has ended."""
        moved = 0
        while not self.is_at_end and moved < _MOST_AT_END and (count := self._move()):
            moved += count

    def close(self) -> None:
        """Once; nothing is read after it."""
        self.is_at_end = True
        with contextlib.suppress(OSError):
            os.close(self.descriptor)

    def _move(self) -> int:
        """Move one chunk. Returns its bytes, 0 if nothing is there."""
        try:
            data = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:
            return 0
        except OSError:
            data = b""
        if not data:
            self.is_at_end = True
            return 0
        self._read_in_span += len(data)
        try:
            self._log.write(data)
        except OSError as error:
            self.problem = self.problem or f"{error.strerror or error}"
        return len(data)


def _enlarge(descriptor: int) -> None:
    """More space for a burst, where the operating system has it."""
    try:
        import fcntl

        fcntl.fcntl(descriptor, _SET_PIPE_SIZE, _PIPE_BYTES)
    except (ImportError, OSError):
        return
