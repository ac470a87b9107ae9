"""The public functions for use outside a session: parameters, one guarded step, one proposal."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.loop import entries, tuner
from pytest_soak.loop.decide import decide
from pytest_soak.loop.entries import runtime_of
from pytest_soak.loop.fold import advance, fold
from pytest_soak.loop.kpis import ensure_maker_taker_ratio
from pytest_soak.loop.model import Decision, Verdict
from pytest_soak.loop.state import LaneState
from pytest_soak.profile import parameters
from pytest_soak.profile.model import Parameter, Profile
from pytest_soak.profile.resolve import resolve
from pytest_soak.protocol import Lane
from pytest_soak.report.summary import deltas_of, skip_reason
from pytest_soak.store.atomic import atomic_write_json
from pytest_soak.store.reading import read_json_with_hash
from pytest_soak.store.sources import read_source

__all__ = [
    "apply_deltas",
    "apply_deltas_with_tracking",
    "criterion",
    "ensure_maker_taker_ratio",
    "get_all_params",
    "get_from_runtime",
    "load_profile",
    "propose_micro_tuning",
    "set_in_runtime",
    "validate_deltas",
]

_UNPLANNED = 1_000_000


@cache
def load_profile(reference: str = "market_maker") -> Profile:
    """A shipped profile by name, or one by path. Raises ProfileError."""
    return resolve(reference, read_source).profile


def _table() -> Mapping[str, Parameter]:
    return load_profile().parameters


def get_from_runtime(runtime: Mapping[str, Any], key: str) -> float:
    """The value of ``key`` in a nested or flat runtime. Raises ParameterError (a ValueError)."""
    return parameters.get_from_runtime(runtime, key, _table())


def set_in_runtime(runtime: Mapping[str, Any], key: str, value: float) -> dict[str, Any]:
    """A copy of ``runtime`` with ``key`` set. Raises ParameterError."""
    return parameters.set_in_runtime(runtime, key, value, _table())


def apply_deltas(
    runtime: Mapping[str, Any], deltas: Mapping[str, float]
) -> tuple[dict[str, Any], int]:
    """A copy of ``runtime`` with the changes added, and how many keys changed.

    Raises ParameterError for an unknown key, what is no finite number, or a value out of bounds.
    """
    return parameters.apply_deltas(runtime, deltas, _table())


def get_all_params(runtime: Mapping[str, Any]) -> dict[str, float]:
    """Every parameter of a nested or flat runtime, flat. Raises ParameterError."""
    return parameters.get_all_params(runtime, _table())


def validate_deltas(deltas: Mapping[str, Any]) -> dict[str, float]:
    """The changes as floats. Raises ParameterError naming the first that is none."""
    return parameters.validate_deltas(deltas, _table())


def propose_micro_tuning(
    summary: Mapping[str, Any], runtime: Mapping[str, Any], *, mock: bool = False
) -> tuner.MicroTuning:
    """What the rules of the base profile say of one summary, by their ``when`` alone."""
    return tuner.propose_micro_tuning(summary, runtime, load_profile(), mock=mock)


def criterion(
    name: str, verdict: str, reason: str, *, value: float | None = None, limit: str = ""
) -> CriterionResult:
    """A criterion of one's own for the hook ``pytest_soak_gate``.

    ``verdict`` is PASS, WARN, INCONCLUSIVE or FAIL; ``reason`` is the line that people read.
    Raises ValueError for another verdict.
    """
    return CriterionResult(name, Verdict(verdict), value=value, limit=limit, reason=reason)


def apply_deltas_with_tracking(
    runtime_path: str | os.PathLike[str],
    proposed_deltas: Mapping[str, Any],
    guards: LaneState | None = None,
) -> dict[str, Any]:
    """Guard the changes, apply what is left to the runtime file, and prove it by reading back.

    ``guards`` is what the guards remember: pass the ``guards`` of the result before, so that
    velocity, cooldown and A-B-A see the steps that came earlier (one call is one iteration of
    300 s). None begins anew with the base profile and the file's values. The same changes with the
    same ``guards`` are the same step: asked for again it is found in the file, and not made twice.

    Returns ``applied`` (whether anything changed), ``deltas_applied``, ``outcomes`` (key to
    APPLIED, CLIPPED or SKIPPED), ``skip_reason``, ``old_hash``, ``state_hash``, ``signature``,
    ``size`` (bytes of the file) and ``guards``. Raises StoreError when the file cannot be read or
    written, and ParameterError when it is no runtime.
    """
    path = Path(runtime_path)
    runtime, found = read_json_with_hash(path)
    state, decision = _decided(runtime, found, proposed_deltas, guards)
    size = path.stat().st_size
    if decision.changes and decision.state_hash != found:
        _, size = atomic_write_json(path, runtime_of(state.profile, decision.values))
    state = advance(state, entries.decision_entry(decision))
    if decision.changes:
        state = advance(state, entries.done_entry(decision))
    return {
        "applied": decision.changes,
        "deltas_applied": deltas_of(decision) if decision.changes else {},
        "outcomes": {outcome.key: outcome.outcome for outcome in decision.outcomes},
        "skip_reason": skip_reason(decision),
        "old_hash": decision.old_hash,
        "state_hash": decision.state_hash,
        "signature": decision.signature,
        "size": size,
        "guards": state,
    }


def _decided(
    runtime: Any, found: str, deltas: Mapping[str, Any], guards: LaneState | None
) -> tuple[LaneState, Decision]:
    profile = load_profile() if guards is None else guards.profile
    values = parameters.flatten(runtime, profile.parameters)
    if guards is None:
        lane = Lane("step", profile.name, "none", 0, 300.0, _UNPLANNED)
        start = entries.start_entry(lane, profile, "none", False, True, False, values)
        guards = fold([start])
    elif found != guards.state_hash:
        made = _decision(guards, deltas)
        if made[1].state_hash == found:
            return made  # this very step, made already: a caller that lost its answer asks again
        # Between two calls the file is the caller's own, so what they changed pins nothing.
        edited = advance(guards, entries.external_entry(guards, values))
        guards = replace(edited, pinned={})
    return _decision(guards, deltas)


def _decision(guards: LaneState, deltas: Mapping[str, Any]) -> tuple[LaneState, Decision]:
    observation = entries.observation_entry(guards.next_iteration, {"totals": {}}, None, None)
    state = advance(guards, observation)
    return state, decide(
        state, lambda _state, _kpis, headroom: tuner.requested_from(deltas, headroom)
    )
