"""The quoting bot on recorded data: the rules of ``targets.quoting`` with a real order book.

Every 5 ms of recorded time the bot reads its answers and the book, determines which of its quotes
must be placed or moved, and passes the one that has waited longest to the gateway. Quotes are plain
limit orders, so a quote that arrives late and crosses the other side takes.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from pytest_soak.targets import quoting
from pytest_soak.targets.quoting import Params
from pytest_soak.targets.replay.engine import BUY, CANCELED, EXPIRED, FILLED, SELL, Engine
from pytest_soak.targets.replay.gateway import Gateway
from pytest_soak.targets.replay.signals import Signals

DECISION_NS = 5_000_000
"""Recorded time between two decisions of the bot: the smallest possible ``min_interval_ms``."""

LEVELS = 3
LEVEL_GROWTH = 0.5
"""How much larger each further level is, in sizes of the innermost (``quoting.level_size``)."""

VOLATILITY_COEF = 0.2
"""Half spread per unit of volatility (``quoting.half_spread_bps``), √seconds."""

INVENTORY_CAP_TOUCHES = 1.0
"""The inventory limit, in sizes visible at the touch (averaged over a minute): about what the
market can absorb at once."""

QUOTE_UP_TO = 0.75
"""Inventory, in limits, from which the side that adds to it is no longer quoted. Orders that rest
already may still fill. Above the limit, inventory is reduced at the market to this level."""

HEDGE_REACH_BPS = 1.0
"""How far through the touch a hedge may reach; divided by 1 + ``slippage_penalty_coef``."""

ADVERSE_SIGMAS = 2.0
"""A side is not quoted while the last second's move against it exceeds this many σ."""

RISK_PAUSE_NS = 1_000_000_000
"""After a refusal by risk a quote waits this long, the period that the risk check looks at."""

_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Fill:
    """One of the bot's own fills, as its answer reported it. Times in ns, prices in ticks."""

    time_ns: int
    """When the venue executed it."""
    side: int
    tick: int
    lots: int
    maker: bool
    mid_tick: float
    """The mid when the answer arrived. Answers take as long as the feed, so this is the venue's mid
    at the execution, to within the 5 ms between two decisions."""
    hedged_from: float | None
    """The mid when a hedge was sent; None for a quote."""


@dataclass(slots=True)
class Tally:
    """Counts and fills of one iteration."""

    fills: list[Fill] = field(default_factory=list)
    open_before: int = 0
    """Quotes at the venue or on their way when the iteration began."""
    quotes: int = 0
    """Quotes sent."""
    hedges: int = 0
    hedges_filled: int = 0
    hedges_expired: int = 0
    inventory_ratios: list[float] = field(default_factory=list)
    """Inventory over its limit, four times a second."""


@dataclass(slots=True)
class _Quote:
    """One place in the ladder, and the order that rests there or is on its way."""

    side: int
    level: int
    order_id: int = 0
    tick: int = 0
    placed_ns: int = 0
    queued_ns: int = 0
    """Since when it has waited for its turn; 0 if it does not wait."""
    paused_until_ns: int = 0


@dataclass(frozen=True, slots=True)
class _Order:
    side: int
    sent_at_tick: float
    """The mid when it was sent."""
    quote: _Quote | None
    """None: a hedge."""


