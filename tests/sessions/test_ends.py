"""The ends of a session and of its processes: signals, kills, full disks, targets that hang."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.loop import fold, history
from pytest_soak.loop.entries import Entry, Record, entry_of
from pytest_soak.store import records
from tests.sessions.conftest import Result, Sessions

SLOW = '''
import os, pathlib, threading, time
from bot import Bot

HERE = pathlib.Path(__file__).parent


class Slow(Bot):
    """Leaves a file for each call; iterations take a moment."""

    def note(self, what):
        (HERE / f"{what}-{self.lane.seed}").write_text(str(os.getpid()))

    def run(self, iteration, runtime):
        self.note(f"run-{iteration}")
        threading.Event().wait(0.05)
        return super().run(iteration, runtime)

    def stop(self):
        self.note("stop")


def make(lane):
    return Slow(lane)
'''
ARGS = ("--soak-iterations=400", "--soak-target=slow:make", "-rfE")
PLUGINS = ("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:hypothesispytest")
SIGNALS = [signal.SIGTERM, signal.SIGHUP]


@dataclass
class Running:
    """A session in a process of its own."""

    process: subprocess.Popen[str]
    folder: Path

    def until(self, name: str, timeout_s: float = 60.0) -> str:
        """Wait for the file ``name``, which the target writes; its text."""
        path, ends = self.folder / name, time.monotonic() + timeout_s
        while not path.exists() or not path.read_text():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < ends, f"no {name} within {timeout_s} s"
            time.sleep(0.01)
        return path.read_text()

    def end(self, timeout_s: float = 60.0) -> str:
        """Wait for its end; its output."""
        out, _ = self.process.communicate(timeout=timeout_s)
        return out

    @property
    def code(self) -> int:
        assert self.process.returncode is not None
        return self.process.returncode

    @property
    def latest(self) -> Path:
        return self.folder / "artifacts" / "soak" / "latest"


@contextmanager
def running(soak: Sessions, *args: str, **options: Any) -> Iterator[Running]:
    """Start a session of the slow bot; it is killed at the end, with all its children."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *PLUGINS, *args],
        cwd=soak.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "COLUMNS": "100"}, start_new_session=True, **options,
    )  # fmt: skip
    try:
        yield Running(process, soak.folder)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def is_alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    return True


def is_judged(run: Path) -> None:
    """The run ended in good order: judged, sealed, with its artifacts."""
    for name in ("POST_SOAK_SNAPSHOT.json", "POST_SOAK_AUDIT.md", "judgement.jsonl"):
        assert (run / name).stat().st_size > 0, name


# -- signals ---------------------------------------------------------------------------------------


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
        assert "INTERNALERROR" not in out
    done = len(list(session.latest.glob("ITER_SUMMARY_*")))
    again = soak(f"--soak-iterations={done + 2}", "--soak-target=slow:make", "--soak-resume")
    assert again.code == 0, again.out


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


def joined(result: Result) -> str:
    """The output with wrapped lines made one."""
    return re.sub(r"\s*\n\s+", " ", result.out)


def no_traceback(result: Result) -> bool:
    """No source line of the package, no chained traceback, no internal error."""
    bad = ("INTERNALERROR", "During handling of", "The above exception", "pytest_soak/store/")
    return not [line for line in result.out.splitlines() if any(word in line for word in bad)]


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


# -- deadlines -------------------------------------------------------------------------------------


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
    lanes = json.loads((session.latest / "POST_SOAK_SNAPSHOT.json").read_text())["lanes"]
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


def test_a_resumed_lane_is_read_once(soak: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    soak.bot()
    args = ("--soak-target=bot:make",)
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
    assert steps.count("observation") <= 32
    assert len(lines) <= entries + 20


def test_nothing_is_left_to_run_and_the_gate_is_judged_again(soak: Sessions) -> None:
    soak.bot(test_a="def test_a(soak_iteration): pass\ndef test_b(soak_iteration): pass\n")
    args = ("--soak-iterations=3", "--soak-target=bot:make")
    first = soak(*args)
    again = soak(*args, "--soak-resume")
    assert (again.code, first.code) == (0, 0), again.out
    assert again.items == {"deselected": 2}
    assert again.journal() == first.journal()
