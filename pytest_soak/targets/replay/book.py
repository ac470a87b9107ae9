"""The order book of a recording as it was received: its best prices, at many moments at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_soak.targets.replay.events import (
    BUY,
    CLEAR,
    DEPTH,
    LOCAL,
    SELL,
    SNAPSHOT,
    flagged,
    kinds_of,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_soak.targets.replay.events import Events

    Floats = NDArray[np.float64]
    Indices = NDArray[np.int64]

_MOST_CLEARS = 100
"""How many clears in a row are compared with one price level. More reach no level in practice."""


def best_prices(events: Events, times: Indices) -> tuple[Floats, Floats]:
    """Best bid and best ask after all events received up to each of ``times``, shape ``(m,)``.

    ``times`` ascend. An empty side is -inf (bid) or inf (ask). Nothing removes a level but an event
    of its own price or a clear, so a book that a feed left crossed is crossed here; the engine
    instead moves the side that was crossed.
    """
    received = flagged(events, LOCAL)
    kinds = kinds_of(events)[received]
    quotes, clears = (kinds == DEPTH) | (kinds == SNAPSHOT), kinds == CLEAR
    buys, sells = flagged(events, BUY)[received], flagged(events, SELL)[received]
    seen = events["local_ts"][received].searchsorted(times, side="right")
    neither = clears & ~buys & ~sells
    price, quantity = events["px"][received], events["qty"][received]
    bid = _highest(price, quantity, quotes & buys, clears & buys, neither, seen)
    ask = _highest(-price, quantity, quotes & sells, clears & sells, neither, seen)
    return bid, -ask


def _highest(
    price: Floats,
    quantity: Floats,
    quotes: NDArray[np.bool_],
    clears: NDArray[np.bool_],
    clears_all: NDArray[np.bool_],
    seen: Indices,
) -> Floats:
    """The highest price with a quantity after the first ``seen[i]`` events, for every ``i``.

    Each quote is a level from its own place until the next quote of the same price or a clear that
    reaches it. Levels become ranges of moments, and the answer the maximum over ranges.
    """
    import numpy as np

    place = np.flatnonzero(quotes)
    order = np.lexsort((place, price[place]))
    place = place[order]
    level = price[place]
    end = np.full(place.size, price.size)
    same = level[1:] == level[:-1]
    end[:-1][same] = place[1:][same]
    at = np.flatnonzero(clears | clears_all)
    # A clear takes away every level from the best one to its own price; one without a side, all.
    reach = np.where(clears_all[at], -np.inf, price[at])
    _end_at_clears(level, place, end, at, reach)
    first = seen.searchsorted(place, side="right")
    last = seen.searchsorted(end, side="right")
    shown = (quantity[place] > 0) & (first < last)
    return _range_maximum(level[shown], first[shown], last[shown], seen.size)


def _end_at_clears(level: Floats, place: Indices, end: Indices, at: Indices, reach: Floats) -> None:
    """Moves ``end`` of each level to the first clear after its ``place`` that reaches its price."""
    import numpy as np

    following = at.searchsorted(place)
    open_levels = np.arange(place.size)
    for _ in range(_MOST_CLEARS):
        open_levels = open_levels[following[open_levels] < at.size]
        open_levels = open_levels[at[following[open_levels]] < end[open_levels]]
        if not open_levels.size:
            return
        clear = following[open_levels]
        reached = level[open_levels] >= reach[clear]
        end[open_levels[reached]] = at[clear[reached]]
        open_levels = open_levels[~reached]
        following[open_levels] += 1


def _range_maximum(values: Floats, first: Indices, last: Indices, size: int) -> Floats:
    """For every place of ``range(size)`` the largest value whose range ``[first, last)`` has it.

    A sparse table, filled from the answers: each range is covered by two of a power of two, and
    each power hands down to its halves. -inf where no range is.
    """
    import numpy as np

    power = np.frexp((last - first).astype(np.float64))[1] - 1
    table = np.full((max(1, size.bit_length()), size), -np.inf)
    for exponent in np.unique(power).tolist():
        of_this = power == exponent
        np.maximum.at(table[exponent], first[of_this], values[of_this])
        np.maximum.at(table[exponent], last[of_this] - (1 << exponent), values[of_this])
    for exponent in range(len(table) - 1, 0, -1):
        half = 1 << (exponent - 1)
        whole, halves = table[exponent], table[exponent - 1]
        np.maximum(halves, whole, out=halves)
        np.maximum(halves[half:], whole[:-half], out=halves[half:])
    best: Floats = table[0]
    return best
