"""Ways to fail, chosen by the variable ``FAULT``: a soak must notice each of them.

A real bot has no such module. ``hang@5`` acts in iteration 5 of the soak, ``ignore:KEY`` on one
parameter; README.md has the table of all, with what the plugin makes of them.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

Report = dict[str, Any]
MEGABYTE = 1_000_000

# -- at the start ----------------------------------------------------------------------------


def deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def grandchild() -> None:
    """It leaves the session of its parent, so that a signal to the group does not reach it."""
    sleeps = [sys.executable, "-c", "import time; time.sleep(3600)"]
    subprocess.Popen(sleeps, start_new_session=True)


AT_START: dict[str, Callable[[], None]] = {"deaf": deaf, "grandchild": grandchild}

# -- to a parameter --------------------------------------------------------------------------

TO_PARAMETER: dict[str, Callable[[float, float], float]] = {
    "ignore": lambda old, _: old,
    "round": lambda _, new: float(f"{new:.1g}"),
}

# -- in an iteration -------------------------------------------------------------------------


async def hang() -> None:
    """Nothing runs any more, as in a deadlock; only SIGTERM still ends it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while True:
        time.sleep(1)


async def stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


async def crash() -> None:
    await asyncio.sleep(0.1)
    raise RuntimeError("a crash, as FAULT says")


async def flood() -> None:
    lines = (f"{number:08d} {'x' * 990}\n" for number in range(100 * MEGABYTE // 1000))
    threading.Thread(target=sys.stdout.writelines, args=[lines], daemon=True).start()


IN_ITERATION: dict[str, Callable[[], Awaitable[None]]] = {
    "hang": hang,
    "stop": stop,
    "crash": crash,
    "flood": flood,
}

# -- to what the report says -----------------------------------------------------------------

TO_REPORT: dict[str, Callable[[Report], Report]] = {
    "wrong_seq": lambda report: {**report, "applied_seq": report["applied_seq"] - 1},
    "other_run": lambda report: {**report, "run_id": "another-run"},
    "no_seq": lambda report: {
        key: value
        for key, value in report.items()
        if key not in ("seq", "applied_seq", "run_id", "boot_id")
    },
}

# -- to the file of the report ---------------------------------------------------------------


def half(path: Path, text: str) -> None:
    path.write_text(text[: len(text) // 2])


def fifo(path: Path, text: str) -> None:
    if not path.is_fifo():
        path.unlink(missing_ok=True)
        os.mkfifo(path)


def link(path: Path, text: str) -> None:
    elsewhere = path.with_name("elsewhere.json")
    elsewhere.write_text(text)
    if not path.is_symlink():
        path.unlink(missing_ok=True)
        path.symlink_to(elsewhere)


def huge(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    os.truncate(new, 100 * MEGABYTE)  # a sparse file: it costs no disk
    new.replace(path)


TO_FILE: dict[str, Callable[[Path, str], None]] = {
    "half": half,
    "fifo": fifo,
    "link": link,
    "huge": huge,
}

# -- the one that is chosen ------------------------------------------------------------------

OTHERS = ("", "not_ready", "stale", "slow")
ALL = (*OTHERS, *AT_START, *TO_PARAMETER, *IN_ITERATION, *TO_REPORT, *TO_FILE)


class Fault:
    """The fault that ``FAULT`` names. Without one all methods do nothing."""

    def __init__(self, text: str, keys: Iterable[str], folder: Path, interval_s: float) -> None:
        match = re.fullmatch(r"(\w*)(?::(\w+))?(?:@(\d+))?", text)
        name, key, iteration = match.groups() if match is not None else ("?", None, None)
        if name not in ALL or (key is not None) != (name in TO_PARAMETER):
            raise SystemExit(f"FAULT={text}: known are {', '.join(filter(None, ALL))}")
        if key is not None and key not in keys:
            raise SystemExit(f"FAULT={text}: the parameters are {', '.join(keys)}")
        self.name, self.key = name, key
        self.iteration = int(iteration) if iteration is not None else None
        self.marker = folder / "crashed"
        self.interval_s = interval_s
        self.first: int | None = None
        self.current: int | None = None
        self.applied = time.monotonic()
        if self.name in AT_START:
            AT_START[self.name]()

    @property
    def says_ready(self) -> bool:
        return self.name != "not_ready"

    def value(self, key: str, old: float, new: float) -> float:
        """What becomes of a new value of a parameter."""
        return TO_PARAMETER[self.name](old, new) if self.key == key else new

    async def in_iteration(self, iteration: int) -> None:
        """Called when the parameters of an iteration are applied."""
        self.applied = time.monotonic()
        self.first, self.current = self.first or iteration, iteration
        act = IN_ITERATION.get(self.name)
        if act is None or (self.iteration is not None and self.iteration != iteration):
            return
        if self.name == "crash" and self.iteration is not None:
            if self.marker.exists():
                return  # once is enough
            self.marker.touch()
        if self.name == "flood":
            self.name = ""
        await act()

    def report(self, report: Report) -> Report | None:
        """The report as it is written; None: not now."""
        if self.name == "stale" and self.current != self.first:
            return None
        if self.name == "slow" and time.monotonic() - self.applied < 1.5 * self.interval_s:
            return None
        change = TO_REPORT.get(self.name)
        return change(report) if change is not None else report

    def write(self, path: Path, text: str) -> bool:
        """Writes the report in the place of the bot; False: the bot writes it itself."""
        write = TO_FILE.get(self.name)
        if write is not None:
            write(path, text)
        return write is not None
