"""Where a profile limits a criterion, as file and line of a report."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_soak.profile.resolve import resolve
from pytest_soak.session.limit_places import LimitPlaces, limit_paths
from pytest_soak.store.sources import read_source

PROFILE = """\
extends: steady
gate:
  criteria:
    risk_ratio: "<= 0.3"
    net_bps:
      production: ">= 2.8"
      mock: ">= 2.9"
  drift:
    adverse_bps_p95: {budget: 0.5}
    risk_ratio: {alpha: 0.1}
  pass_count_slack: 1
  delta:
    full: 0.96
scenarios:
  crash_of_mine: {for_s: 60, strength: 2, unit: x, gate: exclude,
    recovers_within: 4}
"""
LINES = {
    "risk_ratio": 4,
    "net_bps": 7,
    "drift:risk_ratio": 4,
    "drift:net_bps": 7,
    "drift:adverse_bps_p95": 9,
    "pass_count_last8": 11,
    "delta_quality": 13,
    "scenario:crash_of_mine": 15,
    "recovers_within:crash_of_mine": 16,
    "checks": 2,
    "completeness": 2,
    "stale": 2,
    "items": 2,
    "a criterion of a hook": 2,
}
"""Criterion to line. A drift without a budget moves towards the limit of its KPI."""


@pytest.fixture
def places(tmp_path: Path) -> LimitPlaces:
    folder = tmp_path / "soaks"
    folder.mkdir()
    (folder / "mine.yaml").write_text(PROFILE)
    resolved = resolve(str(folder / "mine.yaml"), read_source)
    return LimitPlaces(tmp_path, {"lane": resolved.places})


@pytest.mark.parametrize(("criterion", "line"), LINES.items())
def test_the_line_of_a_criterion(places: LimitPlaces, criterion: str, line: int) -> None:
    file = str(Path("soaks", "mine.yaml"))
    assert places.location("lane", criterion, mock=True) == (file, line - 1)


def test_the_limits_of_production_are_other_lines(places: LimitPlaces) -> None:
    file = str(Path("soaks", "mine.yaml"))
    assert places.location("lane", "net_bps", mock=False) == (file, 5)
    assert places.location("lane", "risk_ratio", mock=False) == (file, 3)


def test_a_file_outside_of_the_root_has_no_location(places: LimitPlaces, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert LimitPlaces(other, places.lanes).location("lane", "risk_ratio", mock=True) is None
    assert places.location("lane", "p95_latency_ms", mock=True) is None  # of the package
    assert places.location("lane", "drift:fills_per_hour", mock=True) is None  # gate.throughput


def test_a_lane_without_a_profile_has_no_location(places: LimitPlaces) -> None:
    assert places.location("another", "risk_ratio", mock=True) is None


def test_the_root_may_be_a_link(places: LimitPlaces, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "soaks")
    location = LimitPlaces(link, places.lanes).location("lane", "risk_ratio", mock=True)
    assert location == ("mine.yaml", 3)


def test_every_criterion_of_the_gate_has_paths() -> None:
    for criterion in LINES:
        paths = limit_paths(criterion, mock=False)
        assert paths[-1] == ("gate",)
        assert len(set(paths)) == len(paths)
