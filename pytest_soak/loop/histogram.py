"""A quantile from the buckets of a histogram in a report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from pytest_soak.canonical import number
from pytest_soak.loop.derived import reading_of
from pytest_soak.loop.model import Reading
from pytest_soak.messages import shown
from pytest_soak.profile.kpi import Buckets

_INFINITE = ("+inf", "inf")
Bucket = tuple[float, float]
"""Upper bound, inclusive, and how many values lie above the bound before it and up to this one."""


class _UnusableError(ValueError):
    """Why a histogram has no quantile; begins behind its name."""


def quantile_reading(value: Any, q: float, form: Buckets, source: str) -> Reading:
    """The ``q``-quantile of the histogram ``value``, by a straight line within its bucket.

    ``value`` is a mapping of upper bound (a number as text, ``+Inf`` for the last) to count. The
    first bucket begins at 0, if its bound is above 0. Without values, or beyond the last finite
    bound, there is no data: how far beyond is not known. ``source`` is the name in the reading.
    """
    try:
        return reading_of(_quantile(_buckets(value, form), q), source, f"the quantile of {source}")
    except _UnusableError as problem:
        return Reading(None, source, why=f"{source} {problem}")


def _buckets(value: Any, form: Buckets) -> list[Bucket]:
    """The buckets by rising bound, each with the count of its own values."""
    if not isinstance(value, Mapping):
        raise _UnusableError(f"is {shown(value)}, not a mapping of upper bound to count")
    given = sorted((_bound(text), _count(text, count)) for text, count in value.items())
    if any(a == b for (a, _), (b, _) in pairwise(given)):
        raise _UnusableError("has a bound twice")
    if form == "plain":
        return given
    counts = [0.0, *(count for _, count in given)]
    if any(later < earlier for earlier, later in pairwise(counts)):
        raise _UnusableError("falls from one bucket to the next; cumulative counts never do")
    return [(bound, counts[i + 1] - counts[i]) for i, (bound, _) in enumerate(given)]


def _bound(text: Any) -> float:
    if isinstance(text, str) and text.lower() in _INFINITE:
        return math.inf
    try:
        bound = number(float(text))
    except (TypeError, ValueError):
        bound = None
    if bound is None:
        raise _UnusableError(f"has the bound {shown(text)}, which is no number")
    return bound


def _count(text: Any, value: Any) -> float:
    count = number(value)
    if count is None or count < 0.0:
        raise _UnusableError(f"has {shown(value)} as the count of {shown(text)}")
    return count


def _quantile(buckets: list[Bucket], q: float) -> float:
    total = math.fsum(count for _, count in buckets)
    if total <= 0.0:
        raise _UnusableError("counts no value")
    if math.isinf(total):
        raise _UnusableError("counts more values than a number can be")
    rank, below = q * total, 0.0
    low = min(0.0, buckets[0][0])
    for bound, count in buckets:
        if count and below + count >= rank:
            if math.isinf(bound):
                raise _UnusableError(f"has its {q:g}-quantile beyond the last bound, {low:g}")
            return low + (bound - low) * ((rank - below) / count)
        below, low = below + count, bound
    raise _UnusableError("counts no value")
