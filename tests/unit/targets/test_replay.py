"""The quoting bot on hftbacktest: on a small synthetic recording, and on recorded data."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_soak.protocol import EndOfData, FastForwardTarget, Lane
from pytest_soak.targets.replay import make_replay
from pytest_soak.targets.replay.bot import Fill
from pytest_soak.targets.replay.events import EVENT_FIELDS
from pytest_soak.targets.replay.market import RecordedMids
from pytest_soak.targets.replay.report import ReplaySettings, measured_fill
from pytest_soak.targets.replay.target import ReplayTarget

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("hftbacktest") is None, reason="the extra 'replay' is not installed"
)

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "data"
INVERSE, LINEAR = "btcusd_perp_20240808_09.npz", "btcusdt_perp_20240808.npz"

DEPTH, TRADE, SNAPSHOT = 1, 2, 4
EXCH, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
MS = 1_000_000
LEVELS = 60

START: dict[str, Mapping[str, float]] = {
    "risk": {
        "base_spread_bps": 0.5,
        "impact_cap_ratio": 0.1,
        "max_delta_ratio": 0.15,
        "slippage_penalty_coef": 0.0,
        "inventory_tilt_cap": 0.3,
        "vip_tilt_cap": 0.0,
    },
    "engine": {
        "replace_rate_per_min": 400,
        "concurrency_limit": 2.0,
        "tail_age_ms": 600,
        "min_interval_ms": 50,
    },
}

Runtime = Mapping[str, Mapping[str, float]]
Report = dict[str, Any]


def runtime(**changed: float) -> dict[str, dict[str, float]]:
    return {
        section: {key: changed.get(key, value) for key, value in values.items()}
        for section, values in START.items()
    }


def synthetic_events(seconds: float) -> np.ndarray[Any, np.dtype[Any]]:
    """A random walk of one-tick books (0.01 at 1,000: 0.1 bps) with trades that reach into them."""
    random = np.random.default_rng(7)
    rows: list[tuple[int, int, int, float]] = []  # time in ms, flags, tick, quantity

    def quote(time_ms: int, side: int, tick: int, quantity: float, kind: int = DEPTH) -> None:
        rows.append((time_ms, kind | side, tick, quantity))

    bid = 100_000
    for level in range(LEVELS):
        quote(0, BUY, bid - level, 40.0, SNAPSHOT)
        quote(0, SELL, bid + 1 + level, 40.0, SNAPSHOT)
    for time_ms in range(20, int(seconds * 1000), 20):
        if random.random() < 0.5:
            up = random.random() < 0.5
            bid += 1 if up else -1
            gone, new = (SELL, BUY) if up else (BUY, SELL)
            edge = bid if up else bid + 1
            quote(time_ms, gone, edge, 0.0)
            quote(time_ms, new, edge, float(random.integers(30, 50)))
            far = bid + LEVELS if up else bid + 1 - LEVELS
            quote(time_ms, gone, far, 40.0)
        if random.random() < 0.3:
            side = BUY if random.random() < 0.5 else SELL
            reach = int(random.exponential(10.0))
            tick = bid + 1 + reach if side == BUY else bid - reach
            rows.append((time_ms, TRADE | side, tick, float(random.integers(1, 30))))
    array = np.zeros(len(rows), dtype=np.dtype(list(EVENT_FIELDS), align=True))
    times = np.array([row[0] for row in rows]) * MS
    array["ev"] = np.array([row[1] for row in rows]) | EXCH | LOCAL
    array["exch_ts"] = 10**18 + times
    way = 8 * MS + np.round(4 * MS * np.sin(times / 3e9)).astype(np.int64)
    array["local_ts"] = np.maximum.accumulate(array["exch_ts"] + way)
    array["px"] = np.array([row[2] for row in rows]) * 0.01
    array["qty"] = [row[3] for row in rows]
    return array


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("replay") / "synthetic.npz"
    np.savez(path, data=synthetic_events(65.0))
    return str(path)


Maker = Callable[..., ReplayTarget]


@pytest.fixture
def replay() -> Iterator[Maker]:
    targets: list[ReplayTarget] = []

    def make(path: str, interval_s: float = 10.0, **settings: Any) -> ReplayTarget:
        lane = Lane("lane", "steady", "BTCUSDT", 1, interval_s, 20, path)
        targets.append(make_replay(lane, ReplaySettings(**settings)))
        return targets[-1]

    yield make
    for target in targets:
        target.stop()


def recorded(name: str) -> str:
    path = SHARED / name
    if not path.exists():
        pytest.skip("the recorded sample data are not here")
    return str(path)


def run(target: ReplayTarget, iterations: int, with_: Runtime = START) -> list[Report]:
    return [target.run(iteration, with_) for iteration in range(1, iterations + 1)]


def total(reports: list[Report], section: str, *keys: str) -> float:
    return math.fsum(report[section][key] for report in reports for key in keys)


def fills(reports: list[Report]) -> float:
    return total(reports, "fills", "maker_count", "taker_count")


def finite_or_none(value: object) -> bool:
    return value is None or (type(value) is float and math.isfinite(value))


def test_a_report_has_every_field_in_plain_python(synthetic: str, replay: Maker) -> None:
    report = run(replay(synthetic), 1)[0]

    assert set(report["totals"]) == {
        "net_bps",
        "gross_bps",
        "fees_bps",
        "adverse_bps_p95",
        "slippage_bps_p95",
        "inventory_bps",
        "p95_latency_ms",
        "hit_ratio",
    }
    assert all(finite_or_none(value) for value in report["totals"].values())
    assert report["totals"]["net_bps"] is not None
    assert report["fills"]["maker_count"] > 0
    assert report["fills"]["maker_volume"] > 0
    assert set(report["block_reasons"]) == {"risk", "min_interval", "concurrency", "throttle"}
    assert report["effective_params"] == {**START["risk"], **START["engine"]}
    assert "weekly_rollup" not in report
    assert report["replay"]["tick_size"] == 0.01
    assert report["replay"]["lot_size"] == 1.0
    assert report["replay"]["contract_source"] == "assumed"
    json.dumps(report, allow_nan=False)


def test_latency_holds_the_way_there_and_back_and_the_wait_for_a_turn(
    synthetic: str, replay: Maker
) -> None:
    slow = run(replay(synthetic), 2, runtime(min_interval_ms=100))
    fast = run(replay(synthetic), 2, runtime(min_interval_ms=5))

    for quick, late in zip(fast, slow, strict=True):
        assert quick["totals"]["p95_latency_ms"] >= 2 * 4.0
        assert late["totals"]["p95_latency_ms"] > quick["totals"]["p95_latency_ms"] + 100


def test_an_interval_without_fills_has_no_data_rather_than_zero(
    synthetic: str, replay: Maker
) -> None:
    report = run(replay(synthetic), 1, runtime(base_spread_bps=500.0))[0]

    assert report["fills"] == {
        "maker_count": 0,
        "taker_count": 0,
        "maker_volume": 0.0,
        "taker_volume": 0.0,
    }
    for name in ("net_bps", "gross_bps", "fees_bps", "adverse_bps_p95", "slippage_bps_p95"):
        assert report["totals"][name] is None
    assert report["totals"]["hit_ratio"] == 0.0
    assert report["totals"]["p95_latency_ms"] is not None


def test_the_hit_ratio_is_a_ratio_also_where_old_quotes_fill(synthetic: str, replay: Maker) -> None:
    """Hardly a quote is sent in an interval, and those of the interval before fill in it."""
    target = replay(synthetic, interval_s=2.0)
    reports = run(target, 1, runtime(replace_rate_per_min=1200, min_interval_ms=5))
    few = runtime(replace_rate_per_min=10, min_interval_ms=1000)
    reports += [target.run(number, few) for number in range(2, 20)]

    for report in reports:
        totals, quotes = report["totals"], report["replay"]["quotes"]
        trades = report["fills"]["maker_count"] + report["fills"]["taker_count"]
        trades -= report["replay"]["hedges_filled"]
        could = quotes + report["replay"]["open_quotes_before"]
        assert totals["hit_ratio"] == (pytest.approx(trades / could) if could else None)
        assert totals["hit_ratio"] is None or 0.0 <= totals["hit_ratio"] <= 1.0
    assert any(report["fills"]["maker_count"] > report["replay"]["quotes"] for report in reports)


def test_a_moved_quote_leaves_no_order_behind(synthetic: str, replay: Maker) -> None:
    reports = run(replay(synthetic), 3, runtime(replace_rate_per_min=1200, min_interval_ms=10))

    for report in reports:
        assert report["replay"]["quotes"] > 50
        assert 0 < report["replay"]["open_orders"] <= 2 * 6


def test_fees_are_the_settings_and_net_is_gross_less_fees(synthetic: str, replay: Maker) -> None:
    plain = run(replay(synthetic), 1, START)[0]
    dear = run(replay(synthetic, maker_fee_bps=3.0, taker_fee_bps=3.0), 1, START)[0]

    assert dear["totals"]["gross_bps"] == plain["totals"]["gross_bps"]
    assert dear["totals"]["fees_bps"] == pytest.approx(3.0)
    for report in (plain, dear):
        totals = report["totals"]
        assert totals["net_bps"] == pytest.approx(
            totals["gross_bps"] - totals["fees_bps"], abs=1e-8
        )


@pytest.mark.parametrize("side", [1, -1])
def test_a_fill_is_judged_by_the_mid_some_seconds_later(side: int) -> None:
    mids = RecordedMids(0, tuple(1000.0 + 0.1 * step for step in range(100)))
    fill = Fill(
        time_ns=10**9,
        side=side,
        tick=1000 - side,
        lots=2,
        maker=True,
        mid_tick=1001.0,
        hedged_from=None,
    )

    measured = measured_fill(fill, mids, ReplaySettings(markout_s=2.0), 0.5, 3.0)

    assert measured.gross_bps == pytest.approx(side * (1003.0 / (1000 - side) - 1) * 1e4)
    assert measured.adverse_bps == pytest.approx(-side * (1003.0 / 1001.0 - 1) * 1e4)
    assert measured.slippage_bps == pytest.approx(side * ((1000 - side) / 1001.0 - 1) * 1e4)
    assert measured.notional == pytest.approx(2 * 3.0 * (1000 - side) * 0.5)
    assert measured.fee_bps == -0.5


def test_contract_kind_scales_volumes_and_nothing_else(synthetic: str, replay: Maker) -> None:
    linear = run(replay(synthetic), 1)[0]
    inverse = run(replay(synthetic, contract="inverse", contract_size=100.0), 1)[0]

    assert inverse["fills"]["maker_count"] == linear["fills"]["maker_count"]
    assert inverse["fills"]["maker_volume"] % 100 == 0
    assert inverse["totals"]["net_bps"] == pytest.approx(linear["totals"]["net_bps"], abs=1e-3)
    assert inverse["replay"]["contract_source"] == "given"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"markout_s": 0.0}, "markout_s"),
        ({"tick_size": -1.0}, "tick_size"),
        ({"maker_fee_bps": math.nan}, "maker_fee_bps"),
        ({"contract": "quanto"}, "quanto"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ReplaySettings(**settings)


def test_same_data_and_runtimes_give_the_same_bytes(synthetic: str, replay: Maker) -> None:
    first, second = run(replay(synthetic), 3), run(replay(synthetic), 3)

    assert json.dumps(first) == json.dumps(second)


def test_another_process_gives_the_same_bytes(synthetic: str, replay: Maker) -> None:
    """The engine's tables are seeded anew in every process."""
    code = (
        "import json, sys\n"
        "from pytest_soak.protocol import Lane\n"
        "from pytest_soak.targets.replay import make_replay\n"
        "path, runtime = sys.argv[1], json.loads(sys.argv[2])\n"
        "target = make_replay(Lane('lane', 'steady', 'BTCUSDT', 1, 10.0, 20, path))\n"
        "print(json.dumps([target.run(n, runtime) for n in (1, 2, 3)]))\n"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, synthetic, json.dumps(START)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert other.stdout.strip() == json.dumps(run(replay(synthetic), 3))


@pytest.mark.parametrize("done", [1, 3])
def test_fast_forward_finds_the_state_again(synthetic: str, replay: Maker, done: int) -> None:
    history = [runtime(base_spread_bps=0.5 + 0.1 * step) for step in range(5)]
    whole = replay(synthetic)
    expected = [whole.run(step + 1, parameters) for step, parameters in enumerate(history)]

    resumed = replay(synthetic)
    assert isinstance(resumed, FastForwardTarget)
    resumed.start(history[done])
    resumed.fast_forward(history[:done])
    rest = [resumed.run(step + 1, history[step]) for step in range(done, 5)]

    assert json.dumps(rest) == json.dumps(expected[done:])


def test_state_carries_over_from_iteration_to_iteration(synthetic: str, replay: Maker) -> None:
    """Two halves add up to the whole, a request at the seam apart: nothing begins anew."""
    halves = run(replay(synthetic, interval_s=10.0), 4)
    wholes = run(replay(synthetic, interval_s=20.0), 2)

    assert fills(halves) == fills(wholes)
    assert [report["replay"]["inventory_lots"] for report in halves[1::2]] == [
        report["replay"]["inventory_lots"] for report in wholes
    ]
    for reason in ("risk", "min_interval", "concurrency", "throttle"):
        assert total(halves, "block_reasons", reason) == total(wholes, "block_reasons", reason)


def test_the_end_of_the_data_says_what_is_left(synthetic: str, replay: Maker) -> None:
    target = replay(synthetic)
    run(target, 6)

    for _ in range(2):
        with pytest.raises(EndOfData, match=r"^replay: 3\.0 s of synthetic\.npz are left after"):
            target.run(7, START)


def test_an_interval_longer_than_the_recording_is_refused_at_once(
    synthetic: str, replay: Maker
) -> None:
    with pytest.raises(ValueError, match="less than one interval of 100 s"):
        replay(synthetic, interval_s=100.0)


@pytest.mark.parametrize("iteration", [0, 2, 7])
def test_an_iteration_out_of_turn_is_refused(synthetic: str, replay: Maker, iteration: int) -> None:
    with pytest.raises(ValueError, match="plays in order"):
        replay(synthetic).run(iteration, START)


def test_a_missing_parameter_is_named_before_anything_runs(synthetic: str, replay: Maker) -> None:
    target = replay(synthetic)
    with pytest.raises(ValueError, match=r"engine\.replace_rate_per_min"):
        target.run(1, START | {"engine": {"min_interval_ms": 50}})

    assert target.run(1, START)["effective_params"]["tail_age_ms"] == 600


@pytest.mark.parametrize(
    ("reason", "parameters"),
    [
        ("risk", runtime(impact_cap_ratio=0.5)),
        ("min_interval", runtime(min_interval_ms=5)),
        ("concurrency", runtime(min_interval_ms=5, concurrency_limit=1)),
        ("throttle", runtime(replace_rate_per_min=20)),
    ],
)
def test_every_reason_to_refuse_is_reached(
    synthetic: str, replay: Maker, reason: str, parameters: Runtime
) -> None:
    assert total(run(replay(synthetic), 2, parameters), "block_reasons", reason) > 0


@pytest.mark.parametrize(
    ("key", "low", "high", "section", "name", "rises"),
    [
        ("base_spread_bps", 0.2, 3.0, "fills", "maker_count", False),
        ("replace_rate_per_min", 60, 1000, "block_reasons", "throttle", False),
        ("min_interval_ms", 5, 100, "block_reasons", "min_interval", False),
        ("impact_cap_ratio", 0.03, 0.4, "fills", "maker_volume", True),
        ("max_delta_ratio", 0.03, 0.6, "replay", "quotes", False),
        ("tail_age_ms", 50, 5000, "replay", "quotes", False),
        ("inventory_tilt_cap", 0.0, 1.0, "totals", "inventory_bps", False),
        ("vip_tilt_cap", 0.0, 1.0, "fills", "maker_volume", True),
        ("slippage_penalty_coef", 0.0, 2.0, "fills", "maker_volume", False),
    ],
)
def test_every_parameter_moves_what_it_is_for(
    synthetic: str,
    replay: Maker,
    key: str,
    low: float,
    high: float,
    section: str,
    name: str,
    rises: bool,
) -> None:
    unthrottled = {"replace_rate_per_min": 1200.0, "min_interval_ms": 10.0}
    at_low, at_high = (
        total(run(replay(synthetic), 6, runtime(**unthrottled | {key: value})), section, name)
        for value in (low, high)
    )

    assert at_high > at_low if rises else at_high < at_low


def test_concurrency_binds_where_requests_follow_each_other_fast(
    synthetic: str, replay: Maker
) -> None:
    def blocked(limit: float) -> float:
        parameters = runtime(min_interval_ms=5, concurrency_limit=limit)
        return total(run(replay(synthetic), 3, parameters), "block_reasons", "concurrency")

    assert blocked(1) > blocked(1.5) > blocked(8) == 0


@pytest.mark.parametrize(("name", "iterations"), [(INVERSE, 20), (LINEAR, 11)])
def test_recorded_data_last_as_long_as_they_should(
    replay: Maker, name: str, iterations: int
) -> None:
    target = replay(recorded(name), interval_s=30.0)
    reports = run(target, iterations)

    assert all(finite_or_none(value) for report in reports for value in report["totals"].values())
    assert sum(report["totals"]["net_bps"] is not None for report in reports) == iterations
    assert reports[0]["replay"]["tick_size"] == 0.1
    assert reports[0]["replay"]["lot_size"] == (1.0 if name == INVERSE else 0.001)
    if name == LINEAR:
        with pytest.raises(EndOfData, match=r"^replay: 12\.5 s"):
            target.run(iterations + 1, START)


@pytest.mark.parametrize("name", [INVERSE, LINEAR])
def test_on_recorded_data_a_wider_spread_fills_less(replay: Maker, name: str) -> None:
    path = recorded(name)
    counts = [
        fills(run(replay(path, interval_s=30.0), 10, runtime(base_spread_bps=spread)))
        for spread in (0.2, 0.5, 1.5)
    ]

    assert counts[0] > counts[1] > counts[2] > 0


@pytest.mark.parametrize("name", [INVERSE, LINEAR])
def test_on_recorded_data_fewer_replaces_are_more_throttled(replay: Maker, name: str) -> None:
    path = recorded(name)
    blocks = [
        total(
            run(replay(path, interval_s=30.0), 10, runtime(replace_rate_per_min=rate)),
            "block_reasons",
            "throttle",
        )
        for rate in (100, 400, 1000)
    ]

    assert blocks[0] > blocks[1] > blocks[2]
