"""Each reason of a verdict is in its entry of docs/troubleshooting.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pytest_soak import criterion
from pytest_soak.gate.judge import judge_lane
from pytest_soak.gate.weaker import weakened
from pytest_soak.loop.model import Halt, History, Verdict
from tests.troubleshooting import entry
from tests.unit.gate.histories import (
    applied,
    clipped,
    make_history,
    steady,
    with_decision,
    with_iteration,
)
from tests.unit.gate.test_recovery import disturbed, scheduled
from tests.unit.gate.test_statistic import gated
from tests.unit.session.test_hook_criteria import of


def net(*values: float | None, n: int = 24) -> History:
    """``net_bps``: the values in turn, the last one at the end."""
    series = [values[i % len(values)] for i in range(n)]
    return make_history(n, kpis={"net_bps": series})


def gated_by(given: dict[str, Any], *values: float, n: int = 24, warmup: int = 0) -> History:
    """``net_bps`` with one criterion of these fields."""
    history, profile = net(*values, n=n), gated(given, "net_bps", warmup_iterations=warmup)
    return replace(history, profile=profile)


def sloped(first: float, step: float) -> History:
    return make_history(
        48, kpis={"net_bps": [first + step * i + 0.01 * (i % 3) for i in range(48)]}
    )


def wandering() -> History:
    level = [3.0 if i < 40 else 2.71 - 0.01 * (i % 2) for i in range(48)]
    return make_history(48, kpis={"net_bps": [*level[:-4], 2.69, 2.69, 2.69, 2.69]})


def unchanged_reports() -> History:
    return make_history(kpis={"fills_per_hour": [6000.0] * 24})


def echoing_another() -> History:
    history = make_history()
    return with_iteration(history, 3, echo_mismatch={"base_spread_bps": 0.9})


def moved_by_itself() -> History:
    history = make_history()
    values = {**history.iterations[4].values, "base_spread_bps": 0.9}
    return with_iteration(history, 5, values=values)


def clipped_often() -> History:
    moves = {n: [clipped("base_spread_bps", 0.02, 0.01)] for n in range(2, 12)}
    return make_history(outcomes=moves)


def stuck() -> History:
    history = make_history(outcomes={n: [applied("base_spread_bps", 0.01)] for n in (3, 5)})
    for number in (3, 5):
        decision = history.iterations[number - 1].decision
        assert decision is not None
        history = with_decision(history, number, state_hash=decision.old_hash)
    return history


def failing(*numbers: int) -> History:
    return make_history(verdicts=dict.fromkeys(numbers, Verdict.FAIL))


def not_all(**halt: Any) -> History:
    return make_history(9, planned=24, **halt)


def halted() -> History:
    return not_all(halt=Halt(10, "error", "no feed"))


def without_more_data() -> History:
    return not_all(halt=Halt(10, "end_of_data", ""))


def with_failed_check() -> History:
    return with_iteration(make_history(), 3, failed_checks=("test_edge",))


GATE: list[tuple[str, str, str, Callable[[], History]]] = [
    ("FAIL: the figure is outside its limit", "net_bps", "FAIL", lambda: net(1.0, 1.1)),
    ("FAIL: no_data", "net_bps", "FAIL", lambda: net(3.0, None)),
    ("INCONCLUSIVE: too few iterations", "net_bps", "INCONCLUSIVE", lambda: net(3.0, 3.1, n=5)),
    ("WARN: the limit is within its noise", "net_bps", "WARN", lambda: net(0.9, 4.9, 1.5, 5.0)),
    ("WARN: a longer run will not change it", "net_bps", "WARN", wandering),
    ("WARN: the noise is not known", "net_bps", "WARN", lambda: net(3.0, 3.1, n=12)),
    (
        "WARN: beyond its warning",
        "net_bps",
        "WARN",
        lambda: gated_by({"warn": ">= 4", "fail": ">= 1"}, 3.0, 3.1),
    ),
    (
        "median:KPI, p95:KPI, share:KPI",
        "share:net_bps",
        "WARN",
        lambda: gated_by({"limit": ">= 1", "share": 0.95}, 3.0, 3.1),
    ),
    (
        "max:KPI, min:KPI, last:KPI",
        "min:net_bps",
        "PASS",
        lambda: gated_by({"limit": ">= 1", "statistic": "min"}, 3.0, 3.1),
    ),
    (
        "max:KPI, min:KPI, last:KPI",
        "last:net_bps",
        "WARN",
        lambda: gated_by({"limit": ">= 1", "statistic": "last"}, 3.0, 3.1),
    ),
    (
        "relative:KPI",
        "relative:net_bps",
        "INCONCLUSIVE",
        lambda: gated_by({"limit": ">= 1", "relative_to": "reference", "ratio": 0.1}, 3.0),
    ),
    (
        "relative:KPI",
        "relative:net_bps",
        "PASS",
        lambda: gated_by(
            {"limit": ">= 1", "relative_to": "warmup", "ratio": 0.1}, 3.0, 3.01, n=60, warmup=24
        ),
    ),
    ("drift: a KPI moves towards its limit", "drift:net_bps", "FAIL", lambda: sloped(4.0, -0.025)),
    ("drift: not applicable, or nothing is shown", "drift:net_bps", "PASS", lambda: net(3.0, n=9)),
    ("stale: the reports do not change", "stale", "WARN", unchanged_reports),
    ("pass_count_lastN", "pass_count_last8", "FAIL", lambda: failing(18, 20, 22, 24)),
    ("checks", "checks", "FAIL", with_failed_check),
    ("completeness", "completeness", "FAIL", not_all),
    ("completeness", "completeness", "FAIL", halted),
    ("completeness", "completeness", "INCONCLUSIVE", without_more_data),
    (
        "scenario:NAME",
        "scenario:crash",
        "FAIL",
        lambda: disturbed(scheduled(), fired={}),
    ),
    (
        "recovers_within:NAME",
        "recovers_within:crash",
        "FAIL",
        lambda: disturbed(scheduled(), p95=[900.0] * 9),
    ),
    ("delta_quality: the target runs with other values", "delta_quality", "FAIL", echoing_another),
    ("delta_quality: a change is unexplained", "delta_quality", "FAIL", moved_by_itself),
    ("delta_quality: too few changes were applied", "delta_quality", "FAIL", clipped_often),
    ("delta_quality: too few changes were applied", "delta_quality", "FAIL", stuck),
    ("delta_quality: not applicable", "delta_quality", "PASS", make_history),
]


@pytest.mark.parametrize(("heading", "name", "verdict", "make"), GATE)
def test_a_reason_of_the_gate(
    heading: str, name: str, verdict: str, make: Callable[[], History]
) -> None:
    (result,) = [item for item in judge_lane(make()).criteria if item.name == name]
    assert result.verdict == verdict, result.reason
    assert entry(heading).explains(result.reason), result.reason


@pytest.mark.parametrize(
    "answer",
    [7, [7], [criterion("checks", "PASS", "x")], [criterion("a b", "PASS", "x")]],
    ids=["no list", "no criterion", "a taken name", "no name"],
)
def test_an_answer_of_a_hook(answer: Any) -> None:
    shown = "\n".join(result.reason for result in of(answer).values())
    assert entry("pytest_soak_gate").explains(shown), shown


def test_a_weaker_gate() -> None:
    shown = "; ".join(weakened(replace(steady().gate, window=4, pass_from=8)))
    assert entry("A weaker gate").explains(shown), shown


def test_a_criterion_that_cannot_be_judged() -> None:
    result: Any = replace(criterion("mine", "PASS", "x"), value="many")  # type: ignore[arg-type]
    judged = judge_lane(make_history(), extra=[result])
    (mine,) = [item for item in judged.criteria if item.name == "mine"]
    assert mine.verdict is Verdict.INCONCLUSIVE
    assert entry("A criterion that could not be judged").explains(mine.reason), mine.reason
