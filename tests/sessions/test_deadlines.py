"""Deadlines of the calls of a target, and the threads that it leaves."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from pytest_soak.report.snapshot import lanes_of
from tests.sessions.conftest import Sessions
from tests.sessions.running import (
    is_judged,
    joined,
    no_traceback,
    running,
)


def hanging(soak: Sessions, method: str, body: str = "threading.Event().wait(60)") -> None:
    """A bot whose method hangs, in iteration 3 if it is ``run``, unless the file ``healed`` is."""
    soak.bot(
        hangs="import ctypes, os, pathlib, threading\nfrom bot import Bot\n"
        "class H(Bot):\n"
        "  def stop(self): pathlib.Path(f'stop-{self.lane.seed}').touch()\n"
        f"  def {method}(self, *a):\n"
        "    hangs = a[:1] not in [(1,), (2,), (4,)] and self.lane.seed == 1\n"
        "    if hangs and not os.path.exists('healed'):\n"
        f"      {body}\n"
        f"    return super().{method}(*a) if hasattr(Bot, '{method}') else None\n"
        "def make(lane): return H(lane)\n"
    )


def test_stop_is_called_after_a_missed_deadline(soak: Sessions) -> None:
    hanging(soak, "run")
    result = soak("--soak-iterations=5", "--soak-target=hangs:make", "--soak-timeout=0.3", "-rE")
    assert result.code == 1
    assert "iteration 3: the target did not return within 0.3 s" in joined(result)
    assert (soak.folder / "stop-1").exists()


@pytest.mark.parametrize("method", ["start", "snapshot"])
def test_the_deadline_is_that_of_other_calls_too(soak: Sessions, method: str) -> None:
    hanging(soak, method)
    result = soak("--soak-iterations=3", "--soak-target=hangs:make", "--soak-timeout=0.3", "-rE")
    assert result.code == 1
    assert f"iteration 1: {method}() took longer than 0.3 s" in joined(result)
    assert (soak.folder / "stop-1").exists()
    assert result.entries()[-1]["kind"] == "timeout"


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["plain", "xdist"])
def test_a_stop_that_hangs_costs_ten_seconds(soak: Sessions, workers: tuple[str, ...]) -> None:
    if workers:
        pytest.importorskip("xdist")
    soak.bot(
        stuck="import threading\nfrom bot import Bot\nclass B(Bot):\n"
        "  def stop(self): threading.Event().wait()\ndef make(lane): return B(lane)\n"
    )
    soak.pytester.makeconftest(
        "import pytest_soak.lane.driver as driver\ndriver.STOP_TIMEOUT_S = 0.3\n"
    )
    args = ("--soak-iterations=2", "--soak-target=stuck:make", "-rE", *workers)
    result = soak(*args, subprocess=True)
    assert result.code == 1
    assert "stop() took longer than 0.3 s" in result.out
    is_judged(result.latest)
    assert no_traceback(result)


def never_gives_back(soak: Sessions) -> None:
    hanging(soak, "run", "ctypes.PyDLL(None).sleep(1000)")
    soak.pytester.makeconftest(
        "import pytest_soak.lane.watchdog as watchdog\nwatchdog.GRACE_S = 0.5\n"
    )


def test_a_process_whose_interpreter_does_not_come_back_is_ended(soak: Sessions) -> None:
    never_gives_back(soak)
    args = ("--soak-iterations=5", "--soak-target=hangs:make", "--soak-timeout=0.5")
    with running(soak, *args) as session:
        out = session.end()
        assert session.code == 1, out
    assert "hangs.py" in out
    stacks = (session.latest / "STACKS.txt").read_text()
    assert 'hangs.py", line' in stacks
    assert " in run" in stacks
    gate = subprocess.run(
        [sys.executable, "-m", "pytest_soak", "gate", "artifacts/soak"],
        cwd=soak.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert gate.returncode == 2, gate
    assert "lane steady-BTCUSDT-1: lost, 2 of 5 iterations measured" in gate.stdout + gate.stderr
    assert "STACKS.txt" in gate.stdout + gate.stderr
    (soak.folder / "healed").touch()
    resumed = soak(*args, "--soak-resume")
    assert resumed.code == 0, resumed.out
    assert [e["iteration"] for e in resumed.entries() if e["type"] == "decision"] == [1, 2, 3, 4, 5]
    assert not (resumed.latest / "STACKS.txt").exists()


def test_with_workers_such_a_process_costs_its_lane_only(soak: Sessions) -> None:
    pytest.importorskip("xdist")
    never_gives_back(soak)
    args = ("--soak-iterations=5", "--soak-target=hangs:make", "--soak-timeout=0.5")
    with running(soak, *args, "--soak-seed=1,2", "-n", "2", "-rf") as session:
        out = session.end()
        assert session.code == 1, out
    assert "crashed while running" in out
    assert (session.latest / "steady-BTCUSDT-1" / "STACKS.txt").stat().st_size > 0
    assert not (session.latest / "steady-BTCUSDT-2" / "STACKS.txt").exists()
    lanes = lanes_of(json.loads((session.latest / "POST_SOAK_SNAPSHOT.json").read_text()))
    assert [lane["iterations"]["measured"] for lane in lanes] == [2, 5]


LEFT = {
    "thread": "threading.Thread(target=threading.Event().wait).start()",
    "pool": "ThreadPoolExecutor().submit(threading.Event().wait)",
}


@pytest.mark.parametrize("left", LEFT)
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["plain", "xdist"])
def test_threads_that_a_target_left_do_not_keep_pytest_alive(
    soak: Sessions, left: str, workers: tuple[str, ...]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    soak.bot(
        leaves="import atexit, threading\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "from pathlib import Path\nfrom bot import Bot\n"
        "atexit.register(Path('atexit').touch)\n"
        "class L(Bot):\n"
        f"  def start(self, runtime): {LEFT[left]}\n"
        "def make(lane): return L(lane)\n"
    )
    soak.pytester.makeconftest(
        "import pytest_soak.session.left_threads as left\nleft.WAIT_S = 0.5\n"
    )
    began = time.monotonic()
    with running(soak, "--soak-iterations=2", "--soak-target=leaves:make", *workers) as session:
        out = session.end(timeout_s=45)
        assert session.code == 0, out
    assert time.monotonic() - began < 40
    assert (soak.folder / "atexit").exists()
    assert workers or "left 1 thread" in out


def test_a_program_that_calls_pytest_keeps_its_threads_and_its_exit_code(soak: Sessions) -> None:
    soak.bot(
        leaves="import threading\nfrom bot import Bot\nEVENT = threading.Event()\n"
        "class L(Bot):\n"
        "  def start(self, runtime): threading.Thread(target=EVENT.wait).start()\n"
        "def make(lane): return L(lane)\n"
    )
    script = (
        "import sys, time, pytest, pytest_soak.session.left_threads as left\nleft.WAIT_S = 0.1\n"
        "code = pytest.main(['-q', '-p', 'no:cacheprovider', '--soak-iterations=1',\n"
        "    '--soak-target=leaves:make'])\n"
        "assert code == 0, code\nimport atexit, leaves, threading\n"
        "threading.Timer(1, leaves.EVENT.set).start()\nsys.exit(5)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=soak.folder, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 5, done.stdout + done.stderr
    assert "the target left" not in done.stderr


def test_threads_that_end_by_themselves_are_waited_for(soak: Sessions) -> None:
    soak.bot(
        leaves="import pathlib, threading, time\nfrom bot import Bot\n"
        "def flush():\n    time.sleep(1.5)\n    pathlib.Path('flushed').touch()\n"
        "class L(Bot):\n"
        "  def stop(self): threading.Thread(target=flush).start()\n"
        "def make(lane): return L(lane)\n"
    )
    with running(soak, "--soak-iterations=2", "--soak-target=leaves:make") as session:
        out = session.end()
        assert session.code == 0, out
    assert (soak.folder / "flushed").exists()
    assert "the target left" not in out
