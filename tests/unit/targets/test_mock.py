"""The mock market as a target: exact, restorable, and responsive to its parameters."""

from __future__ import annotations

import functools
import itertools
import json
import math
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_soak.canonical import canonical_json
from pytest_soak.protocol import Lane, SnapshotTarget
from pytest_soak.targets.mock import make_mock

ROOT = Path(__file__).parents[3]
RISK: Mapping[str, float] = {
    "base_spread_bps": 0.5,
    "impact_cap_ratio": 0.1,
    "max_delta_ratio": 0.15,
    "slippage_penalty_coef": 0.0,
    "inventory_tilt_cap": 0.3,
    "vip_tilt_cap": 0.0,
}
ENGINE: Mapping[str, float] = {
    "replace_rate_per_min": 400.0,
    "concurrency_limit": 2.0,
    "tail_age_ms": 600.0,
    "min_interval_ms": 50.0,
}
S1 = {
    "base_spread_bps": 0.85,
    "concurrency_limit": 1.9,
    "inventory_tilt_cap": 0.2,
    "min_interval_ms": 60.0,
    "replace_rate_per_min": 300.0,
    "slippage_penalty_coef": 0.1,
    "tail_age_ms": 700.0,
    "vip_tilt_cap": 0.15,
}
AGGRESSIVE = {"base_spread_bps": 0.2, "replace_rate_per_min": 900.0, "min_interval_ms": 20.0}
TUNED_2H = {"base_spread_bps": 0.86, "replace_rate_per_min": 285.0, "min_interval_ms": 110.0}

Report = Mapping[str, Any]


def lane(seed: int = 1, interval_s: float = 300.0) -> Lane:
    return Lane("lane", "steady", "BTCUSDT", seed, interval_s, 24)


def runtime(**changed: float) -> dict[str, dict[str, float]]:
    assert changed.keys() <= {*RISK, *ENGINE}
    return {
        "risk": {key: changed.get(key, value) for key, value in RISK.items()},
        "engine": {key: changed.get(key, value) for key, value in ENGINE.items()},
    }


def reports(seed: int, count: int, interval_s: float = 300.0, **changed: float) -> list[Report]:
    target = make_mock(lane(seed, interval_s))
    return [target.run(number, runtime(**changed)) for number in range(1, count + 1)]


def figures(report: Report) -> dict[str, float]:
    fills, blocks = report["fills"], report["block_reasons"]
    every = sum(blocks.values())
    volume = fills["maker_volume"] + fills["taker_volume"]
    return {
        "maker": fills["maker_volume"] / volume,
        "risk": blocks["risk"] / every,
        "min_interval": blocks["min_interval"] / every,
        "net": report["totals"]["net_bps"],
        "p95": report["totals"]["p95_latency_ms"],
        "slippage": report["totals"]["slippage_bps_p95"],
        "adverse": report["totals"]["adverse_bps_p95"],
        "volume": volume,
        "maker_volume": fills["maker_volume"],
        "fills": fills["maker_count"] + fills["taker_count"],
        "requests": report["summary"]["requests"],
        "inventory": report["totals"]["inventory_bps"] * volume,
        "hedged": report["summary"]["hedge_volume"],
        **{f"{reason}_count": count for reason, count in blocks.items()},
    }


def means(seeds: range, count: int, **changed: float) -> dict[str, float]:
    rows = [figures(report) for seed in seeds for report in reports(seed, count, **changed)]
    return {key: statistics.fmean(row[key] for row in rows) for key in rows[0]}


@functools.cache
def start_means(seeds: range, count: int) -> Mapping[str, float]:
    return means(seeds, count)


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


