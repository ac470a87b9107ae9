"""The bot's estimates from the book: volatility, the last second's move, visible size."""

from __future__ import annotations

import math
from collections import deque

from pytest_soak.targets.replay.engine import Book

_SAMPLE_NS = 250_000_000
_SAMPLES_PER_S = 4
_VARIANCE_MEMORY_S = 20.0
_VISIBLE_MEMORY_S = 60.0


class Signals:
    """Averages of four samples a second; plain means until their memory is full."""

    def __init__(self) -> None:
        self.book = Book(0, 0, 0.0, 0.0)
        """The newest whole book."""
        self._mids: deque[float] = deque(maxlen=_SAMPLES_PER_S + 1)
        self._sampled_ns = 0
        self._samples = 0
        self._variance = 0.0
        self._visible = 0.0

    def see(self, now_ns: int, book: Book) -> bool:
        """Updates the estimates with the book of this moment. True if it became a sample."""
        if not book.whole:
            return False
        self.book = book
        if now_ns - self._sampled_ns < _SAMPLE_NS:
            return False
        self._sampled_ns = now_ns
        self._samples += 1
        if self._mids:
            move_bps = (book.mid_tick / self._mids[-1] - 1.0) * 1e4
            weight = self._weight(_VARIANCE_MEMORY_S)
            self._variance += weight * (move_bps * move_bps * _SAMPLES_PER_S - self._variance)
        self._mids.append(book.mid_tick)
        shown = (book.bid_quantity + book.ask_quantity) / 2
        self._visible += self._weight(_VISIBLE_MEMORY_S) * (shown - self._visible)
        return True

    @property
    def sigma_bps(self) -> float:
        """Volatility of the mid, bps per √second, over about 20 s."""
        return math.sqrt(self._variance)

    @property
    def move_bps(self) -> float:
        """Move of the mid over the last second, bps."""
        return (self.book.mid_tick / self._mids[0] - 1.0) * 1e4 if self._mids else 0.0

    @property
    def visible(self) -> float:
        """Quantity at the touch, mean of both sides, averaged over about a minute."""
        return self._visible

    def _weight(self, memory_s: float) -> float:
        return max(1.0 / self._samples, 1.0 / (memory_s * _SAMPLES_PER_S))
