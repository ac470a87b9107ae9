"""Delta verification: did every decided change take effect, and does every other one have a reason?

A decision is checked for consistency (each proposed key has one outcome, the values follow from the
outcomes) and against the iteration after it (it runs with these values, and its echo, if there is
one, has them too).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Literal

from pytest_soak.canonical import number
from pytest_soak.gate.echo import belonging_of, echo_lines
from pytest_soak.gate.figures import figure_by
from pytest_soak.gate.requests import (
    proposes_when_needed,
    requested_apply_ratio,
    withheld_ratio,
)
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.echo import unconfirmed
from pytest_soak.loop.kpis import FAULT
from pytest_soak.loop.model import (
    GUARD_ORDER,
    PROPOSER_FAILED,
    Decision,
    History,
    Iteration,
    Outcome,
    Verdict,
)
from pytest_soak.profile.condition import Comparison
from pytest_soak.profile.model import DeltaQuality
from pytest_soak.profile.parameter import SLACK, Parameter, exact_in, same_in

Status = Literal["full", "partial_ok", "fail", "unverified", "none"]

_NOTHING = "not applicable"
_LEFT_OUT = "which leaves it out"


@dataclass(frozen=True, slots=True)
class DeltaCheck:
    """The verification of one decision."""

    iteration: int
    status: Status
    """``none``: nothing was proposed, and nothing is wrong."""
    problems: tuple[str, ...]
    echoes: tuple[str, ...]
    """Values that the target's echo of its parameters does not confirm."""
    refused: Mapping[str, str]
    """Key to reason, for proposed moves that were not applied, or only in part."""
    proposed: int
    explained: int
    stuck: bool
    """A change was applied and the state hash did not move."""


@dataclass(frozen=True, slots=True)
class DeltaReport:
    """The delta verification of one lane. A ratio is None if it would divide by zero."""

    full: int
    partial_ok: int
    fail: int
    unverified: int
    full_apply_ratio: float | None
    signature_stuck_count: int
    withheld_ratio: float | None
    """Of the iterations in which the tuner requested a move: the ratio in which a key was
    withheld."""
    requested_apply_ratio: float | None
    """Sum of the applied moves by the sum of the requested moves before they were trimmed, each as
    a ratio of its key's range."""
    explained_ratio: float | None
    """Of the proposed keys: the ratio that was applied and verified, or has a reason."""
    proposes_when_needed: float | None
    """Of the iterations that needed the rule: the ratio in which it proposed or had a reason not
    to."""
    failures: tuple[str, ...]
    """One line for each failure, with the iteration."""
    verdict: Verdict
    applicable: bool
    """False if nothing was proposed, if the tuner was off, or in a dry run."""
    reason: str
    """One line with the figures and the limits."""
    checks: tuple[DeltaCheck, ...]
    """The checks of the iterations whose status is not ``none``."""
    belonging: Mapping[str, int] = field(default_factory=dict)
    """See :func:`pytest_soak.gate.echo.belonging_of`; empty if the target is not a live one."""

    @property
    def counted(self) -> int:
        return self.full + self.partial_ok + self.fail


def verify_deltas(lane: LaneWindow, *, strict: bool = False) -> DeltaReport:
    """Verify every decision of a lane and judge them together. ``strict`` has no relaxed limit.

    An echo that differs, or a value that changed without a decision, is a ``fail`` even if nothing
    was proposed. It counts for the decision before it, or for the start if there is none before.
    """
    history = lane.history
    live = history.tune and not history.dry_run
    checks = [_start_check(history)]
    for iteration, follower in zip_longest(history.iterations, history.iterations[1:]):
        if iteration.decision is not None and not _is_quiet(
            iteration, iteration.decision, follower
        ):
            checks.append(_check(history, iteration, iteration.decision, follower, live=live))
    return _report(lane, [check for check in checks if check is not None], strict=strict)


def _start_check(history: History) -> DeltaCheck | None:
    if not history.iterations:
        return None
    first = history.iterations[0]
    echoes = _echo_problems(history.profile.parameters, first)
    problems: dict[str, str] = {}
    if not first.external:
        problems = _differences(history, history.start_values, first.values, "at the start")
    if not (problems or echoes):
        return None
    texts = tuple(problems.values())
    return DeltaCheck(0, "fail", texts, tuple(echoes.values()), {}, 0, 0, stuck=False)


