"""Recorded market data: read once, checked before the first iteration, never trusted.

What would otherwise surface deep inside the engine (which aborts the process on some of it), and
what would make a replay wrong, is refused here with one line: file, what is wrong, the value, and
what would be right. What is only doubtful is left to ``plausibility``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_soak.targets.replay.event_file import LARGEST_GIB, RecordingError, read_events, shown
from pytest_soak.targets.replay.events import (
    BEST,
    BUY,
    DEPTH,
    EVENT_FIELDS,
    EXCHANGE,
    LOCAL,
    SECOND_NS,
    SELL,
    SNAPSHOT,
    TRADE,
    flagged,
    kinds_of,
    kinds_text,
)
from pytest_soak.targets.replay.grid import checked_step, price_step, quantity_step
from pytest_soak.targets.replay.plausibility import (
    Plausibility,
    feed_latency_ns,
    figure,
    percent,
    plausibility_of,
    row_hashes,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_soak.targets.replay.events import Events

LATENCY_FIELDS: tuple[tuple[str, str], ...] = (
    ("req_ts", "i8"),
    ("exch_ts", "i8"),
    ("resp_ts", "i8"),
    ("_padding", "i8"),
)
"""A row of hftbacktest's historical order latency; times in ns."""

_SNAPSHOT_WITHIN_NS = 10 * SECOND_NS
_LEAST_LATENCY_NS = 100_000
_ALIGNMENT = 64
_LATEST_NS = 1 << 62
_SINCE_1970_NS = (10**18, 41 * 10**17)
"""The years 2001 to 2099."""
_UNITS = (("s", 10**9), ("ms", 10**6), ("us", 10**3))
_DENSE_PER_S, _IMPOSSIBLE_PER_S = 1e3, 1e7
"""Events a second. No market is dense enough for the second."""
_LONGEST_DAYS = 31
_DAY_NS = 86_400 * SECOND_NS
_LONGEST_LATENCY_S = 60
_MOST_REPEATED = 1 / 3


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One checked file of recorded events, and what was read off it."""

    name: str
    """File name without its directory."""
    events: Events
    """Shape ``(n,)``, in :data:`EVENT_FIELDS`, in memory as the engine wants it."""
    tick_size: float
    lot_size: float
    start_ns: int
    """Local time from which the book is complete: after the first snapshot, if there is one."""
    end_ns: int
    """Local time of the last event."""
    order_latency: Events
    """Shape ``(seconds,)``, in :data:`LATENCY_FIELDS`: one row a second, see :func:`_latency`."""
    plausibility: Plausibility


def load_recording(
    path: str | None,
    tick_size: float | None,
    lot_size: float | None,
    largest_gib: float = LARGEST_GIB,
) -> Recording:
    """The recording at ``path``; tick and lot are read off the data where they are None.

    Raises RecordingError, one line, for everything that is wrong with the file.
    """
    if not path:
        raise RecordingError(
            "replay needs recorded market data and none is given: --soak-data=FILE (or ini "
            "soak_data), an .npz whose array 'data' has the event layout of hftbacktest 2.x"
        )
    file = Path(path)
    try:
        return _checked(read_events(file, largest_gib), file, tick_size, lot_size)
    except MemoryError:
        raise RecordingError(
            f"replay: there is not enough memory for the events of {shown(file)}, "
            f"{file.stat().st_size:,} bytes on disk; cut the recording"
        ) from None


def _checked(
    rows: NDArray[Any], file: Path, tick_size: float | None, lot_size: float | None
) -> Recording:
    import numpy as np

    events = _aligned(rows, EVENT_FIELDS)
    kinds = kinds_of(events)
    _check_kinds(events, kinds, file)
    _check_values(events, kinds, file)
    for field in ("exch_ts", "local_ts"):
        _check_times(events[field], field, file)
    # Before the order: a feed that is received too early is usually out of order as well.
    _check_latency(events, kinds, file)
    local = _check_sorted(events, "local_ts", LOCAL, file)
    _check_sorted(events, "exch_ts", EXCHANGE, file)
    _check_span(local, file)
    quoted = np.isin(kinds, (DEPTH, TRADE, SNAPSHOT, BEST))
    prices, quantities = np.unique(events["px"][quoted]), np.unique(events["qty"][quoted])
    tick = checked_step(tick_size or price_step(prices, file), prices, "tick_size", file)
    lot = checked_step(lot_size or quantity_step(quantities, file), quantities, "lot_size", file)
    plausibility = plausibility_of(events, file.name)
    _check_repetition(plausibility, events, file)
    _check_book(plausibility, file)
    return Recording(
        name=file.name,
        events=events,
        tick_size=tick,
        lot_size=lot,
        start_ns=_book_complete_ns(events, kinds, int(local[0])),
        end_ns=int(local[-1]),
        order_latency=_latency(events, kinds),
        plausibility=plausibility,
    )


def _check_kinds(events: Events, kinds: NDArray[np.uint8], file: Path) -> None:
    """That there are depth updates, and quotes of either side; each seen by us."""
    import numpy as np

    if not (kinds == DEPTH).any():
        raise RecordingError(
            f"replay: {shown(file)} has no depth events; its events are of the kinds "
            f"{kinds_text(kinds)}; needed are 1 (depth) and 2 (trade), and 3 (depth clear) and "
            "4 (depth snapshot) where the feed has them (the low byte of ev)"
        )
    for flag, side in ((LOCAL, "local"), (EXCHANGE, "exchange")):
        if not flagged(events, flag).any():
            raise RecordingError(
                f"replay: no event of {shown(file)} is flagged for the {side} side; replay needs "
                f"bit {flag.bit_length() - 1} of ev on what the {side} side is to process"
            )
    quotes = np.isin(kinds, (DEPTH, SNAPSHOT)) & flagged(events, LOCAL)
    for flag, side in ((BUY, "buy"), (SELL, "sell")):
        if not (quotes & flagged(events, flag)).any():
            raise RecordingError(
                f"replay: {shown(file)} has no depth event of the {side} side (bit "
                f"{flag.bit_length() - 1} of ev) among {int(quotes.sum()):,} that are received; "
                "both sides are needed"
            )
    if not ((kinds == DEPTH) & flagged(events, LOCAL)).any():
        raise RecordingError(
            f"replay: {shown(file)} has no depth event after its snapshot that is received "
            "(bit 30 of ev); a book that never changes is no market"
        )


def _check_values(events: Events, kinds: NDArray[np.uint8], file: Path) -> None:
    import numpy as np

    priced = np.isin(kinds, (DEPTH, TRADE, SNAPSHOT, BEST))
    with np.errstate(invalid="ignore"):
        bad_price = priced & ~((events["px"] > 0) & np.isfinite(events["px"]))
        bad_quantity = priced & ~((events["qty"] >= 0) & np.isfinite(events["qty"]))
    for field, bad, right in (
        ("px", bad_price, "a finite price above 0"),
        ("qty", bad_quantity, "finite and not negative"),
    ):
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise RecordingError(
                f"replay: {field} is {float(events[field][row])!r} in row {row} of {shown(file)}; "
                f"it must be {right}"
            )


def _check_times(times: NDArray[np.int64], field: str, file: Path) -> None:
    """That the times are ns: within what a clock shows, and not dense as those of other units."""
    import numpy as np

    wrong = np.flatnonzero((times < 0) | (times >= _LATEST_NS))
    if wrong.size:
        raise RecordingError(
            f"replay: {field} is {int(times[wrong[0]])} in row {int(wrong[0])} of {shown(file)}; "
            "times are ns since 1970, or since any moment before the recording, and not negative"
        )
    first, last = int(times.min()), int(times.max())
    span_s = (last - first) / SECOND_NS
    per_s = times.size / span_s if span_s else float("inf")
    runs = f"replay: {field} runs from {first} to {last} in {shown(file)}"
    for unit, factor in _UNITS:
        since_1970 = _SINCE_1970_NS[0] <= first * factor and last * factor <= _SINCE_1970_NS[1]
        if since_1970 and per_s > _DENSE_PER_S:
            day = datetime.fromtimestamp(first * factor // SECOND_NS, UTC)
            raise RecordingError(
                f"{runs}, which looks like {unit} since 1970 ({day:%Y-%m-%d}); in ns the "
                f"recording spans {figure(span_s)} s. Times must be ns: multiply them by "
                f"{factor:,}"
            )
    if per_s > _IMPOSSIBLE_PER_S and times.size > 1:
        spans = ", ".join(
            f"{figure(span_s * factor)} s in {unit}" for unit, factor in reversed(_UNITS)
        )
        raise RecordingError(
            f"{runs}, so in ns {times.size:,} events span {figure(span_s)} s; they would span "
            f"{spans}. Times must be ns"
        )


def _check_sorted(events: Events, field: str, flag: int, file: Path) -> NDArray[np.int64]:
    """The times of the events that one side sees; each side's own order is what must hold."""
    import numpy as np

    side = "local" if flag == LOCAL else "exchange"
    rows = np.flatnonzero(flagged(events, flag))
    times: NDArray[np.int64] = events[field][rows]
    back = np.flatnonzero(np.diff(times) < 0)
    if back.size:
        before, after = int(times[back[0]]), int(times[back[0] + 1])
        raise RecordingError(
            f"replay: {field} goes back from {before} to {after} in row {int(rows[back[0] + 1])} "
            f"of {shown(file)}; {side} events must be sorted by time (hftbacktest's "
            "correct_event_order does it)"
        )
    return times


