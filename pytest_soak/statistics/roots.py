"""The root of a monotonic function."""

from __future__ import annotations

from collections.abc import Callable


def root_of(
    function: Callable[[float], float], low: float, high: float, *, accuracy: float = 1e-15
) -> float:
    """The root of a monotonic function whose signs differ at ``low`` and ``high``.

    Regula falsi with the Illinois rule (Dowell and Jarratt 1971): about ten calls of the function.
    Stops when the root moves by less than ``accuracy`` of its size.
    """
    at_low, at_high = function(low), function(high)
    for _ in range(200):
        if at_high == 0.0 or at_high == at_low:
            break
        middle = high - at_high * (high - low) / (at_high - at_low)
        at_middle = function(middle)
        if at_middle * at_high < 0.0:
            low, at_low = high, at_high
        else:
            at_low *= 0.5
        moved = abs(middle - high)
        high, at_high = middle, at_middle
        if moved <= accuracy * abs(high):
            break
    return high
