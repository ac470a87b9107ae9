"""The warnings of a profile for people: where, what does not work, and what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from pytest_soak.profile.warnings import PlacedWarning
from pytest_soak.report.layout import labelled

_COLUMN = 6


def warning_lines(items: Sequence[PlacedWarning]) -> list[str]:
    """A few lines for each warning."""
    return [line for item in items for line in _lines(item)]


def _lines(item: PlacedWarning) -> list[str]:
    warning = item.warning
    head = f"{'.'.join(warning.path)}{_place(item)}"
    return [
        *labelled("WARN", head, indent=0, column=_COLUMN),
        *labelled("", warning.problem, indent=0, column=_COLUMN),
        *labelled("->", warning.remedy, indent=3, column=_COLUMN),
    ]


def _place(item: PlacedWarning) -> str:
    if item.place is None:
        return ""
    return f" ({PurePath(item.place.file).name}:{item.place.line})"
