"""Lanes of live targets beside each other: each has its own processes, files and ports."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sessions.conftest import Sessions
from tests.sessions.live_bots import (
    ARGS,
    LaneDirectory,
    ends_by_itself,
    journal_is_of_any_run,
    living,
    seq_never_repeats,
    until,
    write_bot,
)
from tests.sessions.running import running

ITERATIONS = 6
LENGTH = f"--soak-iterations={ITERATIONS}"
LONG = "--soak-iterations=600"
XDIST = ("-n", "2")


@pytest.fixture
def folder(soak: Sessions) -> Iterator[Path]:
    yield soak.folder
    assert living(soak.folder) == []


@pytest.fixture
def lanes(folder: Path) -> list[LaneDirectory]:
    """Those of two seeds."""
    latest = folder / "artifacts" / "soak" / "latest"
    return [LaneDirectory(latest / f"small-{seed}") for seed in (1, 2)]


def is_whole(lane: LaneDirectory) -> bool:
    return sorted(lane.observed()) == [*range(1, ITERATIONS + 1)]


def test_each_lane_has_its_own_supervisor_directory_and_port(
    soak: Sessions, folder: Path, lanes: list[LaneDirectory]
) -> None:
    pytest.importorskip("xdist")
    write_bot(folder)
    with running(soak, LENGTH, *ARGS, "--soak-seed=1,2", *XDIST) as session:
        bots = [lane.bot() for lane in lanes]
        supervisors = [lane.supervisor() for lane in lanes]
        workers = {supervisor.ppid() for supervisor in supervisors}
        assert len(workers) == 2
        assert session.process.pid not in workers
        assert [bot.ppid() for bot in bots] == [supervisor.pid for supervisor in supervisors]
        assert [bot.environ()["SOAK_DIR"] for bot in bots] == [
            str(lane.path / "target") for lane in lanes
        ]
        assert len({bot.cmdline()[4] for bot in bots}) == 2
        assert len({lane.token for lane in lanes}) == 2
        out = session.end()
    assert session.code == 0, out
    for lane in lanes:
        assert is_whole(lane), out
        seq_never_repeats(lane)
        journal_is_of_any_run(lane)


def test_two_lanes_run_one_after_another_without_workers(
    soak: Sessions, folder: Path, lanes: list[LaneDirectory]
) -> None:
    write_bot(folder)
    result = soak(LENGTH, *ARGS, "--soak-seed=1,2", subprocess=True)
    assert result.code == 0, result.out
    for lane in lanes:
        assert is_whole(lane), result.out
        seq_never_repeats(lane)
        journal_is_of_any_run(lane)


@pytest.mark.parametrize("workers", [(), XDIST])
@pytest.mark.parametrize(
    "shared", [{"runtime": "shared.json"}, {"report": "shared.json"}], ids=["runtime", "report"]
)
def test_two_lanes_with_one_file_are_refused(
    soak: Sessions, folder: Path, workers: tuple[str, ...], shared: dict[str, str]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    write_bot(
        folder, runtime=shared.get("runtime", "{dir}/a"), report=shared.get("report", "{dir}/b")
    )
    result = soak(LENGTH, *ARGS, "--soak-seed=1,2", *workers, subprocess=True)
    assert result.code == 4, result.out
    assert "lanes small-1 and small-2 both use" in result.err
    assert str(folder / "shared.json") in result.err
    assert not (folder / "shared.json").exists()
    assert not (folder / "artifacts" / "soak" / "latest").exists()


def test_a_destination_that_another_session_uses_is_refused(soak: Sessions, folder: Path) -> None:
    write_bot(folder, runtime="shared.json")
    other = (LENGTH, *ARGS, "--soak-dir=other")
    with running(soak, LONG, *ARGS) as session:
        lane = LaneDirectory(session.latest)
        lane.bot()
        before = living(folder)
        result = soak(*other, subprocess=True)
        assert result.code == 4, result.out
        assert f"{folder / 'shared.json'} is in use by another lane or session" in result.err
        assert f"process {session.process.pid}" in result.err
        assert living(folder) == before
        session.process.terminate()
        session.end()
    assert not lane.entries("halt")
    after = soak(*other, subprocess=True)
    assert after.code == 0, after.out


@pytest.mark.parametrize("resume", ["--soak-resume", "--soak-seed=1"])
def test_what_a_killed_session_left_is_ended_first(
    soak: Sessions, folder: Path, resume: str
) -> None:
    """Also by a run that begins anew in the same directory: it would use the same files."""
    write_bot(folder, helper=True)
    with running(soak, LENGTH, *ARGS) as session:
        lane = LaneDirectory(session.latest)
        lane.bot()
        helpers = until(lambda: lane.bot().children(), 30, "helper")
        session.process.send_signal(signal.SIGSTOP)  # it must not see the end of the supervisor
        lane.supervisor().kill()
        session.process.kill()
        session.end()
    until(lambda: len(living(folder)) == 1, 10, f"one of {living(folder)}")
    (helper,) = helpers
    assert helper.is_running()
    result = soak(LENGTH, *ARGS, resume, "-v", subprocess=True)
    assert not helper.is_running()
    assert result.code == 0, result.out
    lane = LaneDirectory(result.latest)
    assert is_whole(lane)
    journal_is_of_any_run(lane, helper.pid)
    assert f"an earlier session left were ended: {helper.pid} |" in result.text("run.log")


def test_a_killed_session_of_two_workers_ends_both_lanes(
    soak: Sessions, folder: Path, lanes: list[LaneDirectory]
) -> None:
    pytest.importorskip("xdist")
    write_bot(folder)
    args = (LENGTH, *ARGS, "--soak-seed=1,2", *XDIST)
    with running(soak, *args) as session:
        for lane in lanes:
            lane.bot()
        os.kill(session.process.pid, signal.SIGKILL)
        session.end()
        ends_by_itself(folder)
    result = soak(*args, "--soak-resume", subprocess=True)
    assert result.code == 0, result.out
    for lane in lanes:
        assert is_whole(lane), result.out
        seq_never_repeats(lane)
        journal_is_of_any_run(lane)
