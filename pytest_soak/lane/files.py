"""The files of one running lane: journal, runtime file, logs, summaries. Or none of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

from pytest_soak.canonical import scrubbed
from pytest_soak.lane.runtime import RuntimeFile
from pytest_soak.lane.watchdog import Stacks
from pytest_soak.loop.entries import Entry, Record, record_of, state_hash_of
from pytest_soak.loop.fold import fold
from pytest_soak.loop.history import Past
from pytest_soak.loop.model import Iteration
from pytest_soak.loop.state import LaneState
from pytest_soak.loop.state_document import tuning_state
from pytest_soak.report.log_lines import event_line
from pytest_soak.report.summary import iteration_summary
from pytest_soak.store import names
from pytest_soak.store.documents import Timing
from pytest_soak.store.errors import StoreError
from pytest_soak.store.journal import Journal, JournalRead
from pytest_soak.store.lines import LineFile
from pytest_soak.store.rundir import LaneDirectory
from pytest_soak.store.stacks import StacksFile
from pytest_soak.store.temporary import remove_temporary


class _Closable(Protocol):
    def close(self) -> None: ...


F = TypeVar("F", bound=_Closable)


class LaneFiles(Protocol):
    """What a runner needs of a lane's files. Every method may raise StoreError."""

    @property
    def past(self) -> Past:
        """The lane of the journal as it was opened."""

    @property
    def can_resume(self) -> bool:
        """Whether a later session may continue the lane, and needs the target's state for it."""

    @property
    def stacks(self) -> Stacks | None:
        """The file for the stacks of a process that hangs."""

    def append(self, *lines: Entry, sync: bool = True) -> None:
        """Append to the journal; durable on return, or with the next append if not ``sync``."""

    def restore(self, values: Mapping[str, float]) -> bool:
        """Write a missing runtime file; whether it was missing."""

    def holds(self, state_hash: str) -> bool:
        """Whether there is a runtime file, and it has this hash."""

    def read(self) -> tuple[dict[str, float], str]:
        """Values and hash of the runtime file. Raises ParameterError for another shape."""

    def write(self, values: Mapping[str, float], state_hash: str | None = None) -> None:
        """Replace the runtime file, read it back, and compare the hash."""

    @property
    def keeps_log(self) -> bool:
        """Whether there is a ``run.log``."""

    def log(self, *lines: str) -> None:
        """Append lines to ``run.log``, in one write."""

    def record(self, iteration: Iteration, seconds: float | None) -> None:
        """Write the summary of a decided iteration and how long it took."""

    def without_path(self, text: str) -> str:
        """``text`` without the lane's folder, so that a journal is the same wherever it is."""

    def close(self, state: LaneState) -> None:
        """Close all files and write ``TUNING_STATE.json``."""

    def release(self) -> None:
        """Close all files and write nothing: for a lane that could not begin."""


