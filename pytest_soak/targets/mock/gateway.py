"""The way to the venue: how long a request takes, and how busy the way is.

``L = L0 · exp(.45 z) · (1 + .5 ρ/(1-ρ)) · regime`` with ``ρ = (in flight + 1 + load/30)/capacity``:
a log-normal service time behind a queue (the delay of M/G/1 grows as ``ρ/(1-ρ)``). ``load`` is
what really went through in the last seconds, so every request makes the next ones slower.
"""

from __future__ import annotations

import math

from pytest_soak.targets.mock.desk import LOAD, LOAD_AT

LOAD_TIME_S = 5.0
_SERVICE_S = 0.104
_SPREAD_OF_LOG = 0.45
_CAPACITY = 30.0
_BUSIEST = 0.96


def latency_s(noise: float, factor: float, in_flight: float, load_per_min: float) -> float:
    """Seconds until a request takes effect; ``noise`` is a standard normal."""
    busy = (in_flight + 1.0 + load_per_min / 30.0) / _CAPACITY
    if busy > _BUSIEST:
        busy = _BUSIEST
    queue = 1.0 + 0.5 * busy / (1.0 - busy)
    return _SERVICE_S * math.exp(_SPREAD_OF_LOG * noise) * queue * factor


def loaded(values: list[float], now: float) -> float:
    """Requests per minute with one more at ``now``, an exponential mean; kept in ``values``."""
    load = values[LOAD] * math.exp((values[LOAD_AT] - now) / LOAD_TIME_S) + 60.0 / LOAD_TIME_S
    values[LOAD] = load
    values[LOAD_AT] = now
    return load
