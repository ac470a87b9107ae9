"""A lane in memory beside its oracle, which predicts every decision for the comparison."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pytest

from pytest_soak.canonical import canonical_json
from pytest_soak.loop.entries import done_entry
from pytest_soak.loop.model import Decision, Outcome, Proposal, Requested
from pytest_soak.profile.model import Profile
from pytest_soak.profile.parameter import Parameter
from tests.properties.drawn import Observation, numbers_of
from tests.properties.oracle import ACTS, Event, ExpectedOutcome, Oracle, PlainProposal
from tests.unit.loop.lanes import Drive


class WatchedLane:
    """One lane. Raises AssertionError if the product and the oracle disagree."""

    def __init__(
        self,
        profile: Profile,
        values: Mapping[str, float],
        *,
        interval_s: float,
        planned: int,
        mode: str = "live",
    ) -> None:
        """``mode`` is ``live``, ``dry run`` or ``no tune``; ``values`` are flat and complete."""
        self.mode = mode
        self.drive = Drive(
            profile,
            iterations=planned,
            interval_s=interval_s,
            tune=mode != "no tune",
            dry_run=mode == "dry run",
            values=values,
        )
        numbers = numbers_of(profile.document)
        self.oracle = Oracle(numbers, values, interval_s, planned, live=mode == "live")
        self.counts: Counter[str] = Counter()
        self.counts_of_types: dict[str, Counter[str]] = {}
        """Type of a parameter to the outcomes and reasons that it met."""
        self._types = {key: type_of(item) for key, item in profile.parameters.items()}
        self._bits: dict[str, bytes] = {}

    @property
    def is_going(self) -> bool:
        return self.drive.state.done < self.drive.state.iterations

    def observe(self, observation: Observation) -> None:
        """The target reports this for an iteration."""
        self.oracle.kpis = observation.kpis()
        observed = self.drive.observe(observation.report()).observed
        assert observed is not None
        for kpi, value in self.oracle.kpis.items():
            assert observed.readings[kpi].usable == value, "the observation is not as drawn"

    def edit(self, values: Mapping[str, float]) -> None:
        """An operator writes these values into the file, if they are allowed."""
        if refused := self.oracle.refuses(values):
            with pytest.raises(ValueError, match="|".join(refused)):
                self.drive.edit(**values)
            self.counts["edits refused"] += 1
            return
        expected = self.oracle.values()
        self.drive.edit(**values)
        new = {key: value for key, value in values.items() if value != expected[key]}
        self.oracle.events.append(Event(self.oracle.now - 1, new))

    def decide(
        self, proposed: Sequence[PlainProposal] | None, edit: Mapping[str, float] = {}
    ) -> None:
        """The decision on ``proposed`` (None: by the tuner; empty: the proposer raises).

        An operator writes ``edit`` between the intent and the done entry of the journal.
        """
        oracle = self.oracle
        proposals = tuple(
            Proposal(item.key, item.delta, item.rule, item.kpis) for item in proposed or ()
        )

        def proposer(*_: object) -> Requested:
            if not proposals:
                raise RuntimeError("nothing to propose")
            return Requested(proposals=proposals)

        decision = self.drive.intend(None if proposed is None else proposer)
        # The oracle takes over the requests of rules and rollbacks, and predicts their outcomes.
        own = {
            item.key: PlainProposal(item.key, item.delta, item.rule, item.kpis)
            for item in decision.proposed
            if proposed is None or item.rule == "ROLLBACK"
        }
        others = [
            without_reserved_rule(item, oracle.n.rules)
            for item in proposed or ()
            if item.key not in own
        ]
        expected = {} if self.mode == "no tune" else oracle.outcomes([*others, *own.values()])
        panic = oracle.panic()
        self._agree_on_outcomes(decision, expected)
        self._agree_on_panic(decision, panic)
        self._agree_on_values(decision, expected, panic)
        self._agree_on_effects(decision)
        self._agree_on_rollbacks(decision)
        self._add_event(decision, panic)
        if edit:
            self.edit(edit)
        if self.drive.state.intent is not None:
            self.drive.add(done_entry(decision))
        self._count(decision)

    def check(self) -> None:
        """Checks the properties that hold after every event."""
        state, numbers = self.drive.state, self.oracle.n
        assert state.values == self.oracle.values(), "I5: values changed without an event"
        for key, value in state.values.items():
            assert numbers.low[key] <= value <= numbers.high[key], f"I1: {key} is {value}"
            on_grid = key not in numbers.step or value == self.oracle.landing(key, value)
            assert on_grid, f"I1: {key} is {value}, off its grid"
        for key, factor, other in numbers.most:
            most = factor * state.values[other]
            holds = state.values[key] <= most or self.oracle.same(key, state.values[key], most)
            assert holds, f"I1: {key} is above {factor} times {other}"
        bits = canonical_json({key: value.hex() for key, value in state.values.items()})
        assert self._bits.setdefault(state.state_hash, bits) == bits, "I6: one hash, two states"
        assert len(set(self._bits.values())) == len(self._bits), "I6: one state, two hashes"

    # -- agreement -----------------------------------------------------------------------------

    def _agree_on_outcomes(
        self, decision: Decision, outcomes: Mapping[str, ExpectedOutcome]
    ) -> None:
        by_key = {outcome.key: outcome for outcome in decision.outcomes}
        assert sorted(by_key) == sorted(outcomes), f"I4: oracle: {sorted(outcomes)}"
        for key, expected in outcomes.items():
            given = by_key[key]
            reasons = (given.reason, *given.also) if given.reason else ()
            same = (given.outcome, reasons) == (expected.outcome, expected.reasons)
            about = sorted({*reasons} ^ {*expected.reasons})
            about = about or ["order" if reasons != expected.reasons else expected.outcome]
            text = f"oracle at {decision.iteration}: {expected} and not {given}"
            assert same, f"{text} [{' '.join(about)}]"
            assert self._is_close(given, expected), f"{text} [move]"

    def _is_close(self, given: Outcome, expected: ExpectedOutcome) -> bool:
        if expected.after is None or given.after is None or given.before is None:
            return given.after is expected.after
        width = self.oracle.n.high[given.key] - self.oracle.n.low[given.key]
        moved = abs(given.applied - (given.after - given.before)) <= 1e-9 * width
        slack = self._slack(given.key) * (expected.outcome != "SKIPPED")
        near = abs(given.after - expected.after) <= slack
        return moved and near

    def _slack(self, key: str) -> float:
        """A rounding error of a value; on a grid there is none."""
        width = self.oracle.n.high[key] - self.oracle.n.low[key]
        return 0.0 if key in self.oracle.n.step else 1e-9 * width

    def _agree_on_panic(self, decision: Decision, panic: str) -> None:
        given, now = decision.panic, decision.iteration
        text = f"I11: oracle at {now}: {panic or 'no panic'} and not {given}"
        assert (given is not None) == (panic != ""), f"{text} [panic]"
        if given is None:
            return
        values, safe = self.oracle.values(), self.oracle.n.safe
        moves = {key: value for key, value in safe.items() if value != values[key]}
        until = now + self.oracle.n.pause if moves else None
        same = (given.would, dict(given.moves), given.paused_until)
        assert same == (panic == "would", moves, until), f"{text} [panic]"
        pins = tuple(sorted(key for key in moves if self.oracle.is_pinned(key)))
        assert given.pins == pins, f"{text} [pin]"

    def _agree_on_values(
        self, decision: Decision, outcomes: Mapping[str, ExpectedOutcome], panic: str
    ) -> None:
        before = self.oracle.values()
        expected = dict(before)
        if panic in ACTS:
            expected.update(self.oracle.n.safe)
        elif self.mode == "live":
            expected |= {
                key: outcome.after for key, outcome in outcomes.items() if outcome.after is not None
            }
        for key, value in expected.items():
            given = decision.values[key]
            slack = 0.0 if panic or value == before[key] else self._slack(key)
            assert abs(given - value) <= slack, f"oracle: {key} is {given}, not {value} [values]"
        same = decision.state_hash == decision.old_hash
        assert same == (decision.values == before), "I6: equal hashes are equal values"

    def _agree_on_effects(self, decision: Decision) -> None:
        given = sorted((effect.iteration, effect.rule) for effect in decision.attributed)
        expected = sorted(self.oracle.effects_now())
        assert given == expected, f"oracle: effects of {expected} and not {given} [reported]"

    def _agree_on_rollbacks(self, decision: Decision) -> None:
        lately = [
            key
            for event in self.oracle.events
            if decision.iteration - event.at < self.oracle.n.once_in
            for key, _, _, rule in event.moves
            if rule == "ROLLBACK"
        ]
        for outcome in decision.outcomes:
            rolled_back = outcome.rule == "ROLLBACK" and outcome.outcome != "SKIPPED"
            twice = rolled_back and outcome.key in lately
            assert not twice, f"oracle: {outcome.key} is rolled back twice [once_in]"

    def _add_event(self, decision: Decision, panic: str) -> None:
        before = self.oracle.values()
        new = {key: value for key, value in decision.values.items() if value != before[key]}
        moves = (
            ()
            if panic
            else tuple(
                (outcome.key, before[outcome.key], new[outcome.key], outcome.rule)
                for outcome in decision.outcomes
                if outcome.key in new
            )
        )
        self.oracle.events.append(Event(self.oracle.now, new, self.oracle.kpis, moves, panic))

    def _count(self, decision: Decision) -> None:
        self.counts["decisions"] += 1
        self.counts["effects reported"] += len(decision.attributed)
        for outcome in decision.outcomes:
            met = f"{outcome.outcome} {outcome.reason}".strip()
            self.counts[met] += 1
            if (of := self._types.get(outcome.key, "")) not in ("", "float"):
                self.counts_of_types.setdefault(of, Counter())[met] += 1
            self.counts["ROLLBACK"] += outcome.rule == "ROLLBACK" and outcome.outcome != "SKIPPED"


def type_of(parameter: Parameter) -> str:
    """``int log``, ``float step limited``: what is counted apart."""
    words = [
        ("step", parameter.step > 0.0 and parameter.kind in ("float", "int")),
        ("log", parameter.log),
        ("per iteration", parameter.cap_per_iteration < math.inf),
        ("limited", bool(parameter.at_most or parameter.at_least)),
        ("constant", parameter.minimum == parameter.maximum),
    ]
    return " ".join([parameter.kind, *(word for word, is_so in words if is_so)])


def without_reserved_rule(proposal: PlainProposal, rules: Collection[str]) -> PlainProposal:
    """The proposal without its rule, if that is a name of the guards or one of ``rules``."""
    reserved = proposal.rule in ("PANIC", "ROLLBACK") or proposal.rule in rules
    return replace(proposal, rule="") if reserved else proposal
