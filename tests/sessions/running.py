"""Sessions in processes of their own, of a slow bot that leaves a file for each call."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.artifacts import problems
from tests.sessions.conftest import Result, Sessions

SLOW = '''
import os, pathlib, threading, time
from bot import Bot

HERE = pathlib.Path(__file__).parent


class Slow(Bot):
    """Leaves a file for each call; iterations take a moment."""

    def note(self, what):
        (HERE / f"{what}-{self.lane.seed}").write_text(str(os.getpid()))

    def run(self, iteration, runtime):
        self.note(f"run-{iteration}")
        threading.Event().wait(0.05)
        return super().run(iteration, runtime)

    def stop(self):
        self.note("stop")


def make(lane):
    return Slow(lane)
'''
ARGS = ("--soak-iterations=400", "--soak-target=slow:make", "-rfE")
PLUGINS = ("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:hypothesispytest")
SIGNALS = [signal.SIGTERM, signal.SIGHUP]


@dataclass
class Running:
    """A session in a process of its own."""

    process: subprocess.Popen[str]
    folder: Path

    def until(self, name: str, timeout_s: float = 60.0) -> str:
        """Wait for the file ``name``, which the target writes; its text."""
        path, ends = self.folder / name, time.monotonic() + timeout_s
        while not path.exists() or not path.read_text():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < ends, f"no {name} within {timeout_s} s"
            time.sleep(0.01)
        return path.read_text()

    def end(self, timeout_s: float = 60.0) -> str:
        """Wait for its end; its output."""
        out, _ = self.process.communicate(timeout=timeout_s)
        return out

    @property
    def code(self) -> int:
        assert self.process.returncode is not None
        return self.process.returncode

    @property
    def latest(self) -> Path:
        return self.folder / "artifacts" / "soak" / "latest"


@contextmanager
def running(soak: Sessions, *args: str, **options: Any) -> Iterator[Running]:
    """Start a session of the slow bot; it is killed at the end, with all its children."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *PLUGINS, *args],
        cwd=soak.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "COLUMNS": "100"}, start_new_session=True, **options,
    )  # fmt: skip
    try:
        yield Running(process, soak.folder)
        process.kill()
        process.wait()
        for latest in sorted(soak.folder.rglob("latest")):
            assert problems(latest) == []  # whenever it was killed
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def is_alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    return True


def is_judged(run: Path) -> None:
    """The run ended in good order: judged, sealed, with its artifacts."""
    for name in ("POST_SOAK_SNAPSHOT.json", "POST_SOAK_AUDIT.md", "judgement.jsonl"):
        assert (run / name).stat().st_size > 0, name


def joined(result: Result) -> str:
    """The output with wrapped lines made one."""
    return re.sub(r"\s*\n\s+", " ", result.out)


def no_traceback(result: Result) -> bool:
    """No source line of the package, no chained traceback, no internal error."""
    bad = ("INTERNALERROR", "During handling of", "The above exception", "pytest_soak/store/")
    return not [line for line in result.out.splitlines() if any(word in line for word in bad)]
