"""Calls with a deadline: on which thread they are made, and what ends one that is late."""

from __future__ import annotations

import math
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.lane.deadline import Calls, DeadlinePassed
from pytest_soak.lane.driver import TargetDriver, TargetFailed, lines_of
from pytest_soak.lane.watchdog import Watchdog
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.protocol import Lane
from pytest_soak.store.stacks import StacksFile, has_stacks

ROOT = Path(__file__).parents[3]
LANE = Lane("lane", "steady", "BTCUSDT", 1, 300.0, 4)


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Set at the end, so that no thread outlives its test."""
    event = threading.Event()
    yield event
    event.set()


def test_without_a_deadline_a_call_is_made_on_the_same_thread() -> None:
    calls = Calls(None)
    assert calls.call(threading.get_ident) == threading.get_ident()
    assert calls.last(threading.get_ident, 5.0) == threading.get_ident()


def test_with_a_deadline_all_calls_are_made_on_one_other_thread() -> None:
    calls = Calls(5.0)
    threads = {calls.call(threading.get_ident) for _ in range(3)}
    threads.add(calls.last(threading.get_ident, 5.0))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("timeout_s", [None, 5.0])
def test_what_a_call_raises_is_raised_with_its_place_in_the_code(timeout_s: float | None) -> None:
    def fail() -> None:
        raise SystemExit("in the target")

    with pytest.raises(SystemExit, match="in the target") as caught:
        Calls(timeout_s).call(fail)
    assert "in fail" in "".join(traceback.format_tb(caught.value.__traceback__))


def test_a_late_call_is_left_behind_and_the_last_call_gets_a_thread_of_its_own(
    release: threading.Event,
) -> None:
    calls = Calls(0.05)
    with pytest.raises(DeadlinePassed):
        calls.call(release.wait)
    began = time.monotonic()
    assert calls.last(lambda: "stopped", 5.0) == "stopped"
    with pytest.raises(DeadlinePassed):
        calls.last(release.wait, 0.05)
    assert time.monotonic() - began < 4.0
    assert all(thread.daemon for thread in threading.enumerate() if "soak" in thread.name)


def test_the_threads_of_calls_end_with_them() -> None:
    calls = Calls(5.0)
    thread = calls.call(threading.current_thread)
    calls.end()
    thread.join(5.0)
    assert not thread.is_alive()


# -- the last call, on the main thread -------------------------------------------------------------


def sleeping() -> None:
    time.sleep(60)


def waiting() -> None:
    threading.Event().wait()


def swallowing() -> None:
    for _ in range(2):
        with suppress(BaseException):
            time.sleep(60)


@pytest.mark.parametrize("function", [sleeping, waiting, swallowing])
def test_the_last_call_on_the_main_thread_is_interrupted(function: Callable[[], None]) -> None:
    before = signal.getsignal(signal.SIGURG)
    began = time.monotonic()
    with pytest.raises(DeadlinePassed):
        Calls(None).last(function, 0.1)
    assert time.monotonic() - began < 5.0
    assert signal.getsignal(signal.SIGURG) == before


def test_a_call_that_returns_in_time_is_not_interrupted_later() -> None:
    calls = Calls(None)
    for _ in range(20):
        assert calls.last(lambda: 7, 0.05) == 7
    time.sleep(0.1)


def test_a_call_that_returns_too_late_has_missed_its_deadline() -> None:
    """Code that cannot be interrupted, such as C, returns when it likes."""

    def late() -> str:
        ends = time.monotonic() + 0.3
        while time.monotonic() < ends:
            with suppress(BaseException):
                time.sleep(0.01)
        return "late"

    with pytest.raises(DeadlinePassed):
        Calls(None).last(late, 0.1)


def test_where_the_signal_is_taken_the_last_call_gets_a_thread(release: threading.Event) -> None:
    before = signal.signal(signal.SIGURG, lambda *_: None)
    try:
        assert Calls(None).last(threading.get_ident, 5.0) != threading.get_ident()
        with pytest.raises(DeadlinePassed):
            Calls(None).last(release.wait, 0.05)
    finally:
        signal.signal(signal.SIGURG, before)


def test_on_another_thread_than_the_main_one_the_last_call_gets_a_thread(
    release: threading.Event,
) -> None:
    results: list[BaseException] = []

    def run() -> None:
        try:
            Calls(None).last(release.wait, 0.05)
        except DeadlinePassed as late:
            results.append(late)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(5.0)
    assert len(results) == 1


# -- the target ------------------------------------------------------------------------------------


class Target:
    """Does what it is made of; ``seen`` has the names of the calls."""

    def __init__(self, **methods: Callable[..., Any]) -> None:
        self.seen: list[str] = []
        methods.setdefault("run", lambda *_: {"totals": {}})
        for name, method in methods.items():
            setattr(self, name, self._noting(name, method))

    def _noting(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.seen.append(name)
            return method(*arguments)

        return call


def driver(target: Any, timeout_s: float | None = 0.05) -> TargetDriver:
    return TargetDriver(LANE, lambda _: target, Calls(timeout_s), (KeyboardInterrupt,))


def nothing(*_: Any) -> None:
    return None


def test_stop_is_called_after_a_missed_deadline(release: threading.Event) -> None:
    target = Target(run=lambda *_: release.wait(), stop=nothing)
    running = driver(target)
    running.start({}, (), nothing)
    with pytest.raises(TargetFailed, match=r"the target did not return within 0\.05 s") as caught:
        running.run(1, {})
    assert caught.value.kind == "timeout"
    running.stop()
    assert target.seen == ["run", "stop"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("start", r"start\(\) took longer than 0\.05 s"),
        ("scenarios", r"announcing the scenarios took longer than 0\.05 s"),
        ("restore", r"restoring the target took longer than 0\.05 s"),
        ("snapshot", r"snapshot\(\) took longer than 0\.05 s"),
    ],
)
def test_every_method_has_the_deadline(release: threading.Event, name: str, text: str) -> None:
    methods = {"scenarios": nothing, name: lambda *_: release.wait(), "stop": nothing}
    target, crash = Target(**methods), Scheduled("crash", 1, 0.0, 60.0, 1.0, "judge", None)
    running = driver(target)

    def start_and_snapshot() -> None:
        running.start({}, [crash], lambda target: getattr(target, "restore", nothing)({}))
        running.snapshot()

    with pytest.raises(TargetFailed, match=text) as caught:
        start_and_snapshot()
    assert caught.value.kind == "timeout"
    running.stop()
    assert target.seen[-1] == "stop"


def test_making_the_target_has_the_deadline(release: threading.Event) -> None:
    running = TargetDriver(LANE, lambda _: release.wait(), Calls(0.05), ())  # type: ignore[arg-type, return-value]
    with pytest.raises(TargetFailed, match=r"making the target took longer than 0\.05 s"):
        running.start({}, (), nothing)
    running.stop()


@pytest.mark.parametrize("timeout_s", [None, 5.0])
def test_stop_has_a_deadline_of_its_own(
    release: threading.Event, monkeypatch: pytest.MonkeyPatch, timeout_s: float | None
) -> None:
    monkeypatch.setattr("pytest_soak.lane.driver.STOP_TIMEOUT_S", 0.1)
    running = driver(Target(stop=lambda: release.wait()), timeout_s)
    running.start({}, (), nothing)
    with pytest.raises(TargetFailed, match=r"stop\(\) took longer than 0\.1 s"):
        running.stop()


@pytest.mark.parametrize("timeout_s", [None, 5.0])
def test_a_target_that_belongs_to_one_thread_can_be_stopped(timeout_s: float | None) -> None:
    """A connection of sqlite3 is one of many objects that only the thread uses that made them."""

    class Ledger:
        def start(self, runtime: Any) -> None:
            self.connection = sqlite3.connect(":memory:")

        def run(self, number: int, runtime: Any) -> dict[str, Any]:
            return {"totals": {"x": self.connection.execute("select 1").fetchone()[0]}}

        def snapshot(self) -> int:
            return int(self.connection.execute("select 2").fetchone()[0])

        def stop(self) -> None:
            self.connection.close()

    running = driver(Ledger(), timeout_s)
    running.start({}, (), nothing)
    assert running.run(1, {}) == {"totals": {"x": 1}}
    assert running.snapshot() == 2
    running.stop()


def test_threads_that_a_target_left_are_known(release: threading.Event) -> None:
    def start(runtime: Any) -> None:
        threading.Thread(target=release.wait, name="feed").start()
        threading.Thread(target=release.wait, name="quick", daemon=True).start()

    running = driver(Target(start=start, stop=nothing), None)
    other = threading.Thread(target=release.wait, name="of another")
    other.start()
    running.start({}, (), nothing)
    running.stop()
    assert [thread.name for thread in running.threads] == ["feed"]
    release.set()
    for thread in running.threads:
        thread.join()
    assert running.threads == ()


# -- code that never gives the interpreter back ----------------------------------------------------

HOLDS = """
import ctypes, sys, threading
from pathlib import Path
from pytest_soak.lane import watchdog
from pytest_soak.store.stacks import StacksFile
from pytest_soak.lane.deadline import Calls
watchdog.GRACE_S = 0.3
guard = watchdog.Watchdog(2)
stacks = StacksFile(Path(sys.argv[1]))

