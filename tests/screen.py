"""A small terminal: what is on its screen after the writes of a session."""

from __future__ import annotations

import re
from typing import Final

_COMMAND: Final = r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
"""To the window of the terminal: some versions of pytest show their progress in it."""
_SEQUENCE: Final = re.compile(
    rf"\x1b\[(\??[0-9;]*)([A-Za-z])|\x1b([78DM])|({_COMMAND})|\r|\n|[^\x1b\r\n]|\x1b"
)
_UNFINISHED: Final = re.compile(r"\x1b(?:\[\??[0-9;]*|\][^\x07\x1b]*\x1b?)?\Z")
"""The begin of a sequence whose end comes with the next write."""


class Screen:
    """Understands what the package and pytest write: text, line ends, colours, and moves.

    As the usual terminals, it wraps with the next character, not at the right edge itself. Raises
    AssertionError for any other sequence.
    """

    def __init__(self, width: int = 100, height: int = 30) -> None:
        self.width, self.height = width, height
        self._rows: list[list[str]] = [[]]
        self._top = 0
        self._row = self._column = 0
        self._saved = (0, 0)
        self._wraps = True
        self._pending = ""

    def feed(self, text: str) -> None:
        text = self._pending + text
        unfinished = _UNFINISHED.search(text)
        self._pending = unfinished[0] if unfinished else ""
        text = text.removesuffix(self._pending)
        for match in _SEQUENCE.finditer(text):
            argument, command, short, window = match.groups()
            if window:
                continue
            if command:
                self._control(argument, command)
            elif short:
                self._short(short)
            elif match[0] == "\r":
                self._column = 0
            elif match[0] == "\n":
                self._row, self._column = self._row + 1, 0
                self._scroll()
            else:
                assert match[0] != "\x1b", text[match.start() : match.start() + 20]
                self._put(match[0])

    @property
    def lines(self) -> list[str]:
        """All lines, those that have scrolled off too, without empty ones at the end."""
        lines = ["".join(row).rstrip() for row in self._rows]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def _put(self, character: str) -> None:
        if self._column >= self.width:
            if self._wraps:
                self._row, self._column = self._row + 1, 0
                self._scroll()
            else:
                self._column = self.width - 1
        row = self._rows[self._row]
        row.extend(" " * (self._column + 1 - len(row)))
        row[self._column] = character
        self._column += 1

    def _scroll(self) -> None:
        while len(self._rows) <= self._row:
            self._rows.append([])
        self._top = max(self._top, self._row - self.height + 1)

    def _short(self, command: str) -> None:
        if command == "7":
            self._saved = (self._row - self._top, self._column)
        elif command == "8":
            self._row, self._column = self._saved[0] + self._top, self._saved[1]
        elif command == "D":
            self._row += 1
            self._scroll()
        else:
            self._row = max(self._top, self._row - 1)

    def _control(self, argument: str, command: str) -> None:
        if command == "m":
            return
        if argument == "?7":
            self._wraps = command == "h"
            return
        assert not argument, argument + command
        if command == "B":
            self._row = min(self._row + 1, self._top + self.height - 1, len(self._rows) - 1)
        elif command in "JK":
            del self._rows[self._row][self._column :]
            if command == "J":
                self._rows[self._row + 1 :] = [[] for _ in self._rows[self._row + 1 :]]
        else:
            raise AssertionError(command)
