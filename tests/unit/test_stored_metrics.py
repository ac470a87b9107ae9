"""``metrics``, ``value`` and ``list`` on stored runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.cli import main
from pytest_soak.loop.entries import Record
from pytest_soak.loop.model import Halt
from pytest_soak.run_state import progress_in, progress_of
from pytest_soak.store.lock import DirectoryLock
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.stored import read_entries, read_lane
from tests.unit.report.runs import decided_entries
from tests.unit.sealed_runs import stored_run, write_journal

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def soak(tmp_path: Path) -> Path:
    return tmp_path / "soak"


def output(capsys: Captured, *args: object) -> tuple[int, str, str]:
    code = main([str(arg) for arg in args])
    out, err = capsys.readouterr()
    return code, out, err


# -- value -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("soak_kpi_p95_latency_ms_mean", "310.0\n"),
        ("soak_kpi_p95_latency_mean_seconds", "0.31\n"),
        ("soak_freeze_ready", "1.0\n"),
        ("soak_run_verdict_severity", "0.0\n"),
        ("soak_gate_fail_count", "0.0\n"),
        ('soak_gate_criteria{verdict="FAIL"}', "0.0\n"),
        (' soak_iterations_total{ verdict="PASS" } ', "24.0\n"),
        ('soak_iterations_total{verdict="PASS",lane="steady-BTCUSDT-1"}', "24.0\n"),
    ],
)
def test_a_value_and_nothing_else(soak: Path, capsys: Captured, name: str, text: str) -> None:
    stored_run(soak, decided_entries())
    assert output(capsys, "value", soak, name) == (0, text, "")


def test_the_verdict_does_not_change_the_exit_status(soak: Path, capsys: Captured) -> None:
    stored_run(soak, decided_entries(net=1.0))
    assert output(capsys, "value", soak, "soak_verdict_severity") == (0, "3.0\n", "")
    assert output(capsys, "metrics", soak)[0] == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("soak_kpi_net_mean", ("no metric 'soak_kpi_net_mean'", "soak_kpi_net_bps_mean")),
        ("soak_freez_ready", ("the nearest are soak_freeze_ready",)),
        ("latency_ms", ("the nearest are soak_kpi_p95_latency_ms_mean",)),
        ("", ("there are soak_kpi_net_bps_mean", " more")),
        ("soak_gate_criteria", ('give soak_gate_criteria{verdict="PASS"}',)),
        ('soak_gate_criteria{verdict="GREEN"}', ("has no such label", 'verdict="FAIL"')),
        ("soak_freeze_ready{", ("is not NAME",)),
        ("soak_freeze_ready{lane=x}", ("is not NAME",)),
        ("a\x1b[31m", ("\\x1b[31m",)),
    ],
)
def test_an_unknown_name_is_2_and_names_the_nearest(
    soak: Path, capsys: Captured, name: str, words: tuple[str, ...]
) -> None:
    stored_run(soak, decided_entries())
    code, out, err = output(capsys, "value", soak, name)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    for word in words:
        assert word in err


def test_several_lanes_need_a_lane_or_a_figure_of_the_run(soak: Path, capsys: Captured) -> None:
    path = stored_run(soak, decided_entries(), decided_entries(lane_id="bad-1", net=1.0))
    code, out, err = output(capsys, "value", soak, "soak_freeze_ready")
    assert (code, out) == (2, "")
    assert "give --lane (steady-BTCUSDT-1, bad-1)" in err
    assert "soak_run_freeze_ready" in err
    name = "soak_freeze_ready"
    assert output(capsys, "value", soak, name, "--lane", "bad-1") == (0, "0.0\n", "")
    assert output(capsys, "value", soak, f'{name}{{lane="bad-1"}}')[:2] == (0, "0.0\n")
    assert output(capsys, "value", path / "bad-1", name) == (0, "0.0\n", "")
    assert output(capsys, "value", soak, "soak_run_freeze_ready") == (0, "0.0\n", "")
    code, _, err = output(capsys, "value", soak, name, "--lane", "bad-2")
    assert code == 2
    assert "did you mean 'bad-1'" in err
    # A lane's directory has the figures of the lane, not of the run.
    assert output(capsys, "value", path / "bad-1", "soak_run_freeze_ready")[0] == 1


def test_no_value_is_1_and_prints_nothing(soak: Path, capsys: Captured) -> None:
    stored_run(soak, decided_entries(0, planned=4), sealed=True)
    code, out, err = output(capsys, "value", soak, "soak_kpi_net_bps_mean")
    assert (code, out) == (1, "")
    assert "has no value in this run" in err


def test_an_unsealed_run_is_2(soak: Path, capsys: Captured) -> None:
    stored_run(soak, decided_entries(), sealed=False)
    for command in (["value", soak, "soak_freeze_ready"], ["metrics", soak]):
        code, out, err = output(capsys, *command)
        assert (code, out) == (2, "")
        assert "seal" in err
        code, out, _ = output(capsys, *command, "--unsealed")
        assert code == 0
        assert "1.0" in out


def test_a_running_run_has_figures_so_far(soak: Path, capsys: Captured) -> None:
    path = stored_run(soak, decided_entries(9, planned=24), sealed=False)
    run_id = RunDirectory.open(path).run_id
    with DirectoryLock.acquire(soak, run_id):
        code, out, err = output(capsys, "value", soak, "soak_iterations_measured")
        assert (code, out) == (3, "9.0\n")
        assert err.startswith("RUNNING: iteration 10 of 24")
        assert output(capsys, "value", soak, "soak_freeze_ready")[:2] == (3, "")
        code, out, _ = output(capsys, "metrics", soak, "--names=clean")
        assert code == 3
        assert "soak_kpi_net_last_basis_points" in out
        assert "soak_freeze_ready" not in out
        code, out, _ = output(capsys, "list", soak)
        assert code == 0
        assert " running " in out
        assert " 9/24 " in out
        (path / "journal.jsonl").write_bytes(b"")
        assert " 0/24 " in output(capsys, "list", soak)[1]
    assert "is empty" in output(capsys, "list", soak)[1]


def test_metrics_uses_the_names_of_the_run(soak: Path, capsys: Captured) -> None:
    stored_run(soak, decided_entries(), metrics="clean")
    clean = output(capsys, "metrics", soak)[1]
    assert clean.startswith("# HELP soak_kpi_net_mean_basis_points")
    assert output(capsys, "metrics", soak, "--names", "clean")[1] == clean
    assert output(capsys, "metrics", soak, "--names=original")[1].startswith("soak_kpi_net_bps")


# -- list ------------------------------------------------------------------------------------------


def a_run(soak: Path, number: int, *lanes: list[Record], **options: Any) -> None:
    stored_run(
        soak,
        *(lanes or (decided_entries(),)),
        run_id=f"2026112{number}T120000Z-abc{number}",
        started_utc=f"2026-11-2{number}T12:00:00+00:00",
        **options,
    )


def test_runs_are_listed_newest_first(soak: Path, capsys: Captured) -> None:
    a_run(soak, 1, decided_entries(net=1.0))
    a_run(soak, 2, decided_entries(5, planned=24), sealed=False)
    a_run(soak, 3, decided_entries(5, planned=24, halt=Halt(6, "error", "x")))
    a_run(soak, 4, decided_entries(), decided_entries(lane_id="S1-ETH-7"))
    code, out, err = output(capsys, "list", soak)
    assert (code, err) == (0, "")
    rows = [re.split(r"  +", line) for line in out.splitlines()]
    assert rows == [
        ["run", "started (UTC)", "state", "measured", "lanes", "profile", "target", "seed"],
        *(
            [f"2026112{n}T120000Z-abc{n}", f"2026-11-2{n} 12:00", *cells, "steady", "mock", "1"]
            for n, cells in (
                (4, ("done PASS", "48/48", "2")),
                (3, ("halted FAIL", "5/24", "1")),
                (2, ("interrupted", "5/24", "1")),
                (1, ("done FAIL", "24/24", "1")),
            )
        ),
    ]
    column = out.index("seed")
    assert {line[column - 1 : column + 1] for line in out.splitlines()[1:]} == {" 1"}
    assert max(map(len, out.splitlines())) <= 100
    code, out, _ = output(capsys, "list", soak, "--json")
    runs = json.loads(out)
    assert [item["verdict"] for item in runs] == ["PASS", "FAIL", None, "FAIL"]
    assert runs[0] == {
        "path": str(soak / "latest"),
        "run_id": "20261124T120000Z-abc4",
        "started_utc": "2026-11-24T12:00:00+00:00",
        "state": "done",
        "verdict": "PASS",
        "measured": 48,
        "planned": 48,
        "lanes": 2,
        "profiles": ["steady"],
        "symbols": ["BTCUSDT"],
        "seeds": [1],
        "target": "mock",
    }


def test_an_unreadable_run_is_named_and_does_not_end_the_list(soak: Path, capsys: Captured) -> None:
    for number in (1, 2, 3, 4):
        a_run(soak, number)
    first, second, third = sorted((soak / "runs").iterdir())
    (first / "run.json").write_text("{")
    (second / "run.json").unlink()
    journal = third / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"iteration":3', b'"iteration":4'))
    (soak / "runs" / "a-file").touch()
    (soak / "runs" / "odd\x1b[31m").mkdir()
    code, out, err = output(capsys, "list", soak)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "abc4" in lines[1]
    assert [line.split(":")[0] for line in lines[2:]] == ["unreadable"] * 5
    assert max(map(len, lines)) <= 100
    assert "\x1b" not in out
    assert f"unreadable: runs/{second.name}: it has no run.json" in lines
    assert any(line.startswith(f"unreadable: runs/{third.name}: journal.jsonl") for line in lines)
    problems = {Path(item["path"]).name: item["problem"] for item in _listed(capsys, soak)[1:]}
    assert "line" in problems[third.name]
    assert "run.json" in problems[second.name]
    assert len(problems) == 5


def test_a_run_that_went_on_since_its_seal_has_no_verdict(soak: Path, capsys: Captured) -> None:
    a_run(soak, 1, decided_entries(5, planned=24))
    assert _listed(capsys, soak)[0]["verdict"] is not None
    longer = decided_entries(6, planned=24)
    write_journal(soak / "latest" / "journal.jsonl", longer)
    (listed,) = _listed(capsys, soak)
    assert (listed["verdict"], listed["measured"], listed["state"]) == (None, 6, "interrupted")


def test_a_directory_without_runs(soak: Path, capsys: Captured) -> None:
    soak.mkdir()
    assert output(capsys, "list", soak)[:2] == (0, f"{soak} has no run\n")
    assert output(capsys, "list", soak, "--json")[:2] == (0, "[]\n")
    code, _, err = output(capsys, "list", soak / "none")
    assert code == 2
    assert "is no directory" in err


def test_the_default_is_the_directory_of_the_session(
    soak: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_run(soak.parent / "artifacts" / "soak", 1)
    monkeypatch.chdir(soak.parent)
    assert "abc1" in output(capsys, "list")[1]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n": 0, "planned": 4},
        {"n": 5, "planned": 9},
        {"n": 5, "planned": 9, "halt": Halt(6, "end_of_data", "over")},
        {"n": 5, "planned": 9, "halt": Halt(6, "timeout", "late")},
    ],
)
def test_counted_entries_are_as_the_folded_lane(soak: Path, options: dict[str, Any]) -> None:
    run = RunDirectory.open(stored_run(soak, decided_entries(**options)))
    counted = progress_in(read_entries(run, "steady-BTCUSDT-1").entries)
    assert counted == progress_of(read_lane(run, "steady-BTCUSDT-1").history)


def _listed(capsys: Captured, soak: Path) -> list[dict[str, Any]]:
    capsys.readouterr()
    listed: list[dict[str, Any]] = json.loads(output(capsys, "list", soak, "--json")[1])
    return listed
