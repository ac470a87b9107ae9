"""Text for HTML and SVG."""

from __future__ import annotations

from html import escape

from pytest_soak.canonical import escaped


def html_text(text: str) -> str:
    """``text`` for the content of an element or for a quoted attribute: it is shown, and no markup.

    XML does not allow control characters, so they are shown as escapes.
    """
    return escape(escaped(text), quote=True)
