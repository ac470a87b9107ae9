"""The lines of ``run.log``: one for each event of a lane, from its journal (docs/artifacts.md).

A line is ``| area | EVENT | lane=… iter=… key=value … |``. Only its last field may have spaces, and
no field has a ``|``, so that no text of a target can look like another event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_soak.canonical import escaped
from pytest_soak.loop.decide import total_move
from pytest_soak.loop.entries import Edit, Observation, Plan
from pytest_soak.loop.evidence import rule_status
from pytest_soak.loop.history import Transition
from pytest_soak.loop.kpis import FAULT
from pytest_soak.loop.missing import missing_kpis
from pytest_soak.loop.model import Attribution, Decision, Halt, Iteration, Verdict
from pytest_soak.loop.moves import rule_text
from pytest_soak.loop.rollback import ROLLBACK, pending_after, rollback_text
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.loop.state import LaneState, Timers
from pytest_soak.report.layout import SHORT_NAMES, kpi_figure, main_kpis
from pytest_soak.report.summary import Shortfall, shortfalls

if TYPE_CHECKING:
    from pytest_soak.gate.judge import LaneJudgement, RunJudgement

EVENTS: Mapping[str, tuple[str, ...]] = {
    "profile_apply": ("OK",),
    "resume": ("RESUMED", "PLAN", "FRESH_TARGET"),
    "external": ("EDIT", "REWRITTEN"),
    "target": ("DETAIL", "FAULT", "NO_DATA", "SCENARIO", "RESTARTED", "ENDED"),
    "iter_watch": (
        *("ITER", "APPLY", "APPLY_SKIP", "COOLDOWN", "FREEZE"),
        *("ATTRIBUTED", "ROLLBACK", "ROLLBACK_PENDING"),
    ),
    "proposer": ("PROPOSED", "FAILED"),
    "sanity": ("FAIL",),
    "kpi_gate": ("FAIL_STREAK",),
    "panic": ("REVERT", "PAUSE"),
    "lane": ("HALT", "END_OF_DATA"),
    "artifact": ("FAILED",),
    "soak_gate": tuple(Verdict),
}
"""Area to its events. Those of ``iter_watch`` are also the names of the profile's rules."""

_LONGEST_WORD = 80
_LONGEST_TEXT = 300
_MOST_NAMES = 12

Fields = Iterable[tuple[str, object]]


def event_line(area: str, event: str, lane: str, iteration: int, text: str = "") -> str:
    """The line of one event of an iteration; ``text`` is the rest of it, which may be foreign."""
    rest = f" {unpiped(text)}" if text else ""
    return f"| {area} | {event} | lane={lane} iter={iteration}{rest} |"


def unpiped(text: str) -> str:
    """``text`` as a part of a line: on one line, and without the sign between the fields."""
    return escaped(text).replace("|", "\\x7c")


def log_lines(transition: Transition) -> tuple[str, ...]:
    """The lines of the events that one journal entry brought about, in the order of time.

    The events of a decision come with the entry that puts it in force: the decision itself if it
    changes nothing, else ``done``, or an edit that came before ``done``. So a resumed lane, which
    completes a decision, has the lines that the killed one did not write.
    """
    entry, before, after = transition.entry, transition.before, transition.after
    lines: list[str] = []
    if after.done > before.done and before.observed is not None:
        decision = entry if isinstance(entry, Decision) else before.intent
        if decision is not None:
            lines += _decision_lines(before, after, before.observed, decision)
    match entry:
        case Observation():
            lines += _observation_lines(after)
        case Edit():
            lines.append(_edit_line(after, entry))
        case Halt():
            lines.append(halt_line(after.lane.id, entry))
        case Plan():
            lines.append(plan_line(after.lane.id, after.next_iteration, entry.iterations))
        case _:
            pass
    return tuple(lines)


def halt_line(lane: str, halt: Halt) -> str:
    """The end of a lane before its plan."""
    if halt.kind == "end_of_data":
        return event_line("lane", "END_OF_DATA", lane, halt.iteration, _text("reason", halt.text))
    text = f"kind={halt.kind} {_text('reason', halt.text)}"
    return event_line("lane", "HALT", lane, halt.iteration, text)


def plan_line(lane: str, iteration: int, iterations: int) -> str:
    """A resumed run has another number of iterations."""
    return event_line("resume", "PLAN", lane, iteration, f"iterations={iterations}")


