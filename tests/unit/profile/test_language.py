"""The profile language row by row: what people asked for, accepted with what follows, or refused.

The numbers are those of the list of requests. A fragment is YAML on top of :data:`BASE`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from pytest_soak.gate.judge import LaneJudgement, judge_lane
from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import Requested
from pytest_soak.profile.condition import AnyOf, Comparison, Condition, Not, ParameterCondition
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.model import Criterion, Profile, Relative, Rule
from pytest_soak.profile.parameter import Coupling
from pytest_soak.profile.resolve import Resolved, Source, resolve, run_defaults
from tests.unit.loop.lanes import Drive

BASE = """
parameters:
  workers: {path: service, type: int, start: 8, min: 1, max: 64}
  threads: {path: service, type: int, start: 8, min: 1, max: 512}
  mode: {path: service, type: choice, choices: [slow, normal, fast], start: normal}
kpis:
  p95_ms: totals.p95_ms
  errors: totals.errors
  requests: totals.requests
gate:
  criteria: {p95_ms: "<= 120"}
"""


def merge(base: Any, top: Any) -> Any:
    if isinstance(base, str) and isinstance(top, dict):
        base = {"read": base}  # the short form of a KPI
    if not isinstance(base, dict) or not isinstance(top, dict):
        return top
    return {**base, **{key: merge(base.get(key), value) for key, value in top.items()}}


def source_of(fragment: str) -> Callable[[str, str | None], Source]:
    document = merge(yaml.safe_load(BASE), yaml.safe_load(fragment) or {})
    data = yaml.safe_dump(document, sort_keys=False).encode()
    return lambda reference, referrer: Source(reference, data)


def resolved(fragment: str) -> Resolved:
    return resolve("web", source_of(fragment))


def rule_of(profile: Profile, name: str = "R") -> Rule:
    return next(rule for rule in profile.rules if rule.name == name)


def report(**totals: Any) -> dict[str, Any]:
    return {"totals": {"p95_ms": 100, "errors": 1, "requests": 50, **totals}}


def value_of(profile: Profile, kpi: str, given: dict[str, Any]) -> float | None:
    """The KPI of one iteration of a lane with this profile."""
    drive = Drive(profile)
    observed = drive.observe(given).observed
    assert observed is not None
    return observed.readings[kpi].value


def moved(profile: Profile, *reports: dict[str, Any]) -> dict[str, Any]:
    """The outer values after a lane had these reports, by its rules alone."""
    drive = Drive(profile)
    for given in reports:
        drive.step(given)
    return {key: item.outer(drive.state.values[key]) for key, item in profile.parameters.items()}


@dataclass(frozen=True)
class Accepted:
    fragment: str
    follows: Callable[[Profile], object]
    """Is true of the profile."""


@dataclass(frozen=True)
class Refused:
    fragment: str
    sentence: str


def when(text: str) -> str:
    return f"rules: {{R: {{when: {text}, moves: {{workers: {{add: 1}}}}}}}}"


def move(text: str, condition: str = '{p95_ms: "> 80"}') -> str:
    return f"rules: {{R: {{when: {condition}, moves: {text}}}}}"


def first_condition(profile: Profile) -> Any:
    return rule_of(profile).when[0]


def gated(criterion: str, more: str = "") -> str:
    return f"gate: {{{more + ', ' if more else ''}criteria: {{errors: {criterion}}}}}"


def criterion_of(profile: Profile) -> Criterion:
    criterion = profile.gate.criterion("errors")
    assert criterion is not None
    return criterion


def judged(profile: Profile, errors: float) -> LaneJudgement:
    """A lane of 30 iterations in which ``errors`` varies a little around this value."""
    drive = Drive(profile, iterations=30)
    for number in range(30):
        drive.step(report(errors=errors + (0.5 if number % 2 else -0.5)), lambda *_: Requested())
    return judge_lane(read_history(drive.entries))


def verdicts(profile: Profile, errors: tuple[float, float]) -> dict[str, tuple[str, str]]:
    """Criterion of ``errors`` to its verdicts for two levels of it."""
    both = [
        {item.name: str(item.verdict) for item in judged(profile, level).criteria}
        for level in errors
    ]
    names = criterion_of(profile).names
    return {name: (both[0][name], both[1][name]) for name in names}


def lane_verdict(profile: Profile, errors: float) -> str:
    return str(judged(profile, errors).verdict)


ROWS: dict[int, Accepted | Refused] = {
    1: Accepted("", lambda p: p.parameters["workers"].outer(8.0) == 8),
    2: Accepted(
        "parameters: {jit: {path: service, type: bool, start: true}}",
        lambda p: p.parameters["jit"].outer(1.0) is True,
    ),
    3: Accepted("", lambda p: p.parameters["mode"].outer(2.0) == "fast"),
    4: Accepted(
        "parameters: {mem: {path: service, start: 4, min: 4, max: 64, step: 4}}",
        lambda p: p.parameters["mem"].fitted(9.0) == 8.0,
    ),
    5: Accepted(
        "parameters: {mem: {path: service, start: 4, min: 1, max: 64, scale: log}}",
        lambda p: p.parameters["mem"].log,
    ),
    6: Accepted("", lambda p: p.parameters["workers"].cap_per_hour == pytest.approx(0.2 * 63)),
    7: Accepted("", lambda p: (p.parameters["workers"].unit, p.kpis["p95_ms"].unit) == ("", "")),
    8: Accepted(
        "guards: {caps_scale: 4}\nparameters: {workers: {cap_per_hour: 2, cap_per_iteration: 1}}",
        lambda p: (
            (p.parameters["workers"].cap_per_hour, p.parameters["workers"].cap_per_iteration)
            == (8.0, 4.0)
        ),
    ),
    9: Accepted(
        "parameters: {port: {path: service, type: int, start: 80, min: 80, max: 80}}",
        lambda p: p.parameters["port"].span == 0.0,
    ),
    10: Accepted(
        "parameters: {workers: {restart: true}}", lambda p: p.parameters["workers"].restart
    ),
    11: Accepted(
        "parameters: {workers: {at_most: threads}}",
        lambda p: p.parameters["workers"].at_most == (Coupling("threads"),),
    ),
    12: Accepted(
        "parameters: {threads: {at_most: {parameter: workers, factor: 8}}}",
        lambda p: p.parameters["threads"].at_most == (Coupling("workers", 8.0),),
    ),
    13: Accepted(
        "parameters: {workers: {description: processes}}",
        lambda p: p.parameters["workers"].description == "processes",
    ),
    14: Accepted(
        "kpis: {error_ratio: {ratio: [errors, requests]}, good: {difference: [requests, errors]}, "
        "p95_s: {read: totals.p95_ms, scale: 0.001}}",
        lambda p: (
            [value_of(p, kpi, report()) for kpi in ("error_ratio", "good", "p95_s")]
            == [0.02, 49.0, 0.1]
        ),
    ),
    15: Accepted("kpis: {errors: {aggregate: sum}}", lambda p: p.kpis["errors"].aggregate == "sum"),
    16: Accepted(
        "kpis: {p95_ms: {aggregate: weighted_mean, weight: totals.requests}}",
        lambda p: p.kpis["p95_ms"].weight == ("totals", "requests"),
    ),
    17: Accepted(
        "kpis: {p90: {quantile: {histogram: latency, q: 0.9}}}",
        lambda p: (
            value_of(p, "p90", {**report(), "latency": {"0.1": 80, "0.2": 100, "+Inf": 100}})
            == pytest.approx(0.15)
        ),
    ),
    18: Accepted(
        "kpis: {route: {read: [routes, /api/v1.0, 1, p95]}}",
        lambda p: (
            value_of(p, "route", {**report(), "routes": {"/api/v1.0": [{}, {"p95": 7}]}}) == 7.0
        ),
    ),
    19: Accepted(
        "kpis: {rate: {read: {metric: requests_total, take: rate}}}",
        lambda p: p.kpis["rate"].metric is not None,
    ),
    20: Accepted(
        "", lambda p: (p.kpis["p95_ms"].better, p.kpis["errors"].better) == ("down", "none")
    ),
    21: Accepted(
        "kpis: {p95_ms: {range: [0, null]}}",
        lambda p: value_of(p, "p95_ms", report(p95_ms=-5)) is None,
    ),
    22: Accepted(
        when('{any: [{p95_ms: "> 400"}, {errors: "> 5", requests: "> 0"}]}'),
        lambda p: isinstance(first_condition(p), AnyOf) and len(first_condition(p).options[1]) == 2,
    ),
    23: Accepted(
        when('{not: {p95_ms: "<= 400"}}'),
        lambda p: (
            first_condition(p)
            == Not((Condition("p95_ms", comparisons=(Comparison("<=", 400.0),)),))
        ),
    ),
    24: Accepted(
        when('{parameter: {workers: "< 40", mode: [slow, normal]}}'),
        lambda p: (
            rule_of(p).when
            == (
                ParameterCondition("mode", among=(0.0, 1.0)),
                ParameterCondition("workers", comparisons=(Comparison("<", 40.0),)),
            )
        ),
    ),
    25: Accepted(
        when("{p95_ms: {rising: 3}, errors: {falling: 2}}"),
        lambda p: (
            rule_of(p).when == (Condition("errors", falling=2), Condition("p95_ms", rising=3))
        ),
    ),
    26: Accepted(
        when("{p95_ms: {at_most: 1.5, of_first: 4}}"),
        lambda p: first_condition(p) == Condition("p95_ms", most_of_first=(1.5, 4)),
    ),
    27: Accepted(
        when("{p95_ms: {between: [100, 200]}}"),
        lambda p: (
            first_condition(p)
            == Condition("p95_ms", comparisons=(Comparison(">=", 100.0), Comparison("<=", 200.0)))
        ),
    ),
    28: Accepted(
        "kpis: {bad: {difference: [errors, requests]}}\n" + when('{bad: "> 0"}'),
        lambda p: first_condition(p).kpi == "bad",
    ),
    29: Accepted(
        "constants: {floor: 2.7}\n" + when('{p95_ms: [">= $floor", "< 9"]}'),
        lambda p: first_condition(p).comparisons[0] == Comparison(">=", 2.7),
    ),
    30: Accepted(
        move("{mode: {set: slow}, workers: {set: 9}}"),
        lambda p: (moved(p, report())["mode"], moved(p, report())["workers"]) == ("slow", 9),
    ),
    31: Accepted(
        move("{workers: {proportional: {to_excess_of: p95_ms, gain: 0.1}}}"),
        # 100 is 20 beyond 80, and 0.1 of that is 2.
        lambda p: moved(p, report())["workers"] == 10,
    ),
    32: Accepted(move("{mode: {step: +1}}"), lambda p: moved(p, report())["mode"] == "fast"),
    33: Refused(
        move("{threads: {follow: {parameter: workers, factor: 8}}}"),
        "rules.R.moves.threads.follow: no key follows another, because its effect could not be "
        "separated from that of the other; move both by the same 'mul' in one rule, with at_most "
        "or at_least and a factor as the limit",
    ),
    34: Accepted(
        gated('[">= 10", "<= 90"]'),
        lambda p: [str(side) for side in criterion_of(p).production.sides] == [">= 10", "<= 90"],
    ),
    35: Accepted(
        gated('{limit: "<= 90", statistic: median}'),
        lambda p: verdicts(p, errors=(80, 95)) == {"median:errors": ("PASS", "FAIL")},
    ),
    36: Accepted(
        gated('{limit: "<= 90", share: 0.75}'),
        lambda p: verdicts(p, errors=(80, 95)) == {"share:errors": ("PASS", "FAIL")},
    ),
    37: Accepted(
        gated('{limit: "<= 90", relative_to: warmup, ratio: 0.1}', "warmup_iterations: 24"),
        lambda p: (
            criterion_of(p).names == ("errors", "relative:errors")
            and criterion_of(p).relative == Relative("warmup", ratio=0.1)
        ),
    ),
    38: Refused(
        gated('{limit: "<= 340", tolerance: 5}'),
        "gate.criteria.errors.tolerance: a limit with a tolerance is another limit: write that "
        "one; 'warn' and 'fail' are two",
    ),
    39: Accepted(
        gated('{warn: "<= 70", fail: "<= 90"}'),
        lambda p: (
            verdicts(p, errors=(60, 80)) == {"errors": ("PASS", "WARN")}
            and verdicts(p, errors=(80, 95)) == {"errors": ("WARN", "FAIL")}
        ),
    ),
    40: Accepted(
        gated('{limit: "<= 90", window: 12}', "warmup_iterations: 6"),
        lambda p: (criterion_of(p).window, p.gate.warmup_iterations) == (12, 6),
    ),
    41: Accepted(
        gated('{limit: "<= 90", optional: true}'),
        lambda p: (
            verdicts(p, errors=(95, 95)) == {"errors": ("FAIL", "FAIL")}
            and lane_verdict(p, errors=95) == "PASS"
        ),
    ),
    42: Accepted(gated('"<= 90"'), lambda p: criterion_of(p).production == criterion_of(p).mock),
    43: Accepted(
        "description: of the shop\ntags: [web]\nx-owner: {team: shop}",
        lambda p: (
            (p.document["description"], p.document["tags"], "x-owner" in p.document)
            == ("of the shop", ["web"], False)
        ),
    ),
    44: Accepted(
        "run: {interval: 5, iterations: 120, target: live}", lambda p: "run" not in p.document
    ),
    45: Accepted("", lambda p: p.guards.attribution is not None and p.guards.rollback is not None),
    46: Accepted("", lambda p: p.kpis["p95_ms"].read == ("totals", "p95_ms")),
    47: Accepted(
        "parameters: null",
        lambda p: not p.parameters and Drive(p).step(report()).verdict == "PASS",
    ),
}


def test_every_row_is_there() -> None:
    assert sorted(ROWS) == list(range(1, 48))


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_accepted_or_refused(row: int) -> None:
    answer = ROWS[row]
    if isinstance(answer, Accepted):
        fragment = answer.fragment
        if "parameters: null" in fragment:  # null removes an entry, and here there is none
            document = yaml.safe_load(BASE)
            del document["parameters"]
            data = yaml.safe_dump(document).encode()
            assert answer.follows(resolve("web", lambda *_: Source("web", data)).profile)
            return
        assert answer.follows(resolved(fragment).profile)
    else:
        with pytest.raises(ProfileError) as caught:
            resolved(answer.fragment)
        assert str(caught.value) == f"web: {answer.sentence}"


def test_constants_of_a_rule_are_refused_with_the_way_that_there_is() -> None:
    fragment = "rules: {R: {constants: {a: 1}, when: {p95_ms: '> 1'}, moves: {workers: {add: 1}}}}"
    with pytest.raises(ProfileError) as caught:
        resolved(fragment)
    assert str(caught.value) == (
        "web: rules.R.constants: a rule has no constants of its own, since its few numbers stand "
        "side by side; the section 'constants' of the profile is for all rules"
    )


def test_the_defaults_of_a_run_are_read_from_the_profile() -> None:
    given = run_defaults("web", source_of("run: {interval: 5, iterations: 120, target: live}"))
    assert {name: item.value for name, item in given.items()} == {
        "interval": 5.0,
        "iterations": 120,
        "target": "live",
    }


def test_no_answer_suggests_a_name_that_means_something_else() -> None:
    """``restart`` and ``scale`` were answered with 'start' and 'safer'; both are fields now."""
    parameters = resolved("parameters: {workers: {restart: true, scale: log}}").profile.parameters
    assert parameters["workers"].restart
    assert parameters["workers"].log


def test_a_lane_without_parameters_requests_nothing() -> None:
    data = yaml.safe_dump({**yaml.safe_load(BASE), "parameters": {}}).encode()
    drive = Drive(resolve("web", lambda *_: Source("web", data)).profile)
    decision = drive.step(report(p95_ms=500), lambda *_: Requested())
    assert (decision.verdict, decision.values, decision.changes) == ("WARN", {}, False)
