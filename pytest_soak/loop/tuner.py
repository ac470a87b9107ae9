"""The tuner: what the profile's rules request after an iteration, and how answers are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import Any

from pytest_soak.canonical import escaped, number, to_json
from pytest_soak.loop.derived import DERIVED, PLACEHOLDER_SOURCES
from pytest_soak.loop.evidence import rule_status, status_alone
from pytest_soak.loop.kpis import read_kpis
from pytest_soak.loop.model import PROPOSER_FAILED, Headroom, Proposal, Reading, Readings, Requested
from pytest_soak.loop.moves import assemble
from pytest_soak.loop.rollback import suspensions_of
from pytest_soak.loop.state import LaneState
from pytest_soak.profile.model import Profile
from pytest_soak.profile.parameter import Parameter
from pytest_soak.profile.parameters import get_all_params

MOST_KEYS = 1_000
"""An answer with more keys is not read, so that an answer cannot fill the journal."""

MOST_KPIS = 50
"""A proposal that is based on more KPIs is refused."""

_FIELDS = ("delta", "kpis", "rule")

LONGEST_NAME = 100
"""Longer names of keys, rules and KPIs are cut."""


def propose(state: LaneState, readings: Readings, headroom: Mapping[str, Headroom]) -> Requested:
    """What the rules request, trimmed to ``headroom`` (of ``loop.headroom.headroom_of``)."""
    rules = state.profile.rules
    statuses = [(rule, rule_status(rule, state, readings)) for rule in rules]
    fired = [(rule, status) for rule, status in statuses if status.fires]
    return replace(
        assemble(state.profile, state.values, fired, headroom, suspensions_of(state)),
        waiting={rule.name: status.waiting for rule, status in statuses if status.waiting},
        stopped=tuple(rule.name for rule, status in statuses if status.stopped),
        by_rules=True,
    )


@dataclass(frozen=True, slots=True)
class MicroTuning:
    """What the rules request after one summary; its fields can be read as items too."""

    deltas: Mapping[str, float]
    """Key to change, in the key's unit."""
    rules: tuple[str, ...]
    withheld: Mapping[str, str]
    overruled: tuple[str, ...]
    log: tuple[str, ...]

    def __getitem__(self, name: str) -> Any:
        if name not in {field.name for field in fields(self)}:
            raise KeyError(name)
        return getattr(self, name)


def propose_micro_tuning(
    summary: Mapping[str, Any], runtime: Mapping[str, Any], profile: Profile, *, mock: bool = False
) -> MicroTuning:
    """What the rules request after one summary, by their ``when`` alone, without a history.

    ``summary`` has KPIs by name (an ``ITER_SUMMARY``, or its ``summary``), or is an EDGE_REPORT.
    ``runtime`` is nested or flat. Moves stay within the bounds. The other limits (caps per hour,
    cooldown, …) need the history of a lane and are not applied here. A partial runtime is enough:
    rules move only the parameters that it has. Raises ``profile.parameters.ParameterError`` for an
    invalid runtime.
    """
    values = get_all_params(runtime, profile.parameters)
    readings = _summary_readings(profile, summary, mock=mock)
    statuses = [
        (rule, status_alone(rule, readings, values, profile.parameters)) for rule in profile.rules
    ]
    fired = [
        (replace(rule, moves=tuple(move for move in rule.moves if move.key in values)), status)
        for rule, status in statuses
        if status.fires
    ]
    headroom = {key: _bounds(profile.parameters[key], value) for key, value in values.items()}
    requested = assemble(profile, values, fired, headroom)
    return MicroTuning(
        deltas={proposal.key: proposal.delta for proposal in requested.proposals},
        rules=requested.rules,
        withheld=requested.withheld,
        overruled=requested.overruled,
        log=requested.log,
    )


def _bounds(parameter: Parameter, value: float) -> Headroom:
    # Without limits that other parameters set: a partial runtime may lack them.
    return Headroom(
        parameter.key,
        down=min(0.0, parameter.minimum - value),
        up=max(0.0, parameter.maximum - value),
        reason_down="bounds",
        reason_up="bounds",
        value=value,
    )


