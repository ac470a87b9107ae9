"""What a recording must be, and that everything else is refused in one clear line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_soak.protocol import Lane
from pytest_soak.targets.replay import make_replay
from pytest_soak.targets.replay.event_file import RecordingError
from pytest_soak.targets.replay.events import EVENT_FIELDS
from pytest_soak.targets.replay.recording import load_recording
from tests.unit.targets.recordings import (
    BOTH,
    BUY,
    CLEAR,
    DEPTH,
    EXCH,
    LOCAL,
    MS,
    SELL,
    SNAPSHOT,
    START_NS,
    TRADE,
    Events,
    market,
    saved,
)


def events(count: int = 40, **columns: Any) -> Events:
    """A small valid array: a snapshot of two events, then depth, 100 ms apart, 7 ms on the way."""
    array = market(count)
    steps = np.arange(count)
    array["ev"] = BOTH | DEPTH | np.where(steps % 2, SELL, BUY)
    array["ev"][:2] = (BOTH | SNAPSHOT) | np.array([BUY, SELL])
    array["exch_ts"] = 10**18 + steps * 100 * MS
    array["local_ts"] = array["exch_ts"] + 7 * MS
    for name, values in columns.items():
        array[name] = values
    return array


def refusal(path: str | None) -> str:
    with pytest.raises(RecordingError, match=r"^replay") as caught:
        load_recording(path, None, None)
    message = str(caught.value)
    assert message.isprintable()
    assert path is None or Path(path).name in message
    return message


def test_a_valid_recording_tells_its_grid_span_and_latency(tmp_path: Path) -> None:
    recording = load_recording(saved(tmp_path, events()), None, None)

    assert recording.name == "recording.npz"
    assert recording.tick_size == 0.5
    assert recording.lot_size == 0.25
    assert recording.start_ns == 10**18 + 7 * MS
    assert recording.end_ns == 10**18 + 3900 * MS + 7 * MS
    assert recording.order_latency["req_ts"].size == 4
    assert set(recording.order_latency["exch_ts"] - recording.order_latency["req_ts"]) == {7 * MS}
    assert set(recording.order_latency["resp_ts"] - recording.order_latency["exch_ts"]) == {7 * MS}


def test_arrays_are_aligned_as_the_engine_reads_them(tmp_path: Path) -> None:
    recording = load_recording(saved(tmp_path, events()), None, None)

    assert recording.events.ctypes.data % 64 == 0
    assert recording.order_latency.ctypes.data % 64 == 0
    assert np.array_equal(recording.events["px"], events()["px"])


def test_given_tick_and_lot_win_over_the_data(tmp_path: Path) -> None:
    recording = load_recording(saved(tmp_path, events()), 0.1, 0.05)

    assert (recording.tick_size, recording.lot_size) == (0.1, 0.05)


def test_big_endian_and_packed_arrays_are_read(tmp_path: Path) -> None:
    packed = events().astype(np.dtype([(name, ">" + kind) for name, kind in EVENT_FIELDS]))

    recording = load_recording(saved(tmp_path, packed), None, None)

    assert np.array_equal(recording.events["exch_ts"], events()["exch_ts"])


def test_latency_rows_never_run_backwards(tmp_path: Path) -> None:
    """The engine aborts the whole process on a negative latency."""
    array = events(60)
    array["exch_ts"][40:] += 900 * MS
    array["local_ts"][40:] = array["exch_ts"][40:] - 5 * MS
    rows = load_recording(saved(tmp_path, array), None, None).order_latency

    assert (np.diff(rows["exch_ts"]) > 0).all()
    assert (rows["exch_ts"] > rows["req_ts"]).all()
    assert (rows["resp_ts"] > rows["exch_ts"]).all()


def test_no_data_option() -> None:
    assert "--soak-data" in refusal(None)


def test_missing_file(tmp_path: Path) -> None:
    assert "no such file" in refusal(str(tmp_path / "absent.npz"))


def test_directory(tmp_path: Path) -> None:
    assert "not a regular file" in refusal(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"time,price\n1,2\n"])
def test_not_an_npz(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "trades.npz"
    path.write_bytes(content)

    assert "not an .npz" in refusal(str(path))


def test_truncated_npz(tmp_path: Path) -> None:
    path = Path(saved(tmp_path, events()))
    whole = path.read_bytes()
    path.write_bytes(whole[:300] + whole[500:])

    assert "damaged" in refusal(str(path))


def test_no_data_array(tmp_path: Path) -> None:
    message = refusal(saved(tmp_path, events(), name="dat"))

    assert "nearest: 'dat'" in message


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    assert "pickled Python objects" in refusal(saved(tmp_path, np.array([{"px": 1}], dtype=object)))


def test_plain_array_of_version_1(tmp_path: Path) -> None:
    assert "plain float64" in refusal(saved(tmp_path, np.zeros((3, 6))))


def test_missing_field_names_the_nearest(tmp_path: Path) -> None:
    renamed = events()
    names = [("price" if name == "px" else name) for name, _ in EVENT_FIELDS]
    renamed.dtype.names = tuple(names)

    assert "lacks the field 'px'" in refusal(saved(tmp_path, renamed))


def test_field_of_another_type(tmp_path: Path) -> None:
    kinds = [(name, "f4" if name == "qty" else kind) for name, kind in EVENT_FIELDS]

    assert "'qty'" in refusal(saved(tmp_path, events().astype(kinds)))


def test_empty_array(tmp_path: Path) -> None:
    assert "not empty" in refusal(saved(tmp_path, events(0 + 2)[:0]))


@pytest.mark.parametrize(("field", "side"), [("local_ts", "local"), ("exch_ts", "exchange")])
def test_unsorted_times_name_the_row(tmp_path: Path, field: str, side: str) -> None:
    array = events()
    array[field][17] -= 500 * MS

    message = refusal(saved(tmp_path, array))

    assert f"{field} goes back from {array[field][16]} to {array[field][17]} in row 17" in message
    assert f"{side} events" in message


def test_each_side_may_have_its_own_order(tmp_path: Path) -> None:
    array = events()
    array["exch_ts"][17] -= 500 * MS
    array["ev"][17] &= ~np.uint64(EXCH)

    load_recording(saved(tmp_path, array), None, None)


@pytest.mark.parametrize(
    ("field", "value"), [("px", np.nan), ("px", 0.0), ("qty", -1.0), ("qty", np.inf)]
)
def test_impossible_values_name_the_row(tmp_path: Path, field: str, value: float) -> None:
    array = events()
    array[field][9] = value

    assert f"{field} is" in (message := refusal(saved(tmp_path, array)))
    assert "row 9" in message


def test_clear_events_need_no_price(tmp_path: Path) -> None:
    array = events()
    array["ev"][9] = BOTH | CLEAR | BUY
    array["px"][9] = np.nan

    load_recording(saved(tmp_path, array), None, None)


def test_prices_off_every_grid_ask_for_the_tick_size(tmp_path: Path) -> None:
    array = events()
    array["px"] = np.where(np.arange(40) % 2, 100.3, 100.0)

    assert "tick_size" in refusal(saved(tmp_path, array))


def test_events_of_one_side_only(tmp_path: Path) -> None:
    array = events()
    array["ev"] &= ~np.uint64(LOCAL)

    assert "local side" in refusal(saved(tmp_path, array))


@pytest.mark.parametrize(
    ("kinds", "says"),
    [
        ([99], "99 (unknown): 400"),
        ([10], "10 (add order, L3): 400"),
        ([10, 11, 12, 13], "13 (fill, L3): 100"),
        ([TRADE], "2 (trade): 400"),
        ([5], "5 (best bid and ask): 400"),
        ([CLEAR], "3 (depth clear): 400"),
        ([SNAPSHOT], "4 (depth snapshot): 400"),
        ([0], "0 (unknown): 400"),
        (range(256 - 40, 256), "and 32 more kinds"),
    ],
)
def test_events_of_no_usable_kind_are_counted_by_kind(
    tmp_path: Path, kinds: Sequence[int], says: str
) -> None:
    array = market()
    array["ev"] = BOTH | BUY | np.resize(kinds, array.size)

    message = refusal(saved(tmp_path, array))

    assert says in message
    assert "1 (depth)" in message
    assert "2 (trade)" in message


@pytest.mark.parametrize(("flag", "side"), [(BUY, "buy"), (SELL, "sell")])
def test_depth_of_one_side_only_names_the_other(tmp_path: Path, flag: int, side: str) -> None:
    array = market()
    array["ev"] = (array["ev"] | BUY | SELL) & ~np.uint64(flag)

    message = refusal(saved(tmp_path, array))

    assert f"no depth event of the {side} side" in message


def test_depth_that_only_the_exchange_sees_is_no_feed(tmp_path: Path) -> None:
    array = market()
    array["ev"][2:] &= ~np.uint64(LOCAL)
    array["ev"][9::10] |= np.uint64(LOCAL)

    assert "no depth event after its snapshot" in refusal(saved(tmp_path, array))


def test_a_book_that_is_always_crossed_is_refused(tmp_path: Path) -> None:
    array = market()
    array["px"] = 200.5 - array["px"]

    message = refusal(saved(tmp_path, array))

    assert "never two-sided and uncrossed" in message
    assert "100 %" in message


@pytest.mark.parametrize(
    ("unit", "factor"), [("s", 10**9), ("ms", 10**6), ("us", 10**3)], ids=["s", "ms", "us"]
)
@pytest.mark.parametrize("fields", [("exch_ts", "local_ts"), ("exch_ts",), ("local_ts",)])
def test_times_of_another_unit_are_named_with_the_span_that_they_would_have(
    tmp_path: Path, unit: str, factor: int, fields: tuple[str, ...]
) -> None:
    array = market()
    for field in fields:
        array[field] //= factor

    message = refusal(saved(tmp_path, array))

    assert f"{fields[0]} runs from {array[fields[0]][0]} to {array[fields[0]][-1]}" in message
    assert f"looks like {unit} since 1970 (2024-08-08)" in message
    span = int(array[fields[0]][-1]) - int(array[fields[0]][0])
    assert f"{span / 10**9:.3g} s" in message
    assert f"multiply them by {factor:,}" in message


@pytest.mark.parametrize(("unit", "factor"), [("s", 10**9), ("ms", 10**6)])
def test_times_of_another_unit_since_the_beginning(tmp_path: Path, unit: str, factor: int) -> None:
    array = market(4000)
    for field in ("exch_ts", "local_ts"):
        array[field] = (array[field] - START_NS) // factor

    message = refusal(saved(tmp_path, array))

    assert "4,000 events span" in message
    assert f"{399 if unit == 's' else 400} s in {unit}" in message


@pytest.mark.parametrize("first", [0, 10**9, 2 * 10**12, 10**15])
def test_times_in_ns_since_anything_are_times(tmp_path: Path, first: int) -> None:
    array = market()
    for field in ("exch_ts", "local_ts"):
        array[field] += first - START_NS

    assert load_recording(saved(tmp_path, array), None, None).plausibility.doubts == ()


def test_all_times_equal(tmp_path: Path) -> None:
    array = market(exch_ts=START_NS, local_ts=START_NS)

    assert "0 s" in refusal(saved(tmp_path, array))


@pytest.mark.parametrize("time", [-1, -(2**63), 2**62, 2**63 - 1])
@pytest.mark.parametrize("field", ["exch_ts", "local_ts"])
def test_times_that_no_clock_shows(tmp_path: Path, field: str, time: int) -> None:
    array = market()
    array[field][5] = time

    message = refusal(saved(tmp_path, array))

    assert f"{field} is {time} in row 5" in message
    assert "ns since 1970" in message


def test_a_span_of_years_names_the_gap(tmp_path: Path) -> None:
    """A single time of zero would make the pass through the recording last for days."""
    array = market()
    for field in ("exch_ts", "local_ts"):
        array[field][0] = 0

    message = refusal(saved(tmp_path, array))

    assert "spans 19,944 days" in message
    assert "between the rows 0 and 1" in message
    assert "31 days" in message


def test_every_event_received_before_it_was_sent(tmp_path: Path) -> None:
    array = market()
    array["local_ts"] = array["exch_ts"] - 3 * MS

    message = refusal(saved(tmp_path, array))

    assert "-3 ms" in message
    assert "100 % of the events" in message
    assert "correct_local_timestamp" in message


def test_a_feed_that_is_early_and_therefore_out_of_order_is_early(tmp_path: Path) -> None:
    array = market()
    array["ev"][50:60] &= ~np.uint64(EXCH)
    array["exch_ts"][50:60] = array["exch_ts"][70]
    array["local_ts"] = array["exch_ts"] - 1

    assert "100 % of the events" in refusal(saved(tmp_path, array))


@pytest.mark.parametrize("hours", [1, 24])
def test_a_clock_of_another_time_zone(tmp_path: Path, hours: int) -> None:
    array = market()
    array["local_ts"] += hours * 3_600_000 * MS

    message = refusal(saved(tmp_path, array))

    assert f"{hours * 3600:,} s" in message
    assert "60 s" in message


@pytest.mark.parametrize("times", [2, 3])
def test_every_row_more_than_once(tmp_path: Path, times: int) -> None:
    array = market()

    message = refusal(saved(tmp_path, np.repeat(array, times)))

    assert f"{100 * (times - 1) / times:.3g} % of the rows" in message
    assert "row 1 " in message


def test_every_batch_of_rows_twice(tmp_path: Path) -> None:
    """Two files of the same hour, joined and sorted: no two equal rows stand together."""
    array = market()
    array["qty"] = 0.25 * (1 + np.arange(400))
    for field in ("exch_ts", "local_ts"):
        array[field] = array[field][np.arange(400) // 10 * 10]
    joined = np.concatenate([array, array])
    joined = joined[np.argsort(joined["exch_ts"], kind="stable")]

    assert "50 % of the rows" in refusal(saved(tmp_path, joined))


def test_rows_split_for_the_two_sides_are_no_repetition(tmp_path: Path) -> None:
    """As hftbacktest's correct_event_order writes them: once for the exchange, once for us."""
    array = np.repeat(market(), 2)
    array["ev"][0::2] &= ~np.uint64(LOCAL)
    array["ev"][1::2] &= ~np.uint64(EXCH)

    assert load_recording(saved(tmp_path, array), None, None).plausibility.doubts == ()


@pytest.mark.parametrize(("field", "value"), [("px", 1e300), ("qty", 1e300), ("px", 1e17)])
def test_values_too_far_apart_for_one_grid(tmp_path: Path, field: str, value: float) -> None:
    array = market()
    array[field][9] = value

    message = refusal(saved(tmp_path, array))

    assert f"{value:g}" in message


@pytest.mark.parametrize(("field", "value"), [("px", 1e300), ("qty", 1e300)])
def test_values_beyond_a_given_grid(tmp_path: Path, field: str, value: float) -> None:
    array = market()
    array[field][9] = value

    with pytest.raises(RecordingError, match=r"1e\+300"):
        load_recording(saved(tmp_path, array), 0.5, 0.25)


def test_memory_that_ends_during_the_checks_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    path = saved(tmp_path, market())
    monkeypatch.setattr(np, "zeros", no_memory)

    assert "not enough memory for the events" in refusal(path)


def test_missing_extra_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hftbacktest", None)
    lane = Lane("lane", "steady", "BTCUSDT", 1, 30.0, 4, saved(tmp_path, events()))

    with pytest.raises(ValueError, match=r"pip install 'pytest-soak\[replay\]'"):
        make_replay(lane)