def _is_quiet(iteration: Iteration, decision: Decision, follower: Iteration | None) -> bool:
    """Whether nothing moved, and nothing was proposed but what the warm-up refused."""
    keys = {item.key for item in decision.outcomes} | {item.key for item in decision.proposed}
    keys -= {outcome.key for outcome in decision.outcomes if outcome.reason == "warmup"}
    if keys or decision.panic is not None:
        return False
    if decision.values != iteration.basis:
        return False
    return follower is None or (follower.values == decision.values and not follower.echo_mismatch)


def _check(
    history: History,
    iteration: Iteration,
    decision: Decision,
    follower: Iteration | None,
    *,
    live: bool,
) -> DeltaCheck:
    outcomes = {outcome.key: outcome for outcome in decision.outcomes} if live else {}
    problems = _value_problems(history, iteration, decision)
    if live:  # a problem of the outcome is more specific than the value that follows from it
        problems |= _decision_problems(history, iteration, decision)
    unseen: set[str] = set()
    echoes: dict[str, str] = {}
    if follower is not None:
        changed = [key for key, now in decision.values.items() if now != iteration.basis.get(key)]
        echoes = _echo_problems(history.profile.parameters, follower) | _unconfirmed(
            history, follower, changed
        )
        differences = _differences(
            history, decision.values, follower.values, "in the next iteration"
        )
        if follower.external:
            # An operator's edit explains the difference, but then whether the move was applied is
            # not known.
            unseen = set(differences)
        else:
            problems = differences | problems
    proposed = set(outcomes) | ({item.key for item in decision.proposed} if live else set())
    refused = {key: item.reason for key, item in outcomes.items() if item.outcome != "APPLIED"}
    refused |= {key: "external" for key in unseen & set(outcomes) if key not in refused}
    unexplained = {**problems, **echoes}
    status = _status(unexplained, proposed, refused, outcomes, follower)
    return DeltaCheck(
        iteration.number,
        status,
        tuple(problems.values()),
        tuple(text for key, text in echoes.items() if key not in problems),
        refused,
        len(proposed),
        len(proposed - set(unexplained)),
        _is_stuck(iteration, decision, follower),
    )


def _status(
    problems: Mapping[str, str],
    proposed: set[str],
    refused: Mapping[str, str],
    outcomes: Mapping[str, Outcome],
    follower: Iteration | None,
) -> Status:
    if problems:
        return "fail"
    if not proposed:
        return "none"
    unseen = follower is None or follower.report.get(FAULT) is not None
    if unseen and any(outcome.applied != 0.0 for outcome in outcomes.values()):
        return "unverified"
    return "partial_ok" if refused else "full"


def _is_stuck(iteration: Iteration, decision: Decision, follower: Iteration | None) -> bool:
    changed = not decision.dry_run and any(item.applied != 0.0 for item in decision.outcomes)
    if not changed:
        return False
    if decision.state_hash == decision.old_hash:
        return True
    seen = follower is not None and not follower.external
    return seen and follower is not None and follower.state_hash == decision.old_hash


def _decision_problems(
    history: History, iteration: Iteration, decision: Decision
) -> dict[str, str]:
    """Key to what is wrong with its outcome."""
    problems: dict[str, str] = {}
    judged = [outcome.key for outcome in decision.outcomes]
    for proposal in decision.proposed:
        if proposal.key not in judged:
            problems[proposal.key] = f"{proposal.key}: proposed, but it has no outcome"
    for outcome in decision.outcomes:
        text = _outcome_problem(history, iteration, outcome)
        if judged.count(outcome.key) > 1:
            text = "it has more than one outcome"
        if text:
            problems[outcome.key] = f"{outcome.key}: {text}"
    return problems


