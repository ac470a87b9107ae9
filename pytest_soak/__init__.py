"""pytest-soak: a pytest plugin in which a soak run is the test session.

These are the public names; every other module is private and may change. Each name is imported at
its first use, because this package is imported at the start of every pytest session, also of a
session without a soak.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_soak.api import (
        apply_deltas,
        apply_deltas_with_tracking,
        criterion,
        ensure_maker_taker_ratio,
        get_all_params,
        get_from_runtime,
        load_profile,
        propose_micro_tuning,
        run_lane,
        set_in_runtime,
        validate_deltas,
    )
    from pytest_soak.canonical import compute_json_hash
    from pytest_soak.gate.result import CriterionResult
    from pytest_soak.lane.core import LaneCore
    from pytest_soak.loop.entries import EntryError
    from pytest_soak.loop.model import (
        Decision,
        Halt,
        Headroom,
        History,
        Iteration,
        Outcome,
        Proposal,
        Reading,
        Requested,
        Verdict,
    )
    from pytest_soak.profile.errors import ProfileError
    from pytest_soak.profile.model import Profile
    from pytest_soak.profile.parameters import ParameterError
    from pytest_soak.protocol import EndOfData, Lane, Report, Runtime, Scenario, Target
    from pytest_soak.session.checks import RuntimeView, SoakIteration
    from pytest_soak.store.atomic import atomic_write_json
    from pytest_soak.store.errors import StoreError
    from pytest_soak.store.reading import read_json_with_hash

    __version__: str

_HOMES = {
    "CriterionResult": "pytest_soak.gate.result",
    "Decision": "pytest_soak.loop.model",
    "EndOfData": "pytest_soak.protocol",
    "EntryError": "pytest_soak.loop.entries",
    "Halt": "pytest_soak.loop.model",
    "Headroom": "pytest_soak.loop.model",
    "History": "pytest_soak.loop.model",
    "Iteration": "pytest_soak.loop.model",
    "Lane": "pytest_soak.protocol",
    "LaneCore": "pytest_soak.lane.core",
    "Outcome": "pytest_soak.loop.model",
    "ParameterError": "pytest_soak.profile.parameters",
    "Profile": "pytest_soak.profile.model",
    "ProfileError": "pytest_soak.profile.errors",
    "Proposal": "pytest_soak.loop.model",
    "Reading": "pytest_soak.loop.model",
    "Report": "pytest_soak.protocol",
    "Requested": "pytest_soak.loop.model",
    "Runtime": "pytest_soak.protocol",
    "RuntimeView": "pytest_soak.session.checks",
    "Scenario": "pytest_soak.protocol",
    "SoakIteration": "pytest_soak.session.checks",
    "StoreError": "pytest_soak.store.errors",
    "Target": "pytest_soak.protocol",
    "Verdict": "pytest_soak.loop.model",
    "apply_deltas": "pytest_soak.api",
    "apply_deltas_with_tracking": "pytest_soak.api",
    "atomic_write_json": "pytest_soak.store.atomic",
    "compute_json_hash": "pytest_soak.canonical",
    "criterion": "pytest_soak.api",
    "ensure_maker_taker_ratio": "pytest_soak.api",
    "get_all_params": "pytest_soak.api",
    "get_from_runtime": "pytest_soak.api",
    "load_profile": "pytest_soak.api",
    "propose_micro_tuning": "pytest_soak.api",
    "read_json_with_hash": "pytest_soak.store.reading",
    "run_lane": "pytest_soak.api",
    "set_in_runtime": "pytest_soak.api",
    "validate_deltas": "pytest_soak.api",
}
"""Public name to the module that defines it."""

__all__ = [
    "CriterionResult",
    "Decision",
    "EndOfData",
    "EntryError",
    "Halt",
    "Headroom",
    "History",
    "Iteration",
    "Lane",
    "LaneCore",
    "Outcome",
    "ParameterError",
    "Profile",
    "ProfileError",
    "Proposal",
    "Reading",
    "Report",
    "Requested",
    "Runtime",
    "RuntimeView",
    "Scenario",
    "SoakIteration",
    "StoreError",
    "Target",
    "Verdict",
    "__version__",
    "apply_deltas",
    "apply_deltas_with_tracking",
    "atomic_write_json",
    "compute_json_hash",
    "criterion",
    "ensure_maker_taker_ratio",
    "get_all_params",
    "get_from_runtime",
    "load_profile",
    "propose_micro_tuning",
    "read_json_with_hash",
    "run_lane",
    "set_in_runtime",
    "validate_deltas",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("pytest-soak")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'pytest_soak' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
