"""From a sample report to figures, limits and parameters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_soak.profile.layers import KNOWN
from pytest_soak.profile.resolve import Source, resolve
from pytest_soak.starter.draft import MOST_KPIS, Draft, draft_of, proposed_limit
from pytest_soak.starter.fields import ECHOES, sample_of
from pytest_soak.starter.profile_lines import profile_text

REPORT: dict[str, Any] = {
    "totals": {"p95_ms": 41.3, "tps": 20, "name": "x", "on": True, "spare": None},
    "routes": [{"p99": 7}],
    "config": {"pool": {"size": 4, "wait_s": 0.5}, "jit": True, "mode": "fast"},
    "applied_seq": 9,
    "from_unix": 1.0,
}


def drafted(report: dict[str, Any]) -> Draft:
    return draft_of(sample_of(report))


def test_every_number_is_a_kpi_and_nothing_else() -> None:
    figures = {figure.name: figure.path for figure in drafted(REPORT).figures}
    assert figures == {
        "p95_ms": ("totals", "p95_ms"),
        "tps": ("totals", "tps"),
        "routes_0_p99": ("routes", 0, "p99"),
        "spare": ("totals", "spare"),  # null now, a figure at other times
    }


def test_limits_are_proposed_where_the_direction_is_clear() -> None:
    limits = {figure.name: figure.limit for figure in drafted(REPORT).figures}
    assert limits == {"p95_ms": "<= 62", "tps": ">= 10", "routes_0_p99": "", "spare": ""}


def test_without_a_clear_name_the_first_kpi_has_a_limit_to_edit() -> None:
    first, second = drafted({"a": 3, "b": 4}).figures
    assert (first.limit, first.better) == ("<= 4.5", "")
    assert second.limit == ""
    (empty,) = drafted({"a": None}).figures
    assert empty.limit == "<= 1"


def test_a_report_without_numbers_has_no_figures() -> None:
    assert drafted({"a": "text", "b": [True, {"c": {}}], "seq": 3}).figures == ()


@pytest.mark.parametrize(
    ("value", "better", "limit"),
    [
        (41.3, "down", "<= 62"),
        (0.0, "down", "<= 0.01"),
        (-4.0, "down", "<= -2"),
        (250.0, "up", ">= 120"),
        (-4.0, "up", ">= -6"),
        (0.0, "up", ""),  # more than nothing would always hold
        (1e9, "down", "<= 1500000000"),
        (1e-7, "down", "<= 1.5e-07"),
        (1e100, "down", "<= 1.5e+100"),
        (5.0, "", ""),
        (None, "down", ""),
    ],
)
def test_a_limit(value: float | None, better: str, limit: str) -> None:
    assert proposed_limit(value, better) == limit


def test_the_echo_gives_parameters_that_start_where_they_are() -> None:
    draft = drafted(REPORT)
    assert draft.parameters == {
        "size": {
            "path": "pool",
            "type": "int",
            "start": 4,
            "min": 1,
            "max": 16,
            "cap_per_hour": 7,
        },
        "wait_s": {"path": "pool", "start": 0.5, "min": 0.125, "max": 2.0, "cap_per_hour": 0.938},
        "jit": {"type": "bool", "start": True},
    }


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"max-size": 4}, "config.max-size"),
        *(({name: 4}, "meaning of its own") for name in KNOWN if name not in ECHOES),
        ({"tuner": {"x": 4}, "tuner_delta": 1}, "tuner_delta: its name has a meaning"),
        ({"soak": {"x": 4}, "y_delta": 1}, "y_delta: its name has a meaning"),
        ({"a": {"x": 1}, "b": {"x": 2}}, "another parameter has its name"),
        ({"a": {"x": 1}, "b": {"a": 2}}, "meaning of its own"),
        ({"x": 1e30}, "too large"),
        ({f"x{place}": 1 for place in range(51)}, "50 parameters"),
    ],
)
def test_a_setting_that_cannot_be_a_parameter_is_named(config: Any, problem: str) -> None:
    draft = drafted({"tps": 1, "config": config})
    assert len(draft.left_out) == 1
    assert problem.removeprefix("config.") in draft.left_out[0]


@pytest.mark.parametrize("start", [0, -3, 1, 7, 0.25, -0.5, 1e14, -1e14, 1e-300])
def test_a_start_value_is_within_its_bounds(start: float) -> None:
    ((_, fields),) = drafted({"tps": 1, "config": {"x": start}}).parameters.items()
    assert fields["min"] <= fields["start"] <= fields["max"]


@given(
    st.one_of(
        st.integers(-(10**15), 10**15),
        st.integers(0, 14).map(lambda power: 2**30 + 10**power),
        st.floats(-1e15, 1e15, allow_nan=False),
    )
)
def test_every_number_makes_a_valid_parameter_that_starts_where_it_is(start: float) -> None:
    draft = drafted({"tps": 1, "config": {"x": start, "soak": 1, "run": 3, "name": 2}})
    text = profile_text("soak.yaml", draft, {}, None)
    profile = resolve("soak", lambda label, _: Source(label, text.encode())).profile
    assert set(profile.parameters) == {"x", "name"}
    assert profile.parameters["x"].start == start


def test_more_numbers_than_kpis_are_counted() -> None:
    draft = drafted({"p_ms": 3, "rows": list(range(MOST_KPIS + 6))})
    assert len(draft.figures) == MOST_KPIS
    assert draft.left_out == ("7 more numbers of the report: the first 200 are KPIs",)
