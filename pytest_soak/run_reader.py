"""A run that is read on as it grows, for whatever shows it while it runs.

A reader takes no lock and writes nothing, so that it is never in the way of an iteration.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_soak.gate.judge import RunJudgement
from pytest_soak.loop.history import Past
from pytest_soak.loop.model import History
from pytest_soak.report.view.collect import LaneCollector
from pytest_soak.report.view.model import RunView
from pytest_soak.run_state import holder_of, state_of
from pytest_soak.store import names
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.store.tail import JournalTail, TimingTail
from pytest_soak.stored import unreadable
from pytest_soak.stored_view import ShownJudgement, view_of


class LaneReader:
    """One lane, read on from where the last read ended."""

    def __init__(self, run: RunDirectory, lane_id: str) -> None:
        self.id = lane_id
        directory = run.lane_directory(lane_id)
        self._path = directory.journal_path
        self._journal = JournalTail(self._path)
        self.timing = TimingTail(directory.path / names.TIMING)
        self.collected = LaneCollector()
        self._past: Past | None = None

    def read(self) -> bool:
        """Take in what was added since; whether anything was. Raises StoreError for a bad journal.

        A lane that has no journal yet has nothing to read.
        """
        if self._past is None and not self._path.exists():
            return False
        new = self._journal.read()
        if not new.entries and not new.restarted:
            return False
        with unreadable(self._path):
            if new.restarted:
                self.collected, self._past = LaneCollector(), None
            if self._past is not None:
                self._past = self._past.after(new.entries, self.collected.add)
            elif new.entries:
                self._past = Past.of(new.entries, self.collected.add)
        self.timing.read()
        return True

    @property
    def history(self) -> History | None:
        """Everything that was read so far; None for a lane that has not begun."""
        return None if self._past is None else self._past.history


class RunReader:
    """A run, read on from where the last read ended."""

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory
        ids: Sequence[str] = [str(record["id"]) for record in directory.lanes]
        self.lanes = tuple(LaneReader(directory, lane_id) for lane_id in ids)

    def read(self) -> bool:
        """Take in what was added to any lane since; whether anything was. Raises StoreError."""
        added = [lane.read() for lane in self.lanes]
        return any(added)

    def view(self, judgement: RunJudgement | None = None) -> RunView:
        """The view of what was read, with the last ``judgement`` that was made of it."""
        live = holder_of(self.directory) is not None
        states = {
            lane.id: state_of(history, live=live)
            for lane in self.lanes
            if (history := lane.history) is not None
        }
        return view_of(
            self.directory,
            {lane.id: lane.collected for lane in self.lanes},
            states,
            ShownJudgement(judgement),
            {lane.id: lane.timing for lane in self.lanes},
        )
