"""The JSON documents beside the journal as types: run.json, timing.jsonl, applied_profile.json."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from pytest_soak.json_types import Finite, NotNegative, Whole
from pytest_soak.profile.parameter import Outer
from pytest_soak.store.rundir import HookRecord


class LaneDocument(TypedDict):
    """A lane of a run, and the directory of its files."""

    id: str
    profile: str
    symbol: NotRequired[str]
    seed: Whole
    dir: str


class RunDocument(TypedDict):
    """``run.json``."""

    run_id: str
    lanes: list[LaneDocument]
    left_out: NotRequired[list[str]]
    command: list[str]
    iterations: NotNegative
    interval_s: Finite
    target: str
    mock: bool
    tune: bool
    dry_run: bool
    strict: bool
    metrics: str
    timeout_s: Finite | None
    data: str | None
    data_hash: str | None
    profiles: list[str]
    reference: str | None
    resumed: NotNegative
    hooks: list[HookRecord]
    versions: dict[str, Any]
    started_utc: str
    sweep: NotRequired[list[str]]
    verdict: NotRequired[str | None]
    fresh_targets: NotRequired[dict[str, NotNegative]]


class Timing(TypedDict):
    """One line of ``timing.jsonl``."""

    iteration: NotNegative
    utc: str
    seconds: Finite | None


class AppliedProfile(TypedDict):
    """``applied_profile.json``: the start values with the origin of each."""

    profile: str
    lineage: list[str]
    runtime: dict[str, Any]
    values: dict[str, Outer]
    origins: dict[str, str]
