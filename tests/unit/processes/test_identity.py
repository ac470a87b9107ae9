"""Which process is which, and what an earlier session left: only its own is signalled."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from pytest_soak.processes.errors import ProcessError
from pytest_soak.processes.identity import (
    TOKEN,
    Identity,
    descendants,
    identity_of,
    is_alive,
    is_suspended,
    send,
    with_token,
)
from pytest_soak.processes.leftover import end_leftover
from pytest_soak.processes.record import (
    FILE,
    RecordedProcess,
    new_record,
    read_record,
    write_record,
)
from tests.unit.processes.programs import (
    DEAF,
    IN_ITS_OWN_SESSION,
    STAY,
    pid_in,
    python,
    wait_for,
)

Run = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def run(environment: Mapping[str, str]) -> Iterator[Run]:
    """Starts a program that says READY, with a token; it is killed at the end."""
    running: list[subprocess.Popen[bytes]] = []

    def start(code: str, *arguments: object, token: str | None = None) -> subprocess.Popen[bytes]:
        tokens = {} if token is None else {TOKEN: token}
        process = subprocess.Popen(
            python(code, *arguments), stdout=subprocess.PIPE, env={**environment, **tokens}
        )
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"READY\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def token() -> str:
    """Random, as that of a lane: another run of the suite has other processes."""
    return secrets.token_hex(8)


def identity(pid: int) -> Identity:
    present = identity_of(pid)
    assert present is not None
    return present


def test_a_signal_reaches_the_process_that_is_meant_only(run: Run) -> None:
    process = run(STAY)
    meant = identity(process.pid)
    send(Identity(process.pid, "another start"), signal.SIGKILL)
    assert process.poll() is None
    send(meant, signal.SIGSTOP)
    wait_for(lambda: is_suspended(meant), "it is suspended")
    send(meant, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert identity_of(process.pid) is None
    assert not is_alive(meant)
    send(meant, signal.SIGKILL)  # nothing happens


def test_a_zombie_is_not_alive(run: Run) -> None:
    process = run(STAY)
    meant = identity(process.pid)
    assert is_alive(meant)
    os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(meant), "it is dead though nothing has read its exit code")
    assert identity_of(process.pid) == meant


def test_descendants_are_those_below(run: Run, tmp_path: Path) -> None:
    process = run(IN_ITS_OWN_SESSION, tmp_path / "pid")
    child = pid_in(tmp_path / "pid")
    below = [member.pid for member, _ in descendants(os.getpid())]
    assert below.index(process.pid) < below.index(child)
    assert list(descendants(child)) == []
    os.kill(child, signal.SIGKILL)


def test_a_token_is_one_of_several(run: Run, token: str) -> None:
    inner = run(STAY, token=f"{token}-outer:{token}-inner")
    run(STAY, token=f"{token}-inn")
    run(STAY)
    assert [member.pid for member in with_token(f"{token}-inner")] == [inner.pid]
    assert [member.pid for member in with_token(f"{token}-outer")] == [inner.pid]


def test_leftover_ends_its_own_and_nothing_else(run: Run, tmp_path: Path, token: str) -> None:
    own = run(DEAF, token=token)
    recorded = run(STAY)
    others = [run(STAY, token=f"{token}-another"), run(STAY)]
    record = new_record(tmp_path, token)
    processes = (
        RecordedProcess("a", *identity(recorded.pid)),
        RecordedProcess("b", others[1].pid, "an earlier start"),
        RecordedProcess("me", *identity(os.getpid())),  # never ends itself
    )
    write_record(tmp_path, type(record)(1, token, record.directory, processes))
    assert end_leftover(tmp_path, grace_s=0.1) == tuple(sorted((own.pid, recorded.pid)))
    assert own.wait() == -signal.SIGKILL
    assert recorded.wait() == -signal.SIGTERM
    assert [other.poll() for other in others] == [None, None]
    assert not (tmp_path / FILE).exists()
    assert end_leftover(tmp_path) == ()


def test_a_copy_of_a_directory_is_another_lane(run: Run, tmp_path: Path, token: str) -> None:
    process = run(STAY, token=token)
    lane, copy, moved = tmp_path / "lane", tmp_path / "copy", tmp_path / "moved"
    lane.mkdir()
    write_record(lane, new_record(lane, token))
    shutil.copytree(lane, copy)
    assert end_leftover(copy) == ()
    assert process.poll() is None
    lane.rename(moved)
    assert end_leftover(moved) == (process.pid,)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 2}', "[" * 100_000])
def test_a_damaged_record_is_an_error_that_says_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ProcessError, match="then remove the file") as caught:
        read_record(tmp_path)
    assert caught.value.kind == "record_unreadable"
