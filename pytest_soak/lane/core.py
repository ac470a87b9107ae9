"""A lane in memory: each step of an iteration as the journal entry that records it.

Nothing here writes or waits. A caller decides when an entry counts: it appends the entry to a
journal, or to a list, and continues with :meth:`LaneCore.after`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pytest_soak.canonical import to_json
from pytest_soak.loop import entries
from pytest_soak.loop.blocks import count_audit
from pytest_soak.loop.decide import Proposer, decide
from pytest_soak.loop.fold import advance, fold
from pytest_soak.loop.model import Decision, Entry, Halt
from pytest_soak.loop.state import LaneState


@dataclass(frozen=True, slots=True)
class LaneCore:
    """The state of a lane, and the entries that may follow it.

    One iteration is ``observe``, ``check`` if a test recorded or failed something, ``decide`` with
    ``decided``, and ``done`` if the decision changed a parameter. ``edit`` may come at any time.
    """

    state: LaneState

    @classmethod
    def of(cls, journal: Iterable[Entry]) -> Self:
        """The lane after these entries, of which the first is ``start``. Raises EntryError."""
        return cls(fold(journal))

    def after(self, *lines: Entry) -> LaneCore:
        """The lane after these entries too. Raises EntryError if one does not follow."""
        state = self.state
        for line in lines:
            state = advance(state, line)
        return LaneCore(state)

    def plan(self, iterations: int) -> Entry:
        """Another number of iterations is planned."""
        return entries.plan_entry(iterations)

    def observe(self, report: Mapping[str, Any], target_state: Any = None) -> Entry:
        """The report of the next iteration; of its audit rows only the counts are recorded.

        Values that JSON does not have are converted (:func:`pytest_soak.canonical.to_json`).
        """
        rest = {key: value for key, value in report.items() if key != "audit"}
        counts = count_audit(report.get("audit"), self.state.profile.block_reasons)
        number = self.state.next_iteration
        return entries.observation_entry(number, to_json(rest), counts, target_state)

    def check(self, recorded: Mapping[str, Any], failed: Sequence[str] = ()) -> Entry:
        """Values that checks recorded, and the names of checks that failed."""
        return entries.checks_entry(self.state.next_iteration, to_json(dict(recorded)), failed)

    def decide(
        self,
        proposer: Proposer | None = None,
        passing: tuple[type[BaseException], ...] = (),
    ) -> Decision:
        """The decision that is due; ``proposer`` replaces the built-in tuner.

        An exception of the proposer is noted in the decision and proposes nothing; those in
        ``passing`` are raised. Raises ValueError if no decision is due.
        """
        return decide(self.state, proposer, passing)

    def decided(self, decision: Decision) -> Entry:
        """The decision is taken. If it changes a parameter, it is in force after ``done``."""
        return entries.decision_entry(decision)

    def done(self) -> Entry:
        """The runtime has the values of the decision. Raises ValueError if none is pending."""
        intent = self.state.intent
        if intent is None:
            raise ValueError(f"no decision is pending after iteration {self.state.done}")
        return entries.done_entry(intent)

    def edit(self, values: Mapping[str, float]) -> Entry:
        """An operator set the parameters to these flat values. Raises ValueError for bad ones."""
        return entries.external_entry(self.state, values)

    def halt(self, halt: Halt) -> Entry:
        """The lane ends before its plan."""
        return entries.halt_entry(halt)

    def complete(
        self,
        proposer: Proposer | None = None,
        passing: tuple[type[BaseException], ...] = (),
    ) -> tuple[Decision, tuple[Entry, ...]]:
        """The decision that is due, and its entries with ``done``: for a lane without files."""
        decision = self.decide(proposer, passing)
        intent = self.decided(decision)
        if not decision.changes:
            return decision, (intent,)
        return decision, (intent, entries.done_entry(decision))
