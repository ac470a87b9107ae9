"""What a lane records of others, without their secrets: reports, values of checks, proposals.

The state that a target gives to be restored is not changed: it would come back as another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pytest_soak.loop.blocks import EVENTS
from pytest_soak.loop.entries import decision_entry, decision_from_entry
from pytest_soak.loop.model import Decision, Entry
from pytest_soak.masking import Masker
from pytest_soak.profile.model import Profile


def public_names(profile: Profile) -> Iterator[str]:
    """The names of a profile. A variable whose value is one of them holds no secret."""
    yield profile.name
    yield from EVENTS
    yield from profile.block_reasons
    for key, parameter in profile.parameters.items():
        yield from (key, *parameter.path)
    for name, kpi in profile.kpis.items():
        yield from (name, *kpi.read)
    yield from (rule.name for rule in profile.rules)


def masked_observation(mask: Masker, entry: Entry) -> Entry:
    """The observation with its report and its audit masked."""
    report, audit = mask.value(entry["report"]), mask.value(entry["audit"])
    if report is entry["report"] and audit is entry["audit"]:
        return entry
    return {**entry, "report": report, "audit": audit}


def masked_decision(mask: Masker, decision: Decision) -> Decision:
    """The decision of a user's proposer with its texts masked."""
    entry = decision_entry(decision)
    masked = mask.value(entry)
    if masked is entry:
        return decision
    again = decision_from_entry(masked)
    log = tuple(mask(line) for line in decision.requested.log)
    return replace(again, requested=replace(again.requested, log=log))
