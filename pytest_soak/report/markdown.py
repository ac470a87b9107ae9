"""Text for Markdown reports."""

from __future__ import annotations

from pytest_soak.canonical import escaped


def cell(text: str) -> str:
    """``text`` for a cell of a Markdown table or a list item: one line, no column marks."""
    return escaped(" ".join(text.split())).replace("|", "\\|")
