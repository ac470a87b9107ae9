"""What happened in a lane: freezes, cooldowns, panics, withheld moves, blocks, events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_soak.canonical import number
from pytest_soak.gate.figures import figure, mean_of
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.blocks import blocks_of
from pytest_soak.loop.completed import completed
from pytest_soak.loop.entries import start_entry
from pytest_soak.loop.fold import started
from pytest_soak.loop.model import GUARD_ORDER, Decision, History, Iteration, Panic, Verdict
from pytest_soak.loop.state import LaneState, evolved
from pytest_soak.report.layout import listed, plain, spans
from pytest_soak.report.lists import grouped_reasons, iterations_text, names

AFTER = 8
"""So many iterations after a panic show what came of it, at most up to the next panic."""


# -- freezes, cooldowns, pauses ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Closed:
    """Decisions in which a guard kept parameters where they are."""

    kind: str
    """freeze, cooldown or pause."""
    keys: tuple[str, ...]
    """Empty: all of them."""
    times: int
    iterations: tuple[int, ...]


def closed(history: History) -> list[Closed]:
    """The freezes, cooldowns and panic pauses of a lane, like ones together."""
    freeze = history.profile.guards.freeze
    keys = () if freeze is None else freeze.keys
    starts: Counter[str] = Counter()
    numbers: dict[str, list[int]] = {"freeze": [], "cooldown": [], "pause": []}
    for item, before, after in _states(history):
        timers, next_timers = before.timers, after.timers
        for kind, until, later in (
            ("freeze", timers.frozen_until, next_timers.frozen_until),
            ("cooldown", timers.cooldown_until, next_timers.cooldown_until),
            ("pause", timers.paused_until, next_timers.paused_until),
        ):
            if item.number <= until:
                numbers[kind].append(item.number)
            starts[kind] += later > until
    return [
        Closed(kind, keys if kind == "freeze" else (), starts[kind], tuple(at))
        for kind, at in numbers.items()
        if starts[kind]
    ]


def _states(history: History) -> Iterator[tuple[Iteration, LaneState, LaneState]]:
    """Every decided iteration with the state just before its decision, and after it."""
    first = start_entry(
        history.lane,
        history.profile,
        history.target,
        history.start_values,
        history.scenarios,
        mock=history.mock,
        tune=history.tune,
        dry_run=history.dry_run,
    )
    state = started(first)
    for item in history.iterations:
        if item.decision is not None:
            seen = evolved(
                state, observed=item, values=item.basis, state_hash=item.decision.old_hash
            )
            state = completed(seen, item.decision)
            yield item, seen, state


_EFFECT = {
    "freeze": "after stable iterations nothing moves",
    "cooldown": "after a large change nothing moves",
    "pause": "after a panic nothing moves",
}


def closed_lines(history: History) -> list[str]:
    """One line for each kind, with how often and in which decisions."""
    lines = []
    for item in closed(history):
        what = listed(item.keys) if item.keys else "any parameter"
        effect = _EFFECT[item.kind]
        count = "once" if item.times == 1 else f"{item.times} times"
        lines.append(
            f"{item.kind} {count}: {effect} {what} in {len(item.iterations)} of "
            f"{len(history.iterations)} decisions ({spans(item.iterations)})"
        )
    return lines


# -- panics --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PanicEvent:
    """A panic, what led to it and what came of it."""

    panic: Panic
    iteration: int
    failing: tuple[Iteration, ...]
    """The FAIL iterations in a row, this one included."""
    after: tuple[Iteration, ...]
    """The decided iterations after it, up to the next panic, at most ``AFTER``."""

    @property
    def changed(self) -> bool:
        return bool(self.panic.moves) and not self.panic.would

    @property
    def failed_after(self) -> int:
        return sum(item.verdict is Verdict.FAIL for item in self.after)

    @property
    def repaired(self) -> bool:
        """The safe profile was put in force, and no iteration after it FAILs."""
        return self.changed and bool(self.after) and not self.failed_after


def panics(history: History) -> list[PanicEvent]:
    """Every panic of the lane, in order of time."""
    decided = LaneWindow(history).measured
    places = [index for index, item in enumerate(decided) if _panic_of(item) is not None]
    events = []
    for index, following in zip(places, [*places[1:], len(decided)], strict=False):
        panic = _panic_of(decided[index])
        if panic is None:
            continue
        first = index
        while first > 0 and decided[first - 1].verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
            if _panic_of(decided[first - 1]) is not None:
                break
            first -= 1
        failing = [i for i in decided[first : index + 1] if i.verdict is Verdict.FAIL]
        # The iteration of the next panic still ran with what this one left.
        after = decided[index + 1 : min(following + 1, index + 1 + AFTER)]
        events.append(PanicEvent(panic, decided[index].number, tuple(failing), tuple(after)))
    return events


def _panic_of(item: Iteration) -> Panic | None:
    return None if item.decision is None else item.decision.panic


def panic_lines(history: History, most: int = 4) -> list[str]:
    """Each panic once, with what came of it; those that changed nothing together."""
    events = panics(history)
    lines = [_panic_line(history, event) for event in events[:most]]
    rest = events[most:]
    if rest:
        reverting = sum(event.changed for event in rest)
        failed = sum(event.failed_after for event in rest)
        following = sum(len(event.after) for event in rest)
        lines.append(
            f"{len(rest)} more panics ({iterations_text(event.iteration for event in rest)}), "
            f"{reverting} of them with a revert; {failed} of {following} iterations after them FAIL"
        )
    return lines


def _panic_line(history: History, event: PanicEvent) -> str:
    panic, count = event.panic, len(event.failing)
    reasons = names(grouped_reasons(event.failing, history.profile), 2)
    moved = len(panic.moves)
    cause = (
        f"{count} FAIL iterations in a row ({spans(i.number for i in event.failing)}: {reasons})"
    )
    head = f"iteration {event.iteration}: {cause}; "
    if panic.would:
        why = "the tuner was off" if not history.tune else "it was a dry run"
        return f"{head}it would have reverted to {panic.revert_to}, but {why}"
    if not panic.moves:
        head += f"nothing was changed, {panic.revert_to} was in force already"
    else:
        head += f"{moved} parameter{'s' * (moved > 1)} reverted to {panic.revert_to}"
        if panic.pins:
            head += f", over the pins of {listed(panic.pins)}"
        if panic.paused_until is not None:
            head += f", nothing else moved until iteration {panic.paused_until}"
    return f"{head}. {_outcome(history, event)}"


def _outcome(history: History, event: PanicEvent) -> str:
    if not event.after:
        return "The run ended with it"
    where = iterations_text(item.number for item in event.after)
    failed, count = event.failed_after, len(event.after)
    kpis = dict.fromkeys(
        kpi
        for item in event.failing
        for reason in item.reasons
        if (kpi := reason.partition(" ")[0]) in history.profile.kpis
    )
    shown = [
        f"{kpi} {figure(before)} before, {figure(after)} after"
        for kpi in kpis
        if (before := mean_of(event.failing, kpi)) is not None
        and (after := mean_of(event.after, kpi)) is not None
    ]
    result = f"{failed} of the {count} iterations after it FAIL ({where})"
    if not failed:
        result = f"no FAIL in the {count} iterations after it ({where})"
    elif failed == count:
        result = f"it did not help: all {count} iterations after it FAIL ({where})"
    return "; ".join([result[0].upper() + result[1:], *shown])


# -- withheld and refused ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Withheld:
    """Moves of one parameter that one guard withheld or refused, wholly or in part."""

    guard: str
    key: str
    what: str
    """withheld (by the tuner), withheld in part, SKIPPED or CLIPPED (by the guard)."""
    iterations: tuple[int, ...]


def withheld(history: History) -> list[Withheld]:
    """What was left out of the moves that were requested, by the order of the guards."""
    at: dict[tuple[str, str, str], list[int]] = {}
    for item in history.iterations:
        if item.decision is not None:
            for place in left_out(item.decision):
                at.setdefault(place, []).append(item.number)
    order = {name: index for index, name in enumerate(GUARD_ORDER)}
    ranked = sorted(at.items(), key=lambda entry: (order.get(entry[0][0], len(order)), entry[0]))
    return [Withheld(*place, tuple(numbers)) for place, numbers in ranked]


def left_out(decision: Decision) -> Iterator[tuple[str, str, str]]:
    """``(guard, key, what)`` for each move that is not applied, or not in full."""
    proposed = {outcome.key for outcome in decision.outcomes}
    for key, reason in decision.withheld.items():
        guard = plain(reason).partition(":")[0]
        yield guard, key, "withheld in part" if key in proposed else "withheld"
    for outcome in decision.outcomes:
        if outcome.outcome != "APPLIED":
            yield outcome.reason, outcome.key, outcome.outcome


# -- blocks and events ---------------------------------------------------------------------------


def count_rows(
    history: History, window: tuple[Iteration, ...]
) -> list[tuple[str, float, float, float]]:
    """Blocks by reason and audit events by kind: name, total, and the mean of an iteration.

    The means are those of the first quarter of the run and of the ``window``.
    """
    iterations = history.iterations
    quarter = iterations[: max(1, len(iterations) // 4)]
    counts = {item.number: _counts(history, item) for item in iterations}
    kinds = dict.fromkeys(name for given in counts.values() for name in given)

    def total(part: tuple[Iteration, ...], name: str) -> float:
        return sum(counts[item.number].get(name, 0.0) for item in part)

    return [
        (
            name,
            total(iterations, name),
            total(quarter, name) / len(quarter),
            total(window, name) / max(1, len(window)),
        )
        for name in kinds
    ]


def _counts(history: History, item: Iteration) -> dict[str, float]:
    audit = item.report.get("audit")
    audited: Mapping[str, Any] | None = audit if isinstance(audit, Mapping) else None
    blocks = blocks_of(history.profile, item.report, audited).counts or {}
    events = {} if audited is None else audited.get("events", {})
    counts = {f"block {name}": float(count) for name, count in blocks.items()}
    for name, count in events.items() if isinstance(events, Mapping) else ():
        finite = number(count)
        if finite is not None:
            counts[f"event {name}"] = finite
    return counts
