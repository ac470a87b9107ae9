"""How long a run still takes, from the iterations behind it, and times as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Final

LAST: Final = 5
"""The mean is that of so many durations: a run that has become slower or faster counts as it is."""

_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400


def eta_s(done: int, planned: int, durations: Sequence[float]) -> float | None:
    """Seconds until ``planned`` iterations are done, if the next ones take as long as the last.

    ``durations``: seconds of the iterations that were timed, oldest first; they may be fewer than
    ``done``, as after a resume. The first one also has the start of the target in it, so it counts
    only where there is no other. None without any duration; 0 where nothing is left.
    """
    left = planned - done
    if left <= 0:
        return 0.0
    timed = [seconds for seconds in durations if math.isfinite(seconds) and seconds >= 0]
    last = timed[1:][-LAST:] or timed
    return left * fmean(last) if last else None


def duration_text(seconds: float) -> str:
    """``35 s``, ``2 min 5 s``, ``1 h 12 min``, ``3 d 4 h``: the two largest units.

    ``unknown`` for a number of seconds that is not finite; a negative one counts as zero.
    """
    if not math.isfinite(seconds):
        return "unknown"
    whole = max(0, round(seconds))
    if whole < _HOUR:
        return _units((whole // _MINUTE, "min"), (whole % _MINUTE, "s"))
    minutes = round(seconds / _MINUTE)
    if minutes * _MINUTE < _DAY:
        return _units((minutes // 60, "h"), (minutes % 60, "min"))
    hours = round(seconds / _HOUR)
    return _units((hours // 24, "d"), (hours % 24, "h"))


def _units(larger: tuple[int, str], smaller: tuple[int, str]) -> str:
    parts = [f"{count} {unit}" for count, unit in (larger, smaller) if count]
    return " ".join(parts) or f"0 {smaller[1]}"
