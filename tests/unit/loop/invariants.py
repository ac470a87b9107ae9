"""The invariants of docs/guards.md, checked on a finished lane from its journal.

Nothing here uses the guards: streaks, windows and memories are computed again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from pytest_soak.canonical import canonical_json
from pytest_soak.loop.entries import runtime_of
from pytest_soak.loop.fold import fold
from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import Decision, Iteration, Verdict
from tests.unit.loop.lanes import Drive

HOUR = 3600.0
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Past:
    """One applied move of a key."""

    iteration: int
    before: float
    after: float
    charged: bool


def check_lane(drive: Drive) -> None:
    """Raises AssertionError for the first invariant that the lane breaks."""
    iterations = read_history(drive.entries).iterations
    decided = [
        (iteration, iteration.decision)
        for iteration in iterations
        if iteration.decision is not None
    ]
    check_values(drive)
    for iteration, decision in decided:
        check_outcomes(drive, iteration, decision)
    check_velocity(drive, decided)
    check_freeze(drive, decided)
    check_cooldown(drive, decided)
    check_signatures(drive, decided)
    check_oscillation(drive, decided)
    check_panic(drive, decided)
    check_late(drive, decided)
    check_warmup(drive, decided)
    check_pins(drive, decided)
    check_attributions(drive, decided)
    check_rollbacks(drive, decided)
    check_fold(drive)


Decided = list[tuple[Iteration, Decision]]


def check_values(drive: Drive) -> None:
    """I1: finite and inside the bounds. I6: equal hash, equal bytes."""
    profile = drive.states[0].profile
    runtimes: dict[str, bytes] = {}
    for state in drive.states:
        for key, value in state.values.items():
            parameter = profile.parameters[key]
            assert math.isfinite(value), f"I1: {key} is {value}"
            assert parameter.minimum <= value <= parameter.maximum, f"I1: {key} is {value}"
        written = canonical_json(runtime_of(profile, state.values))
        assert runtimes.setdefault(state.state_hash, written) == written, "I6: one hash, two states"
    assert len(set(runtimes.values())) == len(runtimes), "I6: one state, two hashes"


def check_outcomes(drive: Drive, iteration: Iteration, decision: Decision) -> None:
    """I4, I5, I14, and the meaning of APPLIED, CLIPPED and SKIPPED."""
    proposed = {proposal.key for proposal in decision.proposed}
    keys = [outcome.key for outcome in decision.outcomes]
    assert keys == sorted(proposed), "I4: one outcome for every proposed key"
    words = [outcome.outcome for outcome in decision.outcomes]
    assert len(words) == sum(words.count(word) for word in ("APPLIED", "CLIPPED", "SKIPPED")), "I4"
    start = drive_values(drive, decision)
    moved = {outcome.key: outcome for outcome in decision.outcomes if outcome.outcome != "SKIPPED"}
    panic = decision.panic.moves if decision.panic and not decision.panic.would else {}
    for key, value in decision.values.items():
        if value == start[key]:
            continue
        assert not decision.dry_run, "a dry run changes nothing"
        assert key in panic or key in moved, f"I5: {key} changed without an entry"
        assert value == (panic[key] if key in panic else moved[key].after), "I5"
    if not proposed and not panic:
        assert decision.values == start, "I14: nothing proposed, nothing changed"
    for outcome in decision.outcomes:
        if outcome.outcome == "SKIPPED":
            assert outcome.reason, "a refusal has a reason"
            assert (outcome.applied, outcome.before) == (0.0, outcome.after)
            continue
        assert decision.dry_run or decision.values[outcome.key] == outcome.after
        assert outcome.before == start[outcome.key]
        assert outcome.after != outcome.before, "an applied move moves"
        assert (outcome.applied > 0) == (outcome.proposed > 0), "a move keeps its sign"
        share = 1.0 if outcome.outcome == "APPLIED" else 0.5
        slack = TOLERANCE * 10 * drive.state.profile.parameters[outcome.key].span
        assert abs(outcome.applied) >= share * abs(outcome.proposed) - slack
        assert abs(outcome.applied) <= abs(outcome.proposed) + slack
        assert bool(outcome.reason) == (outcome.outcome == "CLIPPED")
        for proposal in decision.proposed:
            if proposal.key == outcome.key:
                for kpi in proposal.kpis:
                    reading = iteration.readings.get(kpi)
                    assert reading is not None, "a move needs data"
                    assert reading.usable is not None, "a move needs data"


def drive_values(drive: Drive, decision: Decision) -> dict[str, float]:
    """The values that the decision started from."""
    for state in drive.states:
        if state.state_hash == decision.old_hash:
            return dict(state.values)
    raise AssertionError("a decision starts from a state that the lane never had")


def applied(drive: Drive, decided: Decided, key: str) -> Iterator[Past]:
    """Every move of the key that was carried out, oldest first."""
    for _, decision in decided:
        before = drive_values(drive, decision)[key]
        after = decision.values[key]
        for outcome in decision.outcomes:
            if outcome.key == key and after != before and decision.panic is None:
                charged = outcome.rule != "ROLLBACK"
                yield Past(decision.iteration, before, after, charged)


def check_velocity(drive: Drive, decided: Decided) -> None:
    """I2: in every half-open hour, the sum of |moves| is within the cap."""
    interval_s = drive.state.lane.interval_s
    for key, parameter in drive.state.profile.parameters.items():
        moves = [past for past in applied(drive, decided, key) if past.charged]
        for last in moves:
            within = [
                abs(past.after - past.before)
                for past in moves
                if 0 <= (last.iteration - past.iteration) * interval_s < HOUR
            ]
            allowed = parameter.cap_per_hour + 2 * TOLERANCE * parameter.span
            assert math.fsum(within) <= allowed, f"I2: {key} at {last.iteration}: {within}"


def check_freeze(drive: Drive, decided: Decided) -> None:
    """I3: a frozen key is bit-identical, and a key that is not frozen is not refused for it."""
    streak, until = 0, 0
    warmup = drive.state.profile.gate.warmup_iterations
    for iteration, decision in decided:
        frozen = iteration.number <= until
        for outcome in decision.outcomes:
            is_frozen_key = outcome.key in ("impact_cap_ratio", "max_delta_ratio")
            if frozen and is_frozen_key:
                assert decision.panic or outcome.applied == 0, f"I3: {outcome}"
            refused = "freeze" in (outcome.reason, *outcome.also)
            assert refused == (frozen and is_frozen_key), "I3: the reason is freeze if frozen"
        risk, net = (iteration.readings[kpi].usable for kpi in ("risk_ratio", "net_bps"))
        stable = risk is not None and net is not None and risk <= 0.35 and net >= 2.7
        stable = stable and iteration.number > warmup
        streak = streak + 1 if stable and not frozen else 0
        if streak == 2:
            streak, until = 0, iteration.number + 4
        if decision.panic is not None and not decision.panic.would:
            streak, until = 0, 0


def check_cooldown(drive: Drive, decided: Decided) -> None:
    """I9: exactly the two decisions after a large change, unless a panic clears it."""
    until = 0
    for _, decision in decided:
        cooling = decision.iteration <= until
        for outcome in decision.outcomes:
            refused = "cooldown" in (outcome.reason, *outcome.also)
            assert refused == cooling, f"I9 at {decision.iteration}: {outcome}"
            assert not cooling or outcome.outcome == "SKIPPED", "I9: too short"
        if decision.panic is not None and not decision.panic.would:
            until = 0
            continue
        if decision.dry_run:
            continue
        share = sum(
            abs(outcome.applied) / drive.state.profile.parameters[outcome.key].span
            for outcome in decision.outcomes
            if outcome.outcome != "SKIPPED"
        )
        if share > 0.10 + 1e-9:
            until = decision.iteration + 2


def check_signatures(drive: Drive, decided: Decided) -> None:
    """I7: no signature twice in a row; a signature for every applied change and no other."""
    last = None
    for _, decision in decided:
        if decision.panic is not None and not decision.panic.would:
            assert decision.signature is None
            last = None
            continue
        assert (decision.signature is not None) == decision.changes
        if decision.signature is not None:
            assert decision.signature != last, f"I7 at {decision.iteration}"
            last = decision.signature


def check_oscillation(drive: Drive, decided: Decided) -> None:
    """I8: no A -> B -> A within twelve iterations, but for exempt rules, edits and panics."""
    exempt = ("LATENCY_RECOVER", "NORMALIZE", "RELAX", "ROLLBACK", "BACK")  # BACK: drawn.py's
    resets = {
        (key, entry["iteration"])
        for entry in drive.entries
        if entry["type"] == "external"
        for key in entry["keys"]
    }
    panics = [decision.iteration for _, decision in decided if decision.panic is not None]
    for key, parameter in drive.state.profile.parameters.items():
        rules = {
            decision.iteration: outcome.rule
            for _, decision in decided
            for outcome in decision.outcomes
            if outcome.key == key
        }
        moves = list(applied(drive, decided, key))
        for first, second in pairwise(moves):
            span = range(first.iteration, second.iteration)
            if any((key, number) in resets for number in span):
                continue
            if any(first.iteration < number <= second.iteration for number in panics):
                continue
            if second.iteration - first.iteration > 12 or rules[second.iteration] in exempt:
                continue
            distance = abs(second.after - first.before)
            assert distance > TOLERANCE * parameter.span, f"I8: {key} at {second.iteration}"


def check_panic(drive: Drive, decided: Decided) -> None:
    """I11: after three FAILs the runtime is the safe profile; then four decisions are paused."""
    guard = drive.state.profile.guards.panic
    assert guard is not None
    streak, paused_until = 0, 0
    acts = drive.state.tune and not drive.state.dry_run
    for iteration, decision in decided:
        if iteration.verdict is Verdict.FAIL:
            streak += 1
        elif iteration.verdict is not Verdict.INCONCLUSIVE:
            streak = 0
        due = streak == 3
        assert (decision.panic is not None) == due, f"I11 at {decision.iteration}"
        paused = decision.iteration <= paused_until
        for outcome in decision.outcomes:
            refused = "panic" in (outcome.reason, *outcome.also)
            assert refused == (due or paused), f"I11: {outcome}"
            assert outcome.outcome == "SKIPPED" or not refused
        if due:
            streak = 0
            if acts:
                assert decision.values == guard.values, "I11: not the safe profile"
                if decision.changes:
                    paused_until = decision.iteration + 4


def check_pins(drive: Drive, decided: Decided) -> None:
    """A key that an operator edited is bit-identical to the end, but for panics and more edits."""
    length = drive.state.profile.guards.pin.iterations
    edits = [
        (entry["iteration"], key, position)
        for position, entry in enumerate(drive.entries)
        if entry["type"] == "external"
        for key in entry["keys"]
    ]
    for _, decision in decided:
        start = drive_values(drive, decision)
        acts = decision.panic is not None and not decision.panic.would
        at = next(
            position
            for position, entry in enumerate(drive.entries)
            if entry["type"] == "decision" and entry["iteration"] == decision.iteration
        )
        pinned = {
            key
            for iteration, key, position in edits
            if position < at and (length is None or decision.iteration <= iteration + length)
        }
        for key in pinned:
            assert acts or decision.values[key] == start[key], f"a pinned key moved: {key}"
        for outcome in decision.outcomes:
            refused = "pin" in (outcome.reason, *outcome.also)
            assert refused == (outcome.key in pinned), f"the reason is pin if pinned: {outcome}"
        if decision.panic is not None:
            assert set(decision.panic.pins) == pinned & set(decision.panic.moves)


def check_attributions(drive: Drive, decided: Decided) -> None:
    """Every applied change is reported once, when it is due, unless the lane ended before."""
    applied_changes = {
        (decision.iteration, outcome.rule)
        for _, decision in decided
        for outcome in decision.outcomes
        if outcome.outcome != "SKIPPED" and decision.changes and not decision.dry_run
    }
    dwells = {rule.name: rule.dwell for rule in drive.state.profile.rules}
    due = {change: change[0] + max(4, dwells.get(change[1], 1)) for change in applied_changes}
    reported: set[tuple[int, str]] = set()
    for _, decision in decided:
        for attribution in decision.attributed:
            change = (attribution.iteration, attribution.rule)
            assert change not in reported, "a change is reported once"
            assert change in applied_changes, "only applied changes are reported"
            reported.add(change)
            # A panic or an edit of its keys ends the measurement: a note, and no effect.
            cut_short = bool(attribution.note) and not attribution.effects
            assert decision.iteration == due[change] or (
                cut_short and decision.iteration < due[change]
            ), f"reported at {decision.iteration}: {change}"
    for change in applied_changes - reported:
        assert decided[-1][1].iteration < due[change], f"not reported: {change}"


def check_rollbacks(drive: Drive, decided: Decided) -> None:
    """A key is rolled back once in 24 iterations, and only after a change that hurt."""
    last: dict[str, int] = {}
    hurt: dict[str, set[float]] = {}
    for _, decision in decided:
        for attribution in decision.attributed:
            if attribution.beyond_doubt:
                for key, (before, _after) in attribution.keys.items():
                    hurt.setdefault(key, set()).add(before)
        for outcome in decision.outcomes:
            if outcome.rule != "ROLLBACK":
                continue
            assert outcome.key in hurt, "no change of this key hurt"
            if outcome.outcome == "SKIPPED":
                continue
            assert decision.iteration - last.get(outcome.key, -99) >= 24, "twice in 24 iterations"
            last[outcome.key] = decision.iteration
            slack = TOLERANCE * drive.state.profile.parameters[outcome.key].span
            assert outcome.after is not None
            near = any(abs(outcome.after - value) <= slack for value in hurt[outcome.key])
            assert near, "not the value before the change"


def check_late(drive: Drive, decided: Decided) -> None:
    last = drive.state.iterations
    for _, decision in decided:
        if decision.iteration == last:
            words = {outcome.outcome for outcome in decision.outcomes}
            assert words <= {"SKIPPED"}, "nothing moves on the last iteration"


def check_warmup(drive: Drive, decided: Decided) -> None:
    """Nothing but a panic moves a value in the warm-up."""
    warmup = drive.state.profile.gate.warmup_iterations
    for iteration, decision in decided:
        if iteration.number <= warmup:
            assert all("warmup" in (item.reason, *item.also) for item in decision.outcomes)
            assert decision.panic or decision.values == drive_values(drive, decision)


def check_fold(drive: Drive) -> None:
    """I12: any prefix of the journal folds to the state at its end (two of them are checked)."""
    lines = [canonical_json(entry) for entry in drive.entries]
    assert fold(json.loads(line) for line in lines) == drive.state, "I12"
    middle = len(lines) // 2
    assert fold(json.loads(line) for line in lines[: middle + 1]) == drive.states[middle], "I12"
