"""The tuner: what the profile's rules want after an iteration, and what others' answers mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import Any

from pytest_soak.canonical import escaped, number, to_json
from pytest_soak.loop.evidence import rule_status, status_alone
from pytest_soak.loop.kpis import PLACEHOLDER_SOURCES, read_kpis
from pytest_soak.loop.model import PROPOSER_FAILED, Headroom, Proposal, Reading, Readings, Requested
from pytest_soak.loop.moves import assemble
from pytest_soak.loop.rollback import suspensions_of
from pytest_soak.loop.state import LaneState
from pytest_soak.profile.model import Parameter, Profile
from pytest_soak.profile.parameters import get_all_params

MOST_KEYS = 1_000
"""An answer with more keys is not read, so that none fills the journal."""

MOST_KPIS = 50
"""What rests on more KPIs is refused."""

_FIELDS = ("delta", "kpis", "rule")

LONGEST_NAME = 100
"""Longer names of keys, rules and KPIs are cut."""


def propose(state: LaneState, readings: Readings, headroom: Mapping[str, Headroom]) -> Requested:
    """What the rules request, trimmed to ``headroom`` (of ``loop.headroom.headroom_of``)."""
    rules = state.profile.rules
    statuses = [(rule, rule_status(rule, state, readings)) for rule in rules]
    fired = [(rule, found) for rule, found in statuses if found.fires]
    return replace(
        assemble(state.profile, state.values, fired, headroom, suspensions_of(state)),
        waiting={rule.name: found.waiting for rule, found in statuses if found.waiting},
        stopped=tuple(rule.name for rule, found in statuses if found.stopped),
        by_rules=True,
    )


@dataclass(frozen=True, slots=True)
class MicroTuning:
    """What the rules say of one summary; its fields can be read as items too."""

    deltas: Mapping[str, float]
    """Key to change, in the key's unit."""
    rules: tuple[str, ...]
    withheld: Mapping[str, str]
    overruled: tuple[str, ...]
    log: tuple[str, ...]

    def __getitem__(self, name: str) -> Any:
        if name not in {one.name for one in fields(self)}:
            raise KeyError(name)
        return getattr(self, name)


def propose_micro_tuning(
    summary: Mapping[str, Any], runtime: Mapping[str, Any], profile: Profile, *, mock: bool = False
) -> MicroTuning:
    """Judge one summary by the rules' ``when`` alone: there is no history to ask for evidence.

    ``summary`` holds KPIs by name (an ``ITER_SUMMARY``, or its ``summary``), or is an EDGE_REPORT.
    ``runtime`` is nested or flat. Moves keep inside the bounds; what else limits them (caps per
    hour, cooldown, …) is known only where they are applied. Raises
    ``profile.parameters.ParameterError`` for a runtime that is none.
    """
    values = get_all_params(runtime, profile.parameters)
    readings = _summary_readings(profile, summary, mock)
    statuses = [(rule, status_alone(rule, readings)) for rule in profile.rules]
    fired = [(rule, found) for rule, found in statuses if found.fires]
    headroom = {key: _bounds(one, values[key]) for key, one in profile.parameters.items()}
    requested = assemble(profile, values, fired, headroom)
    return MicroTuning(
        deltas={proposal.key: proposal.delta for proposal in requested.proposals},
        rules=requested.rules,
        withheld=requested.withheld,
        overruled=requested.overruled,
        log=requested.log,
    )


def _bounds(parameter: Parameter, value: float) -> Headroom:
    return Headroom(
        parameter.key,
        down=min(0.0, parameter.minimum - value),
        up=max(0.0, parameter.maximum - value),
        reason_down="bounds",
        reason_up="bounds",
        value=value,
    )


def _summary_readings(profile: Profile, summary: Mapping[str, Any], mock: bool) -> Readings:
    inner = summary.get("summary")
    kpis = inner if isinstance(inner, Mapping) else summary
    readings: dict[str, Reading] = {}
    if isinstance(summary.get("totals"), Mapping):
        # A summary does not say how long its interval was, so rates are left to those it names.
        readings.update(read_kpis(profile, summary, None, interval_s=3600.0, mock=mock))
        for name, kpi in profile.kpis.items():
            if kpi.derive == "fills_per_hour":
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
    """What a user's ``pytest_soak_propose`` answered, as proposals for the guards.

    An answer is a mapping of key to delta, or of key to ``{"delta": d, "kpis": [...], "rule": r}``.
    Never raises: what is no such answer becomes a note, what is a bad delta becomes a proposal
    that the guards refuse. ``headroom`` tells the keys there are, for the note on unknown ones.
    """
    try:
        return _answered(answer, headroom)
    except Exception as error:
        return Requested(note=f"{PROPOSER_FAILED}: its answer cannot be read: {to_json(error)}")


def _answered(answer: Any, headroom: Mapping[str, Headroom]) -> Requested:
    if answer is None:
        return Requested()
    if not isinstance(answer, Mapping):
        kind = type(answer).__name__
        said = f"it answered a {kind}, not a mapping of key to delta"
        return Requested(note=f"{PROPOSER_FAILED}: {said}")
    notes: set[str] = set()
    items = list(islice(answer.items(), MOST_KEYS + 1))
    if len(items) > MOST_KEYS:
        return Requested(note=f"{PROPOSER_FAILED}: it answered more than {MOST_KEYS} keys")
    proposals = [_answered_key(key, said, notes) for key, said in items]
    proposals.sort(key=lambda proposal: (proposal.key, proposal.rule, str(proposal.delta)))
    unknown = sorted({proposal.key for proposal in proposals} - set(headroom))
    if unknown:
        notes.add(f"unknown keys: {', '.join(unknown[:5])}")
    rules = sorted({proposal.rule for proposal in proposals if proposal.rule})
    return Requested(proposals=tuple(proposals), rules=tuple(rules), note="; ".join(sorted(notes)))


def _answered_key(key: Any, said: Any, notes: set[str]) -> Proposal:
    name = _name(key)
    if not isinstance(said, Mapping):
        return Proposal(name, _delta(said), "")
    first = islice(said, len(_FIELDS) + 1)  # one more than there are shows that one is odd
    others = sorted(_name(field) for field in {*first} - {*_FIELDS})
    if others:  # a misspelt kpis would otherwise cost the move its nodata guard
        notes.add(f"unknown fields of {name}: {', '.join(others[:5])}; it takes delta, kpis, rule")
        return Proposal(name, f"unknown fields: {', '.join(others[:5])}", "")
    rule, kpis = _name(said.get("rule", "")), said.get("kpis", ())
    if isinstance(kpis, str):
        kpis = (kpis,)
    elif not isinstance(kpis, (list, tuple, set, frozenset)):
        notes.add(f"kpis of {name} is no list of names")
        kpis = (kpis,)
    names = list(islice(kpis, MOST_KPIS + 1))
    if len(names) > MOST_KPIS:
        notes.add(f"kpis of {name} are more than {MOST_KPIS}")
        names = [f"more than {MOST_KPIS}"]  # no KPI has that name, so there is no data of it
    return Proposal(
        key=name,
        delta=_delta(said.get("delta", "no delta")),
        rule=rule,
        kpis=tuple(sorted({_name(kpi) for kpi in names})),
    )


def _name(said: Any) -> str:
    # It will stand on terminals, where a stranger's text moves no cursor.
    text = escaped(str(to_json(said)))
    return text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME] + "…"


def _delta(said: Any) -> Any:
    plain = to_json(said)
    finite = number(plain)
    return finite if finite is not None else _name(plain)
