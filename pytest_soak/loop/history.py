"""A whole lane, read from its journal: the input of verify, gate and report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Self

from pytest_soak.loop.entries import EntryError, decision_from_entry
from pytest_soak.loop.fold import advance, started
from pytest_soak.loop.model import Decision, Entry, History, Iteration
from pytest_soak.loop.state import LaneState


@dataclass(frozen=True, slots=True)
class Past:
    """A lane as its journal has it so far: its state, and the iterations behind it."""

    state: LaneState
    decided: tuple[Iteration, ...]
    """Those with a decision in the journal, done or not."""

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        """The past of a whole journal, in one pass. Raises :class:`EntryError`."""
        rest = iter(entries)
        start = next(rest, None)
        if start is None:
            raise EntryError("the journal is empty: it must begin with an entry 'start'")
        return cls(started(start), ()).after(rest)

    def after(self, entries: Iterable[Entry]) -> Self:
        """The past after these entries too. Raises :class:`EntryError`."""
        state, decided = self.state, list(self.decided)
        for entry in entries:
            observed = state.observed
            state = advance(state, entry)
            if observed is not None and entry["type"] == "decision":
                decided.append(replace(observed, decision=decision_from_entry(entry)))
        return replace(self, state=state, decided=tuple(decided))

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
        )


def read_history(entries: Iterable[Entry]) -> History:
    """Every iteration of a journal, in one pass. Raises :class:`EntryError` for a bad entry."""
    return Past.of(entries).history


@dataclass(frozen=True, slots=True)
class Transition:
    """One journal entry after the first, with the state of the lane before and after it."""

    entry: Entry
    before: LaneState
    after: LaneState


def transitions(entries: Iterable[Entry]) -> Iterator[Transition]:
    """The lane, entry by entry. Raises :class:`EntryError` at the first bad entry."""
    state: LaneState | None = None
    for entry in entries:
        if state is None:
            state = started(entry)
            continue
        before, state = state, advance(state, entry)
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


def moment_of(entries: Iterable[Entry], iteration: int) -> Moment | None:
    """``iteration`` just before its decision; None if it was not observed.

    Raises :class:`EntryError` for a bad entry before the iteration.
    """
    moment: Moment | None = None
    for transition in transitions(entries):
        kind, observed = transition.entry["type"], transition.after.observed
        if moment is not None and moment.decision is not None:
            # After "done", and after an edit that came while it was being written, the decision
            # counts as carried out.
            if kind in ("done", "external"):
                return replace(moment, in_force=True)
        elif moment is not None and kind == "decision":
            moment = replace(moment, decision=decision_from_entry(transition.entry))
            if transition.after.intent is None:
                return replace(moment, in_force=True)
        elif observed is not None and observed.number == iteration:
            moment = Moment(transition.after)
    return moment
