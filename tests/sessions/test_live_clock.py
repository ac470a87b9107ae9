"""The clock of the machine is set a day forward and a day back while a live run is at work."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.sessions.conftest import Sessions
from tests.sessions.live_bots import (
    ARGS,
    LaneDirectory,
    journal_is_of_any_run,
    living,
    seq_never_repeats,
    until,
    write_bot,
)
from tests.sessions.running import running

COMPILER = shutil.which("cc")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD is of Linux"),
    pytest.mark.skipif(COMPILER is None, reason="there is no C compiler"),
]
DAY_S = 86400
ITERATIONS = 12
JUMPS = {3: DAY_S, 6: 0, 9: -DAY_S}
"""Iteration in which the clock is set, to so many seconds from the true time."""
SHIM = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset(void) {
    char text[32] = {0};
    const char *name = getenv("CLOCK_OFFSET");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    return length > 0 ? atol(text) : 0;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += offset();
    return failed;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec time;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &time);
    now->tv_sec = time.tv_sec;
    now->tv_usec = time.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *now) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    if (now) *now = time.tv_sec;
    return time.tv_sec;
}
"""


class Clock:
    """The clock of all programs that are started from now on, which a test can set."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._offset = folder / "clock_offset"
        source, library = folder / "clock.c", folder / "clock.so"
        source.write_text(SHIM)
        command = [str(COMPILER), "-shared", "-fPIC", "-O1", "-o", str(library), str(source)]
        subprocess.run(command, check=True)
        self.set(0)
        monkeypatch.setenv("CLOCK_OFFSET", str(self._offset))
        monkeypatch.setenv("LD_PRELOAD", str(library))

    def set(self, seconds: int) -> None:
        """So many seconds from the true time."""
        new = self._offset.with_suffix(".new")
        new.write_text(f"{seconds}\n")
        new.replace(self._offset)


@pytest.fixture
def clock(soak: Sessions, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(soak.folder, monkeypatch)
    program = "import time; print(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME))"

    def read() -> float:
        return float(subprocess.run([sys.executable, "-c", program], capture_output=True).stdout)

    before = read()
    clock.set(DAY_S)
    assert read() - before == pytest.approx(DAY_S, abs=5)
    clock.set(0)
    return clock


@pytest.mark.parametrize("take", ["last", "merge"])
def test_a_clock_that_is_set_changes_nothing(soak: Sessions, clock: Clock, take: str) -> None:
    write_bot(soak.folder, audit=False, take=take)
    args = (f"--soak-iterations={ITERATIONS}", *ARGS, "-v")
    assert soak(*args, "--soak-dir=whole", subprocess=True).code == 0
    whole = LaneDirectory(soak.folder / "whole" / "latest")
    with running(soak, *args) as session:
        lane = LaneDirectory(session.latest)
        for iteration, seconds in JUMPS.items():
            until(
                lambda: any(item.iteration == iteration for item in lane.reports()),  # noqa: B023
                30,
                f"report of iteration {iteration}",
            )
            processes = [psutil.Process(session.process.pid), lane.supervisor(), lane.bot()]
            assert all("LD_PRELOAD" in process.environ() for process in processes)
            clock.set(seconds)
        out = session.end()
    assert session.code == 0, out
    assert not [report for report in lane.observed().values() if "fault" in report], out
    assert lane.journal() == whole.journal()
    jumps = [item.length_s for item in lane.reports() if abs(item.length_s) > DAY_S / 2]
    assert {length_s > 0 for length_s in jumps} == {True, False}, "no report saw a jump"
    snapshot = json.loads((session.latest / "POST_SOAK_SNAPSHOT.json").read_text())
    (quality,) = (item for item in snapshot["criteria"] if item["name"] == "delta_quality")
    assert (quality["verdict"], quality["value"]) == ("PASS", 1)
    seq_never_repeats(lane)
    journal_is_of_any_run(lane)
    assert living(soak.folder) == []
