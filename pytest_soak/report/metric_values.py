"""Where the value of each metric comes from.

The figures of a lane need no end of the run: ``figures_so_far`` has those of the iterations that
are in the journal now. What the gate decides is absent from them. A value that is not known is
None, and has no sample: never zero, never NaN.
"""

from __future__ import annotations

import math
import re
from calendar import timegm
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pytest_soak.canonical import escaped
from pytest_soak.gate.delta import DeltaReport, verify_deltas
from pytest_soak.gate.judge import LaneJudgement, RunJudgement
from pytest_soak.gate.window import KpiWindow, LaneWindow
from pytest_soak.loop.model import GUARD_ORDER, Decision, History, Verdict
from pytest_soak.report.metric_units import CleanKpi, clean_kpis
from pytest_soak.report.summary import guard_of

_UTC = re.compile(r"([12]\d{3})-(0[1-9]|1[0-2])-(\d\d)T(\d\d):(\d\d):(\d\d)\+00:00", re.ASCII)
"""``started_utc`` of ``run.json``."""


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a metric, with the labels that it has beside those of the lane."""

    value: float | None
    labels: Mapping[str, str] = field(default_factory=dict)
    kpi: str = ""
    """The KPI that it is of."""


@dataclass(frozen=True)
class LaneFigures:
    """What the metrics of one lane are made from."""

    window: LaneWindow
    delta: DeltaReport | None = None
    judgement: LaneJudgement | None = None
    """None while the run goes on."""

    @property
    def history(self) -> History:
        return self.window.history

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every metric of the lane in the clean set."""
        lane = self.history.lane
        return {
            "lane": lane.id,
            "profile": lane.profile,
            **({"symbol": lane.symbol} if lane.symbol else {}),
            "seed": str(lane.seed),
        }

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        return tuple(item.decision for item in self.window.measured if item.decision is not None)

    @cached_property
    def kpis(self) -> Mapping[str, CleanKpi]:
        return clean_kpis(self.history.profile.kpis.values())


@dataclass(frozen=True, slots=True)
class RunFigures:
    """What the metrics of a run, or of one of its lanes, are made from."""

    lanes: tuple[LaneFigures, ...]
    verdict: Verdict | None = None
    """Of the whole run; None while it goes on, and for some of its lanes only."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """The content of ``run.json``."""


def figures_of(
    judgement: RunJudgement, about: Mapping[str, Any] | None = None, *, whole: bool = True
) -> RunFigures:
    """The figures of a judged run; ``whole``: the judgement has all lanes of the run."""
    lanes = tuple(LaneFigures(lane.window, lane.delta, lane) for lane in judgement.lanes)
    return RunFigures(lanes, judgement.verdict if whole else None, about or {})


def figures_so_far(
    histories: Sequence[History], about: Mapping[str, Any] | None = None
) -> RunFigures:
    """The figures of a run that goes on: everything but what the gate decides at its end."""
    windows = [LaneWindow(history, mock=history.mock) for history in histories]
    return RunFigures(
        tuple(LaneFigures(window, verify_deltas(window)) for window in windows), None, about or {}
    )


LaneRead = Callable[[LaneFigures], Iterable[Point]]
RunRead = Callable[[RunFigures], Iterable[Point]]


def of_window(read: Callable[[LaneWindow], float | None]) -> LaneRead:
    """One value from the iterations of the lane."""
    return lambda lane: (Point(read(lane.window)),)


def of_delta(read: Callable[[DeltaReport], float | None]) -> LaneRead:
    """One value from the delta verification."""
    return lambda lane: (Point(None if lane.delta is None else read(lane.delta)),)


def of_gate(read: Callable[[LaneJudgement], float | None]) -> LaneRead:
    """One value from the judgement of the lane."""
    return lambda lane: (Point(None if lane.judgement is None else read(lane.judgement)),)


def of_kpi(read: Callable[[LaneWindow, str], float | None]) -> LaneRead:
    """One value for each KPI of the profile, in the unit of the KPI."""

    def points(lane: LaneFigures) -> Iterator[Point]:
        for kpi in lane.history.profile.kpis:
            yield Point(read(lane.window, kpi), kpi=kpi)

    return points


def of_kpi_window(read: Callable[[KpiWindow], float | None]) -> LaneRead:
    """One value for each KPI over the gate's window. An unbounded side has no value."""

    def finite(window: LaneWindow, kpi: str) -> float | None:
        value = read(window.kpi(kpi))
        return value if value is not None and math.isfinite(value) else None

    return of_kpi(finite)