class StoredFiles:
    """The files of a lane in its directory; the journal is locked until :meth:`close`."""

    def __init__(self, path: Path, earlier: JournalRead | None = None) -> None:
        """Open them; what was read of the journal ``earlier`` is not read again.

        Raises StoreError, and EntryError for a journal that makes no lane.
        """
        self._directory = LaneDirectory(path)
        before = None if earlier is None else earlier.records
        self._journal = Journal.open(path / names.JOURNAL, before)
        self._opened: list[_Closable] = [self._journal]
        try:
            remove_temporary(path)
            self._past = JournalRead.of(self._journal.contents, earlier).past
            self._runtime = RuntimeFile(path / names.RUNTIME, self._past.state.profile)
            self._log = self._kept(LineFile(path / names.LOG))
            self._timing = self._kept(LineFile(path / names.TIMING))
            self._stacks = self._kept(StacksFile(path))
        except BaseException:
            with suppress(StoreError):
                self.release()
            raise

    def _kept(self, file: F) -> F:
        """``file``, which is closed with the lane."""
        self._opened.append(file)
        return file

    @property
    def past(self) -> Past:
        return self._past

    @property
    def can_resume(self) -> bool:
        return True

    @property
    def stacks(self) -> Stacks | None:
        return self._stacks

    def append(self, *lines: Entry, sync: bool = True) -> None:
        self._journal.append(*map(record_of, lines), sync=sync)

    def restore(self, values: Mapping[str, float]) -> bool:
        self._check_place()
        return self._runtime.restore(values)

    def _check_place(self) -> None:
        """Raises StoreError if another run is at this path now: then no file is of this lane.

        The runner calls `holds` or `restore` before it reads or writes the runtime file.
        """
        self._journal.check_path()

    def holds(self, state_hash: str) -> bool:
        self._check_place()
        return self._runtime.holds(state_hash)

    def read(self) -> tuple[dict[str, float], str]:
        return self._runtime.read()

    def write(self, values: Mapping[str, float], state_hash: str | None = None) -> None:
        self._runtime.write(values, state_hash)

    @property
    def keeps_log(self) -> bool:
        return True

    def log(self, *lines: str) -> None:
        self._log.write(*lines)

    def record(self, iteration: Iteration, seconds: float | None) -> None:
        wall = datetime.now(UTC).isoformat(timespec="milliseconds")
        name = names.iteration_summary(iteration.number)
        try:
            table = self._past.state.profile.parameters
            self._directory.write_json(name, iteration_summary(iteration, wall, table))
        except StoreError as error:
            # The end of the run writes it from the journal, or names it; the lane goes on.
            lane = self._past.state.lane.id
            self._log.write(event_line("artifact", "FAILED", lane, iteration.number, str(error)))
        rounded = None if seconds is None else round(seconds, 6)
        timing: Timing = {"iteration": iteration.number, "utc": wall, "seconds": rounded}
        self._timing.write_json(timing)

    def without_path(self, text: str) -> str:
        return scrubbed(text.replace(f"{self._directory.path}{os.sep}", ""))

    def close(self, state: LaneState) -> None:
        try:
            # Before the lock is free: another process may write the lane from then on.
            self._write_state(state)
        finally:
            self.release()

    def _write_state(self, state: LaneState) -> None:
        try:
            self._journal.check_path()
        except StoreError:
            return  # the journal has gone, which the lane's halt or the gate says
        self._directory.write_json(names.TUNING_STATE, tuning_state(state))

    def release(self) -> None:
        """Close all files, also if one cannot be closed. Raises the first StoreError."""
        errors: list[StoreError] = []
        while self._opened:
            try:
                self._opened.pop().close()
            except StoreError as error:
                errors.append(error)
        if errors:
            raise errors[0]


class NoFiles:
    """A lane in memory: the journal is a list, and no operator edits the runtime."""

    def __init__(self, start: Entry) -> None:
        self.journal: list[Record] = [record_of(start)]
        state = fold(self.journal)
        self._profile = state.profile
        self._values: dict[str, float] = dict(state.values)
        self._hash = state.state_hash

    @property
    def past(self) -> Past:
        return Past.of(self.journal)

    @property
    def can_resume(self) -> bool:
        return False

    @property
    def stacks(self) -> Stacks | None:
        return None

    def append(self, *lines: Entry, sync: bool = True) -> None:
        self.journal.extend(map(record_of, lines))

    def restore(self, values: Mapping[str, float]) -> bool:
        return False

    def holds(self, state_hash: str) -> bool:
        return state_hash == self._hash

    def read(self) -> tuple[dict[str, float], str]:
        return dict(self._values), self._hash

    def write(self, values: Mapping[str, float], state_hash: str | None = None) -> None:
        self._values = dict(values)
        self._hash = state_hash or state_hash_of(self._profile, values)

    @property
    def keeps_log(self) -> bool:
        return False

    def log(self, *lines: str) -> None:
        return None

    def record(self, iteration: Iteration, seconds: float | None) -> None:
        return None

    def without_path(self, text: str) -> str:
        return scrubbed(text)

    def close(self, state: LaneState) -> None:
        return None

    def release(self) -> None:
        return None
