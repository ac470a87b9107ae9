"""Start values: each key has the value of the strongest source that sets it."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.resolve import resolve
from pytest_soak.profile.start import Overrides, start_values
from pytest_soak.store.sources import read_source

STEADY = resolve("steady", read_source)
SAFE = resolve("steady_safe", read_source)
FILE_NAME = "runtime_overrides.json"
FILE = Overrides(
    FILE_NAME,
    {"risk": {"base_spread_bps": 1.0, "vip_tilt_cap": 0.2}, "tuner": {"cooldown_iters": 99}},
)
VARIABLE = "SOAK_RUNTIME_OVERRIDES_JSON"
ENVIRONMENT = Overrides(VARIABLE, {"base_spread_bps": 2, "tail_age_ms": 900})


def test_the_profile_alone() -> None:
    start = start_values(SAFE, explicit=True, environment=None, file=None)
    assert start.values == {
        key: parameter.start for key, parameter in SAFE.profile.parameters.items()
    }
    assert start.origins["tail_age_ms"] == "steady_safe"
    assert start.origins["vip_tilt_cap"] == "market_maker"


def test_an_explicit_profile_wins_only_for_the_keys_it_names() -> None:
    start = start_values(SAFE, explicit=True, environment=ENVIRONMENT, file=FILE)
    assert start.values["base_spread_bps"] == 0.65
    assert start.values["tail_age_ms"] == 700
    assert start.values["vip_tilt_cap"] == 0.2
    assert start.origins["vip_tilt_cap"] == "runtime_overrides.json"


@pytest.mark.parametrize(("resolved", "explicit"), [(SAFE, False), (STEADY, True)])
def test_otherwise_environment_then_file_then_profile(resolved: Any, explicit: bool) -> None:
    start = start_values(resolved, explicit=explicit, environment=ENVIRONMENT, file=FILE)
    assert start.values["base_spread_bps"] == 2
    assert start.values["tail_age_ms"] == 900
    assert start.values["vip_tilt_cap"] == 0.2
    assert start.origins["base_spread_bps"] == VARIABLE
    assert start.origins["vip_tilt_cap"] == "runtime_overrides.json"
    assert start.origins["concurrency_limit"] in ("market_maker", "steady_safe")
    assert list(start.values) == list(start.origins) == list(resolved.profile.parameters)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"risk": {"base_spread": 1}}, "risk.base_spread: unknown parameter; did you mean"),
        ({"bse_spread_bps": 1}, "did you mean 'base_spread_bps'?"),
        ({"engine": {"base_spread_bps": 1}}, "base_spread_bps lives at risk.base_spread_bps"),
        ({"base_spread_bps": 6}, "base_spread_bps: 6 is outside 0.05 to 5 bps"),
        ({"base_spread_bps": "1"}, "base_spread_bps: '1' is not a finite number"),
        ({"base_spread_bps": True}, "base_spread_bps: true is not a finite number"),
        ({"base_spread_bps": None}, "base_spread_bps: null is not a finite number"),
        ({"base_spread_bps": 1, "risk": {"base_spread_bps": 1}}, "base_spread_bps is there twice"),
        ([1], "is not a JSON object"),
    ],
)
def test_bad_overrides_are_refused_even_where_hidden(overrides: Any, message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        start_values(SAFE, explicit=True, environment=None, file=Overrides(FILE_NAME, overrides))
    assert str(caught.value).startswith("runtime_overrides.json: ")
    assert message in str(caught.value)
    with pytest.raises(ProfileError, match=f"{VARIABLE}: "):
        start_values(SAFE, explicit=True, environment=Overrides(VARIABLE, overrides), file=None)
