"""A row of the terminal below the cursor: written over in place, and gone without a trace.

Whatever else is written on the stream stays where it would be without the row: each write first
erases the row, and draws it again behind the text, in one piece.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TextIO

from pytest_soak.report.columns import columns

ERASE: Final = "\x1b[J"
"""From the cursor to the end of the screen: the row is the last thing on it, also where a terminal
that was made narrower shows it as two."""
_BELOW: Final = "\x1bD\x1bM\x1b7\x1b[B\r\x1b[?7l"
"""Make sure that there is a row below, remember the cursor, go to that row, do not wrap."""
_BACK: Final = "\x1b[K\x1b[?7h\x1b8"
_SEQUENCE: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b.")
BEAT_S = 1.0
"""Seconds between two drawings without an event, so that a long iteration shows its time."""
_LOCK_S: Final = 1.0
"""A terminal that takes no output (Ctrl-S) delays the end of a session by so much, not for ever."""
_LEAST_COLUMNS: Final = 20
_USUAL: Final = os.terminal_size((80, 24))


class Terminal:
    """The terminal behind a stream. While pytest captures, the stream itself is a file."""

    def __init__(self, stream: TextIO) -> None:
        """Raises OSError or ValueError for a stream without a descriptor."""
        self._number = stream.fileno()
        self._device = os.fstat(self._number).st_rdev
        self._descriptor = os.dup(self._number)
        self._encoding = getattr(stream, "encoding", None) or "utf-8"

    def width(self) -> int:
        """Its columns now, of a resized terminal the new ones. 0 if it has one row only."""
        try:
            size = os.get_terminal_size(self._descriptor)
        except (OSError, ValueError):
            size = os.terminal_size((0, 0))
        if size.lines == 1:
            return 0
        # While pytest captures, the standard output has no size: then it is that of the terminal.
        usual = (size.columns or _USUAL.columns, size.lines or _USUAL.lines)
        general = shutil.get_terminal_size(usual).columns
        return min(size.columns, general) if size.columns else general

    def has_stream(self) -> bool:
        """Whether the stream is the terminal now, because nothing is captured."""
        try:
            return os.fstat(self._number).st_rdev == self._device
        except OSError:
            return False

    def write(self, text: str) -> None:
        """Write directly, past what is captured. Raises OSError if the terminal is gone."""
        data = text.encode(self._encoding, "backslashreplace")
        while data:
            data = data[os.write(self._descriptor, data) :]

    def close(self) -> None:
        with suppress(OSError):
            os.close(self._descriptor)


class StatusRow:
    """Draws a text on the row below the cursor of a terminal, from any thread."""

    def __init__(self, stream: TextIO, terminal: Terminal, text: Callable[[int], str]) -> None:
        """``text`` gives the row for a number of columns, without line breaks."""
        self._stream = stream
        self._terminal = terminal
        self._text = text
        self._write: Callable[[str], int] = stream.write
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._row = ""
        self._is_drawn = False
        self._column = 0
        self._is_open = False
        self._is_over = threading.Event()

    def open(self, *, beats: bool = True) -> None:
        """Take part in the writes of the stream, and draw every BEAT_S if it ``beats``."""
        # The instance's attribute: it also gets what a test prints while nothing is captured.
        setattr(self._stream, "write", self._write_around)  # noqa: B010
        self._is_open = True
        if beats:
            # A daemon: it ends with the process, whatever the terminal does.
            threading.Thread(target=self._beat, name="soak-status-row", daemon=True).start()

    def draw(self) -> None:
        """Draw the row as it is now. A terminal that is gone ends the drawing, and nothing else."""
        with self._lock:
            if not self._is_open or os.getpid() != self._process:
                return
            self._row = self._new_row()
            try:
                self._terminal.write(self._erased() + self._drawn())
            except OSError:
                self._is_open = self._is_drawn = False

    def close(self) -> None:
        """Erase the row, and leave the stream as it was. A second call does nothing."""
        self._is_over.set()
        is_locked = self._lock.acquire(timeout=_LOCK_S)
        try:
            if getattr(self._stream, "write", None) == self._write_around:
                with suppress(AttributeError):
                    del self._stream.write
            if is_locked and self._is_open:
                self._erase()
                self._terminal.close()
            self._is_open = False
        finally:
            if is_locked:
                self._lock.release()

    # -- the writes of others ------------------------------------------------------------------

    def _write_around(self, text: str) -> int:
        if os.getpid() != self._process:
            return self._write(text)  # of a child that was forked, perhaps while the lock was taken
        with self._lock:
            if not self._is_open or not self._terminal.has_stream():
                return self._write(text)
            before = self._erased()
            self._follow(text)
            written = self._write(before + text + self._drawn())
            self._stream.flush()  # the next row is written past the buffer
            return min(written, len(text))

    def _follow(self, text: str) -> None:
        """Keep count of the column of the cursor."""
        plain = _SEQUENCE.sub("", text)
        start = max(plain.rfind("\n"), plain.rfind("\r"))
        if start >= 0:
            self._column = 0
        self._column += columns(plain[start + 1 :])

    # -- the row -------------------------------------------------------------------------------

    def _new_row(self) -> str:
        width = self._terminal.width()
        return self._text(width - 1) if width >= _LEAST_COLUMNS else ""

    def _drawn(self) -> str:
        """What draws the row; nothing where that would lose the place of the cursor."""
        width = self._terminal.width()
        # At the right edge a terminal wraps with the next character, which moving would forget.
        is_at_edge = self._column > 0 and width > 0 and self._column % width == 0
        if not self._row or is_at_edge:
            return ""
        if columns(self._row) >= width:
            self._row = self._new_row()  # it was made narrower
        self._is_drawn = bool(self._row)
        return f"{_BELOW}{self._row}{_BACK}" if self._row else ""

    def _erased(self) -> str:
        erase, self._is_drawn = ERASE if self._is_drawn else "", False
        return erase

    def _erase(self) -> None:
        with suppress(OSError):
            if self._is_drawn:
                self._terminal.write(self._erased())

    def _beat(self) -> None:
        while not self._is_over.wait(BEAT_S):
            self.draw()


def terminal_of(stream: TextIO) -> Terminal | None:
    """The terminal of a stream on which a row can be drawn; None without one."""
    try:
        return Terminal(stream) if stream.isatty() and hasattr(stream, "__dict__") else None
    except (AttributeError, ValueError, OSError):
        return None
