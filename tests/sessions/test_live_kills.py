"""A live run that is killed at any moment loses nothing, leaves nothing, and can be resumed.

The moments are random, from fixed seeds: ``-k pytest-102`` repeats one.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.sessions.conftest import Sessions
from tests.sessions.live_bots import (
    ARGS,
    INTERVAL_S,
    LaneDirectory,
    ends_by_itself,
    journal_is_of_any_run,
    living,
    seq_never_repeats,
    until,
    write_bot,
)
from tests.sessions.running import Running, is_judged, running

ITERATIONS = 8
COUNTS = {"pytest": 10, "both": 8, "bot": 8, "supervisor": 8, "worker": 8, "term": 8}
ALL = [
    (kind, 100 * place + number)
    for place, (kind, count) in enumerate(COUNTS.items(), 1)
    for number in range(count)
]
"""What is killed, and the seed of the moment."""
ALWAYS = {("pytest", 102), ("bot", 301), ("supervisor", 401), ("worker", 501)}
"""These run with the plain test command too."""


def case(kind: str, seed: int) -> object:
    marks = () if (kind, seed) in ALWAYS else (pytest.mark.kills,)
    return pytest.param(kind, seed, id=f"{kind}-{seed}", marks=marks)


@pytest.fixture
def folder(soak: Sessions) -> Iterator[Path]:
    write_bot(soak.folder, audit=False)
    yield soak.folder
    assert living(soak.folder) == []


class Moment:
    """A random moment of a run: at the start of its processes, or at a part of its iterations."""

    def __init__(self, seed: int) -> None:
        drawn = random.Random(seed)
        is_at_start = seed % 100 == 0
        self.part = 0.0 if is_at_start else drawn.random()
        self.iteration, rest = divmod(self.part * ITERATIONS, 1.0)
        self.rest_s = rest * INTERVAL_S

    def wait(self, lane: LaneDirectory, session: Running) -> None:
        """Wait for it in a session that runs."""

        def runs() -> None:
            assert session.process.poll() is None, session.process.communicate()

        until(lambda: lane.pid("_supervisor"), 30, "supervisor", runs)
        if not self.part:
            return

        def is_delivered() -> bool:
            return any(item.iteration > self.iteration for item in lane.deliveries())

        until(is_delivered, 30, f"delivery of iteration {self.iteration + 1:g}", runs)
        with suppress(subprocess.TimeoutExpired):
            session.process.wait(self.rest_s)


def kill(kind: str, lane: LaneDirectory, session: Running) -> None:
    """Kill it, as it is at this moment."""
    supervisor = lane.supervisor()
    match kind:
        case "pytest" | "both":
            os.kill(session.process.pid, signal.SIGKILL)
            if kind == "both" and (bot := lane.pid("bot")):
                with suppress(ProcessLookupError):
                    os.kill(bot, signal.SIGKILL)
        case "bot":
            until(lambda: [*lane.deliveries()][1:], 30, "delivery of an iteration")
            lane.bot().kill()
        case "supervisor":
            supervisor.kill()
        case "worker":
            worker = supervisor.ppid()
            assert worker != session.process.pid
            os.kill(worker, signal.SIGKILL)
        case "term":
            os.kill(session.process.pid, signal.SIGTERM)


@pytest.mark.parametrize(("kind", "seed"), [case(*item) for item in ALL])
def test_a_kill_at_any_moment_loses_nothing_and_leaves_nothing(
    soak: Sessions, folder: Path, kind: str, seed: int
) -> None:
    is_deaf = seed % 100 == 3
    if seed % 2:
        write_bot(folder, helper=is_deaf)
    args = [f"--soak-iterations={ITERATIONS}", *ARGS, "-v"]
    latest = folder / "artifacts" / "soak" / "latest"
    lanes = [LaneDirectory(latest)]
    if kind == "worker":
        pytest.importorskip("xdist")
        args += ["--soak-seed=1,2", "-n", "2"]
        lanes = [LaneDirectory(latest / f"small-{number}") for number in (1, 2)]
    lane = lanes[seed % len(lanes)]
    with running(soak, *args) as session:
        Moment(seed).wait(lane, session)
        tokens = [item.token for item in lanes]
        assert lane.token
        acknowledged = lane.journal()
        pids = {session.process.pid, *(pid for item in lanes for pid in item.pids())}
        kill(kind, lane, session)
        if kind in ("pytest", "both"):
            session.end()
            ends_by_itself(folder, *tokens)
        elif kind in ("supervisor", "worker"):
            ends_by_itself(lane.path, lane.token)
        out = session.end()
        ends_by_itself(folder, *tokens)
    killed = lane.journal()
    assert killed.startswith(acknowledged), out
    went_on = set(lane.observed()) == set(range(1, ITERATIONS + 1))
    match kind:
        case "pytest" | "both":
            assert session.code == -signal.SIGKILL
        case "term":
            is_judged(latest)
        case "bot":
            assert went_on, out
            faults = [report["fault"] for report in lane.observed().values() if "fault" in report]
            assert faults in ([], ["dead (bot)"]), out
            assert not lane.entries("halt"), out
        case "supervisor":
            texts = [halt["text"] for halt in lane.entries("halt")]
            assert went_on or len(texts) == 1, out
            assert all("LiveHalt: supervisor_lost: " in text for text in texts), texts
        case "worker":
            other = lanes[(seed + 1) % 2]
            assert set(other.observed()) == set(range(1, ITERATIONS + 1)), out
    if seed % 3 == 0:  # the numbers go on, although the newest delivery is gone
        (lane.path / "target" / "runtime.json").unlink(missing_ok=True)
    resumed = soak(*args, "--soak-resume", subprocess=True)
    assert living(folder) == []
    for item in lanes:
        assert set(item.observed()) == set(range(1, ITERATIONS + 1)), resumed.out
        seq_never_repeats(item)
        journal_is_of_any_run(item, *pids)
    assert lane.journal().startswith(killed), resumed.out
    assert resumed.code == 0, (out, resumed.out)
    if seed % 2 == 0 and kind in ("pytest", "both", "worker", "term"):
        assert lane.journal() == whole(soak, args, lane), resumed.out


WHOLE: dict[str, bytes] = {}
"""Lane to its journal in a run that was not stopped."""


def whole(soak: Sessions, args: list[str], lane: LaneDirectory) -> bytes:
    """The journal of the same run, not stopped and without workers."""
    name = lane.path.name
    if name not in WHOLE:
        plain = [arg for arg in args if arg not in ("-n", "2")]
        assert soak(*plain, "--soak-dir=whole", subprocess=True).code == 0
        of_a_lane = "." if name == "latest" else name
        WHOLE[name] = LaneDirectory(soak.folder / "whole" / "latest" / of_a_lane).journal()
    return WHOLE[name]
