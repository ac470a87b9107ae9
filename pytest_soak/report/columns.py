"""Texts measured in columns of a terminal: a wide character takes two, a combining one none."""

from __future__ import annotations

import unicodedata

from pytest_soak.canonical import escaped

_WIDE = frozenset({"W", "F"})
_MARKS = frozenset({"Mn", "Me"})


def columns(text: str) -> int:
    """How many columns ``text`` takes. It has no control characters."""
    return len(text) if text.isascii() else sum(map(_width, text))


def cut_to(text: str, width: int) -> str:
    """``text`` on one line of at most ``width`` columns, ``..`` where it goes on."""
    line = escaped(" ".join(text.splitlines()))
    if columns(line) <= width:
        return line
    end = ".."[: max(0, width)]
    return _first(line, width - len(end)) + end


def middle_cut(text: str, width: int) -> str:
    """``text`` of at most ``width`` columns, ``..`` in place of its middle.

    The ends of long names are what tells them apart.
    """
    line = escaped(" ".join(text.splitlines()))
    if columns(line) <= width:
        return line
    if width < 6:
        return cut_to(line, width)
    head = (width - 2) // 3
    tail = _first(line[::-1], width - 2 - head)[::-1]
    return f"{_first(line, head)}..{tail}"


def padded(text: str, width: int) -> str:
    """``text`` with spaces up to ``width`` columns."""
    return text + " " * (width - columns(text))


def _first(text: str, width: int) -> str:
    used = 0
    for index, character in enumerate(text):
        used += _width(character)
        if used > width:
            return text[:index]
    return text


def _width(character: str) -> int:
    if unicodedata.east_asian_width(character) in _WIDE:
        return 2
    return 0 if unicodedata.category(character) in _MARKS else 1
