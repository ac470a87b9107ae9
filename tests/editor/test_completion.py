"""An editor with yaml-language-server completes, explains and checks a profile by its schema."""

from __future__ import annotations

import pytest

from pytest_soak.profile.field_texts import FIELD_TEXTS
from pytest_soak.profile.resolve import resolve
from pytest_soak.store.sources import read_source
from tests.editor.server import VERSION
from tests.editor.shown import Shown, shown

PROFILE = resolve("market_maker", read_source).profile


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return shown(tmp_path_factory.mktemp("editor"))


def test_the_server_has_the_version_of_ci(seen: Shown) -> None:
    assert seen.server == VERSION


def test_parameters_are_completed_below_moves(seen: Shown) -> None:
    assert seen.moves.keys() == set(PROFILE.parameters)
    assert [key for key in seen.moves if key.startswith("base_sp")] == ["base_spread_bps"]
    assert seen.moves["base_spread_bps"] == "0.05 to 5 bps; start 0.5"


def test_kpis_are_completed_below_the_criteria_of_the_gate(seen: Shown) -> None:
    assert seen.criteria.keys() == set(PROFILE.kpis)
    assert "read totals.net_bps" in seen.criteria["net_bps"]


def test_sections_and_start_values_are_completed_at_the_top(seen: Shown) -> None:
    assert {"rules", "gate", "base_spread_bps", "base_spread_bps_delta"} <= seen.top.keys()
    assert "extends" not in seen.top  # it is there already


def test_a_field_is_explained(seen: Shown) -> None:
    assert FIELD_TEXTS["GateSection"]["window"] in seen.hover


def test_faults_are_marked_where_they_are(seen: Shown) -> None:
    lines = sorted(line.partition(": ")[0] for line in seen.problems)
    assert lines == ["4", "5", "7"]
    assert any("windw is not allowed" in line for line in seen.problems)
    assert any('Expected "integer' in line for line in seen.problems)
    assert seen.of_valid == []