def _outcome_problem(history: History, iteration: Iteration, outcome: Outcome) -> str:
    if outcome.outcome == "SKIPPED":
        if outcome.applied != 0.0:
            return f"SKIPPED, but moved by {outcome.applied:g}"
        return "" if outcome.reason in GUARD_ORDER else "SKIPPED without a reason"
    parameter = history.profile.parameters.get(outcome.key)
    if parameter is None or outcome.before is None or outcome.after is None:
        return f"{outcome.outcome}, but it is no parameter of the profile"
    slack, exact = SLACK * abs(parameter.maximum - parameter.minimum), parameter.exact
    basis = iteration.basis[outcome.key]
    if not parameter.same(outcome.before, basis):
        return f"decided from {exact(outcome.before)}, in force was {exact(basis)}"
    if abs(outcome.before + outcome.applied - outcome.after) > slack:
        sum_of = f"{exact(outcome.before)} {outcome.applied:+.12g}"
        return f"{sum_of} does not give {exact(outcome.after)}"
    proposed = number(outcome.proposed)
    if proposed is None:
        return f"{outcome.outcome}, but {outcome.proposed!r:.60} was proposed"
    if parameter.step:
        proposed = parameter.fitted(outcome.before + proposed) - outcome.before
    if outcome.outcome == "APPLIED":
        whole = abs(outcome.applied - proposed) <= slack
        return "" if whole else f"APPLIED {outcome.applied:+.12g} of {proposed:+.12g}"
    if outcome.reason not in GUARD_ORDER:
        return "CLIPPED without a reason"
    smaller = 0.0 < outcome.applied / proposed <= 1.0 if proposed else False
    return "" if smaller else f"CLIPPED {proposed:+g} to {outcome.applied:+g}"


def _value_problems(history: History, iteration: Iteration, decision: Decision) -> dict[str, str]:
    """Key to the difference, where the decided value does not follow from outcomes or panic."""
    expected = dict(iteration.basis)
    if not decision.dry_run:
        expected |= {o.key: o.after for o in decision.outcomes if o.applied and o.after is not None}
        if decision.panic is not None and not decision.panic.would:
            expected |= decision.panic.moves
    return _differences(history, expected, decision.values, "with nothing applied that explains it")


def _differences(
    history: History, expected: Mapping[str, float], actual: Mapping[str, float], where: str
) -> dict[str, str]:
    problems: dict[str, str] = {}
    if expected == actual:
        return problems  # a shortcut: so it is in most iterations
    for key in sorted(set(expected) | set(actual)):
        before, after = expected.get(key), actual.get(key)
        if before is None or after is None:
            problems[key] = f"{key}: missing {where}"
        elif not same_in(history.profile.parameters, key, before, after):
            due, now = (exact_in(history.profile.parameters, key, end) for end in (before, after))
            problems[key] = f"{key}: {due} expected, {now} found {where}"
    return problems


def _echo_problems(parameters: Mapping[str, Parameter], iteration: Iteration) -> dict[str, str]:
    """Key to the difference, where the echoed value is not the value in force."""
    return {
        key: f"{key}: iteration {iteration.number} ran with "
        f"{exact_in(parameters, key, iteration.values[key])}, and the target echoed {echoed}"
        for key, echoed in iteration.echo_mismatch.items()
    }


def _unconfirmed(history: History, follower: Iteration, changed: Sequence[str]) -> dict[str, str]:
    """The changed keys that the echo of the next iteration leaves out; none without an echo."""
    return {
        key: f"{key}: changed to {history.profile.parameters[key].text(follower.values[key])}, "
        f"and not confirmed by the echo of iteration {follower.number}, {_LEFT_OUT}"
        for key in unconfirmed(history.profile, follower.report, changed)
    }


