"""The state of a lane as a fold over its journal. The state is stored nowhere else.

Nothing here decides: a decision is used as the journal has it. Only the readings are computed
again, from the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import assert_never

from pytest_soak.loop.completed import after_edit, completed, restarts_between
from pytest_soak.loop.echo import FIELD, echo_mismatch
from pytest_soak.loop.entries import (
    Checks,
    Done,
    Edit,
    Entry,
    EntryError,
    Observation,
    Plan,
    Record,
    Start,
    entry_error,
    entry_of,
    lane_of,
    state_hash_of,
    tag_of,
)
from pytest_soak.loop.evidence import comparable
from pytest_soak.loop.kpis import read_kpis
from pytest_soak.loop.model import Decision, Halt, Iteration, IterationVerdict, Readings
from pytest_soak.loop.state import Edits, LaneState, evolved
from pytest_soak.loop.verdict import judge
from pytest_soak.profile.build import build
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.tunable import check_couplings


def fold(journal: Iterable[Record]) -> LaneState:
    """The state after these records, of which the first is of ``start``. Raises EntryError."""
    records = iter(journal)
    state = begun(records)
    for record in records:
        state = advance(state, entry_of(record), record.get("seq"))
    return state


def begun(records: Iterator[Record]) -> LaneState:
    """The state that the first record of a journal makes. Raises EntryError."""
    first = next(records, None)
    if first is None:
        raise EntryError("the journal is empty: it must begin with an entry 'start'")
    if first.get("type") != "start":
        raise EntryError(f"a journal begins with an entry 'start', not {first.get('type')!r:.40}")
    return started(entry_of(first), first.get("seq"))


def started(entry: Entry, seq: int | None = None) -> LaneState:
    """The state that a start entry makes. Raises EntryError."""
    if not isinstance(entry, Start):
        raise _error(entry, seq, "a journal begins with 'start'")
    try:
        profile = build(entry.profile, "the profile in the journal")
        values = {key: entry.values[key] for key in profile.parameters}
        for key, parameter in profile.parameters.items():
            if not parameter.minimum <= values[key] <= parameter.maximum:
                raise ValueError(
                    f"it starts with {key} = {values[key]:g}, outside {parameter.minimum:g} to "
                    f"{parameter.maximum:g}"
                )
            if not parameter.is_allowed(values[key]):
                raise ValueError(
                    f"it starts with {key} = {values[key]:g}; allowed: {parameter.allowed_text()}"
                )
        check_couplings(values, profile.parameters, ())
        return LaneState(
            lane=lane_of(entry),
            profile=profile,
            target=entry.target,
            mock=entry.mock,
            tune=entry.tune,
            dry_run=entry.dry_run,
            start_values=values,
            values=values,
            state_hash=state_hash_of(profile, values),
            scenarios=entry.scenarios,
        )
    except (*_UNREADABLE, Invalid) as error:
        raise _error(entry, seq, error) from error


def advance(state: LaneState, entry: Entry, seq: int | None = None) -> LaneState:
    """The state after one more entry, which is at place ``seq`` of its journal.

    Raises EntryError if it does not follow from the state.
    """
    try:
        match entry:
            case Observation():
                return _observed(state, entry)
            case Decision():
                return _decided(state, entry)
            case Done():
                return _done(state, entry)
            case Checks():
                return _checked(state, entry)
            case Edit():
                return _edited(state, entry)
            case Halt():
                return evolved(state, halt=entry, halts=(*state.halts, entry))
            case Plan():
                return evolved(state, lane=replace(state.lane, iterations=entry.iterations))
            case Start():
                raise _NotNextError("a journal has one entry 'start', its first")
            case _:
                assert_never(entry)
    except _UNREADABLE as error:
        raise _error(entry, seq, error) from error


class _NotNextError(ValueError):
    """An entry that does not follow from the state."""


_UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""The errors that reading a value may raise if no session wrote it."""


def _error(entry: Entry, seq: int | None, problem: object) -> EntryError:
    return entry_error(seq, tag_of(entry), getattr(entry, "iteration", None), problem)


