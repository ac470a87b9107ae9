"""The offline commands repeat the verdict of the session, byte by byte, for many kinds of runs."""

from __future__ import annotations

import json

import pytest

from pytest_soak.canonical import canonical_json
from pytest_soak.cli import main
from pytest_soak.offline import Options, RunningRun, read_run
from pytest_soak.report.delta_text import delta_report
from pytest_soak.report.deltas import delta_verify
from pytest_soak.report.failures import failures
from pytest_soak.report.recommend import recommendations
from pytest_soak.report.snapshot import lanes_of
from pytest_soak.report.summary import tuning_report_parts
from tests.sessions.conftest import Sessions

pytestmark = pytest.mark.exhaustive

N = "--soak-iterations=26"
FILES = {
    "climbs": """
        from bot import Bot
        class Climbing(Bot):
            def run(self, i, runtime):
                report = super().run(i, runtime)
                report["totals"]["p95_latency_ms"] = 220 + 4.0 * i + 0.1 * (i % 3)
                return report
        def make(lane): return Climbing(lane)
    """,
    "blind": """
        from bot import Bot
        def make(lane): return Bot(lane, net_bps="3.1")
    """,
    "ends": """
        from pytest_soak import EndOfData
        from bot import Bot
        class Ending(Bot):
            def run(self, i, runtime):
                if i == 20: raise EndOfData("20 hours")
                return super().run(i, runtime)
        def make(lane): return Ending(lane)
    """,
    "breaks": """
        from bot import Bot
        class Breaking(Bot):
            def run(self, i, runtime):
                if i == 9: raise RuntimeError("feed lost")
                return super().run(i, runtime)
        def make(lane): return Breaking(lane)
    """,
    "repeats": """
        from bot import Bot
        class Repeating(Bot):
            def run(self, i, runtime): return super().run(3, runtime)
        def make(lane): return Repeating(lane)
    """,
}
BOT = "--soak-target=bot:make"
RUNS: dict[str, tuple[str, ...]] = {
    "good": (N, BOT),
    "poor": (N, "--soak-target=bot:poor"),
    "short": ("--soak-iterations=6", BOT),
    "strict": ("--soak-iterations=6", BOT, "--soak-strict"),
    "tuned mock": (N, "--soak-mock"),
    "tuner off": (N, "--soak-mock", "--soak-no-tune"),
    "dry run": (N, "--soak-mock", "--soak-dry-run"),
    "climbing": (N, "--soak-target=climbs:make"),
    "no data": (N, "--soak-target=blind:make"),
    "end of data": (N, "--soak-target=ends:make"),
    "halted": (N, "--soak-target=breaks:make"),
    "stale": (N, "--soak-target=repeats:make"),
    "two lanes": ("--soak-iterations=9", "--soak-mock", "--soak-seed=1,2"),
    "eighteen lanes": (
        *("--soak-iterations=9", BOT, "--soak-profile=steady,S1,ultra_safe"),
        *("--soak-symbol=BTCUSDT,ETHUSDT", "--soak-seed=1,2,3"),
    ),
    "scenario": (N, "--soak-mock", "--soak-scenario=throttle@20"),
    "failing check": (N, BOT),
    "hook": (N, BOT),
}
CHECK = "def test_it(soak_iteration): assert soak_iteration.number != 5"
HOOK = """
from pytest_soak import criterion
def pytest_soak_gate(lane, history):
    return [criterion("mine", "WARN", "mine: look here", value=1.5, limit="<= 1")]
"""


@pytest.mark.parametrize("name", RUNS)
def test_the_commands_print_what_the_session_printed(
    soak: Sessions, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    soak.bot(**FILES)
    if name == "failing check":
        pytester.makepyfile(test_it=CHECK)
    if name == "hook":
        pytester.makeconftest(HOOK)
    result = soak("-q", *RUNS[name])
    snapshot = result.json("POST_SOAK_SNAPSHOT.json")
    verdict = f"gate: {snapshot['verdict']}"
    assert verdict in result.out
    capsys.readouterr()

    def output(*args: str) -> tuple[int, str]:
        code = main([args[0], str(result.latest), *args[1:]])
        return code, capsys.readouterr().out

    code, text = output("gate")
    assert code == result.code
    shown = result.out.replace("\r", "")
    assert text.rstrip().splitlines()[-1] in shown
    assert all(line in shown for line in text.splitlines())
    assert output("snapshot") == (result.code, result.text("POST_SOAK_SNAPSHOT.json"))
    assert output("audit") == (result.code, result.text("POST_SOAK_AUDIT.md"))
    assert output("metrics") == (0, result.text("POST_SOAK_METRICS.prom"))
    run = read_run(str(result.latest))
    assert not isinstance(run, RunningRun)
    judgement = run.answer(Options()).judgement
    for file, make in (("RECOMMENDATIONS.md", recommendations), ("FAILURES.md", failures)):
        assert make(run.histories, judgement) == result.text(file)
    for history, of_lane in zip(run.histories, judgement.lanes, strict=True):
        several = len(run.histories) > 1
        directory = result.latest / history.lane.id if several else result.latest
        again = {
            "TUNING_REPORT.json": b"".join(tuning_report_parts(history)),
            "DELTA_VERIFY.json": canonical_json(delta_verify(of_lane.delta)),
            "DELTA_VERIFY_REPORT.md": delta_report(history, of_lane.delta).encode(),
        }
        assert {file: (directory / file).read_bytes() for file in again} == again
    document = json.loads(output("gate", "--json")[1])
    assert document["verdict"] == snapshot["verdict"]
    for judged, lane in zip(document["lanes"], lanes_of(snapshot), strict=True):
        for criterion, stored in zip(judged["criteria"], lane["criteria"], strict=True):
            assert {name: criterion[name] for name in stored} == stored
    _, verified = output("verify", "--json")
    for lane, stored in zip(json.loads(verified)["lanes"], lanes_of(snapshot), strict=True):
        assert lane["verdict"] == stored["delta_quality"]["verdict"]
        assert lane["full_apply_ratio"] == stored["delta_quality"]["full_apply_ratio"]
