from __future__ import annotations

from typing import Any

import pytest

from pytest_soak.loop.kpis import read_kpis
from pytest_soak.loop.model import IterationVerdict, Verdict, worst_of
from pytest_soak.loop.verdict import judge
from pytest_soak.profile.build import build
from pytest_soak.profile.model import Profile
from tests.unit.loop.lanes import Drive, changed, edge_report, shipped


def with_limits(**verdict: Any) -> Profile:
    """The shipped profile with other limits for one iteration."""
    return build({**shipped().document, "verdict": verdict})


def judged(**kpis: Any) -> IterationVerdict:
    report = edge_report(**kpis)
    return judge(shipped(), read_kpis(shipped(), report, None, interval_s=300, mock=False))


@pytest.mark.parametrize(
    ("kpis", "verdict", "reasons"),
    [
        ({}, "PASS", ()),
        ({"risk": 0.40, "adverse": 3.0, "net": 2.0}, "PASS", ()),
        ({"risk": 0.41}, "WARN", ("risk_ratio 0.41 > 0.4",)),
        ({"adverse": 3.5}, "WARN", ("adverse_bps_p95 3.5 > 3",)),
        ({"risk": 0.50}, "WARN", ("risk_ratio 0.5 > 0.4",)),
        ({"risk": 0.51}, "FAIL", ("risk_ratio 0.51 > 0.5",)),
        ({"net": 1.99}, "FAIL", ("net_bps 1.99 < 2",)),
        ({"net": None}, "INCONCLUSIVE", ("net_bps has no data: totals.net_bps is null",)),
        (
            {"net": None, "adverse": 4.0},
            "INCONCLUSIVE",
            ("net_bps has no data: totals.net_bps is null", "adverse_bps_p95 4 > 3"),
        ),
        (
            {"risk": None, "net": 1.0},
            "FAIL",
            (
                "net_bps 1 < 2",
                "risk_ratio has no data: the report has neither block_reasons nor an audit",
            ),
        ),
        ({"p95": None, "maker": None}, "PASS", ()),
    ],
)
def test_verdict_and_reasons(kpis: dict[str, Any], verdict: str, reasons: tuple[str, ...]) -> None:
    assert judged(**kpis) == IterationVerdict(Verdict(verdict), reasons)


def test_a_fault_is_one_reason_and_not_one_per_kpi() -> None:
    report = edge_report() | {"fault": "hung (bot)"}
    readings = read_kpis(shipped(), report, None, interval_s=300, mock=False)
    reasons = ("no data: the target had a fault: hung (bot)",)
    assert judge(shipped(), readings) == IterationVerdict(Verdict.INCONCLUSIVE, reasons)


class TestSharesOfTheFirstIterations:
    """``{at_least: s, of_first: n}`` does not hold for ``fail`` while the first mean is unknown."""

    PROFILE = with_limits(fail={"net_bps": {"at_least": 0.5, "of_first": 3}})

    def verdicts(self, *nets: float | None) -> list[str]:
        drive = Drive(self.PROFILE)
        for net in nets:
            drive.step(edge_report(net=net))
        return [str(decision.verdict) for decision in drive.decisions]

    def test_an_unknown_first_mean_is_no_fail_and_a_known_one_is_compared(self) -> None:
        assert self.verdicts(4.0, 4.0) == ["PASS", "PASS"]
        # From the third iteration on, the mean of the first three is known.
        assert self.verdicts(4.0, 4.0, 4.0, 1.9, 2.1)[2:] == ["FAIL", "PASS", "FAIL"]

    def test_iterations_without_data_are_left_out_of_the_mean(self) -> None:
        assert self.verdicts(4.0, None, None, 1.9, 2.1)[3:] == ["PASS", "FAIL"]
        assert self.verdicts(None, None, None, 9.0)[3:] == ["PASS"]

    def test_freeze_uses_the_same_evaluation(self) -> None:
        stable = {"net_bps": {"at_least": 0.5, "of_first": 3}}
        freeze = {"after": 2, "stable": stable, "keys": ["impact_cap_ratio"], "iterations": 4}
        drive = Drive(changed(shipped(), freeze=freeze))
        for _ in range(4):
            drive.step(edge_report(net=4.0))
        # Not known in 1 and 2, stable in 3 and 4.
        assert drive.state.timers.frozen_until == 8


def test_the_worst_verdict_wins() -> None:
    ordered = [Verdict.PASS, Verdict.WARN, Verdict.INCONCLUSIVE, Verdict.FAIL]
    for worse in range(1, 4):
        assert worst_of([ordered[worse - 1], ordered[worse]]) is ordered[worse]
