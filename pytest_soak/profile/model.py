"""A resolved profile as frozen data: parameters, KPIs, rules, guards, gate.

The classes that a profile's document has just like this are ``msgspec.Struct``: they are read as
they are (:mod:`pytest_soak.profile.sections`), and ``msgspec.structs.replace`` changes a copy. The
others are dataclasses.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from pytest_soak.json_types import EXACT, Count, NotNegative, Positive, Share
from pytest_soak.profile.parameter import Parameter
from pytest_soak.profile.reading import IDENTIFIER, Name

Operator = Literal["<", "<=", ">", ">="]

Derived = Literal["maker_taker_ratio", "fills_per_hour"]
DERIVED_NAMES: tuple[str, ...] = get_args(Derived)
"""Values of ``derive:`` that are computed from a report (:mod:`pytest_soak.loop.derived`)."""
RECORDED = "recorded"
"""The value of ``derive:`` for a KPI that a check records (``soak_iteration.record``)."""

Confidence = Annotated[float, Meta(gt=0.5, lt=1.0)]
"""Two-sided."""

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """``"<= 0.40"``, parsed. ``margin`` is how far beyond the limit a rule's evidence must lie."""

    op: Operator
    limit: float
    margin: float = 0.0

    def holds(self, value: float) -> bool:
        return _OPERATORS[self.op](value, self.limit)

    def holds_with_margin(self, value: float) -> bool:
        beyond = self.margin if self.op.startswith(">") else -self.margin
        return _OPERATORS[self.op](value, self.limit + beyond)

    @property
    def upper(self) -> bool:
        """It is an upper limit: larger is worse."""
        return self.op.startswith("<")

    def shown(self, value: float) -> str:
        """``value`` in 6 digits, or in as many as show on which side of the limit it lies."""
        for digits in range(6, 18):
            text = f"{value:.{digits}g}"
            rounded = float(text)
            if (
                self.holds(rounded) == self.holds(value)
                and self.holds_with_margin(rounded) == self.holds_with_margin(value)
                and (rounded != self.limit or rounded == value)
            ):
                return text
        return repr(value)

    def __str__(self) -> str:
        return f"{self.op} {self.limit:.12g}"


@dataclass(frozen=True, slots=True)
class Condition:
    """All comparisons of one KPI that must hold together."""

    kpi: str
    comparisons: tuple[Comparison, ...] = ()
    share_of_first: tuple[float, int] | None = None
    """``(share, n)``: at least *share* of the KPI's mean over the first *n* iterations; holds
    while that mean is not known."""

    def shown(self, value: float) -> str:
        """``value`` in as many digits as all comparisons need (:meth:`Comparison.shown`)."""
        texts = [comparison.shown(value) for comparison in self.comparisons]
        return max(texts, key=len, default=f"{value:.6g}")


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


@dataclass(frozen=True, slots=True)
class Move:
    """What a rule does to one key, and the limits of one step."""

    key: str
    kind: Literal["add", "mul", "toward_start"]
    amount: float
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


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    when: tuple[Condition, ...]
    moves: tuple[Move, ...]
    evidence: Evidence = Evidence()
    hysteresis: tuple[Hysteresis, ...] = ()
    dwell: int = 1
    log: str = ""
    """Template of its log line: ``{kpi}``, ``{kpi:.2f}`` and ``{deltas}`` are filled in."""


Aggregate = Literal["last", "sum", "min", "max", "mean", "weighted_mean", "rate"]
"""How the values of several reports become one: ``rate`` is their sum per second of the spans."""


Buckets = Literal["cumulative", "plain"]
"""``cumulative``: a bucket counts all values up to its bound, as Prometheus has it; ``plain``: only
those above the bound before it."""

Steps = tuple[str | int, ...]
"""The keys, and the places in lists, that lead to a value in a report."""


@dataclass(frozen=True, slots=True)
class Quantile:
    """The value below which ``q`` of the values of a histogram lie."""

    histogram: Steps
    """Path of a mapping of upper bound to count, ``{"0.1": 12, "0.5": 30, "+Inf": 31}``."""
    q: float
    buckets: Buckets = "cumulative"


@dataclass(frozen=True, slots=True)
class Kpi:
    """Where a KPI comes from. Exactly one of the sources ``read`` to ``difference`` is set."""

    name: str
    unit: str
    better: Literal["up", "down", "none"]
    read: Steps = ()
    """Path in the report, e.g. ``("totals", "net_bps")``."""
    block_ratio: str = ""
    """The share of this block reason among all blocks."""
    derive: str = ""
    """One of ``DERIVED_NAMES``, or ``RECORDED``."""
    quantile: Quantile | None = None
    ratio: tuple[str, str] | tuple[()] = ()
    """The first of two other KPIs, divided by the second."""
    difference: tuple[str, str] | tuple[()] = ()
    """The first of two other KPIs without the second."""
    scale: float = 1.0
    """What is read is multiplied by it."""
    aggregate: str = ""
    """How several reports of one iteration become one value; one of ``Aggregate``."""
    weight: Steps = ()
    """Path of the weight, for ``weighted_mean``."""
    range: tuple[float | None, float | None] = (None, None)
    """Where its values can lie; a value outside is *no data*. None: no limit on that side."""

    @property
    def recorded(self) -> bool:
        return self.derive == RECORDED

    @property
    def path(self) -> Steps:
        """Where in the report its value or its histogram is; empty for a KPI of another source."""
        return self.read if self.quantile is None else self.quantile.histogram

    @property
    def parts(self) -> tuple[str, ...]:
        """The KPIs that it is computed from."""
        return self.ratio or self.difference


def path_text(path: Sequence[str | int]) -> str:
    """``totals.p95_ms``, or ``routes["/api/v1"][0].p95``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif IDENTIFIER.fullmatch(step) is None:
            text += f'["{step}"]'
        else:
            text += f".{step}" if text else step
    return text


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
    stable: tuple[Condition, ...]
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
    fail: tuple[Condition, ...]
    warn: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Criterion:
    """One gated KPI: its mean over the window against a limit."""

    kpi: str
    production: Comparison
    mock: Comparison


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
    freeze_ready_pass_count: int
    delta: DeltaQuality
    drift: Mapping[str, DriftLimits]
    """KPI to the limits of its drift; a KPI that is not in it has no drift criterion."""
    throughput: str | None
    """The KPI that must not lose half of itself over the run."""


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
