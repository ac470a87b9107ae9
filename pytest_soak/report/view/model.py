"""``RunView``: a run, running or over, as one typed object. All that draws a run uses only this.

Columns such as ``KpiView.values`` have one entry per iteration of ``LaneView.iterations``. KPIs and
parameters are in their own units; null is *no data*. ``schema()`` is the JSON Schema.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from pytest_soak.json_types import Finite
from pytest_soak.profile.model import LimitSet

SCHEMA: Literal[1] = 1

VerdictWord = Literal["PASS", "WARN", "INCONCLUSIVE", "FAIL"]
StateWord = Literal["running", "lost", "halted", "interrupted", "planned", "ended", "done"]
SpanKind = Literal["frozen", "cooldown", "paused", "pinned", "scenario", "excluded"]
EventKind = Literal[
    "rule", "refusal", "panic", "rollback", "effect", "edit", "check", "fault", "restart",
    "scenario", "resume", "halt", "end_of_data",
]  # fmt: skip

EVENT_KINDS: tuple[EventKind, ...] = (
    "halt", "end_of_data", "panic", "fault", "check", "restart", "rollback", "edit", "scenario",
    "refusal", "rule", "effect", "resume",
)  # fmt: skip
"""The kinds of events, those first that a person looks at first."""


class LimitView(Struct, frozen=True):
    """A limit of the gate."""

    text: str
    """As in the profile: ``<= 340``."""
    value: Finite
    upper: bool
    """True for ``<`` and ``<=``: larger values are outside."""
    other: Finite | None = None
    """The limit on the other side; null with one limit."""


class WindowView(Struct, frozen=True):
    """A KPI over the iterations that the gate judges it by."""

    first: int
    last: int
    """The first and the last of these iterations."""
    figure: Finite | None
    low: Finite | None
    high: Finite | None
    """One-sided bounds of the figure, within the range of the KPI; null where there is none."""
    first_quarter: Finite | None
    """The figure of the first quarter of the judged iterations."""


class KpiView(Struct, frozen=True):
    """One KPI over the iterations of a lane."""

    name: str
    unit: str
    """Empty for a ratio and for a plain number."""
    better: Literal["up", "down", "none"]
    values: tuple[Finite | None, ...]
    gated: bool = False
    limit: LimitView | None = None
    window: WindowView | None = None
    """Null before the lane is judged."""


class StepView(Struct, frozen=True):
    """A value of a parameter and the iteration from which it is in force."""

    iteration: int
    value: Finite
    """Of a switch 0 or 1, of a choice its place in the list, from 0 on."""
    text: str
    """The value for people: ``0.25``, ``8``, ``true``, a choice."""
    by: str
    """``start``, the rule that moved it, ``PANIC``, ``ROLLBACK``, ``EXTERNAL`` (edited by hand)."""


class ParameterView(Struct, frozen=True):
    """One parameter over a lane, as steps; the last one is in force until the end."""

    key: str
    unit: str
    low: Finite
    high: Finite
    """The bounds of the profile."""
    low_text: str
    high_text: str
    choices: tuple[str, ...]
    """The texts of a switch or a choice, from the lowest on; empty for a number."""
    steps: tuple[StepView, ...]


class SpanView(Struct, frozen=True):
    """Iterations in which a state lasted, for the whole lane or for some keys."""

    kind: SpanKind
    first: int
    last: int
    keys: tuple[str, ...] = ()
    """The parameters that it concerns; empty: all."""
    name: str = ""
    """Of the scenario."""


class EventView(Struct, frozen=True):
    """Something that happened in one iteration."""

    iteration: int
    kind: EventKind
    text: str
    """One line for people, cleaned; at most 300 characters."""
    keys: tuple[str, ...] = ()
    """The parameters that it concerns."""


class IterationsView(Struct, frozen=True):
    """The iterations of a lane, as columns."""

    numbers: tuple[int, ...]
    verdicts: tuple[VerdictWord, ...]
    reasons: tuple[str, ...]
    """Why an iteration has its verdict; empty for PASS."""
    moved: tuple[int, ...]
    """How many parameters the decision after it changed."""
    refused: tuple[int, ...]
    """How many moves the guards withheld, refused or cut."""
    seconds: tuple[Finite | None, ...]
    """Wall time; null where it was not recorded."""


class OutcomesView(Struct, frozen=True):
    """The outcomes of the moves that were requested in a lane, one per parameter and iteration."""

    applied: int
    clipped: int
    skipped: int
    withheld: int
    by_guard: tuple[tuple[str, int], ...]
    """Guard to the number of moves that it withheld, refused or cut, the largest number first."""


class ResourceView(Struct, frozen=True):
    """One resource of a process over the iterations: median of its samples."""

    process: str
    name: str
    unit: str
    values: tuple[Finite | None, ...]


class GateRowView(Struct, frozen=True):
    """One criterion of the gate."""

    criterion: str
    verdict: VerdictWord
    reason: str
    value: Finite | None = None
    limit: str = ""
    limit_value: Finite | None = None
    """Null if the limit is no number."""
    upper: bool = False
    other_limit: Finite | None = None
    """The limit on the other side; null with one limit."""
    low: Finite | None = None
    high: Finite | None = None
    margin: Finite | None = None
    """Distance to the limit, positive inside it."""
    unit: str = ""
    n: int = 0
    n_eff: Finite | None = None
    applicable: bool = True
    binding: bool = True
    marginal: bool = False

    @property
    def bound(self) -> Finite | None:
        """The bound towards the limit; null without one."""
        return self.high if self.upper else self.low


class LaneView(Struct, frozen=True, kw_only=True):
    """One lane of a run."""

    id: str
    profile: str
    symbol: str
    seed: int
    interval_s: Finite
    target: str
    state: StateWord
    planned: int
    measured: int
    verdict: VerdictWord | None = None
    """Null before the lane is judged. In a running run it is information, no verdict."""
    why: str = ""
    """One sentence: why it has its verdict."""
    judged: int = 0
    """The measured iterations that gate, windows and verdict are based on."""
    freeze_ready: bool | None = None
    """Null where the profile declares no ``freeze_ready_pass_count``, and before the judgement."""
    limits: LimitSet = ""
    """The set of limits; empty where the profile has one limit for both."""
    gate: tuple[GateRowView, ...] = ()
    iterations: IterationsView
    kpis: tuple[KpiView, ...]
    """Those with a limit first."""
    parameters: tuple[ParameterView, ...]
    spans: tuple[SpanView, ...]
    events: tuple[EventView, ...]
    outcomes: OutcomesView
    resources: tuple[ResourceView, ...] = ()
    last_utc: str | None = None
    """When its last iteration ended, ISO 8601; null if that was not recorded."""
    eta_s: Finite | None = None
    """Seconds until its last planned iteration ends, from ``last_utc`` on; null if unknown, and
    for a lane that does not go on."""


class RunView(Struct, frozen=True, kw_only=True):
    """A whole run."""

    schema: Literal[1] = SCHEMA
    run_id: str
    state: StateWord
    verdict: VerdictWord | None = None
    """Null before the run is judged. In a running run it is information, no verdict."""
    why: str = ""
    sealed: bool = False
    """The verdict is the one that the session sealed."""
    started_utc: str | None = None
    eta_s: Finite | None = None
    """Seconds until the last lane ends, if the lanes run one after the other; null if unknown."""
    duration_s: Finite | None = None
    """Seconds from its start to the end of its last iteration; null if unknown."""
    command: tuple[str, ...] = ()
    """The command line of the session, without secrets; empty if it was not recorded."""
    fingerprint: dict[str, Any] = {}
    """Versions, and what must be equal for a run to be the same run."""
    notes: tuple[str, ...] = ()
    """What limits the meaning of the view: not sealed, judged without the reference, …"""
    lanes: tuple[LaneView, ...]


def schema() -> dict[str, Any]:
    """The JSON Schema of :class:`RunView`."""
    return msgspec.json.schema(RunView)


def to_json(view: RunView) -> bytes:
    """The view as JSON."""
    return msgspec.json.encode(view)


def from_json(data: bytes) -> RunView:
    """The view of :func:`to_json`. Raises msgspec.ValidationError."""
    return msgspec.json.decode(data, type=RunView)
