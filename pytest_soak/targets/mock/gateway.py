"""The latency of a request to the venue, and the load of the gateway.

``L = L0 · exp(.45 z) · (1 + .5 ρ/(1-ρ)) · regime`` with
``ρ = (3 · (in flight + 1) + load/35)/capacity``: a log-normal service time behind a queue (the
delay of M/G/1 grows as ``ρ/(1-ρ)``). ``load`` counts the requests that were sent in the last
seconds, so each request makes the next ones slower.
"""

from __future__ import annotations

import math

from pytest_soak.targets.mock.order_state import LOAD, LOAD_AT

LOAD_TIME_S = 5.0
_SERVICE_S = 0.108
_SPREAD_OF_LOG = 0.45
_CAPACITY = 36.0
_IN_FLIGHT_WEIGHT, _LOAD_PER_MIN = 3.0, 35.0
_BUSIEST = 0.96


def latency_s(noise: float, factor: float, in_flight: float, load_per_min: float) -> float:
    """Seconds until a request takes effect; ``noise`` is a standard normal."""
    busy = (_IN_FLIGHT_WEIGHT * (in_flight + 1.0) + load_per_min / _LOAD_PER_MIN) / _CAPACITY
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
