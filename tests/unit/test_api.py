"""The public functions, as a user imports them."""

from __future__ import annotations

import math
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import pytest_soak
from pytest_soak.profile.parameters import ParameterError, nest, tuner_copies


def runtime() -> dict[str, object]:
    profile = pytest_soak.load_profile("steady")
    values = {key: parameter.start for key, parameter in profile.parameters.items()}
    return nest(values, profile.parameters, tuner_copies(profile))


def test_every_public_name_is_there() -> None:
    for name in pytest_soak.__all__:
        assert getattr(pytest_soak, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pytest_soak.nothing


def test_parameters() -> None:
    assert pytest_soak.get_from_runtime(runtime(), "tail_age_ms") == 600
    changed = pytest_soak.set_in_runtime(runtime(), "tail_age_ms", 650)
    assert pytest_soak.get_all_params(changed)["tail_age_ms"] == 650
    applied, count = pytest_soak.apply_deltas(
        runtime(), {"tail_age_ms": 25, "base_spread_bps": 0.1}
    )
    assert count == 2
    assert pytest_soak.get_all_params(applied)["base_spread_bps"] == 0.6
    assert pytest_soak.get_all_params(runtime())["base_spread_bps"] == 0.5


@pytest.mark.parametrize("value", [True, math.nan, math.inf, "1", None])
def test_deltas_are_numbers(value: object) -> None:
    with pytest.raises(ParameterError):
        pytest_soak.validate_deltas({"tail_age_ms": value})


def test_micro_tuning_judges_one_summary() -> None:
    requested = pytest_soak.propose_micro_tuning({"p95_latency_ms": 335.0}, runtime())
    assert requested.rules == ("LATENCY_BUFFER",)
    assert requested["deltas"] == requested.deltas
    assert requested.deltas == {
        "concurrency_limit": -0.2,
        "replace_rate_per_min": -20.0,
        "tail_age_ms": 50.0,
    }
    hard = pytest_soak.propose_micro_tuning({"p95_latency_ms": 365.0}, runtime())
    assert hard.rules == ("LATENCY_HARD",)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "runtime_overrides.json"
    pytest_soak.atomic_write_json(path, runtime())
    return path


def test_one_guarded_step(path: Path) -> None:
    result = pytest_soak.apply_deltas_with_tracking(path, {"tail_age_ms": 25, "nonsense": 1})
    assert result["applied"] is True
    assert result["deltas_applied"] == {"tail_age_ms": 25}
    assert result["outcomes"] == {"nonsense": "SKIPPED", "tail_age_ms": "APPLIED"}
    stored, state_hash = pytest_soak.read_json_with_hash(path)
    assert state_hash == result["state_hash"] != result["old_hash"]
    assert stored["engine"]["tail_age_ms"] == 625


def test_the_guards_remember_from_step_to_step(path: Path) -> None:
    first = pytest_soak.apply_deltas_with_tracking(path, {"base_spread_bps": 0.2})
    second = pytest_soak.apply_deltas_with_tracking(path, {"base_spread_bps": 0.1}, first["guards"])
    assert second["applied"] is False
    assert second["skip_reason"]["velocity"] is True
    back = pytest_soak.apply_deltas_with_tracking(path, {"base_spread_bps": -0.2}, second["guards"])
    assert back["skip_reason"]["oscillation"] is True
    assert pytest_soak.read_json_with_hash(path)[1] == first["state_hash"]


def test_a_large_step_is_followed_by_a_cooldown(path: Path) -> None:
    first = pytest_soak.apply_deltas_with_tracking(
        path, {"slippage_penalty_coef": 0.2, "inventory_tilt_cap": 0.1}
    )
    steps = [first]
    for _ in range(3):
        steps.append(
            pytest_soak.apply_deltas_with_tracking(path, {"tail_age_ms": 10}, steps[-1]["guards"])
        )
    assert [step["applied"] for step in steps] == [True, False, False, True]
    assert steps[1]["skip_reason"]["cooldown"] is True


def test_a_cap_is_for_the_whole_hour(path: Path) -> None:
    result = pytest_soak.apply_deltas_with_tracking(path, {"max_delta_ratio": -0.06})
    for _ in range(11):  # of 300 s each: the hour that began with the first step
        result = pytest_soak.apply_deltas_with_tracking(
            path, {"max_delta_ratio": -0.06}, result["guards"]
        )
        assert result["applied"] is False
    result = pytest_soak.apply_deltas_with_tracking(
        path, {"max_delta_ratio": -0.06}, result["guards"]
    )
    assert result["applied"] is True


def test_an_edit_by_hand_is_the_new_ground(path: Path) -> None:
    first = pytest_soak.apply_deltas_with_tracking(path, {"tail_age_ms": 25})
    pytest_soak.atomic_write_json(path, pytest_soak.set_in_runtime(runtime(), "tail_age_ms", 900))
    second = pytest_soak.apply_deltas_with_tracking(path, {"tail_age_ms": 25}, first["guards"])
    assert pytest_soak.read_json_with_hash(path)[0]["engine"]["tail_age_ms"] == 925
    assert second["applied"] is True


def test_a_criterion_needs_a_verdict() -> None:
    assert pytest_soak.criterion("own", "WARN", "own: late").verdict == "WARN"
    with pytest.raises(ValueError, match="MAYBE"):
        pytest_soak.criterion("own", "MAYBE", "own: ?")


def test_flags_of_a_caller_refuse_every_change(path: Path) -> None:
    before = path.read_bytes()
    deltas = {"tail_age_ms": 25, "base_spread_bps": 0.1}
    for flag, guard in (
        ("cooldown_active", "cooldown"),
        ("freeze_triggered", "freeze"),
        ("oscillation_detected", "oscillation"),
        ("velocity_violation", "velocity"),
        ("late", "late"),
        ("panic_active", "panic"),
    ):
        result = pytest_soak.apply_deltas_with_tracking(path, deltas, {flag: True, "pin": False})
        assert result["applied"] is False
        assert result["deltas_applied"] == {}
        assert result["outcomes"] == dict.fromkeys(deltas, "SKIPPED")
        flags = {name: value for name, value in result["skip_reason"].items() if value is True}
        assert flags == {guard: True}
        assert result["skip_reason"]["note"] == f"{guard}: base_spread_bps, tail_age_ms"
        assert result["state_hash"] == result["old_hash"]
    assert path.read_bytes() == before


def test_no_flag_is_a_step_without_memory(path: Path) -> None:
    flags: dict[str, bool]
    for flags in ({}, {"cooldown_active": False}):
        result = pytest_soak.apply_deltas_with_tracking(path, {"tail_age_ms": 25}, flags)
        assert result["applied"] is True
        # The result's memory goes on like any other.
        again = pytest_soak.apply_deltas_with_tracking(path, {"tail_age_ms": -25}, result["guards"])
        assert again["skip_reason"]["oscillation"] is True


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ({"cooldwn_active": True}, "cooldwn_active: unknown flag; did you mean 'cooldown_active'"),
        ({"cooldown_active": 1}, "cooldown_active: 1 is not True or False"),
        ("cooldown", "guards is str; it must be None"),
        ({3: True}, "3: unknown flag"),
    ],
)
def test_a_bad_flag_is_refused_and_nothing_is_written(path: Path, flags: Any, text: str) -> None:
    before = path.read_bytes()
    with pytest.raises(ValueError, match=text):
        pytest_soak.apply_deltas_with_tracking(path, {"tail_age_ms": 25}, flags)
    assert path.read_bytes() == before


def test_a_partial_runtime_is_enough_for_a_proposal() -> None:
    summary = {"p95_latency_ms": 365.0}
    assert pytest_soak.propose_micro_tuning(summary, {"concurrency_limit": 10}).deltas.keys() == {
        "concurrency_limit"
    }
    assert pytest_soak.propose_micro_tuning(summary, {"vip_tilt_cap": 0.5}).deltas == {}


def test_the_public_names_are_listed_once_and_are_all_there() -> None:
    assert sorted(pytest_soak.__all__) == dir(pytest_soak)
    assert len(set(pytest_soak.__all__)) == len(pytest_soak.__all__)
    assert {*pytest_soak.__all__} - {"__version__"} == pytest_soak._HOMES.keys()
    assert pytest_soak.__version__ == version("pytest-soak")
