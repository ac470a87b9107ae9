"""ITER_SUMMARY and TUNING_REPORT: the figures of an iteration, and the changes after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_soak.canonical import canonical_json, number, to_json
from pytest_soak.loop.entries import attribution_record
from pytest_soak.loop.model import GUARD_ORDER, Decision, History, Iteration, Outcome
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.profile.parameter import Outer, Parameter

Table = Mapping[str, Parameter]

_TEXT_OF_REASON: Mapping[str, str] = {
    "freeze": "frozen",
    "cooldown": "cooldown_active",
    "pin": "pinned",
}


def iteration_summary(iteration: Iteration, wall_utc: str | None, table: Table) -> dict[str, Any]:
    """The object of ``ITER_SUMMARY_{n}.json``; ``wall_utc`` (ISO 8601) is not in the journal.

    ``table`` are the parameters of the profile: values are as the target has them, and changes are
    numbers, of a choice the places in its list.
    """
    share = iteration.readings.get("maker_taker_ratio")
    return {
        "iteration": iteration.number,
        "summary": {
            **{name: reading.value for name, reading in iteration.readings.items()},
            "runtime_utc": wall_utc,
            "state_hash": iteration.state_hash,
            **({} if share is None else {"maker_taker_source": share.source}),
            "kpi_verdict": str(iteration.verdict),
            "kpi_reasons": list(iteration.reasons),
            "values": outer_values(table, iteration.values),
            "block_counts": _block_counts(iteration.report),
            "event_counts": _event_counts(iteration.report),
            "scenarios": list(dict.fromkeys(fired.name for fired in fired_in(iteration))),
        },
        "tuning": tuning(iteration, table),
    }


def tuning(iteration: Iteration, table: Table) -> dict[str, Any]:
    """What was proposed, decided and applied after an iteration; its empty form before that."""
    decision = iteration.decision
    if decision is None:
        return {
            "proposed_deltas": {},
            "deltas_requested": {},
            "deltas": {},
            "applied": False,
            "outcomes": {},
            "withheld": {},
            "waiting": {},
            "overruled": [],
            "rules": [],
            "panic": None,
            "skip_reason": None,
            "skipped_reason": "",
            "note": "",
            "attributed": [],
            "signature": None,
            "old_hash": iteration.state_hash,
            "state_hash": iteration.state_hash,
        }
    return {
        "proposed_deltas": {item.key: to_json(item.proposed) for item in decision.outcomes},
        "deltas_requested": dict(decision.requested),
        "deltas": deltas_of(decision),
        "applied": decision.changes,
        "outcomes": {item.key: _outcome(item, table) for item in decision.outcomes},
        "withheld": dict(decision.withheld),
        "waiting": dict(decision.waiting),
        "overruled": list(decision.overruled),
        "rules": list(decision.rules),
        "panic": _panic(decision, table),
        "skip_reason": skip_reason(decision),
        "skipped_reason": skipped_reason(decision),
        "note": decision.note,
        "attributed": [attribution_record(attribution) for attribution in decision.attributed],
        "signature": decision.signature,
        "old_hash": decision.old_hash,
        "state_hash": decision.state_hash,
    }


def deltas_of(decision: Decision) -> dict[str, float]:
    """Key to the move that was made; in a dry run none was."""
    if decision.dry_run:
        return {}
    return {item.key: item.applied for item in decision.outcomes if item.applied != 0.0}


def skip_reason(decision: Decision) -> dict[str, Any] | None:
    """A flag for each guard that refused or withheld all or a part of a move; None if none did."""
    refused = _refused(decision)
    withheld = decision.withheld
    if not refused and not withheld:
        return None
    named = {name for item in refused for name in (item.reason, *item.also)}
    named |= {guard_of(reason) for reason in withheld.values()}
    flags: dict[str, Any] = {name: name in named for name in GUARD_ORDER}
    return {**flags, "note": skipped_reason(decision)}


def skipped_reason(decision: Decision) -> str:
    """Why less was applied than requested, for people; empty when everything was applied.

    First the keys that the guards refused, then the keys that the tuner withheld because a guard
    would have refused them.
    """
    because: dict[str, list[str]] = {}
    for item in _refused(decision):
        because.setdefault(_because(item.reason, item.note), []).append(item.key)
    for key, reason in decision.withheld.items():
        _, _, note = reason.partition(" ")
        because.setdefault(_because(guard_of(reason), note), []).append(key)
    return "; ".join(f"{text}: {', '.join(keys)}" for text, keys in because.items())


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Keys of which all or a part of the move was not applied, for the same reason."""

    guard: str
    """One of ``GUARD_ORDER``, ``small`` or ``rollback``."""
    word: str
    """The guard in the words of ``skipped_reason``: ``cooldown_active``."""
    note: str
    """The rest of its text: ``until iteration 9``."""
    outcome: str
    """``SKIPPED`` or ``CLIPPED`` by the guards, or ``withheld`` by the tuner."""
    keys: tuple[str, ...]


