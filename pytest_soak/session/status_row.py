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
from typing import Any, Final, TextIO

from pytest_soak.report.columns import columns

ERASE: Final = "\x1b[J"
"""From the cursor to the end of the screen: the row is the last thing on it, also where a terminal
that was made narrower shows it as two."""
_BELOW: Final = "\x1bD\x1bM\x1b7\x1b[B\r\x1b[?7l"
"""Make sure that there is a row below, remember the cursor, go to that row, do not wrap."""
_BACK: Final = "\x1b[K\x1b[?7h\x1b8"
_SEQUENCE: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b.")
BEAT_S: Final = 1.0
_LOCK_S: Final = 1.0
"""A terminal that takes no output (Ctrl-S) delays the end of a session by so much, not for ever."""
_LEAST_COLUMNS: Final = 20


def width_of(stream: TextIO) -> int:
    """The columns of the terminal, now: of a resized one the new ones. 0 if it has no rows."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        size = os.terminal_size((0, 0))
    if size.lines == 1:
        return 0
    general = shutil.get_terminal_size().columns
    return min(size.columns, general) if size.columns else general


class StatusRow:
    """Draws a text on the row below the cursor of ``stream``, from any thread."""

    def __init__(
        self,
        stream: TextIO,
        text: Callable[[int], str],
        width: Callable[[TextIO], int] = width_of,
    ) -> None:
        """``text`` gives the row for a number of columns, without line breaks."""
        self._stream = stream
        self._text = text
        self._width = width
        self._write: Callable[[str], int] = stream.write
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._row = ""
        self._is_drawn = False
        self._column = 0
        self._is_paused = False
        self._is_open = False
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, beat_s: float | None = BEAT_S) -> None:
        """Take part in the writes of the stream, and draw every ``beat_s``; None: no thread."""
        # The instance's attribute: it also gets what is printed while pytest captures nothing.
        setattr(self._stream, "write", self._write_around)  # noqa: B010
        self._is_open = True
        if beat_s is not None:
            self._thread = threading.Thread(
                target=self._beat, args=(beat_s,), name="soak-status-row", daemon=True
            )
            self._thread.start()

    def draw(self) -> None:
        """Draw the row as it is now. A terminal that is gone ends the drawing, and nothing else."""
        with self._lock:
            if self._is_paused or not self._is_open or os.getpid() != self._process:
                return
            self._row = self._new_row()
            try:
                self._write(self._erased() + self._drawn())
                self._stream.flush()
            except (OSError, ValueError):
                self._is_open = self._is_drawn = False

    def pause(self) -> None:
        """Erase the row and draw none until :meth:`resume`: the user has the terminal."""
        with self._lock:
            self._is_paused = True
            self._erase()

    def resume(self) -> None:
        with self._lock:
            self._is_paused = False
            self._column = 0

    def close(self) -> None:
        """Erase the row, and leave the stream as it was. A second call does nothing."""
        self._is_over.set()
        is_locked = self._lock.acquire(timeout=_LOCK_S)
        try:
            if getattr(self._stream, "write", None) == self._write_around:
                with suppress(AttributeError):
                    del self._stream.write
            if is_locked:
                self._erase()
            self._is_open = False
        finally:
            if is_locked:
                self._lock.release()

    # -- the writes of others ------------------------------------------------------------------

    def _write_around(self, text: str) -> int:
        if os.getpid() != self._process:
            return self._write(text)  # of a child that was forked, perhaps while the lock was taken
        with self._lock:
            if not self._is_open or self._is_paused:
                return self._write(text)
            before = self._erased()
            self._follow(text)
            written = self._write(before + text + self._drawn())
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
        width = self._width(self._stream)
        return self._text(width - 1) if width >= _LEAST_COLUMNS else ""

    def _drawn(self) -> str:
        """What draws the row; nothing where that would lose the place of the cursor."""
        width = self._width(self._stream)
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
        with suppress(OSError, ValueError):
            if self._is_drawn:
                self._write(self._erased())
                self._stream.flush()

    def _beat(self, beat_s: float) -> None:
        while not self._is_over.wait(beat_s):
            self.draw()


def is_usable(stream: Any) -> bool:
    """Whether a row can be drawn on the stream: a terminal, and its writes can be taken part in."""
    try:
        return bool(stream.isatty()) and hasattr(stream, "__dict__")
    except (AttributeError, ValueError, OSError):
        return False
