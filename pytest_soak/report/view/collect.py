"""Collects what a view needs of a lane, entry by entry, so that a running lane is read on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pytest_soak.loop.entries import Edit
from pytest_soak.loop.headroom import is_pinned
from pytest_soak.loop.history import Transition, Watch
from pytest_soak.loop.model import Decision, Iteration, Verdict
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.loop.state import EXTERNAL, LaneState
from pytest_soak.report.layout import cut
from pytest_soak.report.summary import Shortfall, shortfalls
from pytest_soak.report.view.happenings import decision_events, entry_events
from pytest_soak.report.view.model import (
    EventView,
    IterationsView,
    OutcomesView,
    ParameterView,
    SpanKind,
    SpanView,
    StepView,
    VerdictWord,
)

LONGEST_REASON = 300
PANIC = "PANIC"
PROPOSER = "proposer"
"""Who moved a parameter: a panic; a proposer of the user that names no rule."""
_NOTHING: tuple[Shortfall, ...] = ()

_WORDS: Mapping[Verdict, VerdictWord] = {
    Verdict.PASS: "PASS",
    Verdict.WARN: "WARN",
    Verdict.INCONCLUSIVE: "INCONCLUSIVE",
    Verdict.FAIL: "FAIL",
}


def verdict_word(verdict: Verdict) -> VerdictWord:
    """The verdict as a view has it."""
    return _WORDS[verdict]


def watch_of(collector: LaneCollector | None) -> Watch | None:
    """What the reading of a journal calls with each of its transitions.

    An error in it does not keep the journal from being read and judged: it is raised where the
    view is made.
    """
    return None if collector is None else collector.add_or_fail_later


class LaneCollector:
    """What the transitions of a lane's journal show, in columns. It has no pictures and no figures.

    Give it every transition once, in the order of the journal.
    """

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.kpis: dict[str, list[float | None]] = {}
        self._verdicts: list[VerdictWord] = []
        self._reasons: list[str] = []
        self._moved: list[int] = []
        self._refused: list[int] = []
        self._steps: dict[str, list[StepView]] = {}
        self._spans: list[SpanView] = []
        self._open: dict[tuple[SpanKind, str], int] = {}
        self._events: list[EventView] = []
        self.failed: Exception | None = None
        """Why not everything was collected."""
        self.state: LaneState | None = None
        """The lane after the last entry; None before its first iteration."""
        self._outcomes: Counter[str] = Counter()
        self._guards: Counter[str] = Counter()

    def add(self, transition: Transition) -> None:
        """Take one more entry of the journal."""
        entry, before, after = transition.entry, transition.before, transition.after
        self.state = after
        if after.done > before.done and before.observed is not None:
            decision = entry if isinstance(entry, Decision) else before.intent
            if decision is not None:
                self._decided(before, after, before.observed, decision)
        if isinstance(entry, Edit):
            for key, (_, value) in entry.keys.items():
                self._step(before, key, entry.iteration + 1, value, EXTERNAL)
        self._events += entry_events(transition)

    def add_or_fail_later(self, transition: Transition) -> None:
        """As :meth:`add`, but keeps an error in ``failed``, and collects nothing after it."""
        if self.failed is None:
            try:
                self.add(transition)
            except Exception as error:
                self.failed = error

    def _decided(
        self, before: LaneState, after: LaneState, item: Iteration, decision: Decision
    ) -> None:
        short = shortfalls(decision) if decision.outcomes or decision.withheld else _NOTHING
        changed = [key for key, value in decision.values.items() if value != item.basis[key]]
        self._column(before, item)
        self._moved.append(len(changed))
        self._refused.append(sum(len(group.keys) for group in short))
        self._count(decision, short)
        rules = {outcome.key: outcome.rule for outcome in decision.outcomes}
        panic = decision.panic.moves if decision.panic is not None else {}
        for key in changed:
            by = PANIC if key in panic else rules.get(key, "")
            self._step(before, key, item.number + 1, decision.values[key], by)
        self._mark_spans(before, item)
        self._events += decision_events(before.profile.parameters, item, decision, short)

    def _column(self, state: LaneState, item: Iteration) -> None:
        self.numbers.append(item.number)
        self._verdicts.append(_WORDS[item.verdict])
        reasons = "" if item.verdict is Verdict.PASS else "; ".join(item.reasons)
        self._reasons.append(cut(reasons, LONGEST_REASON) if reasons else "")
        if not self.kpis:
            self.kpis = {name: [] for name in state.profile.kpis}
        readings = item.readings
        for name, values in self.kpis.items():
            reading = readings.get(name)
            values.append(None if reading is None else reading.usable)

    def _count(self, decision: Decision, short: tuple[Shortfall, ...]) -> None:
        for outcome in decision.outcomes:
            self._outcomes[outcome.outcome] += 1
        self._outcomes["withheld"] += len(decision.withheld)
        for group in short:
            self._guards[group.guard] += len(group.keys)

    def _step(self, state: LaneState, key: str, iteration: int, value: float, by: str) -> None:
        if not self._steps:
            self._steps = {name: [] for name in state.profile.parameters}
        steps = self._steps.get(key)
        if steps is not None:
            text = state.profile.parameters[key].text(value)
            steps.append(StepView(iteration, value, text, cut(by, 80) or PROPOSER))

    # -- spans -----------------------------------------------------------------------------------

    def _mark_spans(self, before: LaneState, item: Iteration) -> None:
        number, timers = item.number, before.timers
        if number <= timers.frozen_until:
            freeze = before.profile.guards.freeze
            self._mark("frozen", number, () if freeze is None else freeze.keys)
        if number <= timers.cooldown_until:
            self._mark("cooldown", number)
        if number <= timers.paused_until:
            self._mark("paused", number)
        for key in before.edits.pinned:
            if is_pinned(before, key):
                self._mark("pinned", number, (key,))
        if before.scenarios:
            for name in {fired.name for fired in fired_in(item)}:
                self._mark("scenario", number, (), cut(name, 80))

    def _mark(
        self, kind: SpanKind, number: int, keys: tuple[str, ...] = (), name: str = ""
    ) -> None:
        """The iteration belongs to a span: it goes on, or a new one begins."""
        group = (kind, name or (keys[0] if kind == "pinned" else ""))
        place = self._open.get(group)
        if place is not None and self._spans[place].last == number - 1:
            last = self._spans[place]
            self._spans[place] = SpanView(kind, last.first, number, keys, name)
        else:
            self._open[group] = len(self._spans)
            self._spans.append(SpanView(kind, number, number, keys, name))

    # -- parts of a view -------------------------------------------------------------------------

    def iterations(self, seconds: Mapping[int, float]) -> IterationsView:
        """The columns so far; ``seconds``: iteration to its wall time."""
        return IterationsView(
            tuple(self.numbers),
            tuple(self._verdicts),
            tuple(self._reasons),
            tuple(self._moved),
            tuple(self._refused),
            tuple(map(seconds.get, self.numbers)),
        )

    def parameters(self, state: LaneState) -> tuple[ParameterView, ...]:
        """Every parameter of the profile, with its steps so far."""
        return tuple(
            ParameterView(
                key,
                parameter.unit,
                parameter.minimum,
                parameter.maximum,
                parameter.text(parameter.minimum),
                parameter.text(parameter.maximum),
                tuple(parameter.text(float(place)) for place in range(len(parameter.choices))),
                (
                    StepView(
                        1, state.start_values[key], parameter.text(state.start_values[key]), "start"
                    ),
                    *self._steps.get(key, ()),
                ),
            )
            for key, parameter in state.profile.parameters.items()
        )

    def spans(self, excluded: Mapping[int, str]) -> tuple[SpanView, ...]:
        """The spans so far, and those that the gate excludes: iteration to the cause."""
        spans = list(self._spans)
        for number, name in sorted(excluded.items()):
            last = spans[-1] if spans else None
            if last and last.kind == "excluded" and (last.last, last.name) == (number - 1, name):
                spans[-1] = SpanView("excluded", last.first, number, (), name)
            else:
                spans.append(SpanView("excluded", number, number, (), name))
        return tuple(spans)

    def events(self) -> tuple[EventView, ...]:
        """The events so far, in the order of time."""
        return tuple(self._events)

    def outcomes(self) -> OutcomesView:
        """The counts so far."""
        counts = self._outcomes
        return OutcomesView(
            counts["APPLIED"],
            counts["CLIPPED"],
            counts["SKIPPED"],
            counts["withheld"],
            tuple(self._guards.most_common()),
        )