class QuotingBot:
    """Keeps inventory, orders, estimates and its gateway from one iteration to the next."""

    def __init__(self, engine: Engine, lot_size: float) -> None:
        self._engine = engine
        self._lot = lot_size
        self._signals = Signals()
        self._ladder = tuple(_Quote(side, level) for level in range(LEVELS) for side in (BUY, SELL))
        self._queue: deque[_Quote] = deque()
        self._orders: dict[int, _Order] = {}
        self._fills_read = 0
        self._hedging = False
        self.gateway = Gateway(engine)
        self.inventory_lots = 0
        self.tally = Tally()

    @property
    def sigma_bps(self) -> float:
        return self._signals.sigma_bps

    @property
    def inventory_cap_lots(self) -> float:
        return max(1.0, INVENTORY_CAP_TOUCHES * self._signals.visible / self._lot)

    @property
    def inventory_ratio(self) -> float:
        return self.inventory_lots / self.inventory_cap_lots

    @property
    def open_orders(self) -> int:
        """Orders that are not reported as finished, including those being cancelled."""
        return len(self._orders)

    def watch_until(self, end_ns: int) -> None:
        """Lets time pass without trading, so that the estimates exist when trading begins."""
        while self._engine.now_ns < end_ns:
            self._engine.advance_to(min(self._engine.now_ns + DECISION_NS, end_ns))
            self._signals.see(self._engine.now_ns, self._engine.book())

    def trade_until(self, end_ns: int, params: Params) -> Tally:
        """Runs the bot to ``end_ns``; fills, blocks and latencies count from zero."""
        quotes = sum(order.quote is not None for order in self._orders.values())
        self.tally = Tally(open_before=quotes)
        self.gateway.begin()
        engine, signals = self._engine, self._signals
        while engine.now_ns < end_ns:
            engine.advance_to(min(engine.now_ns + DECISION_NS, end_ns))
            now_ns = engine.now_ns
            book = engine.book()
            sampled = signals.see(now_ns, book)
            self._read_answers()
            if sampled:
                self.tally.inventory_ratios.append(self.inventory_ratio)
            if book.whole:
                self._decide(now_ns, params)
        return self.tally

    def _read_answers(self) -> None:
        if not self.gateway.in_flight and self._engine.fills == self._fills_read:
            return
        self._fills_read = self._engine.fills
        for order_id, order in list(self._orders.items()):
            state = self._engine.order(order_id)
            if state.status not in (FILLED, EXPIRED, CANCELED):
                continue
            del self._orders[order_id]
            if order.quote is None:
                self._hedging = False
                self.tally.hedges_filled += state.status == FILLED
                self.tally.hedges_expired += state.status == EXPIRED
            elif order.quote.order_id == order_id:
                order.quote.order_id = 0
            if state.status == FILLED:
                lots = round(state.quantity / self._lot)
                self.inventory_lots += order.side * lots
                self.tally.fills.append(
                    Fill(
                        time_ns=state.exchange_ns,
                        side=order.side,
                        tick=state.price_tick,
                        lots=lots,
                        maker=state.maker,
                        mid_tick=self._signals.book.mid_tick,
                        hedged_from=None if order.quote else order.sent_at_tick,
                    )
                )
        self.gateway.settle()
        self._engine.forget_finished()

    def _decide(self, now_ns: int, params: Params) -> None:
        half = quoting.half_spread_bps(params.base_spread_bps, VOLATILITY_COEF, self.sigma_bps)
        skew = quoting.skew_bps(self.inventory_ratio, params.inventory_tilt_cap, half)
        offsets = quoting.level_offsets(half, LEVELS)
        for quote in self._ladder:
            if not quote.queued_ns and self._due(quote, offsets, skew, now_ns, params):
                quote.queued_ns = now_ns
                self._queue.append(quote)
        if not self.gateway.turn_is_free(now_ns, params):
            return
        if abs(self.inventory_ratio) > 1.0 and not self._hedging:
            self._hedge(now_ns, params)
            return
        while self._queue:
            quote = self._queue.popleft()
            queued_ns, quote.queued_ns = quote.queued_ns, 0
            if self._due(quote, offsets, skew, now_ns, params):
                tick = self._target_tick(quote, offsets, skew)
                self._request(quote, tick, queued_ns, now_ns, params)
                return

    def _target_tick(self, quote: _Quote, offsets: tuple[float, ...], skew: float) -> int:
        """The price of a quote, rounded away from the mid and never crossing the other side."""
        book = self._signals.book
        distance = skew - quote.side * offsets[quote.level]
        price = book.mid_tick * (1.0 + distance / 1e4)
        if quote.side == BUY:
            return min(math.floor(price), book.ask_tick - 1)
        return max(math.ceil(price), book.bid_tick + 1)

    def _due(
        self, quote: _Quote, offsets: tuple[float, ...], skew: float, now_ns: int, params: Params
    ) -> bool:
        """Whether a quote must be placed or moved; not while a request about it is in flight."""
        if now_ns < quote.paused_until_ns:
            return False
        if not quote.order_id:
            return True
        target = self._target_tick(quote, offsets, skew)
        off_bps = (quote.tick - target) / self._signals.book.mid_tick * 1e4
        age_ms = (now_ns - quote.placed_ns) / _MS
        return (
            quoting.needs_reprice(
                off_bps, offsets[quote.level], params.max_delta_ratio, age_ms, params.tail_age_ms
            )
            and not self._engine.order(quote.order_id).in_flight
        )

    def _request(
        self, quote: _Quote, tick: int, queued_ns: int, now_ns: int, params: Params
    ) -> None:
        """Places or moves one quote. A quote that risk forbids is cancelled if that is possible."""
        risky = self._risk_blocks(quote.side)
        if self.gateway.admits(now_ns, params, risk_blocked=risky):
            self._cancel(quote, queued_ns, now_ns)
            lots = self._lots(quote, params)
            quote.tick, quote.placed_ns = tick, now_ns
            quote.order_id = self._send(quote.side, tick, lots, queued_ns, now_ns, quote)
            self.tally.quotes += 1
        elif risky:
            quote.paused_until_ns = now_ns + RISK_PAUSE_NS
            if quote.order_id and self.gateway.admits(now_ns, params, risk_blocked=False):
                self._cancel(quote, queued_ns, now_ns)

    def _lots(self, quote: _Quote, params: Params) -> int:
        size = quoting.level_size(
            params.impact_cap_ratio, self._signals.visible / self._lot, quote.level, LEVEL_GROWTH
        )
        tilt = quoting.size_tilt(
            self.inventory_ratio, quote.side, params.vip_tilt_cap, params.slippage_penalty_coef
        )
        return max(1, math.floor(size * tilt))

    def _risk_blocks(self, side: int) -> bool:
        """Whether the inventory on this side is large, or the market moves against this side."""
        exposed = side * self.inventory_ratio >= QUOTE_UP_TO
        adverse = -side * self._signals.move_bps > ADVERSE_SIGMAS * self.sigma_bps
        return exposed or adverse

    def _cancel(self, quote: _Quote, queued_ns: int, now_ns: int) -> None:
        if quote.order_id:
            self._engine.cancel(quote.order_id)
            self.gateway.sent(quote.order_id, queued_ns, now_ns)
            quote.order_id = 0

    def _hedge(self, now_ns: int, params: Params) -> None:
        """Reduces part of the excess inventory, by at most the size at the touch."""
        book = self._signals.book
        side = SELL if self.inventory_lots > 0 else BUY
        if not self.gateway.admits(now_ns, params, risk_blocked=False):
            return
        excess = abs(self.inventory_lots) - QUOTE_UP_TO * self.inventory_cap_lots
        shown = book.bid_quantity if side == SELL else book.ask_quantity
        size = quoting.exit_size(excess, params.slippage_penalty_coef)
        lots = max(1, math.floor(min(size, shown / self._lot)))
        reach = HEDGE_REACH_BPS / (1.0 + params.slippage_penalty_coef) / 1e4
        touch = book.bid_tick if side == SELL else book.ask_tick
        tick = round(touch * (1.0 + side * reach))
        self._hedging = True
        self.tally.hedges += 1
        self._send(side, tick, lots, now_ns, now_ns, None)

    def _send(
        self, side: int, tick: int, lots: int, queued_ns: int, now_ns: int, quote: _Quote | None
    ) -> int:
        order_id = self._engine.submit(side, tick, lots * self._lot, at_once=quote is None)
        self._orders[order_id] = _Order(side, self._signals.book.mid_tick, quote)
        self.gateway.sent(order_id, queued_ns, now_ns)
        return order_id
