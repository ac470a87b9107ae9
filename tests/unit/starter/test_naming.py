"""Names of KPIs from the paths of a report, and the direction that a name says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_soak.profile.kpis import RESERVED_NAMES
from pytest_soak.profile.reading import IDENTIFIER
from pytest_soak.starter.naming import direction, names_of

STEPS = st.lists(st.text(max_size=80) | st.integers(0, 10**6), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (("totals", "p95_ms"), "p95_ms"),
        (("totals",), "totals"),
        (("latency", "p95"), "latency_p95"),
        (("stats", "latency", "p95"), "latency_p95"),
        (("error-ratio",), "error_ratio"),
        (("routes", "/api/v1.0", 0, "p95"), "routes_api_v1_0_0_p95"),
        (("5xx",), "_5xx"),
        (("totals", "any"), "any_2"),
        (("checks",), "checks_2"),
        (("größe",), "gr_e"),
        (("漢字",), "kpi"),
        (("",), "kpi"),
        (("a" * 60, "b" * 60), "b" * 60),
        (("c" * 100,), "c" * 63),
    ],
)
def test_a_path_gives_a_name(path: tuple[str | int, ...], name: str) -> None:
    assert names_of([path]) == [name]


def test_equal_names_get_numbers() -> None:
    assert names_of([("a", "b"), ("a_b",), ("a-b",)], ["a_b_2"]) == ["a_b", "a_b_3", "a_b_4"]
    long = "x" * 63
    assert names_of([(long,), (long,)]) == [long, f"{long[:62]}_2"]


@given(st.lists(STEPS, max_size=20))
def test_names_are_valid_and_differ(paths: list[list[str | int]]) -> None:
    names = names_of(paths)
    assert len(names) == len({*names}) == len(paths)
    for name in names:
        assert IDENTIFIER.fullmatch(name)
        assert name not in RESERVED_NAMES


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("p95_ms", "down"),
        ("latency_p95", "down"),
        ("errors", "down"),
        ("errorRatio", "down"),
        ("failed", "down"),
        ("HTTPErrors", "down"),
        ("tps", "up"),
        ("throughput", "up"),
        ("success_ratio", "up"),
        # Not clear: no side, two sides, or a number that describes the process.
        ("requests", ""),
        ("items_per_s", ""),
        ("error_success_ratio", ""),
        ("uptime_ms", ""),
        ("start_time_ms", ""),
        ("terrors", ""),
        ("msgs", ""),
    ],
)
def test_only_a_clear_name_says_a_direction(name: str, better: str) -> None:
    assert direction(name) == better
