"""Warnings about a profile: each kind, and the profile just beside it that has none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import pytest

from pytest_soak.profile.resolve import resolve
from pytest_soak.profile.warning import Kind
from pytest_soak.profile.warnings import placed_warnings, warnings
from pytest_soak.store.sources import known_profiles, read_source
from tests.unit.profile.test_short_profiles import files

BASE = """
parameters:
  workers: {path: pool, type: int, start: 8, min: 1, max: 64}
  wait_ms: {path: pool, start: 50, min: 5, max: 500}
  level: {path: pool, start: 0, min: 0, max: 2}
  mode: {path: pool, type: choice, choices: [slow, normal, fast], start: normal}
  port: {path: pool, type: int, start: 5432, min: 5432, max: 5432}
kpis:
  p95: {read: totals.p95, range: [0, null]}
  cpu: {read: totals.cpu, range: [0, 1]}
  blocked: {block_ratio: queue, better: down}
  requests: totals.requests
  per_request: {ratio: [p95, requests], better: none}
verdict:
  fail: {p95: "> 400"}
  warn: {p95: "> 200"}
rules:
  GROW:
    when: {p95: "> 100", blocked: "< 0.9"}
    moves: {workers: {mul: 1.2}, level: {add: 0.1}}
  SHED:
    when: {cpu: ">= 0.9"}
    moves: {workers: {mul: 0.9}, wait_ms: {add: -5}, mode: {step: -1}}
gate:
  criteria: {p95: "<= 120", cpu: "<= 0.95", blocked: "<= 0.5"}
