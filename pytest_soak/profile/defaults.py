"""What a profile without ``extends`` has where it gives nothing: guards, gate, verdict.

They are filled in when a profile is resolved, so the document that the journal stores has them: a
later version with other defaults judges an old run as before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_soak.canonical import number
from pytest_soak.profile.comparisons import opposite
from pytest_soak.profile.errors import Invalid

DEFAULTS: Mapping[str, Any] = {
    "parameters": {},
    "rules": {},
    "guards": {
        "panic": {"after": 3, "pause": 4},
        "hold_last": 1,
        "pin": {"for": "run"},
        "cooldown": {"large": 0.10, "iterations": 2},
        "oscillation": {"forget_after": 12, "exempt": ["ROLLBACK"]},
        "attribution": {"least": 4, "memory": 24, "confidence": 0.95},
        "rollback": {"confidence": 0.999, "once_in": 24},
        "velocity_window_s": 3600,
        "clip_ratio": 0.5,
    },
    "gate": {
        "window": 8,
        "pass_from": 24,
        "confidence": 0.95,
        "no_data_ratio": 0.25,
        "delta": {"full": 0.95, "relaxed": 0.90, "stuck_max": 1},
    },
}
"""The sections below those of a profile that extends none; null removes one of their entries."""

_OF_WINDOW = {"pass_count_slack": 2}
"""Counts of the gate; a smaller window has at most its own size."""

_LIMITS = ("warn", "production", "limit", "fail")

REQUIRED = "a profile has at least kpis and gate.criteria"


def with_derived(document: Mapping[str, Any]) -> dict[str, Any]:
    """The merged ``document`` with the defaults that depend on what it has.

    Raises Invalid if KPIs or criteria are missing, which have no default.
    """
    gate = document.get("gate")
    if "kpis" not in document:
        raise Invalid((), f"'kpis' is missing; {REQUIRED}")
    if not isinstance(gate, Mapping):
        return dict(document)
    if "criteria" not in gate:
        raise Invalid(("gate",), f"'criteria' is missing; {REQUIRED}")
    window = number(gate.get("window"))
    counts = {
        name: count if window is None else min(count, int(window))
        for name, count in _OF_WINDOW.items()
        if name not in gate
    }
    verdict = document.get("verdict", {"fail": {}, "warn": _warnings(gate["criteria"])})
    return {**document, "verdict": verdict, "gate": {**gate, **counts}}


def _warnings(criteria: Any) -> dict[str, str]:
    """An iteration beyond a limit of the gate is WARN: one alone may be noise, so it never FAILs.

    A warning of the criterion counts, else its limit, whatever the statistic is. A criterion with
    a lower and an upper limit gives none, because all conditions on one KPI must hold together.
    """
    texts: dict[str, str] = {}
    for kpi, limit in criteria.items() if isinstance(criteria, Mapping) else ():
        fields = limit if isinstance(limit, Mapping) else {"limit": limit}
        given = [fields[name] for name in _LIMITS if isinstance(fields.get(name), str)]
        beyond = opposite(given[0]) if given else None
        if beyond is not None:
            texts[kpi] = beyond
    return texts