def gate_lines(run: RunJudgement) -> tuple[str, ...]:
    """One line for each lane, and one for the run as the last."""
    return (*map(lane_gate_line, run.lanes), _run_gate_line(run))


def lane_gate_line(lane: LaneJudgement) -> str:
    """The verdict of a lane, and its criteria that are not PASS."""
    done = len(lane.window.history.iterations)
    criteria = [(item.name, item.verdict) for item in lane.criteria if item.binding]
    return event_line(
        "soak_gate",
        str(lane.verdict),
        lane.lane_id,
        done,
        _fields(
            ("measured", lane.measured),
            ("planned", lane.planned),
            *([] if (ready := lane.freeze_ready) is None else [("freeze_ready", int(ready))]),
            *_by_verdict(criteria),
        ),
    )


def _run_gate_line(run: RunJudgement) -> str:
    criteria = [
        (f"{lane.lane_id}/{item.name}", item.verdict)
        for lane in run.lanes
        for item in lane.criteria
        if item.binding
    ]
    fields = _fields(("lanes", len(run.lanes)), *_by_verdict(criteria))
    return f"| soak_gate | {run.verdict} | {fields} |"


def _by_verdict(criteria: Sequence[tuple[str, Verdict]]) -> Iterator[tuple[str, object]]:
    """``fail=a,b inconclusive=c``: the criteria that are not PASS, by their verdict."""
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.WARN):
        failing = [name for name, reached in criteria if reached is verdict]
        yield verdict.lower(), _names(failing)


# -- the events of a decision ----------------------------------------------------------------------


def _decision_lines(
    before: LaneState, after: LaneState, iteration: Iteration, decision: Decision
) -> Iterator[str]:
    lane, number = before.lane.id, decision.iteration

    def line(area: str, event: str, *fields: tuple[str, object], text: str = "") -> str:
        rest = " ".join(part for part in (_fields(*fields), text) if part)
        return event_line(area, event, lane, number, rest)

    yield line("iter_watch", "ITER", *_figures(before, iteration, decision))
    if after.memory.measured == number and not before.memory.measured:
        for missing in missing_kpis(before.profile, iteration.readings):
            read = (("kpi", missing.kpi), ("readers", _names(missing.readers)))
            yield line("target", "NO_DATA", *read, text=_text("reason", missing.why))
    if decision.verdict is Verdict.FAIL:
        reasons = _text("reason", "; ".join(decision.reasons))
        yield line("kpi_gate", "FAIL_STREAK", ("count", before.streaks.fail + 1), text=reasons)
    for item in decision.attributed:
        yield line("iter_watch", "ATTRIBUTED", *_attributed(item))
    if decision.rules or decision.proposed:
        for area, event, text in _requests(before, iteration, decision):
            yield line(area, event, text=text)
    if decision.panic is not None:
        yield line("panic", "REVERT", *_revert(before, decision))
    changed = [key for key, value in decision.values.items() if value != before.values[key]]
    if changed:
        rules = "PANIC" if decision.panic is not None else _names(_rules_of(decision))
        signature = decision.signature or "-"
        change = (("keys", _keys(changed)), ("signature", signature), ("rules", rules))
        yield line("iter_watch", "APPLY", *change)
    if decision.outcomes or decision.withheld:
        # Sorted: the order of keys in a decision is another one once it was in the journal.
        for shortfall in sorted((*shortfalls(decision), *_dry_run(decision)), key=_order):
            yield line("iter_watch", "APPLY_SKIP", *_skip(before, decision, shortfall))
            if shortfall.guard == "invalid":
                keys = ("keys", _keys(shortfall.keys))
                yield line("sanity", "FAIL", keys, text=_text("reason", shortfall.note))
    for key, pending in sorted(after.attribution.pending.items()):
        if pending.since == number and key not in before.attribution.pending:
            rule = ("rule", _names([pending.rule]) if pending.rule else "")
            moved = (
                ("key", key),
                ("to", before.profile.parameters[key].text(pending.value)),
                ("change", pending.changed),
            )
            yield line("iter_watch", "ROLLBACK_PENDING", *moved, rule)
    if before.timers is not after.timers or any(until >= number for until in _untils(before)):
        for area, event, begins, fields in _timers(before, after, decision):
            yield line(area, event, ("activated", int(begins)), *fields)


