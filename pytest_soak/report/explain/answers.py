"""What became of the requested changes: headroom, withheld parts, the guards' answers, a panic."""

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
from pytest_soak.loop.state import EXTERNAL, LaneState, PendingRollback
from pytest_soak.report.explain.rules import HOOK, rule_views
from pytest_soak.report.layout import (
    Table,
    difference,
    kept,
    labelled,
    listed,
    moved_text,
    moves_text,
    parameter_change,
    parameter_value,
    reading,
    with_unit,
)

_COLUMN = 24


def answers(state: LaneState, observed: Iteration, decision: Decision) -> list[str]:
    """Each parameter for which a change was requested: request, headroom, withheld, answer."""
    headrooms, table = headroom_of(state), state.profile.parameters
    outcomes = {outcome.key: outcome for outcome in decision.outcomes}
    requests = _requests(state, observed, decision)
    lines: list[str] = []
    for key in sorted({*requests, *decision.withheld, *outcomes}):
        parameter, outcome = state.profile.parameters.get(key), outcomes.get(key)
        at = "no such parameter"
        if parameter is not None:
            at = with_unit(parameter.text(state.values[key]), parameter.unit)
        facts = [
            ("requested", "; ".join(requests.get(key, ()))),
            *(("conflict", text) for text in _overruled(decision.overruled, key)),
            ("headroom", _headroom(table, headrooms[key]) if key in headrooms else ""),
            (
                "withheld",
                _withheld(table, decision.withheld[key], outcome)
                if key in decision.withheld
                else "",
            ),
            ("answer", "" if outcome is None else _answer(table, outcome, dry=decision.dry_run)),
        ]
        lines += labelled(key, at, column=_COLUMN)
        for label, text in facts:
            lines += labelled(label, text, indent=4, column=_COLUMN) if text else []
    return lines


def _requests(state: LaneState, observed: Iteration, decision: Decision) -> dict[str, list[str]]:
    """Parameter to its requests with their sources, before headroom reduces them."""
    table = state.profile.parameters
    requests: dict[str, list[str]] = {}
    if not decision.by_rules:
        for proposal in decision.proposed:
            if proposal.rule != ROLLBACK:
                basis = f" (based on {listed(proposal.kpis)})" if proposal.kpis else ""
                delta = parameter_change(table, proposal.key, proposal.delta)
                text = f"{proposal.rule or HOOK} {delta}{basis}"
                requests.setdefault(proposal.key, []).append(text)
    elif state.tune:
        for view in rule_views(state, observed.readings):
            for key, move in view.requests.items():
                text = f"{view.rule.name} {parameter_change(table, key, move)}"
                requests.setdefault(key, []).append(text)
    for key, pending in pending_after(state, decision.attributed).items():
        requests.setdefault(key, []).append(
            f"ROLLBACK to {parameter_value(table, key, pending.value)}: {rollback_cause(pending)}"
        )
    return requests


def rollback_cause(pending: PendingRollback) -> str:
    """``the change by ADVERSE after iteration 20 hurt net_bps``."""
    return (
        f"the change by {pending.rule or HOOK} after iteration {pending.changed} hurt "
        f"{listed(tuple(pending.lost))}"
    )


def _overruled(texts: Sequence[str], key: str) -> list[str]:
    return [text.removeprefix(f"{key}: ") for text in texts if text.startswith(f"{key}: ")]


def _headroom(table: Table, headroom: Headroom) -> str:
    if headroom.down == headroom.up == 0.0:
        return f"none: {' and '.join(dict.fromkeys((headroom.reason_down, headroom.reason_up)))}"
    down, up = (
        f"{parameter_change(table, headroom.key, delta)} ({reason})"
        for delta, reason in (
            (headroom.down, headroom.reason_down),
            (headroom.up, headroom.reason_up),
        )
    )
    return f"{down} to {up}"