def _report(lane: LaneWindow, checks: list[DeltaCheck], *, strict: bool) -> DeltaReport:
    history, limits = lane.history, lane.limits.delta
    counts = dict.fromkeys(("full", "partial_ok", "fail", "unverified", "none"), 0)
    for check in checks:
        counts[check.status] += 1
    counted = counts["full"] + counts["partial_ok"] + counts["fail"]
    ratio = counts["full"] / counted if counted else None
    stuck = sum(check.stuck for check in checks)
    needed = proposes_when_needed(lane, limits.needed) if limits.needed else None
    judged = [check for check in checks if check.status in ("full", "partial_ok", "fail")]
    keys = sum(check.proposed for check in judged)
    verdict, reason = _verdict(limits, ratio, counts["fail"], stuck, needed, strict=strict)
    failures = _failures(history, checks)
    if failures:
        reason += f"; {failures[0]}" + (f", and {len(failures) - 1} more" if failures[1:] else "")
    if ratio is None:
        reason = reason.replace(_NOTHING, f"{_NOTHING}: {_why_nothing(history)}")
    failing = [
        item.number
        for item in lane.measured
        if item.decision is not None and PROPOSER_FAILED in item.decision.note
    ]
    if failing:
        verdict = Verdict.WARN if verdict is Verdict.PASS else verdict
        reason += f"; the proposer failed in {len(failing)} iterations, first in {failing[0]}"
    return DeltaReport(
        full=counts["full"],
        partial_ok=counts["partial_ok"],
        fail=counts["fail"],
        unverified=counts["unverified"],
        full_apply_ratio=ratio,
        signature_stuck_count=stuck,
        withheld_ratio=withheld_ratio(lane),
        requested_apply_ratio=requested_apply_ratio(lane),
        explained_ratio=sum(check.explained for check in judged) / keys if keys else None,
        proposes_when_needed=needed,
        failures=failures,
        verdict=verdict,
        applicable=ratio is not None,
        reason=reason,
        checks=tuple(check for check in checks if check.status != "none"),
        belonging=belonging_of(lane.measured),
    )


def _why_nothing(history: History) -> str:
    """Why there is no ratio."""
    proposed = sum(bool(item.decision and item.decision.outcomes) for item in history.iterations)
    if history.dry_run:
        return f"dry run: proposed in {proposed} iterations, applied in none"
    if not history.tune:
        return "the tuner was off"
    if not history.iterations:
        return "no iteration was measured"
    return "nothing was proposed" if not proposed else "nothing that was proposed could be verified"


def _failures(history: History, checks: Sequence[DeltaCheck]) -> tuple[str, ...]:
    """One line for each problem, but only one for each key whose echo is wrong or left out."""
    lines = [_failure(check, text) for check in checks for text in check.problems]
    lines += echo_lines(history.profile.parameters, history.iterations)
    left_out: dict[str, list[str]] = {}
    for check in checks:
        for text in check.echoes:
            if _LEFT_OUT in text:
                left_out.setdefault(text.partition(":")[0], []).append(text)
    for texts in left_out.values():
        more = f" (and {len(texts) - 1} more changes of it)" if len(texts) > 1 else ""
        lines.append(texts[0] + more)
    return tuple(lines)


def _failure(check: DeltaCheck, text: str) -> str:
    where = f"after iteration {check.iteration}" if check.iteration else "before iteration 1"
    return f"{where}: {text}"


def _verdict(
    limits: DeltaQuality,
    ratio: float | None,
    fail: int,
    stuck: int,
    needed: float | None,
    *,
    strict: bool,
) -> tuple[Verdict, str]:
    relaxed = stuck == 0 and not strict
    least = limits.relaxed if relaxed else limits.full
    facts = [_NOTHING]
    if ratio is not None:
        shown = _shown(ratio, limits.full, limits.relaxed)
        facts = [f"full_apply_ratio is {shown}, limit >= {limits.full:g}"]
        facts[0] += f" (>= {limits.relaxed:g} with no stuck signature)" if relaxed else ""
    verdict = Verdict.PASS if ratio is None or ratio >= least else Verdict.FAIL
    if fail:
        verdict = Verdict.FAIL
        facts.append(f"{fail} unexplained, limit 0")
    if stuck:
        verdict = Verdict.FAIL if stuck > limits.stuck_max else verdict
        facts.append(f"signature stuck {stuck} times, limit <= {limits.stuck_max}")
    if limits.needed is not None and needed is not None and needed < limits.needed.warn_below:
        verdict = Verdict.WARN if verdict is Verdict.PASS else verdict
        facts.append(
            f"proposes_when_needed is {_shown(needed, limits.needed.warn_below)}, "
            f"limit >= {limits.needed.warn_below:g} ({limits.needed.rule})"
        )
    return verdict, "delta_quality: " + "; ".join(facts)


def _shown(ratio: float, *least: float) -> str:
    """A ratio in as many digits as show on which side of its limits it is."""
    return max((figure_by(ratio, Comparison(">=", limit)) for limit in least), key=len)
