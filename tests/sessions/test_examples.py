"""Every example runs unchanged."""

from __future__ import annotations

import io
import json
import math
import os
import re
import runpy
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.cli import main
from tests.sessions.conftest import Result, Sessions
from tests.sessions.running import running
from tests.trading_words import trading_words_of

EXAMPLES = Path(__file__).parents[2] / "examples"
NEEDS_DATABASE = os.environ.get("SOAK_POSTGRESQL") == "require"
"""Read before the fixture ``soak`` removes the variables of the machine."""


def run(soak: Sessions, name: str, *args: str) -> Result:
    shutil.copytree(EXAMPLES / name, soak.folder, dirs_exist_ok=True)
    return soak(*args, subprocess=True)


def test_ten_line_bot(soak: Sessions) -> None:
    result = run(soak, "ten_line_bot", "--soak-iterations=24", "-v")
    assert result.code == 0, result.out
    assert result.outcomes["passed"] >= 2 * 24
    moved = result.json("applied_profile.json")["values"]["base_spread_bps"]
    assert result.json("runtime_overrides.json")["risk"]["base_spread_bps"] > moved


def test_own_hooks(soak: Sessions) -> None:
    result = run(soak, "own_hooks", "--soak-iterations=12", "-v")
    assert result.code == 0, result.out
    assert "soak::gate[steady-BTCUSDT-1/request_rate] PASSED" in result.out
    assert len((soak.folder / "iterations.txt").read_text().splitlines()) == 12
    applied = [e for e in result.entries() if e["type"] == "decision" and e["signature"]]
    assert {o["rule"] for e in applied for o in e["outcomes"]} == {"CALM"}
    quality = {c["name"]: c for c in result.json("POST_SOAK_SNAPSHOT.json")["criteria"]}
    assert quality["delta_quality"]["value"] == 1.0  # it proposes nothing without headroom


def profile_lines(text: str) -> list[str]:
    """The lines of a profile that are not comments."""
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    return [line for line in lines if not line.startswith("#")]


def check_words(soak: Sessions, result: Result) -> None:
    """No file of the run, no output of it or of a command about it has a word of trading."""
    (soak.folder / "output").mkdir()
    commands = (("explain",), ("metrics", "--names=clean"), ("gate",), ("list",), ("verify",))
    outputs = {"pytest": result.out + result.err}
    for name, *options in commands:
        with redirect_stdout(io.StringIO()) as output:
            assert main([name, "artifacts/soak", *options]) == 0
        outputs[name] = output.getvalue()
    for name, text in outputs.items():
        assert text
        (soak.folder / "output" / name).write_text(text)
    assert (result.latest / "REPORT.html").stat().st_size > 10_000
    findings = [
        *trading_words_of(soak.folder / "artifacts"),
        *trading_words_of(soak.folder / "output"),
    ]
    assert not findings, "\n".join(findings)


WORDS = ("-vv", "--soak-summary=artifacts/summary.md", "--junitxml=artifacts/junit.xml")


def with_database() -> None:
    """Skips the test without PostgreSQL; with ``SOAK_POSTGRESQL=require`` it is an error."""
    program = runpy.run_path(str(EXAMPLES / "postgresql" / "server.py"))["program"]
    try:
        program("postgres")
    except FileNotFoundError as error:
        if NEEDS_DATABASE:
            raise
        pytest.skip(str(error))


def reports_of(result: Result) -> list[dict[str, Any]]:
    """What the target reported, iteration by iteration."""
    return [entry["report"] for entry in result.entries() if entry["type"] == "observation"]


def heals(result: Result, kpi: str, **limits: float) -> None:
    """The run begins beyond a limit of the gate, and ends with a PASS.

    ``limits``: at_most or at_least, the one of the KPI.
    """
    observed = [report["totals"][kpi] for report in reports_of(result)]
    at_most, at_least = limits.get("at_most", math.inf), limits.get("at_least", -math.inf)
    assert not at_least <= observed[0] <= at_most
    assert at_least <= observed[-1] <= at_most
    assert result.code == 0, result.out
    assert result.json("POST_SOAK_SNAPSHOT.json")["verdict"] == "PASS", result.out