def _withheld(table: Table, reason: str, outcome: Outcome | None) -> str:
    if ":" in reason:  # the reason is a sentence already
        return reason
    if outcome is not None:
        part = parameter_change(table, outcome.key, outcome.proposed)
        return f"{reason}: only {part} of it is proposed"
    if reason == "small":
        return f"{reason}: the rest of the move is too small, so nothing of it is proposed"
    return f"{reason}: nothing of it is proposed"


def _answer(table: Table, outcome: Outcome, *, dry: bool) -> str:
    also = f", also {listed(outcome.also)}" if outcome.also else ""
    why = f" by {outcome.reason}{also}" if outcome.reason else ""
    why += f": {outcome.note}" if outcome.note else ""
    if outcome.outcome == "SKIPPED":
        return f"SKIPPED {parameter_change(table, outcome.key, outcome.proposed)}{why}"
    would = " (dry run: not applied)" if dry else ""
    key = outcome.key
    moved = moved_text(table, key, outcome.before, outcome.after).removeprefix(f"{key} ")
    clipped = outcome.outcome == "CLIPPED"
    part = f" of {parameter_change(table, key, outcome.proposed)}" if clipped else ""
    applied = parameter_change(table, key, outcome.applied)
    return f"{outcome.outcome} {applied}{part}, {moved}{would}{why}"


def panic(state: LaneState, revert: Panic | None) -> list[str]:
    """The revert that the decision carries out, or would carry out."""
    if revert is None:
        return []
    streak = f"{state.streaks.fail + 1} FAIL iterations in a row, this one included"
    if not revert.moves:
        return labelled(
            "no change", f"{streak}; {revert.revert_to} is in force already", column=_COLUMN
        )
    verb = "would revert" if revert.would else "reverted"
    lines = labelled(verb, f"to {revert.revert_to}: {streak}", column=_COLUMN)
    moved = moves_text(state.profile.parameters, state.values, {**state.values, **revert.moves})
    lines += labelled("moves", moved, column=_COLUMN)
    if revert.pins:
        pins = f"{listed(revert.pins)}: edited by hand; the panic moves them, they stay pinned"
        lines += labelled("over pins", pins, column=_COLUMN)
    if not revert.would:
        pause = f"nothing else moves until iteration {revert.paused_until}"
        lines += labelled("pause", pause, column=_COLUMN)
    return lines


def attributed(table: Table, attributions: Sequence[Attribution]) -> list[str]:
    """The effects of earlier changes that are reported with this decision."""
    lines: list[str] = []
    for attribution in attributions:
        moved = ", ".join(
            kept(moved_text(table, key, old, new)) for key, (old, new) in attribution.keys.items()
        )
        title = f"{attribution.rule or HOOK} after iteration {attribution.iteration}: {moved}"
        lines += [*labelled(title, ""), *labelled("", attribution_text(attribution), column=6)]
    return lines


def attribution_text(attribution: Attribution) -> str:
    """``helped: p95_latency_ms 345 -> 331, by -14, between -25 and -3 (8 before, 8 after)``."""
    verdict = attribution.verdict + (" beyond doubt" if attribution.beyond_doubt else "")
    parts = [_effect(effect) for effect in attribution.effects]
    if attribution.shared:
        others = [
            "an edit by hand" if name == EXTERNAL else name or HOOK for name in attribution.shared
        ]
        parts.append(f"shared: {listed(others)} moved something as well")
    parts += [attribution.note] if attribution.note else []
    return f"{verdict}: {'; '.join(parts)}" if parts else verdict


def _effect(effect: Effect) -> str:
    text = f"{effect.kpi} {reading(effect.before)} -> {reading(effect.after)}"
    if effect.before is not None and effect.after is not None:
        text += f", by {difference(effect.after - effect.before)}"
        if effect.low is not None and effect.high is not None:
            text += f", between {difference(effect.low)} and {difference(effect.high)}"
        else:
            text += ", no interval: its noise is not known well enough"
    return f"{text} {kept(f'({effect.n_before} before, {effect.n_after} after)')}"
