"""A hostile target, check or hook, or a kill at a bad moment, must do no damage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.sessions.conftest import Result, Sessions

BOT = "--soak-target=bot:make"
EAGER = "from bot import Bot\ndef make(lane): return Bot(lane, p95_latency_ms=400.0)"


def decided(result: Result) -> list[int]:
    return [entry["iteration"] for entry in result.entries() if entry["type"] == "decision"]


def subclass(body: str) -> str:
    """A bot that runs ``body`` in iteration 3."""
    return (
        "import os, sys, json, pytest\nfrom bot import Bot\n"
        "class B(Bot):\n  def run(self, i, r):\n    report = super().run(i, r)\n"
        f"    if i == 3:\n      {body}\n"
        "    return report\n"
        "def make(lane): return B(lane)\n"
    )


@pytest.mark.parametrize(
    "body",
    [
        "raise SystemExit(3)",
        "pytest.skip('no')",
        "pytest.fail('no')",
        "raise BaseException('base')",
        "raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})()",
    ],
)
def test_whatever_a_target_raises_halts_its_lane_with_a_reason(soak: Sessions, body: str) -> None:
    soak.bot(bad=subclass(body))
    result = soak("--soak-iterations=5", "--soak-target=bad:make", "-rs")
    assert result.code == 1
    assert result.outcomes["errors"] == 1
    assert result.outcomes["skipped"] == 2
    assert "halted at iteration 3" in result.out
    assert "is not the next one" not in result.out


@pytest.mark.parametrize(
    "body",
    [
        "report['me'] = report; report['again'] = [report, {'x': report}]",
        "report['totals']['net_bps'] = 10**5000",
        "report['extra'] = type('T', (), {'tolist': lambda self: 1 / 0})()",
        "report['deep'] = [[]]; [report.update(deep=[report['deep']]) for _ in range(500)]",
        "report[7] = {1, 'a', None}",
    ],
    ids=["cycle", "huge integer", "hostile object", "deep", "odd keys"],
)
def test_a_bad_value_in_a_report_is_no_error(soak: Sessions, body: str) -> None:
    soak.bot(bad=subclass(body))
    result = soak("--soak-iterations=5", "--soak-target=bad:make")
    assert "errors" not in result.outcomes, result.out
    assert decided(result) == [1, 2, 3, 4, 5]


def test_a_snapshot_is_stored_as_it_is_or_not_at_all(soak: Sessions) -> None:
    long = (
        "from bot import Bot\nclass B(Bot):\n"
        "  def snapshot(self): return {'iteration': self.seen[-1], 'book': 'b' * 20000}\n"
        "  def restore(self, state):\n    assert len(state['book']) == 20000\n"
        "    super().restore(state)\ndef make(lane): return B(lane)\n"
    )
    soak.bot(long=long, nan=long.replace("'b' * 20000", "float('nan')"))
    soak("--soak-iterations=2", "--soak-target=long:make")
    result = soak("--soak-iterations=4", "--soak-target=long:make", "--soak-resume")
    assert decided(result) == [1, 2, 3, 4]
    result = soak("--soak-iterations=2", "--soak-target=nan:make")
    assert result.outcomes["errors"] == 1
    assert "snapshot() gave no JSON value" in result.out


def test_a_check_cannot_change_what_is_judged(soak: Sessions) -> None:
    soak.bot(
        test_a="def test_a(soak_iteration):\n"
        "    soak_iteration.observation['totals']['net_bps'] = 9.9\n"
        "    soak_iteration.record('mine', 1)\n"
    )
    result = soak("--soak-iterations=4", "--soak-target=bot:poor")
    decisions = [entry for entry in result.entries() if entry["type"] == "decision"]
    assert {entry["verdict"] for entry in decisions} == {"FAIL"}


@pytest.mark.parametrize("at", [2, 3])  # after 2 the tuner writes the file, after 3 it does not
def test_an_edit_during_the_interval_is_journaled_and_kept(soak: Sessions, at: int) -> None:
    edit = (
        "p='artifacts/soak/latest/runtime_overrides.json'; d=json.load(open(p)); "
        "d['risk']['base_spread_bps']=1.0; json.dump(d, open(p, 'w'))"
    )
    soak.bot(
        bad=subclass(edit)
        .replace("i == 3", f"i == {at}")
        .replace("return B(lane)", "return B(lane, p95_latency_ms=400.0)")
    )
    result = soak("--soak-iterations=8", "--soak-target=bad:make")
    edits = [entry for entry in result.entries() if entry["type"] == "external"]
    assert [entry["keys"] for entry in edits] == [{"base_spread_bps": [0.5, 1]}]
    assert result.json("runtime_overrides.json")["risk"]["base_spread_bps"] == 1
    assert result.json("DELTA_VERIFY.json")["fail_count"] == 0
    assert any(entry["signature"] for entry in result.entries() if entry["type"] == "decision")


@pytest.mark.parametrize("outcome", ["pytest.skip('no')", "pytest.fail('no')", "sys.exit(1)"])
def test_outcomes_raised_in_hooks_end_no_lane(soak: Sessions, outcome: str) -> None:
    soak.bot()
    soak.pytester.makeconftest(
        "import sys, pytest\n"
        f"def pytest_soak_propose(lane, kpis, headroom, history): {outcome}\n"
        f"def pytest_soak_gate(lane, history): {outcome}\n"
    )
    result = soak("--soak-iterations=3", BOT, "-rs")
    assert decided(result) == [1, 2, 3]
    assert "skipped" not in result.outcomes
    assert "pytest_soak_gate raised" in result.out


def test_the_iteration_hook_that_skips_is_an_error(soak: Sessions) -> None:
    soak.bot()
    soak.pytester.makeconftest(
        "import pytest\ndef pytest_soak_iteration(lane, iteration): pytest.skip('no')"
    )
    result = soak("--soak-iterations=2", BOT)
    assert result.outcomes["errors"] == 2
    assert decided(result) == [1, 2]


def test_a_target_that_cannot_be_stopped_prevents_no_verdict(soak: Sessions) -> None:
    soak.bot(
        bad="from bot import Bot\nclass B(Bot):\n  def stop(self): raise OSError('stuck')\n"
        "def make(lane): return B(lane)\n",
        test_a="def test_a(soak_iteration): assert soak_iteration.number < 2",
    )
    result = soak("--soak-iterations=5", "--soak-target=bad:make", "-x", "--soak-seed=1,2", "-rf")
    assert result.code == 1
    assert "soak::gate[run/stop]" in result.out
    assert "stuck" in result.out
    assert "gate: FAIL" in result.out
    assert result.json("POST_SOAK_SNAPSHOT.json")["verdict"] == "FAIL"


@pytest.mark.parametrize("kill", ["SIGKILL", "SIGINT"])
def test_stopped_between_intent_and_done(soak: Sessions, kill: str) -> None:
    soak.bot(eager=EAGER)
    args = ("--soak-iterations=6", "--soak-target=eager:make")
    whole = soak(*args, "--soak-dir=whole")
    soak.pytester.makeconftest(
        "import os, signal\nfrom pytest_soak.lane import runtime\n"
        "write, calls = runtime.atomic_write_json, []\n"
        "def stop(path, obj):\n"
        "    calls.append(path)\n"
        f"    if len(calls) == 2 and 'STOP' in os.environ: os.kill(os.getpid(), signal.{kill})\n"
        "    return write(path, obj)\n"
        "runtime.atomic_write_json = stop\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STOP", "1")
        stopped = soak(*args, subprocess=True)
    assert stopped.code != 0
    resumed = soak(*args, "--soak-resume")
    assert resumed.code == whole.code, resumed.out
    assert "errors" not in resumed.outcomes
    assert resumed.journal() == (soak.folder / "whole/latest/journal.jsonl").read_bytes()
    for number in range(1, 7):
        assert resumed.json(f"ITER_SUMMARY_{number}.json")["iteration"] == number


def test_a_journal_has_one_writer(soak: Sessions) -> None:
    """A run is not resumed while a worker of a killed controller still writes its journal."""
    soak.bot()
    result = soak("--soak-iterations=2", BOT)
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys\nfrom pytest_soak.store.journal import Journal\n"
         "journal = Journal.open(sys.argv[1]); print('open', flush=True); sys.stdin.read()",
         str(result.latest / "journal.jsonl")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        second = soak("--soak-iterations=4", BOT, "--soak-resume")
        assert second.code == 4
        assert "being written by another process" in second.err
    finally:
        holder.communicate("")


@pytest.mark.parametrize("ids", ["'x[y', 'z[w'", "'a/b', 'steady-BTCUSDT-2/0001'"])
def test_ids_of_the_users_own_split_no_lane(soak: Sessions, ids: str) -> None:
    pytest.importorskip("xdist")
    soak.bot(
        test_a=f"import pytest\n@pytest.mark.parametrize('x', [{ids}])\n"
        "def test_a(soak_iteration, x): pass\n"
    )
    result = soak("--soak-iterations=5", BOT, "--soak-seed=1,2", "-n", "2", subprocess=True)
    assert result.code == 0, result.out
    for lane in ("steady-BTCUSDT-1", "steady-BTCUSDT-2"):
        numbers = [e["iteration"] for e in result.entries(lane) if e["type"] == "decision"]
        assert numbers == [1, 2, 3, 4, 5]


def test_a_test_case_cannot_be_a_check(soak: Sessions) -> None:
    soak.bot(
        test_a="import unittest, pytest\n@pytest.mark.usefixtures('soak_iteration')\n"
        "class T(unittest.TestCase):\n    def test_x(self): assert False\n"
    )
    result = soak("--soak-iterations=3", BOT)
    assert result.code == 4
    assert "TestCase" in result.err


@pytest.mark.parametrize("option", ["--fixtures", "--setup-plan", "--collect-only"])
def test_a_session_that_lists_begins_no_run(soak: Sessions, option: str) -> None:
    soak.bot()
    run = soak("--soak-iterations=2", BOT).json("run.json")["run_id"]
    result = soak("--soak-iterations=2", BOT, option)
    assert result.code == 0
    assert result.json("run.json")["run_id"] == run


def test_what_was_applied_is_what_is_in_force(soak: Sessions) -> None:
    soak.bot(
        eager=EAGER,
        test_a="seen = {}\ndef test_a(soak_iteration, soak_runtime):\n"
        "    before = seen.get('values', dict(soak_runtime))\n"
        "    moved = {k: v - before[k] for k, v in soak_runtime.items() if v != before[k]}\n"
        "    assert dict(soak_iteration.applied) == moved\n"
        "    seen['values'] = dict(soak_runtime)\n",
    )
    for extra in ((), ("--soak-dry-run",)):
        assert soak("--soak-iterations=6", "--soak-target=eager:make", *extra).code in (0, 1)
        assert soak("--soak-iterations=6", "--soak-target=bot:poor", *extra).outcomes["passed"] >= 6


def test_a_resumed_run_keeps_no_old_verdict(soak: Sessions) -> None:
    soak.bot()
    soak("--soak-iterations=4", BOT)
    soak.pytester.makeconftest(
        "import os, signal\ndef pytest_soak_iteration(lane, iteration):\n"
        "    if iteration.number == 6: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    result = soak("--soak-iterations=8", BOT, "--soak-resume", subprocess=True)
    assert not (result.latest / "POST_SOAK_SNAPSHOT.json").exists()
    assert result.json("run.json")["verdict"] is None


def test_other_data_are_another_run(soak: Sessions) -> None:
    soak.bot()
    for name in ("a", "b"):
        (soak.folder / name).write_text(name)
    soak("--soak-iterations=2", BOT, "--soak-data=a")
    result = soak("--soak-iterations=4", BOT, "--soak-data=b", "--soak-resume")
    assert result.code == 4
    assert "--soak-data" in result.err


def test_the_command_line_has_the_sessions_own_criteria(soak: Sessions) -> None:
    soak.bot()
    soak.pytester.makeconftest(
        "from pytest_soak import criterion\n"
        "def pytest_soak_gate(lane, history): return [criterion('mine', 'FAIL', 'mine: no')]\n"
    )
    result = soak("--soak-iterations=24", BOT)
    assert result.code == 1
    done = subprocess.run(
        [sys.executable, "-m", "pytest_soak", "snapshot", "artifacts/soak"],
        cwd=soak.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout.strip() == result.text("POST_SOAK_SNAPSHOT.json").strip()


def test_the_newest_run_can_be_the_reference(soak: Sessions) -> None:
    soak.bot()
    soak("--soak-iterations=24", BOT, "--soak-no-tune")
    result = soak("--soak-iterations=12", BOT, "--soak-reference=artifacts/soak/latest")
    assert result.code == 0, result.out
    verdicts = {c["name"]: c["verdict"] for c in result.json("POST_SOAK_SNAPSHOT.json")["criteria"]}
    assert verdicts["net_bps"] == "PASS"


def test_interrupted_with_workers_the_gate_waits_for_them(soak: Sessions) -> None:
    pytest.importorskip("xdist")
    soak.bot(
        slow="import threading\nfrom bot import Bot\nclass S(Bot):\n"
        "  def run(self, i, r):\n"
        "    open(f'ran-{self.lane.seed}-{i}', 'w').close()\n"
        "    threading.Event().wait(0.05)\n"
        "    return super().run(i, r)\ndef make(lane): return S(lane)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--soak-iterations=2000",
         "--soak-target=slow:make", "--soak-seed=1,2", "-n", "2"],
        cwd=soak.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (soak.folder / "ran-1-5").exists() and time.monotonic() < deadline:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 2, out
    latest = soak.folder / "artifacts/soak/latest"
    stored = json.loads((latest / "POST_SOAK_SNAPSHOT.json").read_text())
    done = subprocess.run(
        [sys.executable, "-m", "pytest_soak", "snapshot", "artifacts/soak"],
        cwd=soak.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert json.loads(done.stdout)["lanes"] == stored["lanes"]


@pytest.mark.parametrize(
    "args",
    [
        ("--soak-hours=1e308",),
        ("--soak-iterations=",),
        ("--soak-iterations=2", "--soak-dir="),
        ("--soak-iterations=2", "--soak-timeout=1e12"),
    ],
)
def test_extreme_values_are_refused(soak: Sessions, args: tuple[str, ...]) -> None:
    soak.bot()
    result = soak(BOT, *args)
    assert result.code == 4, result.out
    assert len([line for line in result.err.splitlines() if line.startswith("ERROR")]) == 1


def test_an_empty_journal_is_refused(soak: Sessions) -> None:
    soak.bot()
    result = soak("--soak-iterations=2", BOT)
    (result.latest / "journal.jsonl").write_bytes(b"")
    result = soak("--soak-iterations=2", BOT, "--soak-resume")
    assert result.code == 4
    assert "empty" in result.err


def test_a_failing_teardown_marks_the_iteration(soak: Sessions) -> None:
    soak.bot(
        test_a="import pytest\n@pytest.fixture\ndef late():\n    yield\n    assert False\n"
        "def test_a(soak_iteration, late): pass\n"
    )
    result = soak("--soak-iterations=2", BOT)
    assert result.outcomes["errors"] == 2
    failed = [entry["failed"] for entry in result.entries() if entry["type"] == "checks"]
    assert failed == [["test_a.py::test_a"]] * 2
