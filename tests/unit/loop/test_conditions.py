"""Conditions: what holds, what does not, and what is unknown; in figures, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_soak.loop.conditions import Evaluation, Facts, Truth, condition_text, evaluate
from pytest_soak.loop.model import Reading, Readings
from pytest_soak.profile.condition import AnyOf, Comparison, Condition, Not, When
from pytest_soak.profile.conditions import Names, conditions
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.kpi import Kpi
from pytest_soak.profile.parameter import Parameter

HOLDS, FAILS, UNKNOWN, TOO_EARLY = Truth.HOLDS, Truth.FAILS, Truth.UNKNOWN, Truth.TOO_EARLY


def parameter(key: str, **fields: Any) -> Parameter:
    given = {"start": 8.0, "minimum": 0.0, "maximum": 64.0, "cap_per_hour": 64.0, "safer": "down"}
    return Parameter(key, ("service", key), "", **{**given, **fields})


PARAMETERS = {
    "workers": parameter("workers", kind="int", step=1.0),
    "mode": parameter("mode", kind="choice", step=1.0, choices=("slow", "normal", "fast")),
    "jit": parameter("jit", kind="bool", step=1.0, choices=(False, True)),
}
NAMES = Names({name: Kpi(name, "", "none") for name in ("p95", "errors")}, PARAMETERS)


def parsed(text: dict[str, Any]) -> tuple[When, ...]:
    return conditions(text, NAMES, ("when",))


def condition_of(text: dict[str, Any]) -> When:
    (condition,) = parsed(text)
    return condition


def series(*values: float | None) -> list[Readings]:
    return [{} if value is None else {"p95": Reading(value, "x")} for value in values]


def result(
    text: dict[str, Any],
    figures: dict[str, float] | None = None,
    *,
    unknown_first: bool = False,
    **facts: Any,
) -> Evaluation:
    values = {"workers": 8.0, "mode": 1.0, "jit": 0.0}
    given = Facts(figures or {}, parameters=PARAMETERS, **{"values": values, **facts})
    return evaluate(condition_of(text), given, unknown_first=unknown_first)


HIGH, LOW = {"p95": "> 400"}, {"errors": "> 0.01"}
CASES: list[tuple[dict[str, Any], dict[str, float], Truth, str]] = [
    ({"any": [HIGH, LOW]}, {"p95": 500, "errors": 0}, HOLDS, "p95 500 > 400"),
    (
        {"any": [HIGH, LOW]},
        {"p95": 300, "errors": 0},
        FAILS,
        "p95 300 is not > 400 and errors 0 is not > 0.01",
    ),
    (
        {"any": [{**HIGH, **LOW}, {"p95": "< 1"}]},
        {"p95": 500, "errors": 1},
        HOLDS,
        "errors 1 > 0.01 and p95 500 > 400",
    ),
    ({"not": HIGH}, {"p95": 300}, HOLDS, "p95 300 is not > 400"),
    ({"not": HIGH}, {"p95": 500}, FAILS, "p95 500 > 400, which must not be"),
    ({"not": {"any": [HIGH, LOW]}}, {"p95": 500}, FAILS, "p95 500 > 400, which must not be"),
    ({"not": {"not": HIGH}}, {"p95": 500}, HOLDS, "p95 500 > 400, which must not be"),
    ({"p95": {"between": [100, 200]}}, {"p95": 150}, HOLDS, ">= 100 and <= 200"),
    ({"p95": {"between": [100, 200]}}, {"p95": 250}, FAILS, "p95 250 is not <= 200"),
    ({"parameter": {"workers": "< 40"}}, {}, HOLDS, "workers 8 < 40"),
    ({"parameter": {"workers": ["> 8", "< 40"]}}, {}, FAILS, "workers 8 is not > 8"),
    ({"parameter": {"mode": "normal"}}, {}, HOLDS, "mode is normal"),
    ({"parameter": {"mode": ["slow", "fast"]}}, {}, FAILS, "mode is normal, not slow or fast"),
    ({"parameter": {"jit": False}}, {}, HOLDS, "jit is false"),
]


@pytest.mark.parametrize(("text", "figures", "truth", "words"), CASES)
def test_a_condition_and_its_words(
    text: dict[str, Any], figures: dict[str, float], truth: Truth, words: str
) -> None:
    answer = result(text, figures)
    assert (answer.truth, answer.holds, answer.text) == (truth, truth is HOLDS, words)


@pytest.mark.parametrize(
    "text",
    [
        HIGH,
        {"p95": {"between": [1, 2]}},
        {"p95": {"rising": 1}},
        {"p95": {"falling": 2}},
        {"any": [HIGH, LOW]},
        {"any": [HIGH, {"errors": "> 5"}]},
        {"parameter": {"nothing": "> 1"}},
    ],
)
def test_unknown_is_not_true_and_neither_is_its_opposite(text: dict[str, Any]) -> None:
    if "parameter" in text:
        text = {"parameter": {"workers": "> 1"}}
        facts: dict[str, Any] = {"values": {}}
    else:
        facts = {}
    figures = {"errors": 0.0} if "any" in text else {}
    for condition in (text, {"not": text}):
        for unknown_first in (False, True):
            answer = result(condition, figures, unknown_first=unknown_first, **facts)
            assert (answer.truth, answer.holds) == (UNKNOWN, False)
            assert "has no" in answer.text


def test_any_holds_if_an_option_does_whatever_the_others_are() -> None:
    answer = result({"any": [HIGH, LOW]}, {"errors": 1.0})
    assert (answer.truth, answer.kpis) == (HOLDS, ("errors",))


def test_not_of_several_holds_if_one_of_them_fails() -> None:
    answer = result({"not": {**HIGH, **LOW}}, {"errors": 0.0})
    assert (answer.truth, answer.text) == (HOLDS, "errors 0 is not > 0.01")


@pytest.mark.parametrize(
    ("values", "truth"),
    [
        ((1, 2, 3), HOLDS),
        ((5, 1, 2, 3), HOLDS),
        ((1, 2, 2), FAILS),
        ((3, 2, 1), FAILS),
        ((2, 3), UNKNOWN),
        ((1, None, 3), UNKNOWN),
    ],
)
def test_rising_is_from_each_iteration_to_the_next(
    values: Sequence[float | None], truth: Truth
) -> None:
    assert result({"p95": {"rising": 2}}, recent=series(*values)).truth is truth
    mirrored = series(*(None if value is None else -value for value in values))
    assert result({"p95": {"falling": 2}}, recent=mirrored).truth is truth


def test_the_words_of_a_course_have_its_figures() -> None:
    rose = result({"p95": {"rising": 2}}, recent=series(1, 2, 3))
    assert rose.sentence == "p95 1 -> 2 -> 3 rising for 2 iterations"
    fell = result({"p95": {"rising": 1}}, recent=series(3, 2))
    assert fell.text == "p95 3 -> 2 is not rising for 1 iteration"
    few = result({"p95": {"rising": 2}}, recent=series(3))
    assert few.text == "p95 has no data in each of the last 3 iterations"


@pytest.mark.parametrize(
    ("figure", "truth"), [(15, HOLDS), (15.1, FAILS), (4.9, FAILS), (5, HOLDS)]
)
def test_both_sides_of_the_first_mean(figure: float, truth: Truth) -> None:
    text = {"p95": {"at_least": 0.5, "at_most": 1.5, "of_first": 4}}
    answer = result(text, {"p95": figure}, firsts={("p95", 4): 10.0})
    assert answer.truth is truth
    if truth is FAILS:
        side = "more than 1.5" if figure > 15 else "less than 0.5"
        assert answer.text == f"p95 {figure:g} is {side} of its first 4, 10"


OF_FIRST = {"p95": {"at_most": 1.5, "of_first": 4}}


@pytest.mark.parametrize("text", [OF_FIRST, {"not": OF_FIRST}], ids=["plain", "not"])
def test_a_first_mean_that_is_not_known_yet_permits_but_does_not_prove(
    text: dict[str, Any],
) -> None:
    permitted = result(text, {"p95": 1.0}, unknown_first=True)
    assert (permitted.truth, permitted.holds) == (TOO_EARLY, True)
    assert not result(text, {"p95": 1.0}, unknown_first=False).holds


def test_conditions_in_words() -> None:
    text = {
        "any": [{"p95": ["> 400", "< 900"]}, {"errors": {"rising": 2}, "p95": "> 1"}],
        "not": {"p95": {"at_least": 0.5, "at_most": 2, "of_first": 4}},
        "parameter": {"jit": True, "mode": ["slow", "fast"], "workers": "< 40"},
    }
    assert [condition_text(item, PARAMETERS) for item in parsed(text)] == [
        "any of (p95 > 400 and < 900; errors rising for 2 iterations and p95 > 1)",
        "not (p95 >= 0.5 of its first 4 and <= 2 of its first 4)",
        "jit is true",
        "mode is slow or fast",
        "workers < 40",
    ]


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"any": []}, "when.any: is empty; needs two alternatives at least"),
    ({"any": [HIGH]}, "when.any: has 1 item; needs two alternatives at least"),
    ({"any": HIGH}, "when.any: a mapping is not a list; needs two alternatives at least"),
    ({"any": [HIGH, {"p59": "> 1"}]}, "when.any.1.p59: unknown KPI 'p59'; did you mean 'p95'?"),
    ({"not": {}}, "when.not: is empty; needs a condition at least"),
    ({"parameter": {}}, "when.parameter: is empty; needs a parameter at least"),
    (
        {"parameter": {"worker": "> 1"}},
        "when.parameter.worker: unknown parameter 'worker'; did you mean 'workers'?",
    ),
    ({"parameter": {"workers": 8}}, 'when.parameter.workers: 8 is no comparison such as "< 40"'),
    (
        {"parameter": {"mode": "> slow"}},
        "when.parameter.mode: '> slow' is not allowed; allowed: one of slow, normal, fast",
    ),
    ({"p95": {"between": [2, 1]}}, "when.p95.between: 2 is not below 1"),
    ({"p95": {"between": [2]}}, "when.p95.between: has 1 item; needs 2"),
    (
        {"p95": {"rising": 1, "falling": 1}},
        "when.p95: a limit has one of between, of_first, rising, falling; here is rising",
    ),
    ({"p95": {"at_most": 1}}, "when.p95.at_most: needs 'of_first', the number of the first"),
    ({"p95": {"of_first": 4}}, "when.p95: of_first needs 'at_least' or 'at_most', a share of the"),
    ({"p95": {"raising": 1}}, "when.p95.raising: unknown field; did you mean 'rising'?"),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_a_mistake_is_refused_with_its_place(text: dict[str, Any], expected: str) -> None:
    with pytest.raises(Invalid) as caught:
        parsed(text)
    assert f"{'.'.join(caught.value.path)}: {caught.value.problem}".startswith(expected)


# -- statements over drawn conditions ------------------------------------------------------------

LEAVES = st.builds(
    lambda kpi, op, limit: Condition(kpi, comparisons=(Comparison(op, float(limit)),)),
    st.sampled_from(["p95", "errors"]),
    st.sampled_from(["<", "<=", ">", ">="]),
    st.integers(-2, 2),
) | st.builds(lambda n: Condition("p95", rising=n), st.integers(1, 2))
CONDITIONS: st.SearchStrategy[When] = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(lambda items: Not(tuple(items)), st.lists(inner, min_size=1, max_size=3))
        | st.builds(
            lambda options: AnyOf(tuple(map(tuple, options))),
            st.lists(st.lists(inner, min_size=1, max_size=2), min_size=2, max_size=3),
        )
    ),
    max_leaves=6,
)
NUMBERS = st.none() | st.integers(-3, 3).map(float)


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    drawn = {kpi: draw(NUMBERS) for kpi in ("p95", "errors")}
    return Facts(
        {kpi: value for kpi, value in drawn.items() if value is not None},
        recent=series(*draw(st.lists(NUMBERS, max_size=3))),
    )


def truth_of(condition: When, on: Facts) -> Truth:
    return evaluate(condition, on, unknown_first=False).truth


@settings(max_examples=300, deadline=None)
@given(CONDITIONS, facts())
def test_twice_not_is_the_condition_itself(condition: When, on: Facts) -> None:
    assert truth_of(Not((Not((condition,)),)), on) is truth_of(condition, on)


@settings(max_examples=300, deadline=None)
@given(st.lists(CONDITIONS, min_size=2, max_size=4), facts())
def test_not_any_is_all_not(options: list[When], on: Facts) -> None:
    not_any = truth_of(Not((AnyOf(tuple((item,) for item in options)),)), on)
    opposites = [truth_of(Not((item,)), on) for item in options]
    expected = FAILS if FAILS in opposites else UNKNOWN if UNKNOWN in opposites else HOLDS
    assert not_any is expected


@settings(max_examples=300, deadline=None)
@given(CONDITIONS, facts())
def test_data_that_come_never_change_what_was_known(condition: When, on: Facts) -> None:
    """What holds, or fails, with KPIs unknown does so whatever their values are."""
    before = truth_of(condition, on)
    if before is UNKNOWN:
        return
    full = Facts({"p95": 0.0, "errors": 0.0, **on.figures}, recent=on.recent)
    assert truth_of(condition, full) is before


@settings(max_examples=200, deadline=None)
@given(CONDITIONS, facts())
def test_every_result_has_words_and_names_only_kpis_of_the_condition(
    condition: When, on: Facts
) -> None:
    answer = evaluate(condition, on, unknown_first=True)
    assert answer.sentence
    assert set(answer.kpis) <= {"p95", "errors"}
    assert condition_text(condition, {})
