"""Text for Markdown reports: what others wrote is shown as they wrote it, and does nothing."""

from __future__ import annotations

import re
from functools import lru_cache

from pytest_soak.canonical import escaped

_PUNCTUATION = r"!-/:-@\[-`{-~"
_BACKSLASH = re.compile(rf"\\(?=[{_PUNCTUATION}]|$)")
"""A backslash that would take the meaning of the character after it."""
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_ENTITY = re.compile(r"&(?=#?[A-Za-z0-9]+;)")
_ADDRESS = re.compile(r"(?<=[A-Za-z0-9]):(?=//)")
_WWW = re.compile(r"(?<![A-Za-z0-9])(www)\.", re.IGNORECASE)
_BLOCK = re.compile(r"^(?=(?:#{1,6}|[-+*])(?:\s|$)|>|`{3}|~{3}|(?:[-*_]\s*){3,}$)")
"""What begins a heading, a quotation, a list or a rule at the begin of a line."""
_NUMBERED = re.compile(r"^([0-9]+)(?=[.)](?:\s|$))")


@lru_cache(maxsize=256)
def cell(text: str) -> str:
    """``text`` for a cell of a table or inside a line: one line, no column marks.

    HTML, images, links and addresses are shown, and make no element, no request and no link.
    Kept, because the reasons of one iteration are mostly those of others.
    """
    line = escaped(" ".join(text.split()))
    line = _BACKSLASH.sub(r"\\\\", line).replace("|", "\\|").replace("[", "\\[")
    line = _ENTITY.sub("&amp;", line)
    line = _TAG.sub("&lt;", line)
    return _WWW.sub(r"\1\\.", _ADDRESS.sub(r"\\:", line))


def bullet(text: str) -> str:
    """``text`` as an item of a list: it begins no heading, quotation or list of its own."""
    line = _BLOCK.sub(r"\\", cell(text))
    return "- " + _NUMBERED.sub(r"\1\\", line)


def code(text: str) -> str:
    """``text`` as code inside a line. A grave accent would end it, so it is left out."""
    return f"`{escaped(' '.join(text.split())).replace('`', '')}`"


_REFERENCE = re.compile(r"@(?=[A-Za-z0-9_-])|#(?=[0-9])|\b[Gg][Hh]-(?=[0-9])")
"""What GitHub makes a mention of a person, or a reference to an issue."""


def unlinked(markdown: str) -> str:
    """Markdown in which GitHub finds no mention and no reference to an issue.

    A space without width stands after the sign that would begin one. Not for code, which shows it.
    """
    return _REFERENCE.sub(lambda match: f"{match[0]}&#8203;", markdown)