def _figures(
    before: LaneState, iteration: Iteration, decision: Decision
) -> Iterator[tuple[str, object]]:
    """The verdict and the KPIs of the progress line, and what else is unusual."""
    yield "verdict", decision.verdict.value
    for name in main_kpis(iteration.readings, before.profile):
        reading = iteration.readings.get(name)
        yield SHORT_NAMES.get(name, name), kpi_figure(reading, name, before.profile)
    if iteration.failed_checks:
        yield "failed_checks", len(iteration.failed_checks)
    if iteration.echo_mismatch:
        yield "echo_mismatch", _keys(iteration.echo_mismatch)


def _requests(
    before: LaneState, iteration: Iteration, decision: Decision
) -> Iterator[tuple[str, str, str]]:
    """The rules that fired with the words of the profile; what a proposer proposed; rollbacks."""
    rules = {rule.name: rule for rule in before.profile.rules}
    if decision.by_rules:
        for name in decision.rules:
            if name in rules:
                rule_of_profile = rules[name]
                figures = rule_status(rule_of_profile, before, iteration.readings).figures
                yield "iter_watch", name, rule_text(rule_of_profile, figures, decision.proposed)
    else:
        proposed = [item for item in decision.proposed if item.rule != ROLLBACK]
        if proposed:
            keys = _keys({item.key for item in proposed})
            named = _names(name for name in decision.rules if name != ROLLBACK)
            yield "proposer", "PROPOSED", _fields(("keys", keys), ("rules", named))
    if ROLLBACK in decision.rules:
        pending = pending_after(before, decision.attributed)
        for item in decision.proposed:
            if item.rule == ROLLBACK and item.key in pending:
                yield (
                    "iter_watch",
                    ROLLBACK,
                    rollback_text(before.profile, item.key, pending[item.key]),
                )


def _attributed(item: Attribution) -> Iterator[tuple[str, object]]:
    yield "change", item.iteration
    yield "rule", _names([item.rule]) if item.rule else ""
    yield "verdict", "_".join(item.verdict.split())
    yield "beyond_doubt", int(item.beyond_doubt)
    yield "keys", _keys(item.keys)
    yield "kpis", _names(effect.kpi for effect in item.effects)


def _revert(before: LaneState, decision: Decision) -> Iterator[tuple[str, object]]:
    panic = decision.panic
    if panic is None:
        return
    yield "rule", "PANIC"
    yield "to", panic.revert_to
    yield "reason", f"{before.streaks.fail + 1}_consecutive_failures"
    if panic.would:
        yield "would", 1
    if not panic.moves:
        yield "already", 1
    yield "keys", _keys(panic.moves)
    yield "pins", _names(panic.pins)


def _rules_of(decision: Decision) -> list[str]:
    applied = [item.rule for item in decision.outcomes if item.outcome != "SKIPPED"]
    return list(dict.fromkeys(applied))


def _skip(
    before: LaneState, decision: Decision, shortfall: Shortfall
) -> Iterator[tuple[str, object]]:
    """All or a part of these moves was not applied, in the words of ``skipped_reason``."""
    yield "reason", shortfall.word
    until = _until(before, decision, shortfall)
    if until is not None:
        yield "until_iter", until
    yield "outcome", shortfall.outcome
    yield "keys", _keys(shortfall.keys)
    if until is None and shortfall.note:
        yield "note", _cut(shortfall.note)  # the last field: a text with spaces


def _order(shortfall: Shortfall) -> tuple[str, str, str, tuple[str, ...]]:
    return shortfall.word, shortfall.outcome, shortfall.note, shortfall.keys


def _dry_run(decision: Decision) -> tuple[Shortfall, ...]:
    """What the guards allowed, and a dry run does not apply."""
    keys = [item.key for item in decision.outcomes if item.outcome != "SKIPPED"]
    if not decision.dry_run or not keys:
        return ()
    return (Shortfall("dry_run", "dry_run", "", "APPLIED", tuple(keys)),)


