"""The venue: an account of one bot, with its orders, the gateway's latency, rejects and fills.

An order has the name of a quote as its id. An order with the id of a live one replaces it, and
loses its place in the queue. Latencies are drawn and stamped here, in time of the market, so they
do not depend on the machine that runs the example.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from market import Market, Taker, Tick

Message = dict[str, Any]

MAKER_FEE_BPS, TAKER_FEE_BPS = -1.3, 2.4
LARGEST_POSITION = 80.0
REQUESTS_PER_MIN, BURST = 1500.0, 50.0
LARGEST_IN_FLIGHT = 32
_SERVICE_S, _CAPACITY = 0.105, 36.0
_THROUGH_BPS, _STALE_BPS = 0.5, 0.3


@dataclass
class Order:
    id: str
    revision: int
    side: int
    price: float
    size: float
    placed: float
    queue: float
    """Lots before it at its price."""


class Account:
    """What the venue knows of one bot."""

    def __init__(self, market: Market, seed: int) -> None:
        self.market = market
        self.rng = random.Random(f"{seed}/gateway")
        self.orders: dict[str, Order] = {}
        self.flying: list[tuple[float, int, Message]] = []
        """Requests on their way: when they land, a number, the request."""
        self.count = 0
        self.position = 0.0
        self.last = -math.inf
        self.load = 0.0
        """Requests per minute, a mean over some seconds."""
        self.tokens = BURST
        self.messages: list[Message] = []

    def disconnect(self) -> None:
        """The connection is lost: orders are cancelled, answers are lost, the position stays."""
        self.orders.clear()
        self.flying.clear()
        self.messages = []

    def turn(
        self, ticks: Sequence[Tick], takers: Sequence[Taker], requests: Iterable[Message]
    ) -> list[Message]:
        """Match one turn of the market with the bot's orders. Returns what the bot is sent."""
        self.messages = []
        for request in sorted(requests, key=lambda request: request["at"]):
            self._receive(request, max(request["at"], ticks[0].at))
        coming = list(reversed(takers))
        for tick, end in zip(
            ticks, [*(tick.at for tick in ticks[1:]), self.market.now], strict=True
        ):
            self._pick_off(tick)
            while True:
                lands = self.flying[0][0] if self.flying else math.inf
                hits = coming[-1].at if coming else math.inf
                if min(lands, hits) >= end:
                    break
                if lands <= hits:
                    self._land(heapq.heappop(self.flying)[2], lands, tick)
                else:
                    self._hit(coming.pop(), tick)
        return self.messages

    def _receive(self, request: Message, at: float) -> None:
        """The gateway refuses a request, or lets it go on its way."""
        idle = at - self.last
        self.tokens = min(BURST, self.tokens + idle * REQUESTS_PER_MIN / 60)
        in_flight = sum(lands > at for lands, _, _ in self.flying)
        noise = self.rng.gauss(0, 1)
        least_s = 0.024 * math.exp(0.5 * noise + max(0.0, 6 * (noise - 1.6)))
        side = request.get("side", 0)
        refusals = {
            "risk": side * self.position > LARGEST_POSITION,
            "min_interval": idle < least_s,
            "concurrency": in_flight >= LARGEST_IN_FLIGHT,
            "throttle": self.tokens < 1,
        }
        reason = next((name for name, applies in refusals.items() if applies), None)
        if reason is not None and request["type"] == "order":
            self._send("reject", request, at, reason=reason)
            return
        self.load = self.load * math.exp(-idle / 5) + 12
        self.last = at
        self.tokens -= 1
        busy = min(0.96, (3 * (in_flight + 1) + self.load / 35) / _CAPACITY)
        latency = _SERVICE_S * math.exp(0.45 * self.rng.gauss(0, 1)) * (1 + busy / (1 - busy) / 2)
        self.count += 1
        heapq.heappush(self.flying, (at + latency, self.count, {**request, "sent": at}))

    def _land(self, request: Message, at: float, tick: Tick) -> None:
        self._send("ack", request, at, latency_ms=1000 * (at - request["sent"]))
        name, side = request["id"], request.get("side", 0)
        if request["type"] == "cancel":
            self.orders.pop(name, None)
            return
        price, size = request["price"], request["size"]
        order = Order(
            name, request["revision"], side, price or 0.0, size, at, 0.5 + 1.5 * tick.depth
        )
        if price is not None and side * (price - tick.mid) < tick.spread / 2:
            self.orders[name] = order
            return
        # A market order, or a quote that arrives through the other side: it takes.
        self.orders.pop(name, None)
        slip = tick.spread / 2 + 0.6 * math.sqrt(size / (4 * tick.depth))
        paid = tick.mid + side * slip
        if price is not None:
            paid = side * min(side * paid, side * price)
        self._fill(order, at, paid, size, tick, "taker")

    def _pick_off(self, tick: Tick) -> None:
        """A quote that the fair price has moved beyond is taken at its stale price."""
        for order in list(self.orders.values()):
            if order.side * (order.price - tick.fair) > _STALE_BPS:
                self._fill(order, tick.at, order.price, order.size, tick, "maker")

    def _hit(self, taker: Taker, tick: Tick) -> None:
        side, left = -taker.side, taker.size
        quotes = [order for order in self.orders.values() if order.side == side]
        for order in sorted(quotes, key=lambda order: -side * order.price):
            beyond = taker.reach - side * (tick.mid - order.price)
            if beyond < 0 or left < 0.01:
                return
            size = left
            if beyond < _THROUGH_BPS:  # else it took all that was before us
                stay = math.exp((order.placed - taker.at) / 2)  # others cancel meanwhile
                size = left - order.queue * stay
                order.queue = max(0.0, order.queue - left / stay)
            if size > 0.01:
                size = min(size, order.size)
                self._fill(order, taker.at, order.price, size, tick, "maker")
                left -= size

    def _fill(
        self, order: Order, at: float, price: float, size: float, tick: Tick, liquidity: str
    ) -> None:
        makes = liquidity == "maker"
        self.position += order.side * size
        order.size -= size
        if order.size < 0.01:
            self.orders.pop(order.id, None)
        root = math.sqrt(size / tick.depth)
        self.market.pushed(order.side * root * (-0.10 if makes else 0.08))
        self.messages.append(
            {
                "type": "fill",
                "id": order.id,
                "revision": order.revision,
                "at": at,
                "side": order.side,
                "price": price,
                "size": size,
                "mid": tick.mid,
                "liquidity": liquidity,
                "fee_bps": MAKER_FEE_BPS if makes else TAKER_FEE_BPS,
            }
        )

    def _send(self, kind: str, request: Message, at: float, **more: Any) -> None:
        name, revision = request["id"], request.get("revision", 0)
        self.messages.append({"type": kind, "id": name, "revision": revision, "at": at, **more})
