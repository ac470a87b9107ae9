"""The bot's connection to the venue: pacing, admission, requests in flight, and their latency.

Requests leave one at a time, ``min_interval_ms`` apart. The wait for a turn is part of the latency.
When its turn comes, a request is admitted or refused (see ``quoting.admit``). A refused request is
dropped; the bot makes a new one if the quote still must be placed or moved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_soak.targets import quoting
from pytest_soak.targets.quoting import Params
from pytest_soak.targets.replay.engine import FILLED, Engine, EngineOrder

VENUE_INTERVAL_LATENCIES = 1.0
"""The venue's own minimum between two requests, as a multiple of the latency of its newest market
event. An assumption: recordings contain no refusals, but a venue that publishes slowly is busy, and
a busy venue limits requests."""

BURST_S = 2.0
"""The token bucket holds the tokens of this time, and at least one."""

_MS = 1_000_000
_SECOND_NS = 1_000_000_000
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


@dataclass(slots=True)
class _Pending:
    order_id: int
    queued_ns: int
    sent_ns: int


class Gateway:
    """Keeps its clock, tokens and requests from one iteration to the next."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pending: list[_Pending] = []
        self._tokens = 1.0
        self._refilled_ns = engine.now_ns
        self._turn_ns = 0
        self._sent_ns = 0
        self._attempts = 0
        self.blocks = dict.fromkeys(quoting.BLOCK_REASONS, 0)
        self.latencies_ms: list[float] = []
        self.requests = 0

    def begin(self) -> None:
        """Resets the counts for an iteration."""
        self.blocks = dict.fromkeys(quoting.BLOCK_REASONS, 0)
        self.latencies_ms = []
        self.requests = 0

    def turn_is_free(self, now_ns: int, params: Params) -> bool:
        """Whether ``min_interval_ms`` has passed since the last turn."""
        return now_ns - self._turn_ns >= params.min_interval_ms * _MS

    def admits(self, now_ns: int, params: Params, *, risk_blocked: bool) -> bool:
        """Uses a turn. True: a token is spent. False: a block is counted."""
        elapsed_s = (now_ns - self._refilled_ns) / _SECOND_NS
        burst = max(1.0, params.replace_rate_per_min * BURST_S / 60.0)
        self._tokens = quoting.refilled_tokens(
            self._tokens, params.replace_rate_per_min, elapsed_s, burst
        )
        self._refilled_ns = now_ns
        self._turn_ns = now_ns
        self._attempts += 1
        verdict = quoting.admit(
            risk_blocked,
            (now_ns - self._sent_ns) / _SECOND_NS,
            VENUE_INTERVAL_LATENCIES * self._engine.feed_latency_ns() / _SECOND_NS,
            self.in_flight,
            params.concurrency_limit,
            self._attempts * _GOLDEN % 1.0,
            self._tokens,
        )
        if verdict != quoting.ADMITTED:
            self.blocks[quoting.BLOCK_REASONS[verdict - 1]] += 1
            return False
        self._tokens -= 1.0
        self._sent_ns = now_ns
        self.requests += 1
        return True

    @property
    def in_flight(self) -> int:
        """Requests sent and not answered; a replacement counts once, by its slower half."""
        return len({pending.sent_ns for pending in self._pending})

    def sent(self, order_id: int, queued_ns: int, now_ns: int) -> None:
        """Records that a request about ``order_id``, queued since ``queued_ns``, was sent."""
        self._pending.append(_Pending(order_id, queued_ns, now_ns))

    def settle(self) -> None:
        """Removes the answered requests and records their latencies."""
        waiting: list[_Pending] = []
        for pending in self._pending:
            state = self._engine.order(pending.order_id)
            if state.in_flight:
                waiting.append(pending)
            elif _is_answer(state, pending):
                way_ns = state.exchange_ns - pending.queued_ns + self._engine.response_ns()
                self.latencies_ms.append(way_ns / _MS)
        self._pending = waiting


def _is_answer(state: EngineOrder, pending: _Pending) -> bool:
    """Whether the exchange time is that of the answer.

    An order that filled at rest in the meantime has the time of the fill instead, and a cancel
    that came too late does not change it.
    """
    filled_at_rest = state.status == FILLED and state.maker
    return not filled_at_rest and state.exchange_ns >= pending.sent_ns
