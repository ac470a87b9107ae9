"""Two dry iterations: a short session with the tuner off, in a soak directory that is removed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from pytest_soak.interrupts import ended_by_signals
from pytest_soak.loop.model import History, Reading
from pytest_soak.starter.sample import from_file
from pytest_soak.starter.service import REPORT
from pytest_soak.store import names
from pytest_soak.store.errors import StoreError
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.stored import read_lanes

ITERATIONS = 2
INTERVAL_S = 1
_LONGEST_S = 180.0
_TO_END_S = 30.0
_MOST_LINES = 15
_ERRORS = re.compile(r"=+ ERRORS =+")
_STARTS_A_SOAK = (
    *("SOAK_ITERATIONS", "SOAK_HOURS", "USE_MOCK"),
    *("SOAK_RUNTIME_OVERRIDES_JSON", "MM_RUNTIME_OVERRIDES_JSON"),
)
"""Variables that would change which session it is, and with which start values."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of the two iterations."""

    readings: Mapping[str, Reading] = field(default_factory=dict)
    """KPI to its newest reading with data, else to its newest one; empty if nothing was measured.
    """
    problem: str = ""
    """Why the session did not get to its end; empty if it did."""
    output: tuple[str, ...] = ()
    """What it printed about its errors, or else the last lines that it printed."""
    report: Mapping[str, Any] = field(default_factory=dict)
    """The newest report of a program, also one that no KPI reads; empty without one."""


def run_trial(folder: Path, profile: str, check: str) -> Trial:
    """Runs the session in a process of its own, as the user's next command will.

    After Ctrl-C, SIGTERM and SIGHUP the session is interrupted too, its processes are ended, and
    KeyboardInterrupt is raised.
    """
    with (
        ended_by_signals(),
        tempfile.TemporaryDirectory(prefix="pytest-soak-init-", ignore_cleanup_errors=True) as name,
        tempfile.TemporaryFile() as printed,
    ):
        directory = Path(name).resolve() / "soak"
        session = subprocess.Popen(  # noqa: S603 - the Python that runs this command
            _command(profile, check, directory),
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            session.wait(_LONGEST_S)
            problem = ""
        except subprocess.TimeoutExpired:
            problem = f"the session did not end within {_LONGEST_S:.0f} s"
        finally:
            _end(session)
        printed.seek(0)
        text = printed.read().decode("utf-8", "replace")
        return _result(directory, problem, session.returncode, about_errors(text))


def _command(profile: str, check: str, directory: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", check),
        *(f"--soak-iterations={ITERATIONS}", f"--soak-interval={INTERVAL_S}"),
        *(f"--soak-profile=./{profile}", "--soak-no-tune", f"--soak-dir={directory}"),
        *("--soak-report=off", "--soak-summary=off", "-p", "no:cacheprovider"),
    ]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _STARTS_A_SOAK}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "98", "PY_COLORS": "0"}


def about_errors(printed: str) -> tuple[str, ...]:
    """The section of pytest about errors, else the end of what a session printed: a few lines."""
    lines = [line.rstrip() for line in printed.splitlines() if line.strip()]
    begins = [place for place, line in enumerate(lines) if _ERRORS.fullmatch(line)]
    if not begins:
        return tuple(lines[-_MOST_LINES:])
    rest = lines[begins[0] + 1 :]
    section = takewhile(lambda line: not line.startswith("==="), rest)
    return tuple(line for line in section if not line.startswith("___"))[:_MOST_LINES]


def _end(session: subprocess.Popen[bytes]) -> None:
    """Ends the session as Ctrl-C does, so that it ends its own processes first; then by force."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if session.poll() is not None:
            return
        session.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            session.wait(_TO_END_S)


def _result(directory: Path, problem: str, code: int, lines: tuple[str, ...]) -> Trial:
    try:
        run = RunDirectory.open(directory)
        (lane,) = read_lanes(run)
    except (StoreError, ValueError):
        return Trial({}, problem or f"the session was refused with exit {code}", lines)
    history = lane.history
    if history.halt is not None and not problem:
        problem = f"iteration {history.halt.iteration}: {history.halt.text}"
    return Trial(_newest(history), problem, lines, _written_report(directory))


def _written_report(directory: Path) -> Mapping[str, Any]:
    try:
        return from_file(directory / "latest" / names.TARGET / REPORT)
    except StoreError:
        return {}


def _newest(history: History) -> dict[str, Reading]:
    """For each KPI the newest reading that has data; without one the newest."""
    readings: dict[str, Reading] = {}
    for iteration in history.iterations:
        for name, reading in iteration.readings.items():
            if reading.value is not None or readings.get(name, reading).value is None:
                readings[name] = reading
    return readings
