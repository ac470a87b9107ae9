"""SIGINT, SIGTERM and SIGHUP end a session in good order, in each of its processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.sessions.conftest import Sessions
from tests.sessions.running import (
    ARGS,
    PLUGINS,
    SIGNALS,
    SLOW,
    is_alive,
    is_judged,
    running,
)


@pytest.mark.parametrize("number", [signal.SIGINT, *SIGNALS])
def test_a_signal_ends_the_session_as_ctrl_c_does(soak: Sessions, number: signal.Signals) -> None:
    soak.bot(slow=SLOW)
    with running(soak, *ARGS) as session:
        session.until("run-3-1")
        session.process.send_signal(number)
        out = session.end()
        assert session.code == 2, out
        assert (soak.folder / "stop-1").exists()
        is_judged(session.latest)
        assert "KeyboardInterrupt" in out
        assert number is signal.SIGINT or number.name in out
        assert "gate: " in out
        assert "to go on with this run: the same command with --soak-resume" in out
        assert "INTERNALERROR" not in out
    done = len(list(session.latest.glob("ITER_SUMMARY_*")))
    again = soak(f"--soak-iterations={done + 2}", "--soak-target=slow:make", "--soak-resume")
    assert again.code == 0, again.out
    assert "--soak-resume" not in again.out


def test_a_signal_that_was_ignored_stays_ignored(soak: Sessions) -> None:
    """As after nohup."""
    soak.bot(slow=SLOW)

    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    args = ("--soak-iterations=12", "--soak-target=slow:make")
    with running(soak, *args, preexec_fn=ignore) as session:
        session.until("run-2-1")
        session.process.send_signal(signal.SIGHUP)
        out = session.end()
        assert session.code == 0, out
        assert "12 iterations" in out


def test_a_second_signal_ends_the_process_at_once(soak: Sessions) -> None:
    soak.bot(slow=SLOW + HANGING_STOP)
    with running(soak, "--soak-iterations=400", "--soak-target=slow:make_hanging") as session:
        session.until("run-3-1")
        session.process.send_signal(signal.SIGTERM)
        session.until("stop-1")
        began = time.monotonic()
        session.process.send_signal(signal.SIGHUP)
        session.end()
        assert session.code == -signal.SIGHUP
        assert time.monotonic() - began < 5


HANGING_STOP = """
class Hanging(Slow):
    def stop(self):
        super().stop()
        threading.Event().wait(60)


def make_hanging(lane):
    return Hanging(lane)
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_the_gate_is_judged_does_not_cut_it(
    soak: Sessions, number: signal.Signals
) -> None:
    soak.bot()
    soak.pytester.makeconftest(
        "import os, time\n"
        f"def pytest_soak_gate(lane, history):\n    os.kill(os.getpid(), {int(number)})\n"
        "    time.sleep(.1)\n"
    )
    with running(soak, "--soak-iterations=2", "--soak-target=bot:make") as session:
        out = session.end()
        assert session.code == 0, out
        is_judged(session.latest)


def test_a_signal_in_a_teardown_is_no_failed_check(soak: Sessions) -> None:
    soak.bot(
        test_a="import os, signal, pytest\n"
        "@pytest.fixture\ndef mine(soak_iteration):\n"
        "    yield\n"
        "    if soak_iteration.number == 3 and 'STOP' in os.environ:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "def test_a(mine): pass\n"
    )
    args = ("--soak-iterations=5", "--soak-target=bot:make")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STOP", "1")
        with running(soak, *args) as session:
            out = session.end()
            assert session.code == 2, out
            assert re.search(r"\n  checks +0 .* PASS\n", out), out
    assert soak(*args, "--soak-dir=whole").code == 0
    resumed = soak(*args, "--soak-resume")
    assert resumed.done_before == 2
    assert resumed.journal() == (soak.folder / "whole/latest/journal.jsonl").read_bytes()


