"""The compiled mock market: the same bytes as plain Python, and used only when it is worth it."""

from __future__ import annotations

import copy
import importlib.util
import math
import os
import subprocess
import sys
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_soak.canonical import canonical_json
from pytest_soak.protocol import Lane
from pytest_soak.targets.mock import make_mock
from pytest_soak.targets.mock.decay import decayed
from pytest_soak.targets.mock.market import first_state, next_market
from pytest_soak.targets.mock.order_state import EXIT, SLOTS, OrderState, first_to_land
from pytest_soak.targets.mock.target import MockTarget
from pytest_soak.targets.mock.trading import market_path_of, run_plainly, trade
from pytest_soak.targets.quoting import params_of

ROOT = Path(__file__).parents[3]
NUMBA = importlib.util.find_spec("numba") is not None
needs_numba = pytest.mark.skipif(not NUMBA, reason="numba (extra fast) is not installed")

START = {
    "risk": {
        "base_spread_bps": 0.5,
        "impact_cap_ratio": 0.1,
        "max_delta_ratio": 0.15,
        "slippage_penalty_coef": 0.0,
        "inventory_tilt_cap": 0.3,
        "vip_tilt_cap": 0.0,
    },
    "engine": {
        "replace_rate_per_min": 400.0,
        "concurrency_limit": 2.0,
        "tail_age_ms": 600.0,
        "min_interval_ms": 50.0,
    },
}
RUNTIMES = [
    START,
    {
        "risk": {**START["risk"], "base_spread_bps": 0.2, "impact_cap_ratio": 0.4},
        "engine": {**START["engine"], "replace_rate_per_min": 900.0, "min_interval_ms": 20.0},
    },
    {
        "risk": {
            "base_spread_bps": 0.05,
            "impact_cap_ratio": 0.5,
            "max_delta_ratio": 0.02,
            "slippage_penalty_coef": 2.0,
            "inventory_tilt_cap": 1.0,
            "vip_tilt_cap": 1.0,
        },
        "engine": {
            "replace_rate_per_min": 1200.0,
            "concurrency_limit": 64.0,
            "tail_age_ms": 50.0,
            "min_interval_ms": 5.0,
        },
    },
    {
        "risk": {
            "base_spread_bps": 5.0,
            "impact_cap_ratio": 0.02,
            "max_delta_ratio": 0.6,
            "slippage_penalty_coef": 0.1,
            "inventory_tilt_cap": 0.0,
            "vip_tilt_cap": 0.15,
        },
        "engine": {
            "replace_rate_per_min": 10.0,
            "concurrency_limit": 1.0,
            "tail_age_ms": 5000.0,
            "min_interval_ms": 1000.0,
        },
    },
]


def target(seed: int, interval_s: float = 300.0, iterations: int = 24) -> MockTarget:
    return make_mock(Lane("lane", "steady", "BTCUSDT", seed, interval_s, iterations))


def report_bytes(seed: int, runtimes: list[dict[str, dict[str, float]]], interval_s: float) -> Any:
    mock = target(seed, interval_s)
    reports = [
        canonical_json(mock.run(number, runtime)) for number, runtime in enumerate(runtimes, 1)
    ]
    return reports, canonical_json(mock.snapshot())


