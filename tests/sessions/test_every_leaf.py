"""Every leaf of a report with each odd value that a target may put there: one lane per case.

For every value the lane is measured to its end, nothing raises, no verdict gets better, and the
offline commands repeat the verdict of the session.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_soak.cli import main
from pytest_soak.report.snapshot import lanes_of
from tests.sessions.conftest import Sessions

pytestmark = pytest.mark.exhaustive

BOT = '''
import decimal, fractions, math
import numpy as np

MOST = 1.7976931348623157e308
KINDS = {
    "most": MOST, "least": -MOST, "huge": 10**400, "nan": math.nan, "inf": math.inf,
    "decimal": decimal.Decimal("0.1"), "fraction": fractions.Fraction(1, 3),
    "long": np.longdouble("1e4000"), "bool": True, "none": None, "text": "300ms",
    "list": [1, [2]], "mapping": {"a": {"b": 1}}, "surrogate": "\\ud800",
    "long text": "x" * 30_000, "escapes": "\\x1b[31m\\x07\\r\\n",
    "html": "<img src=x onerror=alert(1)>|`*_", "object": object(),
}


def report(i):
    return {
        "totals": {"net_bps": 3 + 0.01 * (i % 3), "gross_bps": 4.0, "fees_bps": 1.0,
                   "adverse_bps_p95": 2.0, "slippage_bps_p95": 1.0, "inventory_bps": 0.1,
                   "p95_latency_ms": 300 + i % 5, "hit_ratio": 0.5},
        "fills": {"maker_volume": 90.0, "taker_volume": 10.0, "maker_count": 90, "taker_count": 10},
        "weekly_rollup": {"taker_share_pct": 10.0},
        "block_reasons": {"risk": 30, "min_interval": 10, "concurrency": 30, "throttle": 30},
        "effective_params": {"base_spread_bps": 0.5, "tail_age_ms": 600},
        "scenarios": [{"name": "x", "started_s": 1.0, "ended_s": 2.0, "depth": 3.0}],
        "audit": [{"event": "BLOCK", "reason": "risk", "ts": 1.0, "latency_ms": 2.0}],
        "summary": {"maker_fills": 9, "taker_fills": 1},
    }


def leaves(value, path=()):
    """Paths of all values in a report: the leaves and the sections."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else (
        enumerate(value) if isinstance(value, list) else ())
    for key, item in items:
        yield from leaves(item, (*path, key))


CASES = [(path, kind) for path in leaves(report(1)) if path != ("totals",) for kind in KINDS]


def report_with(i, path, kind):
    whole = report(i)
    at = whole
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = KINDS[kind]
    return whole


class Bot:
    def __init__(self, lane): self.case = CASES[lane.seed - 1] if lane.seed else None
    def run(self, i, runtime): return report(i) if self.case is None else report_with(i, *self.case)


def make(lane): return Bot(lane)
'''
GATED = {"net_bps": "net_bps", "p95_latency_ms": "p95_latency_ms"}
NUMBERS = ("decimal", "fraction")
PARTS = 5
"""The cases are spread over so many sessions, which may run at the same time."""


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_a_leaf_holds_the_lane_is_judged(
    soak: Sessions, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str], part: int
) -> None:
    pytester.makepyfile(leafbot=BOT)
    scope: dict[str, Any] = {}
    exec(BOT, scope)
    assert len(scope["CASES"]) > 650
    cases = list(enumerate(scope["CASES"], start=1))[part::PARTS]
    seeds = ",".join(map(str, [0, *(seed for seed, _ in cases)]))
    result = soak(
        *("-q", "--no-summary", "--soak-no-tune", "--soak-iterations=8", f"--soak-seed={seeds}"),
        "--soak-target=leafbot:make",
    )
    assert result.code == 1
    assert "Traceback" not in result.out + result.err
    assert "could not be" not in result.out
    lanes = lanes_of(result.json("POST_SOAK_SNAPSHOT.json"))
    by_seed = {lane["fingerprint"]["seed"]: lane for lane in lanes}
    assert by_seed[0]["verdict"] == "WARN"  # the good bot, with only 8 iterations
    for seed, (path, kind) in cases:
        lane, where = by_seed[seed], f"{path} = {kind}"
        assert lane["iterations"]["measured"] == 8, where
        assert lane["verdict"] in ("WARN", "INCONCLUSIVE", "FAIL"), where
        verdicts = {item["name"]: item for item in lane["criteria"]}
        if path[0] == "totals" and path[-1] in GATED and kind not in NUMBERS:
            assert verdicts[path[-1]]["verdict"] == "FAIL", where
            assert "no_data in 8 of the last 8" in verdicts[path[-1]]["reason"], where
        if path[0] == "block_reasons" and kind not in (*NUMBERS, "none") and len(path) > 1:
            # If a count of a listed reason is no number, the audit is used.
            assert verdicts["risk_ratio"]["verdict"] in ("FAIL", "WARN"), where
    capsys.readouterr()
    assert main(["gate", str(result.latest), "--json"]) == 1
    offline = json.loads(capsys.readouterr().out)
    for stored, again in zip(lanes, offline["lanes"], strict=True):
        for criterion, other in zip(stored["criteria"], again["criteria"], strict=True):
            assert criterion == {name: other[name] for name in criterion}
    assert main(["audit", str(result.latest)]) == 1
    assert main(["explain", str(result.latest)]) == 0
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out
    assert "Traceback" not in printed.out + printed.err
