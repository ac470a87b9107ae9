"""The quoting bot on recorded data: the logic of ``targets.quoting`` behind a real order book.

Every 5 ms of recorded time the bot reads its answers and the book, notes which of its quotes it
wants placed or moved, and gives the gateway the one that waits longest. Quotes are plain limit
orders, so one that arrives late through the other side takes.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from pytest_soak.targets import quoting
from pytest_soak.targets.quoting import Params
from pytest_soak.targets.replay.engine import (
    BUY,
    CANCELED,
    EXPIRED,
    FILLED,
    SELL,
    Book,
    Engine,
)
from pytest_soak.targets.replay.gateway import Gateway
from pytest_soak.targets.replay.recording import Recording

DECISION_NS = 5_000_000
"""Recorded time between two looks of the bot: the smallest ``min_interval_ms`` there is."""

LEVELS = 3
LEVEL_GROWTH = 0.5
VOLATILITY_COEF = 0.2
INVENTORY_CAP_TOUCHES = 1.0
"""The inventory limit, in sizes visible at the touch (averaged over a minute): what the bot could
hope to get rid of at once."""

HEDGE_AT = 1.25
"""Inventory, in limits, from which it is reduced by taking."""

HEDGE_REACH_BPS = 1.0
"""How far through the touch a hedge may reach without ``slippage_penalty_coef``."""

ADVERSE_SIGMAS = 2.0
"""A side is not quoted while the mid of the last second moved against it by this many σ."""

_MS = 1_000_000
_SECOND_NS = 1_000_000_000
_SAMPLE_NS = 250_000_000
_SAMPLES_PER_S = 4
_VARIANCE_MEMORY_S = 20.0
_VISIBLE_MEMORY_S = 60.0


@dataclass(frozen=True, slots=True)
class Fill:
    """One of the bot's own, as its answer told it. Times in ns, prices in ticks."""

    time_ns: int
    """When the venue executed it."""
    side: int
    tick: int
    quantity: float
    maker: bool
    expected_tick: float
    """The mid when the order was sent."""


