"""The environment of processes, in a test that must leave none of them alive."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress

import psutil
import pytest

from tests.unit.processes.programs import is_alive

MARK = "SOAK_TEST_MARK"


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
