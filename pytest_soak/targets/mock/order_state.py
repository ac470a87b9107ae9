"""The bot's orders at the venue and its own state, as flat lists of floats.

The event loop handles thousands of events, so there is no object per order and none per event.
Slots ``0 … LEVELS-1`` are the bids, innermost first, the next ``LEVELS`` the asks, and ``EXIT`` is
the one exit order. Times are seconds from the start of the iteration, prices bps, sizes lots. In
CPython the event loop works on lists; the same functions take arrays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LEVELS = 4
EXIT = 2 * LEVELS
SLOTS = EXIT + 1

(
    INVENTORY,
    FAST_IMPACT,
    SLOW_IMPACT,
    TOKENS,
    TOKENS_AT,
    SENT_AT,
    LOAD,
    LOAD_AT,
    IN_FLIGHT,
    WAKE,
    VARIANCE,
    DEPTH,
    VOLUME_RATE,
) = range(13)
"""Index of each figure in ``OrderState.values``."""

_LISTS = ("price", "size", "queue", "placed", "lands", "next_price", "next_size", "retry", "values")
_TIMES = ("placed", "lands", "retry")
_TIME_VALUES = (TOKENS_AT, SENT_AT, LOAD_AT, WAKE)


def _slots(value: float) -> list[float]:
    return [value] * SLOTS


def _values() -> list[float]:
    values = [0.0] * 13
    values[TOKENS] = math.inf  # the bucket starts full; the first refill limits it to its size
    values[SENT_AT] = -1.0
    values[VARIANCE] = values[DEPTH] = values[VOLUME_RATE] = -1.0  # no value yet
    return values


@dataclass(slots=True)
class OrderState:
    """Orders, and the scalar state of bot, gateway and impact. Iterations pass it on."""

    price: list[float] = field(default_factory=lambda: _slots(0.0))
    size: list[float] = field(default_factory=lambda: _slots(0.0))
    """Size of the resting order; 0 if there is none."""
    queue: list[float] = field(default_factory=lambda: _slots(0.0))
    """Size of other orders ahead of the resting one."""
    placed: list[float] = field(default_factory=lambda: _slots(0.0))
    lands: list[float] = field(default_factory=lambda: _slots(math.inf))
    """When the request in flight takes effect; infinite if there is none."""
    next_price: list[float] = field(default_factory=lambda: _slots(0.0))
    next_size: list[float] = field(default_factory=lambda: _slots(0.0))
    retry: list[float] = field(default_factory=lambda: _slots(0.0))
    """The earliest time for another attempt after a refusal."""
    values: list[float] = field(default_factory=_values)

    @property
    def open_quotes(self) -> int:
        """How many quotes rest or are on their way. An exit order is not a quote."""
        resting = sum(size > 0.0 for size in self.size[:EXIT])
        return resting + sum(lands < math.inf for lands in self.lands[:EXIT])

    def shift(self, seconds: float) -> None:
        """Express all times relative to ``seconds`` later, the start of the next iteration."""
        for name in _TIMES:
            times = getattr(self, name)
            times[:] = [time - seconds for time in times]
        for index in _TIME_VALUES:
            self.values[index] -= seconds

    def to_json(self) -> dict[str, list[float | None]]:
        """All lists as JSON values; an infinity becomes null."""
        return {
            name: [value if math.isfinite(value) else None for value in getattr(self, name)]
            for name in _LISTS
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> OrderState:
        """The inverse of :meth:`to_json`."""
        return cls(
            **{
                name: [math.inf if value is None else float(value) for value in state[name]]
                for name in _LISTS
            }
        )


def first_to_land(lands: list[float]) -> int:
    """The slot whose request takes effect next."""
    first = 0
    for slot in range(1, SLOTS):
        if lands[slot] < lands[first]:
            first = slot
    return first
