"""The data that the script draws, as JSON that no HTML parser misreads."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pytest_soak.report.view.model import WindowView
from pytest_soak.report.view.scale import MOST_POINTS, extremes

COLUMNS = 1_000
"""Columns of a long run: more than a screen has for one panel."""
_STEPS = 2_000
"""Values are rounded to this part of their range, which is finer than a pixel."""
_ESCAPES = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def script_json(value: Mapping[str, Any]) -> Markup:
    """JSON for the content of a script element: it cannot end the element or begin a comment.

    Raises ValueError for a number that JSON does not have.
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return Markup(text)  # noqa: S704


def compact(
    numbers: Sequence[int], values: Sequence[float | None]
) -> tuple[list[int] | None, Sequence[float | None]]:
    """All values and no numbers (they are those of the lane), or the extremes with theirs."""
    if len(numbers) <= MOST_POINTS:
        return None, values
    return extremes(numbers, values, COLUMNS)


def rounded(values: Sequence[float | None]) -> list[float | int | None]:
    """The values with as many digits as a picture can show."""
    present = [value for value in values if value is not None]
    digits = _digits(min(present), max(present)) if present else 0
    return [None if value is None else _round(value, digits) for value in values]


def window_data(window: WindowView) -> list[float | int | None]:
    """First and last iteration, figure, low, high."""
    return [window.first, window.last, window.figure, window.low, window.high]


def _digits(low: float, high: float) -> int:
    span = high / 2 - low / 2
    if span <= 0.0:
        span = max(abs(high) / 100, 1e-300)
    return min(max(math.ceil(math.log10(_STEPS) - math.log10(span)), 0), 300)


def _round(value: float, digits: int) -> float | int:
    short = float(f"{round(value, digits):.9g}")
    return int(short) if short.is_integer() and abs(short) < 2**53 else short
