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


def test_a_signal_to_a_process_that_just_died_is_no_halt(plan: LivePlan, watched: Watched) -> None:
    record = read_record(plan.folder)
    assert record is not None
    (bot,) = (process.pid for process in record.processes if process.name == "bot")
    os.kill(bot, signal.SIGKILL)
    while watched.died() is None:
        pass
    watched.signal(NOTIFY)
