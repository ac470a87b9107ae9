"""A resolved profile document, checked as a whole, as the frozen :class:`Profile`.

The document is JSON: ``name``, ``lineage``, the sections ``parameters``, ``kpis``, ``verdict``,
``rules``, ``guards``, ``gate``, and ``order``, the order of those whose order is shown to people,
because canonical JSON sorts its keys. docs/profiles.md describes every field.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, TypeVar

from pytest_soak.messages import nearest, shown
from pytest_soak.profile.comparisons import comparison, conditions
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.guards import guards
from pytest_soak.profile.model import (
    DERIVED_NAMES,
    RECORDED,
    Criterion,
    DeltaQuality,
    DriftLimits,
    GateLimits,
    Kpi,
    Needed,
    Parameter,
    Profile,
    Rule,
    VerdictLimits,
)
from pytest_soak.profile.reading import IDENTIFIER, NAME, Node, plain
from pytest_soak.profile.rules import rule
from pytest_soak.profile.scenarios import SECTION as SCENARIOS

SECTIONS = ("parameters", "kpis", "verdict", "rules", "guards", "gate")
"""What a profile consists of. Every one is required of a resolved profile."""

BLOCK_REASONS = "block_reasons"
"""The list of all block reasons; without it, the reasons that a KPI's ``block_ratio`` names."""

READ_ONLY_SECTION = "tuner"
"""The section of the runtime that only shows copies; no parameter lives there."""

_DIRECTIONS: tuple[Literal["up", "down"], ...] = ("up", "down")
_BETTER: tuple[Literal["up", "down", "none"], ...] = ("up", "down", "none")
_PERIODS: tuple[Literal["run", "24h"], ...] = ("run", "24h")
_SOURCES = ("read", "block_ratio", "derive")

_Entry = TypeVar("_Entry")


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
    root = Node(plain(document))
    root.fields(("name", *SECTIONS), ("lineage", "order", BLOCK_REASONS))
    name = root.child("name").name()
    lineage = (
        tuple(item.name() for item in root.child("lineage").items())
        if root.has("lineage")
        else (name,)
    )
    if not lineage or lineage[0] != name:
        raise root.child("lineage").wrong(f"begins with the profile's own name, {name!r}")
    parameters = _ordered(root, "parameters", _parameter)
    _check_paths(root.child("parameters"), parameters)
    kpis = _ordered(root, "kpis", _kpi)
    rules = _ordered(root, "rules", lambda key, node: rule(key, node, parameters, kpis))
    gate = root.child("gate")
    criteria = _ordered(gate, "criteria", lambda key, node: _criterion(key, node, kpis), root)
    order = {
        "parameters": list(parameters),
        "kpis": list(kpis),
        "rules": list(rules),
        "criteria": list(criteria),
    }
    return Profile(
        name=name,
        lineage=lineage,
        parameters=parameters,
        kpis=kpis,
        verdict=_verdict(root.child("verdict"), kpis),
        rules=tuple(rules.values()),
        guards=guards(root.child("guards"), parameters, kpis),
        gate=_gate(gate, tuple(criteria.values()), rules, kpis),
        block_reasons=_block_reasons(root, kpis),
        document={**root.mapping(), "lineage": list(lineage), "order": order},
    )


def _ordered(
    parent: Node, section: str, make: Callable[[str, Node], _Entry], root: Node | None = None
) -> dict[str, _Entry]:
    """The built entries of a section, in the declared order of the document, else in its own."""
    built = {key: make(key, node) for key, node in parent.child(section).entries()}
    top = root or parent
    if not top.has("order"):
        return built
    declared = top.child("order")
    declared.fields(("parameters", "kpis", "rules", "criteria"))
    names = [item.text() for item in declared.child(section).items()]
    if sorted(names) != sorted(built):
        raise declared.child(section).wrong(f"does not list the entries of {section}, each once")
    return {name: built[name] for name in names}


def _parameter(key: str, node: Node) -> Parameter:
    node.fields(("path", "unit", "start", "min", "max", "cap_per_hour", "safer"))
    taken = (*SECTIONS, SCENARIOS, BLOCK_REASONS, "extends", READ_ONLY_SECTION)
    if key in taken or key.endswith("_delta"):
        raise node.wrong("this name has a meaning of its own; choose another")
    path = tuple(node.child("path").text().split("."))
    if not all(IDENTIFIER.fullmatch(part) for part in path):
        raise node.child("path").wrong(
            f"{shown(node.child('path').value)} is no path; it names the section, as in 'engine'"
        )
    if path[0] == READ_ONLY_SECTION:
        raise node.child("path").wrong(f"the section {READ_ONLY_SECTION!r} is read-only")
    minimum, maximum = node.child("min").number(), node.child("max").number()
    if minimum >= maximum:
        raise node.child("min").wrong(f"min {minimum:g} is not below max {maximum:g}")
    start = node.child("start").number()
    if not minimum <= start <= maximum:
        raise node.child("start").wrong(f"{start:g} is outside {minimum:g} to {maximum:g}")
    return Parameter(
        key=key,
        path=(*path, key),
        unit=node.child("unit").text(),
        start=start,
        minimum=minimum,
        maximum=maximum,
        cap_per_hour=node.child("cap_per_hour").positive(),
        safer=node.child("safer").choice(_DIRECTIONS),
    )


