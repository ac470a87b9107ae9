"""``canonical.number`` returns finite numbers as floats, and None for any other object."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_soak.canonical import canonical_json, number, to_json


class Raising(float):
    def __float__(self) -> float:
        raise RuntimeError("no")


class Exiting:
    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(3)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3.0),
        (-0.5, -0.5),
        (Decimal("0.1"), 0.1),
        (Fraction(1, 4), 0.25),
        (np.float32(0.5), 0.5),
        (np.int64(-7), -7.0),
        (np.uint8(255), 255.0),
        (np.longdouble("0.75"), 0.75),
        (10**300, 1e300),
    ],
)
def test_finite_numbers_are_taken_whatever_their_type(value: Any, expected: float) -> None:
    assert number(value) == expected
    assert type(number(value)) is float


NO_NUMBERS: list[Any] = [
    *(None, True, False, np.True_, "3", b"3", [], {}, 3j, object(), Raising(3)),
    *(math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity")),
    *(10**400, Decimal("1e400"), Fraction(10**400), np.longdouble("1e4000"), np.float16("inf")),
    *(np.array([1.0, 2.0]), np.datetime64("2026-01-01"), float, number),
]


@pytest.mark.parametrize("index", range(len(NO_NUMBERS)))
def test_whatever_is_no_finite_number_is_none_and_nothing_raises(index: int) -> None:
    assert number(NO_NUMBERS[index]) is None
    canonical_json(to_json({"value": NO_NUMBERS[index]}))


def test_an_object_that_raises_while_it_is_looked_at_is_no_number() -> None:
    assert number(Exiting()) is None


@given(st.one_of(st.integers(), st.floats(), st.decimals(), st.fractions()))
def test_a_number_survives_the_journal(value: Any) -> None:
    """A number of a report is the same number in the journal; what is none stays none."""
    written = to_json(value)
    again = number(written)
    if again is None:
        assert number(value) is None
    else:
        assert again == pytest.approx(float(value), rel=1e-12)