def _observed(state: LaneState, entry: Observation) -> LaneState:
    if state.observed is not None or entry.iteration != state.next_iteration:
        raise _NotNextError(f"the next iteration to observe is {state.next_iteration}")
    report, audit = entry.report, entry.audit
    readings = read_kpis(
        state.profile, report, audit, interval_s=state.lane.interval_s, mock=state.mock
    )
    judged = _judged(state, readings)
    iteration = Iteration(
        number=entry.iteration,
        values=state.values,
        state_hash=state.state_hash,
        readings=readings,
        report=report if audit is None else {**report, "audit": audit},
        decision=None,
        verdict=judged.verdict,
        reasons=judged.reasons,
        echo_mismatch=echo_mismatch(state.profile, state.values, report.get(FIELD)),
        external=state.edits.unobserved,
        edits=state.edits.moved,
    )
    return evolved(
        state,
        observed=iteration,
        target_state=entry.target_state,
        halt=None,
        edits=Edits(pinned=state.edits.pinned),
    )


def _judged(state: LaneState, readings: Readings) -> IterationVerdict:
    return judge(
        state.profile,
        readings,
        (*state.memory.first, readings),
        before=comparable(state),
        values=state.values,
    )


def _checked(state: LaneState, entry: Checks) -> LaneState:
    observed = state.observed
    if observed is None or state.intent is not None or observed.number != entry.iteration:
        raise _NotNextError("checks belong between an observation and its decision")
    readings = read_kpis(
        state.profile,
        observed.report,
        observed.report.get("audit"),
        interval_s=state.lane.interval_s,
        mock=state.mock,
        recorded=entry.recorded,
    )
    judged = _judged(state, readings)
    checked = replace(
        observed,
        readings=readings,
        verdict=judged.verdict,
        reasons=judged.reasons,
        failed_checks=entry.failed,
    )
    return evolved(state, observed=checked)


def _decided(state: LaneState, decision: Decision) -> LaneState:
    observed = state.observed
    if observed is None or state.intent is not None or observed.number != decision.iteration:
        raise _NotNextError("a decision follows the observation of its iteration, once")
    if decision.old_hash != state.state_hash:
        raise _NotNextError(f"it starts from {decision.old_hash}, in force is {state.state_hash}")
    if decision.changes:
        return evolved(state, intent=decision)
    return completed(state, decision)


def _done(state: LaneState, entry: Done) -> LaneState:
    intent = state.intent
    if intent is None or intent.iteration != entry.iteration:
        raise _NotNextError("done follows a decision that changes something, once")
    if intent.state_hash != entry.state_hash:
        raise _NotNextError(f"the decision's hash is {intent.state_hash}")
    return evolved(completed(state, intent), halt=None)


def _edited(state: LaneState, entry: Edit) -> LaneState:
    # The edit came while a decision was being written to the file: the decision counts as carried
    # out, then the edit. A key that both change is charged for a move that never came into force:
    # the guards err towards fewer moves.
    if state.intent is not None:
        state = completed(state, state.intent)
    if entry.old_hash != state.state_hash:
        raise _NotNextError(f"it starts from {entry.old_hash}, in force is {state.state_hash}")
    values = {key: entry.values[key] for key in state.profile.parameters}
    # The operator's move is not charged to velocity, and the oscillation guard forgets what the
    # tuner did to the key before. What is spent of the hour's velocity and the signature stay.
    charges = state.charges
    before = {key: past for key, past in charges.before.items() if key not in entry.keys}
    edited = evolved(
        after_edit(state, entry.iteration, tuple(entry.keys)),
        values=values,
        state_hash=entry.new_hash,
        charges=evolved(charges, before=before),
    )
    observed = edited.observed
    if observed is None and restarts_between(state.profile, state.values, values):
        edited = evolved(edited, restarted=state.next_iteration)
    if observed is not None:  # edited before the decision: it starts from the edited values
        merged = _merged_edits(observed.edits, entry)
        return evolved(edited, observed=replace(observed, edited=values, edits=merged))
    merged = _merged_edits(edited.edits.moved, entry)
    pinned = edited.edits.pinned
    return evolved(edited, edits=Edits(unobserved=True, moved=merged, pinned=pinned))


def _merged_edits(
    edits: Mapping[str, tuple[float, float]], entry: Edit
) -> dict[str, tuple[float, float]]:
    """Earlier edits with those of ``entry``; a key edited twice counts from its first value."""
    merged = dict(edits)
    for key, (old, new) in entry.keys.items():
        merged[key] = (edits[key][0] if key in edits else old, new)
    return merged