def _check_paths(node: Node, parameters: Mapping[str, Parameter]) -> None:
    # Its top-level names show whether a runtime is nested or flat, so they must not overlap.
    for key, parameter in parameters.items():
        for part in parameter.path[:-1]:
            if part in parameters:
                raise node.child(key).child("path").wrong(f"{part!r} is a parameter, no section")


def _kpi(name: str, node: Node) -> Kpi:
    node.fields(("unit", "better"), (*_SOURCES, "range"))
    sources = [source for source in _SOURCES if node.has(source)]
    if len(sources) != 1:
        raise node.wrong(
            f"a KPI has one of {', '.join(_SOURCES)}; here is {' and '.join(sources) or 'none'}"
        )
    if name == "deltas":
        raise node.wrong("{deltas} has a meaning of its own in log lines; choose another name")
    read: tuple[str, ...] = ()
    if node.has("read"):
        read = tuple(node.child("read").text().split("."))
        if not all(IDENTIFIER.fullmatch(part) for part in read):
            raise node.child("read").wrong(
                f"{shown(node.child('read').value)} is no path in the report, such as 'totals.p95'"
            )
    reason = node.child("block_ratio").text() if node.has("block_ratio") else ""
    if node.has("block_ratio") and IDENTIFIER.fullmatch(reason) is None:
        raise node.child("block_ratio").wrong(f"{shown(reason)} is no block reason")
    return Kpi(
        name=name,
        unit=node.child("unit").text(),
        better=node.child("better").choice(_BETTER),
        read=read,
        block_ratio=reason,
        derive=node.child("derive").choice((*DERIVED_NAMES, RECORDED))
        if node.has("derive")
        else "",
        range=_range(node.child("range")) if node.has("range") else (None, None),
    )


def _range(node: Node) -> tuple[float | None, float | None]:
    """``[0, 1]``; ``[0, null]`` is a range without an upper end."""
    ends = node.items()
    if len(ends) != 2:
        raise node.wrong("is a list of two numbers, the lowest and the highest (null: no limit)")
    low, high = (None if end.value is None else end.number() for end in ends)
    if low is not None and high is not None and low >= high:
        raise node.wrong(f"{low:g} is not below {high:g}")
    return low, high


def _block_reasons(root: Node, kpis: Mapping[str, Kpi]) -> tuple[str, ...]:
    used = {kpi.block_ratio: kpi.name for kpi in kpis.values() if kpi.block_ratio}
    if not root.has(BLOCK_REASONS):
        return tuple(sorted(used))
    listed = root.child(BLOCK_REASONS)
    reasons = [item.text() for item in listed.items()]
    for item, reason in zip(listed.items(), reasons, strict=True):
        if IDENTIFIER.fullmatch(reason) is None:
            raise item.wrong(f"{shown(reason)} is no block reason")
        if reasons.count(reason) > 1:
            raise item.wrong(f"{shown(reason)} is listed twice")
    for reason, kpi in used.items():
        if reason not in reasons:
            raise listed.wrong(f"lacks {reason!r}, of which {kpi} is the share")
    return tuple(sorted(reasons))


def _verdict(node: Node, kpis: Collection[str]) -> VerdictLimits:
    node.fields(("fail",), ("warn",))
    return VerdictLimits(
        fail=conditions(node.child("fail"), kpis),
        warn=conditions(node.child("warn"), kpis) if node.has("warn") else (),
    )


def _criterion(kpi: str, node: Node, kpis: Collection[str]) -> Criterion:
    if kpi not in kpis:
        raise node.wrong(f"unknown KPI {kpi!r}{nearest(kpi, kpis)}")
    if not isinstance(node.value, dict):
        limit = comparison(node)
        return Criterion(kpi=kpi, production=limit, mock=limit)
    node.fields(("production", "mock"))
    production, mock = comparison(node.child("production")), comparison(node.child("mock"))
    if production.op[0] != mock.op[0]:
        raise node.child("mock").wrong(f"{mock} looks the other way than production, {production}")
    return Criterion(kpi=kpi, production=production, mock=mock)


