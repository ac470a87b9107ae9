"""The orders that the replay's bot sends; needs no engine."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from pytest_soak.targets.quoting import Params
from pytest_soak.targets.replay.bot import QuotingBot
from pytest_soak.targets.replay.engine import BUY, SELL, Book, Engine, EngineOrder

MS = 1_000_000
PARAMS = Params(
    base_spread_bps=5.0,
    impact_cap_ratio=0.1,
    max_delta_ratio=0.15,
    slippage_penalty_coef=0.0,
    inventory_tilt_cap=0.0,
    vip_tilt_cap=0.0,
    replace_rate_per_min=1200.0,
    concurrency_limit=64.0,
    tail_age_ms=600.0,
    min_interval_ms=5.0,
)


class StillMarket:
    """An engine whose book never changes and which never answers."""

    def __init__(self) -> None:
        self.now_ns = 10**18
        self.fills = 0
        self.sent: list[tuple[int, int, float, bool]] = []

    def advance_to(self, time_ns: int) -> None:
        self.now_ns = time_ns

    def book(self) -> Book:
        return Book(99_995, 100_005, 20.0, 20.0)

    def feed_latency_ns(self) -> int:
        return MS

    def submit(self, side: int, price_tick: int, quantity: float, *, at_once: bool) -> int:
        self.sent.append((side, price_tick, quantity, at_once))
        return len(self.sent)

    def order(self, order_id: int) -> EngineOrder:
        return EngineOrder(0, True, False, self.sent[order_id - 1][1], 0.0, self.now_ns, 0)

    def forget_finished(self) -> None:
        pass


def sent(
    params: Params, inventory_lots: int = 0, duration_ms: int = 1000
) -> list[tuple[int, int, float, bool]]:
    market = StillMarket()
    bot = QuotingBot(cast(Engine, market), 1.0)
    bot.inventory_lots = inventory_lots
    bot.trade_until(market.now_ns + duration_ms * MS, params)
    return market.sent


def test_the_ladder_is_three_levels_a_side_around_the_mid() -> None:
    assert sorted(sent(PARAMS)) == [
        (SELL, 100_050, 2.0, False),
        (SELL, 100_100, 3.0, False),
        (SELL, 100_150, 4.0, False),
        (BUY, 99_850, 4.0, False),
        (BUY, 99_900, 3.0, False),
        (BUY, 99_950, 2.0, False),
    ]


def test_a_quote_never_crosses_the_book_the_bot_sees() -> None:
    tight = replace(PARAMS, base_spread_bps=0.05)

    assert all(tick < 100_005 if side == BUY else tick > 99_995 for side, tick, _, _ in sent(tight))


def test_a_long_inventory_leans_the_quotes_down_and_is_not_added_to() -> None:
    """The limit is 20 lots, the size at the touch; from 15 on the bid is not quoted."""
    orders = sent(replace(PARAMS, inventory_tilt_cap=1.0), inventory_lots=16)

    assert {side for side, *_ in orders} == {SELL}
    assert min(tick for _, tick, _, _ in orders) == 100_010


def test_vip_tilt_enlarges_the_reducing_side() -> None:
    orders = sent(replace(PARAMS, vip_tilt_cap=1.0), inventory_lots=10)

    assert sum(lots for side, _, lots, _ in orders if side == SELL) == 3 + 4 + 6
    assert sum(lots for side, _, lots, _ in orders if side == BUY) == 2 + 3 + 4


@pytest.mark.parametrize(
    ("coefficient", "lots", "reach_ticks"), [(0.0, 20.0, 10), (1.0, 12.0, 5), (2.0, 8.0, 3)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_hedge_takes_the_excess_at_most_what_is_shown_and_less_where_slippage_is_dear(
    coefficient: float, lots: float, reach_ticks: int, sign: int
) -> None:
    params = replace(PARAMS, slippage_penalty_coef=coefficient)

    first = sent(params, inventory_lots=sign * 40, duration_ms=5)[0]

    touch = 99_995 - reach_ticks if sign > 0 else 100_005 + reach_ticks
    assert first == (-sign, touch, lots, True)


def test_one_hedge_at_a_time() -> None:
    hedges = [order for order in sent(PARAMS, inventory_lots=40) if order[3]]

    assert len(hedges) == 1
