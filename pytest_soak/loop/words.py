"""How a value of a report is described to people, and the nearest known name of an unknown one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_soak.canonical import escaped

_LONGEST = 60
_MOST_NAMES = 6


def described(value: Any) -> str:
    """``a text, '300ms'``, ``a list``, ``NaN``, ``null``, ``true``, ``-3``; of JSON's types."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if value in ("NaN", "Infinity", "-Infinity"):
            return value  # what the journal makes of a float that is none
        return f"a text, {escaped(repr(value[:_LONGEST]))}"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, int) and value.bit_length() > 1024:
        return "a number of hundreds of digits"
    if isinstance(value, (int, float)):
        return f"{value:g}"
    return f"of type {type(value).__name__}"


def hint(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'risk'?)`` where a known name is near, else empty."""
    # Sorted, so that the answer is the same before and after the journal, which sorts its keys.
    folded = {candidate.casefold(): candidate for candidate in sorted(known)}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1)
    # A shortened name is far from the whole one by edits: p95, p95_latency_ms.
    close = close or [item for item in folded if len(name) > 2 and item.startswith(name.casefold())]
    return f" (did you mean {folded[close[0]]!r}?)" if close else ""


def names(mapping: Mapping[str, Any]) -> str:
    """``p95, error_ratio and 3 more``: the fields that a section has, sorted."""
    shown = [escaped(str(name)[:_LONGEST]) for name in sorted(mapping)[:_MOST_NAMES]]
    more = len(mapping) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
