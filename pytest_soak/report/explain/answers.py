"""What became of an iteration's wishes: the room, what was held, the guards' answers, a panic."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_soak.loop.headroom import headroom_of
from pytest_soak.loop.model import (
    Attribution,
    Decision,
    Effect,
    Headroom,
    Iteration,
    Outcome,
    Panic,
)
from pytest_soak.loop.rollback import ROLLBACK, pending_after
from pytest_soak.loop.state import EXTERNAL, LaneState
from pytest_soak.report.explain.rules import HOOK, rule_views
from pytest_soak.report.layout import (
    change,
    difference,
    kept,
    labelled,
    listed,
    moves_text,
    reading,
    value,
    with_unit,
)

_COLUMN = 24


def answers(state: LaneState, observed: Iteration, decision: Decision) -> list[str]:
    """Every parameter that something was wanted of: wish, room, what was held, the answer."""
    requested, headrooms = decision.requested, headroom_of(state)
    outcomes = {one.key: one for one in decision.outcomes}
    wishes = _wishes(state, observed, decision)
    lines: list[str] = []
    for key in sorted({*wishes, *requested.withheld, *outcomes}):
        parameter, outcome = state.profile.parameters.get(key), outcomes.get(key)
        at = "no such parameter"
        if parameter is not None:
            at = with_unit(state.values[key], parameter.unit)
        facts = [
            ("requested", "; ".join(wishes.get(key, ()))),
            *(("conflict", text) for text in _overruled(requested.overruled, key)),
            ("headroom", _headroom(headrooms[key]) if key in headrooms else ""),
            (
                "withheld",
                _withheld(requested.withheld[key], outcome) if key in requested.withheld else "",
            ),
            ("answer", "" if outcome is None else _answer(outcome, dry=decision.dry_run)),
        ]
        lines += labelled(key, at, column=_COLUMN)
        for label, text in facts:
            lines += labelled(label, text, indent=4, column=_COLUMN) if text else []
    return lines


def _wishes(state: LaneState, observed: Iteration, decision: Decision) -> dict[str, list[str]]:
    """By parameter, who wanted what of it, before any room."""
    wishes: dict[str, list[str]] = {}
    if not decision.requested.by_rules:
        for one in decision.requested.proposals:
            if one.rule != ROLLBACK:
                rests = f" (rests on {listed(one.kpis)})" if one.kpis else ""
                said = f"{one.rule or HOOK} {change(one.delta)}{rests}"
                wishes.setdefault(one.key, []).append(said)
    elif state.tune:
        for view in rule_views(state, observed.readings):
            for key, delta in view.wants.items():
                wishes.setdefault(key, []).append(f"{view.rule.name} {change(delta)}")
    for key, due in pending_after(state, decision.attributed).items():
        wishes.setdefault(key, []).append(
            f"ROLLBACK to {value(due.value)}: {due.rule or HOOK} after iteration {due.changed} "
            f"hurt {listed(tuple(due.lost))}"
        )
    return wishes


def _overruled(texts: Sequence[str], key: str) -> list[str]:
    return [text.removeprefix(f"{key}: ") for text in texts if text.startswith(f"{key}: ")]


def _headroom(headroom: Headroom) -> str:
    if headroom.down == headroom.up == 0.0:
        return f"none: {' and '.join(dict.fromkeys((headroom.reason_down, headroom.reason_up)))}"
    down = f"{change(headroom.down)} ({headroom.reason_down})"
    return f"{down} to {change(headroom.up)} ({headroom.reason_up})"


def _withheld(reason: str, outcome: Outcome | None) -> str:
    if ":" in reason:  # in words already
        return reason
    if outcome is not None:
        return f"{reason}: only {change(outcome.proposed)} of it is proposed"
    left = "what is left is not worth a change, " if reason == "small" else ""
    return f"{reason}: {left}nothing of it is proposed"


def _answer(outcome: Outcome, *, dry: bool) -> str:
    also = f", also {listed(outcome.also)}" if outcome.also else ""
    why = f" by {outcome.reason}{also}" if outcome.reason else ""
    why += f": {outcome.note}" if outcome.note else ""
    if outcome.outcome == "SKIPPED":
        return f"SKIPPED {change(outcome.proposed)}{why}"
    would = " (dry run: not applied)" if dry else ""
    moved = f"{value(outcome.before)} -> {value(outcome.after)}"
    part = f" of {change(outcome.proposed)}" if outcome.outcome == "CLIPPED" else ""
    return f"{outcome.outcome} {change(outcome.applied)}{part}, {moved}{would}{why}"


def panic(state: LaneState, revert: Panic | None) -> list[str]:
    """The revert that the decision carries out, or would."""
    if revert is None:
        return []
    streak = f"{state.fail_streak + 1} FAIL in a row with this iteration"
    if not revert.moves:
        return labelled(
            "nothing", f"{streak}; {revert.revert_to} is in force already", column=_COLUMN
        )
    verb = "would revert" if revert.would else "reverted"
    lines = labelled(verb, f"to {revert.revert_to}: {streak}", column=_COLUMN)
    moved = moves_text(state.values, {**state.values, **revert.moves})
    lines += labelled("moves", moved, column=_COLUMN)
    if revert.pins:
        pins = f"{listed(revert.pins)}: edited by hand, moved all the same; they stay pinned"
        lines += labelled("over pins", pins, column=_COLUMN)
    if not revert.would:
        hold = f"nothing else moves until iteration {revert.paused_until}"
        lines += labelled("pause", hold, column=_COLUMN)
    return lines


def attributed(told: Sequence[Attribution]) -> list[str]:
    """What came of earlier changes, those whose time to tell had come."""
    lines: list[str] = []
    for one in told:
        moved = ", ".join(
            kept(f"{key} {value(old)} -> {value(new)}") for key, (old, new) in one.keys.items()
        )
        title = f"{one.rule or HOOK} after iteration {one.iteration}: {moved}"
        lines += [*labelled(title, ""), *labelled("", attribution_text(one), column=6)]
    return lines


def attribution_text(told: Attribution) -> str:
    """``helped: p95_latency_ms 345 -> 331, by -14, between -25 and -3 (8 before, 8 after)``."""
    verdict = told.verdict + (" beyond doubt" if told.beyond_doubt else "")
    parts = [_effect(effect) for effect in told.effects]
    if told.shared:
        others = ["an edit by hand" if name == EXTERNAL else name or HOOK for name in told.shared]
        parts.append(f"not alone: {listed(others)} moved something, too")
    parts += [told.note] if told.note else []
    return f"{verdict}: {'; '.join(parts)}" if parts else verdict


def _effect(effect: Effect) -> str:
    text = f"{effect.kpi} {reading(effect.before)} -> {reading(effect.after)}"
    if effect.before is not None and effect.after is not None:
        text += f", by {difference(effect.after - effect.before)}"
        if effect.low is not None and effect.high is not None:
            text += f", between {difference(effect.low)} and {difference(effect.high)}"
        else:
            text += ", no interval: too little is known of its noise"
    return f"{text} {kept(f'({effect.n_before} before, {effect.n_after} after)')}"
