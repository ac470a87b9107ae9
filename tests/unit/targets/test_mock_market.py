"""The exogenous market, the venue and the gateway by themselves."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from pytest_soak.targets.mock import bot, venue
from pytest_soak.targets.mock.fill_log import CROSS, HEDGE, MAKER, FillLog
from pytest_soak.targets.mock.gateway import latency_s, loaded
from pytest_soak.targets.mock.market import Market, MarketState, first_state, next_market
from pytest_soak.targets.mock.order_state import EXIT, INVENTORY, LEVELS, SLOW_IMPACT, OrderState
from pytest_soak.targets.quoting import params_of


def day(seed: int, hours: int = 6) -> list[Market]:
    state, markets = first_state(seed), []
    for iteration in range(1, 12 * hours + 1):
        market, state = next_market(state, seed, iteration, 300.0)
        markets.append(market)
    return markets


class TestMarket:
    def test_prices_go_on_where_the_iteration_before_ended(self) -> None:
        markets = day(1, 1)
        for before, after in pairwise(markets):
            assert abs(after.mid[0] - before.mid[-1]) < 8.0

    def test_every_stream_is_a_stream_of_its_own(self) -> None:
        first, _ = next_market(first_state(1), 1, 1, 60.0)
        assert not np.array_equal(first.latency_noise, first.venue_noise)
        second, _ = next_market(first_state(1), 1, 2, 60.0)
        assert not np.array_equal(first.latency_noise, second.latency_noise)

    def test_a_second_moves_the_price_as_recorded(self) -> None:
        # 1.28 bps a second on a perpetual; volatility itself varies by a factor of ten.
        markets = [market for seed in range(1, 5) for market in day(seed, 2)]
        moves = np.concatenate([np.diff(market.mid[::10]) for market in markets])
        volatility = float(np.mean([market.volatility.mean() for market in markets]))
        assert 0.8 < float(moves.std()) / math.sqrt(0.5 + 0.5 * volatility**2) < 2.6

    def test_volatility_clusters(self) -> None:
        markets = day(2, 24)
        minutes = np.abs(np.diff(np.concatenate([market.mid[::600] for market in markets])))
        around = minutes - minutes.mean()
        lag_1 = float((around[1:] * around[:-1]).mean() / around.var())
        assert lag_1 > 0.1

    def test_takers_come_in_order_and_in_runs_of_one_side(self) -> None:
        market = day(3, 1)[0]
        assert bool(np.all(np.diff(market.taker_time) >= 0.0))
        assert set(np.unique(market.taker_side)) == {-1.0, 1.0}
        assert float((market.taker_side[1:] * market.taker_side[:-1]).mean()) > 0.1
        assert abs(float(market.taker_side.mean())) < 0.3

    def test_an_odd_interval_has_its_own_ticks(self) -> None:
        market, _ = next_market(first_state(1), 1, 1, 7.3)
        assert market.ticks == 73
        assert len(market.mid) == len(market.spread) == len(market.imbalance) == 73
        assert len(market.dither) == 5 * 73

    def test_a_flash_crash_falls_and_comes_back_in_part(self) -> None:
        begun = MarketState(0.0, 0.0, 1, (0.0, 0.0, 0.0), 0.0, 0.0, 0.0, 300.0, 0.5, 0.0)
        market, after = next_market(begun, 1, 1, 300.0)
        low = float(market.mid[:200].min())
        assert low < -250.0
        assert -200.0 < float(market.mid[-1]) < -100.0
        assert market.crashes == 1
        assert float(market.latency[0]) > 2.0
        assert after.crash_age_s == 300.0

    def test_a_state_survives_json(self) -> None:
        _, state = next_market(first_state(9), 9, 1, 300.0)
        assert MarketState.from_json(state.to_json()) == state


def resting(side: int, price: float, size: float, queue: float = 0.0, level: int = 0) -> OrderState:
    orders = OrderState()
    slot = level if side > 0 else LEVELS + level
    orders.price[slot], orders.size[slot], orders.queue[slot] = price, size, queue
    return orders


class TestVenue:
    def test_a_taker_that_does_not_reach_leaves_us_alone(self) -> None:
        orders, log = resting(-1, 1.0, 2.0), FillLog()
        venue.hit(orders, log, 0.0, 1.0, 5.0, 0.9, 0.0, 1.0)
        assert not log.size

    def test_a_taker_works_through_the_queue_first(self) -> None:
        orders, log = resting(-1, 1.0, 2.0, queue=3.0), FillLog()
        venue.hit(orders, log, 0.0, 1.0, 2.0, 1.1, 0.0, 1.0)
        assert not log.size
        assert orders.queue[LEVELS] == 1.0
        venue.hit(orders, log, 0.0, 1.0, 2.0, 1.1, 0.0, 1.0)
        assert log.size == [1.0]
        assert orders.size[LEVELS] == 1.0
        assert orders.values[INVENTORY] == -1.0

    def test_a_taker_that_goes_through_skips_the_queue(self) -> None:
        orders, log = resting(1, -1.0, 2.0, queue=50.0), FillLog()
        venue.hit(orders, log, 0.0, -1.0, 9.0, 1.6, 0.0, 1.0)
        assert (log.size, log.side, log.price, log.kind) == ([2.0], [1.0], [-1.0], [MAKER])

    def test_a_taker_takes_no_more_than_it_wants(self) -> None:
        orders, log = resting(1, -1.0, 2.0), FillLog()
        orders.price[1], orders.size[1] = -3.0, 2.0
        venue.hit(orders, log, 0.0, -1.0, 3.0, 9.0, 0.0, 1.0)
        assert log.size == [2.0, 1.0]
        assert orders.size[1] == 1.0

    def test_a_quote_left_behind_is_picked_off_at_its_own_price(self) -> None:
        orders, log = resting(1, 0.0, 2.0), FillLog()
        venue.pick_off(orders, log, 0.0, -0.2, -0.6, 1.0)
        assert not log.size
        venue.pick_off(orders, log, 0.0, -0.4, -0.1, 1.0)
        assert log.price == [0.0]
        assert orders.size[0] == 0.0

    def test_a_quote_that_arrives_through_the_other_side_takes(self) -> None:
        orders, log = OrderState(), FillLog()
        orders.next_price[0], orders.next_size[0], orders.lands[0] = 2.0, 1.0, 1.0
        venue.land(orders, log, 0, 1.0, 0.0, 0.5, 1.0)
        assert log.kind == [CROSS]
        assert 0.25 < log.price[0] <= 2.0
        assert orders.lands[0] == math.inf
        assert orders.size[0] == 0.0

    def test_a_quote_that_does_not_cross_rests_behind_a_new_queue(self) -> None:
        orders, log = OrderState(), FillLog()
        orders.next_price[0], orders.next_size[0] = -1.0, 1.0
        venue.land(orders, log, 0, 1.0, 0.0, 0.5, 2.0)
        assert not log.size
        assert (orders.size[0], orders.queue[0]) == (1.0, 3.5)

    def test_leaving_a_position_slips_more_when_it_is_large(self) -> None:
        paid = []
        for size in (1.0, 9.0):
            orders, log = OrderState(), FillLog()
            orders.next_size[EXIT] = -size
            venue.leave(orders, log, EXIT, 0.0, 0.0, 0.5, 1.0)
            assert log.kind == [HEDGE]
            assert orders.values[INVENTORY] == -size
            paid.append(-log.price[0])
        assert 0.25 < paid[0] < paid[1]

    def test_our_own_trades_move_the_price(self) -> None:
        for size, kind, sign in ((1.0, HEDGE, 1.0), (1.0, MAKER, -1.0)):
            orders = OrderState()
            venue.fill(orders, FillLog(), 0, 0.0, 1.0, 0.0, size, kind, 0.0, 1.0)
            small = orders.values[SLOW_IMPACT]
            venue.fill(orders, FillLog(), 0, 0.0, 1.0, 0.0, 4 * size, kind, 0.0, 1.0)
            assert sign * small > 0.0
            assert orders.values[SLOW_IMPACT] == pytest.approx(3 * small)


class TestGateway:
    def test_a_busy_way_is_slower(self) -> None:
        quiet = latency_s(0.0, 1.0, 0.0, 100.0)
        assert quiet < latency_s(0.0, 1.0, 3.0, 100.0) < latency_s(0.0, 1.0, 3.0, 600.0)
        assert latency_s(0.0, 2.0, 0.0, 100.0) == pytest.approx(2 * quiet)
        assert math.isfinite(latency_s(3.0, 3.0, 64.0, 1e6))

    def test_the_load_is_the_recent_rate(self) -> None:
        orders = OrderState()
        for request in range(1000):
            load = loaded(orders.values, request * 0.1)
        assert load == pytest.approx(600.0, rel=0.03)


class TestBot:
    def test_a_full_position_blocks_the_side_that_adds_to_it(self) -> None:
        assert bot.risk_blocks(7.1, 7.0, 0, 0.0, 1.0)
        assert not bot.risk_blocks(7.1, 7.0, LEVELS, 0.0, 1.0)
        assert bot.risk_blocks(-7.1, 7.0, LEVELS, 0.0, 1.0)
        assert not bot.risk_blocks(6.9, 7.0, 0, 0.0, 1.0)

    def test_a_one_sided_flow_blocks_the_side_that_meets_it(self) -> None:
        assert bot.risk_blocks(0.0, 7.0, 0, -0.9, 0.5)
        assert not bot.risk_blocks(0.0, 7.0, LEVELS, -0.9, 0.5)
        assert not bot.risk_blocks(0.0, 7.0, 0, -0.3, 0.5)
        assert not bot.risk_blocks(0.0, 7.0, 0, -0.9, 2.0)

    def test_it_leaves_a_position_at_the_market_only_beyond_the_limit(self) -> None:
        params = params_of(
            {
                "risk": dict.fromkeys(
                    (
                        "base_spread_bps", "impact_cap_ratio", "max_delta_ratio",
                        "slippage_penalty_coef", "inventory_tilt_cap", "vip_tilt_cap",
                    ), 0.0),
                "engine": dict.fromkeys(
                    (
                        "replace_rate_per_min", "concurrency_limit", "tail_age_ms",
                        "min_interval_ms",
                    ), 1.0),
            }
        )  # fmt: skip
        orders = OrderState()
        orders.values[INVENTORY] = 8.0
        assert bot.exit_order_size(orders, params, 7.0) == 0.0
        orders.values[INVENTORY] = -10.0
        assert bot.exit_order_size(orders, params, 7.0) > 0.0
        orders.lands[EXIT] = 1.0
        assert bot.exit_order_size(orders, params, 7.0) == 0.0
