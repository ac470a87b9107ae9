"""What the bot quotes: four quotes a side, moved one after another within its limits.

No connection, no clock and no file: :class:`Quoter` gets messages of the exchange and gives its
requests, so that it can be tested with a list of messages.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from params import Params

Message = dict[str, Any]
Note = Callable[..., None]
"""Called with an event and its fields: ``note("BLOCK", at, reason="risk")``."""

LEVELS, LEVEL_STEP, SIZE_GROWTH = 4, 8.0, 1.2
LIMIT_LOTS, VISIBLE_LOTS, BURST = 18.0, 10.0, 8.0
EXIT = "exit"


@dataclass
class Quote:
    """One place in the bot's ladder, and what the bot believes to be there."""

    id: str
    side: int
    level: int
    price: float = 0.0
    size: float = 0.0
    """0: there is no order."""
    revision: int = 0
    placed: float = 0.0
    ready: float = 0.0
    """Before this moment its request is on the way, or it waits after a refusal."""


@dataclass(frozen=True)
class View:
    """What the bot sees of the market when it decides."""

    mid: float
    depth: float
    flow: float
    half: float
    """The half spread that it quotes now."""
    limit: float
    """The position that it allows itself now."""


class Quoter:
    def __init__(self, params: Params, note: Note) -> None:
        self.params = params
        self.note = note
        self.position = 0.0
        self.variance = 1.6  # of a second's returns
        self.depth = 1.0
        self.latency_s = 0.2
        self.tokens, self.refilled, self.awake = BURST, 0.0, 0.0
        self.flying: list[float] = []
        """When the requests on their way will probably have landed."""
        self.draws = 0
        self.seen: View | None = None
        """The market one tick ago: the feed is not faster."""
        self.clear()

    def clear(self) -> None:
        """The connection is new: no order is in the book."""
        self.quotes = [
            Quote(f"{name}-{level}", side, level)
            for name, side in (("bid", 1), ("ask", -1))
            for level in range(LEVELS)
        ]
        self.exit = Quote(EXIT, 0, 0)
        self.by_id = {quote.id: quote for quote in [*self.quotes, self.exit]}
        self.flying = []

    @property
    def open_orders(self) -> int:
        return sum(quote.size > 0 for quote in self.quotes)

    # -- what the exchange says ----------------------------------------------------------------

    def receive(self, message: Message) -> None:
        """An ack, fill, reject or position."""
        kind, at = message["type"], message.get("at", 0.0)
        if kind == "position":
            self.position = message["position"]
            return
        quote = self.by_id[message["id"]]
        current = message["revision"] == quote.revision
        if kind == "ack":
            self.latency_s += 0.05 * (message["latency_ms"] / 1000 - self.latency_s)
        elif kind == "reject":
            self.note("BLOCK", at, reason=message["reason"], id=quote.id)
            if current:
                quote.size = 0.0  # it is sent again
        elif kind == "fill":
            self.position += message["side"] * message["size"]
            if current:
                left = quote.size - message["size"]
                quote.size = left if left >= 0.01 else 0.0

    def turn(self, ticks: list[list[float]]) -> list[Message]:
        """The next ticks of the market. Returns requests, each stamped with its moment."""
        requests: list[Message] = []
        step = ticks[1][0] - ticks[0][0]
        for at, mid, _, depth, flow in ticks:
            view, self.seen = self.seen, self._view(mid, depth, flow, step)
            if view is None:
                continue
            requests += self._exit(view, at)
            self.awake = max(self.awake, at)
            while self.awake < at + step:
                request = self._next(view, self.awake)
                if request is None:
                    self.awake = at + step
                else:
                    requests += request
        return requests

    def cancel_all(self, at: float) -> list[Message]:
        return [{"type": "cancel", "id": q.id, "at": at} for q in self.quotes if q.size > 0]

    # -- decisions -----------------------------------------------------------------------------

    def _view(self, mid: float, depth: float, flow: float, step: float) -> View:
        """The market now, with means of its volatility and depth."""
        move = mid - self.seen.mid if self.seen is not None else 0.0
        self.variance += step / 30 * (min(move * move / step, 50.0) - self.variance)
        self.depth += step / 60 * (depth - self.depth)
        sigma = math.sqrt(0.2 * self.variance + 0.8 * 1.6)
        half = self.params.base_spread_bps + 0.05 * sigma
        return View(mid, depth, flow, half, LIMIT_LOTS * self.depth)

    def _next(self, view: View, now: float) -> list[Message] | None:
        """The most urgent request, [] if it is refused, None if nothing is to do in this tick."""
        quote = self._most_urgent(view, now)
        if quote is None:
            return None
        params, pause = self.params, self.params.min_interval_ms / 1000
        self.tokens += params.replace_rate_per_min * (now - self.refilled) / 60
        self.tokens, self.refilled = min(BURST, self.tokens), now
        self.flying = [lands for lands in self.flying if lands > now]
        # A limit of 2.25 lets a third request go in a quarter of the cases.
        self.draws += 1
        fraction = self.draws * 0.618034 % 1
        self.awake = now + max(pause, 1e-3)
        if self._risky(quote, view):
            quote.ready = now + 0.2 + 4 * pause
            self.note("BLOCK", now, reason="risk", id=quote.id)
        elif len(self.flying) + 1 > params.concurrency_limit + fraction:
            self.awake = now + max(pause, 0.1)
            self.note("BLOCK", now, reason="concurrency", id=quote.id)
        elif self.tokens < 1:
            self.awake = now + max(pause, 0.15)
            self.note("BLOCK", now, reason="throttle", id=quote.id)
        else:
            self.tokens -= 1
            self.flying.append(now + self.latency_s)
            return [self._send(quote, self._target(quote, view), self._size(quote, view), now)]
        return []

    def _most_urgent(self, view: View, now: float) -> Quote | None:
        """The quote that is furthest off, relative to what is tolerated, and may move now."""
        params, best, urgency = self.params, None, 0.0
        used = self.position / view.limit
        for quote in self.quotes:
            if quote.ready > now:
                continue
            if quote.size <= 0:
                relative = 2.0 - quote.side * used  # first on the side that reduces the position
            else:
                offset = view.half * (1 + LEVEL_STEP * quote.level)
                tolerated = 2 * offset * params.max_delta_ratio
                off = abs(quote.price - self._target(quote, view))
                old = (now - quote.placed) * 1000 > params.tail_age_ms
                if off <= (0.25 * tolerated if old else tolerated):
                    continue
                relative = off / tolerated if tolerated > 0 else math.inf
            if relative > urgency:
                best, urgency = quote, relative
        return best

    def _target(self, quote: Quote, view: View) -> float:
        used = min(1.0, max(-1.0, self.position / view.limit))
        fair = view.mid - self.params.inventory_tilt_cap * used * view.half
        return fair - quote.side * view.half * (1 + LEVEL_STEP * quote.level)

    def _size(self, quote: Quote, view: View) -> float:
        params, used = self.params, min(1.0, abs(self.position) / view.limit)
        size = params.impact_cap_ratio * VISIBLE_LOTS * view.depth
        size *= 1 + SIZE_GROWTH * quote.level
        if self.position * quote.side < 0:
            return (
                size * (1 + params.vip_tilt_cap * used) / (1 + 0.14 * params.slippage_penalty_coef)
            )
        return size / (1 + (0.14 + 0.5 * used) * params.slippage_penalty_coef)

    def _risky(self, quote: Quote, view: View) -> bool:
        """The position is full on this side, or the drift of the flow exceeds the half spread."""
        against = view.flow * quote.side < 0 and view.flow**2 * 1.65 > view.half
        return against or self.position * quote.side > view.limit

    def _exit(self, view: View, now: float) -> list[Message]:
        """Part of a position beyond the limit is sold or bought at the market."""
        if abs(self.position) <= 1.25 * view.limit or self.exit.ready > now:
            return []
        size = (abs(self.position) - 0.75 * view.limit) / (1 + self.params.slippage_penalty_coef)
        self.exit.side = -1 if self.position > 0 else 1
        # Its fill is known only after the turn; until then no second one is sent.
        message = self._send(self.exit, None, size, now)
        self.exit.ready = now + 3.0
        return [message]

    def _send(self, quote: Quote, price: float | None, size: float, now: float) -> Message:
        self.note("REPLACE" if quote.size > 0 else "PLACE", now, id=quote.id)
        quote.price, quote.size, quote.placed = price or 0.0, size, now + self.latency_s
        quote.ready = quote.placed
        quote.revision += 1
        return {
            "type": "order",
            "id": quote.id,
            "revision": quote.revision,
            "side": quote.side,
            "price": price,
            "size": size,
            "at": now,
        }
