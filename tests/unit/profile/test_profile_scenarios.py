"""Scenarios as data: the profile's section, and the schedule of a lane."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.resolve import resolve
from pytest_soak.profile.scenarios import Declared, Scheduled, schedule
from pytest_soak.store.sources import read_source

NAMES = [
    "flash_crash",
    "volatility_spike",
    "liquidity_gap",
    "latency_spike",
    "disconnect",
    "throttle",
    "stale_feed",
    "fat_finger",
]
CRASH = Declared("crash", 60.0, 200.0, "bps", "exclude", recovers_within=3)
GAP = Declared("gap", 20.0, 4.0, "x", "judge", at=(3, 5), after_s=10.0)
DECLARED = {"crash": CRASH, "gap": GAP}

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(text: str) -> str:
        path = tmp_path / "mine.yaml"
        path.write_text(f"extends: steady\n{text}", encoding="utf-8")
        return str(path)

    return put


def planned(*requested: str, iterations: int = 24, seed: int = 1) -> tuple[Scheduled, ...]:
    return schedule(DECLARED, requested, iterations=iterations, interval_s=300.0, seed=seed)


def places(scheduled: tuple[Scheduled, ...]) -> list[tuple[str, int]]:
    return [(scenario.name, scenario.at) for scenario in scheduled]


def test_eight_scenarios_are_shipped_and_none_is_scheduled() -> None:
    shipped = resolve("steady", read_source).scenarios
    assert list(shipped) == NAMES
    assert all(not scenario.at and scenario.after_s is None for scenario in shipped.values())
    assert {scenario.gate for scenario in shipped.values()} == {"exclude"}
    assert {scenario.recovers_within for scenario in shipped.values()} == {3}
    assert schedule(shipped, (), iterations=24, interval_s=300.0, seed=1) == ()


def test_scenarios_are_no_part_of_the_resolved_document() -> None:
    assert "scenarios" not in resolve("S1", read_source).profile.document


def test_a_profile_changes_and_adds(write: Write) -> None:
    path = write(
        "scenarios:\n"
        "  flash_crash: {strength: 90, at: 4, after_s: 0, recovers_within: null}\n"
        "  disconnect: {at: [3, 9]}\n"
        "  fat_finger: null\n"
        "  rain: {for_s: 5, strength: 2, unit: mm, gate: judge}\n"
    )
    scenarios = resolve(path, read_source).scenarios
    assert set(scenarios) == ({*NAMES} - {"fat_finger"}) | {"rain"}
    crash = scenarios["flash_crash"]
    assert (crash.strength, crash.at, crash.after_s, crash.for_s) == (90.0, (4,), 0.0, 60.0)
    assert crash.recovers_within is None
    assert scenarios["disconnect"].at == (3, 9)
    assert scenarios["rain"] == Declared("rain", 5.0, 2.0, "mm", "judge")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{flash_crash: {strenght: 3}}", ("flash_crash.strenght", "'strength'")),
        ("{flash_crash: {strength: -1}}", ("flash_crash.strength", "not above 0")),
        ("{flash_crash: {for_s: 0}}", ("flash_crash.for_s", "not above 0")),
        ("{flash_crash: {for_s: 1.0e+999}}", ("flash_crash.for_s", "finite")),
        ("{flash_crash: {after_s: -3}}", ("flash_crash.after_s", "below 0")),
        ("{flash_crash: {at: 0}}", ("flash_crash.at", "below 1")),
        ("{flash_crash: {at: [2, 2]}}", ("flash_crash.at", "twice")),
        (
            "{flash_crash: {at: soon}}",
            ("flash_crash.at", "'soon' is neither a whole number nor a list"),
        ),
        ("{flash_crash: {gate: exlude}}", ("flash_crash.gate", "'exclude'")),
        ("{flash_crash: {recovers_within: 0}}", ("recovers_within", "below 1")),
        ("{rain: {for_s: 5, strength: 2, gate: judge}}", ("rain", "'unit' is missing")),
        ("[flash_crash]", ("scenarios", "not a mapping")),
        ("{no such: {}}", ("no name",)),
    ],
)
def test_a_bad_section_is_refused(write: Write, text: str, words: tuple[str, ...]) -> None:
    path = write(f"scenarios: {text}\n")
    with pytest.raises(ProfileError) as caught:
        resolve(path, read_source)
    for word in ("mine.yaml", *words):
        assert word in str(caught.value)


def test_no_parameter_may_be_called_like_the_section(write: Write) -> None:
    path = write(
        "parameters:\n  scenarios: {path: risk, unit: x, start: 1, min: 0, max: 2, "
        "cap_per_hour: 1, safer: up}\n"
    )
    with pytest.raises(ProfileError, match="a meaning of its own"):
        resolve(path, read_source)


@pytest.mark.parametrize(("iterations", "at"), [(1, 1), (2, 2), (4, 3), (8, 5), (24, 15), (72, 45)])
def test_the_middle_of_the_third_quarter_is_the_default(iterations: int, at: int) -> None:
    crashes = schedule(
        {"crash": CRASH}, ("crash",), iterations=iterations, interval_s=300.0, seed=1
    )
    assert places(crashes) == [("crash", at)]


def test_requested_iterations_replace_the_profiles_iterations() -> None:
    assert places(planned()) == [("gap", 3), ("gap", 5)]
    assert places(planned("crash@4")) == [("gap", 3), ("crash", 4), ("gap", 5)]
    assert places(planned("gap")) == [("gap", 3), ("gap", 5)]
    assert places(planned("gap@7", "gap@8")) == [("gap", 7), ("gap", 8)]


def test_the_moment_is_drawn_by_the_seed_within_the_iteration() -> None:
    moments = [planned("crash@4", seed=seed)[1].after_s for seed in range(200)]
    assert len(set(moments)) > 150
    assert 0.0 <= min(moments) < 20.0
    assert 220.0 < max(moments) <= 240.0  # 300 s less its duration of 60 s
    assert planned("crash@4") == planned("crash@4")
    assert planned("crash@4")[1].after_s != planned("crash@6")[2].after_s
    assert planned()[0].after_s == 10.0


def test_a_scenario_longer_than_an_iteration_begins_with_it_and_lasts_into_the_next() -> None:
    (crash,) = schedule({"crash": CRASH}, ("crash@4",), iterations=9, interval_s=25.0, seed=1)
    assert crash.after_s == 0.0
    assert [crash.last(60.0), crash.last(30.0), crash.last(25.0)] == [4, 5, 6]


@pytest.mark.parametrize(
    ("requested", "words"),
    [
        (("crush",), ("'crush'", "did you mean 'crash'")),
        (("crash@25",), ("crash", "iteration 25", "1 to 24")),
        (("crash@0",), ("iteration 0",)),
        (("gap@3", "gap@3"), ("gap", "twice")),
        (("gap", "gap@5"), ("gap", "twice")),
    ],
)
def test_an_impossible_schedule_is_refused(
    requested: tuple[str, ...], words: tuple[str, ...]
) -> None:
    with pytest.raises(ProfileError) as caught:
        planned(*requested)
    for word in words:
        assert word in str(caught.value)


def test_a_moment_after_the_iteration_is_refused() -> None:
    with pytest.raises(ProfileError, match="begins after 10 s; an iteration has 10 s"):
        schedule({"gap": GAP}, (), iterations=9, interval_s=10.0, seed=1)
