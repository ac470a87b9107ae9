"""What the bot has at the venue, as flat lists of floats: no object per order, none per event.

Slots ``0 … LEVELS-1`` are the bids, innermost first, the next ``LEVELS`` the asks, and ``EXIT``
is the one exit order. Times are seconds from the start of the iteration, prices bps, sizes lots.
The event loop works on lists in CPython; the same functions take arrays.
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
"""Where a figure of ``Desk.values`` lives."""

MAKER, CROSS, HEDGE = range(3)
"""How a fill came about: resting, crossing on arrival, leaving a position."""

_LISTS = ("price", "size", "queue", "placed", "lands", "next_price", "next_size", "retry", "values")
_TIMES = ("placed", "lands", "retry")
_TIME_VALUES = (TOKENS_AT, SENT_AT, LOAD_AT, WAKE)


def _slots(value: float) -> list[float]:
    return [value] * SLOTS


def _values() -> list[float]:
    values = [0.0] * 13
    values[TOKENS] = math.inf  # the bucket starts full; the first refill bounds it
    values[SENT_AT] = -1.0
    values[VARIANCE] = values[DEPTH] = values[VOLUME_RATE] = -1.0  # not known yet
    return values


@dataclass(slots=True)
class Desk:
    """Orders and the scalar state of bot, gateway and impact; carried over iterations."""

    price: list[float] = field(default_factory=lambda: _slots(0.0))
    size: list[float] = field(default_factory=lambda: _slots(0.0))
    """What rests; 0: nothing does."""
    queue: list[float] = field(default_factory=lambda: _slots(0.0))
    """Size of others ahead of ours."""
    placed: list[float] = field(default_factory=lambda: _slots(0.0))
    lands: list[float] = field(default_factory=lambda: _slots(math.inf))
    """When the request in flight takes effect; infinite: none is."""
    next_price: list[float] = field(default_factory=lambda: _slots(0.0))
    next_size: list[float] = field(default_factory=lambda: _slots(0.0))
    retry: list[float] = field(default_factory=lambda: _slots(0.0))
    """Not before this is a refused request tried again."""
    values: list[float] = field(default_factory=_values)

    @property
    def open_quotes(self) -> int:
        """Quotes at rest and on their way; an exit order is none."""
        resting = sum(size > 0.0 for size in self.size[:EXIT])
        return resting + sum(lands < math.inf for lands in self.lands[:EXIT])

    def shift(self, seconds: float) -> None:
        """Count times from ``seconds`` later on: the next iteration's start."""
        for name in _TIMES:
            times = getattr(self, name)
            times[:] = [time - seconds for time in times]
        for index in _TIME_VALUES:
            self.values[index] -= seconds

    def to_json(self) -> dict[str, list[float | None]]:
        """Infinities are null: JSON has none."""
        return {
            name: [value if math.isfinite(value) else None for value in getattr(self, name)]
            for name in _LISTS
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Desk:
        return cls(
            **{
                name: [math.inf if one is None else float(one) for one in value[name]]
                for name in _LISTS
            }
        )


@dataclass(slots=True)
class Tape:
    """What happened in one iteration, column by column; one row a fill."""

    time: list[float] = field(default_factory=list)
    side: list[float] = field(default_factory=list)
    price: list[float] = field(default_factory=list)
    size: list[float] = field(default_factory=list)
    kind: list[int] = field(default_factory=list)
    mid: list[float] = field(default_factory=list)
    """The mid at the moment of the fill."""
    slot: list[int] = field(default_factory=list)
    """Whose order was filled."""
    placed: list[float] = field(default_factory=list)
    """Since when that order rested; the moment of the fill for one that took. With the slot, it
    tells an order's fills from those of the next order there."""
    latency: list[float] = field(default_factory=list)
    """Seconds, one a request."""
    blocks: list[int] = field(default_factory=lambda: [0] * 5)
    """By code of :func:`pytest_soak.targets.quoting.admit`; the first counts the admitted."""
    mids: list[float] = field(default_factory=list)
    """The mid with the bot's own impact, one a tick."""
    held: list[float] = field(default_factory=list)
    """The absolute inventory, one a tick."""
    sent: list[float] = field(default_factory=list)
    """When the requests went out, one for each latency."""
    refused: list[float] = field(default_factory=list)
    """When requests were refused, whatever for."""
    reason: list[int] = field(default_factory=list)
    """The code of each of these refusals."""


def first_to_land(lands: list[float]) -> int:
    """The slot whose request takes effect next."""
    first = 0
    for slot in range(1, SLOTS):
        if lands[slot] < lands[first]:
            first = slot
    return first