def _check_span(local: NDArray[np.int64], file: Path) -> None:
    """A pass through the recording takes its span; one wrong time would make that endless."""
    import numpy as np

    span = int(local[-1]) - int(local[0])
    if span > _LONGEST_DAYS * _DAY_NS:
        row = int(np.diff(local).argmax())
        gap = int(local[row + 1]) - int(local[row])
        raise RecordingError(
            f"replay: local_ts spans {span / _DAY_NS:,.0f} days in {shown(file)}, "
            f"{gap / _DAY_NS:,.0f} of them between the rows {row} and {row + 1} that "
            f"are received; a recording may span {_LONGEST_DAYS} days"
        )


def _check_latency(events: Events, kinds: NDArray[np.uint8], file: Path) -> None:
    """That the two clocks are of one market: the feed latency is also that of the orders."""
    import numpy as np

    latency = feed_latency_ns(events, kinds)
    median_ns = float(np.median(latency))
    if median_ns < 0:
        raise RecordingError(
            f"replay: {percent(float((latency < 0).mean()))} of the events in {shown(file)} were "
            f"received before the exchange sent them (local_ts - exch_ts p50 "
            f"{figure(median_ns / 1e6)} ms), so a bot would see the future; local_ts must not be "
            "before exch_ts (hftbacktest's correct_local_timestamp does it)"
        )
    if median_ns > _LONGEST_LATENCY_S * SECOND_NS:
        raise RecordingError(
            f"replay: local_ts is {figure(median_ns / SECOND_NS)} s after exch_ts (p50) in "
            f"{shown(file)}, and orders would take as long; both must be of one time zone and "
            f"unit, at most {_LONGEST_LATENCY_S} s apart"
        )


