"""What a lane did, gathered from its journal entry by entry: the material of ``explain``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_soak.loop.entries import Edit, Record
from pytest_soak.loop.fold import fold
from pytest_soak.loop.history import Transition, transitions
from pytest_soak.loop.model import Attribution, Decision, Iteration, Outcome, Verdict
from pytest_soak.loop.rollback import ROLLBACK, pending_after
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.loop.state import EXTERNAL, LaneState
from pytest_soak.report.explain.answers import rollback_cause
from pytest_soak.report.explain.rules import HOOK, Part, rule_view

_SUSPENDED = "rollback: "
"""How the reason in ``withheld`` begins where a rule is suspended on the key."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of one parameter."""

    iteration: int
    """Whose decision made it; of an edit the iteration that came next or was under way."""
    before: float
    after: float
    kind: str
    """APPLIED, CLIPPED, PANIC, EXTERNAL or ROLLBACK."""
    rule: str = ""
    """Its name in the journal."""
    by: str = ""
    """Its name for people, with the hook where a proposer named it."""
    reason: str = ""
    """For people: why a panic, an edit or a rollback was made, or which guard clipped a move."""
    basis: tuple[Part, ...] = ()
    """The figures that it is based on."""
    withheld_by: str = ""
    """The guard for whose sake the tuner withheld a part of it."""

    @property
    def moved(self) -> float:
        return self.after - self.before

    def goes_with(self, other: Step) -> bool:
        """Whether one line shows both."""
        alike = self._kind() == other._kind()
        return alike and self.moved * other.moved > 0

    def _kind(self) -> tuple[object, ...]:
        return self.kind, self.by, self.reason, tuple(part.kpi for part in self.basis)


