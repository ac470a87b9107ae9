"""KPIs of other KPIs, of histograms, scaled, and read at any path."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_soak.loop.histogram import quantile_reading
from pytest_soak.loop.kpis import read_kpis
from pytest_soak.loop.model import Reading
from pytest_soak.loop.pooling import figure_of
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.kpi import path_text
from pytest_soak.profile.model import Profile
from pytest_soak.profile.resolve import Source, resolve

BASE = """
kpis:
  errors: totals.errors
  requests: totals.requests
  error_ratio: {ratio: [errors, requests], range: [0, 1]}
  good: {difference: [requests, errors]}
  p95_s: {read: totals.p95_ms, scale: 0.001}
  route: {read: [routes, "/api/v1.0", 1, p95]}
  p90: {quantile: {histogram: latency, q: 0.9}, scale: 1000}
gate: {criteria: {error_ratio: "<= 0.01"}}
"""


def profile(text: str = BASE) -> Profile:
    return resolve("web", lambda *_: Source("web", text.encode())).profile


def read(given: dict[str, Any]) -> dict[str, Reading]:
    return dict(read_kpis(profile(), given, None, interval_s=60, mock=False))


def totals(**values: Any) -> dict[str, Any]:
    return {"totals": {"errors": 1, "requests": 50, "p95_ms": 80, **values}}


def test_a_ratio_keeps_its_sums_and_a_difference_has_none() -> None:
    readings = read(totals())
    assert readings["error_ratio"] == Reading(
        0.02, "errors / requests", numerator=1.0, denominator=50.0
    )
    assert readings["good"] == Reading(49.0, "requests - errors")
    assert readings["p95_s"].value == pytest.approx(0.08)


def test_a_ratio_over_iterations_is_that_of_the_sums() -> None:
    few = read(totals(errors=1, requests=2))["error_ratio"]
    many = read(totals(errors=0, requests=98))["error_ratio"]
    assert figure_of([few, many]) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"requests": 0}, "requests is 0"),
        ({"errors": None}, "errors has no data: totals.errors is null"),
        ({"errors": "1"}, "errors has no data: totals.errors is a text, '1'"),
        ({"errors": 60}, "error_ratio is 1.2, outside 0 to 1"),
        ({"errors": 1e99, "requests": 1e-99}, "errors / requests is 1e+198, and figures end at"),
    ],
)
def test_a_ratio_without_data_has_its_reason(values: dict[str, Any], why: str) -> None:
    reading = read(totals(**values))["error_ratio"]
    assert reading.value is None
    assert reading.why.startswith(why)


def test_the_readings_are_in_the_order_of_the_profile() -> None:
    assert tuple(read(totals())) == tuple(profile().kpis)


def test_a_path_goes_through_lists_and_any_key() -> None:
    def route(given: Any) -> Reading:
        return read({"routes": given})["route"]

    assert route({"/api/v1.0": [{}, {"p95": 7}]}) == Reading(7.0, 'routes."/api/v1.0".1.p95')
    reasons = {
        route({"/api/v1.0": [{}]}).why: 'routes."/api/v1.0" has 1 items, none at place 1',
        route({"/api/v1.0": {}}).why: 'routes."/api/v1.0" is a mapping, not a list',
        route([]).why: "routes is a list, not a mapping",
        route({"/api/v1": []}).why: (
            "no field /api/v1.0 (did you mean '/api/v1'?); routes has /api/v1"
        ),
    }
    assert list(reasons) == list(reasons.values())
    assert path_text(("totals", "p95")) == "totals.p95"
    assert path_text(("totals", "a\x1b[31m\n")) == 'totals."a\\x1b[31m\\n"'


CUMULATIVE = {"0.1": 80, "0.2": 90, "0.5": 100, "+Inf": 100}
PLAIN = {"0.5": 10, "0.1": 80, "+Inf": 0, "0.2": 10}


@pytest.mark.parametrize(("q", "value"), [(0.4, 0.05), (0.8, 0.1), (0.85, 0.15), (0.95, 0.35)])
def test_a_quantile_lies_on_a_line_within_its_bucket(q: float, value: float) -> None:
    assert quantile_reading(CUMULATIVE, q, "cumulative", "h").value == pytest.approx(value)
    assert quantile_reading(PLAIN, q, "plain", "h").value == pytest.approx(value)


def test_a_bucket_below_zero_begins_at_its_own_bound() -> None:
    given = {"-1": 10, "1": 10}
    assert quantile_reading(given, 0.25, "plain", "h").value == -1.0
    assert quantile_reading(given, 0.75, "plain", "h").value == 0.0


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([1, 2], "h is a list, not a mapping of upper bound to count"),
        ({}, "h counts no value"),
        ({"1": 0, "+Inf": 0}, "h counts no value"),
        ({"1": 5, "+Inf": 10}, "h has its 0.9-quantile beyond the last bound, 1"),
        ({"1": 5, "2": 4}, "h falls from one bucket to the next; cumulative counts never do"),
        ({"x": 5}, "h has the bound 'x', which is no number"),
        ({"nan": 5}, "h has the bound 'nan', which is no number"),
        ({"1": -5}, "h has -5 as the count of '1'"),
        ({"1": "5"}, "h has '5' as the count of '1'"),
        ({"1": 5, "1.0": 5}, "h has a bound twice"),
    ],
)
def test_a_histogram_without_a_quantile_has_no_data(given: Any, why: str) -> None:
    reading = quantile_reading(given, 0.9, "cumulative", "h")
    assert (reading.value, reading.why) == (None, why)


def test_a_quantile_is_scaled_too() -> None:
    assert read({"latency": CUMULATIVE})["p90"].value == pytest.approx(200.0)


MISTAKES = [
    ("{ratio: [errors]}", "kpis.k.ratio: has 1 item; needs 2"),
    ("{ratio: [error, requests]}", "kpis.k.ratio.0: unknown KPI 'error'; did you mean 'errors'?"),
    (
        "{difference: [errors, error_ratio]}",
        "kpis.k.difference.1: error_ratio is computed from other KPIs itself; name what it uses",
    ),
    ("{read: totals.a, ratio: [errors, requests]}", "here is read and ratio"),
    ("{derive: recorded, scale: 2}", "kpis.k.scale: belongs to a KPI with 'read' or 'quantile'"),
    ("{read: totals.a, scale: 0}", "kpis.k.scale: 0 would make every value 0"),
    ("{read: []}", "kpis.k.read: is empty; needs a key at least"),
    ("{read: [0, a]}", "kpis.k.read.0: 0 is not a text; a report is a mapping"),
    ("{read: [a, -1]}", "kpis.k.read.1: -1 is below 0"),
    ("{read: a/b}", "kpis.k.read: 'a/b' is no path in the report, such as 'totals.p95' or"),
    ("{quantile: {histogram: h}}", "kpis.k.quantile: 'q' is missing"),
    ("{quantile: {histogram: h, q: 95}}", "kpis.k.quantile.q: 95 is not above 0 and below 1"),
    ("{quantile: {histogram: h, q: 0.9}, aggregate: mean}", "a histogram has 'last' or 'sum'"),
]


@pytest.mark.parametrize(("kpi", "expected"), MISTAKES)
def test_a_mistake_in_a_kpi_is_refused(kpi: str, expected: str) -> None:
    with pytest.raises(ProfileError) as caught:
        profile(BASE.replace("kpis:\n", f"kpis:\n  k: {kpi}\n"))
    assert expected in str(caught.value)


@pytest.mark.parametrize("name", ["any", "not", "parameter", "deltas"])
def test_a_kpi_has_no_name_with_a_meaning_of_its_own(name: str) -> None:
    with pytest.raises(ProfileError, match=f"kpis.{name}: '{name}' has a meaning of its own in"):
        profile(BASE.replace("kpis:\n", f"kpis:\n  {name}: totals.a\n"))