def _until(before: LaneState, decision: Decision, shortfall: Shortfall) -> object:
    """The last decision for which the guard refuses, where it is known; ``run``: all of them."""
    timers, panic = before.timers, decision.panic
    match shortfall.guard:
        case "freeze":
            return timers.frozen_until
        case "cooldown":
            return timers.cooldown_until
        case "panic" if panic is None:
            return timers.paused_until
        case "panic" if panic is not None and panic.paused_until is not None and not panic.would:
            return panic.paused_until
        case "pin":
            ends = {before.edits.pinned.get(key) for key in shortfall.keys}
            end = ends.pop() if len(ends) == 1 else None
            return "run" if end is None else end
    return None


def _untils(state: LaneState) -> tuple[int, int, int]:
    timers = state.timers
    return timers.frozen_until, timers.cooldown_until, timers.paused_until


def _timers(
    before: LaneState, after: LaneState, decision: Decision
) -> Iterator[tuple[str, str, bool, Fields]]:
    """Freeze, cooldown and pause where they begin with this decision, or have ended with it."""
    number, was, now = decision.iteration, before.timers, after.timers
    freeze = before.profile.guards.freeze
    keys = [("keys", _names(freeze.keys))] if freeze is not None else []
    delta = [("total_delta", f"{total_move(before.profile, decision):.3g}")]
    for area, event, field, begun in (
        ("iter_watch", "COOLDOWN", "cooldown_until", delta),
        ("iter_watch", "FREEZE", "frozen_until", keys),
        ("panic", "PAUSE", "paused_until", [("rule", "PANIC")]),
    ):
        old, new = _timer(was, field), _timer(now, field)
        if new > max(number, old):
            yield area, event, True, [("until_iter", new), *begun]
        elif old >= number and not new > number:
            by_panic = decision.panic is not None and old > number
            yield area, event, False, [("reason", "panic" if by_panic else "expired")]


def _timer(timers: Timers, field: str) -> int:
    until: int = getattr(timers, field)
    return until


# -- the events of other entries -------------------------------------------------------------------


def _observation_lines(after: LaneState) -> Iterator[str]:
    """What the report says of faults, and the scenarios that begin or end in this iteration."""
    iteration = after.observed
    if iteration is None:
        return
    lane, number = after.lane.id, iteration.number
    if FAULT in iteration.report and iteration.report[FAULT] is not None:
        yield event_line(
            "target", "FAULT", lane, number, _text("fault", str(iteration.report[FAULT]))
        )
    if not after.scenarios:
        return
    fired = {item.name for item in fired_in(iteration)}
    for scheduled in after.scenarios:
        last = scheduled.last(after.lane.interval_s)
        for at, activated in ((scheduled.at, 1), (last, 0)):
            if at == number:
                fields: list[tuple[str, Any]] = [
                    ("activated", activated),
                    ("name", scheduled.name),
                    *([("until_iter", last)] if activated else []),
                    ("reported", int(scheduled.name in fired)),
                ]
                yield event_line("target", "SCENARIO", lane, number, _fields(*fields))


def _edit_line(after: LaneState, edit: Edit) -> str:
    fields = [("keys", _keys(edit.keys))]
    pins = {key: after.edits.pinned[key] for key in edit.keys if key in after.edits.pinned}
    if pins:
        last = next(iter(pins.values()))
        fields.append(("pinned_until", "run" if last is None else str(last)))
    return event_line("external", "EDIT", after.lane.id, after.next_iteration, _fields(*fields))


# -- fields ----------------------------------------------------------------------------------------


def _fields(*fields: tuple[str, object]) -> str:
    """``key=value key=value``; a field with an empty value is left out."""
    return " ".join(f"{_word(key)}={value}" for key, value in fields if value != "")


def _keys(keys: Iterable[str]) -> str:
    return _names(sorted(keys))


def _names(names: Iterable[str]) -> str:
    """``a,b,c``, of many the first and how many more."""
    words = [_word(name) for name in names]
    more = f",+{len(words) - _MOST_NAMES}" if len(words) > _MOST_NAMES else ""
    return ",".join(words[:_MOST_NAMES]) + more


def _word(name: str) -> str:
    """A name as one word: names of proposers and checks may be any text."""
    if name.isidentifier():
        return name
    return "_".join(escaped(name).split())[:_LONGEST_WORD] or "-"


def _text(key: str, text: str) -> str:
    """A text with spaces as the last field."""
    return f"{key}={_cut(text)}" if text else ""


def _cut(text: str) -> str:
    line = escaped(" ".join(text.split()))
    return line if len(line) <= _LONGEST_TEXT else line[: _LONGEST_TEXT - 2] + ".."
