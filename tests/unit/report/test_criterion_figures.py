"""The figures of a criterion as numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from msgspec import structs

from pytest_soak.gate.judge import LaneJudgement, judge_lane
from pytest_soak.gate.result import CriterionResult
from pytest_soak.loop.model import Verdict
from pytest_soak.report.criterion_figures import criterion_figures
from tests.unit.gate.histories import make_history, steady
from tests.unit.report.runs import decided


def figures(lane: LaneJudgement, name: str) -> dict[str, float]:
    (item,) = [item for item in lane.criteria if item.name == name]
    return criterion_figures(lane, item)


def test_a_kpi_has_value_limit_bound_and_margin() -> None:
    lane = judge_lane(decided(mock=False))
    for name, upper in (("net_bps", False), ("p95_latency_ms", True)):
        (item,) = [item for item in lane.criteria if item.name == name]
        assert criterion_figures(lane, item) == {
            "value": item.value,
            "limit": 340.0 if upper else 2.7,
            "bound": item.high if upper else item.low,
            "margin": item.margin,
        }


def test_the_limit_is_that_of_the_market_that_is_judged_by() -> None:
    for mock, limit in ((True, 0.5), (False, 0.85)):
        assert figures(judge_lane(decided(mock=mock)), "maker_taker_ratio")["limit"] == limit


def test_the_limit_is_not_rounded_as_its_text_is() -> None:
    profile = steady()
    delta = structs.replace(profile.gate.delta, full=0.912345678)
    exact = replace(profile, gate=replace(profile.gate, delta=delta))
    lane = judge_lane(make_history(profile=exact))
    (item,) = [item for item in lane.criteria if item.name == "delta_quality"]
    assert item.limit == ">= 0.912346"
    assert criterion_figures(lane, item)["limit"] == 0.912345678


def test_a_count_has_no_bound_and_a_drift_no_limit() -> None:
    lane = judge_lane(decided())
    assert figures(lane, "pass_count_last8") == {"value": 8, "limit": 6, "margin": 2}
    assert figures(lane, "drift:net_bps").keys() == {"value"}


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_left_out(value: float | None) -> None:
    lane = judge_lane(decided())
    item = CriterionResult("mine", Verdict.PASS, value, "<= 3", value, low=value, high=value)
    assert criterion_figures(lane, item) == {"limit": 3}
    assert criterion_figures(lane, replace(item, limit="as it was")) == {}
    assert math.copysign(1, criterion_figures(lane, replace(item, value=-0.0))["value"]) == 1
