"""A write to a terminal that was closed ends the session as SIGHUP does."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from pytest_soak.session.signals import EndSignals


def raised_by(error: BaseException, *, is_closed: bool) -> BaseException | None:
    """What the hook raises for an internal error, with a terminal that is closed or not."""
    pty: Any = pytest.importorskip("pty")
    ours, output = pty.openpty()
    signals = EndSignals()
    signals._terminals = {output: os.fstat(output).st_rdev}
    try:
        if is_closed:
            os.close(ours)
        with pytest.raises(type(error)) as caught:
            raise error
        try:
            next(signals.pytest_internalerror(caught))
        except BaseException as raised:
            return raised
        return None
    finally:
        os.close(output)
        if not is_closed:
            os.close(ours)


def test_a_write_to_a_closed_terminal_is_an_interruption() -> None:
    raised = raised_by(OSError(errno.EIO, "Input/output error"), is_closed=True)
    assert isinstance(raised, pytest.exit.Exception)
    assert raised.returncode == 2


def test_a_terminal_whose_output_is_captured_is_not_closed() -> None:
    """pytest puts a file in the place of the output, and keeps a copy of the terminal."""
    pty: Any = pytest.importorskip("pty")
    ours, output = pty.openpty()
    signals = EndSignals()
    signals._terminals = {output: os.fstat(output).st_rdev}
    copy, nowhere = os.dup(output), os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, output)
    assert signals._closed() == set()
    os.close(ours)
    assert signals._closed() != set()
    for descriptor in (copy, nowhere, output):
        os.close(descriptor)


def test_a_session_with_many_open_files() -> None:
    files = [os.open(os.devnull, os.O_RDWR) for _ in range(400)]
    try:
        assert raised_by(OSError(errno.EIO, "a disk"), is_closed=False) is None
        raised = raised_by(OSError(errno.EIO, "Input/output error"), is_closed=True)
        assert isinstance(raised, pytest.exit.Exception)
    finally:
        for descriptor in files:
            os.close(descriptor)


def test_any_other_error_is_an_internal_one() -> None:
    assert raised_by(OSError(errno.EIO, "a disk"), is_closed=False) is None
    assert raised_by(OSError(errno.ENOSPC, "full"), is_closed=True) is None
    assert raised_by(ValueError("x"), is_closed=True) is None
