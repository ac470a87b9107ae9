"""What is said to people about a bad profile."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SHOWN = 12


class ProfileError(ValueError):
    """A profile cannot be used. The message names file, key path, value and what would be right."""


class Invalid(Exception):  # noqa: N818 - a finding on its way to becoming a ProfileError
    """A finding at a key path, before it is known which file of the chain said it."""

    def __init__(self, path: tuple[str, ...], problem: str) -> None:
        super().__init__(problem)
        self.path = path
        self.problem = problem

    def at(self, label: str) -> ProfileError:
        where = ".".join(self.path)
        return ProfileError(
            f"{label}: {where}: {self.problem}" if where else f"{label}: {self.problem}"
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known one, else what there is."""
    names = list(known)
    folded = {candidate.casefold(): candidate for candidate in names}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1)
    # A shortened name is far from the whole one by edits: risk, risk_ratio.
    close = close or [each for each in folded if len(name) > 2 and each.startswith(name.casefold())]
    if close:
        return f"; did you mean {folded[close[0]]!r}?"
    if not names:
        return "; there is none"
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"; known: {', '.join(names[:_SHOWN])}{rest}"


def shown(value: object) -> str:
    """``value`` in the words of a profile's author, short enough for one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        return "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "…"
