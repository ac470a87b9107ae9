"""hftbacktest behind a small interface: every return code is checked, no order id is used twice.

What its documentation does not mention, from its source and from running 2.4.4:

- ``current_timestamp`` is 2^63 - 1 until the first ``elapse``.
- A fill, or a cancel that is refused because the order has just filled, leaves the status FILLED.
  So polling misses no fill if finished orders are dropped only after they were read.
- Its order tables are hash maps with a random seed per process. So orders are read by id in the
  order of sending, and sums over fills (``balance``, which also excludes fees) are not used.
- ``partial_fill_exchange`` ends a run with code 14 when a cancel meets a partly filled order; the
  exchange without partial fills, used here, fills an order whole or not at all.
- The first calls compile for 2 to 3 s in each process. Later calls from plain Python take 0.1 to
  2 µs, so no compiled driver is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_soak.protocol import EndOfData
from pytest_soak.targets.replay.recording import Recording

if TYPE_CHECKING:
    from types import ModuleType

BUY, SELL = 1, -1

NEW, EXPIRED, FILLED, CANCELED = 1, 2, 3, 4
"""Order states of the engine; 0 is "not acknowledged yet"."""

_GTC, _IOC = 0, 3
_LIMIT = 0
_ASSET = 0
_NO_WAIT = False
_OK, _END_OF_DATA = 0, 1
_FAILURES = {
    10: "an order with this id exists already",
    11: "a request for this order is in process",
    12: "no such order",
    13: "the order request is invalid",
    14: "the order's status does not allow the request",
    15: "end of data",
    100: "the recorded data cannot be read",
}
_QUEUE_EXPONENT = 2.0


class EngineError(RuntimeError):
    """A call into hftbacktest that failed, with the engine's reason."""


class Book(NamedTuple):
    """Best quotes as received: prices in ticks, quantities in the instrument's unit."""

    bid_tick: int
    ask_tick: int
    bid_quantity: float
    ask_quantity: float

    @property
    def whole(self) -> bool:
        """Two-sided and not crossed. An empty side is at the end of the integer range."""
        return 0 < self.bid_tick < self.ask_tick < 1 << 62

    @property
    def mid_tick(self) -> float:
        return (self.bid_tick + self.ask_tick) / 2


class EngineOrder(NamedTuple):
    """One order as the engine reports it."""

    status: int
    in_flight: bool
    """Whether a request about this order is in flight."""
    maker: bool
    price_tick: int
    """Execution price once filled."""
    quantity: float
    """Executed quantity once filled."""
    sent_ns: int
    exchange_ns: int


def engine_package() -> ModuleType:
    """hftbacktest, or a ValueError that says how to install it."""
    try:
        import hftbacktest
    except ImportError as error:
        raise ValueError(
            "replay needs hftbacktest, which cannot be imported "
            f"({error}): pip install 'pytest-soak[replay]'"
        ) from None
    package: ModuleType = hftbacktest
    return package


class Engine:
    """One pass through a recording. Times in ns, prices in ticks."""

    def __init__(self, recording: Recording) -> None:
        package = engine_package()
        latency = recording.order_latency
        asset = (
            package.BacktestAsset()
            .data(recording.events)
            .linear_asset(1.0)
            .intp_order_latency(latency)
            .power_prob_queue_model(_QUEUE_EXPONENT)
            .no_partial_fill_exchange()
            .trading_value_fee_model(0.0, 0.0)
            .tick_size(recording.tick_size)
            .lot_size(recording.lot_size)
        )
        self._recording = recording  # the engine reads the arrays where they are
        self._tick_size = recording.tick_size
        self._backtest: Any = package.HashMapMarketDepthBacktest([asset])
        self._next_id = 1
        self._open = True
        self._checked(self._backtest.elapse(0), "start")
        self._depth: Any = self._backtest.depth(_ASSET)
        self._orders: Any = self._backtest.orders(_ASSET)
        self._totals: Any = self._backtest.state_values(_ASSET)

    @property
    def now_ns(self) -> int:
        return int(self._backtest.current_timestamp)

    @property
    def position(self) -> float:
        """Sum of the fills received so far, in the instrument's unit."""
        return float(self._totals.position)

    @property
    def fills(self) -> int:
        """How many fills were received so far."""
        return int(self._totals.num_trades)

    def advance_to(self, time_ns: int) -> None:
        """Lets recorded time pass. Raises EndOfData when the recording ends before."""
        wait = time_ns - self.now_ns
        if wait > 0:
            self._checked(self._backtest.elapse(wait), "elapse")

    def book(self) -> Book:
        depth = self._depth
        return Book(
            depth.best_bid_tick, depth.best_ask_tick, depth.best_bid_qty, depth.best_ask_qty
        )

    def feed_latency_ns(self) -> int:
        """Latency of the newest market event; 0 before the first."""
        times = self._backtest.feed_latency(_ASSET)
        return int(times[1] - times[0]) if times else 0

    def response_ns(self) -> int:
        """Latency of the newest response from the exchange to us; 0 before the first."""
        times = self._backtest.order_latency(_ASSET)
        return int(times[2] - times[1]) if times else 0

    def submit(self, side: int, price_tick: int, quantity: float, *, at_once: bool) -> int:
        """Sends a limit order and returns its id. ``at_once``: fill now or expire (IOC)."""
        order_id = self._next_id
        self._next_id += 1
        send = self._backtest.submit_buy_order if side == BUY else self._backtest.submit_sell_order
        code = send(
            _ASSET,
            order_id,
            price_tick * self._tick_size,
            quantity,
            _IOC if at_once else _GTC,
            _LIMIT,
            _NO_WAIT,
        )
        self._checked(code, f"order {order_id}")
        return order_id

    def cancel(self, order_id: int) -> None:
        self._checked(self._backtest.cancel(_ASSET, order_id, _NO_WAIT), f"cancel {order_id}")

    def order(self, order_id: int) -> EngineOrder:
        order = self._orders.get(order_id)
        if order is None:
            raise EngineError(f"replay: order {order_id} is unknown to the engine")
        status = order.status
        return EngineOrder(
            status=status,
            in_flight=order.req != 0,
            maker=bool(order.arr[0]["maker"]),
            price_tick=order.exec_price_tick if status == FILLED else order.price_tick,
            quantity=order.exec_qty if status == FILLED else order.qty,
            sent_ns=order.local_timestamp,
            exchange_ns=order.exch_timestamp,
        )

    def forget_finished(self) -> None:
        """Drops filled, expired and cancelled orders. Call it after they were read."""
        self._backtest.clear_inactive_orders(_ASSET)

    def close(self) -> None:
        """Frees the engine; the object must not be used afterwards. A second call does nothing."""
        if self._open:
            self._open = False
            self._checked(self._backtest.close(), "close")

    def _checked(self, code: int, what: str) -> None:
        if code == _OK:
            return
        if code == _END_OF_DATA:
            raise EndOfData(f"replay: {self._recording.name} ended during {what}")
        reason = _FAILURES.get(code, "an unknown failure")
        raise EngineError(f"replay: {what} at {self.now_ns} ns failed with code {code}: {reason}")
