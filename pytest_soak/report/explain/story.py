"""What a lane did, gathered from its journal entry by entry: the material of ``explain``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_soak.loop.entries import decision_from_entry
from pytest_soak.loop.fold import fold
from pytest_soak.loop.history import Transition, transitions
from pytest_soak.loop.model import Attribution, Decision, Entry, Iteration, Outcome, Verdict
from pytest_soak.loop.rollback import ROLLBACK, pending_after
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.loop.state import EXTERNAL, LaneState
from pytest_soak.report.explain.rules import HOOK, Part, rule_view
from pytest_soak.report.layout import listed

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
    """As the journal names it."""
    by: str = ""
    """The rule for people: whose it is."""
    reason: str = ""
    """For people: what a panic, an edit or a rollback was made for, or what cut a move."""
    rested: tuple[Part, ...] = ()
    """The figures that it rested on."""
    trimmed: str = ""
    """The guard to whose room the tuner had trimmed it before."""

    @property
    def moved(self) -> float:
        return self.after - self.before

    def goes_with(self, other: Step) -> bool:
        """Whether both are told in one line."""
        alike = self._kind() == other._kind()
        return alike and self.moved * other.moved > 0

    def _kind(self) -> tuple[object, ...]:
        return self.kind, self.by, self.reason, tuple(part.kpi for part in self.rested)


@dataclass(slots=True)
class Story:
    """One lane's story so far."""

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
    told: dict[tuple[int, str], Attribution] = field(default_factory=dict)
    """What came of a change, by its iteration and rule."""
    verdicts: dict[Verdict, list[int]] = field(default_factory=lambda: defaultdict(list))
    kinds: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """What a decision did, to the iterations."""
    waits: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Rule to the iterations in which it waited for evidence, dwell or hysteresis."""
    hooked: list[int] = field(default_factory=list)
    """Iterations in which a user's proposer was asked in place of the rules."""
    notes: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    without: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """KPI to the iterations that had no data of it."""
    scenarios: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Scenario to the iterations in which it fired."""

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> Story:
        """The story of a whole journal. Raises ``loop.entries.EntryError``."""
        story = cls(fold(entries[:1]))
        for transition in transitions(entries):
            story.add(transition)
        return story

    def add(self, transition: Transition) -> None:
        """One more entry."""
        self.state = transition.after
        if transition.entry["type"] == "external":
            self._edited(transition)
        elif transition.entry["type"] == "decision":
            if transition.before.observed is not None:
                self._observed(transition.before.observed)
            self._decided(transition.before, decision_from_entry(transition.entry))

    def _edited(self, transition: Transition) -> None:
        observed = transition.after.observed
        number = transition.after.next_iteration if observed is None else observed.number
        why = f"edited by hand {'before' if observed is None else 'during'} iteration {number}"
        for key, (old, new) in sorted(transition.entry["keys"].items()):
            self.steps[key].append(Step(number, float(old), float(new), EXTERNAL, reason=why))

    def _observed(self, observed: Iteration) -> None:
        for name in dict.fromkeys(each.name for each in fired_in(observed)):
            self.scenarios[name].append(observed.number)
        for kpi, found in observed.readings.items():
            if found.usable is None:
                self.without[kpi].append(observed.number)

    def _decided(self, state: LaneState, decision: Decision) -> None:
        number = decision.iteration
        self.verdicts[decision.verdict].append(number)
        self.kinds[_kind(decision)].append(number)
        if decision.note:
            self.notes[decision.note].append(number)
        for told in decision.attributed:
            self.told[told.iteration, told.rule] = told
        for name in decision.requested.waiting:
            self.waits[name].append(number)
        hooked = state.tune and not decision.requested.by_rules
        if hooked:
            self.hooked.append(number)
        self._leave_out(decision)
        if decision.panic is not None and not decision.panic.would:
            why = f"reverted to {decision.panic.revert_to}"
            for key, now in decision.panic.moves.items():
                self.steps[key].append(Step(number, state.values[key], now, "PANIC", reason=why))
            return
        for one in decision.outcomes:
            if one.outcome != "SKIPPED" and decision.dry_run:
                self.would[one.key].append((number, one.rule or HOOK))
            elif one.outcome != "SKIPPED":
                self.steps[one.key].append(_step(state, decision, one, hooked=hooked))

    def _leave_out(self, decision: Decision) -> None:
        proposed = {one.key for one in decision.outcomes}
        moved = {one.key for one in decision.outcomes if one.outcome != "SKIPPED"}
        for key, reason in decision.requested.withheld.items():
            if key in moved and _suspended(reason):
                continue  # the move is another rule's, and whole
            what = "withheld in part" if key in proposed else "withheld"
            self.left_out[reason.partition(":")[0], key, what].append(decision.iteration)
        for one in decision.outcomes:
            if one.outcome != "APPLIED":
                self.left_out[one.reason, one.key, one.outcome].append(decision.iteration)


def _suspended(reason: str) -> bool:
    """Whether one of several rules was held, by its rest after a rollback."""
    return reason.startswith(_SUSPENDED)


def _kind(decision: Decision) -> str:
    if decision.panic is not None:
        return "would have been a panic" if decision.panic.would else "a panic"
    if decision.changes:
        return "changed something"
    if decision.dry_run and any(one.outcome != "SKIPPED" for one in decision.outcomes):
        return "would have changed something"
    if decision.outcomes:
        return "proposed what was refused"
    return (
        "requested only what was withheld" if decision.requested.withheld else "requested nothing"
    )


def _step(state: LaneState, decision: Decision, one: Outcome, *, hooked: bool) -> Step:
    number = decision.iteration
    before, after = state.values[one.key], decision.values[one.key]
    if one.rule == ROLLBACK:
        pending = pending_after(state, decision.attributed).get(one.key)
        why = "it hurt"
        if pending is not None:
            by = pending.rule or HOOK
            why = f"{by} after iteration {pending.changed} hurt {listed(tuple(pending.lost))}"
        return Step(number, before, after, "ROLLBACK", one.rule, reason=why)
    withheld = decision.requested.withheld.get(one.key, "")
    return Step(
        iteration=number,
        before=before,
        after=after,
        kind=one.outcome,
        rule=one.rule,
        by=f"{one.rule} ({HOOK})" if hooked and one.rule else one.rule or HOOK,
        reason=one.reason,
        rested=_rested(state, decision, one, hooked=hooked),
        trimmed="" if _suspended(withheld) else withheld.partition(":")[0],
    )


def _rested(
    state: LaneState, decision: Decision, one: Outcome, *, hooked: bool
) -> tuple[Part, ...]:
    """The figures that a change rested on: a rule's conditions, or what a proposer named."""
    if state.observed is None:
        return ()
    readings = state.observed.readings
    rule = next((each for each in state.profile.rules if each.name == one.rule), None)
    if rule is not None and not hooked:
        return rule_view(rule, state, readings).parts
    kpis = {
        kpi for each in decision.requested.proposals if each.key == one.key for kpi in each.kpis
    }
    return tuple(
        Part(kpi, "", (), found.usable, found.usable, True, True, aimed=True)
        for kpi in sorted(kpis)
        if (found := readings.get(kpi)) is not None
    )