class TestExactness:
    def test_the_same_lane_gives_the_same_bytes(self) -> None:
        assert canonical_json(reports(3, 3)) == canonical_json(reports(3, 3))

    def test_another_seed_gives_another_market(self) -> None:
        assert reports(3, 1) != reports(4, 1)

    def test_a_negative_seed_is_a_seed(self) -> None:
        assert reports(-3, 1) == reports(-3, 1) != reports(3, 1)

    def test_global_randomness_is_neither_read_nor_moved(self) -> None:
        random.seed(1)
        np.random.seed(1)
        before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
        first = reports(5, 1)
        after = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
        assert before == after
        random.seed(2)
        np.random.seed(2)
        assert reports(5, 1) == first

    @pytest.mark.parametrize("stop", [1, 2, 4])
    def test_restoring_anywhere_goes_on_exactly(self, stop: int) -> None:
        moves = [runtime(base_spread_bps=0.5 + 0.02 * number) for number in range(6)]
        whole = make_mock(lane(7))
        expected = []
        for number in range(1, 6):
            expected.append(canonical_json(whole.run(number, moves[number])))
            if number == stop:
                state = canonical_json(whole.snapshot())
        resumed = make_mock(lane(7))
        resumed.restore(json.loads(state))
        for number in range(stop + 1, 6):
            assert canonical_json(resumed.run(number, moves[number])) == expected[number - 1]
        assert canonical_json(resumed.snapshot()) == canonical_json(whole.snapshot())

    def test_another_process_goes_on_exactly(self) -> None:
        target = make_mock(lane(2, 60.0))
        target.run(1, runtime())
        state = canonical_json(target.snapshot()).decode()
        expected = canonical_json(target.run(2, runtime())).decode()
        code = (
            "import json, sys\n"
            "from pytest_soak.canonical import canonical_json\n"
            "from pytest_soak.protocol import Lane\n"
            "from pytest_soak.targets.mock import make_mock\n"
            "target = make_mock(Lane('lane', 'steady', 'BTCUSDT', 2, 60.0, 24))\n"
            "state, runtime = json.loads(sys.argv[1]), json.loads(sys.argv[2])\n"
            "target.restore(state)\n"
            "sys.stdout.write(canonical_json(target.run(2, runtime)).decode())\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, state, json.dumps(runtime())],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == expected

    def test_a_snapshot_is_small_and_of_json(self) -> None:
        target = make_mock(lane())
        assert isinstance(target, SnapshotTarget)
        for number in range(1, 4):
            target.run(number, runtime())
            assert len(json.dumps(target.snapshot(), allow_nan=False)) < 4096

    def test_a_snapshot_does_not_change_with_the_target(self) -> None:
        target = make_mock(lane(1, 30.0))
        target.run(1, runtime())
        state = target.snapshot()
        before = canonical_json(state)
        target.run(2, runtime())
        assert canonical_json(state) == before


class TestReport:
    def test_it_has_every_field_as_plain_finite_numbers(self) -> None:
        report = make_mock(lane()).run(1, runtime())
        assert set(report["totals"]) == {
            "net_bps", "gross_bps", "fees_bps", "adverse_bps_p95", "slippage_bps_p95",
            "inventory_bps", "p95_latency_ms", "hit_ratio",
        }  # fmt: skip
        assert set(report["fills"]) == {
            "maker_count", "taker_count", "maker_volume", "taker_volume",
        }  # fmt: skip
        assert set(report["block_reasons"]) == {"risk", "min_interval", "concurrency", "throttle"}
        rows = report.pop("audit")
        assert all(row.keys() == {"ts", "event", "reason"} for row in rows)
        assert all(type(row["ts"]) is float for row in rows)
        for value in leaves(report):
            assert type(value) in (int, float), value
            assert math.isfinite(value)
        assert report["totals"]["net_bps"] == pytest.approx(
            report["totals"]["gross_bps"] - report["totals"]["fees_bps"]
        )
        assert all(value > 0 for value in report["fills"].values())

    @pytest.mark.parametrize("seed", [1, 2, 3])
    @pytest.mark.parametrize(
        "changed",
        [
            {},
            AGGRESSIVE,
            {"replace_rate_per_min": 10.0},
            {"replace_rate_per_min": 10.0, "impact_cap_ratio": 0.5, "base_spread_bps": 0.05},
            {"concurrency_limit": 1.0, "min_interval_ms": 1000.0, "impact_cap_ratio": 0.5},
        ],
        ids=["start", "aggressive", "few", "few and large", "slow"],
    )
    def test_the_hit_ratio_is_a_ratio(self, seed: int, changed: Mapping[str, float]) -> None:
        for report in reports(seed, 6, 60.0, **changed):
            ratio = report["totals"]["hit_ratio"]
            assert ratio is None or 0.0 <= ratio <= 1.0

    def test_a_quote_is_hit_once_however_many_fills_it_has(self) -> None:
        """Large quotes that hardly move are filled in many parts."""
        changed = {"replace_rate_per_min": 10.0, "impact_cap_ratio": 0.5, "base_spread_bps": 0.05}
        for report in reports(1, 6, 60.0, **changed)[1:]:
            fills = report["fills"]["maker_count"] + report["summary"]["crossing_count"]
            requests = report["summary"]["requests"]
            assert fills > 1.5 * requests
            assert report["totals"]["hit_ratio"] > 0.2

    @pytest.mark.parametrize("changed", [{}, {"replace_rate_per_min": 30.0}], ids=["start", "few"])
    def test_the_hit_ratio_is_that_of_a_count_by_hand(
        self, changed: Mapping[str, float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each quote that lands gets a number, and its fills are noted under it."""
        from pytest_soak.targets.mock import venue

        numbers, quote_in, traded = itertools.count(), dict[int, int](), set[int]()
        land, fill = venue.land, venue.fill

        def numbered(orders: Any, log: Any, slot: int, *rest: Any) -> None:
            quote_in[slot] = next(numbers)
            land(orders, log, slot, *rest)

        def noted(orders: Any, log: Any, slot: int, *rest: Any) -> None:
            if slot in quote_in:  # an exit order is no quote
                traded.add(quote_in[slot])
            fill(orders, log, slot, *rest)

        monkeypatch.setattr(venue, "land", numbered)
        monkeypatch.setattr(venue, "fill", noted)
        target = make_mock(lane(3, 60.0))
        for number in range(1, 6):
            before = target.snapshot()["order_state"]
            resting = sum(size > 0 for size in before["size"])
            on_the_way = sum(lands is not None for lands in before["lands"][:-1])
            traded.clear()
            report = target.run(number, runtime(**changed))
            could = resting + on_the_way + report["summary"]["requests"]
            assert report["totals"]["hit_ratio"] == len(traded) / could
            assert traded

    def test_quotes_without_a_fill_are_a_hit_ratio_of_zero(self) -> None:
        report = make_mock(lane(1, 0.1)).run(1, runtime(min_interval_ms=1000.0))
        assert report["summary"]["requests"] > 0
        assert report["totals"]["hit_ratio"] == 0.0

    def test_it_echoes_the_parameters_in_force(self) -> None:
        report = make_mock(lane(1, 10.0)).run(1, runtime(**S1))
        assert report["effective_params"] == {**RISK, **ENGINE, **S1}

    def test_without_a_fill_there_is_no_figure(self) -> None:
        report = make_mock(lane(1, 0.1)).run(1, runtime())
        assert report["fills"] == {
            "maker_count": 0, "taker_count": 0, "maker_volume": 0.0, "taker_volume": 0.0,
        }  # fmt: skip
        for name in ("net_bps", "gross_bps", "fees_bps", "adverse_bps_p95", "slippage_bps_p95"):
            assert report["totals"][name] is None

    def test_a_parameter_that_is_no_number_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"risk\.base_spread_bps"):
            make_mock(lane()).run(1, runtime(base_spread_bps=math.nan))

    def test_importing_the_factory_imports_no_numpy(self) -> None:
        code = "import sys, pytest_soak.targets.mock\nsys.exit('numpy' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


class TestMechanism:
    """Paired: the same markets with one parameter moved."""

    SEEDS = range(1, 5)

    @pytest.fixture
    def start(self) -> Mapping[str, float]:
        return start_means(self.SEEDS, 2)

    def test_the_market_is_the_same_whatever_the_parameters(self) -> None:
        calm, wild = reports(6, 3), reports(6, 3, **AGGRESSIVE)
        assert [report["market"] for report in calm] == [report["market"] for report in wild]
        assert calm[0]["fills"] != wild[0]["fills"]

    def test_every_reason_to_block_occurs(self, start: Mapping[str, float]) -> None:
        for reason in ("risk", "min_interval", "concurrency", "throttle"):
            assert start[f"{reason}_count"] > 20, reason

    def test_a_wider_spread_makes_fewer_and_better_fills(self, start: Mapping[str, float]) -> None:
        wide = means(self.SEEDS, 2, base_spread_bps=1.0)
        assert wide["fills"] < 0.9 * start["fills"]
        assert wide["net"] > start["net"] + 1.0
        assert wide["maker"] > start["maker"] + 0.05

    def test_a_longer_interval_is_refused_less(self, start: Mapping[str, float]) -> None:
        slow = means(self.SEEDS, 2, min_interval_ms=100.0)
        fast = means(self.SEEDS, 2, min_interval_ms=20.0)
        counts = [row["min_interval_count"] for row in (slow, start, fast)]
        assert counts[0] < 0.75 * counts[1] < 0.15 * counts[2]
        assert slow["requests"] < start["requests"]

    def test_a_higher_rate_loads_the_gateway_and_crosses_more(
        self, start: Mapping[str, float]
    ) -> None:
        low = means(self.SEEDS, 2, replace_rate_per_min=200.0)
        assert low["throttle_count"] > start["throttle_count"]
        assert low["p95"] < start["p95"] - 20.0
        assert low["maker"] > start["maker"] + 0.05
        assert low["requests"] < 0.6 * start["requests"]

    def test_more_in_flight_blocks_less_and_is_slower(self, start: Mapping[str, float]) -> None:
        low = means(self.SEEDS, 2, concurrency_limit=1.0)
        middle = means(self.SEEDS, 2, concurrency_limit=1.5)
        assert low["concurrency_count"] > middle["concurrency_count"] > start["concurrency_count"]
        assert low["p95"] < middle["p95"] < start["p95"]

    def test_larger_quotes_trade_more_and_earn_less(self, start: Mapping[str, float]) -> None:
        large = means(self.SEEDS, 2, impact_cap_ratio=0.2)
        assert large["volume"] > 1.3 * start["volume"]
        assert large["net"] < start["net"] - 0.5

    def test_a_looser_hysteresis_asks_for_less(self, start: Mapping[str, float]) -> None:
        loose = means(self.SEEDS, 2, max_delta_ratio=0.4)
        assert loose["requests"] < 0.95 * start["requests"]
        assert loose["throttle_count"] < 0.7 * start["throttle_count"]

    def test_an_older_tail_asks_for_less(self) -> None:
        young = means(self.SEEDS, 2, tail_age_ms=100.0)
        old = means(self.SEEDS, 2, tail_age_ms=3000.0)
        assert old["throttle_count"] + old["concurrency_count"] < 0.95 * (
            young["throttle_count"] + young["concurrency_count"]
        )

    def test_tilting_against_the_inventory_holds_less_of_it(
        self, start: Mapping[str, float]
    ) -> None:
        straight = means(self.SEEDS, 2, inventory_tilt_cap=0.0)
        tilted = means(self.SEEDS, 2, inventory_tilt_cap=0.9)
        assert tilted["inventory"] < start["inventory"] < straight["inventory"]

    def test_a_slippage_penalty_hedges_in_smaller_pieces(self, start: Mapping[str, float]) -> None:
        careful = means(self.SEEDS, 2, slippage_penalty_coef=2.0)
        assert careful["hedged"] < 0.8 * start["hedged"]
        assert careful["volume"] < start["volume"]

    def test_a_vip_tilt_trades_more_and_holds_less(self, start: Mapping[str, float]) -> None:
        tilted = means(self.SEEDS, 2, vip_tilt_cap=1.0)
        assert tilted["maker_volume"] > start["maker_volume"]
        assert tilted["inventory"] < start["inventory"]


class TestFigures:
    """Broad bands: a measurement, not a unit test, gives the exact figures."""

    SEEDS = range(1, 4)

    def test_the_start(self) -> None:
        start = start_means(self.SEEDS, 4)
        assert 0.60 <= start["maker"] <= 0.72
        assert 0.30 <= start["risk"] <= 0.42
        assert 2.5 <= start["net"] <= 3.6
        assert 295 <= start["p95"] <= 340
        assert start["slippage"] < 2.5
        assert start["min_interval"] < 0.15
        assert start["fills"] > 500

    def test_the_way_of_the_tuner_pays(self) -> None:
        start, tuned = start_means(self.SEEDS, 4), means(self.SEEDS, 4, **TUNED_2H)
        assert tuned["maker"] >= 0.78
        assert tuned["risk"] <= 0.42
        assert tuned["net"] >= 2.7
        assert tuned["p95"] <= start["p95"]
        assert tuned["fills"] >= 0.5 * start["fills"]

    def test_haste_loses_money_and_care_earns_it(self) -> None:
        assert means(self.SEEDS, 4, **AGGRESSIVE)["net"] < -0.2
        assert means(self.SEEDS, 4, **S1)["net"] > 2.0

    def test_constant_parameters_make_no_trend(self) -> None:
        rows = [figures(report) for seed in self.SEEDS for report in reports(seed, 12)]
        for key, band in (("maker", 0.03), ("risk", 0.04), ("net", 0.4)):
            early = statistics.fmean(row[key] for at, row in enumerate(rows) if at % 12 < 6)
            late = statistics.fmean(row[key] for at, row in enumerate(rows) if at % 12 >= 6)
            assert abs(late - early) < band, key

    def test_one_iteration_is_steady_enough_to_judge(self) -> None:
        lanes = [[figures(report) for report in reports(seed, 10)] for seed in (2, 4, 6)]
        for key, limit in (("maker", 0.04), ("risk", 0.05), ("net", 0.5), ("p95", 18.0)):
            spread = statistics.fmean(
                statistics.stdev(row[key] for row in one_lane) for one_lane in lanes
            )
            assert spread < limit, key
