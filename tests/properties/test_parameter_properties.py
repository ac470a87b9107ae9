"""Parameters of random type and range: fitting, ways, sizes, outer values, limits."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_soak.canonical import canonical_json
from pytest_soak.profile.parameter import Parameter
from pytest_soak.profile.parameters import bounded, flatten, nest
from tests.unit.profile.typed import parameter, typed

quick = settings(max_examples=200, derandomize=True, deadline=None)

TEXTS = ["async", "local", "remote_apply", "none", "é", "on"]
ends = st.tuples(
    st.floats(-1e6, 1e6).map(lambda value: float(f"{value:.9g}")), st.floats(1e-3, 1e6)
)


@st.composite
def numbers(draw: Any) -> Parameter:
    low, width = draw(ends)
    log = draw(st.booleans())
    if log:
        low = abs(low) + 1e-3
    fields = {"min": low, "max": low + width, "start": low, "scale": "log" if log else "linear"}
    return parameter(**fields)


@st.composite
def stepped(draw: Any) -> Parameter:
    step = draw(st.sampled_from([0.001, 0.05, 0.1, 0.25, 1.0, 3.0, 8.0, 1024.0]))
    low = draw(st.integers(-300, 10_000)) * draw(st.sampled_from([step, 0.1, 1.0]))
    low = float(f"{low:.9g}")
    log = draw(st.booleans())
    if log:
        low = abs(low) + step
    steps = draw(st.integers(1, 5_000))
    fields: dict[str, Any] = {"min": low, "max": float(f"{low + steps * step:.12g}"), "step": step}
    whole = step.is_integer() and low.is_integer()
    if whole and draw(st.booleans()):
        fields["type"] = "int"
    return parameter(**fields, start=low, scale="log" if log else "linear")


choices = st.lists(
    st.sampled_from(TEXTS) | st.integers(-9, 9).map(float) | st.sampled_from([0.5, 1e6]),
    min_size=2,
    max_size=6,
    unique=True,
).map(lambda items: parameter(type="choice", choices=items, start=items[0]))
switches = st.just(parameter(type="bool", start=False))
on_grids = stepped() | choices | switches
every = numbers() | on_grids
positions = st.floats(-0.5, 1.5)


def place(of: Parameter, position: float) -> float:
    """The value at this position in the range; 0 and 1 are the bounds."""
    return of.minimum + position * (of.maximum - of.minimum)


def is_on_grid(of: Parameter, value: float) -> bool:
    steps = (value - of.minimum) / of.step
    return abs(steps - round(steps)) <= 1e-6


@quick
@given(of=every, position=positions)
def test_a_fitted_value_is_fitted(of: Parameter, position: float) -> None:
    value = place(of, position)
    fitted = of.fitted(value)
    assert of.fitted(fitted) == fitted
    assert of.minimum <= fitted <= of.maximum or not 0.0 <= position <= 1.0
    if of.step:
        assert is_on_grid(of, fitted)
        assert abs(fitted - value) <= 0.5 * of.step * (1 + 1e-6)
    else:
        assert math.isclose(fitted, value, rel_tol=1e-11, abs_tol=2e-9 * (of.maximum - of.minimum))


@quick
@given(of=every, position=st.floats(0, 1))
def test_what_is_allowed_has_at_most_twelve_digits(of: Parameter, position: float) -> None:
    fitted = of.fitted(place(of, position))
    assert of.is_allowed(fitted)
    exact = (of.minimum, of.maximum)
    whole = of.step.is_integer() and of.minimum.is_integer()
    assert fitted in exact or (of.step and whole) or fitted == float(f"{fitted:.12g}")


@quick
@given(of=on_grids, start=st.floats(0, 1), end=positions)
def test_a_way_does_not_pass_its_end(of: Parameter, start: float, end: float) -> None:
    value, goal = of.fitted(place(of, start)), place(of, end)
    last = of.toward(value, goal)
    assert is_on_grid(of, last)
    up = 1.0 if goal >= value else -1.0
    slack = 2e-9 * (of.maximum - of.minimum) + 1e-9 * max(abs(of.minimum), abs(of.maximum))
    assert up * (goal - last) >= -slack, "it passes the end"
    assert up * (last - value) >= 0.0, "it goes back"
    assert up * (goal - last) < of.step + slack, "a further step fits"


@quick
@given(of=every, position=st.floats(0, 1))
def test_an_outer_value_is_read_back(of: Parameter, position: float) -> None:
    value = of.fitted(place(of, position))
    outer = of.outer(value)
    assert of.inner(outer) == value
    assert of.inner(json.loads(canonical_json(outer))) == value
    if of.choices:
        assert of.inner(of.text(value)) == value
    elif of.kind == "int":
        assert type(outer) is int
        assert of.text(value) == str(outer)
    runtime = nest({"x": value}, {"x": of})
    assert flatten(runtime, {"x": of}) == {"x": value}
    assert bounded(outer, of) == value


@quick
@given(of=every, positions=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_sizes_are_symmetric_and_moves_have_their_size(
    of: Parameter, positions: tuple[float, float]
) -> None:
    low, high = sorted(of.fitted(place(of, position)) for position in positions)
    size = of.size(low, high)
    assert math.isclose(size, of.size(high, low), rel_tol=1e-12)
    assert 0.0 <= size <= of.span * (1 + 1e-9)
    assert math.isclose(of.moved(low, size, up=True), high, rel_tol=1e-9, abs_tol=1e-9 * of.span)
    assert math.isclose(of.moved(high, size, up=False), low, rel_tol=1e-9, abs_tol=1e-9 * of.span)
    assert of.same(low, high) == (low == high or size <= 1e-9 * of.span)


@quick
@given(of=every, start=st.floats(0, 1), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_parts_of_a_way_follow_one_another(
    of: Parameter, start: float, shares: tuple[float, float]
) -> None:
    value, end = of.fitted(place(of, start)), of.maximum
    less, more = sorted(shares)
    part, rest = of.part_of_way(value, end, less), of.part_of_way(value, end, more)
    assert -1e-9 * abs(end) <= part <= rest + 1e-9 * abs(end)
    assert math.isclose(of.part_of_way(value, end, 1.0), end - value, abs_tol=1e-9 * abs(end))
    if of.log and value < end:
        size = of.size(value, value + part)
        assert math.isclose(size, less * of.size(value, end), abs_tol=1e-9)


factors = st.sampled_from([0.125, 0.5, 1.0, 3.0, 8.0])


@quick
@given(factor=factors, at=st.tuples(st.floats(0, 1), st.floats(0, 1)), side=st.booleans())
def test_limits_of_two_parameters_are_one_limit(
    factor: float, at: tuple[float, float], side: bool
) -> None:
    """``a`` at most ``factor`` times ``b``, said of either one, limits both in the same way."""
    fields: dict[str, dict[str, Any]] = {key: {"start": 0, "min": 0, "max": 100} for key in "ab"}
    if side:
        fields["a"]["at_most"] = {"parameter": "b", "factor": factor}
    else:
        fields["b"]["at_least"] = {"parameter": "a", "factor": 1 / factor}
    a, b = typed(fields).parameters.values()
    values = {"a": 100 * at[0], "b": 100 * at[1]}
    low_a, high_a = a.limits(values)
    low_b, high_b = b.limits(values)
    assume(abs(values["a"] - factor * values["b"]) > 1e-6)
    holds = values["a"] <= factor * values["b"]
    assert (low_a <= values["a"] <= high_a) == holds
    assert (low_b <= values["b"] <= high_b) == holds
    assert low_a == 0
    assert high_b == 100
