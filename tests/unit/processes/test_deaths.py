"""Whatever is killed, nothing is left: the client, its fork, the supervisor."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.processes.errors import ProcessError
from pytest_soak.processes.leftover import end_leftover
from pytest_soak.processes.record import FILE
from tests.unit.processes.conftest import Lane
from tests.unit.processes.programs import (
    DEAF,
    DOUBLE_FORK,
    IN_ITS_OWN_SESSION,
    STAY,
    is_alive,
    pid_in,
    python,
    wait_for,
    wait_until_dead,
)

ROOT = Path(__file__).parents[3]
READY = {"log": "^READY$", "within_s": 30}

CLIENT = r"""
import json, os, sys
from pathlib import Path
from pytest_soak.processes.client import Processes
from pytest_soak.processes.declared import read_processes
from pytest_soak.processes.plan import plan_processes

options = json.loads(sys.argv[1])
plans = plan_processes(read_processes(options["section"]), lambda text: text)
folder = Path(options["folder"])
processes = Processes(plans, folder=folder, cwd=folder, environment=os.environ,
                      portable=options["portable"])
processes.start()
exec(options["then"])
pids = [processes.identity(name).pid for name in processes.names]
os.write(1, json.dumps(pids).encode() + b"\n")
sys.stdin.read()
"""

FORK = r"""
if os.fork() == 0:
    processes.close()  # of the parent's processes: does nothing
    try:
        processes.poll()
    except Exception as error:
        assert error.kind == "closed", error
        os.write(1, b"%d\n" % os.getpid())  # in one piece, beside the other process
    import time
    time.sleep(600)
"""

CLEARED = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", sys.argv[1], sys.argv[2]], {})
    os._exit(0)
os.wait()
"""
"""Has a grandchild without parent, session and environment of the lane."""

PID_THEN_STAY = (
    "import os, sys, time\n"
    "with open(sys.argv[1] + '.new', 'w') as file: file.write(str(os.getpid()))\n"
    "os.replace(sys.argv[1] + '.new', sys.argv[1])\n"
    "time.sleep(600)\n"
)

Client = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def client(tmp_path: Path, environment: Mapping[str, str]) -> Iterator[Client]:
    """Starts a process that is the client of a lane; it is killed at the end."""
    running: list[subprocess.Popen[str]] = []

    def start(section: Any, then: str = "", portable: bool = False) -> subprocess.Popen[str]:
        options = {
            "section": section, "folder": str(tmp_path), "then": then, "portable": portable,
        }  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, "PYTHONPATH": str(ROOT)},
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):  # a fork may have the other end
            assert pipe is not None
            pipe.close()


