"""Journal entries as plain JSON values, built and read back. Their table is docs/journal.md.

``seq`` and ``check`` are the store's. A builder's result and the same entry read from the file
mean the same: numbers are converted where they are read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pytest_soak.canonical import compute_json_hash, number, to_json
from pytest_soak.loop.model import (
    Attribution,
    Decision,
    Effect,
    Entry,
    Halt,
    Outcome,
    Panic,
    Proposal,
    Requested,
    Verdict,
)
from pytest_soak.profile.model import Profile
from pytest_soak.profile.parameters import nest, tuner_copies
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.protocol import Lane, Swept

if TYPE_CHECKING:
    from pytest_soak.loop.state import LaneState

SCHEMA = 3


class EntryError(ValueError):
    """A journal entry that is malformed, or does not follow from the entries before it."""


def runtime_of(profile: Profile, values: Mapping[str, float]) -> dict[str, Any]:
    """The nested runtime of flat values, with the tuner's read-only copies."""
    return nest(values, profile.parameters, tuner_copies(profile))


def state_hash_of(profile: Profile, values: Mapping[str, float]) -> str:
    """SHA-256 of the canonical JSON of the runtime, 64 hexadecimal digits."""
    return compute_json_hash(runtime_of(profile, values))


def start_entry(
    lane: Lane,
    profile: Profile,
    target: str,
    values: Mapping[str, float],
    scenarios: Sequence[Scheduled] = (),
    *,
    mock: bool,
    tune: bool,
    dry_run: bool,
) -> dict[str, Any]:
    """The first entry of a lane. ``values`` are the flat start values."""
    schedule = {"scenarios": [scenario.to_json() for scenario in scenarios]} if scenarios else {}
    return {
        "type": "start",
        "schema": SCHEMA,
        "lane": {
            "id": lane.id,
            "profile": lane.profile,
            "symbol": lane.symbol,
            "seed": lane.seed,
            "interval_s": lane.interval_s,
            **({"sweep": [asdict(parameter) for parameter in lane.sweep]} if lane.sweep else {}),
        },
        "iterations": lane.iterations,
        "target": target,
        "mock": mock,
        "tune": tune,
        "dry_run": dry_run,
        "profile": profile.document,
        "values": _floats(values),
        **schedule,
    }


def plan_entry(iterations: int) -> dict[str, Any]:
    return {"type": "plan", "iterations": iterations}


def observation_entry(
    iteration: int,
    report_json: Mapping[str, Any],
    audit: Mapping[str, Any] | None,
    target_state: Any,
) -> dict[str, Any]:
    """``report_json`` is the report as JSON values (``canonical.to_json``)."""
    return {
        "type": "observation",
        "iteration": iteration,
        "report": {key: value for key, value in report_json.items() if key != "audit"},
        "audit": dict(audit) if audit is not None else None,
        "target_state": target_state,
    }


def checks_entry(
    iteration: int, recorded: Mapping[str, Any], failed: Sequence[str]
) -> dict[str, Any]:
    return {
        "type": "checks",
        "iteration": iteration,
        "recorded": to_json(recorded),
        "failed": [str(name) for name in failed],
    }


def external_entry(state: LaneState, new_values: Mapping[str, float]) -> dict[str, Any]:
    """The runtime was edited from outside, to the flat ``new_values``.

    The entry lists the differences from what the journal expected: the values of a decision that
    was journaled and is not done yet, else the values in force. Raises ValueError for values that
    are not exactly the profile's parameters, each a finite number inside its bounds.
    """
    profile = state.profile
    expected = state.intent.values if state.intent is not None else state.values
    old_hash = state.intent.state_hash if state.intent is not None else state.state_hash
    if set(new_values) != set(profile.parameters):
        differing = sorted(set(new_values) ^ set(profile.parameters))
        raise ValueError(
            f"the edited runtime must have exactly the profile's parameters; different: {differing}"
        )
    for key, parameter in profile.parameters.items():
        value = new_values[key]
        if not (math.isfinite(value) and parameter.minimum <= value <= parameter.maximum):
            raise ValueError(
                f"the edited runtime has {key} = {value!r};"
                f" it must lie in [{parameter.minimum:g}, {parameter.maximum:g}] {parameter.unit}"
            )
    values = _floats(new_values)
    return {
        "type": "external",
        "iteration": state.intent.iteration if state.intent is not None else state.done,
        "keys": {
            key: [expected[key], value]
            for key, value in sorted(values.items())
            if value != expected[key]
        },
        "values": values,
        "old_hash": old_hash,
        "new_hash": state_hash_of(profile, values),
    }


def decision_entry(decision: Decision) -> dict[str, Any]:
    """The intent: journaled before the runtime file is written."""
    requested, panic = decision.requested, decision.panic
    return {
        "type": "decision",
        "iteration": decision.iteration,
        "verdict": decision.verdict.value,
        "reasons": list(decision.reasons),
        "by_rules": requested.by_rules,
        "rules": list(requested.rules),
        "proposed": [
            {
                "key": proposal.key,
                "delta": to_json(proposal.delta),
                "rule": proposal.rule,
                "kpis": list(proposal.kpis),
            }
            for proposal in requested.proposals
        ],
        "outcomes": [
            {
                "key": outcome.key,
                "outcome": outcome.outcome,
                "proposed": to_json(outcome.proposed),
                "applied": outcome.applied,
                "before": outcome.before,
                "after": outcome.after,
                "reason": outcome.reason,
                "also": list(outcome.also),
                "note": outcome.note,
                "rule": outcome.rule,
            }
            for outcome in decision.outcomes
        ],
        "withheld": dict(requested.withheld),
        "waiting": dict(requested.waiting),
        "overruled": list(requested.overruled),
        "requested": dict(requested.deltas),
        "stopped": list(requested.stopped),
        "panic": None
        if panic is None
        else {
            "revert_to": panic.revert_to,
            "moves": dict(panic.moves),
            "would": panic.would,
            "paused_until": panic.paused_until,
            "pins": list(panic.pins),
        },
        "values": dict(decision.values),
        "old_hash": decision.old_hash,
        "state_hash": decision.state_hash,
        "signature": decision.signature,
        "large": decision.large,
        "dry_run": decision.dry_run,
        "note": decision.note,
        "attributed": [attribution_json(attribution) for attribution in decision.attributed],
    }


