"""A small profile whose parameters have every type, step and scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_soak.profile.build import build
from pytest_soak.profile.model import Profile
from pytest_soak.profile.parameter import Parameter

PARAMETERS: dict[str, dict[str, Any]] = {
    "workers": {"type": "int", "start": 4, "min": 1, "max": 32, "cap_per_hour": 8},
    "threads": {
        "type": "int",
        "start": 16,
        "min": 4,
        "max": 256,
        "step": 4,
        "cap_per_hour": 64,
        "cap_per_iteration": 24,
        "at_most": {"parameter": "workers", "factor": 8},
        "safer": "up",
    },
    "timeout_s": {"start": 1.5, "min": 0.5, "max": 10, "step": 0.25, "cap_per_hour": 4},
    "jit": {"type": "bool", "start": True, "cap_per_hour": 2},
    "sync": {"type": "choice", "choices": ["async", "local", "remote"], "start": "local"},
    "work_mem_kb": {
        "type": "int",
        "start": 4096,
        "min": 64,
        "max": 1_048_576,
        "scale": "log",
        "cap_per_hour": 8,
        "cap_per_iteration": 2,
    },
    "rate": {"path": "", "start": 10, "min": 0.1, "max": 1000, "scale": "log", "cap_per_hour": 4},
    "share": {"start": 0.5, "min": 0, "max": 1},
    "port": {"type": "int", "start": 5432, "min": 5432, "max": 5432},
    "low_mark": {"start": 0.25, "min": 0, "max": 1, "at_most": "share"},
}
"""Key to the fields of the parameter; without a path it is in the section ``app``."""


def document(
    parameters: Mapping[str, Mapping[str, Any]] = PARAMETERS, **sections: Any
) -> dict[str, Any]:
    """A resolved profile; ``sections`` replace those of the same name."""
    return {
        "name": "typed",
        "parameters": {key: {"path": "app", **fields} for key, fields in parameters.items()},
        "kpis": {"p95_ms": {"unit": "ms", "better": "down", "read": "totals.p95_ms"}},
        "verdict": {"fail": {"p95_ms": "> 250"}},
        "rules": {},
        "guards": {"hold_last": 1, "velocity_window_s": 3600, "clip_ratio": 0.5},
        "gate": {
            "window": 8,
            "pass_from": 24,
            "confidence": 0.95,
            "no_data_ratio": 0.25,
            "criteria": {"p95_ms": "<= 240"},
            "pass_count_slack": 2,
            "freeze_ready_pass_count": 6,
            "delta": {"full": 0.95, "relaxed": 0.90, "stuck_max": 1},
        },
        **sections,
    }


def typed(parameters: Mapping[str, Mapping[str, Any]] = PARAMETERS, **sections: Any) -> Profile:
    return build(document(parameters, **sections))


def parameter(**fields: Any) -> Parameter:
    """The parameter ``x`` with these fields; a number from 0 to 10 unless they say otherwise."""
    if fields.get("type") not in ("bool", "choice"):
        fields = {"min": 0, "max": 10, **fields}
    return typed({"x": {"start": fields.get("min", 0), **fields}}).parameters["x"]
