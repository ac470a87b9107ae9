"""Recorded market data: read once, checked before the first iteration, never trusted.

The file is an ``.npz`` with an array ``data`` in the event layout of hftbacktest 2.x. Everything
that would otherwise surface deep inside the engine (which aborts the process on some of it) is
refused here with one line that says what is wrong and where.
"""

from __future__ import annotations

import difflib
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Events = np.ndarray[Any, np.dtype[np.void]]

EVENT_FIELDS: tuple[tuple[str, str], ...] = (
    ("ev", "u8"),
    ("exch_ts", "i8"),
    ("local_ts", "i8"),
    ("px", "f8"),
    ("qty", "f8"),
    ("order_id", "u8"),
    ("ival", "i8"),
    ("fval", "f8"),
)
"""Names and types of hftbacktest 2.x's event (its ``types.event_dtype``); times in ns."""

LATENCY_FIELDS: tuple[tuple[str, str], ...] = (
    ("req_ts", "i8"),
    ("exch_ts", "i8"),
    ("resp_ts", "i8"),
    ("_padding", "i8"),
)
"""A row of hftbacktest's historical order latency; times in ns."""

SECOND_NS = 1_000_000_000
_EXCH_EVENT = 1 << 31
_LOCAL_EVENT = 1 << 30
_DEPTH, _TRADE, _SNAPSHOT, _BBO = 1, 2, 4, 5
_SNAPSHOT_WITHIN_NS = 10 * SECOND_NS
_LEAST_LATENCY_NS = 100_000
_ALIGNMENT = 64
_GRID_TOLERANCE = 1e-3


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


def load_recording(path: str | None, tick_size: float | None, lot_size: float | None) -> Recording:
    """The recording at ``path``; tick and lot are read off the data where they are None.

    Raises ValueError, one line, for everything that is wrong with the file.
    """
    import numpy as np

    if not path:
        raise ValueError(
            "replay needs recorded market data and none is given: --soak-data=FILE (or ini "
            "soak_data), an .npz whose array 'data' has the event layout of hftbacktest 2.x"
        )
    file = Path(path)
    events = _aligned(_checked_layout(_read(file), file), EVENT_FIELDS)
    flags = events["ev"]
    kinds = flags & np.uint64(0xFF)
    _check_values(events, kinds, file)
    local = _check_sorted(events, "local_ts", _LOCAL_EVENT, file)
    _check_sorted(events, "exch_ts", _EXCH_EVENT, file)
    quoted = np.isin(kinds, (_DEPTH, _TRADE, _SNAPSHOT, _BBO))
    return Recording(
        name=file.name,
        events=events,
        tick_size=tick_size or _price_step(events["px"][quoted], file),
        lot_size=lot_size or _quantity_step(events["qty"][quoted], file),
        start_ns=_book_complete_ns(events, kinds, int(local[0])),
        end_ns=int(local[-1]),
        order_latency=_latency(events, kinds, file),
    )


def _read(file: Path) -> NDArray[Any]:
    """The array ``data`` of the file, never unpickling anything."""
    import numpy as np

    if not file.exists():
        raise ValueError(f"replay: no such file: {file}")
    if not file.is_file():
        raise ValueError(f"replay: {file} is not a regular file; an .npz file is needed")
    try:
        with file.open("rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise ValueError(
                    f"replay: {file} is not an .npz file; write one with "
                    "numpy.savez_compressed(file, data=events)"
                )
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as archive:
                names: list[str] = list(archive.files)
                if "data" not in names:
                    near = difflib.get_close_matches("data", names, n=1)
                    hint = f" (nearest: {near[0]!r})" if near else ""
                    raise ValueError(
                        f"replay: {file} has no array 'data'{hint}; it holds: "
                        + (", ".join(map(repr, sorted(names))) or "nothing")
                    )
                try:
                    loaded = archive["data"]
                except ValueError as error:
                    if "allow_pickle" not in str(error):
                        raise
                    raise ValueError(
                        f"replay: array 'data' of {file} is pickled Python objects, which is "
                        "never loaded; save it as a structured array instead"
                    ) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise ValueError(f"replay: {file} is damaged or cannot be read: {error}") from None
    return np.asarray(loaded)


def _checked_layout(array: NDArray[Any], file: Path) -> NDArray[Any]:
    names = array.dtype.names
    if names is None:
        raise ValueError(
            f"replay: array 'data' of {file} is a plain {array.dtype} array of shape "
            f"{array.shape}; hftbacktest 2.x's layout is a structured array with the fields "
            + ", ".join(name for name, _ in EVENT_FIELDS)
        )
    for name, kind in EVENT_FIELDS:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f" (nearest: {near[0]!r})" if near else ""
            raise ValueError(f"replay: array 'data' of {file} lacks the field {name!r}{hint}")
        found = array.dtype[name]
        if found.newbyteorder("=").str[1:] != kind:
            raise ValueError(
                f"replay: field {name!r} of array 'data' of {file} is {found}, must be {kind}"
            )
    if array.ndim != 1 or not array.size:
        raise ValueError(
            f"replay: array 'data' of {file} has shape {array.shape}, must be one-dimensional "
            "and not empty"
        )
    return array