@needs_numba
class TestCompiled:
    @pytest.mark.parametrize("seed", [1, 2, -3])
    @pytest.mark.parametrize("shift", range(4))
    def test_every_report_has_the_same_bytes(
        self, seed: int, shift: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        runtimes = [RUNTIMES[(number // 2 + shift) % 4] for number in range(4)]
        monkeypatch.setenv("PYTEST_SOAK_FAST", "0")
        plain = report_bytes(seed, runtimes, 120.0)
        monkeypatch.setenv("PYTEST_SOAK_FAST", "1")
        assert report_bytes(seed, runtimes, 120.0) == plain

    @pytest.mark.parametrize("interval_s", [0.1, 0.7, 7.3, 900.0])
    def test_an_iteration_of_any_length_has_the_same_bytes(
        self, interval_s: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PYTEST_SOAK_FAST", "0")
        plain = report_bytes(5, [START, START], interval_s)
        monkeypatch.setenv("PYTEST_SOAK_FAST", "1")
        assert report_bytes(5, [START, START], interval_s) == plain

    def test_a_lane_may_change_over_at_a_snapshot(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTEST_SOAK_FAST", "0")
        plain = target(4, 60.0)
        plain.run(1, START)
        monkeypatch.setenv("PYTEST_SOAK_FAST", "1")
        resumed = target(4, 60.0)
        resumed.restore(plain.snapshot())
        assert canonical_json(resumed.run(2, START)) == canonical_json(plain.run(2, START))

    def test_it_is_really_used_once_it_is_proved(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from pytest_soak.targets.mock import compiled

        monkeypatch.setenv("PYTEST_SOAK_FAST", "1")
        target(1, 10.0).run(1, START)
        assert compiled.compiled_event_loop().proved
        monkeypatch.setattr(compiled, "run_plainly", None)
        target(1, 10.0).run(1, START)

    def test_one_that_differs_is_found_out_and_not_used(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        from pytest_soak.targets.mock import compiled

        def wrong(path: Any, params: Any, columns: Any) -> Any:
            columns.values[0] = np.nextafter(columns.values[0], math.inf)
            return right(path, params, columns)

        event_loop = compiled.CompiledEventLoop()
        right = event_loop._run
        event_loop._run = wrong
        market, _ = next_market(first_state(1), 1, 1, 30.0)
        params = params_of(START)
        orders, plain_orders = OrderState(), OrderState()
        log = trade(market, params, orders, event_loop)
        assert log == trade(market, params, plain_orders, run_plainly)
        assert orders == plain_orders
        assert not event_loop.proved
        assert "not used" in caplog.text
        event_loop._run = None  # type: ignore[assignment]
        trade(market, params, orders, event_loop)

    def test_one_that_cannot_be_compiled_is_not_used(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        import numba

        from pytest_soak.targets.mock import compiled

        def untypable(path: Any, params: Any, columns: Any) -> Any:
            raise numba.core.errors.TypingError("no")

        event_loop = compiled.CompiledEventLoop()
        monkeypatch.setattr(event_loop, "_run", untypable)
        market, _ = next_market(first_state(1), 1, 1, 30.0)
        params = params_of(START)
        orders, plain_orders = OrderState(), OrderState()
        log = trade(market, params, orders, event_loop)
        assert log == trade(market, params, plain_orders, run_plainly)
        assert orders == plain_orders
        assert "cannot compile" in caplog.text

    def test_a_warmed_up_process_finds_what_another_compiled(self) -> None:
        code = (
            "from pytest_soak.protocol import Lane\n"
            "from pytest_soak.targets.mock import make_mock\n"
            "from pytest_soak.targets.mock.compiled import compiled_event_loop\n"
            "from tests.unit.targets.test_mock_fast import START\n"
            "make_mock(Lane('lane', 'steady', 'BTCUSDT', 1, 1.0, 24)).run(1, START)\n"
            "assert compiled_event_loop().proved\n"
            "stats = compiled_event_loop()._run.stats\n"
            "assert not stats.cache_path or sum(stats.cache_hits.values()) == 1, stats\n"
        )
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-W", "error", "-c", code],
                cwd=ROOT,
                env={**os.environ, "PYTEST_SOAK_FAST": "1"},
                capture_output=True,
                text=True,
                check=False,
            )
        assert done.returncode == 0, done.stderr


class TestChoice:
    def test_zero_never_imports_numba(self) -> None:
        self.assert_numba_imported("0", 864, expected=False)

    def test_a_short_lane_is_not_worth_the_compiling(self) -> None:
        self.assert_numba_imported("", 24, expected=False)

    @needs_numba
    def test_a_long_lane_is(self) -> None:
        self.assert_numba_imported("", 864, expected=True)

    def assert_numba_imported(self, mode: str, iterations: int, *, expected: bool) -> None:
        code = (
            "import sys\n"
            "from pytest_soak.protocol import Lane\n"
            "from pytest_soak.targets.mock import make_mock\n"
            f"make_mock(Lane('lane', 'steady', 'BTCUSDT', 1, 300.0, {iterations}))\n"
            "print('numba' in sys.modules)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTEST_SOAK_FAST": mode},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == str(expected)

    def test_another_value_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTEST_SOAK_FAST", "yes")
        with pytest.raises(ValueError, match="PYTEST_SOAK_FAST is 'yes'"):
            target(1)

    def test_wanting_it_without_numba_says_what_to_install(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PYTEST_SOAK_FAST", "1")
        monkeypatch.delitem(sys.modules, "pytest_soak.targets.mock.compiled", raising=False)
        monkeypatch.setitem(sys.modules, "numba", None)
        with pytest.raises(ValueError, match=r"pytest-soak\[fast\]"):
            target(1)

    def test_a_numba_that_cannot_be_imported_does_no_harm(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("PYTEST_SOAK_FAST", raising=False)
        monkeypatch.delitem(sys.modules, "pytest_soak.targets.mock.compiled", raising=False)
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
        monkeypatch.setitem(sys.modules, "numba", None)
        assert target(1, iterations=864)._event_loop is run_plainly


class TestParts:
    @pytest.mark.parametrize("speed", [1 / 21600, 0.1, 1 / 3, 2.0, 40.0])
    @pytest.mark.parametrize("count", [1, 5, 64, 65, 3000])
    def test_a_decayed_path_is_the_recursion(self, speed: float, count: int) -> None:
        pushes = np.random.default_rng(count).standard_normal(count)
        keep = math.exp(-speed)
        expected = list(accumulate(pushes.tolist(), lambda x, e: keep * x + e, initial=0.7))[1:]
        np.testing.assert_allclose(decayed(pushes, speed, 0.7), expected, rtol=1e-11, atol=1e-11)

    def test_no_push_no_path(self) -> None:
        assert len(decayed(np.zeros(0), 0.1, 1.0)) == 0

    def test_the_first_of_those_in_flight_lands_next(self) -> None:
        lands = [math.inf] * SLOTS
        assert first_to_land(lands) == 0
        lands[EXIT] = 3.0
        assert first_to_land(lands) == EXIT
        lands[2] = lands[5] = 1.0
        assert first_to_land(lands) == 2

    def test_a_plain_run_does_not_change_the_market_path(self) -> None:
        market, _ = next_market(first_state(1), 1, 1, 5.0)
        path = market_path_of(market)
        before = copy.deepcopy(path)
        run_plainly(path, params_of(START), OrderState())
        for column, unchanged in zip(path, before, strict=True):
            assert np.array_equal(column, unchanged)
