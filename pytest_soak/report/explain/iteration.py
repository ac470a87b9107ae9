"""One iteration, explained: the KPIs, the state of every rule, and the guards' answers.

The input is the lane just before the decision, folded from its journal, and the journaled
decision. What the rules saw is not in the journal; the functions that decided compute it again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pytest_soak.gate.echo import echo_text
from pytest_soak.loop.headroom import (
    deciding,
    is_cooling,
    is_late,
    is_paused,
    is_pinned,
    is_warming,
)
from pytest_soak.loop.history import Moment
from pytest_soak.loop.model import PROPOSER_FAILED, Decision, Iteration, Reading
from pytest_soak.loop.rollback import ROLLBACK, suspensions_of
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.loop.state import LaneState
from pytest_soak.profile.model import Profile
from pytest_soak.profile.parameter import Parameter
from pytest_soak.report.explain.answers import answers, attributed, panic
from pytest_soak.report.explain.rules import HOOK, RuleView, rule_text, rule_views
from pytest_soak.report.layout import (
    Table,
    iteration_limits,
    kept,
    labelled,
    listed,
    moved_text,
    parameter_change,
    parameter_value,
    reading,
    value,
)

_HASH = 12
_OFF = "off in this profile"
_KPI_COLUMN = 24
_RULE_COLUMN = 32
_WORDS = ("FIRES", "idle", "waits", "quiet")


def explain_iteration(moment: Moment) -> str:
    """The text of one iteration, from the lane just before its decision."""
    state, decision, observed = moment.state, moment.decision, moment.state.observed
    if observed is None:
        raise ValueError(f"iteration {deciding(state)} was not observed")
    lines = [
        *_header(moment, observed),
        *_section("KPIs as read", _kpis(state.profile, observed)),
        *_section("In force at this decision", _in_force(state)),
        *_section("Rules", _rules(state, observed, decision)),
    ]
    if decision is not None:
        lines += _section("Parameters", answers(state, observed, decision))
        lines += _section("Panic", panic(state, decision.panic))
        lines += _section(
            "Effects of earlier changes", attributed(state.profile.parameters, decision.attributed)
        )
    return "\n".join(lines) + "\n"


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", title, *lines] if lines else []


# -- verdict, changes, KPIs ----------------------------------------------------------------------


def _header(moment: Moment, observed: Iteration) -> list[str]:
    state, decision = moment.state, moment.decision
    title = f"{state.lane.id}, iteration {observed.number} of {state.iterations}"
    facts = [("because", reason) for reason in observed.reasons]
    facts += [("failed check", name) for name in observed.failed_checks]
    facts += [("scenario", fired.name) for fired in fired_in(observed)]
    if observed.echo_mismatch:
        echoed = echo_text(state.profile.parameters, observed)
        facts.append(("target", f"ran with other values: {echoed}"))
    facts += [("edited", text) for text in _edits(state.profile.parameters, observed)]
    facts.append(("mode", mode_of(state)))
    if decision is None:
        facts.append(("decision", _undecided(state)))
    else:
        first, *others = _changed(moment, decision)
        facts += [("changed", first), *(("", text) for text in others)]
        facts += [("note", decision.note), ("runtime", _hashes(decision))]
    lines = labelled(f"{title}: {observed.verdict}", "", indent=0)
    return lines + [line for label, text in facts if text for line in labelled(label, text)]


def mode_of(state: LaneState) -> str:
    """Why nothing is tuned in a lane; empty for a lane that is tuned."""
    if not state.tune:
        return "tuner off: nothing is proposed"
    return "dry run: what is decided is recorded, nothing is applied" if state.dry_run else ""


def _undecided(state: LaneState) -> str:
    if state.halt is None:
        return "none yet: the session ended before it; --soak-resume makes it"
    return f"none: the lane halted ({state.halt.kind}): {state.halt.text}"


def _edits(table: Table, observed: Iteration) -> Iterator[str]:
    for key, (old, _) in sorted(observed.edits.items()):
        ran, left = observed.values[key], observed.basis[key]
        for when, start, end in (("before", old, ran), ("during", ran, left)):
            if start != end:
                yield f"by hand {when} this iteration: {moved_text(table, key, start, end)}"


def _changed(moment: Moment, decision: Decision) -> list[str]:
    state, table = moment.state, moment.state.profile.parameters
    moves = {outcome.key: outcome for outcome in decision.outcomes if outcome.outcome != "SKIPPED"}
    moved = [
        f"{moved_text(table, key, state.values[key], now)} "
        f"({moves[key].rule or HOOK if key in moves else 'PANIC'})"
        for key, now in decision.values.items()
        if now != state.values[key]
    ]
    if moved and not moment.in_force:
        return [*moved, "not confirmed in the runtime file yet: --soak-resume completes it"]
    if moved:
        return [*moved, f"in force from iteration {decision.iteration + 1}"]
    would = [
        kept(moved_text(table, outcome.key, outcome.before, outcome.after))
        for outcome in moves.values()
    ]
    return [f"nothing; without the dry run: {', '.join(would)}" if would else "nothing"]


def _hashes(decision: Decision) -> str:
    old, new = decision.old_hash[:_HASH], decision.state_hash[:_HASH]
    if not decision.changes:
        return f"hash {old}, unchanged"
    signature = "" if decision.signature is None else f", signature {decision.signature}"
    return f"hash {old} -> {new}{signature}"


def _kpis(profile: Profile, observed: Iteration) -> list[str]:
    lines = []
    for name, item in observed.readings.items():
        kpi = profile.kpis.get(name)
        limits = iteration_limits(profile, name)
        unit = "" if kpi is None or kpi.unit in ("1", "share") else kpi.unit
        figure = reading(item.usable, *limits)
        text = figure if item.usable is None else f"{figure} {unit}".rstrip()
        if item.value is None and item.why:
            lines += labelled(name, f"{text:<16} {item.why}", column=_KPI_COLUMN)
            continue
        lines += labelled(name, f"{text:<16} {_origin(item)}".rstrip(), column=_KPI_COLUMN)
    return lines


def _origin(item: Reading) -> str:
    if item.placeholder:
        return f"placeholder {reading(item.value)} from {item.source}; rules and gate do not use it"
    text = f"from {item.source}"
    if item.numerator is not None and item.denominator is not None:
        text += f", {reading(item.numerator)} of {reading(item.denominator)}"
    return text + (", weak: covers more than this iteration" if item.weak else "")


# -- the guards before the decision --------------------------------------------------------------


def _in_force(state: LaneState) -> list[str]:
    guards = state.profile.guards
    facts = [
        ("panic", _panic_text(state)),
        *_warmup_facts(state),
        ("late", _late_text(state)),
        ("pin", _pin_text(state) if guards.pin.iterations != 0 else _OFF),
        ("freeze", _freeze_text(state)),
        ("cooldown", _cooldown_text(state) if guards.cooldown is not None else _OFF),
        ("velocity", _velocity_text(state)),
    ]
    for key, pending in state.attribution.pending.items():
        back = parameter_value(state.profile.parameters, key, pending.value)
        text = f"{key} back to {back}, pending since iteration {pending.since}"
        facts.append(("rollback", text))
    rules = {rule.name for rule in state.profile.rules}
    for (rule, key), suspension in suspensions_of(state).items():
        if rule not in rules:
            continue  # a suspension binds the rules of the profile, not the names of a proposer
        way = "up" if suspension.direction > 0 else "down"
        text = f"{rule} may not move {key} {way} before iteration {suspension.until}"
        facts.append(("rollback", text))
    return [line for label, text in facts for line in labelled(label, text, column=_KPI_COLUMN)]


def _panic_text(state: LaneState) -> str:
    guard = state.profile.guards.panic
    if guard is None:
        return _OFF
    pause = f"paused until iteration {state.timers.paused_until}; " if is_paused(state) else ""
    streak = f"{state.streaks.fail} FAIL iterations in a row before this one"
    return f"{pause}{streak}; {guard.after} in a row revert"


def _warmup_facts(state: LaneState) -> list[tuple[str, str]]:
    """Nothing for a profile without a warm-up."""
    last = state.profile.gate.warmup_iterations
    if not last:
        return []
    text = f"yes: up to iteration {last} nothing moves, is judged or is evidence"
    return [("warmup", text if is_warming(state) else f"no; it ended with iteration {last}")]


def _late_text(state: LaneState) -> str:
    last = state.profile.guards.hold_last
    if is_late(state):
        return f"yes: the last {last} of {state.iterations} decisions move nothing"
    return f"no; late from iteration {state.iterations - last + 1} on" if last else _OFF


def _pin_text(state: LaneState) -> str:
    pinned: dict[str, list[str]] = {}
    for key, last in sorted(state.edits.pinned.items()):
        if is_pinned(state, key):
            until = "for the rest of the run" if last is None else f"until iteration {last}"
            pinned.setdefault(until, []).append(key)
    parts = [f"{listed(keys)} {until}" for until, keys in pinned.items()]
    return f"{', '.join(parts)}: edited by hand" if parts else "no"


def _freeze_text(state: LaneState) -> str:
    guard = state.profile.guards.freeze
    if guard is None:
        return _OFF
    if deciding(state) <= state.timers.frozen_until:
        return f"{listed(guard.keys)} until iteration {state.timers.frozen_until}"
    streak = f"{state.streaks.stable} stable iterations in a row before this one"
    return f"no; {streak}; {guard.after} in a row freeze"


def _cooldown_text(state: LaneState) -> str:
    return f"until iteration {state.timers.cooldown_until}" if is_cooling(state) else "no"


def _velocity_text(state: LaneState) -> str:
    used: dict[str, float] = {}
    for move in state.charges.moves:
        used[move.key] = used.get(move.key, 0.0) + move.size
    caps = state.profile.parameters
    parts = [
        kept(f"{key} {_cap(caps[key], sum_)} of {_cap(caps[key], caps[key].cap_per_hour)}")
        for key, sum_ in used.items()
    ]
    window = f"in the last {state.profile.guards.velocity_window_s:g} s"
    return f"moved {window}: {', '.join(sorted(parts))}" if parts else f"nothing moved {window}"


def _cap(parameter: Parameter, size: float) -> str:
    """A sum of moves; of a ``log`` parameter as a ratio."""
    return f"x{value(math.exp(size))}" if parameter.log else value(size)


# -- the rules -----------------------------------------------------------------------------------


def _rules(state: LaneState, observed: Iteration, decision: Decision | None) -> list[str]:
    if not state.tune:
        return labelled("not used", "the tuner is off")
    if decision is not None and not decision.by_rules:
        return labelled("not used", f"{HOOK} {_hook_answer(decision)}")
    lines = []
    views = rule_views(state, observed.readings)
    for view in sorted(views, key=lambda view: _WORDS.index(view.word)):
        lines += labelled(f"{view.word:<6} {view.rule.name}", rule_text(view), column=_RULE_COLUMN)
        requests = _requests_text(state.profile.parameters, view)
        if requests:
            lines += labelled("", requests, column=_RULE_COLUMN)
    return lines


def _hook_answer(decision: Decision) -> str:
    if PROPOSER_FAILED in decision.note:
        return "was called instead and failed, so nothing is proposed"
    if all(proposal.rule == ROLLBACK for proposal in decision.proposed):
        return "was called instead and proposed nothing"
    names = [name for name in decision.rules if name != ROLLBACK]
    return f"proposed instead, {f'as {listed(names)}' if names else 'without a rule name'}"


def _requests_text(table: Table, view: RuleView) -> str:
    if view.word == "idle":
        return "requests nothing: every parameter is already where the rule moves it"
    requests = ", ".join(
        kept(f"{key} {parameter_change(table, key, delta)}") for key, delta in view.requests.items()
    )
    return f"requests {requests}" if requests else ""
