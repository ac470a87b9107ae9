"""The audit's section on the effects of the changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import Attribution, Effect, History
from pytest_soak.loop.state import evolved
from pytest_soak.report.effects import effect_lines, interval
from tests.unit.loop.lanes import Drive, changed, edge_report, nothing, proposing, shipped

BETTER = Effect("net_bps", "up", 3.0, 3.5, 0.1, 0.9, 4, 4, doubtless=False)
WORSE = Effect("p95_latency_ms", "down", 310.0, 340.0, 12.0, 48.0, 4, 4, doubtless=True)
UNKNOWN = Effect("net_bps", "up", 3.0, 3.5, None, None, 4, 4, doubtless=False)
KEYS = {"tail_age_ms": (600.0, 650.0)}


def attribution(
    iteration: int, rule: str, *effects: Effect, shared: tuple[str, ...] = ()
) -> Attribution:
    return Attribution(iteration, rule, KEYS, effects, shared, note="")


def history(*attributed: Attribution) -> History:
    drive = Drive()
    drive.step(edge_report(), proposing("MINE", tail_age_ms=50))
    drive.step(edge_report(), nothing)
    read = read_history(drive.entries)
    first, second = read.iterations
    assert second.decision is not None
    decided = evolved(second.decision, attributed=attributed)
    return replace(read, iterations=(first, replace(second, decision=decided)))


@pytest.mark.parametrize(
    ("effect", "verdict", "shown"),
    [
        (BETTER, "helped", "+0.100 .. +0.900"),
        (WORSE, "hurt", "+12.000 .. +48.000"),
        (UNKNOWN, "no evidence", "not known"),
        (replace(BETTER, low=-0.1), "no evidence", "-0.100 .. +0.900"),
        (replace(BETTER, aim="down"), "hurt", "+0.100 .. +0.900"),
    ],
)
def test_an_effect_is_what_its_interval_says(effect: Effect, verdict: str, shown: str) -> None:
    assert effect.verdict == verdict
    assert interval(effect) == shown


def test_changes_are_counted_by_rule_and_those_that_hurt_come_first() -> None:
    lines = effect_lines(
        history(
            attribution(1, "MINE", BETTER),
            attribution(2, "MINE", WORSE),
            attribution(3, "MINE", WORSE, shared=("OTHER",)),
            attribution(4, "", UNKNOWN),
        )
    )
    assert "| MINE | 3 | 1 | 0 | 2 | 1 |" in lines
    assert "| (no name) | 1 | 0 | 1 | 0 | 0 |" in lines
    rows = [line for line in lines if "tail_age_ms 600 → 650" in line]
    assert [row.split("|")[3].strip() for row in rows] == [
        "hurt beyond doubt",
        "hurt (shared with OTHER)",
        "helped",
    ]


def test_hurt_outweighs_helped() -> None:
    both = attribution(1, "MINE", BETTER, WORSE)
    assert both.verdict == "hurt"
    assert both.beyond_doubt
    assert not replace(both, shared=("OTHER",)).beyond_doubt


def test_a_run_without_measured_effects_says_so() -> None:
    assert effect_lines(history()) == [
        "No applied change was followed by enough iterations to measure its effect."
    ]
    silent = changed(shipped(), attribution=None, rollback=None)
    assert effect_lines(replace(history(), profile=silent)) == [
        "The profile declares no attribution, so no effect was measured."
    ]
