"""A live target whose supervisor is killed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_soak.json_types import converted
from pytest_soak.live.faults import LiveHalt
from pytest_soak.live.plan import LivePlan, Notify
from pytest_soak.live.watched import Watched
from pytest_soak.processes.plan import plan_processes
from pytest_soak.processes.record import read_record
from pytest_soak.processes.sections import Processes
from tests.unit.live.scripted import Bench

NOTIFY = Notify("bot", signal.SIGHUP)


@pytest.fixture
def plan(tmp_path: Path) -> LivePlan:
    section = converted({"bot": {"command": [sys.executable, "-S", "-c", STAY]}}, Processes)
    processes = plan_processes(section, lambda text: text)
    plan = replace(Bench(tmp_path).plan, processes=processes, notify=NOTIFY)
    plan.folder.mkdir()
    return plan


STAY = "import signal, time; signal.signal(1, signal.SIG_IGN); time.sleep(600)"


@pytest.fixture
def watched(plan: LivePlan) -> Iterator[Watched]:
    watched = Watched(plan)
    watched.start()
    yield watched
    watched.close()


def kill_supervisor(plan: LivePlan) -> None:
    record = read_record(plan.folder)
    assert record is not None
    (pid,) = (process.pid for process in record.processes if process.name == "_supervisor")
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def test_a_killed_supervisor_halts_under_its_name(plan: LivePlan, watched: Watched) -> None:
    kill_supervisor(plan)
    with pytest.raises(LiveHalt, match="supervisor_lost: all") as caught:
        watched.died()
    assert "signal 9" in caught.value.__notes__[0]


def test_a_signal_to_a_killed_supervisor_halts_as_well(plan: LivePlan, watched: Watched) -> None:
    kill_supervisor(plan)
    with pytest.raises(LiveHalt, match="supervisor_lost: all"):
        watched.signal(NOTIFY)


def test_a_restart_that_fails_says_that_it_was_one(plan: LivePlan) -> None:
    once = "import os, sys; os.path.exists('x') and sys.exit('no feed'); open('x', 'w').close()"
    wait = "import time; time.sleep(0.5)"
    fields = {
        "command": [sys.executable, "-S", "-u", "-c", f"{once}; print('READY'); {wait}"],
        "ready": {"log": "READY"},
        "restart": {"backoff_s": [0]},
    }
    section = converted({"bot": fields}, Processes)
    plan = replace(plan, processes=plan_processes(section, lambda text: text), root=plan.folder)
    watched = Watched(plan)
    watched.start()
    try:
        while (name := watched.died()) is None:
            pass
        with pytest.raises(LiveHalt, match=r"^not_ready \(bot\)") as caught:
            watched.restart(name)
    finally:
        watched.close()
    notes = caught.value.__notes__
    assert notes[0] == "process 'bot': it ended with exit code 1 before it was ready"
    assert "log bot | no feed" in notes
    at = notes.index("this was a restart: bot had ended by itself, after these lines")
    assert notes[at + 1] == "log bot | READY"


def test_a_restart_that_does_not_become_ready_is_tried_again(plan: LivePlan) -> None:
    """As with an exchange that is away for longer than the first wait."""
    program = (
        "import os, sys, time; starts = len(os.listdir()); open(f'start-{starts}', 'w').close(); "
        "before = sum(name.startswith('start-') for name in os.listdir()); "
        "before in (2, 3) and sys.exit('no feed'); print('READY'); "
        "time.sleep(0.2 if before == 1 else 60)"
    )
    fields = {
        "command": [sys.executable, "-S", "-u", "-c", program],
        "ready": {"log": "READY"},
        "restart": {"budget": 3, "backoff_s": [0]},
        "stop": {"grace_s": 0},
    }
    section = converted({"bot": fields}, Processes)
    plan = replace(plan, processes=plan_processes(section, lambda text: text), root=plan.folder)
    watched = Watched(plan)
    watched.start()
    try:
        while (name := watched.died()) is None:
            pass
        lines = watched.restart(name)
        assert lines[0] == "bot ended and was started again; 0 restarts left"
        assert watched.died() is None
    finally:
        watched.close()


def test_a_signal_to_a_process_that_just_died_is_no_halt(plan: LivePlan, watched: Watched) -> None:
    record = read_record(plan.folder)
    assert record is not None
    (bot,) = (process.pid for process in record.processes if process.name == "bot")
    os.kill(bot, signal.SIGKILL)
    while watched.died() is None:
        pass
    watched.signal(NOTIFY)
