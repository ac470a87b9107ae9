"""The sections of a resolved profile, as a document has them: every field, its type and its limits.

The one definition for reading, checking and JSON Schema (:mod:`.schema`). What
concerns several fields is checked where the profile is built (:mod:`.build`, :mod:`.rules`,
:mod:`.guards`, :mod:`.scenarios`). docs/profiles.md says what each field means. A field whose type
has ``UnsetType`` may be left out, but not be null.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from msgspec import UNSET, Meta, Struct, UnsetType, field

from pytest_soak.json_types import EXACT, LARGEST, Count, Finite, NotNegative, Positive, Share
from pytest_soak.profile.condition import Operator
from pytest_soak.profile.kpi import Aggregate, Buckets, Derived
from pytest_soak.profile.model import (
    AttributionSettings,
    Base,
    CooldownGuard,
    DeltaQuality,
    DriftLimits,
    OscillationGuard,
    RollbackGuard,
    Statistic,
)
from pytest_soak.profile.parameter import Kind
from pytest_soak.profile.reading import (
    IDENTIFIER,
    NAMES,
    BlockReason,
    KpiName,
    Name,
    ParameterKey,
    RuleName,
)

PATH = rf"{IDENTIFIER.pattern}(\.{IDENTIFIER.pattern})*"
_PATH = rf"^({PATH})?$(?!\n)"

COMPARISON = (
    r"(?P<op><=|>=|<|>) *(?P<limit>[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?)"
)
"""Pattern of a comparison. It is checked where comparisons are parsed, not by msgspec: some
versions crash on a union of a text with a pattern and a list."""

A_COMPARISON = 'comparison such as "<= 0.40" (one of < <= > >= and a number, in quotes)'

ComparisonText = Annotated[
    str,
    Meta(
        description=A_COMPARISON,
        extra_json_schema={"pattern": f"^{re.sub(r'[?]P<[a-z]+>', '', COMPARISON)}$"},
    ),
]


AParameter = Annotated[str, Meta(extra_json_schema={NAMES: "parameters"})]
AKpi = Annotated[str, Meta(extra_json_schema={NAMES: "kpis"})]
"""Texts that are compared with the names of the profile where it is built."""


class LimitFields(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A limit of a KPI that is no comparison; which fields go together is checked where it is
    built (:mod:`.conditions`)."""

    between: tuple[Finite, Finite] | UnsetType = UNSET
    at_least: Positive | UnsetType = UNSET
    at_most: Positive | UnsetType = UNSET
    of_first: Count | UnsetType = UNSET
    rising: Count | UnsetType = UNSET
    falling: Count | UnsetType = UNSET


LimitsOfKpi = (
    ComparisonText
    | Annotated[tuple[ComparisonText, ...], Meta(min_length=1, description="a comparison at least")]
    | LimitFields
)
"""What must hold for one KPI; several comparisons must hold together."""

CONDITIONS = "Conditions"
"""The name of the definition that JSON Schema has for conditions, which contain each other: no type
of msgspec describes them (:func:`pytest_soak.profile.schema.with_conditions`)."""

Conditions = Annotated[dict[str, Any], Meta(extra_json_schema={"$ref": f"#/$defs/{CONDITIONS}"})]
"""KPI to ``LimitsOfKpi``, ``any`` to ``Options``, ``not`` to conditions, ``parameter`` to
``ConditionsOfParameters``. They contain each other, so each is read where it is built."""

SomeConditions = Annotated[Conditions, Meta(min_length=1, description="a condition at least")]

Options = Annotated[
    tuple[SomeConditions, ...], Meta(min_length=2, description="two alternatives at least")
]

ConditionsOfParameters = Annotated[
    dict[ParameterKey, str | bool | Finite | tuple[str | bool | Finite, ...]],
    Meta(min_length=1, description="a parameter at least"),
]
"""Parameter to a comparison or several; of a switch or a choice to a value or several."""


StartValue = Finite | bool | str
"""A value of a parameter as a profile has it: a number, a switch, a choice."""


class CouplingFields(Struct, frozen=True, forbid_unknown_fields=True):
    parameter: ParameterKey
    factor: Positive = 1.0


