"""Two limits, statistics, optional criteria and the warm-up, in every report that shows them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.canonical import canonical_json
from pytest_soak.gate.judge import judge_lane, judge_run
from pytest_soak.profile.build import build
from pytest_soak.profile.model import Profile
from pytest_soak.profile.resolve import resolve
from pytest_soak.report.audit import audit
from pytest_soak.report.criterion_figures import criterion_figures
from pytest_soak.report.layout import criterion_bounds, criterion_value, sides_of
from pytest_soak.report.page.bars import gate_bar, sparkline
from pytest_soak.report.profile_text import profile_text
from pytest_soak.report.snapshot import snapshot
from pytest_soak.session.limit_places import LimitPlaces
from pytest_soak.store.sources import read_source
from tests.unit.gate.histories import make_history
from tests.unit.loop.lanes import Drive, edge_report, shipped
from tests.unit.report.view.viewing import lane_of, spans

FORMS: dict[str, Any] = {
    "warmup_iterations": 24,
    "criteria": {
        "p95_latency_ms": [">= 100", "<= 340"],
        "net_bps": {"limit": ">= 2.7", "share": 0.6, "optional": True},
        "risk_ratio": {"warn": "<= 0.2", "fail": "<= 0.42"},
        "maker_taker_ratio": {"limit": ">= 0.5", "relative_to": "warmup", "ratio": 0.1},
        "fills_per_hour": {"limit": ">= 100", "statistic": "median", "window": 20},
    },
}


def profile_of(**gate: Any) -> Profile:
    document = json.loads(canonical_json(shipped().document))
    document.pop("order")
    document["gate"] |= {**FORMS, **gate}
    return build(document)


def judged() -> Any:
    return judge_lane(make_history(72, profile=profile_of()))


def test_the_two_sides_of_a_limit_are_read_back_from_its_text() -> None:
    texts = ("10 .. 90", "> 10 .. < 90", "> 10 .. <= 90", "<= 340", "as it was", "1 .. x", "")
    assert [[str(side) for side in sides_of(text)] for text in texts] == [
        [">= 10", "<= 90"], ["> 10", "< 90"], ["> 10", "<= 90"], ["<= 340"], [], [], [],
    ]  # fmt: skip


def test_the_numbers_of_a_criterion_with_two_limits_are_those_of_the_nearer_one() -> None:
    lane = judged()
    item = next(item for item in lane.criteria if item.name == "p95_latency_ms")
    assert criterion_figures(lane, item) == {
        "value": 310.0, "limit": 340.0, "bound": 310.0, "margin": 30.0,
    }  # fmt: skip
    assert (criterion_value(item), criterion_bounds(item)) == ("310.0", "310.0 .. 310.0")


def test_the_snapshot_says_what_binds() -> None:
    lane = judged()
    document = snapshot(make_history(72, profile=profile_of()), lane, {})
    criteria = {item["name"]: item for item in document["criteria"]}
    assert criteria["p95_latency_ms"]["limit"] == "100 .. 340"
    assert criteria["share:net_bps"]["binding"] is False
    assert criteria["drift:net_bps"]["binding"] is False
    assert "binding" not in criteria["median:fills_per_hour"]
    assert criteria["relative:maker_taker_ratio"]["limit"] == ">= 0.81"
    assert document["iterations"] == {"planned": 72, "measured": 72}


def test_the_view_has_both_limits_and_the_warmup_as_an_excluded_span() -> None:
    drive = Drive(profile_of(), iterations=72)
    drive.steps(72, edge_report())
    lane = lane_of(drive)
    row = next(row for row in lane.gate if row.criterion == "p95_latency_ms")
    assert (row.limit_value, row.upper, row.other_limit) == (340.0, True, 100.0)
    kpi = next(kpi for kpi in lane.kpis if kpi.name == "p95_latency_ms")
    assert kpi.limit is not None
    assert (kpi.limit.value, kpi.limit.upper, kpi.limit.other) == (340.0, True, 100.0)
    assert spans(lane, "excluded") == [(1, 24, (), "warm-up")]
    units = {row.criterion: row.unit for row in lane.gate}
    assert units["median:fills_per_hour"] == "1/h"
    assert units["share:net_bps"] == ""
    bar = gate_bar("b", row, kpi.values)
    picture = ET.fromstring(bar)
    lines = [item for item in picture.iter() if "limit solid" in item.get("class", "")]
    assert len(lines) == 2
    assert "other values are outside" in bar
    assert sparkline("s", kpi, "PASS", (0.0, 400.0)).count('class="beyond"') >= 1


def test_the_audit_names_statistic_and_unit() -> None:
    history = make_history(72, profile=profile_of())
    run = judge_run([judge_lane(history)])
    text = audit([history, history], judge_run([judge_lane(history)] * 2))
    assert "| median 6001.0 |" in text
    single = audit([history], run)
    assert "| p95_latency_ms | PASS | 310.0 ms | 100 .. 340 |" in single
    assert "| share:net_bps | " in single
    assert "not binding" in single
    assert "Not judged, left out: iterations 1 to 24 (warm-up)." in single
    assert "beyond its warning, <= 0.2" in single
    assert "100 .. 340" in "\n".join(profile_text(profile_of(), {}).splitlines())


def test_the_profile_is_shown_with_every_form() -> None:
    text = profile_text(profile_of(), {})
    for line in (
        "share:net_bps: 0.6 of iterations inside, optional",
        "risk_ratio: warning <= 0.2",
        "maker_taker_ratio: at most 10 % worse than the warm-up",
        "median:fills_per_hour: over the last 20",
        "warm-up: the first 24 iterations are measured and not judged",
    ):
        assert line in text
    assert "warning" not in profile_text(shipped(), {})


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("share:net_bps", 5), ("net_bps", 4), ("relative:risk_ratio", 8), ("risk_ratio", 6),
        ("drift:net_bps", 4), ("median:fills_per_hour", 9),
    ],
)  # fmt: skip
def test_the_line_of_a_criterion_is_that_of_its_limit(tmp_path: Path, name: str, line: int) -> None:
    (tmp_path / "mine.yaml").write_text(
        "extends: steady\n"
        "gate:\n"
        "  warmup_iterations: 24\n"
        "  criteria:\n"
        "    net_bps: {limit: '>= 2.7',\n"
        "      share: 0.9}\n"
        "    risk_ratio: {limit: '<= 0.42',\n"
        "      relative_to: warmup,\n"
        "      ratio: 0.1}\n"
        "    fills_per_hour: {limit: '>= 9', statistic: median}\n"
    )
    resolved = resolve(str(tmp_path / "mine.yaml"), read_source)
    places = LimitPlaces(tmp_path, {"lane": resolved.places})
    location = places.location("lane", name, mock=False)
    assert location == ("mine.yaml", line)
