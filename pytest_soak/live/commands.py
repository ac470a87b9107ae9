"""A program that is run for one delivery or one report: its input, output and deadline.

Input and output are files without a name, not pipes: a child that the program leaves behind can
keep them open without anything waiting for it.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pytest_soak.canonical import escaped
from pytest_soak.json_types import WrongValueError
from pytest_soak.live.channels import LARGEST_BYTES, ChannelFault, Context
from pytest_soak.masking import Masker

_EVERY_S = 0.05
"""Seconds between two checks of the size of the output."""
_LAST_LINES = 5
_LAST_BYTES = 8192
_LONGEST_PLACE = 80


@dataclass(frozen=True, slots=True)
class Command:
    """Runs an argv, never a shell. Every failure is a ChannelFault ``command_failed``."""

    place: str
    """The command for messages, without its secrets."""
    root: Path
    environment: Mapping[str, str]
    timeout_s: float
    mask: Callable[[str], str]
    max_bytes: int = LARGEST_BYTES

    def run(self, argv: Sequence[str], data: bytes = b"") -> bytes:
        """The standard output of a program that ended with status 0; ``data`` is its input.

        After the deadline, or too much output, its process group is killed. What it started and
        left behind at a good end stays.
        """
        deadline = time.monotonic() + self.timeout_s
        try:
            with (
                tempfile.TemporaryFile() as given,
                tempfile.TemporaryFile() as output,
                tempfile.TemporaryFile() as errors,
            ):
                given.write(data)
                given.seek(0)
                status = self._status(argv, given, output, errors, deadline)
                if status:
                    raise self._fault(_ended(status), errors)
                output.seek(0)
                return output.read(self.max_bytes)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise self._fault(f"cannot be run: {why}") from None

    def _status(
        self,
        argv: Sequence[str],
        given: IO[bytes],
        output: IO[bytes],
        errors: IO[bytes],
        deadline: float,
    ) -> int:
        process = subprocess.Popen(  # noqa: S603 - the argv of the profile
            argv,
            stdin=given,
            stdout=output,
            stderr=errors,
            cwd=self.root,
            env=dict(self.environment),
            start_new_session=True,
        )
        try:
            while True:
                left_s = deadline - time.monotonic()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(min(left_s, _EVERY_S), 0))
                for file, name in ((output, "output"), (errors, "error")):
                    if os.fstat(file.fileno()).st_size > self.max_bytes:
                        text = f"wrote more than {self.max_bytes:,} bytes to its standard {name}"
                        raise self._fault(text)
                if process.returncode is not None:
                    return process.returncode
                if left_s <= 0:
                    raise self._fault(f"did not end within {self.timeout_s:g} s", errors)
        finally:
            if process.returncode is None:
                _kill(process)

    def _fault(self, text: str, errors: IO[bytes] | None = None) -> ChannelFault:
        lines = [] if errors is None else self._last_lines(errors)
        if lines:
            text += "; the end of its standard error:" + "".join(f"\n  {line}" for line in lines)
        return ChannelFault("command_failed", self.place, text)

    def _last_lines(self, file: IO[bytes]) -> list[str]:
        size = os.fstat(file.fileno()).st_size
        begin = max(size - _LAST_BYTES, 0)
        file.seek(begin)
        text = self.mask(file.read(_LAST_BYTES).decode("utf-8", "replace"))
        if begin:
            # It may begin within a secret, which is not recognized then.
            text = text[len(text) // 2 :]
        return [escaped(line) for line in text.splitlines() if line.strip()][-_LAST_LINES:]


def command_of(argv: Sequence[str], timeout_s: float, context: Context) -> Command:
    """Checks a command, and starts nothing. ``argv`` is expanded; it is needed for messages.

    Raises WrongValueError.
    """
    for place, argument in enumerate(argv):
        if "\0" in argument:
            raise WrongValueError(("command", str(place)), "has a NUL character")
    if not argv[0]:
        raise WrongValueError(("command", "0"), "is empty; it is the name of a program")
    if timeout_s <= 0:
        raise WrongValueError(("timeout_s",), f"{timeout_s:g} is not above 0")
    mask = Masker.of((), context.environment)
    shown = escaped(mask(shlex.join(argv)))
    if len(shown) > _LONGEST_PLACE:
        shown = shown[: _LONGEST_PLACE - 1] + "…"
    return Command(f"the command {shown}", context.root, context.environment, timeout_s, mask)


def _ended(status: int) -> str:
    if status > 0:
        return f"ended with the status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by the signal {-status}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The process, which has not been waited for, and all of its group."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
