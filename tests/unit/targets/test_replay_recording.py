"""What a recording must be, and that everything else is refused in one clear line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_soak.protocol import Lane
from pytest_soak.targets.replay import make_replay
from pytest_soak.targets.replay.recording import EVENT_FIELDS, load_recording

DEPTH, TRADE, CLEAR, SNAPSHOT = 1, 2, 3, 4
EXCH, LOCAL, BID, ASK = 1 << 31, 1 << 30, 1 << 29, 1 << 28
MS = 1_000_000


def events(count: int = 40, **columns: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """A small valid array: a snapshot of two events, then depth, 100 ms apart, 7 ms on the way."""
    array = np.zeros(count, dtype=np.dtype(list(EVENT_FIELDS), align=True))
    steps = np.arange(count)
    array["ev"] = EXCH | LOCAL | DEPTH | np.where(steps % 2, ASK, BID)
    array["ev"][:2] = (EXCH | LOCAL | SNAPSHOT) | np.array([BID, ASK])
    array["exch_ts"] = 10**18 + steps * 100 * MS
    array["local_ts"] = array["exch_ts"] + 7 * MS
    array["px"] = 100.0 + 0.5 * (steps % 2)
    array["qty"] = 0.25 * (1 + steps % 3)
    for name, values in columns.items():
        array[name] = values
    return array


def saved(tmp_path: Path, array: Any, name: str = "data") -> str:
    path = tmp_path / "recording.npz"
    np.savez(path, **{name: array})
    return str(path)


def refusal(path: str | None) -> str:
    with pytest.raises(ValueError, match=r"^replay") as caught:
        load_recording(path, None, None)
    message = str(caught.value)
    assert "\n" not in message
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
    array["exch_ts"][20:] += 900 * MS
    array["local_ts"] = np.maximum.accumulate(array["exch_ts"] - 5 * MS)
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
    path.write_bytes(whole[:300] + whole[800:])

    assert "damaged" in refusal(str(path))


def test_no_data_array(tmp_path: Path) -> None:
    message = refusal(saved(tmp_path, events(), name="dat"))

    assert "nearest: 'dat'" in message


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    assert "is pickled Python objects" in refusal(
        saved(tmp_path, np.array([{"px": 1}], dtype=object))
    )


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

    assert f"{field} goes back in row 17" in message
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
    array["ev"][9] = EXCH | LOCAL | CLEAR | BID
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


def test_missing_extra_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hftbacktest", None)
    lane = Lane("lane", "steady", "BTCUSDT", 1, 30.0, 4, saved(tmp_path, events()))

    with pytest.raises(ValueError, match=r"pip install 'pytest-soak\[replay\]'"):
        make_replay(lane)
