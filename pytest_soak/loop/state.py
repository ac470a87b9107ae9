"""The state of a lane: a fold over its journal. There is no other place where it is remembered.

Nothing here decides: a decision is taken as the journal has it, only readings are read again from
the report. The memory of a lane is bounded, whatever its length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_soak.loop.entries import (
    SCHEMA,
    EntryError,
    decision_from_entry,
    lane_from_entry,
    state_hash_of,
)
from pytest_soak.loop.kpis import echo_mismatch, read_kpis
from pytest_soak.loop.model import Decision, Entry, Halt, Iteration, Readings, Verdict
from pytest_soak.loop.verdict import all_hold, judge
from pytest_soak.profile.build import build
from pytest_soak.profile.model import Profile
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.protocol import Lane

UNCHARGED_RULES = ("PANIC", "ROLLBACK")
"""Rules whose moves are not charged to velocity."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One applied move, as the velocity guard remembers it."""

    key: str
    iteration: int
    size: float


@dataclass(frozen=True, slots=True)
class LaneState:
    """A lane between two entries of its journal."""

    lane: Lane
    profile: Profile
    target: str
    mock: bool
    tune: bool
    dry_run: bool
    start_values: Mapping[str, float]
    values: Mapping[str, float]
    """The parameters in force, flat."""
    state_hash: str
    done: int = 0
    """The last completed iteration."""
    observed: Iteration | None = None
    """Observed, and its decision not in force yet."""
    intent: Decision | None = None
    """Journaled, but the runtime file is not known to have it."""
    halt: Halt | None = None
    target_state: Any = None
    fail_streak: int = 0
    stable_streak: int = 0
    pass_streak: int = 0
    frozen_until: int = 0
    """Decisions up to this iteration leave the frozen keys alone; 0: none ever was."""
    cooldown_until: int = 0
    hold_until: int = 0
    last_signature: str | None = None
    moves: tuple[Moved, ...] = ()
    """Charged moves in the velocity window of the next decision, oldest first."""
    before: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    """Key to the value before its last applied change, and the iteration of that change."""
    acted: Mapping[str, int] = field(default_factory=dict)
    """Rule to the iteration whose decision last applied one of its deltas."""
    stopped: tuple[str, ...] = ()
    """Rules that their hysteresis has stopped."""
    recent: tuple[Readings, ...] = ()
    """Of the last completed iterations, as many as the longest evidence needs before this one."""
    first: tuple[Readings, ...] = ()
    """Of the first iterations, as many as a ``share_of_first`` needs."""
    edited: bool = False
    """Edited from outside since the last observation."""
    scenarios: tuple[Scheduled, ...] = ()
    """The disturbances that are planned."""

    @property
    def iterations(self) -> int:
        """How many iterations are planned."""
        return self.lane.iterations

    @property
    def next_iteration(self) -> int:
        return self.done + 1


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
        raise EntryError(f"the journal has schema {entry.get('schema')!r}; this version reads 1")
    try:
        profile = build(entry["profile"], "the profile in the journal")
        values = {key: float(entry["values"][key]) for key in profile.parameters}
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
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _bad(entry, error) from error


def advance(state: LaneState, entry: Entry) -> LaneState:
    """The state after one more entry. Raises EntryError if it does not follow from the state."""
    step = _STEPS.get(str(entry.get("type")))
    if step is None:
        raise _bad(entry, f"the types are {', '.join(_STEPS)} after a first 'start'")
    try:
        return step(state, entry)
    except EntryError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _bad(entry, error) from error


def _bad(entry: Entry, problem: object) -> EntryError:
    said = f"no {problem}" if isinstance(problem, KeyError) else str(problem)
    where = f"entry {entry['seq']}" if "seq" in entry else "entry"
    return EntryError(
        f"journal: {where} ({entry.get('type')!r}, iteration {entry.get('iteration')}): {said}"
    )


def _planned(state: LaneState, entry: Entry) -> LaneState:
    return replace(state, lane=replace(state.lane, iterations=int(entry["iterations"])))


