"""What a recording is like, in the figures that people check first, and what is doubtful about it.

A doubt does not keep a replay from running. What makes a replay wrong is refused by ``recording``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_soak.canonical import escaped
from pytest_soak.targets.replay.book import best_prices
from pytest_soak.targets.replay.events import (
    BEST,
    DEPTH,
    EVENT_FIELDS,
    LOCAL,
    SECOND_NS,
    TRADE,
    flagged,
    kinds_of,
    kinds_text,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_soak.targets.replay.events import Events

_LONG_GAP_S = 30.0
_SLOW_FEED_MS = 1000.0
_MANY_EARLY, _MANY_REPEATED, _MUCH_CROSSED = 0.01, 0.001, 0.01
_MOST_MOMENTS = 20_000
_SHORTEST_STEP_NS = 100_000_000
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Plausibility:
    """Measured on the events as they were received; ratios are from 0 to 1."""

    name: str
    span_s: float
    events: int
    trades: int
    spread_p50_bps: float
    spread_p99_bps: float
    """Over moments 0.1 s apart (or more, if there are very many) with an uncrossed book. NaN:
    there is none."""
    crossed_ratio: float
    """Of the moments with a two-sided book, those at which the best bid is not below the ask."""
    largest_gap_s: float
    largest_gap_at_s: float
    """When it began, from the first event on."""
    feed_latency_p50_ms: float
    early_ratio: float
    """Events that were received before the exchange sent them."""
    repeated_ratio: float
    """Rows that are equal to an earlier one."""
    other_kinds: str
    """The rows of kinds that replay does not use, for people; "" if there are none."""

    @property
    def line(self) -> str:
        """All figures in one line."""
        trades_per_s = self.trades / self.span_s if self.span_s else 0.0
        return (
            f"recorded data {self.name}: {figure(self.span_s)} s, {self.events:,} events, "
            f"{figure(trades_per_s)} trades/s, spread p50 {figure(self.spread_p50_bps)} "
            f"p99 {figure(self.spread_p99_bps)} bps, crossed {percent(self.crossed_ratio)} of the "
            f"time, largest gap {figure(self.largest_gap_s)} s, feed latency p50 "
            f"{figure(self.feed_latency_p50_ms)} ms"
        )

    @property
    def doubts(self) -> tuple[str, ...]:
        """What a person should look at before the figures of a replay are believed."""
        return tuple(self._doubts())

    def _doubts(self) -> Iterator[str]:
        if not self.trades:
            yield (
                "there are no trades, so a quote at rest fills only where the book moves through "
                "it: fewer maker fills than in the market, and all of them adverse"
            )
        if self.largest_gap_s >= _LONG_GAP_S:
            yield (
                f"nothing was received for {figure(self.largest_gap_s)} s, from "
                f"{figure(self.largest_gap_at_s)} s on: an interval in there has no market"
            )
        if self.early_ratio >= _MANY_EARLY:
            yield (
                f"{percent(self.early_ratio)} of the events were received before the exchange "
                "sent them, so the bot sees these too early"
            )
        if self.repeated_ratio >= _MANY_REPEATED:
            yield (
                f"{percent(self.repeated_ratio)} of the rows repeat an earlier one; a repeated "
                "trade fills quotes twice"
            )
        if self.crossed_ratio >= _MUCH_CROSSED:
            yield (
                f"the book is crossed {percent(self.crossed_ratio)} of the time: depth events are "
                "missing or out of order"
            )
        if self.feed_latency_p50_ms >= _SLOW_FEED_MS:
            yield (
                f"the feed latency is {figure(self.feed_latency_p50_ms)} ms, and orders are taken "
                "to need as long"
            )
        if self.other_kinds:
            yield f"rows of other kinds are not used: {self.other_kinds}"


def plausibility_of(events: Events, name: str) -> Plausibility:
    """The figures of events that passed the checks of ``recording``."""
    import numpy as np

    kinds, received = kinds_of(events), flagged(events, LOCAL)
    times = events["local_ts"][received]
    first, last = int(times[0]), int(times[-1])
    gaps = np.diff(times, append=last)
    gap = int(gaps.argmax())
    bid, ask = best_prices(events, _moments(first, last))
    two_sided = (bid > 0.0) & (ask < np.inf)
    bid, ask = bid[two_sided], ask[two_sided]
    whole = bid < ask
    spread = (ask - bid)[whole] / (ask + bid)[whole] * 2e4
    p50, p99 = np.percentile(spread, [50.0, 99.0]) if spread.size else (np.nan, np.nan)
    latency = feed_latency_ns(events, kinds)
    return Plausibility(
        name=escaped(name)[:_LONGEST_NAME],
        span_s=(last - first) / SECOND_NS,
        events=events.size,
        trades=int(np.count_nonzero(received & (kinds == TRADE))),
        spread_p50_bps=float(p50),
        spread_p99_bps=float(p99),
        crossed_ratio=float(1.0 - whole.mean()) if whole.size else 0.0,
        largest_gap_s=int(gaps[gap]) / SECOND_NS,
        largest_gap_at_s=(int(times[gap]) - first) / SECOND_NS,
        feed_latency_p50_ms=float(np.median(latency)) / 1e6,
        early_ratio=float((latency < 0).mean()),
        repeated_ratio=_repeated(events) / events.size,
        other_kinds=kinds_text(kinds, unused_only=True),
    )


def _moments(first: int, last: int) -> NDArray[np.int64]:
    import numpy as np

    step = max(_SHORTEST_STEP_NS, -(-(last - first) // _MOST_MOMENTS))
    return np.arange(first, last + 1, step)


def feed_latency_ns(events: Events, kinds: NDArray[np.uint8]) -> NDArray[np.int64]:
    """From the exchange to us, of every event of the running market that we received."""
    import numpy as np

    live = np.isin(kinds, (DEPTH, TRADE, BEST)) & flagged(events, LOCAL)
    latency: NDArray[np.int64] = events["local_ts"][live] - events["exch_ts"][live]
    return latency


def _repeated(events: Events) -> int:
    """How many rows are equal to an earlier one."""
    import numpy as np

    hashes = np.sort(row_hashes(events))
    return int(np.count_nonzero(hashes[1:] == hashes[:-1]))


def row_hashes(events: Events) -> NDArray[np.uint64]:
    """A number for each row, equal for equal rows and else different but for 1 in 2⁶⁴."""
    import numpy as np

    mixed = np.zeros(events.size, dtype=np.uint64)
    for name, _ in EVENT_FIELDS:
        mixed ^= events[name].view(np.uint64)
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed


def figure(value: float) -> str:
    """Three digits, without an exponent where the number is large."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def percent(ratio: float) -> str:
    return f"{100 * ratio:.3g} %"
