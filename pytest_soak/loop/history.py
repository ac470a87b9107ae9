"""A whole lane, read from its journal: the input of verify, gate and report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Self

from pytest_soak.loop.entries import Done, Edit, Entry, Record, entry_of
from pytest_soak.loop.fold import advance, begun
from pytest_soak.loop.model import Decision, History, Iteration
from pytest_soak.loop.state import LaneState


@dataclass(frozen=True, slots=True)
class Transition:
    """One journal entry after the first, with the state of the lane before and after it."""

    entry: Entry
    before: LaneState
    after: LaneState


Watch = Callable[[Transition], object]


@dataclass(frozen=True, slots=True)
class Past:
    """A lane as its journal has it so far: its state, and the iterations behind it."""

    state: LaneState
    decided: tuple[Iteration, ...]
    """Those with a decision in the journal, done or not."""
    freezes: tuple[int, ...] = ()
    """The iterations after which the freeze began."""

    @classmethod
    def of(cls, journal: Iterable[Record], watch: Watch | None = None) -> Self:
        """The past of a whole journal, in one pass. Raises ``loop.entries.EntryError``.

        ``watch`` is called with each transition, so that no journal has to be read twice.
        """
        records = iter(journal)
        return cls(begun(records), ()).after(records, watch)

    def after(self, records: Iterable[Record], watch: Watch | None = None) -> Self:
        """The past after these records too. Raises ``loop.entries.EntryError``."""
        state, decided, freezes = self.state, list(self.decided), list(self.freezes)
        for record in records:
            before, entry = state, entry_of(record)
            state, observed = advance(before, entry, record.get("seq")), before.observed
            if state.timers.frozen_until > before.timers.frozen_until:
                freezes.append(state.done)
            if observed is not None and isinstance(entry, Decision):
                decided.append(replace(observed, decision=entry))
            if watch is not None:
                watch(Transition(entry, before, state))
        return replace(self, state=state, decided=tuple(decided), freezes=tuple(freezes))

    @property
    def history(self) -> History:
        """Every iteration. The decision of one that still waits for it is None."""
        state, iterations = self.state, self.decided
        if state.observed is not None and state.intent is None:
            iterations = (*iterations, state.observed)
        return History(
            lane=state.lane,
            profile=state.profile,
            target=state.target,
            mock=state.mock,
            tune=state.tune,
            dry_run=state.dry_run,
            start_values=state.start_values,
            iterations=iterations,
            halt=state.halt,
            scenarios=state.scenarios,
            halts=state.halts,
            freezes=self.freezes,
        )


def read_history(journal: Iterable[Record], watch: Watch | None = None) -> History:
    """Every iteration of a journal, in one pass. Raises ``loop.entries.EntryError``.

    ``watch`` is called with each transition.
    """
    return Past.of(journal, watch).history


def transitions(journal: Iterable[Record]) -> Iterator[Transition]:
    """The lane, entry by entry. Raises ``loop.entries.EntryError`` at the first bad one."""
    records = iter(journal)
    state = begun(records)
    for record in records:
        entry = entry_of(record)
        before, state = state, advance(state, entry, record.get("seq"))
        yield Transition(entry, before, state)


@dataclass(frozen=True, slots=True)
class Moment:
    """One iteration of a lane, just before its decision."""

    state: LaneState
    """With the observation, and with the edits that came during the iteration."""
    decision: Decision | None = None
    """The decision that follows; None while it is not taken yet."""
    in_force: bool = False
    """The journal shows that the decision reached the runtime file, or that it changed nothing."""


def moment_of(journal: Iterable[Record], iteration: int) -> Moment | None:
    """``iteration`` just before its decision; None if it was not observed.

    Raises ``loop.entries.EntryError`` for a bad entry before the iteration.
    """
    return next((moment for _, moment in moments(journal, {iteration})), None)


def moments(journal: Iterable[Record], iterations: Collection[int]) -> Iterator[tuple[int, Moment]]:
    """Each of ``iterations`` that was observed, just before its decision, in one pass.

    Raises ``loop.entries.EntryError`` at the first bad entry.
    """
    left, number = set(iterations), 0
    moment: Moment | None = None
    for transition in transitions(journal):
        entry, observed = transition.entry, transition.after.observed
        if moment is not None and moment.decision is not None:
            # After "done", and after an edit that came while it was being written, the decision
            # counts as carried out.
            if isinstance(entry, (Done, Edit)):
                left.discard(number)
                yield number, replace(moment, in_force=True)
                moment = None
        elif moment is not None and isinstance(entry, Decision):
            moment = replace(moment, decision=entry)
            if transition.after.intent is None:
                left.discard(number)
                yield number, replace(moment, in_force=True)
                moment = None
        elif observed is not None and observed.number in left:
            number, moment = observed.number, Moment(transition.after)
        if not left:
            return
    if moment is not None:
        yield number, moment