def _check_values(events: Events, kinds: NDArray[Any], file: Path) -> None:
    import numpy as np

    priced = np.isin(kinds, (_DEPTH, _TRADE, _SNAPSHOT, _BBO))
    with np.errstate(invalid="ignore"):
        bad_price = priced & ~((events["px"] > 0) & np.isfinite(events["px"]))
        bad_quantity = priced & ~((events["qty"] >= 0) & np.isfinite(events["qty"]))
    for field, bad, right in (
        ("px", bad_price, "a finite price above 0"),
        ("qty", bad_quantity, "finite and not negative"),
    ):
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise ValueError(
                f"replay: {field} is {float(events[field][row])!r} in row {row} of {file}; "
                f"must be {right}"
            )


def _check_sorted(events: Events, field: str, flag: int, file: Path) -> NDArray[Any]:
    """The times of the events that one side sees; each side's own order is what must hold."""
    import numpy as np

    side = "local" if flag == _LOCAL_EVENT else "exchange"
    rows = np.flatnonzero(events["ev"] & np.uint64(flag))
    if not rows.size:
        raise ValueError(f"replay: no event of {file} is flagged for the {side} side")
    times: NDArray[Any] = events[field][rows]
    back = np.flatnonzero(np.diff(times) < 0)
    if back.size:
        raise ValueError(
            f"replay: {field} goes back in row {int(rows[back[0] + 1])} of {file}; {side} events "
            "must be sorted by time (hftbacktest's correct_event_order does it)"
        )
    return times


def _price_step(prices: NDArray[Any], file: Path) -> float:
    """Smallest distance between two recorded prices."""
    import numpy as np

    distinct = np.unique(prices)
    gaps = np.diff(distinct)
    gaps = gaps[gaps > 1e-9 * distinct[-1]]
    if not gaps.size:
        raise ValueError(f"replay: {file} has a single price; no tick size can be read off it")
    return _grid_step(float(gaps.min()), distinct, "tick_size", file)


def _quantity_step(quantities: NDArray[Any], file: Path) -> float:
    """Smallest recorded quantity, or distance between two of them."""
    import numpy as np

    distinct = np.unique(quantities[quantities > 0])
    if not distinct.size:
        raise ValueError(f"replay: {file} has no quantity above 0; no lot size can be read off it")
    gaps = np.diff(distinct)
    gaps = gaps[gaps > 1e-9 * distinct[-1]]
    smallest = min(float(distinct[0]), float(gaps.min()) if gaps.size else float("inf"))
    return _grid_step(smallest, distinct, "lot_size", file)


def _grid_step(step: float, values: NDArray[Any], name: str, file: Path) -> float:
    """``step`` without floating-point noise, if all values are whole multiples of it."""
    import numpy as np

    step = float(f"{step:.6g}")
    multiples = values / step
    if np.abs(multiples - np.round(multiples)).max() > _GRID_TOLERANCE:
        raise ValueError(
            f"replay: the values of {file} are no whole multiples of {step:g}, so {name} cannot "
            f"be read off them; give ReplaySettings({name}=...) to make_replay"
        )
    return step


def _book_complete_ns(events: Events, kinds: NDArray[Any], first_ns: int) -> int:
    import numpy as np

    seen = (kinds == _SNAPSHOT) & ((events["ev"] & np.uint64(_LOCAL_EVENT)) > 0)
    seen &= events["local_ts"] <= first_ns + _SNAPSHOT_WITHIN_NS
    times = events["local_ts"][seen]
    return int(times[times == times[0]][-1]) if times.size else first_ns


def _latency(events: Events, kinds: NDArray[Any], file: Path) -> Events:
    """Order latency from feed latency: the way in and the way back each take what the last
    market event of that second took.

    This is hftbacktest's own recipe (``data/utils/feed_order_latency.py``, multipliers 1), without
    its dependency. The engine aborts the process on a negative latency and walks its rows forward
    only, hence the floor of 0.1 ms and the strictly increasing times.
    """
    import numpy as np

    live = np.isin(kinds, (_DEPTH, _TRADE, _BBO))
    live &= (events["ev"] & np.uint64(_LOCAL_EVENT)) > 0
    times = events["local_ts"][live]
    if not times.size:
        raise ValueError(f"replay: {file} has no depth or trade event after its snapshot")
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
