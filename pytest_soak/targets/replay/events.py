"""The events of a recording: fields, flags and kinds as hftbacktest 2.x defines them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Events = np.ndarray[Any, np.dtype[np.void]]
    """Shape ``(n,)``, in :data:`EVENT_FIELDS`."""

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

SECOND_NS = 1_000_000_000

EXCHANGE, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
"""Flags of ``ev``: the exchange processes the event, we receive it, and whose side it is of."""

DEPTH, TRADE, CLEAR, SNAPSHOT, BEST = 1, 2, 3, 4, 5
"""Kinds, the low byte of ``ev``."""

_USED = (DEPTH, TRADE, CLEAR, SNAPSHOT)
_KINDS: Mapping[int, str] = {
    DEPTH: "depth",
    TRADE: "trade",
    CLEAR: "depth clear",
    SNAPSHOT: "depth snapshot",
    BEST: "best bid and ask",
    10: "add order, L3",
    11: "cancel order, L3",
    12: "modify order, L3",
    13: "fill, L3",
}
_MOST_KINDS = 8


def kinds_of(events: Events) -> NDArray[np.uint8]:
    """The kind of each event."""
    import numpy as np

    return (events["ev"] & np.uint64(0xFF)).astype(np.uint8)


def flagged(events: Events, flag: int) -> NDArray[np.bool_]:
    """Whether each event has this flag."""
    import numpy as np

    return (events["ev"] & np.uint64(flag)) > 0


def kinds_text(kinds: NDArray[np.uint8], *, unused_only: bool = False) -> str:
    """How many events there are of each kind, for people; "" if there are none."""
    import numpy as np

    counts = np.bincount(kinds, minlength=256)
    present = [
        kind for kind in np.flatnonzero(counts).tolist() if not unused_only or kind not in _USED
    ]
    texts = [f"{kind} ({_KINDS.get(kind, 'unknown')}): {counts[kind]:,}" for kind in present]
    more = len(texts) - _MOST_KINDS
    rest = [f"and {more} more kinds"] if more > 0 else []
    return ", ".join([*texts[:_MOST_KINDS], *rest])
