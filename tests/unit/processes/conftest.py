"""A lane's processes from a section, in a test that must leave none of them alive."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from pytest_soak.processes.client import Processes
from pytest_soak.processes.declared import read_processes
from pytest_soak.processes.plan import plan_processes
from tests.unit.processes.programs import is_alive

MARK = "SOAK_TEST_MARK"

Lane = Callable[..., Processes]


def marked(mark: str) -> Iterator[int]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark and is_alive(process.pid):
                yield process.pid


@pytest.fixture
def environment() -> Iterator[Mapping[str, str]]:
    """Of all processes of the test, which must have ended after it."""
    mark = secrets.token_hex(8)
    yield {**os.environ, MARK: mark}
    left = list(marked(mark))
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert left == []


@pytest.fixture
def lane(tmp_path: Path, environment: Mapping[str, str]) -> Iterator[Lane]:
    """Makes ``Processes`` of a section; they are closed at the end."""
    with ExitStack() as stack:

        def make(section: Mapping[str, Any], **options: Any) -> Processes:
            plans = plan_processes(read_processes(section), lambda text: text)
            settings = {"folder": tmp_path, "cwd": tmp_path, "environment": environment}
            return stack.enter_context(Processes(plans, **{**settings, **options}))

        yield make