def _check_repetition(plausibility: Plausibility, events: Events, file: Path) -> None:
    """A trade that stands there twice fills the bot's quotes twice."""
    import numpy as np

    if plausibility.repeated_ratio < _MOST_REPEATED:
        return
    hashes = row_hashes(events)
    first = np.unique(hashes, return_index=True)[1]
    again = np.ones(events.size, dtype=np.bool_)
    again[first] = False
    row = int(np.flatnonzero(again)[0])
    original = int(np.flatnonzero(hashes == hashes[row])[0])
    raise RecordingError(
        f"replay: {percent(plausibility.repeated_ratio)} of the rows of {shown(file)} repeat an "
        f"earlier one: row {row} is equal to row {original} in every field. Each event must stand "
        "there once"
    )


def _check_book(plausibility: Plausibility, file: Path) -> None:
    if plausibility.spread_p50_bps != plausibility.spread_p50_bps:  # NaN: there is none
        raise RecordingError(
            f"replay: the order book of {shown(file)} is never two-sided and uncrossed (crossed "
            f"{percent(plausibility.crossed_ratio)} of the time); depth events of both sides are "
            "needed, bids below asks"
        )


def _book_complete_ns(events: Events, kinds: NDArray[np.uint8], first_ns: int) -> int:
    snapshot = (kinds == SNAPSHOT) & flagged(events, LOCAL)
    snapshot &= events["local_ts"] <= first_ns + _SNAPSHOT_WITHIN_NS
    times = events["local_ts"][snapshot]
    return int(times[times == times[0]][-1]) if times.size else first_ns


def _latency(events: Events, kinds: NDArray[np.uint8]) -> Events:
    """Order latency from feed latency: the way in and the way back each take what the last
    market event of that second took.

    This is hftbacktest's own recipe (``data/utils/feed_order_latency.py``, multipliers 1), without
    its dependency. The engine aborts the process on a negative latency and walks its rows forward
    only, hence the floor of 0.1 ms and the strictly increasing times.
    """
    import numpy as np

    live = np.isin(kinds, (DEPTH, TRADE, BEST)) & flagged(events, LOCAL)
    times = events["local_ts"][live]
    feed = times - events["exch_ts"][live]
    last_of_second = np.flatnonzero(np.diff(times // SECOND_NS, append=np.iinfo(np.int64).max))
    way = np.maximum(feed[last_of_second], _LEAST_LATENCY_NS)
    step = np.arange(way.size)
    rows = _zeros_aligned(way.size, LATENCY_FIELDS)
    rows["req_ts"] = times[last_of_second]
    rows["exch_ts"] = np.maximum.accumulate(rows["req_ts"] + way - step) + step
    rows["resp_ts"] = rows["exch_ts"] + way
    return rows


def _aligned(array: NDArray[Any], fields: tuple[tuple[str, str], ...]) -> Events:
    aligned = _zeros_aligned(array.size, fields)
    for name, _ in fields:
        aligned[name] = array[name]
    return aligned


def _zeros_aligned(count: int, fields: tuple[tuple[str, str], ...]) -> Events:
    """The engine's structures are aligned to cache lines, which numpy does not promise."""
    import numpy as np

    dtype = np.dtype(list(fields))
    buffer = np.zeros(count * dtype.itemsize + _ALIGNMENT, dtype=np.uint8)
    offset = -buffer.ctypes.data % _ALIGNMENT
    view: Events = buffer[offset : offset + count * dtype.itemsize].view(dtype)
    return view