def test_web_service(soak: Sessions) -> None:
    result = run(soak, "web_service", "--soak", *WORDS)
    profile = (soak.folder / "pool.yaml").read_text("utf-8")
    assert len(profile_lines(profile)) <= 12
    readme = (soak.folder / "README.md").read_text("utf-8")
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    assert profile_lines(shown) == profile_lines(profile)
    heals(result, "p95_ms", at_most=220)
    assert result.json("DELTA_VERIFY.json")["full_apply_ratio"] == 1.0
    assert result.json("runtime_overrides.json")["service"]["workers"] in (3, 4)
    check_words(soak, result)


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The temporary folder of a session; PostgreSQL's own user may enter it, too."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.postgresql
def test_postgresql(soak: Sessions, temporary: Path) -> None:
    """A PostgreSQL of its own; the settings in force are those of pg_settings."""
    with_database()
    result = run(soak, "postgresql", "--soak", *WORDS)
    heals(result, "p95_ms", at_most=90)
    heals(result, "tps", at_least=30)
    heals(result, "temp_kb", at_most=0)
    verified = result.json("DELTA_VERIFY.json")
    assert verified["full_count"] >= 2
    assert verified["full_apply_ratio"] == 1.0
    settings = result.json("runtime_overrides.json")["postgresql"]
    assert settings["synchronous_commit"] == "off"
    assert settings["work_mem"] >= 1024
    assert settings["shared_buffers"] > 512
    settings["jit"] = "on" if settings["jit"] else "off"  # as PostgreSQL writes it
    assert reports_of(result)[-1]["effective_params"] == settings
    assert list(temporary.iterdir()) == []
    check_words(soak, result)


@pytest.mark.postgresql
def test_postgresql_ends_when_its_session_is_killed(soak: Sessions, temporary: Path) -> None:
    with_database()
    shutil.copytree(EXAMPLES / "postgresql", soak.folder, dirs_exist_ok=True)
    with running(soak, "--soak"):  # killed at the end, with its group; the server has its own
        until(lambda: any(temporary.glob("soak-postgresql-*/.s.PGSQL.*")))
    until(lambda: not any(temporary.glob("soak-postgresql-*")))


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends, "not within 60 s"
        time.sleep(0.02)


def test_live_bot(soak: Sessions) -> None:
    """The whole folder: exchange and bot, started and tuned; the bot's own echo confirms all."""
    pytest.importorskip("websockets", reason="bot and exchange talk over WebSocket")
    result = run(soak, "live_bot", "--soak-iterations=24", "--soak-interval=1")
    assert result.code == 0, result.out
    snapshot = result.json("POST_SOAK_SNAPSHOT.json")
    assert snapshot["verdict"] in ("PASS", "WARN"), result.out
    assert snapshot["iterations"] == {"planned": 24, "measured": 24}
    verified = result.json("DELTA_VERIFY.json")
    assert verified["belonging"] == {"applied_seq": 24}
    assert verified["full_apply_ratio"] == 1.0
    assert verified["full_count"] >= 3
    assert all(report["effective_params"] for report in reports_of(result))


