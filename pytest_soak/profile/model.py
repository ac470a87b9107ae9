"""A resolved profile as frozen data: parameters, KPIs, rules, guards, gate.

The classes that a profile's document has just like this are ``msgspec.Struct``: they are read as
they are (:mod:`pytest_soak.profile.sections`), and ``msgspec.structs.replace`` changes a copy. The
others are dataclasses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from pytest_soak.json_types import EXACT, Count, NotNegative, Positive, Share
from pytest_soak.profile.condition import Comparison, When
from pytest_soak.profile.kpi import Kpi
from pytest_soak.profile.parameter import Parameter
from pytest_soak.profile.reading import Name

SHIPPED = ("S1", "market_maker", "steady", "steady_safe", "ultra_safe")
"""The names of the shipped profiles. Any other name is that of a file."""

LimitSet = Literal["production", "mock", ""]
"""A set of limits of the gate; empty where a profile has one limit for both."""

Confidence = Annotated[float, Meta(gt=0.5, lt=1.0)]
"""Two-sided."""


@dataclass(frozen=True, slots=True)
class Hysteresis:
    """Once the mean of ``kpi`` passed ``stop``, the rule waits until it is back at ``start``."""

    kpi: str
    stop: float
    start: float


@dataclass(frozen=True, slots=True)
class Evidence:
    over: int = 1
    """The mean of the last ``over`` iterations must meet the conditions."""
    fresh: bool = True
    """All of them came after the rule last acted."""
    early: bool = False
    """Fewer than ``over`` iterations are enough at the start of a run."""


MoveKind = Literal["add", "mul", "toward_start", "set", "step", "proportional"]


@dataclass(frozen=True, slots=True)
class Excess:
    """How far a KPI is beyond the limit of its rule."""

    kpi: str
    limit: Comparison

    def of(self, figure: float) -> float:
        """0 within the limit."""
        sign = -1.0 if self.limit.upper else 1.0
        return max(0.0, sign * (figure - self.limit.limit))


@dataclass(frozen=True, slots=True)
class Move:
    """What a rule does to one key, and the limits of one step."""

    key: str
    kind: MoveKind
    amount: float
    """What is added, the factor, the share of the way; the value to which it is set, the number of
    steps, or the gain: the change per unit of the excess."""
    min_factor: float | None = None
    """The new value is at least this many times the old one."""
    max_factor: float | None = None
    """The new value is at most this many times the old one …"""
    max_floor: float | None = None
    """… or this value, whichever is larger."""
    not_past_start: bool = False
    """Never moves beyond the start value, nor away from it."""
    snap: float = 0.0
    """``toward_start``: goes the whole way within this share of the range."""
    excess: Excess | None = None
    """Of a ``proportional`` move."""


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    when: tuple[When, ...]
    moves: tuple[Move, ...]
    evidence: Evidence = Evidence()
    hysteresis: tuple[Hysteresis, ...] = ()
    dwell: int = 1
    log: str = ""
    """Template of its log line: ``{kpi}``, ``{kpi:.2f}`` and ``{deltas}`` are filled in."""


@dataclass(frozen=True, slots=True)
class PanicGuard:
    after: int
    revert_to: str
    pause: int
    values: Mapping[str, float]
    """The safe profile, resolved: flat, every parameter."""


@dataclass(frozen=True, slots=True)
class FreezeGuard:
    after: int
    stable: tuple[When, ...]
    keys: tuple[str, ...]
    iterations: int


class CooldownGuard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    large: Positive
    """Sum of |move| / (max - min) over keys above which a change is large."""
    iterations: Count


class OscillationGuard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    forget_after: Count
    exempt: tuple[Name, ...]
    """Names of the rules that may move a key back. They are not checked against the rules: a
    user's own proposer may be exempt as well."""


@dataclass(frozen=True, slots=True)
class PinGuard:
    """The tuner does not move a parameter that an operator edited by hand."""

    iterations: int | None = None
    """For this many decisions after the edit, 0 for none; None: for the rest of the run."""


class AttributionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the effect of an applied change is measured."""

    least: Annotated[int, Meta(ge=2, le=EXACT)]
    """Compares at least this many iterations after the change with as many before it."""
    memory: Count
    """The noise is estimated from up to this many iterations before the change."""
    confidence: Confidence
    """Of the interval by which a change helped or hurt."""


class RollbackGuard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    confidence: Confidence
    """Beyond it a change that hurt is rolled back."""
    once_in: Count
    """A key is rolled back at most once in this many iterations."""


@dataclass(frozen=True, slots=True)
class Guards:
    panic: PanicGuard | None
    hold_last: int
    pin: PinGuard
    freeze: FreezeGuard | None
    cooldown: CooldownGuard | None
    oscillation: OscillationGuard | None
    attribution: AttributionSettings | None
    rollback: RollbackGuard | None
    velocity_window_s: float
    clip_ratio: float
    """A move cut by velocity or bounds is CLIPPED if at least this share is left."""


@dataclass(frozen=True, slots=True)
class VerdictLimits:
    fail: tuple[When, ...]
    warn: tuple[When, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """A lower and an upper limit of the same KPI."""

    low: Comparison
    high: Comparison

    @property
    def sides(self) -> tuple[Comparison, ...]:
        return self.low, self.high

    def holds(self, value: float) -> bool:
        return self.low.holds(value) and self.high.holds(value)

    def distance(self, value: float) -> float:
        """To the nearer limit; negative beyond it."""
        return min(self.low.distance(value), self.high.distance(value))

    def __str__(self) -> str:
        if self.low.op == ">=" and self.high.op == "<=":
            return f"{self.low.limit:.12g} .. {self.high.limit:.12g}"
        return f"{self.low} .. {self.high}"


Limit = Comparison | Between

Statistic = Literal["mean", "median", "p95", "max", "min", "last"]
"""What a criterion compares with its limit. The mean is a ratio of sums where these are known."""

Base = Literal["warmup", "reference"]


@dataclass(frozen=True, slots=True)
class Relative:
    """How much worse than a base a KPI may be: by a ratio of the base's figure, or by an amount."""

    to: Base
    ratio: float | None = None
    amount: float | None = None

    def limit(self, base: float, *, upper: bool) -> float:
        """The limit for a base with this figure, in the KPI's unit."""
        worse = abs(base) * self.ratio if self.ratio is not None else self.amount or 0.0
        return base + worse if upper else base - worse

    @property
    def text(self) -> str:
        """``10 % worse than the warm-up``."""
        by = f"{100.0 * self.ratio:.6g} %" if self.ratio is not None else f"{self.amount:g}"
        return f"{by} worse than the {'warm-up' if self.to == 'warmup' else 'reference'}"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One gated KPI: a statistic of it over the judged iterations, against a limit."""

    kpi: str
    production: Limit
    mock: Limit
    warning: Limit | None = None
    """Beyond it the criterion is WARN, whichever of the two sets of limits is used."""
    fails: bool = True
    """False: it has no limit but ``warning``, and beyond that it is WARN."""
    statistic: Statistic = "mean"
    share: float | None = None
    """The least share of iterations that are inside the limit; it takes the place of a statistic.
    """
    window: int | None = None
    """The last iterations that it is judged over; None: as many as the gate's rules give."""
    optional: bool = False
    """It is judged and shown, but does not count for the verdict."""
    relative: Relative | None = None
    """A second criterion: against the warm-up or a reference."""

    @property
    def name(self) -> str:
        """Of its result in the gate: the KPI for a mean, else ``median:KPI``, ``share:KPI``, …"""
        if self.share is not None:
            return f"share:{self.kpi}"
        return self.kpi if self.statistic == "mean" else f"{self.statistic}:{self.kpi}"

    @property
    def names(self) -> tuple[str, ...]:
        """Of all its results."""
        return self.name, *([f"relative:{self.kpi}"] if self.relative is not None else [])

    @property
    def averaged(self) -> bool:
        """The KPI's figure over the window is what is judged."""
        return self.share is None and self.statistic == "mean"

    def limit(self, *, mock: bool) -> Limit:
        return self.mock if mock else self.production


class Needed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``proposes_when_needed``: while its own conditions hold, ``rule`` should propose."""

    rule: str
    warn_below: Share


class DeltaQuality(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    full: Share
    relaxed: Share
    """Enough if no change is stuck, and not under ``strict``."""
    stuck_max: NotNegative
    needed: Needed | None = None


class DriftLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a KPI is tested for a drift over the run."""

    budget: Positive | None = None
    """How much it may worsen from its first quarter on; None: its own limit counts."""
    per: Literal["run", "24h"] = "run"
    alpha: Annotated[float, Meta(ge=1e-6, le=0.2)] = 0.05
    """Level of a WARN; a FAIL needs a fifth of it."""


@dataclass(frozen=True, slots=True)
class GateLimits:
    window: int
    pass_from: int
    """With fewer measured iterations, a KPI without a reference is WARN at best."""
    confidence: float
    no_data_ratio: float
    """A KPI fails if more than this share of the window has no data."""
    criteria: tuple[Criterion, ...]
    pass_count_slack: int
    """How many iterations of the window may be neither PASS nor WARN."""
    freeze_ready_pass_count: int | None
    """How many of the window must be PASS or WARN for ``freeze_ready``; None: it is not judged."""
    delta: DeltaQuality
    drift: Mapping[str, DriftLimits]
    """KPI to the limits of its drift; a KPI that is not in it has no drift criterion."""
    throughput: str | None
    """The KPI that must not lose half of itself over the run."""
    warmup_iterations: int = 0
    """So many iterations at the start are measured but not judged, and the tuner rests in them."""

    def limit_set(self, *, mock: bool) -> LimitSet:
        """Which of the two sets of limits is used; empty if no criterion has two."""
        if all(item.production == item.mock for item in self.criteria):
            return ""
        return "mock" if mock else "production"

    def criterion(self, kpi: str) -> Criterion | None:
        """The criterion of the KPI; None for one that is not gated."""
        return next((item for item in self.criteria if item.kpi == kpi), None)


@dataclass(frozen=True, slots=True)
class Profile:
    name: str
    lineage: tuple[str, ...]
    """The profile and its ancestors, nearest first."""
    parameters: Mapping[str, Parameter]
    kpis: Mapping[str, Kpi]
    verdict: VerdictLimits
    rules: tuple[Rule, ...]
    guards: Guards
    gate: GateLimits
    block_reasons: tuple[str, ...]
    """Every reason that may stand in a report's blocks, sorted."""
    document: Mapping[str, Any]
    """The resolved profile as JSON; ``profile.build(document)`` gives this object again. It holds
    no path of any machine."""
