"""Faults that must not pass silently: unknown names, absurd figures, artifacts that fail.

Every bot here is good except for one fault.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_soak.cli import main
from tests.sessions.conftest import Result, Sessions

pytestmark = pytest.mark.exhaustive

GOOD = """
import decimal, fractions
import numpy as np
MOST = 1.7976931348623157e308

class Bot:
    def run(self, i, runtime):
        t = {{"net_bps": 3 + .01 * (i % 3), "p95_latency_ms": 300 + i % 5, "adverse_bps_p95": 2.0,
             "slippage_bps_p95": 1.0}}
        r = {{"totals": t,
             "fills": {{"maker_volume": 90.0, "taker_volume": 10.0,
                       "maker_count": 90, "taker_count": 10}},
             "block_reasons": {{"risk": 30, "min_interval": 10, "concurrency": 30,
                               "throttle": 30}}}}
        {line}
        return r

def pytest_soak_target(lane):
    return Bot()
"""
N = "--soak-iterations=26"


@pytest.fixture
def bot(soak: Sessions, pytester: pytest.Pytester) -> Any:
    def run(line: str = "pass", *args: str, subprocess: bool = False) -> Result:
        pytester.makeconftest(GOOD.format(line=line))
        return soak("-q", N, *args, subprocess=subprocess)

    return run


def criterion(result: Result, name: str) -> dict[str, Any]:
    criteria = {item["name"]: item for item in result.json("POST_SOAK_SNAPSHOT.json")["criteria"]}
    entry: dict[str, Any] = criteria[name]
    return entry


def offline_agrees(result: Result, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands have the exit code of the session, and print no traceback."""
    capsys.readouterr()
    codes = {command: main([command, str(result.latest)]) for command in ("gate", "snapshot")}
    audit, explain = main(["audit", str(result.latest)]), main(["explain", str(result.latest)])
    printed = capsys.readouterr()
    assert set(codes.values()) == {result.code}
    assert (audit in (0, 1), explain) == (True, 0)
    assert "Traceback" not in printed.out + printed.err


def test_the_good_bot_passes(bot: Any, capsys: pytest.CaptureFixture[str]) -> None:
    result = bot()
    assert result.code == 0
    assert "gate: PASS" in result.out
    assert "does not know" not in result.out
    offline_agrees(result, capsys)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (
            'r["block_reasons"] = {"Risk": 90, "min_interval": 10}',
            r"'Risk', which the profile does not list \(did you mean 'risk'\?\)",
        ),
        (
            """r.pop("block_reasons"); r["audit"] = ['{"event":"BLOCK","reason":"risk"}'] * 10""",
            r"9 of 9 audit rows cannot be read: a row is a text",
        ),
        (
            'r.pop("block_reasons"); r["audit"] = [{"event": "BLOCKED", "reason": "risk"}] * 10',
            r"the event 'BLOCKED' \(did you mean 'BLOCK'\?\)",
        ),
        ('r["block_reasons"]["risk"] = MOST', r"block_reasons.risk is 1.79769e\+308"),
        ('r["block_reasons"] = [30]', r"block_reasons is a list, not a mapping"),
    ],
)
def test_a_name_that_the_profile_does_not_know_is_no_zero(
    bot: Any, capsys: pytest.CaptureFixture[str], line: str, why: str
) -> None:
    result = bot(line, "-v")
    risk = criterion(result, "risk_ratio")
    assert (result.code, risk["verdict"], risk["value"]) == (1, "FAIL", None)
    assert "no_data in 8 of the last 8" in risk["reason"]
    assert re.search(why, risk["reason"])
    assert re.search(why, result.text("FAILURES.md").replace("\\", ""))
    offline_agrees(result, capsys)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('r["fills"].update(maker_volume="10.5", taker_volume="89.5")', "is a text, '10.5'"),
        ('r["fills"]["maker_volume"] = -90.0', "is -90, below 0"),
    ],
)
def test_an_unusable_volume_is_not_replaced_by_the_counts(
    bot: Any, capsys: pytest.CaptureFixture[str], line: str, why: str
) -> None:
    result = bot(line)
    ratio = criterion(result, "maker_taker_ratio")
    assert (result.code, ratio["verdict"], ratio["value"]) == (1, "FAIL", None)
    assert f"fills.maker_volume {why}" in ratio["reason"]
    offline_agrees(result, capsys)


def test_a_misspelt_echo_is_named_once_and_changes_nothing(bot: Any) -> None:
    result = bot('r["effective_params"] = {"pool_sise": 8, "base_spred_bps": 1}')
    assert result.code == 0
    note = "effective_params.base_spred_bps (did you mean 'base_spread_bps'?), first in iteration 1"
    assert result.out.count(note) == 1
    assert note in result.text("POST_SOAK_AUDIT.md")


@pytest.mark.parametrize(
    ("line", "note"),
    [
        ('r["fills"]["maker_vol"] = 3', "fills.maker_vol (did you mean 'maker_volume'?)"),
        ('t["p95_latency"] = 3', "totals.p95_latency (did you mean 'p95_latency_ms'?)"),
        ('r["weekly_rollup"] = {"taker_share": 3}', "weekly_rollup.taker_share (did you mean"),
        (
            'r["scenarios"] = [{"name": "x", "started_s": 1, "ended_s": 2}]',
            "scenario 'x', which is",
        ),
        ('r["block_reason"] = {}', "block_reason (did you mean 'block_reasons'?)"),
        ('r["audit"] = [{"event": "HEARTBEAT"}]', "audit event 'HEARTBEAT'"),
    ],
)
def test_an_unknown_field_of_a_known_section_is_named_once(bot: Any, line: str, note: str) -> None:
    result = bot(line)
    assert result.out.count(note) == 1
    assert note in result.text("POST_SOAK_AUDIT.md").replace("\\", "")


