"""What a lane records of others, without their secrets: reports, values of checks, proposals.

The state that a target gives to be restored is not changed: it would come back as another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast, get_args

from pytest_soak.loop.blocks import EVENTS
from pytest_soak.loop.entries import Checks, Observation, entry_of, record_of
from pytest_soak.loop.model import Decision, OutcomeWord, Verdict
from pytest_soak.loop.state import evolved
from pytest_soak.masking import Masker
from pytest_soak.profile.model import Profile


def public_names(profile: Profile) -> Iterator[str]:
    """The names of a profile, and the words of a decision.

    A variable whose value is one of them holds no secret.
    """
    yield from (*Verdict, *get_args(OutcomeWord))
    yield profile.name
    yield from EVENTS
    yield from profile.block_reasons
    for key, parameter in profile.parameters.items():
        yield from (key, *parameter.path)
    for name, kpi in profile.kpis.items():
        yield from (name, *(step for step in kpi.path if isinstance(step, str)))
    yield from (rule.name for rule in profile.rules)


def masked_observation(mask: Masker, entry: Observation) -> Observation:
    """The observation with its report and its audit masked."""
    return evolved(entry, report=mask.value(entry.report), audit=mask.value(entry.audit))


def masked_checks(mask: Masker, entry: Checks) -> Checks:
    """The entry with what checks recorded, and their names, masked."""
    failed = tuple(mask(name) for name in entry.failed)
    return evolved(entry, recorded=mask.value(entry.recorded), failed=failed)


def masked_decision(mask: Masker, decision: Decision) -> Decision:
    """The decision of a user's proposer with its texts masked."""
    record = record_of(decision)
    masked = mask.value(record)
    return decision if masked is record else cast(Decision, entry_of(masked))