def line_of(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def recorded(folder: Path) -> dict[str, int]:
    record = json.loads((folder / FILE).read_text())
    return {process["name"]: process["pid"] for process in record["processes"]}


@pytest.mark.parametrize("portable", [False, True])
@pytest.mark.parametrize("code", [DEAF, IN_ITS_OWN_SESSION, DOUBLE_FORK])
def test_a_killed_client_leaves_nothing(
    client: Client, tmp_path: Path, code: str, portable: bool
) -> None:
    command = {"command": python(code, tmp_path / "pid"), "ready": READY, "stop": {"grace_s": 0.1}}
    process = client({"bot": command, "other": {"command": python(STAY)}}, portable=portable)
    pids = line_of(process)
    if code != DEAF:
        pids.append(pid_in(tmp_path / "pid"))
    supervisor = recorded(tmp_path)["_supervisor"]
    process.kill()
    wait_until_dead(*pids, supervisor)
    assert (tmp_path / "log" / "_supervisor.log").read_text() == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a subreaper")
def test_what_cleared_its_environment_ends_too(client: Client, tmp_path: Path) -> None:
    command = python(CLEARED + STAY, PID_THEN_STAY, tmp_path / "pid")
    process = client({"bot": {"command": command, "ready": READY, "stop": {"grace_s": 0.1}}})
    pids = [*line_of(process), recorded(tmp_path)["_supervisor"]]
    orphan = pid_in(tmp_path / "pid")
    process.kill()
    wait_until_dead(*pids, orphan)


@pytest.mark.parametrize("portable", [False, True])
def test_a_fork_that_keeps_the_pipes_does_not_keep_the_tree(
    client: Client, tmp_path: Path, portable: bool
) -> None:
    section = {"bot": {"command": python(STAY), "ready": READY, "stop": {"grace_s": 0.1}}}
    process = client(section, FORK, portable=portable)
    numbers = [line_of(process), line_of(process)]
    fork = next(number for number in numbers if isinstance(number, int))
    (pid,) = next(number for number in numbers if isinstance(number, list))
    assert is_alive(pid)
    process.kill()
    wait_until_dead(pid, recorded(tmp_path)["_supervisor"])
    assert is_alive(fork)
    os.kill(fork, signal.SIGKILL)
    wait_until_dead(fork)


def test_a_client_that_ends_without_close_leaves_nothing(client: Client, tmp_path: Path) -> None:
    process = client({"bot": {"command": python(STAY), "ready": READY}})
    pids = [*line_of(process), recorded(tmp_path)["_supervisor"]]
    process.communicate("")
    assert process.returncode == 0
    wait_until_dead(*pids)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs PR_SET_PDEATHSIG")
def test_a_killed_supervisor_takes_its_children_and_the_client_ends_the_rest(
    lane: Lane, tmp_path: Path
) -> None:
    processes = lane(
        {
            "bot": {"command": python(IN_ITS_OWN_SESSION, tmp_path / "pid"), "ready": READY},
            "other": {"command": python(DEAF), "ready": READY},
        }
    )
    processes.start()
    pids = [identity.pid for name in processes.names if (identity := processes.identity(name))]
    child = pid_in(tmp_path / "pid")
    os.kill(recorded(tmp_path)["_supervisor"], signal.SIGKILL)
    wait_until_dead(*pids)
    assert is_alive(child)
    with pytest.raises(ProcessError, match="signal 9") as caught:
        wait_for(processes.poll, "the loss is noticed")
    assert caught.value.kind == "supervisor_lost"
    assert f"were ended: {child}" in caught.value.text
    assert not is_alive(child)


def test_the_next_session_ends_what_client_and_supervisor_left(
    client: Client, lane: Lane, tmp_path: Path
) -> None:
    command = python(IN_ITS_OWN_SESSION, tmp_path / "pid")
    process = client({"bot": {"command": command, "ready": READY}})
    pids = line_of(process)
    child = pid_in(tmp_path / "pid")
    supervisor = recorded(tmp_path)["_supervisor"]
    process.send_signal(signal.SIGSTOP)  # it must not see the end of the supervisor
    os.kill(supervisor, signal.SIGKILL)
    process.kill()
    process.wait()
    wait_until_dead(supervisor, *pids)
    assert is_alive(child)
    processes = lane({"bot": {"command": python(STAY), "stop": {"grace_s": 0.1}}})
    processes.start()
    assert processes.leftover == (child,)
    assert not is_alive(child)


def test_leftover_waits_for_a_supervisor_that_is_still_ending(
    client: Client, tmp_path: Path
) -> None:
    process = client({"bot": {"command": python(DEAF), "ready": READY, "stop": {"grace_s": 600}}})
    pids = line_of(process)
    supervisor = recorded(tmp_path)["_supervisor"]
    process.kill()
    process.wait()
    assert {*pids, supervisor} <= set(end_leftover(tmp_path, grace_s=0.1))
    assert not any(map(is_alive, [*pids, supervisor]))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_supervisor_ends_all_in_order(
    lane: Lane, tmp_path: Path, number: int
) -> None:
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        "    with open('order', 'a') as file: file.write(sys.argv[1])\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n" + STAY
    )
    section = {
        name: {"command": python(code, name), "ready": READY, "stop": {"grace_s": 30}}
        for name in "abc"
    }
    processes = lane(section)
    processes.start()
    supervisor = recorded(tmp_path)["_supervisor"]
    os.kill(supervisor, number)
    wait_until_dead(supervisor)
    assert (tmp_path / "order").read_text() == "cba"
    with pytest.raises(ProcessError, match="exit code 0"):
        wait_for(processes.poll, "the loss is noticed")


def test_a_second_signal_to_the_supervisor_kills(lane: Lane, tmp_path: Path) -> None:
    code = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('TERM', flush=True))\n"
        "print('READY', flush=True)\n"
        "while True: time.sleep(600)\n"
    )
    processes = lane({"bot": {"command": python(code), "ready": READY, "stop": {"grace_s": 60}}})
    processes.start()
    supervisor = recorded(tmp_path)["_supervisor"]
    os.kill(supervisor, signal.SIGTERM)
    wait_for(lambda: "TERM" in processes.last_lines("bot"), "it gets the first signal")
    os.kill(supervisor, signal.SIGTERM)
    wait_until_dead(supervisor)