def test_live_bot_without_seq(soak: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bot that names no delivery: its report is replaced in time, and that is what counts."""
    pytest.importorskip("websockets", reason="bot and exchange talk over WebSocket")
    monkeypatch.setenv("FAULT", "no_seq")
    result = run(soak, "live_bot", "--soak-iterations=12", "--soak-interval=1")
    assert result.code == 0, result.out
    verified = result.json("DELTA_VERIFY.json")
    assert verified["belonging"] == {"replaced": 12}
    assert verified["full_apply_ratio"] == 1.0


def test_live_node(soak: Sessions) -> None:
    """A bot that is no Python, by its profile alone."""
    program = (EXAMPLES / "live_node" / "bot.js").read_text("utf-8")
    assert len(program.splitlines()) <= 30
    assert {"pool.size", "pool.timeout_ms"} <= set(re.findall(r"pool\.\w+", program))
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    result = run(soak, "live_node", "--soak-iterations=12", "--soak-interval=0.5")
    assert result.code == 0, result.out
    assert result.json("POST_SOAK_SNAPSHOT.json")["iterations"]["measured"] == 12
    assert result.json("DELTA_VERIFY.json")["belonging"] == {"applied_seq": 12}


def test_prometheus_service(soak: Sessions) -> None:
    """A service with the client library of Prometheus, whose figures come from /metrics alone."""
    result = run(soak, "prometheus_service", "--soak", *WORDS)
    assert result.code == 0, result.out
    assert result.json("POST_SOAK_SNAPSHOT.json")["verdict"] == "PASS", result.out
    figures = [report["metrics"] for report in reports_of(result)]
    assert len(figures) == 24
    assert figures[0]["wait_p95_s"] > 0.1
    assert figures[-1]["wait_p95_s"] < figures[0]["wait_p95_s"]
    assert all("metrics_missing" not in report for report in reports_of(result))
    assert result.json("runtime_overrides.json")["workers"] >= 3
    verified = result.json("DELTA_VERIFY.json")
    assert verified["full_apply_ratio"] == 1.0  # by the gauge that is the echo
    assert verified["full_count"] >= 2
    readme = (soak.folder / "README.md").read_text("utf-8")
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    assert profile_lines(shown) == profile_lines((soak.folder / "queue.yaml").read_text("utf-8"))
    check_words(soak, result)


# -- Optuna ------------------------------------------------------------------------------------

KEYS = ("base_spread_bps", "impact_cap_ratio", "replace_rate_per_min", "min_interval_ms")
MOCK = ("--soak-iterations=24", "--soak-mock")
FIXED = ("--soak-iterations=24", "--soak-target=bot:make")

WATCHED = """
import json
from dataclasses import replace
from pathlib import Path

import pytest
import proposer


def pytest_soak_propose(lane, kpis, headroom, history):
    if {blind}:  # it gets an unlimited headroom, so that the guards have to refuse
        headroom = {{
            key: replace(limits, down=-1e3, up=1e3) for key, limits in headroom.items()
        }}
    proposals = proposer.pytest_soak_propose(lane, kpis, headroom, history)
    trials = [
        {{
            "iteration": trial.user_attrs["iteration"],
            "state": trial.state.name,
            "value": trial.value if trial.state.name == "COMPLETE" else None,
            "params": trial.params,
        }}
        for trial in proposer.STUDIES[lane.id].get_trials(deepcopy=False)
        if trial.state.is_finished()
    ]
    line = {{"number": history[-1].number + 1 if history else 1, "trials": trials}}
    with Path(f"trials-{{lane.id}}.jsonl").open("a") as out:
        print(json.dumps(line), file=out)
    return proposals


def pytest_soak_iteration(lane, iteration):
    edit = Path("edit")
    if edit.exists() and iteration.number == int(edit.read_text()):
        path = Path("artifacts/soak/latest/runtime_overrides.json")
        runtime = json.loads(path.read_text())
        runtime["risk"]["base_spread_bps"] = 0.9
        path.write_text(json.dumps(runtime))
    stop = Path("stop")
    if stop.exists() and iteration.number == int(stop.read_text()):
        stop.unlink()
        pytest.exit("stopped")
"""

FAULTY = """
from pytest_soak.targets.mock import make_mock


class Faulty:
    def __init__(self, lane):
        self.market = make_mock(lane)

    def run(self, iteration, runtime):
        report = dict(self.market.run(iteration, runtime))
        if {when}:
            report["totals"] = dict(report["totals"], net_bps={net})
        return report


def make(lane):
    return Faulty(lane)
"""


def watched(soak: Sessions, *args: str, blind: bool = False, **files: str) -> Result:
    """Runs the example in a conftest that also writes the trials of its studies to a file."""
    pytest.importorskip("optuna", minversion="5", reason="the example is about Optuna")
    shutil.copy(EXAMPLES / "optuna_proposer" / "conftest.py", soak.folder / "proposer.py")
    soak.bot(conftest=WATCHED.format(blind=blind), **files)
    return soak(*args, subprocess=True)


def values_of(result: Result, lane: str = ".") -> dict[int, dict[str, float]]:
    """Iteration to the values that it ran with, from the journal."""
    entries = result.entries(lane)
    values, by_iteration = entries[0]["values"], {}
    for entry in entries[1:]:
        if entry["type"] == "observation":
            by_iteration[entry["iteration"]] = {key: values[key] for key in KEYS}
        elif entry["type"] in ("decision", "external"):
            values = entry["values"]
    return by_iteration


def earned(result: Result, lane: str = ".") -> dict[int, float | None]:
    """Iteration to the expected objective, computed from the report."""
    reports = {e["iteration"]: e["report"] for e in result.entries(lane) if "report" in e}
    return {
        number: None
        if report["totals"]["net_bps"] is None
        else report["totals"]["net_bps"]
        * (report["fills"]["maker_count"] + report["fills"]["taker_count"])
        * (3600 / 300 / 1000)
        for number, report in reports.items()
    }


def check_trials(
    soak: Sessions, result: Result, lane: str = "steady-BTCUSDT-1", at: str = "."
) -> None:
    """Each proposal used a study with the iterations until then, and nothing else."""
    values, objective = values_of(result, at), earned(result, at)
    lines = (soak.folder / f"trials-{lane}.jsonl").read_text().splitlines()
    studies = {line["number"]: line["trials"] for line in map(json.loads, lines)}
    assert list(studies) == list(range(1, len(values) + 1))
    for number, trials in studies.items():
        expected = range(max(1, number - 50), number + 1)
        assert [trial["iteration"] for trial in trials] == list(expected)
        for trial in trials:
            then = trial["iteration"]
            has_data = objective[then] is not None
            assert trial["state"] == ("COMPLETE" if has_data else "FAIL")
            assert not has_data or trial["value"] == pytest.approx(objective[then])
            assert trial["params"] == pytest.approx(values[then], rel=1e-12)


def outcomes(result: Result) -> list[dict[str, Any]]:
    """Every outcome of the lane, with its iteration."""
    return [
        {**outcome, "iteration": entry["iteration"]}
        for entry in result.entries()
        if entry["type"] == "decision"
        for outcome in entry["outcomes"]
    ]


def test_optuna_proposer(soak: Sessions) -> None:
    pytest.importorskip("optuna", minversion="5", reason="the example is about Optuna")
    result = run(soak, "optuna_proposer", *MOCK, "-v")
    verdict = result.json("POST_SOAK_SNAPSHOT.json")["verdict"]
    assert result.code == (verdict == "FAIL"), result.out
    assert result.outcomes["passed"] >= 24
    assert "error" not in result.out.lower()
    assert "A new study" not in result.out + result.err
    moves = [outcome for outcome in outcomes(result) if outcome["rule"] == "OPTUNA"]
    assert {move["key"] for move in moves} == set(KEYS)
    # It keeps to its headroom, so the guards refuse nothing.
    assert {move["outcome"] for move in moves} == {"APPLIED"}
    verified = result.json("DELTA_VERIFY.json")
    assert (verified["fail_count"], verified["signature_stuck_count"]) == (0, 0)
    assert verified["full_apply_ratio"] >= 0.95
    harness = ("std", "runpytest")
    files = {path.name for path in soak.folder.iterdir() if not path.name.startswith(harness)}
    assert files == {"conftest.py", "compare.py", "README.md", "artifacts"}
    compare = [sys.executable, "compare.py", "run=artifacts/soak"]
    table = soak.pytester.run(*compare).stdout.str()
    assert f"keys APPLIED by OPTUNA{len(moves):>32}" in table


def test_optuna_learns_from_the_applied_values(soak: Sessions) -> None:
    result = watched(soak, *MOCK)
    check_trials(soak, result)
    assert any(values != values_of(result)[1] for values in values_of(result).values())


def test_optuna_learns_from_clipped_and_refused_proposals(soak: Sessions) -> None:
    """With an unlimited headroom its proposals are clipped and refused for several reasons."""
    result = watched(soak, *FIXED, blind=True)
    results = {(outcome["outcome"], outcome["reason"]) for outcome in outcomes(result)}
    assert results >= {
        ("APPLIED", ""),
        ("CLIPPED", "velocity"),
        ("SKIPPED", "velocity"),
        ("SKIPPED", "freeze"),
        ("SKIPPED", "late"),
    }
    assert result.json("DELTA_VERIFY.json")["fail_count"] == 0
    check_trials(soak, result)


def test_optuna_in_a_dry_run_learns_from_unmoved_values(soak: Sessions) -> None:
    result = watched(soak, *FIXED, "--soak-dry-run")
    assert any(outcome["outcome"] == "APPLIED" for outcome in outcomes(result))
    check_trials(soak, result)
    assert all(values == values_of(result)[1] for values in values_of(result).values())


def test_optuna_after_a_panic_learns_from_the_safe_values(soak: Sessions) -> None:
    target = FAULTY.format(when="6 <= iteration <= 9", net="0.5")
    result = watched(soak, *MOCK[:1], "--soak-target=faulty:make", blind=True, faulty=target)
    panics = [e["iteration"] for e in result.entries() if e["type"] == "decision" and e["panic"]]
    assert panics[0] == 8
    assert values_of(result)[9]["base_spread_bps"] == 0.65
    assert {outcome["reason"] for outcome in outcomes(result)} >= {"panic"}
    check_trials(soak, result)


def test_optuna_learns_from_an_edit_by_hand_and_leaves_its_key_alone(soak: Sessions) -> None:
    (soak.folder / "edit").write_text("6")
    result = watched(soak, *FIXED)
    assert values_of(result)[7]["base_spread_bps"] == 0.9
    check_trials(soak, result)
    later = {outcome["key"] for outcome in outcomes(result) if outcome["iteration"] > 6}
    assert later == set(KEYS) - {"base_spread_bps"}  # it is pinned, so it has no headroom


def test_optuna_without_data_has_a_failed_trial(soak: Sessions) -> None:
    target = FAULTY.format(when="iteration in (4, 5)", net="None")
    result = watched(soak, *MOCK[:1], "--soak-target=faulty:make", faulty=target)
    decisions = [entry for entry in result.entries() if entry["type"] == "decision"]
    assert [entry["iteration"] for entry in decisions] == list(range(1, 25))
    assert [bool(entry["proposed"]) for entry in decisions[2:6]] == [True, False, False, True]
    check_trials(soak, result)


@pytest.mark.parametrize("cut", [False, True], ids=["between", "before done"])
def test_optuna_proposes_the_same_after_a_stop(soak: Sessions, cut: bool) -> None:
    """Also after more than the 50 iterations of its history, and in the middle of a decision."""
    args = ("--soak-iterations=56", *FIXED[1:])
    whole = watched(soak, *args, "--soak-dir=whole")
    expected = (soak.folder / "whole" / "latest" / "journal.jsonl").read_bytes()
    entries = [json.loads(line) for line in expected.splitlines()]
    last = max(e["iteration"] for e in entries if e["type"] == "done" and e["iteration"] < 55)
    (soak.folder / "stop").write_text(str(last))
    stopped = watched(soak, *args)
    assert stopped.code == 2, stopped.out
    if cut:
        *lines, done = stopped.journal().splitlines(keepends=True)
        assert b'"type":"done"' in done
        (stopped.latest / "journal.jsonl").write_bytes(b"".join(lines))
    resumed = watched(soak, *args, "--soak-resume")
    assert resumed.done_before == last > 50
    assert resumed.code == whole.code
    assert resumed.journal() == expected


def test_optuna_has_a_study_for_each_lane(soak: Sessions) -> None:
    pytest.importorskip("xdist")
    lanes = ["steady-BTCUSDT-1", "steady-BTCUSDT-2"]
    result = watched(soak, *FIXED, "--soak-seed=1,2", blind=True)
    alone = {lane: result.journal(lane) for lane in lanes}
    for lane in lanes:
        check_trials(soak, result, lane, lane)
    spread = watched(soak, *FIXED, "--soak-seed=1,2", "-n2", blind=True)
    assert {lane: spread.journal(lane) for lane in lanes} == alone
    assert alone[lanes[0]] != alone[lanes[1]]


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_every_example_is_tested(path: Path) -> None:
    assert f"test_{path.name}" in globals(), f"{path.name} has no test here"