def test_a_change_that_the_echo_leaves_out_fails_delta_quality(
    soak: Sessions, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    pytester.makepyfile(
        bot="""
        from pytest_soak.targets.mock import make_mock
        class Partial:
            def __init__(self, lane): self.mock = make_mock(lane)
            def run(self, i, runtime):
                report = dict(self.mock.run(i, runtime))
                report["effective_params"] = {"tail_age_ms": runtime["engine"]["tail_age_ms"]}
                return report
        """
    )
    result = soak("-q", "--soak-iterations=6", "--soak-target=bot:Partial")
    quality = criterion(result, "delta_quality")
    assert (result.code, quality["verdict"]) == (1, "FAIL")
    assert "not confirmed by the echo of iteration" in result.text("DELTA_VERIFY_REPORT.md")
    offline_agrees(result, capsys)


@pytest.mark.parametrize(
    "line",
    [
        't["adverse_bps_p95"] = MOST if i % 2 else -MOST',
        't["gross_bps"] = MOST if i % 2 else -MOST',
        't["net_bps"] = MOST if i % 2 else -MOST',
        'r["fills"] = {"maker_volume": MOST, "taker_volume": MOST}',
        't["gross_bps"] = 1e99 * (-1) ** i',
        'r["scenarios"] = [{"name": "x", "started_s": 10**400, "ended_s": 10**401}] * (i == 3)',
        'r["scenarios"] = [{"name": "x", "started_s": 1, "ended_s": 2, "y": 10**400}] * (i == 3)',
        'r["audit"] = [{"event": "BLOCK", "reason": "\\ud800"}]; r.pop("block_reasons")',
        't["net_bps"] = 10**400; r["\\ud800"] = "\\x1b[31m<b>"',
    ],
)
def test_a_run_with_an_absurd_figure_still_has_a_verdict(
    bot: Any, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    result = bot(line)
    assert result.code in (0, 1)
    assert "could not be judged" not in result.out
    assert "Traceback" not in result.out + result.err
    for name in ("POST_SOAK_AUDIT.md", "RECOMMENDATIONS.md", "FAILURES.md"):
        assert (result.latest / name).is_file()
    offline_agrees(result, capsys)


@pytest.mark.parametrize(
    "value", ["decimal.Decimal('3.5')", "fractions.Fraction(7, 2)", "np.longdouble(3.5)"]
)
def test_numbers_of_every_type_are_data(bot: Any, value: str) -> None:
    result = bot(f't["net_bps"] = {value}')
    assert result.code == 0
    assert criterion(result, "net_bps")["value"] == 3.5


def test_no_data_shows_the_value_everywhere(bot: Any, capsys: pytest.CaptureFixture[str]) -> None:
    result = bot('t["net_bps"] = "300ms"', "-vv")
    reason = "totals.net_bps is a text, '300ms'"
    assert result.code == 1
    assert reason in criterion(result, "net_bps")["reason"]
    assert reason in result.text("FAILURES.md")
    assert result.out.count(reason) >= 26  # also on the line of each iteration
    main(["explain", str(result.latest), "--iteration", "3"])
    assert reason in " ".join(capsys.readouterr().out.split())


def test_an_artifact_that_cannot_be_made_stops_no_other(bot: Any) -> None:
    # Replaced in a separate process, so that other tests keep the real function.
    broken = "def audit(*_): raise RuntimeError('no audit today')"
    result = bot(
        f"import pytest_soak.session.judging as a; exec({broken!r}, a.__dict__)", subprocess=True
    )
    assert "gate: PASS" in result.out
    assert "POST_SOAK_AUDIT.md could not be made: RuntimeError: no audit today" in result.out
    assert result.code == 1
    assert not (result.latest / "POST_SOAK_AUDIT.md").exists()
    assert result.json("POST_SOAK_SNAPSHOT.json")["verdict"] == "PASS"
    assert (result.latest / "FAILURES.md").is_file()


def test_a_summary_that_cannot_be_written_does_not_halt_the_lane(bot: Any) -> None:
    plant = "import os; os.mkfifo(os.path.join('artifacts/soak/latest', f'ITER_SUMMARY_{i}.json'))"
    result = bot(f"if i == 3: {plant}")
    assert criterion(result, "completeness")["verdict"] == "PASS"
    assert "ITER_SUMMARY_3.json" in result.out
    assert (result.latest / "ITER_SUMMARY_26.json").is_file()
    assert "gate: PASS" in result.out


def test_a_failed_check_is_a_criterion_here_and_offline(
    bot: Any, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    pytester.makepyfile(test_it="def test_odd(soak_iteration): assert soak_iteration.number != 4")
    result = bot()
    checks = criterion(result, "checks")
    assert (result.code, checks["verdict"]) == (1, "FAIL")
    assert "failed in 1 iteration, first in 4: test_it.py::test_odd (1)" in checks["reason"]
    offline_agrees(result, capsys)


def test_a_lane_in_which_nothing_was_measured_fails_also_after_the_data_ended(
    soak: Sessions, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    pytester.makeconftest(
        """
        from pytest_soak import EndOfData
        class Bot:
            def run(self, i, runtime): raise EndOfData("nothing there")
        def pytest_soak_target(lane): return Bot()
        """
    )
    result = soak("-q", N)
    assert (result.code, criterion(result, "completeness")["verdict"]) == (1, "FAIL")
    offline_agrees(result, capsys)


def test_a_window_without_a_single_block_says_so(bot: Any) -> None:
    risk = criterion(bot('r["block_reasons"] = {}'), "risk_ratio")
    assert risk["verdict"] == "INCONCLUSIVE"
    assert "no blocks" in risk["reason"]