CLOSES_TERMINAL = """
import os, pty, sys, time
pid, terminal = pty.fork()
if not pid:
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[1:]])
while not os.path.exists("run-3-1"):
    os.read(terminal, 100)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_closed_terminal_ends_the_session_in_good_order(soak: Sessions) -> None:
    """It sends SIGHUP, and from then on every output to it fails."""
    soak.bot(slow=SLOW)
    done = subprocess.run(
        [sys.executable, "-c", CLOSES_TERMINAL, *PLUGINS, *ARGS, "-v"],
        cwd=soak.folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout == "2\n", done.stderr
    latest = soak.folder / "artifacts/soak/latest"
    is_judged(latest)
    assert (soak.folder / "stop-1").exists()
    assert "gate: checks" not in (latest / "FAILURES.md").read_text()


def test_a_target_that_swallows_the_interrupt_ends_with_its_iteration(soak: Sessions) -> None:
    soak.bot(
        slow=SLOW + "class Deaf(Slow):\n"
        "  def run(self, i, r):\n"
        "    try:\n      report = super().run(i, r)\n      time.sleep(.2)\n"
        "    except BaseException:\n      self.note('swallowed')\n"
        "    return Bot.run(self, i, r)\n"
        "def make_deaf(lane): return Deaf(lane)\n"
    )
    with running(soak, "--soak-iterations=400", "--soak-target=slow:make_deaf") as session:
        session.until("run-3-1")
        session.process.send_signal(signal.SIGTERM)
        out = session.end()
        assert (soak.folder / "swallowed-1").exists()
        assert session.code == 2, out
        is_judged(session.latest)


@pytest.mark.parametrize("number", SIGNALS)
def test_with_workers_a_signal_to_the_controller_ends_all(
    soak: Sessions, number: signal.Signals
) -> None:
    pytest.importorskip("xdist")
    soak.bot(slow=SLOW)
    with running(soak, *ARGS, "--soak-seed=1,2", "-n", "2") as session:
        workers = [session.until("run-3-1"), session.until("run-3-2")]
        began = time.time()
        session.process.send_signal(number)
        out = session.end()
        assert session.code == 2, out
        assert (soak.folder / "stop-1").stat().st_mtime - began < 4  # xdist alone waits 5 s
        is_judged(session.latest)
        assert {(soak.folder / f"stop-{seed}").read_text() for seed in (1, 2)} == set(workers)
        assert not any(map(is_alive, workers))
        assert "INTERNALERROR" not in out


def test_with_workers_a_signal_to_the_whole_group_ends_all(soak: Sessions) -> None:
    """As systemd sends it."""
    pytest.importorskip("xdist")
    soak.bot(slow=SLOW)
    with running(soak, *ARGS, "--soak-seed=1,2", "-n", "2") as session:
        workers = [session.until("run-3-1"), session.until("run-3-2")]
        os.killpg(session.process.pid, signal.SIGTERM)
        out = session.end()
        assert session.code == 2, out
        is_judged(session.latest)
        assert all((soak.folder / f"stop-{seed}").exists() for seed in (1, 2))
        assert not any(map(is_alive, workers))
        assert "INTERNALERROR" not in out


def test_a_signal_to_a_worker_alone_ends_the_session_too(soak: Sessions) -> None:
    pytest.importorskip("xdist")
    soak.bot(slow=SLOW)
    with running(soak, *ARGS, "--soak-seed=1,2", "-n", "2") as session:
        worker = session.until("run-3-1")
        session.until("run-3-2")
        os.kill(int(worker), signal.SIGTERM)
        out = session.end()
        assert session.code == 2, out
        assert (soak.folder / "stop-1").exists()
        is_judged(session.latest)
        assert "INTERNALERROR" not in out


def test_a_forked_child_of_the_target_dies_of_its_signal(soak: Sessions) -> None:
    soak.bot(
        forks="import multiprocessing, pathlib, time\nfrom bot import Bot\n"
        "class F(Bot):\n"
        "  def run(self, i, r):\n"
        "    child = multiprocessing.get_context('fork').Process(target=time.sleep, args=(60,))\n"
        "    child.start()\n    time.sleep(.2)\n    child.terminate()\n    child.join()\n"
        "    pathlib.Path('code').write_text(str(child.exitcode))\n"
        "    return super().run(i, r)\n"
        "def make(lane): return F(lane)\n"
    )
    result = soak("--soak-iterations=1", "--soak-target=forks:make", subprocess=True)
    assert result.code == 0, result.out
    assert (soak.folder / "code").read_text() == str(-signal.SIGTERM)


def test_handlers_are_there_for_the_time_of_a_soak_only(soak: Sessions) -> None:
    soak.bot(
        test_a="import signal\n"
        "def test_a(soak_iteration):\n"
        "    assert callable(signal.getsignal(signal.SIGTERM))\n"
        "    assert callable(signal.getsignal(signal.SIGHUP))\n",
        test_b="import signal\n"
        "def test_b():\n    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL\n",
    )
    before = [signal.getsignal(number) for number in SIGNALS]
    result = soak("--soak-iterations=2", "--soak-target=bot:make", "test_a.py")
    assert result.code == 0, result.out
    assert [signal.getsignal(number) for number in SIGNALS] == before
    assert soak("test_b.py").outcomes == {"passed": 1}


def test_a_handler_of_the_user_stays(soak: Sessions) -> None:
    soak.bot(
        test_a="import signal, conftest\n"
        "def test_a(soak_iteration):\n"
        "    assert signal.getsignal(signal.SIGTERM) is conftest.handler\n"
    )
    soak.pytester.makeconftest(
        "import signal\ndef handler(*_): pass\nsignal.signal(signal.SIGTERM, handler)\n"
    )
    result = soak("--soak-iterations=2", "--soak-target=bot:make", subprocess=True)
    assert result.code == 0, result.out


def test_a_session_on_another_thread_has_no_handlers(soak: Sessions) -> None:
    soak.bot()
    script = (
        "import signal, sys, threading, pytest\n"
        "codes = []\n"
        "def run(): codes.append(pytest.main(['-q', '-p', 'no:cacheprovider',\n"
        "    '--soak-iterations=2', '--soak-target=bot:make']))\n"
        "thread = threading.Thread(target=run)\nthread.start()\nthread.join()\n"
        "assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL\nsys.exit(codes[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=soak.folder, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
