"""Parts of error messages: a value as people read it, and the nearest known name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_MOST_NAMES = 12


def nearest(name: str, candidates: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest of ``candidates``, else all."""
    names = list(candidates)
    folded = {candidate.casefold(): candidate for candidate in names}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1)
    if not close and len(name) > 2:
        # A shortened name is many edits away from the whole one: risk, risk_ratio.
        close = [candidate for candidate in folded if candidate.startswith(name.casefold())]
    if close:
        return f"; did you mean {folded[close[0]]!r}?"
    if not names:
        return "; there is none"
    rest = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"; known: {', '.join(names[:_MOST_NAMES])}{rest}"


def without_secrets(url: str) -> str:
    """A URL, whatever is wrong with it, without credentials, query and fragment."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    rest = re.sub(r".*@", "***@", rest, flags=re.DOTALL)
    return scheme + separator + re.split(r"[?#]", rest, maxsplit=1)[0]


def shown(value: object) -> str:
    """``value`` as YAML writes it, shortened to one line of a message."""
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
