"""The state of a lane as a fold over its journal. The state is stored nowhere else.

Nothing here decides: a decision is used as the journal has it. Only the readings are computed
again, from the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from pytest_soak.loop.completed import after_edit, completed
from pytest_soak.loop.echo import FIELD, echo_mismatch
from pytest_soak.loop.entries import (
    SCHEMA,
    EntryError,
    decision_from_entry,
    lane_from_entry,
    state_hash_of,
)
from pytest_soak.loop.entry_shapes import problem_of
from pytest_soak.loop.kpis import read_kpis
from pytest_soak.loop.model import Entry, Halt, Iteration
from pytest_soak.loop.state import Edits, LaneState, evolved
from pytest_soak.loop.verdict import judge
from pytest_soak.profile.build import build
from pytest_soak.profile.scenarios import Scheduled


def fold(entries: Iterable[Entry]) -> LaneState:
    """The state after these entries, of which the first is ``start``. Raises EntryError."""
    state: LaneState | None = None
    for entry in entries:
        state = started(entry) if state is None else advance(state, entry)
    if state is None:
        raise EntryError("the journal is empty: it must begin with an entry 'start'")
    return state


def started(entry: Entry) -> LaneState:
    """The state that a start entry makes. Raises EntryError."""
    if entry.get("type") != "start":
        raise EntryError(f"a journal begins with an entry 'start', not {entry.get('type')!r}")
    if entry.get("schema") != SCHEMA:
        raise EntryError(
            f"the journal has schema {entry.get('schema')!r}; this version reads {SCHEMA}"
        )
    if problem := problem_of(entry):
        raise _entry_error(entry, problem)
    try:
        profile = build(entry["profile"], "the profile in the journal")
        values = {key: float(entry["values"][key]) for key in profile.parameters}
        for key, parameter in profile.parameters.items():
            if not parameter.minimum <= values[key] <= parameter.maximum:
                raise ValueError(
                    f"it starts with {key} = {values[key]:g}, outside {parameter.minimum:g} to "
                    f"{parameter.maximum:g}"
                )
        return LaneState(
            lane=lane_from_entry(entry),
            profile=profile,
            target=entry["target"],
            mock=entry["mock"],
            tune=entry["tune"],
            dry_run=entry["dry_run"],
            start_values=values,
            values=values,
            state_hash=state_hash_of(profile, values),
            scenarios=tuple(map(Scheduled.from_json, entry.get("scenarios", ()))),
        )
    except _UNREADABLE as error:
        raise _entry_error(entry, error) from error


def advance(state: LaneState, entry: Entry) -> LaneState:
    """The state after one more entry. Raises EntryError if it does not follow from the state."""
    step = _STEPS.get(str(entry.get("type")))
    if step is None:
        raise _entry_error(entry, f"the types are {', '.join(_STEPS)} after a first 'start'")
    if problem := problem_of(entry):
        raise _entry_error(entry, problem)
    try:
        return step(state, entry)
    except EntryError:
        raise
    except _UNREADABLE as error:
        raise _entry_error(entry, error) from error


_UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""The errors that reading a value may raise if no session wrote it."""


def _entry_error(entry: Entry, problem: object) -> EntryError:
    text = f"no {problem}" if isinstance(problem, KeyError) else str(problem)
    where = f"entry {entry['seq']}" if "seq" in entry else "entry"
    kind, iteration = f"{entry.get('type')!r:.40}", entry.get("iteration")
    has_number = type(iteration) is int and abs(iteration) < 10**12
    number = f", iteration {iteration}" if has_number else ""
    return EntryError(f"journal: {where} ({kind}{number}): {text:.400}")


def _planned(state: LaneState, entry: Entry) -> LaneState:
    return evolved(state, lane=replace(state.lane, iterations=int(entry["iterations"])))


def _observed(state: LaneState, entry: Entry) -> LaneState:
    if state.observed is not None or entry["iteration"] != state.next_iteration:
        raise _entry_error(entry, f"the next iteration to observe is {state.next_iteration}")
    report, audit = entry["report"], entry["audit"]
    readings = read_kpis(
        state.profile, report, audit, interval_s=state.lane.interval_s, mock=state.mock
    )
    judged = judge(state.profile, readings, (*state.memory.first, readings))
    iteration = Iteration(
        number=entry["iteration"],
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
        target_state=entry["target_state"],
        halt=None,
        edits=Edits(pinned=state.edits.pinned),
    )