"""


@dataclass(frozen=True)
class Case:
    kind: Kind
    bad: str
    """Added to the base: it has this one warning."""
    good: str
    """The nearest one without."""
    path: str
    words: str
    iterations: int | None = None


def rule(when: str, moves: str = "{workers: {add: 1}}", more: str = "") -> str:
    return f"rules: {{NEW: {{when: {when}, moves: {moves}{more}}}}}"


def hysteresis(stop: float, start: float, when: str = '{p95: "> 100"}') -> str:
    return rule(when, more=f", hysteresis: {{p95: {{stop: {stop}, start: {start}}}}}")


CASES = [
    # -- rules that never fire
    Case(
        "rule_never",
        rule('{p95: ["> 400", "< 100"]}'),
        rule('{p95: ["> 100", "< 400"]}'),
        "rules.NEW.when.p95",
        "NEW can never fire: no value of p95 is > 400 and < 100",
    ),
    Case(
        "rule_never",
        rule('{p95: ["> 100", "< 100"]}'),
        rule('{p95: [">= 100", "<= 100"]}'),
        "rules.NEW.when.p95",
        "no value of p95 is > 100 and < 100",
    ),
    Case(
        "rule_never",
        rule('{p95: "< 0"}'),
        rule('{p95: "<= 0"}'),
        "rules.NEW.when.p95",
        "p95 lies in 0 and above, where no value is < 0",
    ),
    Case(
        "rule_never",
        rule('{blocked: "> 40"}'),
        rule('{blocked: "> 0.40"}'),
        "rules.NEW.when.blocked",
        "blocked lies in 0 to 1, where no value is > 40",
    ),
    Case(
        "rule_never",
        rule('{cpu: "> 0.95"}', more=', evidence: {margin: {cpu: {">": 0.06}}}'),
        rule('{cpu: "> 0.95"}', more=', evidence: {margin: {cpu: {">": 0.04}}}'),
        "rules.NEW.when.cpu",
        "no value is > 0.95 (by the margin 0.06)",
    ),
    Case(
        "rule_never",
        rule('{p95: "> 100", parameter: {workers: "> 64"}}'),
        rule('{p95: "> 100", parameter: {workers: ">= 64"}}'),
        "rules.NEW.when.parameter.workers",
        "workers is 1 to 64, whole numbers, and none of these is > 64",
    ),
    Case(
        "rule_never",
        rule('{p95: "> 100", parameter: {workers: ["> 8", "< 9"]}}'),
        rule('{p95: "> 100", parameter: {workers: ["> 8", "< 10"]}}'),
        "rules.NEW.when.parameter.workers",
        "none of these is > 8 and < 9",
    ),
    Case(
        "rule_never",
        rule('{p95: "> 100", not: {p95: "> 90"}}'),
        rule('{p95: "> 100", not: {p95: "> 110"}}'),
        "rules.NEW.when",
        "no values meet all of its conditions together",
    ),
    Case(
        "rule_never",
        rule('{cpu: "> 0.5", any: [{cpu: "< 0.4"}, {cpu: "< 0.3", p95: "> 9"}]}'),
        rule('{cpu: "> 0.5", any: [{cpu: "< 0.4"}, {cpu: "< 0.6", p95: "> 9"}]}'),
        "rules.NEW.when",
        "no values meet all of its conditions together",
    ),
    Case(
        "rule_never",
        rule('{any: [{p95: {rising: 3}}, {p95: "< 0"}], not: {not: {p95: {falling: 2}}}}'),
        rule('{any: [{p95: {rising: 3}}, {p95: "<= 0"}], not: {not: {p95: {falling: 2}}}}'),
        "rules.NEW.when",
        "no values meet all of its conditions together",
    ),
    # -- rules that always fire
    Case(
        "rule_always",
        rule('{p95: ">= 0"}'),
        rule('{p95: "> 0"}'),
        "rules.NEW.when",
        "NEW always fires",
    ),
    Case(
        "rule_always",
        rule('{any: [{requests: "> 10"}, {requests: "<= 10"}]}'),
        rule('{any: [{requests: "> 10"}, {requests: "< 10"}]}'),
        "rules.NEW.when",
        "for every value that its KPIs and parameters can have",
    ),
    Case(
        "rule_always",
        rule("{parameter: {mode: [slow, normal, fast]}}"),
        rule("{parameter: {mode: [slow, fast]}}"),
        "rules.NEW.when",
        "NEW always fires",
    ),
    # -- hysteresis
    Case(
        "rule_stopped",
        hysteresis(stop=90, start=60),
        hysteresis(stop=110, start=60),
        "rules.NEW.hysteresis.p95.stop",
        "only where the hysteresis of p95 stops it (from 90 on)",
    ),
    Case(
        "rule_stopped",
        hysteresis(stop=90, start=120, when='{p95: "<= 90"}'),
        hysteresis(stop=90, start=120, when='{p95: "<= 91"}'),
        "rules.NEW.hysteresis.p95.stop",
        "(down to 90 on)",
    ),
    Case(
        "rule_stays_stopped",
        hysteresis(stop=300, start=-1),
        hysteresis(stop=300, start=0),
        "rules.NEW.hysteresis.p95.start",
        "p95 lies in 0 and above, so it never comes back to -1",
    ),
    # -- time
    Case(
        "rule_too_late",
        rule('{p95: "> 100"}', more=", evidence: {over: 12}"),
        rule('{p95: "> 100"}', more=", evidence: {over: 11}"),
        "rules.NEW.evidence.over",
        "needs 12 iterations of evidence, and the last decision changes nothing",
        iterations=12,
    ),
    Case(
        "rule_too_late",
        rule('{p95: "> 100"}', more=", evidence: {over: 9}") + "\ngate: {warmup_iterations: 3}",
        rule('{p95: "> 100"}', more=", evidence: {over: 8}") + "\ngate: {warmup_iterations: 3}",
        "rules.NEW.evidence.over",
        "9 iterations of evidence, and 3 of warm-up before them",
        iterations=12,
    ),
    Case(
        "rule_too_late",
        rule('{p95: "> 100"}', more=", evidence: {over: 99}"),
        rule('{p95: "> 100"}', more=", evidence: {over: 99, early: true}"),
        "rules.NEW.evidence.over",
        "can never fire in a run of 12 iterations",
        iterations=12,
    ),
    Case(
        "rule_too_late",
        rule("{p95: {rising: 11}}"),
        rule("{p95: {rising: 10}}"),
        "rules.NEW.evidence.over",
        "12 iterations of evidence",
        iterations=12,
    ),
    # -- moves
    Case(
        "move_of_constant",
        rule('{p95: "> 100"}', "{port: {add: 1}}"),
        rule('{p95: "> 100"}', "{workers: {add: 1}}"),
        "rules.NEW.moves.port",
        "port never moves: it is a constant, 5432",
    ),
    Case(
        "move_too_small",
        rule('{p95: "> 100"}', "{wait_ms: {add: 0.49}}"),
        rule('{p95: "> 100"}', "{wait_ms: {add: 0.5}}"),
        "rules.NEW.moves.wait_ms",
        "wait_ms never moves by NEW: add 0.49 is less than a thousandth of its range",
    ),
    Case(
        "move_too_small",
        rule('{p95: "> 100"}', "{wait_ms: {mul: 1.0009}}"),
        rule('{p95: "> 100"}', "{wait_ms: {mul: 1.001}}"),
        "rules.NEW.moves.wait_ms",
        "mul 1.0009 is less than a thousandth of its range",
    ),
    Case(
        "move_too_small",
        rule('{p95: "> 100"}', "{wait_ms: {add: 20, max_factor: 1}}"),
        rule('{p95: "> 100"}', "{wait_ms: {add: 20, max_factor: 1, max_floor: 60}}"),
        "rules.NEW.moves.wait_ms",
        "max_factor 1 leaves nothing of the move",
    ),
    Case(
        "move_too_small",
        rule('{p95: "> 100"}', "{workers: {mul: 0.5, min_factor: 1}}"),
        rule('{p95: "> 100"}', "{workers: {mul: 0.5, min_factor: 0.9}}"),
        "rules.NEW.moves.workers",
        "min_factor 1 leaves nothing of the move",
    ),
    Case(
        "move_too_small",
        "parameters: {wait_ms: {cap_per_hour: 0.4}}",
        "parameters: {wait_ms: {cap_per_hour: 0.5}}",
        "rules.SHED.moves.wait_ms",
        "its cap_per_hour is less than a thousandth of its range",
    ),
    Case(
        "start_at_bound",
        "parameters: {wait_ms: {start: 5}}",
        "parameters: {wait_ms: {start: 6}}",
        "parameters.wait_ms.start",
        "wait_ms never moves: it starts at 5, its min, and every rule moves it down",
    ),
    Case(
        "start_at_bound",
        "parameters: {level: {start: 2}}",
        "parameters: {level: {start: 1.9}}",
        "parameters.level.start",
        "its max, and every rule moves it up",
    ),
    Case(
        "start_at_bound",
        "rules: {GROW: {moves: {level: {add: null, mul: 1.5}}}}",
        "rules: {GROW: {moves: {level: {add: null, mul: 1.5}}}}\n"
        "parameters: {level: {start: 0.1}}",
        "parameters.level.start",
        "level never moves: it starts at 0, and every rule multiplies it",
    ),
    # -- parameters and KPIs without a rule
    Case(
        "parameter_without_rule",
        "parameters: {spare: {path: pool, start: 1, min: 0, max: 2}}",
        "parameters: {spare: {path: pool, start: 1, min: 1, max: 1}}",
        "parameters.spare",
        "no rule moves spare, so it stays at its start, 1",
    ),
    Case(
        "kpi_without_rule",
        'gate: {criteria: {requests: ">= 100"}}',
        'gate: {criteria: {requests: {limit: ">= 100", optional: true}}}',
        "gate.criteria.requests",
        "requests is gated (>= 100), and no rule reads it",
    ),
    Case(
        "kpi_without_rule",
        'kpis: {more: totals.more}\ngate: {criteria: {more: "<= 1"}}',
        'gate: {criteria: {per_request: "<= 1"}}',  # a rule reads one of its parts
        "gate.criteria.more",
        "the tuner does nothing when it is beyond its limit",
    ),
    # -- the verdict
    Case(
        "verdict_never",
        'verdict: {fail: {cpu: ["< 0.1", "> 0.9"]}}',
        'verdict: {fail: {any: [{cpu: "< 0.01", p95: "> 5"}, {cpu: "> 0.95"}]}}',
        "verdict.fail.cpu",
        "no value of cpu is < 0.1 and > 0.9; comparisons in a list must hold together",
    ),
    Case(
        "verdict_never",
        'verdict: {warn: {blocked: "> 5"}}',
        'verdict: {warn: {blocked: "> 0.5"}}',
        "verdict.warn.blocked",
        "blocked lies in 0 to 1, where no value is > 5",
    ),
    Case(
        "verdict_always",
        'verdict: {warn: {any: [{requests: "> 10"}, {requests: "< 20"}]}}',
        'verdict: {warn: {any: [{requests: "> 20"}, {requests: "< 10"}]}}',
        "verdict.warn.any",
        "every iteration is WARN",
    ),
    Case(
        "warn_within_fail",
        'verdict: {warn: {p95: "> 400"}}',
        'verdict: {warn: {p95: ">= 400"}}',
        "verdict.warn.p95",
        "no iteration is WARN by p95 > 400: wherever it holds, verdict.fail holds too (p95 > 400)",
    ),
    Case(
        "fail_within_gate",
        'verdict: {fail: {cpu: "> 0.9"}}',
        'verdict: {fail: {cpu: "> 0.95"}}',
        "verdict.fail.cpu",
        "with cpu in 0.9 to 0.95 an iteration is FAIL, and 3 in a row are a panic, while the gate "
        "passes cpu <= 0.95",
    ),
    Case(
        "fail_within_gate",
        'verdict: {fail: {cpu: "> 0.9"}}\n'
        'gate: {criteria: {cpu: {warn: "<= 0.91", fail: "<= 0.99"}}}',
        'verdict: {fail: {cpu: "> 0.9"}}\n'
        'gate: {criteria: {cpu: {warn: "<= 0.9", fail: "<= 0.95"}}}',
        "verdict.fail.cpu",
        "with cpu in 0.9 to 0.91 an iteration is FAIL",
    ),
    # -- the gate
    Case(
        "criterion_never_passes",
        'gate: {criteria: {p95: {limit: "< 0"}}}\nverdict: null',
        'gate: {criteria: {p95: {limit: "< 100"}}}\nverdict: null',
        "gate.criteria.p95",
        "p95 can never PASS: it lies in 0 and above, where no value is < 0",
    ),
    Case(
        "criterion_never_fails",
        'gate: {criteria: {blocked: "<= 50"}}',
        'gate: {criteria: {blocked: "<= 0.50"}}',
        "gate.criteria.blocked",
        "blocked is always inside its limit <= 50: it lies in 0 to 1",
    ),
    # -- rules against the gate
    Case(
        "rule_weaker_than_gate",
        'gate: {criteria: {p95: "<= 90"}}',
        'gate: {criteria: {p95: "<= 100"}}',
        "rules.GROW.when.p95",
        "with p95 in 90 to 100 the gate's limit, <= 90, is not met, and no rule that aims at it "
        "fires: GROW begins at 100",
    ),
    Case(
        "rule_weaker_than_gate",
        'rules: {GROW: {evidence: {margin: {p95: {">": 30}}}}}',
        'rules: {GROW: {evidence: {margin: {p95: {">": 20}}}}}',
        "rules.GROW.when.p95",
        "GROW begins at 130, its margin included",
    ),
    Case(
        "rule_weaker_than_gate",
        rule('{requests: "< 5"}') + '\ngate: {criteria: {requests: ">= 9"}}',
        rule('{requests: "< 9"}') + '\ngate: {criteria: {requests: ">= 9"}}',
        "rules.NEW.when.requests",
        "with requests in 5 to 9 the gate's limit, >= 9, is not met",
    ),
]  # fmt: skip


def of(addition: str) -> str:
    """The base profile with more, by a second file that extends it."""
    return f"extends: base\n{addition}" if addition else BASE


def seen(addition: str, iterations: int | None = None) -> dict[tuple[str, str], str]:
    """Kind and key path of each warning to its text."""
    text = of(addition.replace("verdict: null", "verdict: {fail: null, warn: null}"))
    profile = resolve("short", files(short=text, base=BASE)).profile
    return {
        (item.kind, ".".join(item.path)): item.problem for item in warnings(profile, iterations)
    }


def test_the_base_has_none() -> None:
    assert seen("") == {}


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{place}-{case.kind}" for place, case in enumerate(CASES)]
)
def test_a_warning_and_the_profile_beside_it(case: Case) -> None:
    of_bad = seen(case.bad, case.iterations)
    assert [*of_bad] == [(case.kind, case.path)]
    assert case.words in of_bad[case.kind, case.path]
    assert seen(case.good, case.iterations) == {}


def test_every_kind_has_a_case() -> None:
    assert {case.kind for case in CASES} == {*get_args(Kind)}


def test_a_panic_moves_a_parameter_that_starts_at_its_bound() -> None:
    assert seen("parameters: {wait_ms: {start: 5}}") != {}
    safe = "extends: base\nwait_ms: 20"
    text = "extends: base\nparameters: {wait_ms: {start: 5}}\nguards: {panic: {revert_to: safe}}"
    profile = resolve("short", files(short=text, base=BASE, safe=safe)).profile
    assert warnings(profile) == ()


def test_a_verdict_on_a_course_does_not_hold_in_the_first_iterations() -> None:
    course = "{not: {p95: {rising: 2}, any: [{p95: {falling: 2}}, {cpu: '> 1'}]}}"
    assert seen(f"verdict: {{fail: {course}}}") == {}
    assert ("verdict_always", "verdict.fail.not") in seen(
        "verdict: {fail: {not: {p95: '> 2', any: [{p95: '< 1'}, {cpu: '> 1'}]}}}"
    )


def test_a_panic_moves_a_parameter_that_no_rule_moves() -> None:
    spare = "parameters: {spare: {path: pool, start: 1, min: 0, max: 9}}"
    safe = f"extends: base\n{spare.replace('start: 1', 'start: 7')}"
    text = f"extends: base\n{spare}\nguards: {{panic: {{revert_to: safe}}}}"
    (item,) = warnings(resolve("short", files(short=text, base=BASE, safe=safe)).profile)
    assert item.problem.endswith("stays at its start, 1, unless a panic sets it to 7")
    assert seen(spare)["parameter_without_rule", "parameters.spare"].endswith("at its start, 1")


def test_without_rules_nothing_must_be_aimed_at() -> None:
    text = """
