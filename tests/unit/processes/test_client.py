"""The processes of a lane: start in order, ready, watched, restarted, signalled, stopped."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from pytest_soak.processes.client import Processes
from pytest_soak.processes.errors import ProcessError
from pytest_soak.processes.ports import FreePorts
from pytest_soak.processes.record import FILE
from pytest_soak.processes.state import Ended
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
)

READY = {"log": "^READY$", "within_s": 30}
QUICK = {"grace_s": 0.1}

LOGGED = (
    "import signal, sys, time\n"
    "def note(text):\n"
    "    with open('order', 'a') as file: file.write(f'{text} {sys.argv[1]}\\n')\n"
    "def end(*_):\n"
    "    note('end'); sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, end)\n"
    "note('begin')\n" + STAY
)
"""Writes its begin and end into the file ``order``."""


def bot(code: str = STAY, *arguments: object, **fields: Any) -> dict[str, Any]:
    fields = {"ready": READY, "stop": QUICK, **fields}
    return {"command": python(code, *arguments), **fields}


def pid_of(processes: Processes, name: str = "bot") -> int:
    identity = processes.identity(name)
    assert identity is not None
    return identity.pid


def failed(processes: Processes) -> ProcessError:
    with pytest.raises(ProcessError) as caught:
        processes.start()
    return caught.value


def ended(processes: Processes) -> tuple[Ended, ...]:
    return wait_for(processes.poll, "a process ends")


@pytest.fixture(params=[False, True], ids=["linux", "portable"])
def portable(request: pytest.FixtureRequest) -> bool:
    """With all features of Linux, and without them."""
    if not request.param and not sys.platform.startswith("linux"):
        pytest.skip("needs Linux")
    return bool(request.param)


def test_start_ready_stop(lane: Lane, tmp_path: Path, portable: bool) -> None:
    processes = lane({"bot": bot()}, portable=portable)
    assert not processes.is_ready("bot")
    processes.start()
    assert processes.is_ready("bot")
    assert processes.poll() == ()
    assert processes.last_lines("bot") == ("READY",)
    assert bool(processes.notices) == portable
    pid = pid_of(processes)
    assert os.getsid(pid) == pid
    processes.stop()
    assert not is_alive(pid)
    assert not processes.is_ready("bot")
    assert processes.poll() == ()
    processes.close()
    processes.close()
    assert not (tmp_path / FILE).exists()
    assert (tmp_path / "log" / "_supervisor.log").read_text() == ""
    with pytest.raises(ProcessError) as caught:
        processes.poll()
    assert caught.value.kind == "closed"


def test_what_is_deaf_to_the_stop_signal_is_killed_after_the_grace(lane: Lane) -> None:
    processes = lane({"bot": bot(DEAF)})
    processes.start()
    pid = pid_of(processes)
    began = time.monotonic()
    processes.close()
    assert time.monotonic() - began >= 0.1
    assert not is_alive(pid)


def test_a_suspended_process_can_end_in_good_order(lane: Lane, tmp_path: Path) -> None:
    processes = lane({"bot": bot(LOGGED, "bot", stop={"grace_s": 30})})
    processes.start()
    assert not processes.is_suspended("bot")
    processes.signal("bot", signal.SIGSTOP)
    wait_for(lambda: processes.is_suspended("bot"), "it is suspended")
    processes.close()
    assert (tmp_path / "order").read_text() == "begin bot\nend bot\n"


@pytest.mark.parametrize("code", [IN_ITS_OWN_SESSION, DOUBLE_FORK])
@pytest.mark.parametrize("way", ["stop", "close", "restart"])
def test_what_left_its_session_ends_too(
    lane: Lane, tmp_path: Path, portable: bool, code: str, way: str
) -> None:
    processes = lane({"bot": bot(code, tmp_path / "pid")}, portable=portable)
    processes.start()
    child = pid_in(tmp_path / "pid")
    assert os.getsid(child) != pid_of(processes)
    if way == "restart":
        processes.restart("bot", planned=True)
    else:
        getattr(processes, way)()
    assert not is_alive(child)


def test_processes_start_in_order_and_stop_in_reverse(lane: Lane, tmp_path: Path) -> None:
    processes = lane(
        {
            "c": bot(LOGGED, "c", after=["a", "b"], stop={"grace_s": 30}),
            "b": bot(LOGGED, "b", after="a", stop={"grace_s": 30}),
            "a": bot(LOGGED, "a", stop={"grace_s": 30}),
        }
    )
    processes.start()
    assert processes.names == ("a", "b", "c")
    processes.close()
    order = (tmp_path / "order").read_text().splitlines()
    assert order == ["begin a", "begin b", "begin c", "end c", "end b", "end a"]


def test_a_restart_restarts_what_comes_after_it(lane: Lane, tmp_path: Path) -> None:
    processes = lane(
        {
            "a": bot(LOGGED, "a", stop={"grace_s": 30}),
            "b": bot(LOGGED, "b", after="a", stop={"grace_s": 30}),
            "other": bot(),
        }
    )
    processes.start()
    other = pid_of(processes, "other")
    assert processes.restart("a", planned=True) == ("a", "b")
    order = (tmp_path / "order").read_text().splitlines()
    assert order == ["begin a", "begin b", "end b", "end a", "begin a", "begin b"]
    assert pid_of(processes, "other") == other
    assert processes.restarts("a").used == 0
    assert processes.poll() == ()


def test_a_process_that_ended_is_reported_and_restarted_within_its_budget(lane: Lane) -> None:
    now = [0.0]
    processes = lane(
        {"bot": bot(restart={"budget": 2, "backoff_s": [1, 5]})},
        clock=lambda: now.__setitem__(0, now[0] + 1.0) or now[0],
    )
    processes.start()
    for number in (1, 2):
        os.kill(pid_of(processes), signal.SIGKILL)
        assert ended(processes) == (Ended("bot", -signal.SIGKILL),)
        assert not processes.is_ready("bot")
        assert processes.identity("bot") is None
        before = now[0]
        processes.restart("bot")
        assert now[0] - before >= (1.0, 5.0)[number - 1]
        assert processes.is_ready("bot")
        assert processes.restarts("bot").used == number
    os.kill(pid_of(processes), signal.SIGKILL)
    assert [end.text for end in ended(processes)] == ["signal SIGKILL"]
    with pytest.raises(ProcessError) as caught:
        processes.restart("bot")
    assert caught.value.kind == "dead"
    assert "ended with signal SIGKILL, and all 2 restarts are used up" in str(caught.value)


def test_an_exit_code_comes_after_the_last_output(lane: Lane) -> None:
    # More than is read at once: the rest is in the pipe when the process has ended.
    code = "print(('x' * 999 + '\\n') * 2400, end='')\nprint('bye')\nraise SystemExit(3)"
    error = failed(lane({"bot": bot(code)}))
    assert (error.kind, error.process) == ("not_ready", "bot")
    assert "ended with exit code 3 before it was ready" in str(error)
    assert error.log[-2:] == ("x" * 999, "bye")


def test_not_ready_in_time_names_the_condition_and_shows_the_log(lane: Lane) -> None:
    section = {"bot": bot("print('almost', flush=True)\n" + STAY, ready={"log": "^NEVER"})}
    section["bot"]["ready"]["within_s"] = 1.0
    error = failed(lane(section))
    assert error.kind == "not_ready"
    assert error.text == "not ready within 1 s: no line of its log matches '^NEVER'"
    assert error.log == ("almost", "READY")


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (["./no-such-program"], "'./no-such-program' cannot be started: No such file"),
        ([os.fspath(Path(__file__))], "cannot be started: Permission denied"),
    ],
)
def test_a_program_that_cannot_be_started(lane: Lane, command: list[str], problem: str) -> None:
    error = failed(lane({"bot": {"command": command}}))
    assert (error.kind, error.process) == ("not_started", "bot")
    assert problem in error.text


def test_a_directory_that_is_missing(lane: Lane) -> None:
    error = failed(lane({"bot": bot(cwd="nowhere")}))
    assert error.kind == "not_started"
    assert "nowhere" in error.text


def test_a_port_that_is_taken_is_an_error_before_the_start(lane: Lane, tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        ready = {"port": port, "within_s": 30}
        error = failed(lane({"bot": bot(LOGGED, "bot", ready=ready)}))
    assert error.kind == "port_taken"
    assert f"port {port} is taken by" in error.text
    assert not (tmp_path / "order").exists()


def test_a_port_is_kept_over_restarts(lane: Lane) -> None:
    port = FreePorts().port("api")
    code = (
        f"import socket, sys, time\nserver = socket.create_server(('127.0.0.1', {port}))\n" + STAY
    )
    processes = lane({"bot": bot(code, ready={"port": port, "within_s": 30})})
    processes.start()
    with socket.create_connection(("127.0.0.1", port)):
        processes.restart("bot", planned=True)
    assert processes.is_ready("bot")


NOTIFIES = (
    "import os, socket, time\n"
    "out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
    "out.connect(os.environ['NOTIFY_SOCKET'])\n"
    "out.send(b'STATUS=nearly')\n"
    "out.send(b'STATUS=here\\nREADY=1\\n')\n"
    "for number in range(3000): out.send(b'WATCHDOG=1')\n"
    "print('sent', os.environ['NOTIFY_SOCKET'], flush=True)\n"
    "time.sleep(600)\n"
)


def test_a_process_notifies_as_for_systemd(
    lane: Lane, tmp_path: Path, environment: Mapping[str, str]
) -> None:
    long = tmp_path / ("long" * 30)
    long.mkdir()
    processes = lane(
        {"bot": bot(NOTIFIES, ready={"notify": True, "within_s": 30})},
        environment={**environment, "TMPDIR": os.fspath(long)},
    )
    processes.start()
    (line,) = wait_for(lambda: processes.last_lines("bot"), "all messages are taken")
    path = Path(line.removeprefix("sent "))
    assert path.exists()
    processes.close()
    assert not path.parent.exists()
    assert len(os.fsencode(path)) < 100


def test_a_signal_goes_to_a_ready_process_only(lane: Lane) -> None:
    code = "import signal\nsignal.signal(signal.SIGHUP, lambda *_: print('HUP', flush=True))\n"
    processes = lane({"bot": bot(code + STAY)})
    with pytest.raises(ProcessError) as caught:
        processes.signal("bot", signal.SIGHUP)
    assert caught.value.kind == "closed"
    processes.start()
    processes.signal("bot", signal.SIGHUP)
    wait_for(lambda: processes.last_lines("bot") == ("READY", "HUP"), "the signal is handled")
    os.kill(pid_of(processes), signal.SIGKILL)
    wait_for(lambda: not processes.poll() and not processes.is_ready("bot"), "it ends")
    with pytest.raises(ProcessError, match="it ended with signal SIGKILL"):
        processes.signal("bot", signal.SIGHUP)


def test_signals_that_the_client_ignores_are_not_ignored_below(lane: Lane) -> None:
    code = (
        "import signal\n"
        "handlers = [signal.getsignal(number) for number in (2, 1, 10)]\n"
        "print(*(getattr(handler, 'name', 'own') for handler in handlers), "
        "signal.pthread_sigmask(0, []), flush=True)\n" + STAY
    )
    original = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    try:
        processes = lane({"bot": bot(code)})
        processes.start()
    finally:
        signal.signal(signal.SIGUSR1, original)
        signal.signal(signal.SIGINT, interrupt)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
    # Python handles SIGINT itself, unless it is ignored.
    assert processes.last_lines("bot")[0] == "own SIG_DFL SIG_DFL set()"


def test_values_of_variables_are_in_no_text(
    lane: Lane, environment: Mapping[str, str], tmp_path: Path
) -> None:
    code = "import os\nprint(os.environ['A'], os.environ['B'], os.environ['C'])\n" + STAY
    processes = lane(
        {
            "bot": bot(
                code,
                env={"A": "value-of-a", "B": {"env": "KEY"}},
                env_from=["C"],
                ready={"log": "NEVER", "within_s": 0.5},
            )
        },
        environment={**environment, "KEY": "value-of-key", "C": "value-of-c"},
    )
    error = failed(processes)
    assert "value-of" not in f"{error} {error.log} {(tmp_path / 'log/_supervisor.log').read_text()}"
    assert error.log in (("*** *** ***", "READY"), ())


def test_a_variable_that_is_not_set_is_an_error_before_the_start(lane: Lane) -> None:
    error = failed(lane({"bot": bot(env_from=["SOAK_TEST_NOT_SET"])}))
    assert (error.kind, error.process) == ("variable_missing", "bot")
    assert "SOAK_TEST_NOT_SET is not set" in error.text


def test_a_flood_stays_in_its_cap_and_costs_little(lane: Lane, tmp_path: Path) -> None:
    code = "print('READY', flush=True)\nwhile True: print('x' * 10_000)\n"
    processes = lane({"bot": bot(code, log={"max_mb": 0.2, "keep": 1})})
    processes.start()
    log = tmp_path / "log"
    children = psutil.Process().children()
    (supervisor,) = [child for child in children if "--parent=" in " ".join(child.cmdline())]
    before = supervisor.memory_info().rss
    wait_for((log / "bot.log.1").exists, "files are rotated")
    began, used = time.monotonic(), sum(supervisor.cpu_times()[:2])
    wait_for(lambda: time.monotonic() - began > 0.5, "half a second")
    # A rate of 16 MB/s: without it, the supervisor would use a whole processor.
    assert (sum(supervisor.cpu_times()[:2]) - used) / (time.monotonic() - began) < 0.5
    assert supervisor.memory_info().rss - before < 8_000_000
    processes.close()
    sizes = {file.name: file.stat().st_size for file in log.glob("bot.log*")}
    assert sizes.keys() == {"bot.log", "bot.log.1"}
    assert all(size <= 200_000 for size in sizes.values())


def test_a_close_cuts_other_calls_short(lane: Lane) -> None:
    processes = lane({"bot": bot(ready={"log": "NEVER", "within_s": 600})})
    kinds: list[str] = []

    def start() -> None:
        try:
            processes.start()
        except ProcessError as error:
            kinds.append(error.kind)

    thread = threading.Thread(target=start)
    thread.start()
    wait_for(lambda: processes.identity("bot"), "it is started")
    processes.close()
    thread.join(30.0)
    assert kinds == ["closed"]


def test_ended_processes_of_names_that_differ_are_apart(lane: Lane) -> None:
    processes = lane({"a": bot(), "b": bot()})
    processes.start()
    os.kill(pid_of(processes, "b"), signal.SIGTERM)
    assert ended(processes) == (Ended("b", -signal.SIGTERM),)
    assert processes.is_ready("a")
    assert not processes.is_ready("b")
    processes.restart("b", planned=True)
    assert processes.is_ready("b")
    os.kill(pid_of(processes, "b"), signal.SIGTERM)

    def is_known() -> bool:
        processes.signal("a", 0)  # handles events, but gives none to the caller
        return not processes.is_ready("b")

    wait_for(is_known, "b ends")
    processes.restart("b", planned=True)
    assert processes.poll() == ()  # what ended before its restart is not reported after it