def _observed(state: LaneState, entry: Entry) -> LaneState:
    if state.observed is not None or entry["iteration"] != state.next_iteration:
        raise _bad(entry, f"the next iteration to observe is {state.next_iteration}")
    report, audit = entry["report"], entry["audit"]
    readings = read_kpis(
        state.profile, report, audit, interval_s=state.lane.interval_s, mock=state.mock
    )
    judged = judge(state.profile, readings)
    iteration = Iteration(
        number=entry["iteration"],
        values=state.values,
        state_hash=state.state_hash,
        readings=readings,
        report=report if audit is None else {**report, "audit": audit},
        decision=None,
        verdict=judged.verdict,
        reasons=judged.reasons,
        echo_mismatch=echo_mismatch(state.profile, state.values, report.get("effective_params")),
        external=state.edited,
    )
    return replace(
        state,
        observed=iteration,
        target_state=entry["target_state"],
        halt=None,
        edited=False,
    )


def _checked(state: LaneState, entry: Entry) -> LaneState:
    observed = state.observed
    if observed is None or state.intent is not None or observed.number != entry["iteration"]:
        raise _bad(entry, "checks belong between an observation and its decision")
    readings = read_kpis(
        state.profile,
        observed.report,
        observed.report.get("audit"),
        interval_s=state.lane.interval_s,
        mock=state.mock,
        recorded=entry["recorded"],
    )
    judged = judge(state.profile, readings)
    checked = replace(
        observed,
        readings=readings,
        verdict=judged.verdict,
        reasons=judged.reasons,
        failed_checks=tuple(entry["failed"]),
    )
    return replace(state, observed=checked)


def _decided(state: LaneState, entry: Entry) -> LaneState:
    decision = decision_from_entry(entry)
    observed = state.observed
    if observed is None or state.intent is not None or observed.number != decision.iteration:
        raise _bad(entry, "a decision follows the observation of its iteration, once")
    if decision.old_hash != state.state_hash:
        raise _bad(entry, f"it starts from {decision.old_hash}, in force is {state.state_hash}")
    if decision.changes:
        return replace(state, intent=decision)
    return _completed(state, decision)


def _done(state: LaneState, entry: Entry) -> LaneState:
    intent = state.intent
    if intent is None or intent.iteration != entry["iteration"]:
        raise _bad(entry, "done follows a decision that changes something, once")
    if intent.state_hash != entry["state_hash"]:
        raise _bad(entry, f"the decision's hash is {intent.state_hash}")
    return replace(_completed(state, intent), halt=None)


def _edited(state: LaneState, entry: Entry) -> LaneState:
    # An edit that met a decision on its way to the file: the decision counts as carried out, then
    # edited. That may charge a move that never came into force; the guards err towards fewer moves.
    if state.intent is not None:
        state = _completed(state, state.intent)
    if entry["old_hash"] != state.state_hash:
        raise _bad(entry, f"it starts from {entry['old_hash']}, in force is {state.state_hash}")
    values = {key: float(entry["values"][key]) for key in state.profile.parameters}
    # The operator's move is not charged to velocity, and what the tuner did to the key before is
    # no A -> B -> A memory any more. The spent part of the hour and the signature stay.
    before = {key: past for key, past in state.before.items() if key not in entry["keys"]}
    edited = replace(state, values=values, state_hash=entry["new_hash"], before=before)
    if edited.observed is not None:  # during the interval: the decision starts from it
        return replace(edited, observed=replace(edited.observed, edited=values))
    return replace(edited, edited=True)


def _halted(state: LaneState, entry: Entry) -> LaneState:
    return replace(state, halt=Halt(entry["iteration"], entry["kind"], entry["text"]))


_STEPS: Mapping[str, Callable[[LaneState, Entry], LaneState]] = {
    "plan": _planned,
    "observation": _observed,
    "checks": _checked,
    "external": _edited,
    "decision": _decided,
    "done": _done,
    "halt": _halted,
}


def _completed(state: LaneState, decision: Decision) -> LaneState:
    """The state once the decision is in force: memory, streaks, and what it charges."""
    observed = state.observed
    if observed is None:
        raise EntryError(f"iteration {decision.iteration} has no observation")
    remembered = _remembered(state, observed.readings)
    judged = _judged(remembered, decision, observed.readings)
    charged = _charged(judged, decision)
    return replace(
        _panicked(charged, decision),
        done=decision.iteration,
        observed=None,
        intent=None,
        values=decision.values,
        state_hash=decision.state_hash,
        stopped=decision.wanted.stopped,
    )


