"""Small recordings for tests, and archives made by hand to be wrong in one way each."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_soak.targets.replay.events import EVENT_FIELDS

DEPTH, TRADE, CLEAR, SNAPSHOT = 1, 2, 3, 4
EXCH, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
BOTH = EXCH | LOCAL
MS = 1_000_000
START_NS = 1_723_161_256_000_000_000
"""2024-08-08."""

Events = np.ndarray[Any, np.dtype[Any]]


def market(count: int = 400, **columns: Any) -> Events:
    """A plausible market: one snapshot, then depth updates and a trade in ten, 100 ms apart.

    Bid 100.0, ask 100.5, 7 ms from the exchange to us, lots of 0.25.
    """
    array = np.zeros(count, dtype=np.dtype(list(EVENT_FIELDS), align=True))
    steps = np.arange(count)
    ask = steps % 2 == 1
    array["ev"] = BOTH | DEPTH | np.where(ask, SELL, BUY)
    array["ev"][:2] = (BOTH | SNAPSHOT) | np.array([BUY, SELL])[:count]
    array["ev"][9::10] = BOTH | TRADE | BUY
    array["exch_ts"] = START_NS + steps * 100 * MS
    array["local_ts"] = array["exch_ts"] + 7 * MS
    array["px"] = np.where(ask, 100.5, 100.0)
    array["qty"] = 0.25 * (1 + steps % 3)
    for name, values in columns.items():
        array[name] = values
    return array


def saved(folder: Path, array: Any, name: str = "data") -> str:
    path = folder / "recording.npz"
    np.savez_compressed(path, **{name: array})
    return str(path)


def npy(array: NDArray[Any]) -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array(content, array, allow_pickle=True)
    return content.getvalue()


def npy_of(header: str, rows: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    """An .npy array of any header; the length that stands before it is right."""
    text = header.encode("latin1") + b"\n"
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + rows


def event_header(shape: str, descr: str | None = None) -> str:
    fields = descr or repr([(name, f"<{kind}") for name, kind in EVENT_FIELDS])
    return f"{{'descr': {fields}, 'fortran_order': False, 'shape': {shape}, }}"


def archive(
    folder: Path, content: bytes, *, name: str = "data.npy", method: int = zipfile.ZIP_DEFLATED
) -> str:
    """An .npz whose member ``data.npy`` is ``content``."""
    path = folder / "recording.npz"
    with zipfile.ZipFile(path, "w", method) as written:
        written.writestr(name, content)
    return str(path)


def patched(path: str, offset: int, value: bytes) -> str:
    """The archive with the same bytes in the local and the central header of its first member.

    ``offset`` counts in the central header; the local one has the same fields two bytes earlier.
    """
    content = bytearray(Path(path).read_bytes())
    central = content.index(b"PK\x01\x02")
    for start in (central + offset, offset - 2):
        content[start : start + len(value)] = value
    Path(path).write_bytes(content)
    return path