def counted(label: str, read: Callable[[LaneFigures], Mapping[str, int]]) -> LaneRead:
    """One count for each value of a label."""

    def points(lane: LaneFigures) -> Iterator[Point]:
        for name, count in read(lane).items():
            yield Point(count, {label: name})

    return points


def last_value(window: LaneWindow, kpi: str) -> float | None:
    """The KPI in the last measured iteration."""
    reading = window.measured[-1].readings.get(kpi) if window.measured else None
    return None if reading is None else reading.usable


def limit(*, upper: bool) -> Callable[[LaneWindow, str], float | None]:
    """The limit of a gated KPI on one side."""

    def read(window: LaneWindow, kpi: str) -> float | None:
        both = window.limit(kpi)
        sides = () if both is None else both.sides
        return next((side.limit for side in sides if side.upper is upper), None)

    return read


def criteria(lane: LaneFigures) -> Mapping[str, int]:
    """Verdict to how many criteria have it."""
    if lane.judgement is None:
        return {}
    return _counts([str(item.verdict) for item in lane.judgement.criteria], Verdict)


def iterations(lane: LaneFigures) -> Mapping[str, int]:
    """Verdict to how many measured iterations have it."""
    return _counts([str(item.verdict) for item in lane.window.measured], Verdict)


def delta_iterations(lane: LaneFigures) -> Mapping[str, int]:
    """Status of the delta verification to its iterations."""
    delta = lane.delta
    if delta is None:
        return {}
    return {
        "full": delta.full,
        "partial": delta.partial_ok,
        "fail": delta.fail,
        "unverified": delta.unverified,
    }


def panics(lane: LaneFigures) -> int:
    return sum(item.panic is not None and not item.panic.would for item in lane.decisions)


def edits(lane: LaneFigures) -> int:
    return sum(len(item.edits) for item in lane.window.measured)


def outcomes(lane: LaneFigures) -> Mapping[str, int]:
    """Outcome to how many proposed moves have it."""
    words = [outcome.outcome for item in lane.decisions for outcome in item.outcomes]
    return _counts(words, ("APPLIED", "CLIPPED", "SKIPPED"))


def refused(lane: LaneFigures) -> Mapping[str, int]:
    """Guard to how many proposed moves it clipped or skipped."""
    reasons = [outcome.reason for item in lane.decisions for outcome in item.outcomes]
    return _counts([reason for reason in reasons if reason], GUARD_ORDER)


def withheld(lane: LaneFigures) -> Mapping[str, int]:
    """Guard to how many moves the tuner withheld, or trimmed, because of it."""
    guards = [guard_of(reason) for item in lane.decisions for reason in item.withheld.values()]
    return _counts(guards, GUARD_ORDER)


def rules(lane: LaneFigures) -> Mapping[str, int]:
    """Rule to how many iterations it fired in."""
    names = [rule.name for rule in lane.history.profile.rules]
    return _counts([rule for item in lane.decisions for rule in item.rules], names)


def build(run: RunFigures) -> Iterator[Point]:
    """1, with the versions that the run was made with."""
    versions = run.about.get("versions")
    if isinstance(versions, Mapping):
        named = (("version", "pytest_soak"), ("python", "python"), ("pytest", "pytest"))
        texts = {label: versions.get(key) for label, key in (*named, ("numpy", "numpy"))}
        yield Point(1, {label: str(text) for label, text in texts.items() if text is not None})


def started(run: RunFigures) -> Iterator[Point]:
    """When the run began, in seconds since 1970."""
    match = _UTC.fullmatch(str(run.about.get("started_utc")))
    yield Point(None if match is None else timegm(tuple(map(int, match.groups()))))


def run_severity(run: RunFigures) -> Iterator[Point]:
    yield Point(None if run.verdict is None else run.verdict.severity)


def run_freeze_ready(run: RunFigures) -> Iterator[Point]:
    judged = [lane.judgement.freeze_ready for lane in run.lanes if lane.judgement is not None]
    ready = [flag for flag in judged if flag is not None]
    whole = run.verdict is not None and bool(ready)
    yield Point(len(judged) == len(run.lanes) and all(ready) if whole else None)


def _counts(words: Sequence[str], names: Iterable[str]) -> dict[str, int]:
    """A count for each of ``names``, in their order, and for what else there is.

    Texts that look the same in a label are counted together: a series may not be there twice.
    """
    counts = Counter(map(escaped, words))
    return {
        **{str(name): counts.pop(str(name), 0) for name in names},
        **dict(sorted(counts.items())),
    }