class ParameterFields(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    path: Annotated[str, Meta(pattern=_PATH, description="path of a section, such as 'engine'")] = (
        ""
    )
    """Of the section that has the parameter; empty: the parameter is at the top of the runtime."""
    type: Kind = "float"
    unit: str = ""
    start: StartValue
    minimum: Finite | UnsetType = field(name="min", default=UNSET)
    maximum: Finite | UnsetType = field(name="max", default=UNSET)
    choices: (
        Annotated[tuple[Finite | str, ...], Meta(min_length=2, description="two choices at least")]
        | UnsetType
    ) = UNSET
    step: Positive | UnsetType = UNSET
    scale: Literal["linear", "log"] = "linear"
    cap_per_hour: Positive | UnsetType = UNSET
    cap_per_iteration: Positive | UnsetType = UNSET
    safer: Literal["up", "down"] = "down"
    at_most: ParameterKey | CouplingFields | UnsetType = UNSET
    at_least: ParameterKey | CouplingFields | UnsetType = UNSET
    restart: bool = False
    description: str = ""


A_PATH = "path in the report, such as 'totals.p95' or [routes, /api, 0, p95]"

ReportPath = (
    Annotated[str, Meta(description=A_PATH, extra_json_schema={"pattern": f"^{PATH}$"})]
    | Annotated[
        tuple[str | Annotated[int, Meta(ge=0, le=EXACT)], ...],
        Meta(min_length=1, description="a key at least"),
    ]
)
"""Keys with dots between them, or a list of keys and of places in lists, from 0 on."""

MetricName = Annotated[
    str,
    Meta(
        pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$(?!\n)",
        max_length=500,
        description="name of a sample, such as 'http_requests_total'",
    ),
]
LabelName = Annotated[
    str,
    Meta(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$(?!\n)", description="name of a label, such as 'code'"),
]


class HistogramQuantileFields(Struct, frozen=True, forbid_unknown_fields=True):
    histogram_quantile: Annotated[float, Meta(gt=0.0, lt=1.0)]


class SeriesFields(Struct, frozen=True, forbid_unknown_fields=True):
    """The series of the service's own metrics that have this name and these labels."""

    metric: MetricName
    labels: dict[LabelName, str] = {}


class MetricFields(SeriesFields, frozen=True, forbid_unknown_fields=True):
    take: Literal["value", "increase", "rate"] | HistogramQuantileFields = "value"


TwoKpis = tuple[KpiName, KpiName]


class QuantileFields(Struct, frozen=True, forbid_unknown_fields=True):
    histogram: ReportPath
    q: Annotated[float, Meta(gt=0.0, lt=1.0)]
    buckets: Buckets = "cumulative"


class KpiFields(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    unit: str = ""
    better: Literal["up", "down", "none"] | UnsetType = UNSET
    read: ReportPath | MetricFields | UnsetType = UNSET
    block_ratio: BlockReason | UnsetType = UNSET
    derive: Literal[Derived, "recorded"] | UnsetType = UNSET
    quantile: QuantileFields | UnsetType = UNSET
    ratio: TwoKpis | UnsetType = UNSET
    difference: TwoKpis | UnsetType = UNSET
    scale: Finite | UnsetType = UNSET
    aggregate: Aggregate | UnsetType = UNSET
    weight: ReportPath | UnsetType = UNSET
    range: Annotated[
        tuple[Finite | None, Finite | None],
        Meta(description="two numbers, the lowest and the highest (null: no limit)"),
    ] = (None, None)
    description: str = ""


class VerdictSection(Struct, frozen=True, forbid_unknown_fields=True):
    fail: Conditions = {}
    warn: Conditions = {}


Margins = Annotated[
    dict[Operator, Positive],
    Meta(extra_json_schema={"propertyNames": {"enum": list(get_args(Operator))}}),
]
"""Operator to distance. Some versions of msgspec leave the operators out of the JSON Schema."""


class EvidenceFields(Struct, frozen=True, forbid_unknown_fields=True):
    over: Count = 1
    fresh: bool = True
    early: bool = False
    margin: dict[KpiName, Margins] = {}


class HysteresisFields(Struct, frozen=True, forbid_unknown_fields=True):
    stop: Finite
    start: Finite


class ProportionalFields(Struct, frozen=True, forbid_unknown_fields=True):
    to_excess_of: KpiName
    gain: Finite


class MoveFields(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    add: Finite | UnsetType = UNSET
    mul: Positive | UnsetType = UNSET
    set: StartValue | UnsetType = UNSET
    step: Annotated[int, Meta(ge=-EXACT, le=EXACT)] | UnsetType = UNSET
    proportional: ProportionalFields | UnsetType = UNSET
    toward_start: (
        Annotated[float, Meta(gt=0.0, le=1.0, description="share of the way, above 0, at most 1")]
        | UnsetType
    ) = UNSET
    min_factor: Positive | UnsetType = UNSET
    max_factor: Positive | UnsetType = UNSET
    max_floor: Finite | UnsetType = UNSET
    not_past_start: bool = False
    snap: Share | UnsetType = UNSET


class RuleFields(Struct, frozen=True, forbid_unknown_fields=True):
    when: SomeConditions
    moves: Annotated[
        dict[ParameterKey, MoveFields], Meta(min_length=1, description="a parameter to move")
    ]
    evidence: EvidenceFields = EvidenceFields()
    hysteresis: dict[KpiName, HysteresisFields] = {}
    dwell: Count = 1
    log: str = ""


class PinFields(Struct, frozen=True, forbid_unknown_fields=True):
    iterations: Literal["run"] | NotNegative = field(name="for")


class PanicFields(Struct, frozen=True, forbid_unknown_fields=True):
    after: Count
    revert_to: Name
    pause: NotNegative
    values: dict[ParameterKey, StartValue]
    """The safe profile, resolved: flat, every parameter, as the profile has them."""


class FreezeFields(Struct, frozen=True, forbid_unknown_fields=True):
    after: Count
    stable: SomeConditions
    keys: Annotated[
        tuple[AParameter, ...],
        Meta(
            min_length=1, description="a parameter at least; null instead of the section: no freeze"
        ),
    ]
    iterations: Count


class GuardsSection(Struct, frozen=True, forbid_unknown_fields=True):
    hold_last: NotNegative
    velocity_window_s: Positive
    clip_ratio: Share
    panic: PanicFields | UnsetType = UNSET
    caps_scale: Positive = 1.0
    pin: PinFields | UnsetType = UNSET
    freeze: FreezeFields | UnsetType = UNSET
    cooldown: CooldownGuard | UnsetType = UNSET
    oscillation: OscillationGuard | UnsetType = UNSET
    attribution: AttributionSettings | UnsetType = UNSET
    rollback: RollbackGuard | UnsetType = UNSET


ALimit = (
    ComparisonText
    | Annotated[
        tuple[ComparisonText, ComparisonText],
        Meta(description='a lower and an upper limit, such as [">= 10", "<= 90"]'),
    ]
)


class CriterionFields(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    limit: ALimit | UnsetType = UNSET
    fail: ALimit | UnsetType = UNSET
    warn: ALimit | UnsetType = UNSET
    production: ALimit | UnsetType = UNSET
    mock: ALimit | UnsetType = UNSET
    statistic: Statistic | UnsetType = UNSET
    share: (
        Annotated[float, Meta(gt=0.0, lt=1.0, description="share above 0 and below 1")] | UnsetType
    ) = UNSET
    window: Annotated[int, Meta(ge=6, le=EXACT)] | UnsetType = UNSET
    optional: bool = False
    relative_to: Base | UnsetType = UNSET
    ratio: Annotated[float, Meta(ge=0.0, le=LARGEST)] | UnsetType = UNSET
    amount: Annotated[float, Meta(ge=0.0, le=LARGEST)] | UnsetType = UNSET


class GateSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    window: Count
    pass_from: Count
    confidence: Annotated[float, Meta(ge=0.5, le=0.9999)]
    no_data_ratio: Share
    criteria: Annotated[
        dict[KpiName, ALimit | CriterionFields],
        Meta(min_length=1, description="a criterion at least"),
    ]
    pass_count_slack: NotNegative
    freeze_ready_pass_count: NotNegative | UnsetType = UNSET
    delta: DeltaQuality
    drift: dict[KpiName, DriftLimits | None] = {}
    throughput: AKpi | None = None
    warmup_iterations: NotNegative = 0


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """The entries in the order in which people see them, because canonical JSON sorts its keys."""

    parameters: tuple[str, ...]
    kpis: tuple[str, ...]
    rules: tuple[str, ...]
    criteria: tuple[str, ...]


class Document(Struct, frozen=True, forbid_unknown_fields=True):
    """A resolved profile."""

    name: Name
    parameters: dict[ParameterKey, ParameterFields]
    kpis: dict[KpiName, KpiFields]
    verdict: VerdictSection
    rules: dict[RuleName, RuleFields]
    guards: GuardsSection
    gate: GateSection
    lineage: tuple[Name, ...] | UnsetType = UNSET
    order: Order | UnsetType = UNSET
    block_reasons: tuple[BlockReason, ...] | UnsetType = UNSET
    description: str = ""
    tags: tuple[str, ...] = ()


class RunFields(Struct, frozen=True, forbid_unknown_fields=True):
    """The section ``run``, which is no part of a resolved profile: defaults of a run."""

    interval: Positive | UnsetType = UNSET
    """Seconds."""
    iterations: Count | UnsetType = UNSET
    target: str | UnsetType = UNSET


class ScenarioFields(Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of the section ``scenarios``, which is no part of a resolved profile."""

    for_s: Positive
    strength: Positive
    unit: str
    gate: Literal["exclude", "judge"]
    at: Count | tuple[Count, ...] = ()
    after_s: Annotated[float, Meta(ge=0.0, le=LARGEST)] | UnsetType = UNSET
    recovers_within: Count | UnsetType = UNSET