def _summary_readings(profile: Profile, summary: Mapping[str, Any], *, mock: bool) -> Readings:
    inner = summary.get("summary")
    kpis = inner if isinstance(inner, Mapping) else summary
    readings: dict[str, Reading] = {}
    if isinstance(summary.get("totals"), Mapping):
        # A summary does not have the length of its interval, so no rate can be computed from it;
        # it may have the rate itself.
        readings.update(read_kpis(profile, summary, None, interval_s=3600.0, mock=mock))
        for name, kpi in profile.kpis.items():
            if kpi.derive in DERIVED and DERIVED[kpi.derive].needs_interval:
                del readings[name]
    source = kpis.get("maker_taker_source")
    for name, kpi in profile.kpis.items():
        if name in kpis:
            stands_in = kpi.derive == "maker_taker_ratio" and (
                source == "fallback" or (source in PLACEHOLDER_SOURCES and not mock)
            )
            readings[name] = Reading(number(kpis[name]), "summary", placeholder=stands_in)
    return readings


def requested_from(answer: Any, headroom: Mapping[str, Headroom]) -> Requested:
    """The answer of a user's ``pytest_soak_propose``, as proposals for the guards.

    An answer is a mapping of key to delta, or of key to ``{"delta": d, "kpis": [...], "rule": r}``.
    Never raises: an answer of another type becomes a note, and an invalid delta becomes a proposal
    that the guards refuse. ``headroom`` has the valid keys; other keys are named in the note.
    """
    try:
        return _parsed_answer(answer, headroom)
    except Exception as error:
        return Requested(note=f"{PROPOSER_FAILED}: its answer cannot be read: {to_json(error)}")


def _parsed_answer(answer: Any, headroom: Mapping[str, Headroom]) -> Requested:
    if answer is None:
        return Requested()
    if not isinstance(answer, Mapping):
        kind = type(answer).__name__
        problem = f"it answered a {kind}, not a mapping of key to delta"
        return Requested(note=f"{PROPOSER_FAILED}: {problem}")
    notes: set[str] = set()
    items = list(islice(answer.items(), MOST_KEYS + 1))
    if len(items) > MOST_KEYS:
        return Requested(note=f"{PROPOSER_FAILED}: it answered more than {MOST_KEYS} keys")
    proposals = [_parsed_proposal(key, value, notes) for key, value in items]
    proposals.sort(key=lambda proposal: (proposal.key, proposal.rule, str(proposal.delta)))
    unknown = sorted({proposal.key for proposal in proposals} - set(headroom))
    if unknown:
        notes.add(f"unknown keys: {', '.join(unknown[:5])}")
    rules = sorted({proposal.rule for proposal in proposals if proposal.rule})
    amounts = ((proposal.key, number(proposal.delta)) for proposal in proposals)
    return Requested(
        proposals=tuple(proposals),
        rules=tuple(rules),
        deltas={key: amount for key, amount in amounts if amount is not None and key in headroom},
        note="; ".join(sorted(notes)),
    )


def _parsed_proposal(key: Any, answer: Any, notes: set[str]) -> Proposal:
    name = _name(key)
    if not isinstance(answer, Mapping):
        return Proposal(name, _delta(answer), "")
    first = islice(answer, len(_FIELDS) + 1)  # with one more than there are, one is unknown
    others = sorted(_name(field) for field in {*first} - {*_FIELDS})
    if others:  # a misspelt "kpis" must not switch off the guard nodata
        notes.add(f"unknown fields of {name}: {', '.join(others[:5])}; it takes delta, kpis, rule")
        return Proposal(name, f"unknown fields: {', '.join(others[:5])}", "")
    rule, kpis = _name(answer.get("rule", "")), answer.get("kpis", ())
    if isinstance(kpis, str):
        kpis = (kpis,)
    elif not isinstance(kpis, (list, tuple, set, frozenset)):
        notes.add(f"kpis of {name} is no list of names")
        kpis = (kpis,)
    names = list(islice(kpis, MOST_KPIS + 1))
    if len(names) > MOST_KPIS:
        notes.add(f"kpis of {name} are more than {MOST_KPIS}")
        names = [f"more than {MOST_KPIS}"]  # no KPI has this name, so the guard nodata refuses it
    return Proposal(
        key=name,
        delta=_delta(answer.get("delta", "no delta")),
        rule=rule,
        kpis=tuple(sorted({_name(kpi) for kpi in names})),
    )


def _name(value: Any) -> str:
    # The text is printed on terminals, so control characters are escaped.
    text = escaped(str(to_json(value)))
    return text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME] + "…"


def _delta(value: Any) -> Any:
    plain = to_json(value)
    finite = number(plain)
    return finite if finite is not None else _name(plain)
