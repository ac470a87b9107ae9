"""The mock market has the properties of real markets; see ``stylised_facts.py`` for the figures.

Seeds 1 to 3, 24 simulated hours each. ``benchmarks/realism.py`` prints the same rows over more.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import pytest

from pytest_soak.targets.mock import flow, market, venue
from tests.unit.targets.stylised_facts import (
    CRASH,
    FACTS,
    MARKOUTS,
    REACH_A,
    Fact,
    day_of,
    market_day,
    measured,
    measured_crash,
    measured_markouts,
    misses,
)

pytestmark = pytest.mark.exhaustive

SEEDS = (1, 2, 3)


@functools.cache
def figures() -> Mapping[str, float]:
    return measured([day_of(market_day(seed)) for seed in SEEDS])


@functools.cache
def one_day() -> Mapping[str, float]:
    return measured([day_of(market_day(2))])


@functools.cache
def markouts() -> Mapping[str, float]:
    return measured_markouts(SEEDS, 8)


@functools.cache
def crashes() -> Mapping[str, float]:
    return measured_crash(range(1, 9))


def named(fact: Fact) -> str:
    return fact.name


@pytest.mark.parametrize("fact", [*FACTS, REACH_A], ids=named)
def test_the_market_is_as_recorded(fact: Fact) -> None:
    assert not misses([fact], figures())


def test_tails_thin_out_with_the_horizon() -> None:
    falling = [figures()[f"excess kurtosis, {horizon} min"] for horizon in (1, 5, 15, 60)]
    assert falling == sorted(falling, reverse=True)


def test_the_memory_of_the_volatility_fades_slowly() -> None:
    lags = (1, 5, 15, 60, 240)
    falling = [figures()[f"autocorrelation of |r|, {lag} min"] for lag in lags]
    assert falling == sorted(falling, reverse=True)
    # With one time scale, .33 at a minute and .25 at five would leave nothing at an hour.
    assert falling[3] > 0.2 * falling[0]


@pytest.mark.parametrize("fact", MARKOUTS, ids=named)
def test_passive_fills_lose_what_they_lose_in_the_market(fact: Fact) -> None:
    assert not misses([fact], markouts())


@pytest.mark.parametrize("fact", CRASH, ids=named)
def test_a_flash_crash_is_as_recorded(fact: Fact) -> None:
    assert not misses([fact], crashes())


@pytest.mark.parametrize(
    ("broken", "rows"),
    [
        (
            {"_BASE_VOLATILITY": (1.0, 1.0, 1.0), "_OU_SD": (0.2, 0.0, 0.0), "_SEASON": 0.0},
            ("autocorrelation of |r|, 15 min", "realised 1 min sd, p95", "excess kurtosis, 5 min"),
        ),
        ({"_JUMPS_PER_S": (0.1, 0.1, 0.1)}, ("sd of 1 s returns", "sd of 1 min returns")),
        (
            {"_SAME_SIDE": 0.6},
            ("autocorrelation of signs, lag 1", "autocorrelation of signs, lag 10"),
        ),
        ({"_BRANCHING": 0.3}, ("orders a second", "variance / mean of orders in 10 s")),
        ({"_REACH_MEAN_BPS": 2.0}, ("reach: k, 1/bps",)),
        ({"_SWEEP_SHARE": 0.3}, ("reach: k, 1/bps",)),
    ],
)
def test_a_broken_mechanism_is_seen(
    monkeypatch: pytest.MonkeyPatch, broken: Mapping[str, Any], rows: tuple[str, ...]
) -> None:
    facts = [fact for fact in FACTS if fact.name in rows]
    assert not misses(facts, one_day())
    for name, value in broken.items():
        monkeypatch.setattr(market if hasattr(market, name) else flow, name, value)
    assert len(misses(facts, measured([day_of(market_day(2))]))) == len(rows)


def test_fills_without_adverse_selection_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "_IMPACT_BPS", 0.0)
    monkeypatch.setattr(venue, "_OWN_QUOTE_BPS", 0.0)
    figures = measured_markouts(SEEDS[:1], 4)
    assert len(misses(MARKOUTS[:4], figures)) == 4
