"""A lane in memory: each step of an iteration as the journal entry that records it.

Nothing here writes or waits. A caller decides when an entry counts: it appends the entry to a
journal, or to a list, and continues with :meth:`LaneCore.after`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pytest_soak.canonical import to_json
from pytest_soak.loop.blocks import count_audit
from pytest_soak.loop.decide import Proposer, decide
from pytest_soak.loop.entries import (
    Checks,
    Done,
    Edit,
    Entry,
    Observation,
    Plan,
    Record,
    checks_entry,
    done_entry,
    edit_entry,
)
from pytest_soak.loop.fold import advance, fold
from pytest_soak.loop.model import Decision, Halt
from pytest_soak.loop.state import LaneState, evolved


@dataclass(frozen=True, slots=True)
class LaneCore:
    """The state of a lane, and the entries that may follow it.

    One iteration is ``observe``, ``check`` if a test recorded or failed something, ``decide``, and
    ``done`` if the decision changed a parameter. ``edit`` may come at any time.
    """

    state: LaneState

    @classmethod
    def of(cls, journal: Iterable[Record]) -> Self:
        """The lane of a journal. Raises EntryError."""
        return cls(fold(journal))

    def after(self, *entries: Entry) -> LaneCore:
        """The lane after these entries too. Raises EntryError if one does not follow."""
        state = self.state
        for entry in entries:
            state = advance(state, entry)
        return LaneCore(state)

    def plan(self, iterations: int) -> Entry:
        """Another number of iterations is planned."""
        return Plan(iterations)

    def observe(self, report: Mapping[str, Any], target_state: Any = None) -> Observation:
        """The report of the next iteration; of its audit rows only the counts are recorded.

        Values that JSON does not have are converted (:func:`pytest_soak.canonical.to_json`).
        """
        rest = {key: value for key, value in report.items() if key != "audit"}
        counts = count_audit(report.get("audit"), self.state.profile.block_reasons)
        number = self.state.next_iteration
        return Observation(number, to_json(rest), counts, target_state)

    def check(self, recorded: Mapping[str, Any], failed: Sequence[str] = ()) -> Checks:
        """Values that checks recorded, and the names of checks that failed."""
        return checks_entry(self.state.next_iteration, dict(recorded), failed)

    def decide(
        self,
        proposer: Proposer | None = None,
        passing: tuple[type[BaseException], ...] = (),
    ) -> Decision:
        """The decision that is due; ``proposer`` replaces the built-in tuner.

        A decision is its own entry. If it changes a parameter, it is in force after ``done``.

        An exception of the proposer is noted in the decision and proposes nothing; those in
        ``passing`` are raised. Raises ValueError if no decision is due.
        """
        return decide(self.state, proposer, passing)

    def done(self) -> Done:
        """The runtime has the values of the decision. Raises ValueError if none is pending."""
        intent = self.state.intent
        if intent is None:
            raise ValueError(f"no decision is pending after iteration {self.state.done}")
        return done_entry(intent)

    def edit(self, values: Mapping[str, float]) -> Edit:
        """An operator set the parameters to these flat values. Raises ValueError for bad ones."""
        return edit_entry(self.state, values)

    def halt(self, halt: Halt) -> Halt:
        """The lane ends before its plan."""
        return evolved(halt, text=to_json(halt.text))

    def complete(
        self,
        proposer: Proposer | None = None,
        passing: tuple[type[BaseException], ...] = (),
    ) -> tuple[Decision, tuple[Entry, ...]]:
        """The decision that is due, and its entries with ``done``: for a lane without files."""
        decision = self.decide(proposer, passing)
        if not decision.changes:
            return decision, (decision,)
        return decision, (decision, done_entry(decision))
