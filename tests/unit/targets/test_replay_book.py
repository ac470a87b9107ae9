"""The best prices of a recording, all moments at once, against a book kept event by event."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_soak.targets.replay.book import best_prices
from tests.unit.targets.recordings import (
    BOTH,
    BUY,
    CLEAR,
    DEPTH,
    EXCH,
    MS,
    SELL,
    SNAPSHOT,
    START_NS,
    TRADE,
    Events,
    market,
)

SHARED = Path(__file__).parents[4] / "shared" / "data"

Row = tuple[int, int, int, int]
"""Kind, side, price, quantity."""


def rows_of(rows: list[Row], step_ns: int = MS) -> Events:
    array = market(len(rows))
    for place, (kind, side, price, quantity) in enumerate(rows):
        array["ev"][place] = BOTH | kind | side
        array["px"][place], array["qty"][place] = price, quantity
    array["local_ts"] = START_NS + np.arange(len(rows)) * step_ns
    array["exch_ts"] = array["local_ts"]
    return array


def kept_book(events: Events, times: list[int]) -> list[tuple[float, float]]:
    """The same by a dict a side and a loop: what is plain to see, and slow."""
    sides: dict[int, dict[float, float]] = {BUY: {}, SELL: {}}
    answers, place = [], 0
    for time in times:
        while place < len(events) and events["local_ts"][place] <= time:
            flags = int(events["ev"][place])
            kind, side = flags & 0xFF, flags & (BUY | SELL)
            price, quantity = float(events["px"][place]), float(events["qty"][place])
            place += 1
            if not flags & (1 << 30):
                continue
            if kind == CLEAR and side == 0:
                sides = {BUY: {}, SELL: {}}
            elif kind == CLEAR:
                book = sides[side]
                gone = [p for p in book if (p >= price if side == BUY else p <= price)]
                for level in gone:
                    del book[level]
            elif kind in (DEPTH, SNAPSHOT) and side:
                sides[side].pop(price, None)
                if quantity > 0:
                    sides[side][price] = quantity
        answers.append((max(sides[BUY], default=-math.inf), min(sides[SELL], default=math.inf)))
    return answers


row = st.tuples(
    st.sampled_from([DEPTH, DEPTH, DEPTH, SNAPSHOT, CLEAR, TRADE, 99]),
    st.sampled_from([BUY, SELL, BUY, SELL, 0]),
    st.integers(95, 105),
    st.integers(0, 2),
)


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(row, min_size=1, max_size=60), step_ns=st.sampled_from([0, 1, 3]))
def test_the_best_prices_are_those_of_a_book_kept_event_by_event(
    rows: list[Row], step_ns: int
) -> None:
    events = rows_of(rows, step_ns)
    times = np.arange(START_NS - 1, START_NS + len(rows) * max(step_ns, 1) + 2)

    bid, ask = best_prices(events, times)

    assert list(zip(bid, ask, strict=True)) == kept_book(events, times.tolist())


def test_events_of_the_exchange_side_alone_are_not_in_the_book_that_is_received() -> None:
    events = rows_of([(DEPTH, BUY, 100, 1), (DEPTH, SELL, 101, 1), (DEPTH, BUY, 100, 0)])
    events["ev"][2] = EXCH | DEPTH | BUY

    bid, ask = best_prices(events, np.array([START_NS + 10 * MS]))

    assert (bid[0], ask[0]) == (100.0, 101.0)


def test_a_single_moment_and_a_single_event() -> None:
    events = rows_of([(DEPTH, BUY, 100, 1)])

    assert best_prices(events, np.array([START_NS]))[0].tolist() == [100.0]
    assert best_prices(events, np.array([START_NS]))[1].tolist() == [math.inf]


@pytest.mark.parametrize("name", ["btcusd_perp_20240808_09.npz", "btcusdt_perp_20240808.npz"])
def test_on_recorded_data_it_is_the_book_of_the_engine(name: str) -> None:
    pytest.importorskip("hftbacktest", reason="needs the extra 'replay'")
    if not (SHARED / name).exists():
        pytest.skip("the recorded sample data are not here")
    from pytest_soak.targets.replay.engine import Engine
    from pytest_soak.targets.replay.recording import load_recording

    recording = load_recording(str(SHARED / name), None, None)
    times = np.arange(recording.start_ns, recording.end_ns, 500 * MS)
    bid, ask = best_prices(recording.events, times)
    engine = Engine(recording)
    for place, time in enumerate(times.tolist()):
        engine.advance_to(time)
        book = engine.book()
        assert book.bid_tick == round(bid[place] / recording.tick_size)
        assert book.ask_tick == round(ask[place] / recording.tick_size)
    engine.close()