def hang_in_the_target():
    ctypes.PyDLL(None).sleep(60)

def nap_in_the_target():
    ctypes.PyDLL(None).usleep(400_000)

def hang_after_its_deadline():
    threading.Event().wait(0.6)
    ctypes.PyDLL(None).sleep(60)

calls = Calls(None if sys.argv[2] == "last" else 0.2, guard, stacks)
try:
    function = globals()[sys.argv[3]]
    calls.last(function, 0.2) if sys.argv[2] == "last" else calls.call(function)
except BaseException as error:
    print(type(error).__name__, flush=True)
calls.end()
if "then" in sys.argv:
    import time
    time.sleep(10)
guard.close()
stacks.close()
"""


def holding(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HOLDS, str(directory), *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def test_a_process_whose_interpreter_does_not_come_back_is_ended(tmp_path: Path) -> None:
    began = time.monotonic()
    done = holding(tmp_path, "call", "hang_in_the_target")
    assert done.returncode == 1, done
    assert time.monotonic() - began < 15
    assert "hang_in_the_target" in done.stderr
    assert "hang_in_the_target" in (tmp_path / "STACKS.txt").read_text()
    assert has_stacks(tmp_path)
    StacksFile(tmp_path).close()  # the next session of the lane
    assert not (tmp_path / "STACKS.txt").exists()


def test_an_interpreter_that_comes_back_within_the_grace_ends_nothing(tmp_path: Path) -> None:
    done = holding(tmp_path, "call", "nap_in_the_target")
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "STACKS.txt").exists()


def test_a_late_call_that_takes_the_interpreter_later_ends_the_process_too(tmp_path: Path) -> None:
    done = holding(tmp_path, "call", "hang_after_its_deadline", "then")
    assert (done.returncode, done.stdout) == (1, "DeadlinePassed\n")
    assert "hang_after_its_deadline" in done.stderr


def test_a_last_call_that_keeps_the_interpreter_ends_too(tmp_path: Path) -> None:
    done = holding(tmp_path, "last", "hang_in_the_target")
    # A signal ends this sleep of C on the main thread; what cannot be interrupted ends the process.
    assert (done.returncode, done.stdout) in ((1, ""), (0, "DeadlinePassed\n"))


def test_the_watchdog_leaves_the_alarms_of_others_alone(tmp_path: Path) -> None:
    fired: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: fired.append(number))
    guard = Watchdog(2)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        stacks = StacksFile(tmp_path)
        with guard.over(60.0, stacks):
            time.sleep(0.3)
        assert fired == [signal.SIGALRM]
        stacks.close()
        assert not has_stacks(tmp_path)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("base_spread_bps", "something of type str"),
        (5, "something of type int"),
        (["base_spread_bps"], "something of type list"),
        ({1: 2.0}, "something of type int as the name of a parameter"),
        ({"spread": ["wide"]}, "something of type list as a parameter's value"),
        ({"spread": None}, "None as a parameter's value"),
        ({"spread": math.nan}, "something of type float as a parameter's value"),
        ({"spread": 10**400}, "something of type int as a parameter's value"),
    ],
)
def test_edits_are_names_with_values(given: Any, text: str) -> None:
    running = driver(Target(edits=lambda: given))
    running.start({}, (), nothing)
    with pytest.raises(TargetFailed) as caught:
        running.edits()
    assert caught.value.kind == "contract"
    expected = "not a mapping of names to values of parameters"
    assert str(caught.value) == f"edits() returned {text}, {expected}"
    running.stop()


@pytest.mark.parametrize("given", [None, {}, {"spread": 1}, {"spread": Decimal("0.5")}])
def test_edited_numbers_are_floats(given: Any) -> None:
    running = driver(Target(edits=lambda: given))
    running.start({}, (), nothing)
    edits = running.edits()
    assert edits == (given or {})
    assert all(type(value) is float for value in edits.values())
    running.stop()


@pytest.mark.parametrize("stop_s", [1e300, 10**30, math.inf, -1, "soon"])
def test_any_time_to_stop_is_one_that_can_be_waited_for(stop_s: Any) -> None:
    target = Target(stop=nothing)
    target.stop_s = stop_s  # type: ignore[attr-defined]
    running = driver(target)
    running.start({}, (), nothing)
    running.stop()
    assert target.seen == ["stop"]


class Text(str):
    """A text of the user's own that is none where it is read."""

    def __getitem__(self, key: Any) -> Any:
        return 5

    def replace(self, *_: Any) -> Any:
        return 5


def test_lines_of_a_target_are_plain_texts() -> None:
    lines = lines_of([1, None, Text("a"), "b\x1b[31m", "c" * 5000], lambda text: text)
    assert lines == ("a", "b\\x1b[31m", "c" * 1000)
    assert all(type(line) is str for line in lines)
    assert lines_of("text", str) == lines_of({"a": 1}, str) == lines_of(None, str) == ()