def _remembered(state: LaneState, readings: Readings) -> LaneState:
    rules = state.profile.rules
    longest = max((rule.evidence.over for rule in rules), default=1)
    firsts = [
        condition.share_of_first[1]
        for rule in rules
        for condition in rule.when
        if condition.share_of_first is not None
    ]
    recent = (*state.recent, readings)
    first = state.first if len(state.first) >= max(firsts, default=0) else (*state.first, readings)
    return replace(state, recent=recent[max(0, len(recent) - longest + 1) :], first=first)


def _judged(state: LaneState, decision: Decision, readings: Readings) -> LaneState:
    """Streaks and freeze. Missing data breaks a good streak and leaves a bad one."""
    fail_streak = state.fail_streak
    if decision.verdict is Verdict.FAIL:
        fail_streak += 1
    elif decision.verdict is not Verdict.INCONCLUSIVE:
        fail_streak = 0
    pass_streak = state.pass_streak + 1 if decision.verdict is Verdict.PASS else 0
    state = replace(state, fail_streak=fail_streak, pass_streak=pass_streak)
    freeze = state.profile.guards.freeze
    if freeze is None:
        return state
    if decision.iteration <= state.frozen_until or not all_hold(freeze.stable, readings):
        return replace(state, stable_streak=0)
    if state.stable_streak + 1 < freeze.after:
        return replace(state, stable_streak=state.stable_streak + 1)
    return replace(state, stable_streak=0, frozen_until=decision.iteration + freeze.iterations)


def _charged(state: LaneState, decision: Decision) -> LaneState:
    """What applied moves cost: velocity, A-B-A memory, dwell, cooldown. A dry run costs nothing."""
    guards, now = state.profile.guards, decision.iteration
    window, interval_s = guards.velocity_window_s, state.lane.interval_s
    # The window is half-open: a move exactly one window before the next decision has left it.
    moves = [move for move in state.moves if (now + 1 - move.iteration) * interval_s < window]
    memory = guards.oscillation.forget_after if guards.oscillation is not None else 0
    before = {key: past for key, past in state.before.items() if now + 1 - past[1] <= memory}
    state = replace(state, moves=tuple(moves), before=before)
    made = [outcome for outcome in decision.outcomes if outcome.outcome != "SKIPPED"]
    if decision.dry_run or not decision.changes or not made:
        return state
    acted = dict(state.acted)
    known_rules = {rule.name for rule in state.profile.rules}
    for outcome in made:
        if outcome.rule not in UNCHARGED_RULES and interval_s < window:
            moves.append(Moved(outcome.key, now, abs(outcome.applied)))
        before[outcome.key] = (state.values[outcome.key], now)
        if outcome.rule in known_rules:
            acted[outcome.rule] = now
    cooldown = guards.cooldown
    cooling = now + cooldown.iterations if cooldown is not None and decision.large else 0
    return replace(
        state,
        moves=tuple(moves),
        before=before,
        acted=acted,
        last_signature=decision.signature,
        cooldown_until=max(state.cooldown_until, cooling),
    )


def _panicked(state: LaneState, decision: Decision) -> LaneState:
    panic = decision.panic
    if panic is None:
        return state
    if panic.would:
        return replace(state, fail_streak=0)
    return replace(
        state,
        fail_streak=0,
        stable_streak=0,
        pass_streak=0,
        frozen_until=0,
        cooldown_until=0,
        last_signature=None,
        before={},
        hold_until=max(state.hold_until, panic.held_until or 0),
    )


def tuning_state(state: LaneState) -> dict[str, Any]:
    """TUNING_STATE.json: what the guards remember. Iterations are 0 where there was none yet."""
    freeze = state.profile.guards.freeze
    return {
        "iteration": state.done,
        "state_hash": state.state_hash,
        "fail_streak": state.fail_streak,
        "stable_streak": state.stable_streak,
        "pass_streak": state.pass_streak,
        "frozen_until_iter": state.frozen_until,
        "frozen_keys": list(freeze.keys)
        if freeze is not None and state.frozen_until > state.done
        else [],
        "cooldown_until_iter": state.cooldown_until,
        "hold_until_iter": state.hold_until,
        "last_signature": state.last_signature,
        "stopped": list(state.stopped),
        "acted": dict(sorted(state.acted.items())),
        "moves": [
            {"key": move.key, "iteration": move.iteration, "size": move.size}
            for move in state.moves
        ],
        "values_before_last_change": {
            key: {"value": value, "iteration": iteration}
            for key, (value, iteration) in sorted(state.before.items())
        },
    }