parameters: {workers: {path: pool, type: int, start: 8, min: 1, max: 64}}
kpis: {p95: totals.p95}
gate: {criteria: {p95: "<= 120"}}
"""
    assert warnings(resolve("short", files(short=text)).profile) == ()


@pytest.mark.parametrize("name", known_profiles())
def test_the_shipped_profiles_have_two_parameters_for_proposers_alone(name: str) -> None:
    """``vip_tilt_cap`` and ``inventory_tilt_cap`` are there for a proposer of the user."""
    items = warnings(resolve(name, read_source).profile, 24)
    expected = {"inventory_tilt_cap", "vip_tilt_cap"}
    assert {item.kind for item in items} == {"parameter_without_rule"}
    assert {item.path[-1] for item in items} == expected


def test_a_warning_has_the_line_of_its_value() -> None:
    text = "extends: base\nrules:\n  NEW:\n    when: {p95: '< 0'}\n    moves: {workers: {add: 1}}\n"
    resolved = resolve("short", files(short=text, base=BASE))
    (item,) = placed_warnings(resolved.profile, resolved.places)
    assert item.place is not None
    assert (item.place.file, item.place.line) == ("/profiles/short.yaml", 4)
    assert item.document()["line"] == 4


def test_a_warning_about_a_missing_key_has_the_line_of_the_section() -> None:
    text = "extends: base\nrules:\n  NEW: {when: {p95: {rising: 9}}, moves: {workers: {add: 1}}}\n"
    resolved = resolve("short", files(short=text, base=BASE))
    (item,) = placed_warnings(resolved.profile, resolved.places, 5)
    assert item.warning.path == ("rules", "NEW", "evidence", "over")
    assert item.place is not None
    assert item.place.line == 3
