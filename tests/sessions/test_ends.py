"""Ends of a run: beside old workers, with a changed journal, a full disk, nothing left to do."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from pytest_soak.loop import fold, history
from pytest_soak.loop.entries import Entry, Record, entry_of
from pytest_soak.store import records
from tests.sessions.conftest import Result, Sessions
from tests.sessions.running import (
    SLOW,
    is_alive,
    joined,
    no_traceback,
    running,
)

# -- a new run beside old workers ------------------------------------------------------------------


def test_a_run_that_a_worker_still_writes_is_not_retired(soak: Sessions) -> None:
    pytest.importorskip("xdist")
    soak.bot(slow=SLOW)
    args = ("--soak-iterations=400", "--soak-target=slow:make", "--soak-seed=1,2", "-n", "2")
    with running(soak, *args) as session:
        workers = [session.until("run-1-1"), session.until("run-1-2")]
        before = json.loads((session.latest / "run.json").read_text())["run_id"]
        for worker in workers:  # as one does whose iteration takes long
            os.kill(int(worker), signal.SIGSTOP)
        session.process.kill()
        session.process.wait()
        second = soak("--soak-iterations=2", "--soak-target=bot:make", "--soak-seed=1,2")
        assert second.code == 4, second.out
        assert any(f"process {worker} on" in second.err for worker in workers), second.err
        assert len(second.err.strip().splitlines()) == 1
        resumed = soak(*args[:-2], "--soak-resume")
        assert resumed.code == 4
        assert any(f"process {worker} on" in resumed.err for worker in workers), resumed.err
        assert json.loads((session.latest / "run.json").read_text())["run_id"] == before
        assert not list((soak.folder / "artifacts/soak/runs").glob("*"))
        for worker in workers:
            os.kill(int(worker), signal.SIGCONT)
        # They end in good order, at once, without their controller.
        ends = time.monotonic() + 20
        while any(map(is_alive, workers)) and time.monotonic() < ends:
            time.sleep(0.1)
        assert {(soak.folder / f"stop-{seed}").read_text() for seed in (1, 2)} == set(workers)
        assert not any(map(is_alive, workers))
    third = soak("--soak-iterations=2", "--soak-target=bot:make", "--soak-seed=1,2")
    assert third.code == 0, third.out
    assert third.json("run.json")["run_id"] != before


def test_an_old_worker_opens_no_lane_of_a_new_run(soak: Sessions) -> None:
    """Its plan names a directory that belongs to another run by then."""
    soak.bot(
        swaps="import json, pathlib\nfrom bot import Bot\n"
        "class S(Bot):\n"
        "  def run(self, i, r):\n"
        "    if self.lane.seed == 1 and i == 2:\n"
        "      path = pathlib.Path('artifacts/soak/latest/run.json')\n"
        "      about = json.loads(path.read_text())\n"
        "      path.write_text(json.dumps({**about, 'run_id': 'another'}))\n"
        "    return super().run(i, r)\n"
        "def make(lane): return S(lane)\n"
    )
    result = soak("--soak-iterations=2", "--soak-target=swaps:make", "--soak-seed=1,2")
    assert result.code == 1
    assert "lane steady-BTCUSDT-2 cannot be opened" in result.out
    assert re.search(r"is of run another, not of run [0-9TZ]+-", result.out)
    assert len(result.entries("steady-BTCUSDT-2")) == 1
    assert not (result.latest / "judgement.jsonl").exists()  # nor is another run judged
    assert "INTERNALERROR" not in result.out


# -- a journal that changes while it is written ----------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("os.remove(JOURNAL)", "was removed"),
        ("shutil.copy(JOURNAL, 'copy'); os.replace('copy', JOURNAL)", "was replaced"),
        ("os.truncate(JOURNAL, 4000)", "has 4000 bytes, not the"),
        ("os.rename('artifacts/soak/latest', 'moved')", "was removed"),
    ],
    ids=["removed", "replaced", "cut", "moved"],
)
def test_a_journal_that_is_changed_during_the_run_halts_the_lane(
    soak: Sessions, damage: str, words: str
) -> None:
    soak.bot(
        bad="import os, shutil\nfrom bot import Bot\n"
        "JOURNAL = 'artifacts/soak/latest/journal.jsonl'\n"
        "class B(Bot):\n"
        "  def run(self, i, r):\n"
        f"    if i == 4:\n      {damage}\n"
        "    return super().run(i, r)\n"
        "def make(lane): return B(lane)\n"
    )
    result = soak("--soak-iterations=8", "--soak-target=bad:make", "-rEs")
    assert result.code == 1
    assert result.outcomes["errors"] == 1
    assert result.outcomes["skipped"] == 4
    text = f"iteration 4: StoreError: cannot append to journal.jsonl: the file {words}"
    errors = [line for line in result.out.splitlines() if line.startswith(text)]
    assert len(errors) == 1, result.out
    assert no_traceback(result), result.out


# -- a disk that is full ---------------------------------------------------------------------------


def limited(kilobytes: int) -> Callable[[], None]:
    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, kilobytes * 1024))

    return limit


def test_a_limit_on_the_size_of_files_is_named(soak: Sessions) -> None:
    soak.bot()
    args = ("--soak-iterations=40", "--soak-target=bot:make", "-rEf", "-p", "no:randomly")
    with running(soak, *args, preexec_fn=limited(32)) as session:
        out = session.end()
        assert session.code == 1, out
    result = Result(session.code, {}, out, "", soak.folder)
    assert no_traceback(result), out
    assert "raise it (`ulimit -f`, RLIMIT_FSIZE)" in joined(result)
    (completeness,) = re.findall(r"FAIL completeness: .*?RLIMIT_FSIZE", joined(result))[:1]
    assert re.search(r"; halted at iteration [0-9]+ \(write\): .*File too large", completeness)
    assert "interrupted, deselected" not in out
    assert len(out.splitlines()) < 100
    # The seal has what the journal could not take, so that a command says it too.
    done = subprocess.run(
        [sys.executable, "-m", "pytest_soak", "gate", "artifacts/soak"],
        cwd=soak.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done
    assert "RLIMIT_FSIZE" in done.stdout
    assert "interrupted, deselected" not in done.stdout


def test_errors_of_the_end_are_one_line_each(soak: Sessions) -> None:
    """A disk that is full when the lane's files are closed, as network file systems report it."""
    soak.bot()
    soak.pytester.makeconftest(
        "import errno, pytest_soak.store.journal as journal\n"
        "from pytest_soak.store.errors import describe_os_error\n"
        "close = journal.close_file\n"
        "def close_file(descriptor, path):\n"
        "    close(descriptor, path)\n"
        "    raise describe_os_error('close', path, OSError(errno.ENOSPC, 'No space left'))\n"
        "def pytest_soak_iteration(lane, iteration):\n    journal.close_file = close_file\n"
    )
    result = soak("--soak-iterations=2", "--soak-target=bot:make", "-rE", subprocess=True)
    assert result.code == 1
    assert result.outcomes["errors"] == 1
    assert no_traceback(result), result.out
    lines = [line for line in result.out.splitlines() if line.startswith("cannot close ")]
    assert len(lines) == 1, result.out
    assert "journal.jsonl: No space left; free some space on that disk" in lines[0]
    assert "gate: FAIL by" in result.out


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["plain", "xdist"])
def test_a_stop_that_fails_after_the_end_is_one_line(
    soak: Sessions, workers: tuple[str, ...]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    soak.bot(
        bad="from bot import Bot\nclass B(Bot):\n  def stop(self): raise OSError('stuck')\n"
        "def make(lane): return B(lane)\n",
        test_a="def test_a(soak_iteration): assert soak_iteration.number < 2",
    )
    args = ("--soak-iterations=5", "--soak-target=bad:make", "--maxfail=1", "-rf", *workers)
    result = soak(*args, "-W", "error", subprocess=True)
    assert result.code in (1, 2)
    assert "soak::gate[run/stop]" in result.out
    assert "stop() raised: OSError: stuck" in result.out
    assert no_traceback(result), result.out


# -- sessions that only set up, and what killed processes leave ------------------------------------


def test_setup_only_runs_no_iteration(soak: Sessions) -> None:
    soak.bot(
        test_a="import pytest\n@pytest.fixture\ndef mine(): pass\n"
        "def test_a(mine, soak_iteration, soak_runtime): assert 0"
    )
    for args in ([], ["test_a.py"]):
        result = soak("--soak-iterations=2", "--soak-target=bot:make", "--setup-only", *args)
        assert result.code == 0, result.out
        assert "cannot be opened" not in result.out
        assert result.outcomes == {"skipped": 2}
        assert not (soak.folder / "artifacts").exists()
    assert "SETUP    F mine" in result.out
    assert "soak_iteration" in result.out


def test_setup_show_is_a_soak(soak: Sessions) -> None:
    soak.bot(
        test_a="import pytest\n@pytest.fixture\ndef mine(): pass\n"
        "def test_a(mine, soak_iteration, soak_runtime): pass"
    )
    result = soak("--soak-iterations=2", "--soak-target=bot:make", "--setup-show")
    assert result.code == 0, result.out
    assert result.items == {"passed": 2}
    assert "SETUP    F soak_iteration[steady-BTCUSDT-1/2]" in result.out


def test_temporary_files_of_killed_processes_are_removed(soak: Sessions) -> None:
    soak.bot()
    args = ("--soak-iterations=3", "--soak-target=bot:make", "--soak-seed=1,2")
    first = soak(*args)
    dead = subprocess.run([sys.executable, "-c", ""], check=True)
    assert dead.returncode == 0
    lane = first.latest / "steady-BTCUSDT-1"
    old = [
        lane / ".runtime_overrides.json.4194303.tmp",
        lane / ".runtime_overrides.json.new.4194303.tmp",
        first.latest / ".run.json.4194303.tmp",
        first.latest.parent / "..lock-holder.json.4194303.tmp",
    ]
    other = [lane / "notes.tmp", lane / f".mine.{os.getpid()}.tmp", lane / ".mine.x.tmp"]
    for path in [*old, *other]:
        path.write_text("half a file")
    soak("--soak-iterations=4", *args[1:], "--soak-resume")
    assert [path for path in old if path.exists()] == []
    assert [path for path in other if not path.exists()] == []
    for path in old:
        path.write_text("half a file")
    result = soak(*args)
    assert list(result.latest.parent.rglob(".*.4194303.tmp")) == []


# -- the cost of resuming --------------------------------------------------------------------------


@pytest.mark.parametrize(("report", "times"), [("off", 1), ("on", 3)])
def test_a_resumed_lane_is_read_once(
    soak: Sessions, monkeypatch: pytest.MonkeyPatch, report: str, times: int
) -> None:
    """Once to resume and to judge it; the report collects its course, and explains iterations."""
    soak.bot()
    args = ("--soak-target=bot:make", f"--soak-report={report}")
    first = soak("--soak-iterations=30", *args)
    entries = len(first.entries())
    steps: list[str] = []
    lines: list[bytes] = []
    decode = records.decode

    def counted_step(record: Record) -> Entry:
        steps.append(record["type"])
        return entry_of(record)

    def counted_line(line: bytes) -> dict[str, Any]:
        lines.append(line)
        return decode(line)

    monkeypatch.setattr(fold, "entry_of", counted_step)
    monkeypatch.setattr(history, "entry_of", counted_step)
    monkeypatch.setattr(records, "decode", counted_line)
    result = soak("--soak-iterations=31", *args, "--soak-resume")
    assert result.code == 0, result.out
    assert result.items == {"passed": 1}
    assert "collected 1 item\n" in result.out  # the others were not even made
    assert result.done_before == 30
    assert steps.count("observation") <= 32 * times
    assert len(lines) <= (entries + 20) * times


def test_nothing_is_left_to_run_and_the_gate_is_judged_again(soak: Sessions) -> None:
    soak.bot(test_a="def test_a(soak_iteration): pass\ndef test_b(soak_iteration): pass\n")
    args = ("--soak-iterations=3", "--soak-target=bot:make")
    first = soak(*args)
    again = soak(*args, "--soak-resume")
    assert (again.code, first.code) == (0, 0), again.out
    assert again.items == {"deselected": 2}
    assert again.journal() == first.journal()
