"""A lane in memory beside its oracle: every decision is foretold, then compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from pytest_soak.canonical import canonical_json
from pytest_soak.loop.entries import done_entry
from pytest_soak.loop.model import Decision, Outcome, Proposal, Requested
from pytest_soak.profile.model import Profile
from tests.properties.drawn import Seen, numbers_of
from tests.properties.oracle import ACTS, Answer, Asked, Happened, Oracle
from tests.unit.loop.lanes import Drive


class WatchedLane:
    """One lane. Raises AssertionError where the product and the oracle do not agree."""

    def __init__(
        self,
        profile: Profile,
        values: Mapping[str, float],
        *,
        interval_s: float,
        planned: int,
        mode: str = "live",
    ) -> None:
        """``mode``: ``live``, ``dry run`` or ``no tune``; ``values``: flat, all of them."""
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
        self._bits: dict[str, bytes] = {}

    @property
    def is_going(self) -> bool:
        return self.drive.state.done < self.drive.state.iterations

    def observe(self, what: Seen) -> None:
        """The target said this of an iteration."""
        self.oracle.kpis = what.kpis()
        observed = self.drive.observe(what.report()).observed
        assert observed is not None
        for kpi, value in self.oracle.kpis.items():
            assert observed.readings[kpi].usable == value, "the observation is not as drawn"

    def edit(self, values: Mapping[str, float]) -> None:
        """An operator writes these values into the file."""
        expected = self.oracle.values()
        self.drive.edit(**values)
        new = {key: value for key, value in values.items() if value != expected[key]}
        self.oracle.list.append(Happened(self.oracle.now - 1, new))

    def decide(self, asked: Sequence[Asked] | None, edit: Mapping[str, float] = {}) -> None:
        """The decision on what was asked (None: by the tuner; nothing: the proposer raises).

        ``edit`` is written by an operator between the journal's intent and its done.
        """
        oracle = self.oracle
        made = tuple(Proposal(one.key, one.delta, one.rule, one.kpis) for one in asked or ())

        def proposer(*_: object) -> Requested:
            if not made:
                raise RuntimeError("nothing to propose")
            return Requested(proposals=made)

        decision = self.drive.intend(None if asked is None else proposer)
        # The tuner's own, and rollbacks: what they want is theirs, what comes of it the guards'.
        own = {
            one.key: Asked(one.key, one.delta, one.rule, one.kpis)
            for one in decision.requested.proposals
            if asked is None or one.rule == "ROLLBACK"
        }
        others = [claimless(one, oracle.n.rules) for one in asked or () if one.key not in own]
        answers = {} if self.mode == "no tune" else oracle.answers([*others, *own.values()])
        panic = oracle.panic()
        self._agree_on_outcomes(decision, answers)
        self._agree_on_panic(decision, panic)
        self._agree_on_values(decision, answers, panic)
        self._agree_on_what_is_told(decision)
        self._agree_on_rollbacks(decision)
        self._write_down(decision, panic)
        if edit:
            self.edit(edit)
        if self.drive.state.intent is not None:
            self.drive.add(done_entry(decision))
        self._count(decision)

    def check(self) -> None:
        """What holds whatever happened last."""
        state, numbers = self.drive.state, self.oracle.n
        assert state.values == self.oracle.values(), "I5: values changed behind the oracle's back"
        for key, value in state.values.items():
            assert numbers.low[key] <= value <= numbers.high[key], f"I1: {key} is {value}"
        bits = canonical_json({key: value.hex() for key, value in state.values.items()})
        assert self._bits.setdefault(state.state_hash, bits) == bits, "I6: one hash, two states"
        assert len(set(self._bits.values())) == len(self._bits), "I6: one state, two hashes"

    # -- agreement -----------------------------------------------------------------------------

    def _agree_on_outcomes(self, decision: Decision, answers: Mapping[str, Answer]) -> None:
        given = {one.key: one for one in decision.outcomes}
        assert sorted(given) == sorted(answers), f"I4: oracle: {sorted(answers)}"
        for key, answer in answers.items():
            one = given[key]
            reasons = (one.reason, *one.also) if one.reason else ()
            same = (one.outcome, reasons) == (answer.word, answer.reasons)
            about = sorted({*reasons} ^ {*answer.reasons})
            about = about or ["order" if reasons != answer.reasons else answer.word]
            text = f"oracle at {decision.iteration}: {answer} and not {one}"
            assert same, f"{text} [{' '.join(about)}]"
            assert self._is_close(one, answer), f"{text} [move]"

    def _is_close(self, given: Outcome, answer: Answer) -> bool:
        if answer.after is None or given.after is None or given.before is None:
            return given.after is answer.after
        slack = 1e-9 * self.oracle.span(given.key)
        moved = abs(given.applied - (given.after - given.before)) <= slack
        return moved and abs(given.after - answer.after) <= slack * (answer.word != "SKIPPED")

    def _agree_on_panic(self, decision: Decision, panic: str) -> None:
        said, now = decision.panic, decision.iteration
        text = f"I11: oracle at {now}: {panic or 'no panic'} and not {said}"
        assert (said is not None) == (panic != ""), f"{text} [panic]"
        if said is None:
            return
        values, safe = self.oracle.values(), self.oracle.n.safe
        moves = {key: value for key, value in safe.items() if value != values[key]}
        until = now + self.oracle.n.pause if moves else None
        same = (said.would, dict(said.moves), said.paused_until) == (panic == "would", moves, until)
        assert same, f"{text} [panic]"
        pins = tuple(sorted(key for key in moves if self.oracle.is_pinned(key)))
        assert said.pins == pins, f"{text} [pin]"

    def _agree_on_values(
        self, decision: Decision, answers: Mapping[str, Answer], panic: str
    ) -> None:
        before = self.oracle.values()
        expected = dict(before)
        if panic in ACTS:
            expected.update(self.oracle.n.safe)
        elif self.mode == "live":
            expected |= {key: one.after for key, one in answers.items() if one.after is not None}
        for key, value in expected.items():
            given = decision.values[key]
            slack = 0.0 if panic or value == before[key] else 1e-9 * self.oracle.span(key)
            assert abs(given - value) <= slack, f"oracle: {key} is {given}, not {value} [values]"
        same = decision.state_hash == decision.old_hash
        assert same == (decision.values == before), "I6: equal hashes are equal values"

    def _agree_on_what_is_told(self, decision: Decision) -> None:
        told = sorted((one.iteration, one.rule) for one in decision.attributed)
        expected = sorted(self.oracle.told_now())
        assert told == expected, f"oracle: told of {expected} and not {told} [told]"

    def _agree_on_rollbacks(self, decision: Decision) -> None:
        lately = [
            key
            for one in self.oracle.list
            if decision.iteration - one.at < self.oracle.n.once_in
            for key, _, _, rule in one.moves
            if rule == "ROLLBACK"
        ]
        for one in decision.outcomes:
            twice = one.rule == "ROLLBACK" and one.outcome != "SKIPPED" and one.key in lately
            assert not twice, f"oracle: {one.key} is rolled back twice [once_in]"

    def _write_down(self, decision: Decision, panic: str) -> None:
        before = self.oracle.values()
        new = {key: value for key, value in decision.values.items() if value != before[key]}
        moves = (
            ()
            if panic
            else tuple(
                (one.key, before[one.key], new[one.key], one.rule)
                for one in decision.outcomes
                if one.key in new
            )
        )
        happened = Happened(self.oracle.now, new, self.oracle.kpis, moves, panic)
        self.oracle.list.append(happened)

    def _count(self, decision: Decision) -> None:
        self.counts["decisions"] += 1
        self.counts["changes told of"] += len(decision.attributed)
        for one in decision.outcomes:
            self.counts[f"{one.outcome} {one.reason}".strip()] += 1
            self.counts["ROLLBACK"] += one.rule == "ROLLBACK" and one.outcome != "SKIPPED"


def claimless(asked: Asked, rules: Collection[str]) -> Asked:
    """A proposer that claims a name of the guards, or of one of the ``rules``, loses it."""
    taken = asked.rule in ("PANIC", "ROLLBACK") or asked.rule in rules
    return replace(asked, rule="") if taken else asked
