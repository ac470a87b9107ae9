"""What a recording is like, in one line, and what is doubtful about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pytest_soak.targets.replay.plausibility import Plausibility
from pytest_soak.targets.replay.recording import load_recording
from tests.unit.targets.recordings import BOTH, BUY, DEPTH, MS, Events, market, saved

SHARED = Path(__file__).parents[4] / "shared" / "data"


def looked_at(folder: Path, events: Events) -> Plausibility:
    return load_recording(saved(folder, events), None, None).plausibility


def test_a_plausible_market_has_one_line_and_no_doubts(tmp_path: Path) -> None:
    plausibility = looked_at(tmp_path, market())

    assert plausibility.line == (
        "recorded data recording.npz: 39.9 s, 400 events, 1 trades/s, spread p50 49.9 p99 49.9 "
        "bps, crossed 0 % of the time, largest gap 0.1 s, feed latency p50 7 ms"
    )
    assert plausibility.doubts == ()


def test_a_recording_without_trades_is_in_doubt(tmp_path: Path) -> None:
    events = market()
    events["ev"][9::10] = BOTH | DEPTH | BUY
    events["px"][9::10] = 100.0

    plausibility = looked_at(tmp_path, events)

    assert " 0 trades/s" in plausibility.line
    (doubt,) = plausibility.doubts
    assert "no trades" in doubt
    assert "moves through" in doubt


def test_a_hole_is_in_doubt_with_its_place(tmp_path: Path) -> None:
    events = market()
    for field in ("exch_ts", "local_ts"):
        events[field][200:] += 3_600_000 * MS

    plausibility = looked_at(tmp_path, events)

    assert "largest gap 3,600 s" in plausibility.line
    (doubt,) = plausibility.doubts
    assert "3,600 s" in doubt
    assert "from 19.9 s on" in doubt


@pytest.mark.parametrize(("early", "percent"), [(8, "1.51 %"), (100, "24.6 %")])
def test_events_received_before_they_were_sent_are_in_doubt(
    tmp_path: Path, early: int, percent: str
) -> None:
    """Of the 398 after the snapshot, in which the book may be older than the feed."""
    events = market()
    events["local_ts"][:early] -= 9 * MS

    (doubt,) = looked_at(tmp_path, events).doubts

    assert f"{percent} of the events" in doubt
    assert "before the exchange sent" in doubt


def test_repeated_rows_are_in_doubt(tmp_path: Path) -> None:
    events = market()
    twice = np.sort(np.concatenate([np.arange(400), np.arange(100, 140)]))

    (doubt,) = looked_at(tmp_path, events[twice]).doubts

    assert "9.09 % of the rows" in doubt


def test_a_book_that_is_crossed_now_and_then_is_in_doubt(tmp_path: Path) -> None:
    events = market()
    events["px"][100:200:2] = 101.0

    plausibility = looked_at(tmp_path, events)

    assert plausibility.crossed_ratio > 0.2
    assert any("crossed" in doubt for doubt in plausibility.doubts)


def test_a_slow_feed_is_in_doubt(tmp_path: Path) -> None:
    events = market()
    events["local_ts"] = events["exch_ts"] + 2_500 * MS

    plausibility = looked_at(tmp_path, events)

    assert "feed latency p50 2,500 ms" in plausibility.line
    assert any("2,500 ms" in doubt for doubt in plausibility.doubts)


def test_rows_of_other_kinds_are_named(tmp_path: Path) -> None:
    events = market()
    events["ev"][20:30] = BOTH | 99
    events["ev"][40] = BOTH | 13 | BUY

    (doubt,) = looked_at(tmp_path, events).doubts

    assert "99 (unknown): 10" in doubt
    assert "13 (fill, L3): 1" in doubt


def test_the_name_is_shown_without_control_characters(tmp_path: Path) -> None:
    path = Path(saved(tmp_path, market()))
    path = path.rename(tmp_path / "\x1b[31m\nred.npz")

    line = load_recording(str(path), None, None).plausibility.line

    assert r"\x1b[31m\nred.npz" in line


def test_spread_is_that_of_the_moments_with_a_book(tmp_path: Path) -> None:
    events = market()
    wide = np.arange(400) % 2 == 1
    events["px"][wide & (np.arange(400) > 360)] = 102.0
    events["qty"][361] = 0.0
    events["px"][361] = 100.5
    events["ev"][361] = BOTH | DEPTH | (1 << 28)

    plausibility = looked_at(tmp_path, events)

    assert plausibility.spread_p50_bps == pytest.approx(0.5 / 100.25 * 1e4)
    assert plausibility.spread_p99_bps == pytest.approx(2.0 / 101.0 * 1e4)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("btcusd_perp_20240808_09.npz", ("647 s", "671,812 events", "8.09 trades/s", "9.98 ms")),
        ("btcusdt_perp_20240808.npz", ("345 s", "491,973 events", "61.8 trades/s", "4.1 ms")),
    ],
)
def test_recorded_data_are_plausible(name: str, says: tuple[str, ...]) -> None:
    if not (SHARED / name).exists():
        pytest.skip("the recorded sample data are not here")
    plausibility = load_recording(str(SHARED / name), None, None).plausibility

    for text in (*says, "spread p50 0.0162 p99 0.0162 bps", "crossed 0 %"):
        assert text in plausibility.line
    assert plausibility.doubts == ()
