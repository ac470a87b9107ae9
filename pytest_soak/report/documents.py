"""The JSON documents of a run's reports, as types: what their writers return, and JSON Schema.

A field that is ``NotRequired`` is left out where it says nothing. docs/artifacts.md describes the
fields.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta

from pytest_soak.json_types import Finite, NotNegative, Whole
from pytest_soak.loop.model import Effect, OutcomeWord, Verdict
from pytest_soak.profile.parameter import Outer
from pytest_soak.profile.scenarios import Scheduled

VerdictText = Annotated[str, Meta(extra_json_schema={"enum": [str(item) for item in Verdict]})]
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
"""SHA-256."""
Values = dict[str, Outer]
"""Parameter to value, as the target has it."""


# -- POST_SOAK_SNAPSHOT.json ---------------------------------------------------------------------


class CriterionDocument(TypedDict):
    """One criterion of the gate. The snapshot leaves out what the window of its KPI has."""

    name: str
    verdict: VerdictText
    value: Finite | None
    limit: str
    margin: Finite | None
    low: NotRequired[Finite | None]
    high: NotRequired[Finite | None]
    n: NotRequired[NotNegative]
    n_eff: NotRequired[Finite | None]
    phi: NotRequired[Finite | None]
    reason: str
    marginal: NotRequired[bool]
    applicable: NotRequired[bool]
    binding: NotRequired[bool]


class WindowDocument(TypedDict):
    """A KPI over the iterations that the gate judges it by."""

    iterations: NotNegative
    no_data: NotNegative
    mean: Finite | None
    first_quarter: Finite | None
    low: Finite | None
    high: Finite | None
    sd: Finite | None
    n: NotNegative
    n_eff: Finite | None
    phi: Finite | None
    fallback: bool
    weak: bool


class DeltaFigures(TypedDict):
    """Counts and ratios of the verification of changes; a ratio without a denominator is null."""

    applicable: bool
    full_apply_ratio: Finite | None
    full_count: NotNegative
    partial_ok_count: NotNegative
    fail_count: NotNegative
    unverified_count: NotNegative
    signature_stuck_count: NotNegative
    requested_apply_ratio: Finite | None
    withheld_ratio: Finite | None
    explained_ratio: Finite | None
    proposes_when_needed: Finite | None
    belonging: NotRequired[dict[str, NotNegative]]


class DeltaQualityDocument(DeltaFigures):
    verdict: VerdictText


class Progress(TypedDict):
    planned: NotNegative
    measured: NotNegative


class Fingerprint(TypedDict):
    """What must be equal for a run to be the same run."""

    profile: str
    profile_hash: Hash
    start_hash: Hash
    symbol: NotRequired[str]
    seed: Whole
    interval_s: Finite
    target: str
    mock: bool
    tune: bool
    dry_run: bool
    versions: dict[str, Any]
    scenarios: NotRequired[list[Scheduled]]


class OfCommand(TypedDict):
    """What ``pytest-soak snapshot`` adds for a run that no session has sealed."""

    state: NotRequired[str]
    sealed: NotRequired[bool]


class LaneSnapshot(OfCommand):
    lane: str
    verdict: VerdictText
    freeze_ready: NotRequired[bool]
    pass_count_last8: NotNegative
    iterations: Progress
    limits: NotRequired[Literal["mock", "production"]]
    kpi_window: dict[str, WindowDocument]
    failing: list[str]
    criteria: list[CriterionDocument]
    delta_quality: DeltaQualityDocument
    parameters: Values
    fingerprint: Fingerprint


class UnmadeSnapshot(TypedDict):
    """A lane whose snapshot could not be made; the session names the error."""

    lane: str
    verdict: VerdictText


class LanesSnapshot(OfCommand):
    """A run of several lanes."""

    verdict: VerdictText
    failing: list[str]
    freeze_ready: NotRequired[bool]
    pass_count_last8: NotNegative
    lanes: list[LaneSnapshot]


# -- ITER_SUMMARY_n.json, TUNING_REPORT.json -----------------------------------------------------


class OutcomeDocument(TypedDict):
    """What the guards decided on one key."""

    outcome: OutcomeWord
    proposed: Any
    applied: Finite
    before: Outer | None
    after: Outer | None
    reason: str
    also: list[str]
    note: str
    rule: str


class PanicDocument(TypedDict):
    revert_to: str
    moves: Values
    would: bool
    paused_until: Whole | None
    pins: list[str]


class SkipReason(TypedDict):
    """A flag for each guard, and the text."""

    panic: bool
    nodata: bool
    invalid: bool
    warmup: bool
    late: bool
    pin: bool
    freeze: bool
    cooldown: bool
    duplicate: bool
    oscillation: bool
    velocity: bool
    bounds: bool
    no_op: bool
    note: str


class Attributed(TypedDict):
    """The effect of an earlier change."""

    iteration: Whole
    rule: str
    keys: dict[str, tuple[Finite, Finite]]
    effects: list[Effect]
    shared: list[str]
    note: str
    verdict: Literal["helped", "no evidence", "hurt"]
    beyond_doubt: bool


class Tuning(TypedDict):
    proposed_deltas: dict[str, Any]
    deltas_requested: dict[str, Finite]
    deltas: dict[str, Finite]
    applied: bool
    outcomes: dict[str, OutcomeDocument]
    withheld: dict[str, str]
    waiting: dict[str, str]
    overruled: list[str]
    rules: list[str]
    panic: PanicDocument | None
    skip_reason: SkipReason | None
    skipped_reason: str
    note: str
    attributed: list[Attributed]
    signature: str | None
    old_hash: Hash
    state_hash: Hash


class Measured(TypedDict):
    """The fields of ``summary`` beside the KPIs, which stand there by name."""

    runtime_utc: str | None
    state_hash: Hash
    maker_taker_source: NotRequired[str | None]
    kpi_verdict: VerdictText
    kpi_reasons: list[str]
    values: Values
    block_counts: NotRequired[dict[str, Finite]]
    event_counts: NotRequired[dict[str, NotNegative]]
    scenarios: list[str]


class IterationSummary(TypedDict):
    iteration: NotNegative
    summary: Measured
    tuning: Tuning


class TunedIteration(TypedDict):
    iteration: NotNegative
    kpis: dict[str, Finite | None]
    kpi_verdict: VerdictText
    tuning: Tuning


class TuningReport(TypedDict):
    lane: str
    start: Values
    iterations: list[TunedIteration]


# -- DELTA_VERIFY.json ---------------------------------------------------------------------------


class CheckedDelta(TypedDict):
    """The verification of one decision."""

    iteration: NotNegative
    status: str
    proposed: NotNegative
    refused: dict[str, str]
    problems: list[str]
    stuck: bool


class DeltaVerify(DeltaFigures):
    verdict: VerdictText
    reason: str
    failures: list[str]
    iterations: list[CheckedDelta]


# -- the rows of --soak-export-json --------------------------------------------------------------


class MetricRow(TypedDict):
    metric: str
    value: Finite
    lane: NotRequired[str]
    labels: NotRequired[dict[str, str]]


class IterationRow(TypedDict):
    type: Literal["iteration"]
    lane: str
    iteration: NotNegative
    verdict: VerdictText
    reasons: list[str]
    kpis: dict[str, Finite | None]
    values: Values
    rules: list[str]
    outcomes: dict[str, OutcomeDocument]