def attribution_json(attribution: Attribution) -> dict[str, Any]:
    """``verdict`` and ``beyond_doubt`` follow from the other fields; they are there for readers."""
    return {
        "iteration": attribution.iteration,
        "rule": attribution.rule,
        "keys": {key: list(values) for key, values in attribution.keys.items()},
        "effects": [asdict(effect) for effect in attribution.effects],
        "shared": list(attribution.shared),
        "note": attribution.note,
        "verdict": attribution.verdict,
        "beyond_doubt": attribution.beyond_doubt,
    }


def done_entry(decision: Decision) -> dict[str, Any]:
    """The runtime was read back with the decision's hash."""
    return {
        "type": "done",
        "iteration": decision.iteration,
        "state_hash": decision.state_hash,
    }


def halt_entry(halt: Halt) -> dict[str, Any]:
    return {
        "type": "halt",
        "iteration": halt.iteration,
        "kind": halt.kind,
        "text": to_json(halt.text),
    }


def lane_from_entry(entry: Entry) -> Lane:
    """The lane of a start entry. The journal does not have the path of the lane's data."""
    lane = entry["lane"]
    return Lane(
        id=lane["id"],
        profile=lane["profile"],
        symbol=lane["symbol"],
        seed=lane["seed"],
        interval_s=float(lane["interval_s"]),
        iterations=entry["iterations"],
        sweep=tuple(
            Swept(parameter["key"], float(parameter["value"]), float(parameter["replaces"]))
            for parameter in lane.get("sweep", ())
        ),
    )


def decision_from_entry(entry: Entry) -> Decision:
    """The decision that :func:`decision_entry` wrote, without its lines for run.log.

    These lines are not part of the journal. Raises KeyError, TypeError or ValueError for an entry
    of another shape.
    """
    panic = entry["panic"]
    return Decision(
        iteration=entry["iteration"],
        verdict=Verdict(entry["verdict"]),
        reasons=tuple(entry["reasons"]),
        requested=Requested(
            proposals=tuple(
                Proposal(
                    proposal["key"],
                    _delta(proposal["delta"]),
                    proposal["rule"],
                    tuple(proposal["kpis"]),
                )
                for proposal in entry["proposed"]
            ),
            rules=tuple(entry["rules"]),
            withheld=dict(entry["withheld"]),
            waiting=dict(entry["waiting"]),
            overruled=tuple(entry["overruled"]),
            deltas=_floats(entry["requested"]),
            stopped=tuple(entry["stopped"]),
            by_rules=entry.get("by_rules", True),
        ),
        outcomes=tuple(_outcome(outcome) for outcome in entry["outcomes"]),
        panic=None
        if panic is None
        else Panic(
            revert_to=panic["revert_to"],
            moves=_floats(panic["moves"]),
            would=panic["would"],
            paused_until=panic["paused_until"],
            pins=tuple(panic.get("pins", ())),
        ),
        values=_floats(entry["values"]),
        old_hash=entry["old_hash"],
        state_hash=entry["state_hash"],
        signature=entry["signature"],
        large=entry["large"],
        dry_run=entry["dry_run"],
        note=entry["note"],
        attributed=tuple(map(_attribution, entry.get("attributed", ()))),
    )


def _attribution(attribution: Mapping[str, Any]) -> Attribution:
    return Attribution(
        iteration=attribution["iteration"],
        rule=attribution["rule"],
        keys={key: (float(old), float(new)) for key, (old, new) in attribution["keys"].items()},
        effects=tuple(
            Effect(
                kpi=effect["kpi"],
                aim=effect["aim"],
                **{
                    name: _optional_float(effect[name])
                    for name in ("before", "after", "low", "high")
                },
                n_before=effect["n_before"],
                n_after=effect["n_after"],
                doubtless=effect["doubtless"],
            )
            for effect in attribution["effects"]
        ),
        shared=tuple(attribution["shared"]),
        note=attribution["note"],
    )


def _optional_float(value: Any) -> float | None:
    return None if value is None else float(value)


def _outcome(outcome: Mapping[str, Any]) -> Outcome:
    return Outcome(
        key=outcome["key"],
        outcome=outcome["outcome"],
        proposed=_delta(outcome["proposed"]),
        applied=float(outcome["applied"]),
        before=_optional_float(outcome["before"]),
        after=_optional_float(outcome["after"]),
        reason=outcome["reason"],
        also=tuple(outcome["also"]),
        note=outcome["note"],
        rule=outcome["rule"],
    )


def _delta(value: Any) -> Any:
    """A proposed change. An integer that is too large for a float becomes a text."""
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    converted = number(value)
    return "a huge integer" if converted is None else converted


def _floats(values: Mapping[str, float]) -> dict[str, float]:
    return {key: float(value) for key, value in values.items()}