def _gate(
    node: Node, criteria: tuple[Criterion, ...], rules: Mapping[str, Rule], kpis: Mapping[str, Kpi]
) -> GateLimits:
    node.fields(
        (
            "window",
            "pass_from",
            "confidence",
            "no_data_ratio",
            "criteria",
            "pass_count_slack",
            "freeze_ready_pass_count",
            "delta",
        ),
        ("drift", "throughput"),
    )
    if not criteria:
        raise node.child("criteria").wrong("the gate is empty; it needs a criterion at least")
    window = node.child("window").count()
    confidence = node.child("confidence").share()
    if not 0.5 <= confidence <= 0.9999:
        # All digits are shown, so that 0.99999 does not look like 1.
        raise node.child("confidence").wrong(f"{confidence!r} is not from 0.5 to 0.9999")
    _check_ranges(criteria, kpis, node.child("criteria"))
    return GateLimits(
        window=window,
        pass_from=node.child("pass_from").count(),
        confidence=confidence,
        no_data_ratio=node.child("no_data_ratio").share(),
        criteria=criteria,
        pass_count_slack=_within(node.child("pass_count_slack"), window),
        freeze_ready_pass_count=_within(node.child("freeze_ready_pass_count"), window),
        delta=_delta_quality(node.child("delta"), rules),
        drift=_drift(node, [item.kpi for item in criteria], kpis),
        throughput=node.child("throughput").name_in(kpis, "KPI")
        if node.has("throughput") and node.child("throughput").value is not None
        else None,
    )


def _check_ranges(criteria: Sequence[Criterion], kpis: Mapping[str, Kpi], node: Node) -> None:
    """A range must not end before the limit: a value beyond the limit would be *no data*."""
    for criterion in criteria:
        low, high = kpis[criterion.kpi].range
        for limit in (criterion.production, criterion.mock):
            end = high if limit.upper else low
            inside = end is not None and (end <= limit.limit if limit.upper else end >= limit.limit)
            if inside:
                raise node.child(criterion.kpi).wrong(
                    f"the range of {criterion.kpi} ends at {end:g}, so no value could break the "
                    f"limit {limit}; a range is for values that cannot be"
                )


def _drift(gate: Node, gated: Collection[str], kpis: Mapping[str, Kpi]) -> dict[str, DriftLimits]:
    """The limits of each gated KPI and of those in ``drift``; null there switches a KPI off."""
    limits = {kpi: DriftLimits() for kpi in gated}
    if not gate.has("drift"):
        return limits
    for name, node in gate.child("drift").entries():
        if name not in kpis:
            raise node.wrong(f"unknown KPI {name!r}{nearest(name, kpis)}")
        if node.value is None:
            limits.pop(name, None)
            continue
        node.fields((), ("budget", "per", "alpha"))
        if not node.has("budget") and name not in gated:
            raise node.wrong("has no limit to drift to; give it a budget, or gate it")
        if node.has("budget") and kpis[name].better == "none":
            raise node.child("budget").wrong(f"{name} is better neither up nor down")
        alpha = node.child("alpha").number() if node.has("alpha") else 0.05
        if not 1e-6 <= alpha <= 0.2:
            raise node.child("alpha").wrong(f"{alpha:g} is not from 1e-6 to 0.2")
        limits[name] = DriftLimits(
            budget=node.child("budget").positive() if node.has("budget") else None,
            per=node.child("per").choice(_PERIODS) if node.has("per") else "run",
            alpha=alpha,
        )
    return limits


def _within(node: Node, window: int) -> int:
    count = node.count(least=0)
    if count > window:
        raise node.wrong(f"{count} is more than the window of {window} iterations")
    return count


def _delta_quality(node: Node, rules: Mapping[str, Rule]) -> DeltaQuality:
    node.fields(("full", "relaxed", "stuck_max"), ("needed",))
    full, relaxed = node.child("full").share(), node.child("relaxed").share()
    if relaxed > full:
        raise node.child("relaxed").wrong(f"{relaxed:g} is above full, {full:g}")
    return DeltaQuality(
        full=full,
        relaxed=relaxed,
        stuck_max=node.child("stuck_max").count(least=0),
        needed=_needed(node.child("needed"), rules) if node.has("needed") else None,
    )


def _needed(node: Node, rules: Mapping[str, Rule]) -> Needed:
    node.fields(("rule", "warn_below"))
    return Needed(
        rule=node.child("rule").name_in(rules, "rule"),
        warn_below=node.child("warn_below").share(),
    )


__all__ = ["NAME", "READ_ONLY_SECTION", "SECTIONS", "build", "checked"]
