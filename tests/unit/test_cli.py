from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pytest_soak.cli import main
from pytest_soak.gate.judge import judge_lane, judge_run
from pytest_soak.loop.entries import Record
from pytest_soak.loop.history import moment_of, read_history
from pytest_soak.loop.model import Halt
from pytest_soak.protocol import Lane
from pytest_soak.report.audit import audit
from pytest_soak.report.explain.iteration import explain_iteration
from pytest_soak.report.explain.run import explain_run
from pytest_soak.report.snapshot import run_snapshot, snapshot, snapshot_text
from pytest_soak.report.table import final_table
from pytest_soak.store.journal import Journal
from pytest_soak.store.rundir import RunDirectory
from tests.unit.report.runs import decided_entries
from tests.unit.sealed_runs import VERSIONS, stored_run

StoredRun = Callable[..., Path]


@pytest.fixture
def stored(tmp_path: Path) -> StoredRun:
    """Writes a run with the journals of lanes, as a session does; returns its directory."""

    def write(*lanes: Sequence[Record], strict: bool = False, sealed: bool = True) -> Path:
        return stored_run(tmp_path / "soak", *lanes, strict=strict, sealed=sealed)

    return write


def test_gate_prints_what_the_session_prints(
    stored: StoredRun, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = decided_entries()
    path = stored(entries)
    assert main(["gate", str(path)]) == 0
    expected = final_table(judge_run([judge_lane(read_history(entries))]))
    assert capsys.readouterr().out.splitlines() == expected


def test_gate_fails_with_1(stored: StoredRun, capsys: pytest.CaptureFixture[str]) -> None:
    path = stored(decided_entries(net=1.0))
    assert main(["gate", str(path), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "FAIL"
    assert document["lanes"][0]["criteria"][2]["name"] == "net_bps"


def test_gate_judges_by_the_runs_limits_or_the_mock_ones(stored: StoredRun) -> None:
    path = stored(decided_entries(mock=False))
    assert main(["gate", str(path)]) == 1
    assert main(["gate", str(path), "--mock"]) == 0


def test_strict_is_that_of_the_option_or_of_the_run(stored: StoredRun) -> None:
    short = decided_entries(20)
    path = stored(short)
    assert main(["gate", str(path)]) == 0
    assert main(["gate", str(path), "--strict"]) == 1
    assert main(["snapshot", str(path)]) == 0
    strict = stored(short, strict=True)
    assert main(["gate", str(strict)]) == 1
    assert main(["snapshot", str(strict)]) == 1


def test_several_lanes_and_one_of_them(
    stored: StoredRun, capsys: pytest.CaptureFixture[str]
) -> None:
    path = stored(decided_entries(), decided_entries(lane_id="bad-1", net=1.0))
    assert main(["gate", str(path)]) == 1
    assert "lane bad-1: FAIL" in capsys.readouterr().out
    assert main(["gate", str(path / "steady-BTCUSDT-1")]) == 0
    assert main(["gate", str(path.parent)]) == 1


def test_snapshot_has_the_sessions_bytes(
    stored: StoredRun, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = decided_entries()
    path = stored(entries)
    history = read_history(entries)
    lane = judge_lane(history)
    expected = snapshot_text(run_snapshot([snapshot(history, lane, VERSIONS)], judge_run([lane])))
    assert main(["snapshot", str(path)]) == 0
    assert capsys.readouterr().out == expected
    assert main(["snapshot", str(path), "--pretty"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(expected)


def test_audit_is_the_sessions_text(stored: StoredRun, capsys: pytest.CaptureFixture[str]) -> None:
    entries = decided_entries()
    path = stored(entries)
    assert main(["audit", str(path)]) == 0
    history = read_history(entries)
    assert capsys.readouterr().out == audit([history], judge_run([judge_lane(history)]))


def test_verify_looks_at_deltas_only(stored: StoredRun, capsys: pytest.CaptureFixture[str]) -> None:
    path = stored(decided_entries(mock=False))
    assert main(["gate", str(path)]) == 1
    capsys.readouterr()
    assert main(["verify", str(path)]) == 0
    assert "# Delta verification of steady-BTCUSDT-1: PASS" in capsys.readouterr().out
    assert main(["verify", str(path), "--json", "--strict"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["lanes"][0]["fail_count"] == 0


def test_verify_fails_when_a_target_ignores_a_change(
    stored: StoredRun, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = decided_entries(4)
    for entry in entries:
        if entry["type"] == "observation" and entry["iteration"] == 3:
            entry["report"]["effective_params"] = {"base_spread_bps": 0.5}
    path = stored(entries)
    assert main(["verify", str(path)]) == 1
    assert "base_spread_bps: in iteration 3" in capsys.readouterr().out


def test_explain_prints_a_run_or_one_iteration(
    stored: StoredRun, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = decided_entries()
    path = stored(entries)
    assert main(["explain", str(path)]) == 0
    assert capsys.readouterr().out == explain_run(entries)
    assert main(["explain", str(path), "--iteration", "5"]) == 0
    moment = moment_of(entries, 5)
    assert moment is not None
    assert capsys.readouterr().out == explain_iteration(moment)


def test_explain_takes_one_lane_of_several(
    stored: StoredRun, capsys: pytest.CaptureFixture[str]
) -> None:
    path = stored(decided_entries(4, planned=9), decided_entries(9, lane_id="other-2"))
    assert main(["explain", str(path)]) == 0
    both = capsys.readouterr().out
    assert both.startswith("steady-BTCUSDT-1: 4 of 9 iterations")
    assert "\n\nother-2: 9 of 9 iterations" in both
    assert main(["explain", str(path), "--lane", "other-2"]) == 0
    assert capsys.readouterr().out == both[both.index("other-2: ") :]
    assert main(["explain", str(path / "other-2")]) == 0
    assert capsys.readouterr().out == both[both.index("other-2: ") :]
    assert main(["explain", str(path), "--iteration", "7"]) == 0
    assert capsys.readouterr().out.startswith("other-2, iteration 7 of 9: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lane", "stedy-BTCUSDT-1"], "no lane 'stedy-BTCUSDT-1'; did you mean 'steady-BTC"),
        (["--lane", "xyz"], "no lane 'xyz'; known: steady-BTCUSDT-1, bad-1"),
        (["--iteration", "10"], "no iteration 10: lane steady-BTCUSDT-1 has 1 to 4; lane bad-1 has "
        "1 to 9, and halted at 10 (error): no feed"),
        (["--iteration", "0"], "no iteration 0: "),
        (["--iteration", "-1", "--lane", "bad-1"], "no iteration -1: lane bad-1 has 1 to 9, "),
    ],
)  # fmt: skip
def test_the_error_of_explain_lists_lanes_and_iterations(
    arguments: list[str], message: str, stored: StoredRun, capsys: pytest.CaptureFixture[str]
) -> None:
    halted = decided_entries(9, lane_id="bad-1", halt=Halt(10, "error", "no feed"))
    path = stored(decided_entries(4, planned=9), halted)
    assert main(["explain", str(path), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err


def test_a_halted_run_says_why(stored: StoredRun, capsys: pytest.CaptureFixture[str]) -> None:
    path = stored(decided_entries(9, planned=24, halt=Halt(10, "error", "ValueError: no feed")))
    assert main(["gate", str(path)]) == 1
    assert "9 of 24 iterations measured; halted at iteration 10" in capsys.readouterr().out


def test_an_unreadable_run_is_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", str(tmp_path / "nothing")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("pytest-soak: ")
    assert "is no run" in captured.err


def test_an_empty_or_senseless_journal_is_usage(
    tmp_path: Path, stored: StoredRun, capsys: pytest.CaptureFixture[str]
) -> None:
    lane = Lane("a-1", "steady", "BTCUSDT", 1, 300.0, 4)
    run = RunDirectory.create(tmp_path / "empty", "run-1", [lane], {})
    journal = Journal.create(run.lane_directory("a-1").journal_path)
    for command in ("gate", "explain"):
        assert main([command, str(run.path)]) == 2
        assert "never started" in capsys.readouterr().err
    journal.append({"type": "done", "iteration": 1, "state_hash": "x"})
    journal.close()
    assert main(["gate", str(run.path)]) == 2
    assert "its entries make no run" in capsys.readouterr().err
    assert main(["explain", str(run.path)]) == 2
    assert "its entries make no run: a journal begins with" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["gate"], ["nonsense"], ["profile"], ["gate", "a", "-x"]]
)
def test_bad_arguments_exit_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: pytest-soak" in capsys.readouterr().err


@pytest.mark.parametrize(("net", "status"), [(3.5, 0), (1.0, 1)])
def test_a_reader_that_goes_away_sees_no_traceback_and_no_better_verdict(
    stored: StoredRun, net: float, status: int
) -> None:
    path = stored(decided_entries(net=net))
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "pytest_soak", "gate", str(path)],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    os.close(writing)
    # 2 if the verdict itself could not be written, because the output is not buffered.
    assert done.returncode in (status, 2)
    assert done.stderr == b""


def test_profile_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "show", "S1"]) == 0
    assert "base_spread_bps        0.85" in capsys.readouterr().out
    assert main(["profile", "show", "S1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "S1"
    assert main(["profile", "show", "S2"]) == 2
    assert "S1" in capsys.readouterr().err


def test_profile_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("extends: steady\nbase_spread_bps: 0.7\n")
    bad.write_text("extends: steady\nbase_spred_bps: 0.7\n")
    assert main(["profile", "check", str(good)]) == 0
    assert capsys.readouterr().out.startswith("OK good: 10 parameters")
    assert main(["profile", "check", str(bad)]) == 1
    assert "base_spread_bps" in capsys.readouterr().out
    assert main(["profile", "check", str(tmp_path / "none.yaml")]) == 2
    assert "there is no such file" in capsys.readouterr().err


WARNED = """
parameters: {workers: {path: service, type: int, start: 8, min: 1, max: 64}}
kpis: {p95_ms: totals.p95_ms}
rules: {GROW: {when: {p95_ms: ["> 400", "< 100"]}, moves: {workers: {mul: 1.2}}}}
gate: {criteria: {p95_ms: "<= 500"}}
"""


def test_profile_check_warns_and_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "warned.yaml"
    path.write_text(WARNED)
    assert main(["profile", "check", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "OK warned: 1 parameter, 1 KPI, 1 rule, 1 gated KPI; 1 warning",
        "WARN  rules.GROW.when.p95_ms (warned.yaml:4)",
        "      GROW can never fire: no value of p95_ms is > 400 and < 100",
        "   -> change or leave out one of these limits; for 'one or the other' there is 'any'",
    ]
    assert main(["profile", "check", str(path), "--strict"]) == 1
    capsys.readouterr()
    assert main(["profile", "check", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["verdict"], document["error"], document["counts"]["rules"]) == (
        "WARN",
        None,
        1,
    )
    (item,) = document["warnings"]
    assert (item["kind"], item["file"], item["line"]) == ("rule_never", str(path), 4)
    assert item["path"] == ["rules", "GROW", "when", "p95_ms"]


def test_profile_check_uses_the_iterations_of_the_section_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "late.yaml"
    path.write_text(WARNED.replace('["> 400", "< 100"]', '"> 400"}, evidence: {over: 12'))
    assert main(["profile", "check", str(path), "--strict"]) == 0
    path.write_text(path.read_text() + "run: {iterations: 12}\n")
    assert main(["profile", "check", str(path), "--strict"]) == 1
    assert "can never fire in a run of 12 iterations" in capsys.readouterr().out


def test_profile_check_as_json_of_a_profile_that_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("extends: steady\nbase_spred_bps: 0.7\n")
    assert main(["profile", "check", str(path), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "FAIL"
    assert "base_spread_bps" in document["error"]


def test_as_a_module_and_without_heavy_imports() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; import pytest_soak.cli as c\n"
            "try: c.main(['--help'])\n"
            "except SystemExit: pass\n"
            "sys.exit(any(m in sys.modules for m in ('numpy', 'yaml', 'scipy')))",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert "verify" in done.stdout
    module = subprocess.run(
        [sys.executable, "-m", "pytest_soak", "profile", "show", "steady"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert module.returncode == 0
    assert module.stdout.startswith("profile steady < market_maker")
