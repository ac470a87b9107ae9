"""Conditions that can never hold never do, and those that always hold always do.

Both are compared with the evaluation of the loop, on drawn conditions and drawn values.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_soak.loop.conditions import Facts, evaluate
from pytest_soak.loop.model import Reading
from pytest_soak.profile import outcomes
from pytest_soak.profile.condition import (
    AnyOf,
    Comparison,
    Condition,
    Not,
    Operator,
    ParameterCondition,
    When,
)
from pytest_soak.profile.intervals import Interval
from pytest_soak.profile.outcomes import Space, Way, always_hold, can_hold
from pytest_soak.profile.parameter import Parameter

OPS: tuple[Operator, ...] = ("<", "<=", ">", ">=")
LIMITS = st.sampled_from([-1.0, 0.0, 1.0, 2.0, 3.0, 4.0])


def parameter(key: str, **fields: Any) -> Parameter:
    return Parameter(key, ("s", key), "", cap_per_hour=1.0, safer="down", **fields)


TABLE = {
    "workers": parameter("workers", start=1.0, minimum=1.0, maximum=3.0, kind="int", step=1.0),
    "wait": parameter("wait", start=1.0, minimum=0.5, maximum=2.5),
    "mode": parameter(
        "mode",
        start=0.0,
        minimum=0.0,
        maximum=2.0,
        kind="choice",
        step=1.0,
        choices=("a", "b", "c"),
    ),
}
EXTENTS = {"x": Interval(0.0, 3.0), "y": Interval(low=1.0)}
SPACE = Space(EXTENTS, TABLE)

VALUES = {"x": [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0], "y": [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5]}
"""Enough of the values in the extents: one at each limit and one between any two."""
OF_PARAMETERS = {
    "workers": [1.0, 2.0, 3.0],
    "wait": [0.5, 1.0, 1.5, 2.0, 2.5],
    "mode": [0.0, 1.0, 2.0],
}

comparisons = st.builds(
    Comparison, st.sampled_from(OPS), LIMITS, st.sampled_from([0.0, 0.0, 0.0, 0.25])
)
plain = st.one_of(
    st.builds(
        Condition,
        st.sampled_from(["x", "y"]),
        st.lists(comparisons, min_size=1, max_size=3).map(tuple),
    ),
    st.builds(
        ParameterCondition,
        st.sampled_from(["workers", "wait"]),
        st.lists(comparisons, min_size=1, max_size=2).map(tuple),
    ),
    st.builds(
        ParameterCondition,
        st.just("mode"),
        st.just(()),
        st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=1, max_size=3).map(tuple),
    ),
)
of_past = st.one_of(
    st.builds(lambda kpi, n: Condition(kpi, rising=n), st.sampled_from("xy"), st.integers(1, 2)),
    st.builds(lambda kpi, n: Condition(kpi, falling=n), st.sampled_from("xy"), st.integers(1, 2)),
    st.builds(
        lambda kpi, share: Condition(kpi, share_of_first=(share, 2)),
        st.sampled_from("xy"),
        st.sampled_from([0.5, 1.5]),
    ),
)


def nested(leaves: st.SearchStrategy[When]) -> st.SearchStrategy[When]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(Not, st.lists(inner, min_size=1, max_size=2).map(tuple)),
            st.builds(
                AnyOf,
                st.lists(
                    st.lists(inner, min_size=1, max_size=2).map(tuple), min_size=2, max_size=3
                ).map(tuple),
            ),
        ),
        max_leaves=6,
    )


def holds(conditions: Sequence[When], facts: Facts, *, unknown_first: bool = True) -> bool:
    return all(
        evaluate(item, facts, unknown_first=unknown_first, margin=True).holds for item in conditions
    )


figures = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in VALUES.items()}
)
in_force = st.fixed_dictionaries(
    {name: st.sampled_from(values) for name, values in OF_PARAMETERS.items()}
)


def readings(values: dict[str, float]) -> dict[str, Reading]:
    return {name: Reading(value, "r") for name, value in values.items()}


course = st.lists(figures.map(readings), max_size=4)
firsts = st.dictionaries(
    st.tuples(st.sampled_from("xy"), st.just(2)), st.sampled_from([0.0, 1.0, 3.0])
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(nested(st.one_of(plain, of_past)), min_size=1, max_size=4),
    st.data(),
    st.booleans(),
)
def test_what_can_never_hold_holds_for_no_values(
    conditions: list[When], data: st.DataObject, unknown_first: bool
) -> None:
    if can_hold(conditions, SPACE):
        return
    for _ in range(8):
        facts = Facts(
            data.draw(figures), data.draw(firsts), data.draw(course), data.draw(in_force), TABLE
        )
        assert not holds(conditions, facts, unknown_first=unknown_first)


def in_force_once() -> list[dict[str, float]]:
    every = product(*OF_PARAMETERS.values())
    return [dict(zip(OF_PARAMETERS, values, strict=True)) for values in every]


@settings(max_examples=60, deadline=None)
@given(st.lists(nested(plain), min_size=1, max_size=3))
def test_what_is_reported_is_exact_without_conditions_on_the_past(conditions: list[When]) -> None:
    every = [
        holds(conditions, Facts({"x": x, "y": y}, values=values, parameters=TABLE))
        for x, y in product(*VALUES.values())
        for values in in_force_once()
    ]
    if not can_hold(conditions, SPACE):
        assert not any(every)
    if always_hold(conditions, SPACE):
        assert all(every)
    has_margin = "margin=0.25" in repr(conditions)
    if not has_margin:  # the drawn values lie at every limit, and between any two
        assert can_hold(conditions, SPACE) == any(every)
        assert always_hold(conditions, SPACE) == all(every)


@settings(max_examples=200, deadline=None)
@given(st.lists(nested(st.one_of(plain, of_past)), min_size=1, max_size=3), st.data())
def test_what_always_holds_holds_for_all_values(
    conditions: list[When], data: st.DataObject
) -> None:
    if not always_hold(conditions, SPACE):
        return
    of_each = st.fixed_dictionaries({name: st.sampled_from(item) for name, item in VALUES.items()})
    iterations = st.lists(of_each.map(readings), max_size=4)
    for _ in range(8):
        facts = Facts(data.draw(of_each), {}, data.draw(iterations), data.draw(in_force), TABLE)
        assert holds(conditions, facts)


def test_too_many_ways_count_as_possible() -> None:
    sixty = AnyOf(
        tuple((Condition("x", (Comparison(">", number / 100),)),) for number in range(60))
    )
    assert can_hold([sixty] * 4, SPACE)
    assert not always_hold([Not((sixty,))] * 4, SPACE)
    never = Condition("x", (Comparison("<", 0.0),))
    assert not can_hold([sixty, sixty, sixty, never], SPACE)


def test_the_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    merges: list[Way] = []
    merged = outcomes._merged

    def counted(first: Way, second: Way) -> Way:
        merges.append(first)
        return merged(first, second)

    monkeypatch.setattr(outcomes, "_merged", counted)
    alternatives = AnyOf(
        tuple(
            (
                Condition("x", (Comparison(">", 1.0 + number / 1e6),)),
                Condition("y", (Comparison("<", 3.0),)),
            )
            for number in range(10_000)
        )
    )
    assert can_hold([alternatives] * 3, SPACE)
    assert not always_hold([alternatives], SPACE)
    assert can_hold([Not((alternatives,))], SPACE)
    assert len(merges) < 100_000


def test_the_course_of_the_first_iterations_is_unknown() -> None:
    course = Condition("x", rising=2), Condition("x", falling=2)
    assert not can_hold(course, SPACE)
    assert not always_hold([Not(course)], SPACE)
    assert not holds([Not(course)], Facts({"x": 1.0}))


def test_a_condition_on_the_past_hides_no_contradiction() -> None:
    past = Not((Condition("x", rising=2),))
    limits = [Condition("x", (Comparison(">", 2.0),)), Condition("x", (Comparison("<", 1.0),))]
    assert not can_hold([past, *limits], SPACE)
    assert can_hold([past, limits[0]], SPACE)
