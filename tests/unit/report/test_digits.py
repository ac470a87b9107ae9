"""A figure is shown with as many digits as tell it and its limit apart; a count has no decimals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.judge import judge_lane, judge_run
from pytest_soak.loop.model import Verdict
from pytest_soak.profile.condition import Comparison
from pytest_soak.report.audit import audit
from pytest_soak.report.failures import failures
from pytest_soak.report.layout import (
    criterion_bounds,
    criterion_margin,
    criterion_value,
    limit_of,
)
from pytest_soak.report.recommend import recommendations
from pytest_soak.report.table import final_table, iteration_line
from tests.unit.gate.histories import make_history


def result(value: float | None, limit: str, **fields: float) -> CriterionResult:
    return replace(CriterionResult("p95", Verdict.FAIL, value=value, limit=limit), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "limit", "text"),
    [
        (340.04, "<= 340", "340.04"),
        (340.0000001, "<= 340", "340.0000001"),
        (340.0, "<= 340", "340"),
        (0.41999999, "<= 0.42", "0.41999999"),
        (0.374123, "<= 0.42", "0.374"),
        (8.0, ">= 6", "8"),
        (0.0, "<= 0", "0"),
        (24.0, ">= 24", "24"),
        (1.0, ">= 0.95", "1.000"),
        (0.9499999, ">= 0.95", "0.9499999"),
        (3.5, "any text of a hook", "3.500"),
        (None, "<= 340", "-"),
        (float("inf"), "<= 340", "inf"),
    ],
)
def test_value(value: float | None, limit: str, text: str) -> None:
    assert criterion_value(result(value, limit)) == text


def test_bounds_and_margin() -> None:
    item = result(339.0, "<= 340", low=338.2, high=340.04, margin=1.0)
    assert criterion_value(item) == "339.0"
    assert criterion_bounds(item) == "338.2 .. 340.04"
    assert criterion_bounds(result(1.0, "<= 2")) == ""
    assert criterion_margin(result(8.0, ">= 6", margin=2.0)) == "2"
    assert criterion_margin(result(0.0, "<= 0", margin=-0.0)) == "0"
    assert criterion_margin(result(340.04, "<= 340", margin=-0.04)) == "-0.040"


@pytest.mark.parametrize("text", ["", "x", "<= ", "<= nan", "340", "<= 340 ms", "=> 3", "<= 1e999"])
def test_what_is_no_limit(text: str) -> None:
    assert limit_of(text) is None
    assert criterion_value(result(3.0, text)) == "3.000"


def test_a_comparison_shows_a_value_by_its_limit_and_its_margin() -> None:
    limit = Comparison("<=", 340.0)
    assert limit.shown(340.04) == "340.04"
    assert limit.shown(340.0000001) == "340.0000001"
    assert limit.shown(308.7612345) == "308.761"
    assert Comparison(">", 0.4, margin=0.05).shown(0.4500001) == "0.4500001"
    assert str(Comparison("<=", 1234567.25)) == "<= 1234567.25"


def test_every_text_of_a_run_tells_value_and_limit_apart() -> None:
    history = make_history(24, kpis={"p95_latency_ms": [340.00004] * 24})
    lane = judge_lane(history)
    run = judge_run([lane])
    table = "\n".join(final_table(run))
    assert "340.00004" in table
    assert "340.00004 |" in audit([history], run)
    assert "| pass_count_last8 | " in audit([history], run)
    assert not [
        line
        for line in audit([history], run).splitlines()
        if line.startswith(("| pass_count", "| completeness", "| checks")) and ".000" in line
    ]
    texts = [
        table,
        audit([history], run),
        failures([history], run),
        recommendations([history], run),
    ]
    assert not [text for text in texts if "p95_latency_ms: p95_latency_ms" in text]
    line = iteration_line(history.iterations[0], profile=history.profile)
    assert "p95=" in line


def test_a_long_value_is_whole_in_the_table() -> None:
    run = judge_run([judge_lane(make_history(24, kpis={"p95_latency_ms": [340.0000001] * 24}))])
    (row,) = (line for line in final_table(run) if line.startswith("  p95_latency_ms"))
    assert " 340.0000001 " in row
    assert row.endswith("FAIL")
    assert max(map(len, final_table(run))) <= 100