def _checked(state: LaneState, entry: Entry) -> LaneState:
    observed = state.observed
    if observed is None or state.intent is not None or observed.number != entry["iteration"]:
        raise _entry_error(entry, "checks belong between an observation and its decision")
    readings = read_kpis(
        state.profile,
        observed.report,
        observed.report.get("audit"),
        interval_s=state.lane.interval_s,
        mock=state.mock,
        recorded=entry["recorded"],
    )
    judged = judge(state.profile, readings, (*state.memory.first, readings))
    checked = replace(
        observed,
        readings=readings,
        verdict=judged.verdict,
        reasons=judged.reasons,
        failed_checks=tuple(entry["failed"]),
    )
    return evolved(state, observed=checked)


def _decided(state: LaneState, entry: Entry) -> LaneState:
    decision = decision_from_entry(entry)
    observed = state.observed
    if observed is None or state.intent is not None or observed.number != decision.iteration:
        raise _entry_error(entry, "a decision follows the observation of its iteration, once")
    if decision.old_hash != state.state_hash:
        raise _entry_error(
            entry, f"it starts from {decision.old_hash}, in force is {state.state_hash}"
        )
    if decision.changes:
        return evolved(state, intent=decision)
    return completed(state, decision)


def _done(state: LaneState, entry: Entry) -> LaneState:
    intent = state.intent
    if intent is None or intent.iteration != entry["iteration"]:
        raise _entry_error(entry, "done follows a decision that changes something, once")
    if intent.state_hash != entry["state_hash"]:
        raise _entry_error(entry, f"the decision's hash is {intent.state_hash}")
    return evolved(completed(state, intent), halt=None)


def _edited(state: LaneState, entry: Entry) -> LaneState:
    # The edit came while a decision was being written to the file: the decision counts as carried
    # out, then the edit. A key that both change is charged for a move that never came into force:
    # the guards err towards fewer moves.
    if state.intent is not None:
        state = completed(state, state.intent)
    if entry["old_hash"] != state.state_hash:
        raise _entry_error(
            entry, f"it starts from {entry['old_hash']}, in force is {state.state_hash}"
        )
    values = {key: float(entry["values"][key]) for key in state.profile.parameters}
    # The operator's move is not charged to velocity, and the oscillation guard forgets what the
    # tuner did to the key before. What is spent of the hour's velocity and the signature stay.
    charges = state.charges
    before = {key: past for key, past in charges.before.items() if key not in entry["keys"]}
    edited = evolved(
        after_edit(state, entry["iteration"], tuple(entry["keys"])),
        values=values,
        state_hash=entry["new_hash"],
        charges=evolved(charges, before=before),
    )
    observed = edited.observed
    if observed is not None:  # edited before the decision: it starts from the edited values
        merged = _merged_edits(observed.edits, entry)
        return evolved(edited, observed=replace(observed, edited=values, edits=merged))
    merged = _merged_edits(edited.edits.moved, entry)
    pinned = edited.edits.pinned
    return evolved(edited, edits=Edits(unobserved=True, moved=merged, pinned=pinned))


def _merged_edits(
    edits: Mapping[str, tuple[float, float]], entry: Entry
) -> dict[str, tuple[float, float]]:
    """Earlier edits with those of ``entry``; a key edited twice counts from its first value."""
    merged = dict(edits)
    for key, (old, new) in entry["keys"].items():
        merged[key] = (edits[key][0] if key in edits else float(old), float(new))
    return merged


def _halted(state: LaneState, entry: Entry) -> LaneState:
    halt = Halt(entry["iteration"], entry["kind"], entry["text"])
    return evolved(state, halt=halt, halts=(*state.halts, halt))


_STEPS: Mapping[str, Callable[[LaneState, Entry], LaneState]] = {
    "plan": _planned,
    "observation": _observed,
    "checks": _checked,
    "external": _edited,
    "decision": _decided,
    "done": _done,
    "halt": _halted,
}
