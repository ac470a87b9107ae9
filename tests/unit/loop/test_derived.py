"""The registry of derived KPIs and the names that a profile may use are the same."""

from __future__ import annotations

from pytest_soak.loop.derived import DERIVED, Circumstances
from pytest_soak.profile.kpi import DERIVED_NAMES


def test_every_name_of_a_profile_has_a_function_and_every_function_a_name() -> None:
    assert tuple(DERIVED) == DERIVED_NAMES


def test_no_derived_kpi_raises_for_an_empty_report() -> None:
    for name, derived in DERIVED.items():
        reading = derived.read({}, Circumstances(300.0, mock=False))
        assert reading.usable is None, name
        assert reading.why, name
