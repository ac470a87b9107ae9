"""Profiles that give little: what they get, and what their defaults become in a child."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pytest_soak.canonical import canonical_json
from pytest_soak.profile.build import build
from pytest_soak.profile.condition import Comparison, Condition
from pytest_soak.profile.defaults import DEFAULTS
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.model import Profile
from pytest_soak.profile.resolve import Resolved, Source, resolve, run_defaults
from pytest_soak.report.profile_text import profile_text
from pytest_soak.store.sources import read_source

SHORT = """
parameters:
  workers: {path: service, type: int, start: 8, min: 1, max: 64}
kpis: {p95_ms: totals.p95_ms, rate: totals.rate}
rules:
  GROW: {when: {p95_ms: "> 100"}, moves: {workers: {mul: 1.2}}}
gate:
  criteria: {p95_ms: "<= 120", rate: {production: ">= 5", mock: ">= 1"}}
"""


def files(**texts: str) -> Callable[[str, str | None], Source]:
    def read(reference: str, referrer: str | None) -> Source:
        if reference not in texts:
            return read_source(reference, referrer)
        return Source(reference, texts[reference].encode(), f"/profiles/{reference}.yaml")

    return read


def resolved(text: str = SHORT, **others: str) -> Resolved:
    return resolve("short", files(short=text, **others))


def short(addition: str = "", **others: str) -> Profile:
    return resolved(SHORT + addition, **others).profile


def test_the_defaults_are_the_values_of_the_shipped_profiles() -> None:
    document = resolve("market_maker", read_source).profile.document
    for section in ("guards", "gate"):
        for name, value in DEFAULTS[section].items():
            shipped = document[section][name]
            if name == "oscillation":  # the other exempt rules are those of that profile
                assert "ROLLBACK" in shipped["exempt"]
                shipped = {**shipped, "exempt": ["ROLLBACK"]}
            if isinstance(value, dict):
                shipped = {key: shipped[key] for key in value}
            assert shipped == value, f"{section}.{name}"
    own = short().gate
    shipped_gate = resolve("market_maker", read_source).profile.gate
    for name in ("pass_count_slack", "window", "pass_from"):
        assert getattr(own, name) == getattr(shipped_gate, name)


def test_a_short_profile_has_all_guards_but_the_freeze() -> None:
    guards = short().guards
    assert guards.freeze is None
    assert None not in (guards.cooldown, guards.oscillation, guards.attribution, guards.rollback)
    assert guards.panic is not None
    assert (guards.panic.revert_to, guards.panic.values) == ("short", {"workers": 8.0})


def test_an_iteration_beyond_a_limit_of_the_gate_warns_and_never_fails() -> None:
    verdict = short().verdict
    assert verdict.fail == ()
    assert verdict.warn == (
        Condition("p95_ms", comparisons=(Comparison(">", 120.0),)),
        Condition("rate", comparisons=(Comparison("<", 5.0),)),
    )


def warned_of(text: str) -> list[str]:
    warn = resolved(text).profile.document["verdict"]["warn"]
    return [f"{kpi} {condition}" for kpi, condition in warn.items()]


@pytest.mark.parametrize(
    ("criterion", "beyond"),
    [
        ('{limit: "<= 7", statistic: max}', "> 7"),
        ('{fail: "<= 7", warn: "<= 5"}', "> 5"),
        ('{warn: ">= 5"}', "< 5"),
        ('{limit: ">= 7", share: 0.9, optional: true}', "< 7"),
        ('{limit: "<= 7", relative_to: warmup, ratio: 0.1}', "> 7"),
    ],
)
def test_the_limit_of_any_form_of_a_criterion_warns(criterion: str, beyond: str) -> None:
    text = SHORT.replace("rate: {production", f"queue: {criterion}, rate: {{production")
    text = text.replace("rate: totals.rate", "rate: totals.rate, queue: totals.queue")
    text = text.replace("gate:\n", "gate:\n  warmup_iterations: 24\n")
    assert f"queue {beyond}" in warned_of(text)


def test_two_limits_of_a_criterion_warn_of_nothing() -> None:
    text = SHORT.replace('p95_ms: "<= 120"', 'p95_ms: [">= 10", "<= 120"]')
    assert warned_of(text) == ["rate < 5"]


def test_a_verdict_of_its_own_replaces_the_one_by_the_gate() -> None:
    verdict = short("verdict: {fail: {p95_ms: '> 900'}}\n").verdict
    assert (len(verdict.fail), verdict.warn) == (1, ())


def test_the_stored_document_has_the_defaults_so_it_needs_none() -> None:
    profile = short()
    stored = json.loads(canonical_json(profile.document))
    assert build(stored) == profile
    assert stored["guards"]["rollback"] == DEFAULTS["guards"]["rollback"]
    assert stored["verdict"]["warn"] == {"p95_ms": "> 120", "rate": "< 5"}
    del stored["guards"]["rollback"]
    assert build(stored).guards.rollback is None, "what a stored run lacks is not filled in"


def test_a_small_window_has_counts_that_fit() -> None:
    gate = short().gate
    small = resolved(SHORT.replace("gate:\n", "gate:\n  window: 4\n")).profile.gate
    assert (gate.window, gate.pass_count_slack) == (8, 2)
    assert (small.window, small.pass_count_slack) == (4, 2)
    assert gate.freeze_ready_pass_count is None, "it is judged only where a profile declares it"


def test_null_switches_a_default_off() -> None:
    guards = short("guards: {rollback: null, panic: null}\n").guards
    assert (guards.rollback, guards.panic) == (None, None)
    with pytest.raises(
        ProfileError, match=r"guards\.rolback: null removes an inherited entry; did"
    ):
        short("guards: {rolback: null}\n")


def test_a_child_panics_to_its_own_start_and_warns_by_its_own_limits() -> None:
    child = "extends: short\nworkers: 12\ngate: {criteria: {p95_ms: '<= 80'}}\n"
    profile = resolve("child", files(short=SHORT, child=child)).profile
    assert profile.guards.panic is not None
    assert (profile.guards.panic.revert_to, profile.guards.panic.values) == (
        "child",
        {"workers": 12.0},
    )
    assert profile.verdict.warn[0] == Condition("p95_ms", comparisons=(Comparison(">", 80.0),))


def test_a_child_adds_to_a_kpi_in_its_short_form() -> None:
    child = "extends: short\nkpis: {p95_ms: {unit: ms}, rate: totals.per_s}\n"
    kpis = resolve("child", files(short=SHORT, child=child)).profile.kpis
    assert (kpis["p95_ms"].read, kpis["p95_ms"].unit) == (("totals", "p95_ms"), "ms")
    assert kpis["rate"].read == ("totals", "per_s")


def test_without_better_a_gated_kpi_is_better_on_the_side_of_its_limit() -> None:
    kpis = short("").kpis
    assert (kpis["p95_ms"].better, kpis["rate"].better) == ("down", "up")
    own = SHORT.replace("p95_ms: totals.p95_ms", "p95_ms: {read: totals.p95_ms, better: none}")
    assert resolved(own).profile.kpis["p95_ms"].better == "none"


def test_description_and_tags_are_those_of_the_file_itself() -> None:
    about = "description: of the shop\ntags: [web, fast]\nx-team: {any: [1]}\n"
    profile = short(about)
    assert (profile.document["description"], profile.document["tags"]) == (
        "of the shop",
        ["web", "fast"],
    )
    assert "x-team" not in profile.document
    text = profile_text(profile, {})
    assert "  of the shop\n  tags: web, fast\n" in text
    child = resolve("child", files(short=SHORT + about, child="extends: short\n")).profile
    assert not {"description", "tags"} & child.document.keys()


def test_a_profile_without_parameters_and_rules_says_so() -> None:
    text = profile_text(resolved(GATE_ONLY).profile, {})
    assert "parameters\n  none: the gate alone judges\n\nrules\n  none\n" in text


GATE_ONLY = "kpis: {p95_ms: totals.p95_ms}\ngate: {criteria: {p95_ms: '<= 120'}}\n"


def test_the_nearest_file_of_the_chain_says_how_it_is_run() -> None:
    texts = {
        "short": SHORT + "run: {interval: 5, iterations: 9, target: live}\n",
        "child": "extends: short\nrun: {interval: 60, target: null}\n",
    }
    defaults = run_defaults("child", files(**texts))
    assert {name: (item.value, item.file) for name, item in defaults.items()} == {
        "interval": (60.0, "/profiles/child.yaml"),
        "iterations": (9, "/profiles/short.yaml"),
    }
    assert resolve("child", files(**texts)).profile.document.keys().isdisjoint({"run"})


def test_constants_are_numbers_once_the_profile_is_resolved() -> None:
    text = SHORT.replace("> 100", "> $slow").replace("<= 120", "<= $slow")
    base = text + "constants: {slow: 100, step: 2}\nguards: {hold_last: $step}\n"
    child = "extends: short\nconstants: {slow: 80}\n"
    profile = resolve("child", files(short=base, child=child)).profile
    (condition,) = profile.rules[0].when
    assert condition == Condition("p95_ms", comparisons=(Comparison(">", 80.0),))
    assert (profile.gate.criteria[0].production, profile.guards.hold_last) == (
        Comparison("<=", 80.0),
        2,
    )
    assert "constants" not in profile.document


MISTAKES: list[tuple[str, str]] = [
    ("constants: {slow: fast}", "constants.slow: 'fast' is not a finite number"),
    (
        "constants: {slow: 1}\nverdict: {fail: {p95_ms: '> $slwo'}}",
        "verdict.fail.p95_ms: unknown constant 'slwo'; did you mean 'slow'?",
    ),
    ("verdict: {fail: {p95_ms: '> $slow'}}", "unknown constant 'slow'; there is none"),
    ("run: {interval: 0}", "run.interval: 0 is not above 0"),
    ("run: {iterations: 1.5}", "run.iterations: 1.5 is not a whole number"),
    ("run: {intervall: 5}", "run.intervall: unknown field; did you mean 'interval'?"),
    ("description: 5", "description: 5 is not a text; put it in quotes"),
    ("tags: web", "tags: 'web' is not a list"),
    ("y-owner: 1", "y-owner: unknown key"),
    ("parameters: {run: {path: a, start: 1, min: 0, max: 2}}", "parameters.run: this name has a"),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_a_mistake_is_refused_with_its_place(text: str, expected: str) -> None:
    base = SHORT if "parameters" not in text else GATE_ONLY
    with pytest.raises(ProfileError) as caught:
        resolved(base + text + "\n")
    assert expected in str(caught.value)


MOVES: list[tuple[dict[str, Any], str]] = [
    ({"workers": {"set": 100}}, "moves.workers.set: 100 is outside 1 to 64"),
    ({"workers": {"set": 1.5}}, "moves.workers.set: 1.5 is not allowed; allowed: 1 to 64, whole"),
    ({"mode": {"set": "quick"}}, "set: 'quick' is not allowed; allowed: one of slow, fast"),
    ({"mode": {"add": 1}}, "moves.mode.add: mode is no number; it moves by 'set' or 'step'"),
    ({"share": {"step": 1}}, "moves.share.step: share has no steps; it moves by 'add' or 'mul'"),
    ({"mode": {"step": 0}}, "moves.mode.step: step 0 moves nothing"),
    ({"mode": {"step": 0.5}}, "moves.mode.step: 0.5 is not a whole number"),
    (
        {"workers": {"proportional": {"to_excess_of": "rate", "gain": 1}}},
        "proportional.to_excess_of: needs one comparison of rate in 'when'; there are 0",
    ),
    (
        {"workers": {"proportional": {"to_excess_of": "p95_ms", "gain": 0}}},
        "moves.workers.proportional: proportional 0 moves nothing",
    ),
    ({"workers": {"set": 9, "snap": 0.1}}, "snap: belongs to a move toward_start only"),
]


@pytest.mark.parametrize(("moves", "expected"), MOVES)
def test_a_mistake_in_a_move_is_refused(moves: dict[str, Any], expected: str) -> None:
    more = (
        "  mode: {path: service, type: choice, choices: [slow, fast], start: slow}\n"
        "  share: {path: service, start: 0.5, min: 0, max: 1}\n"
    )
    text = SHORT.replace("kpis:", more + "kpis:").replace(
        "{workers: {mul: 1.2}}", json.dumps(moves)
    )
    with pytest.raises(ProfileError) as caught:
        resolved(text)
    assert expected in str(caught.value)


def test_the_words_of_the_moves() -> None:
    proportional = "{proportional: {to_excess_of: p95_ms, gain: 2}}"
    moves = f"{{mode: {{step: -2}}, jit: {{set: true}}, workers: {proportional}}}"
    more = (
        "  mode: {path: service, type: choice, choices: [a, b, c], start: c}\n"
        "  jit: {path: service, type: bool, start: false}\n"
    )
    text = SHORT.replace("kpis:", more + "kpis:").replace("{workers: {mul: 1.2}}", moves)
    shown = profile_text(resolved(text).profile, {})
    assert "jit = true, mode -2 steps, workers +2 x excess of p95_ms" in shown
