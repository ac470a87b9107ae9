"""Texts for messages: the description of a reported value, and the nearest valid name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pytest_soak.canonical import escaped

_LONGEST = 60
_MOST_NAMES = 6


def described(value: Any) -> str:
    """A JSON value as ``a text, '300ms'``, ``a list``, ``NaN``, ``null``, ``true`` or ``-3``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if value in ("NaN", "Infinity", "-Infinity"):
            return value  # the journal stores NaN and infinite floats as these texts
        return f"a text, {escaped(repr(value[:_LONGEST]))}"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, int) and value.bit_length() > 1024:
        return "a number of hundreds of digits"
    if isinstance(value, (int, float)):
        return f"{value:.12g}" if abs(value) < 1e15 else f"{value:g}"
    return f"of type {type(value).__name__}"


def hint(name: str, candidates: Iterable[str]) -> str:
    """`` (did you mean 'risk'?)`` if one of the candidates is near, else empty."""
    # Sorted, so that the text is the same after a resume: the journal sorts its keys.
    return _hint(name, tuple(sorted(candidates)))


@lru_cache(maxsize=1024)
def _hint(name: str, candidates: tuple[str, ...]) -> str:
    """The search takes .1 ms, and a field that is absent is absent in every iteration."""
    folded = {candidate.casefold(): candidate for candidate in candidates}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1)
    # A shortened name (p95 for p95_latency_ms) has a large edit distance, so prefixes count too.
    close = close or [item for item in folded if len(name) > 2 and item.startswith(name.casefold())]
    return f" (did you mean {folded[close[0]]!r}?)" if close else ""


def names(mapping: Mapping[str, Any] | Sequence[str]) -> str:
    """The sorted names of the fields of a section: ``p95, error_ratio and 3 more``."""
    shown = [escaped(str(name)[:_LONGEST]) for name in sorted(mapping)[:_MOST_NAMES]]
    more = len(mapping) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
