"""pytest-soak: a pytest plugin in which a soak run is the test session.

The public names. They are imported when used, because this package is imported at the start of
every pytest session, also of those that soak nothing.
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
        set_in_runtime,
        validate_deltas,
    )
    from pytest_soak.canonical import compute_json_hash
    from pytest_soak.loop.model import Verdict
    from pytest_soak.protocol import EndOfData, Lane, Report, Runtime, Target
    from pytest_soak.store.atomic import atomic_write_json
    from pytest_soak.store.reading import read_json_with_hash

_HOMES = {
    "EndOfData": "pytest_soak.protocol",
    "Lane": "pytest_soak.protocol",
    "Report": "pytest_soak.protocol",
    "Runtime": "pytest_soak.protocol",
    "Target": "pytest_soak.protocol",
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
    "set_in_runtime": "pytest_soak.api",
    "validate_deltas": "pytest_soak.api",
    "Verdict": "pytest_soak.loop.model",
}

__all__ = [
    "EndOfData",
    "Lane",
    "Report",
    "Runtime",
    "Target",
    "Verdict",
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
    "set_in_runtime",
    "validate_deltas",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'pytest_soak' has no attribute {name!r}")
    return getattr(import_module(home), name)
