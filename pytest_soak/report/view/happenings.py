"""The events of a lane as a view has them: one line of text each, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pytest_soak.gate.figures import figure
from pytest_soak.loop.entries import Edit, Observation, Plan
from pytest_soak.loop.history import Transition
from pytest_soak.loop.kpis import FAULT, RESTARTS, reset_texts
from pytest_soak.loop.model import Attribution, Decision, Halt, Iteration, Outcome, Panic
from pytest_soak.loop.rollback import ROLLBACK
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.report.effects import interval
from pytest_soak.report.layout import Table, cut, listed, moved_text
from pytest_soak.report.summary import Shortfall
from pytest_soak.report.view.model import EventKind, EventView

LONGEST = 300
_MOST_KEYS = 6


def entry_events(transition: Transition) -> Iterator[EventView]:
    """The events of an entry that is no decision."""
    entry, before, after = transition.entry, transition.before, transition.after
    match entry:
        case Edit():
            moves = _moves(after.profile.parameters, entry.keys)
            yield _event(entry.iteration + 1, "edit", f"edited by hand: {moves}", entry.keys)
        case Halt(kind="end_of_data"):
            yield _event(entry.iteration, "end_of_data", _joined("the data ended", entry.text))
        case Halt():
            text = _joined(f"the lane halted ({entry.kind})", entry.text)
            yield _event(entry.iteration, "halt", text)
        case Plan():
            text = f"resumed with {entry.iterations} planned iterations"
            yield _event(after.next_iteration, "resume", text)
        case Observation() if after.observed is not None:
            if before.halt is not None:
                yield _event(entry.iteration, "resume", "resumed after its halt")
            yield from _reported(after.observed)
        case _:
            pass


def _reported(item: Iteration) -> Iterator[EventView]:
    """The faults, restarts and scenarios in a report."""
    fault, restarts = item.report.get(FAULT), item.report.get(RESTARTS)
    if fault is not None:
        yield _event(item.number, "fault", f"fault: {fault}")
    if isinstance(restarts, Mapping):
        for process, count in restarts.items():
            yield _event(item.number, "restart", f"{process} ended and was started again: {count}")
    for text in reset_texts(item.report):
        yield _event(item.number, "restart", text)
    for fired in fired_in(item):
        ends = f"{fired.started_s:g} to {fired.ended_s:g} s"
        yield _event(item.number, "scenario", f"scenario {fired.name}, {ends}")


def decision_events(
    table: Table, item: Iteration, decision: Decision, short: Sequence[Shortfall]
) -> Iterator[EventView]:
    """The events of a decision and of its iteration, in the order of the decision's steps."""
    number = item.number
    if item.failed_checks:
        yield _event(number, "check", f"failed: {listed(item.failed_checks[:4])}")
    for attribution in decision.attributed:
        if attribution.verdict != "no evidence":
            yield _event(number, "effect", _effect(attribution), attribution.keys)
    if decision.panic is not None:
        yield _event(number, "panic", _panic(decision.panic), decision.panic.moves)
    for rule, outcomes in _by_rule(decision).items():
        keys = [outcome.key for outcome in outcomes]
        text = f"{rule}: {_outcomes(table, outcomes)}"
        if decision.dry_run:
            text += " (dry run, not applied)"
        yield _event(number, "rollback" if rule == ROLLBACK else "rule", text, keys)
    for group in short:
        yield _event(number, "refusal", _refusal(group), group.keys)


def _by_rule(decision: Decision) -> dict[str, list[Outcome]]:
    """Rule to what became of its proposals; rules whose proposals were all refused are left out."""
    rules: dict[str, list[Outcome]] = {}
    for outcome in decision.outcomes:
        if outcome.outcome != "SKIPPED":
            rules.setdefault(outcome.rule or "proposer", []).append(outcome)
    return rules


def _outcomes(table: Table, outcomes: Sequence[Outcome]) -> str:
    return _moves(
        table,
        {
            item.key: (item.before, item.after)
            for item in outcomes
            if item.before is not None and item.after is not None
        },
    )


def _moves(table: Table, moves: Mapping[str, tuple[float, float]]) -> str:
    texts = [
        moved_text(table, key, old, new).replace(" -> ", " → ") for key, (old, new) in moves.items()
    ]
    more = f" and {len(texts) - _MOST_KEYS} more" if len(texts) > _MOST_KEYS else ""
    return ", ".join(texts[:_MOST_KEYS]) + more


def _panic(panic: Panic) -> str:
    if not panic.moves:
        return f"panic: {panic.revert_to} is in force already"
    verb = "would revert" if panic.would else "reverted"
    text = f"panic: {verb} {len(panic.moves)} parameters to {panic.revert_to}"
    if panic.pins:
        text += f", over the pins of {listed(panic.pins)}"
    if panic.paused_until is not None and not panic.would:
        text += f"; nothing moves until iteration {panic.paused_until}"
    return text


def _refusal(group: Shortfall) -> str:
    verb = {"CLIPPED": "cut", "SKIPPED": "refused"}.get(group.outcome, "withheld")
    text = f"{group.guard}: {verb} {', '.join(group.keys[:_MOST_KEYS])}"
    return f"{text} ({group.note})" if group.note else text


def _effect(attribution: Attribution) -> str:
    effects = [
        f"{effect.kpi} {figure(effect.before)} → {figure(effect.after)} ({interval(effect)})"
        for effect in attribution.effects
        if effect.verdict == attribution.verdict
    ]
    rule = attribution.rule or "the proposer"
    return (
        f"{rule} of iteration {attribution.iteration} {attribution.verdict}: {', '.join(effects)}"
    )


def _joined(head: str, text: str) -> str:
    return f"{head}: {text}" if text else head


def _event(iteration: int, kind: EventKind, text: str, keys: Iterable[str] = ()) -> EventView:
    return EventView(iteration, kind, cut(text, LONGEST), tuple(keys))
