"""A resolved profile document, checked as a whole, as the frozen :class:`Profile`.

The document is JSON: ``name``, ``lineage``, the sections ``parameters``, ``kpis``, ``verdict``,
``rules``, ``guards``, ``gate``, and ``order``, the order of those whose order is shown to people,
because canonical JSON sorts its keys. :mod:`pytest_soak.profile.sections` declares every field, and
docs/profiles.md describes it; here stands what several fields must say together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from msgspec import UNSET, UnsetType, structs

from pytest_soak.messages import shown
from pytest_soak.profile.conditions import Names, conditions
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.gate import criterion, gate
from pytest_soak.profile.guards import guards
from pytest_soak.profile.kpi import Kpi
from pytest_soak.profile.kpis import kpis_of, with_directions
from pytest_soak.profile.model import Profile, VerdictLimits
from pytest_soak.profile.reading import plain, read
from pytest_soak.profile.refused import explained
from pytest_soak.profile.rules import rule
from pytest_soak.profile.scenarios import SECTION as SCENARIOS
from pytest_soak.profile.sections import Document, Order
from pytest_soak.profile.tunable import READ_ONLY_SECTION, tunables

SECTIONS = ("parameters", "kpis", "verdict", "rules", "guards", "gate")
"""What a profile consists of. Every one is required of a resolved profile."""

BLOCK_REASONS = "block_reasons"
"""The list of all block reasons; without it, the reasons that a KPI's ``block_ratio`` names."""

_Built = TypeVar("_Built")


def build(document: Mapping[str, Any], label: str = "profile") -> Profile:
    """The profile that ``document`` describes; ``build(profile.document) == profile``.

    Raises ProfileError, with ``label`` in front, for whatever is wrong in it.
    """
    try:
        return checked(document)
    except Invalid as finding:
        raise finding.at(label) from None


def checked(document: Mapping[str, Any]) -> Profile:
    """As :func:`build`, but raises Invalid, which names no file yet."""
    copy = plain(document)
    try:
        given = read(copy, Document)
    except Invalid as finding:
        raise explained(finding) from None
    lineage = given.lineage if given.lineage is not UNSET else (given.name,)
    if lineage[:1] != (given.name,):
        raise Invalid(("lineage",), f"begins with the profile's own name, {given.name!r}")
    order = given.order if given.order is not UNSET else _own_order(given)
    taken = (*SECTIONS, SCENARIOS, BLOCK_REASONS, "extends", READ_ONLY_SECTION)
    parameters = tunables(given.parameters, taken, given.guards.caps_scale)
    parameters = _ordered(parameters, "parameters", order.parameters)
    kpis = _ordered(kpis_of(given.kpis), "kpis", order.kpis)
    rules = {name: rule(name, fields, parameters, kpis) for name, fields in given.rules.items()}
    rules = _ordered(rules, "rules", order.rules)
    criteria = {kpi: criterion(kpi, limits, kpis) for kpi, limits in given.gate.criteria.items()}
    criteria = _ordered(criteria, "criteria", order.criteria)
    kpis = with_directions(kpis, given.kpis, criteria)
    names = Names(kpis, parameters)
    shown_order = {section: list(names) for section, names in structs.asdict(order).items()}
    return Profile(
        name=given.name,
        lineage=lineage,
        parameters=parameters,
        kpis=kpis,
        verdict=VerdictLimits(
            fail=conditions(given.verdict.fail, names, ("verdict", "fail")),
            warn=conditions(given.verdict.warn, names, ("verdict", "warn")),
        ),
        rules=tuple(rules.values()),
        guards=guards(given.guards, parameters, kpis),
        gate=gate(given.gate, criteria, rules, kpis),
        block_reasons=_block_reasons(given.block_reasons, kpis),
        document={**copy, "lineage": list(lineage), "order": shown_order},
    )


def _own_order(given: Document) -> Order:
    return Order(
        parameters=tuple(given.parameters),
        kpis=tuple(given.kpis),
        rules=tuple(given.rules),
        criteria=tuple(given.gate.criteria),
    )


def _ordered(built: Mapping[str, _Built], section: str, order: Sequence[str]) -> dict[str, _Built]:
    """The built entries of a section in the declared order, which must list each once."""
    if sorted(order) != sorted(built):
        raise Invalid(("order", section), f"does not list the entries of {section}, each once")
    return {key: built[key] for key in order}


def _block_reasons(listed: tuple[str, ...] | UnsetType, kpis: Mapping[str, Kpi]) -> tuple[str, ...]:
    used = {kpi.block_ratio: kpi.name for kpi in kpis.values() if kpi.block_ratio}
    if listed is UNSET:
        return tuple(sorted(used))
    for place, reason in enumerate(listed):
        if listed.count(reason) > 1:
            raise Invalid((BLOCK_REASONS, str(place)), f"{shown(reason)} is listed twice")
    for reason, kpi in used.items():
        if reason not in listed:
            raise Invalid((BLOCK_REASONS,), f"lacks {reason!r}, of which {kpi} is the share")
    return tuple(sorted(listed))