@dataclass(slots=True)
class Story:
    """What happened in one lane up to an entry of its journal."""

    state: LaneState
    """After the last entry."""
    steps: dict[str, list[Step]] = field(default_factory=lambda: defaultdict(list))
    """Parameter to its changes, oldest first."""
    left_out: dict[tuple[str, str, str], list[int]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """``(guard, parameter, what became of the move)`` to iterations."""
    would: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    """In a dry run: parameter to the iterations and rules that would have moved it."""
    attributions: dict[tuple[int, str], Attribution] = field(default_factory=dict)
    """The reported effect of a change, by its iteration and rule."""
    verdicts: dict[Verdict, list[int]] = field(default_factory=lambda: defaultdict(list))
    kinds: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """What a decision did, to the iterations."""
    waits: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Rule to the iterations in which it waited for evidence, dwell or hysteresis."""
    by_hook: list[int] = field(default_factory=list)
    """Iterations in which a user's proposer was called in place of the rules."""
    notes: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    without: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """KPI to the iterations that had no data of it."""
    scenarios: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Scenario to the iterations in which it fired."""

    @classmethod
    def of(cls, journal: Sequence[Record]) -> Story:
        """The story of a whole journal. Raises ``loop.entries.EntryError``."""
        story = cls(fold(journal[:1]))
        for transition in transitions(journal):
            story.add(transition)
        return story

    def add(self, transition: Transition) -> None:
        """One more entry."""
        self.state = transition.after
        entry = transition.entry
        if isinstance(entry, Edit):
            self._edited(transition, entry)
        elif isinstance(entry, Decision):
            if transition.before.observed is not None:
                self._observed(transition.before.observed)
            self._decided(transition.before, entry)

    def _edited(self, transition: Transition, edit: Edit) -> None:
        observed = transition.after.observed
        number = transition.after.next_iteration if observed is None else observed.number
        why = f"edited by hand {'before' if observed is None else 'during'} iteration {number}"
        for key, (old, new) in sorted(edit.keys.items()):
            self.steps[key].append(Step(number, old, new, EXTERNAL, reason=why))

    def _observed(self, observed: Iteration) -> None:
        for name in dict.fromkeys(fired.name for fired in fired_in(observed)):
            self.scenarios[name].append(observed.number)
        for kpi, reading in observed.readings.items():
            if reading.usable is None:
                self.without[kpi].append(observed.number)

    def _decided(self, state: LaneState, decision: Decision) -> None:
        number = decision.iteration
        self.verdicts[decision.verdict].append(number)
        self.kinds[_kind(decision)].append(number)
        if decision.note:
            self.notes[decision.note].append(number)
        for attribution in decision.attributed:
            self.attributions[attribution.iteration, attribution.rule] = attribution
        for name in decision.waiting:
            self.waits[name].append(number)
        by_hook = state.tune and not decision.by_rules
        if by_hook:
            self.by_hook.append(number)
        self._leave_out(decision)
        if decision.panic is not None and not decision.panic.would:
            why = f"reverted to {decision.panic.revert_to}"
            for key, now in decision.panic.moves.items():
                self.steps[key].append(Step(number, state.values[key], now, "PANIC", reason=why))
            return
        for outcome in decision.outcomes:
            if outcome.outcome != "SKIPPED" and decision.dry_run:
                self.would[outcome.key].append((number, outcome.rule or HOOK))
            elif outcome.outcome != "SKIPPED":
                step = _step(state, decision, outcome, by_hook=by_hook)
                self.steps[outcome.key].append(step)

    def _leave_out(self, decision: Decision) -> None:
        proposed = {outcome.key for outcome in decision.outcomes}
        moved = {outcome.key for outcome in decision.outcomes if outcome.outcome != "SKIPPED"}
        for key, reason in decision.withheld.items():
            if key in moved and _is_suspension(reason):
                continue  # another rule moved the key, and nothing of that move was withheld
            what = "withheld in part" if key in proposed else "withheld"
            self.left_out[reason.partition(":")[0], key, what].append(decision.iteration)
        for outcome in decision.outcomes:
            if outcome.outcome != "APPLIED":
                place = (outcome.reason, outcome.key, outcome.outcome)
                self.left_out[place].append(decision.iteration)


def _is_suspension(reason: str) -> bool:
    """Whether the reason is that a rule is suspended on the key after a rollback."""
    return reason.startswith(_SUSPENDED)


def _kind(decision: Decision) -> str:
    if decision.panic is not None:
        return "panic that was not carried out" if decision.panic.would else "panic"
    if decision.changes:
        return "with a change"
    moves = [outcome for outcome in decision.outcomes if outcome.outcome != "SKIPPED"]
    if decision.dry_run and moves:
        return "with a change that was not applied"
    if decision.outcomes:
        return "with every proposal refused"
    return "with every request withheld" if decision.withheld else "without a request"


def _step(state: LaneState, decision: Decision, outcome: Outcome, *, by_hook: bool) -> Step:
    number, rule = decision.iteration, outcome.rule
    before, after = state.values[outcome.key], decision.values[outcome.key]
    if rule == ROLLBACK:
        pending = pending_after(state, decision.attributed).get(outcome.key)
        why = "the change before hurt" if pending is None else rollback_cause(pending)
        return Step(number, before, after, "ROLLBACK", rule, reason=why)
    withheld = decision.withheld.get(outcome.key, "")
    return Step(
        iteration=number,
        before=before,
        after=after,
        kind=outcome.outcome,
        rule=rule,
        by=f"{rule} ({HOOK})" if by_hook and rule else rule or HOOK,
        reason=outcome.reason,
        basis=_basis(state, decision, outcome, by_hook=by_hook),
        withheld_by="" if _is_suspension(withheld) else withheld.partition(":")[0],
    )


def _basis(
    state: LaneState, decision: Decision, outcome: Outcome, *, by_hook: bool
) -> tuple[Part, ...]:
    """The figures that a change is based on: a rule's conditions, or the KPIs of a proposer."""
    if state.observed is None:
        return ()
    readings = state.observed.readings
    rule = next((rule for rule in state.profile.rules if rule.name == outcome.rule), None)
    if rule is not None and not by_hook:
        return rule_view(rule, state, readings).parts
    proposals = [item for item in decision.proposed if item.key == outcome.key]
    kpis = {kpi for proposal in proposals for kpi in proposal.kpis}
    return tuple(
        Part(
            kpi=kpi,
            limit="",
            comparisons=(),
            over=reading.usable,
            alone=reading.usable,
            holds_over=True,
            holds_alone=True,
            aimed=True,
        )
        for kpi in sorted(kpis)
        if (reading := readings.get(kpi)) is not None
    )