def shortfalls(decision: Decision) -> tuple[Shortfall, ...]:
    """What :func:`skipped_reason` says, with the outcome of each key."""
    because: dict[tuple[str, str, str], list[str]] = {}
    for item in _refused(decision):
        because.setdefault((item.reason, item.note, item.outcome), []).append(item.key)
    for key, reason in decision.withheld.items():
        _, _, note = reason.partition(" ")
        because.setdefault((guard_of(reason), note, "withheld"), []).append(key)
    return tuple(
        Shortfall(
            guard,
            _TEXT_OF_REASON.get(guard, guard),
            note.removeprefix(_TEXT_OF_REASON.get(guard, guard)).strip(),
            outcome,
            tuple(keys),
        )
        for (guard, note, outcome), keys in because.items()
    )


def guard_of(reason: str) -> str:
    """The guard that a reason begins with: ``velocity`` of ``velocity: only +5 of it``."""
    return reason.partition(" ")[0].rstrip(":,")


def _block_counts(report: Mapping[str, Any]) -> dict[str, float]:
    """Reason to the number of blocks, as reported, else as counted in the audit."""
    given = report.get("block_reasons")
    if not isinstance(given, Mapping):
        given = _audited(report).get("blocks", {})
    counts = ((str(name), number(value)) for name, value in given.items())
    return {name: count for name, count in counts if count is not None}


def _event_counts(report: Mapping[str, Any]) -> dict[str, int]:
    """Kind of event (PLACE, REPLACE, CANCEL, FILL, …) to its rows in the audit."""
    return dict(_audited(report).get("events", {}))


def _audited(report: Mapping[str, Any]) -> Mapping[str, Any]:
    audit = report.get("audit")
    return audit if isinstance(audit, Mapping) else {}


def _because(reason: str, note: str) -> str:
    text = _TEXT_OF_REASON.get(reason, reason)
    return note if note.startswith(text) else f"{text} {note}".rstrip()


def _refused(decision: Decision) -> list[Outcome]:
    return [item for item in decision.outcomes if item.outcome != "APPLIED"]


def _outcome(outcome: Outcome, table: Table) -> dict[str, Any]:
    parameter = table.get(outcome.key)
    before, after = (
        end if parameter is None or end is None else parameter.outer(end)
        for end in (outcome.before, outcome.after)
    )
    return {
        "outcome": outcome.outcome,
        "proposed": to_json(outcome.proposed),
        "applied": outcome.applied,
        "before": before,
        "after": after,
        "reason": outcome.reason,
        "also": list(outcome.also),
        "note": outcome.note,
        "rule": outcome.rule,
    }


def _panic(decision: Decision, table: Table) -> dict[str, Any] | None:
    panic = decision.panic
    if panic is None:
        return None
    return {
        "revert_to": panic.revert_to,
        "moves": outer_values(table, panic.moves),
        "would": panic.would,
        "paused_until": panic.paused_until,
        "pins": list(panic.pins),
    }


def tuning_report(history: History) -> dict[str, Any]:
    """The object of ``TUNING_REPORT.json``: KPIs and ``tuning`` of every iteration."""
    return {
        "lane": history.lane.id,
        "start": outer_values(history.profile.parameters, history.start_values),
        "iterations": [_tuned(item, history.profile.parameters) for item in history.iterations],
    }


def tuning_report_parts(history: History) -> Iterator[bytes]:
    """:func:`tuning_report` as canonical JSON in parts, made from one iteration after another.

    As one object, a long run would take several times the memory of its text.
    """
    table = history.profile.parameters
    rest = {"lane": history.lane.id, "start": outer_values(table, history.start_values)}
    yield b'{"iterations":['
    for place, item in enumerate(history.iterations):
        if place:
            yield b","
        yield canonical_json(_tuned(item, table))
    yield b"],"
    yield canonical_json(rest)[1:]


def _tuned(item: Iteration, table: Table) -> dict[str, Any]:
    return {
        "iteration": item.number,
        "kpis": {name: reading.value for name, reading in item.readings.items()},
        "kpi_verdict": str(item.verdict),
        "tuning": tuning(item, table),
    }


def outer_values(table: Table, values: Mapping[str, float]) -> dict[str, Outer]:
    """The values as the target has them: whole numbers, true and false, choices."""
    return {key: table[key].outer(item) if key in table else item for key, item in values.items()}


def final_values(history: History) -> dict[str, float]:
    """The runtime that the run ended with, flat."""
    if not history.iterations:
        return dict(history.start_values)
    last = history.iterations[-1]
    return dict(last.values if last.decision is None else last.decision.values)
