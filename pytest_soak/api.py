"""The public functions for use outside a session: parameters, one guarded step, one proposal."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.lane.core import LaneCore
from pytest_soak.lane.run import run_lane
from pytest_soak.loop import tuner
from pytest_soak.loop.entries import runtime_of, start_entry
from pytest_soak.loop.fold import started
from pytest_soak.loop.kpis import ensure_maker_taker_ratio
from pytest_soak.loop.model import GUARD_ORDER, Decision, Verdict
from pytest_soak.loop.state import LaneState, evolved
from pytest_soak.messages import nearest
from pytest_soak.profile import parameters
from pytest_soak.profile.model import Profile
from pytest_soak.profile.parameter import Parameter
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
    "run_lane",
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


def set_in_runtime(runtime: dict[str, Any], key: str, value: float) -> dict[str, Any]:
    """Set ``key`` in a nested or flat runtime; the same dict is returned. Raises ParameterError."""
    return parameters.set_in_runtime(runtime, key, value, _table())


def apply_deltas(
    runtime: dict[str, Any], deltas: Mapping[str, float]
) -> tuple[dict[str, Any], int]:
    """Add the changes to the values of ``runtime``: the same dict, and how many values changed.

    All or nothing. Raises ParameterError for an unknown key, what is no finite number, or a result
    out of bounds.
    """
    return parameters.apply_deltas(runtime, deltas, _table())


def get_all_params(runtime: Mapping[str, Any]) -> dict[str, float]:
    """The parameters that a nested or flat runtime has, flat; a partial one is enough.

    Raises ParameterError for a bad value and for a runtime without any parameter.
    """
    return parameters.get_all_params(runtime, _table())


def validate_deltas(deltas: Mapping[str, Any]) -> dict[str, float]:
    """The changes as floats. Raises ParameterError naming the first that is none."""
    return parameters.validate_deltas(deltas, _table())


def propose_micro_tuning(
    summary: Mapping[str, Any], runtime: Mapping[str, Any], *, mock: bool = False
) -> tuner.MicroTuning:
    """What the rules of the base profile request after one summary, by their ``when`` alone.

    They move only the parameters that ``runtime`` has. Raises ParameterError.
    """
    return tuner.propose_micro_tuning(summary, runtime, load_profile(), mock=mock)


def criterion(
    name: str, verdict: str, reason: str, *, value: float | None = None, limit: str = ""
) -> CriterionResult:
    """A criterion of your own for the hook ``pytest_soak_gate``.

    ``verdict`` is PASS, WARN, INCONCLUSIVE or FAIL; ``reason`` is the line that people read.
    Raises ValueError for another verdict.
    """
    return CriterionResult(name, Verdict(verdict), value=value, limit=limit, reason=reason)


def apply_deltas_with_tracking(
    runtime_path: str | os.PathLike[str],
    proposed_deltas: Mapping[str, Any],
    guards: LaneState | Mapping[str, bool] | None = None,
) -> dict[str, Any]:
    """Guard the changes, apply the rest to the runtime file, and read it back as proof.

    ``guards`` is the memory of the guards: pass the ``guards`` of the previous result, so that
    velocity, cooldown and A-B-A see the earlier steps (a call is one iteration of 300 s). None
    begins with the base profile and the file's values. It may also be a mapping of flags, such as
    ``{"cooldown_active": True}``: the guards of a caller that has its own memory. A flag that is
    True refuses every change, for that reason; no flag is as None. The same changes with the same
    ``guards`` are the same step: a second call finds it in the file and does not repeat it.

    Returns ``applied`` (whether anything changed), ``deltas_applied``, ``outcomes`` (key to
    APPLIED, CLIPPED or SKIPPED), ``skip_reason``, ``old_hash``, ``state_hash``, ``signature``,
    ``size`` (bytes of the file) and ``guards``. Raises StoreError when the file cannot be read or
    written, ParameterError when it is no runtime, and ValueError for an unknown flag.
    """
    path = Path(runtime_path)
    memory = guards if isinstance(guards, LaneState) else None
    closed = [] if guards is None or memory is not None else _closed_guards(guards)
    runtime, file_hash = read_json_with_hash(path)
    core, decision = _decided(runtime, file_hash, {} if closed else proposed_deltas, memory)
    size = path.stat().st_size
    if decision.changes and decision.state_hash != file_hash:
        _, size = atomic_write_json(path, runtime_of(core.state.profile, decision.values))
    core = core.after(decision)
    if decision.changes:
        core = core.after(core.done())
    outcomes = {outcome.key: str(outcome.outcome) for outcome in decision.outcomes}
    if closed:
        outcomes = dict.fromkeys(validate_deltas(proposed_deltas), "SKIPPED")
    return {
        "applied": decision.changes,
        "deltas_applied": deltas_of(decision) if decision.changes else {},
        "outcomes": outcomes,
        "skip_reason": _skip_reason(closed, outcomes) if closed else skip_reason(decision),
        "old_hash": decision.old_hash,
        "state_hash": decision.state_hash,
        "signature": decision.signature,
        "size": size,
        "guards": core.state,
    }


_FLAGS = {
    **{name: name for name in GUARD_ORDER},
    **{f"{name}_active": name for name in GUARD_ORDER},
    "freeze_triggered": "freeze",
    "oscillation_detected": "oscillation",
    "velocity_violation": "velocity",
}
"""Names of flags to the guard that each stands for."""


def _closed_guards(flags: Any) -> list[str]:
    """The guards whose flag is True, in their order. Raises ValueError for what is no flag."""
    if not isinstance(flags, Mapping):
        kind = type(flags).__name__
        raise ValueError(
            f"guards is {kind}; it must be None, the 'guards' of the previous result, or flags "
            'such as {"cooldown_active": True}'
        )
    for name, value in flags.items():
        if name not in _FLAGS:
            raise ValueError(f"guards: {name}: unknown flag{nearest(str(name), _FLAGS)}")
        if not isinstance(value, bool):
            raise ValueError(f"guards: {name}: {value!r:.40} is not True or False")
    raised = {_FLAGS[name] for name, value in flags.items() if value}
    return [name for name in GUARD_ORDER if name in raised]


def _skip_reason(closed: list[str], keys: Mapping[str, Any]) -> dict[str, Any]:
    flags: dict[str, Any] = {name: name in closed for name in GUARD_ORDER}
    return {**flags, "note": f"{closed[0]}: {', '.join(sorted(keys))}"}


def _decided(
    runtime: Any, file_hash: str, deltas: Mapping[str, Any], memory: LaneState | None
) -> tuple[LaneCore, Decision]:
    profile = load_profile() if memory is None else memory.profile
    values = parameters.flatten(runtime, profile.parameters)
    if memory is None:
        lane = Lane("step", profile.name, "none", 0, 300.0, _UNPLANNED)
        start = start_entry(lane, profile, "none", values, mock=False, tune=True, dry_run=False)
        return _decision(LaneCore(started(start)), deltas)
    core = LaneCore(memory)
    if file_hash != memory.state_hash:
        observed, decision = _decision(core, deltas)
        if decision.state_hash == file_hash:
            return observed, decision  # this step was applied already; its caller asks again
        # Between two calls the file belongs to the caller: a change in it pins no parameter.
        edited = core.after(core.edit(values)).state
        core = LaneCore(evolved(edited, edits=evolved(edited.edits, pinned={})))
    return _decision(core, deltas)


def _decision(core: LaneCore, deltas: Mapping[str, Any]) -> tuple[LaneCore, Decision]:
    core = core.after(core.observe({"totals": {}}))
    return core, core.decide(lambda _state, _kpis, headroom: tuner.requested_from(deltas, headroom))