@dataclass(slots=True)
class _Quote:
    """One place in the ladder and the order that rests (or is on its way) there."""

    side: int
    level: int
    order_id: int = 0
    tick: int = 0
    placed_ns: int = 0
    queued_ns: int = 0
    """Since when it waits for its turn; 0 when it does not."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    tick: int
    quantity: float
    half_spread: float
    offset_bps: float


class QuotingBot:
    """Carries inventory, orders, estimates and its gateway from iteration to iteration."""

    def __init__(self, engine: Engine, recording: Recording) -> None:
        self._engine = engine
        self._lot = recording.lot_size
        self.gateway = Gateway(engine)
        self.inventory_lots = 0
        self.fills: list[Fill] = []
        self.quotes_placed = 0
        self.expired = 0
        self.inventory_ratios: list[float] = []
        self._ladder = tuple(_Quote(side, level) for level in range(LEVELS) for side in (BUY, SELL))
        self._queue: deque[_Quote] = deque()
        self._orders: dict[int, tuple[int, float]] = {}
        self._hedge_id = 0
        self._fills_read = 0
        self._book = engine.book()
        self._mids: deque[float] = deque(maxlen=_SAMPLES_PER_S + 1)
        self._sampled_ns = 0
        self._samples = 0
        self._variance = 0.0
        self._visible_lots = 0.0

    @property
    def sigma_bps(self) -> float:
        """Estimated volatility, bps per √second."""
        return math.sqrt(self._variance)

    @property
    def inventory_cap_lots(self) -> float:
        return max(1.0, INVENTORY_CAP_TOUCHES * self._visible_lots)

    def watch_until(self, end_ns: int) -> None:
        """Lets time pass without trading, so that the estimates are there when it begins."""
        while (now_ns := self._engine.now_ns) < end_ns:
            self._engine.advance_to(min(now_ns + DECISION_NS, end_ns))
            self._see_market(self._engine.now_ns)

    def trade_until(self, end_ns: int, params: Params) -> None:
        """Runs the bot to ``end_ns``, counting fills, blocks and latencies from zero."""
        self.fills = []
        self.inventory_ratios = []
        self.quotes_placed = self.expired = 0
        self.gateway.begin()
        while (now_ns := self._engine.now_ns) < end_ns:
            self._engine.advance_to(min(now_ns + DECISION_NS, end_ns))
            now_ns = self._engine.now_ns
            self._read_answers()
            self._see_market(now_ns)
            if self._book.whole:
                self._decide(now_ns, params)

    # What came in.

    def _read_answers(self) -> None:
        if not self.gateway.in_flight and self._engine.fills == self._fills_read:
            return
        self._fills_read = self._engine.fills
        for order_id, (side, expected_tick) in list(self._orders.items()):
            state = self._engine.order(order_id)
            if state.status == FILLED:
                lots = round(state.quantity / self._lot)
                self.inventory_lots += side * lots
                self.fills.append(
                    Fill(
                        state.exchange_ns,
                        side,
                        state.price_tick,
                        lots * self._lot,
                        state.maker,
                        expected_tick,
                    )
                )
            elif state.status == EXPIRED:
                self.expired += 1
            elif state.status != CANCELED:
                continue
            del self._orders[order_id]
        self.gateway.settle()
        self._engine.forget_finished()

    def _see_market(self, now_ns: int) -> None:
        self._book = book = self._engine.book()
        if not book.whole or now_ns - self._sampled_ns < _SAMPLE_NS:
            return
        self._sampled_ns = now_ns
        mid = (book.bid_tick + book.ask_tick) / 2
        self._samples += 1
        if self._mids:
            move_bps = (mid / self._mids[-1] - 1.0) * 1e4
            weight = max(1.0 / self._samples, 1.0 / (_VARIANCE_MEMORY_S * _SAMPLES_PER_S))
            self._variance += weight * (move_bps * move_bps * _SAMPLES_PER_S - self._variance)
        self._mids.append(mid)
        shown = (book.bid_quantity + book.ask_quantity) / 2 / self._lot
        weight = max(1.0 / self._samples, 1.0 / (_VISIBLE_MEMORY_S * _SAMPLES_PER_S))
        self._visible_lots += weight * (shown - self._visible_lots)
        self.inventory_ratios.append(self.inventory_lots / self.inventory_cap_lots)

    # What goes out.

    def _decide(self, now_ns: int, params: Params) -> None:
        self._queue_wishes(now_ns, params)
        if not self.gateway.turn_is_free(now_ns, params):
            return
        if self._wants_hedge():
            self._hedge(now_ns, params)
            return
        while self._queue:
            quote = self._queue.popleft()
            wanted = self._wanted(quote, params)
            queued_ns, quote.queued_ns = quote.queued_ns, 0
            if self._is_due(quote, wanted, now_ns, params):
                self._request(quote, wanted, queued_ns, now_ns, params)
                return

    def _queue_wishes(self, now_ns: int, params: Params) -> None:
        for quote in self._ladder:
            if quote.queued_ns or (quote.order_id and quote.order_id not in self._orders):
                quote.order_id = quote.order_id if quote.order_id in self._orders else 0
            if not quote.queued_ns and self._is_due(
                quote, self._wanted(quote, params), now_ns, params
            ):
                quote.queued_ns = now_ns
                self._queue.append(quote)

    def _is_due(self, quote: _Quote, wanted: _Wanted, now_ns: int, params: Params) -> bool:
        if not quote.order_id:
            return True
        if self._engine.order(quote.order_id).in_flight:
            return False
        mid = (self._book.bid_tick + self._book.ask_tick) / 2
        return quoting.needs_reprice(
            (quote.tick - wanted.tick) / mid * 1e4,
            wanted.offset_bps,
            params.max_delta_ratio,
            (now_ns - quote.placed_ns) / _MS,
            params.tail_age_ms,
        )
