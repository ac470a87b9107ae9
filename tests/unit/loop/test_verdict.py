from __future__ import annotations

from typing import Any

import pytest

from pytest_soak.loop.kpis import read_kpis
from pytest_soak.loop.model import Judged, Verdict, worst_of
from pytest_soak.loop.verdict import judge
from tests.unit.loop.lanes import edge_report, shipped


def judged(**kpis: Any) -> Judged:
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
        ({"net": None}, "INCONCLUSIVE", ("net_bps has no data",)),
        (
            {"net": None, "adverse": 4.0},
            "INCONCLUSIVE",
            ("net_bps has no data", "adverse_bps_p95 4 > 3"),
        ),
        (
            {"risk": None, "net": 1.0},
            "FAIL",
            ("net_bps 1 < 2", "risk_ratio has no data"),
        ),
        ({"p95": None, "maker": None}, "PASS", ()),
    ],
)
def test_verdict_and_reasons(kpis: dict[str, Any], verdict: str, reasons: tuple[str, ...]) -> None:
    assert judged(**kpis) == Judged(Verdict(verdict), reasons)


def test_the_worst_verdict_wins() -> None:
    ordered = [Verdict.PASS, Verdict.WARN, Verdict.INCONCLUSIVE, Verdict.FAIL]
    for worse in range(1, 4):
        assert worst_of([ordered[worse - 1], ordered[worse]]) is ordered[worse]
