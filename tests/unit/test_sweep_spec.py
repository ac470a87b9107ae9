"""``--soak-sweep``: its values, points and lane names."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.resolve import resolve
from pytest_soak.profile.start import StartValues, start_values
from pytest_soak.protocol import Swept
from pytest_soak.session.lanes import (
    axes_of,
    lane_suffix,
    point_at,
    points_of,
    refuse_too_many,
    swept_start,
)
from pytest_soak.store.names import checked_identifier
from pytest_soak.store.sources import read_source
from tests.unit.profile.typed import typed

STEADY = resolve("steady", read_source)
TABLE = STEADY.profile.parameters


def start() -> StartValues:
    return start_values(STEADY, explicit=False, environment=None, file=None)


def test_a_range_is_inclusive_and_decimal() -> None:
    (axis,) = axes_of(["base_spread_bps=0.3:1.2:0.1"])
    assert [float(value) for value in axis.values] == [
        *(0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
    ]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.5", ["0.5"]),
        ("0.5, 0.3,1", ["0.3", "0.5", "1"]),
        ("1:2:0.4", ["1.0", "1.4", "1.8"]),  # 2.2 is beyond
        ("1:1:5", ["1"]),
        ("1e-3:3e-3:1e-3", ["0.001", "0.002", "0.003"]),
        ("-1:1:1", ["-1", "0", "1"]),
    ],
)
def test_values(text: str, values: list[str]) -> None:
    (axis,) = axes_of([f"x={text}"])
    assert list(axis.values) == [Decimal(value) for value in values]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("base_spread_bps", ("base_spread_bps", "KEY=FROM:TO:STEP")),
        ("=1:2:1", ("KEY=FROM:TO:STEP",)),
        ("x=", ("KEY=FROM:TO:STEP",)),
        ("x=1:2", ("x=1:2", "KEY=FROM:TO:STEP")),
        ("x=1:2:3:4", ("KEY=FROM:TO:STEP",)),
        ("x=1:2:0", ("step", "above 0")),
        ("x=1:2:-1", ("step", "above 0")),
        ("x=2:1:0.1", ("runs down",)),
        ("x=1,1.0", ("x", "twice")),
        ("x=nan", ("'nan'", "number")),
        ("x=1e999", ("'1e999'", "number")),
        ("x=1:inf:1", ("'inf'", "number")),
        ("x=1,,2", ("''", "number")),
        ("x=0:1e9:1e-9", ("1,000",)),
    ],
)
def test_refused(spec: str, words: tuple[str, ...]) -> None:
    with pytest.raises(pytest.UsageError) as caught:
        axes_of([spec])
    text = str(caught.value)
    assert text.startswith("soak: --soak-sweep: ")
    assert "\n" not in text
    for word in words:
        assert word in text


def test_one_parameter_twice_and_three_are_refused() -> None:
    with pytest.raises(pytest.UsageError, match="x is given twice"):
        axes_of(["x=1", "x=2"])
    with pytest.raises(pytest.UsageError, match="3 parameters"):
        axes_of(["x=1", "y=2", "z=3"])


def test_too_many_lanes() -> None:
    axes = axes_of(["x=1:40:1", "y=1:25:1"])
    refuse_too_many(axes, 1)
    with pytest.raises(pytest.UsageError, match="2,000 lanes; at most 1,000"):
        refuse_too_many(axes, 2)
    refuse_too_many((), 5_000)  # no sweep, no limit


def test_unknown_and_out_of_bounds() -> None:
    def first_point(spec: str) -> object:
        axes = axes_of([spec])
        return point_at(axes, points_of(axes)[0], start(), TABLE)

    with pytest.raises(pytest.UsageError, match="did you mean 'base_spread_bps'"):
        first_point("base_spread=1")
    with pytest.raises(pytest.UsageError, match=r"base_spread_bps: 9 is outside 0.05 to 5 bps"):
        first_point("base_spread_bps=9")


def test_a_point_replaces_the_start_and_says_so() -> None:
    axes = axes_of(["base_spread_bps=0.3,0.4", "tail_age_ms=500"])
    assert len(points_of(axes)) == 2
    point = point_at(axes, points_of(axes)[1], start(), TABLE)
    assert point == (Swept("base_spread_bps", 0.4, 0.5), Swept("tail_age_ms", 500.0, 600.0))
    swept = swept_start(start(), point, TABLE)
    assert swept.values == {**start().values, "base_spread_bps": 0.4, "tail_age_ms": 500.0}
    changed = {key for key, origin in swept.origins.items() if origin == "--soak-sweep"}
    assert changed == {"base_spread_bps", "tail_age_ms"}


def test_without_a_sweep_there_is_one_point_and_no_suffix() -> None:
    assert points_of(()) == ((),)
    assert lane_suffix((), TABLE) == ""
    assert swept_start(start(), (), TABLE) == start()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.3, "0.3"), (400.0, "400"), (1e-05, "0.00001"), (-0.5, "-0.5"), (1e20, "1" + "0" * 20)],
)
def test_a_suffix_is_part_of_an_identifier(value: float, text: str) -> None:
    suffix = lane_suffix((Swept("tail_age_ms", value, 0.0),), TABLE)
    assert suffix == f"-tail_age_ms_{text}"
    checked_identifier("lane id", f"steady-BTCUSDT-1{suffix}")


def test_the_longest_names_still_fit() -> None:
    point = (
        Swept("slippage_penalty_coef", 0.15, 0.0),
        Swept("replace_rate_per_min", 1200.0, 400.0),
    )
    checked_identifier("lane id", f"steady_safe-BTCUSDT-20{lane_suffix(point, TABLE)}")


TYPED = typed()
TYPED_START = StartValues({k: p.start for k, p in TYPED.parameters.items()}, {})


@pytest.mark.parametrize(
    ("spec", "values", "suffixes"),
    [
        ("sync=remote, async", [2.0, 0.0], ["-sync_remote", "-sync_async"]),
        ("jit=on,off", [1.0, 0.0], ["-jit_true", "-jit_false"]),
        ("jit=0,1", [0.0, 1.0], ["-jit_false", "-jit_true"]),
        ("workers=2:6:2", [2.0, 4.0, 6.0], ["-workers_2", "-workers_4", "-workers_6"]),
        ("timeout_s=0.5,1.75", [0.5, 1.75], ["-timeout_s_0.5", "-timeout_s_1.75"]),
    ],
)
def test_values_of_all_types_are_swept(spec: str, values: list[float], suffixes: list[str]) -> None:
    axes, table = axes_of([spec]), TYPED.parameters
    points = [point_at(axes, point, TYPED_START, table) for point in points_of(axes)]
    assert [point[0].value for point in points] == values
    assert [lane_suffix(point, table) for point in points] == suffixes


def test_a_choice_that_is_no_name_of_a_file_has_its_place_in_the_name() -> None:
    fields = {"type": "choice", "choices": ["off", "remote apply", "a/b"], "start": "off"}
    table = typed({"sync": fields}).parameters
    point = (Swept("sync", 1.0, 0.0),)
    assert lane_suffix(point, table) == "-sync_place1"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("sync=remote,never", "sync: 'never' is not one of async, local, remote"),
        ("sync=1", "sync: 1.0 is not one of async, local, remote"),
        ("workers=2,many", "workers: '2' is not a finite number"),
        ("workers=2.5", "workers: 2.5 is not allowed; allowed: 1 to 32, whole numbers"),
        ("jit=on,on", "jit: on is given twice"),
    ],
)
def test_values_that_a_parameter_cannot_have_are_refused(spec: str, words: str) -> None:
    def points(spec: str) -> None:
        axes = axes_of([spec])
        for point in points_of(axes):
            point_at(axes, point, TYPED_START, TYPED.parameters)

    with pytest.raises(pytest.UsageError) as caught:
        points(spec)
    assert words in str(caught.value)


def test_a_point_that_breaks_a_limit_between_two_parameters_is_refused() -> None:
    point = (Swept("threads", 64.0, 16.0),)
    with pytest.raises(ProfileError, match="threads = 64 is above 8 times workers = 4"):
        swept_start(TYPED_START, point, TYPED.parameters)
