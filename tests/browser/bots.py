"""Targets of the runs whose pages the browser tests open: scripted, without a market, quick."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_soak import EndOfData
from pytest_soak.protocol import Lane, Scenario
from tests.unit.report import seven_runs
from tests.unit.report.seven_runs import Bot, Figures, Values, report_of, with_figures

RUNTIME = Path("artifacts/soak/latest/runtime_overrides.json")
ROLLED_BACK_FROM = 17
"""After this iteration ``eventful_proposals`` widens the spread, which hurts."""
EVENTFUL_EDITS: Mapping[int, Mapping[str, float]] = {11: {"tail_age_ms": 900.0}}


@dataclass
class Scripted:
    """Reports what its bot gives, with noise that follows from lane and iteration alone."""

    lane: Lane
    bot: Bot
    edits: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    """Iteration to the values that an operator writes into the runtime file meanwhile."""
    last: int = 1_000_000
    """The last iteration for which it has data."""
    schedule: Sequence[Scenario] = ()

    def scenarios(self, schedule: Sequence[Scenario]) -> None:
        self.schedule = schedule

    def run(self, iteration: int, runtime: Mapping[str, Any]) -> dict[str, Any]:
        if iteration > self.last:
            raise EndOfData(f"the recording ends after iteration {self.last}")
        values = {key: value for section in runtime.values() for key, value in section.items()}
        rng = random.Random(f"{self.lane.symbol} {self.lane.seed} {iteration}")
        report = report_of(self.bot(iteration, values), rng)
        fired = [item for item in self.schedule if item.at == iteration]
        if fired:
            report["scenarios"] = [
                {"name": item.name, "started_s": item.after_s, "ended_s": item.after_s + item.for_s}
                for item in fired
            ]
        if iteration in self.edits:
            edit_by_hand(self.edits[iteration])
        return report


def edit_by_hand(values: Mapping[str, float]) -> None:
    """Write values into the runtime file of a run with one lane, as an operator does."""
    runtime = json.loads(RUNTIME.read_text("utf-8"))
    for section in runtime.values():
        section.update({key: values[key] for key in section if key in values})
    RUNTIME.write_text(json.dumps(runtime, indent=2), "utf-8")


def calm(lane: Lane) -> Scripted:
    return Scripted(lane, seven_runs.calm)


def failing(lane: Lane) -> Scripted:
    """Every gated KPI but one is outside its limit, and one is nowhere near it."""
    bad = {"net": 1.9, "p95": 910.0, "risk": 0.55}
    return Scripted(lane, lambda number, values: {**seven_runs.calm(number, values), **bad})


def decaying(lane: Lane) -> Scripted:
    return Scripted(lane, seven_runs.declining)


def of_symbol(lane: Lane) -> Scripted:
    return Scripted(lane, seven_runs.of_symbol(lane.symbol))


def ending(lane: Lane) -> Scripted:
    return Scripted(lane, seven_runs.calm, last=13)


def killed(lane: Lane) -> Scripted:
    """In the second lane the process of the session is killed."""

    def bot(number: int, values: Values) -> Figures:
        if lane.seed == 2 and number == 7:
            os._exit(9)
        return seven_runs.calm(number, values)

    return Scripted(lane, bot)


def raising(lane: Lane) -> Scripted:
    """The target breaks in the middle of the run."""

    def bot(number: int, values: Values) -> Figures:
        if number == 11:
            raise ConnectionError("the venue closed the connection: code 1006")
        return seven_runs.calm(number, values)

    return Scripted(lane, bot)


def eventful(lane: Lane) -> Scripted:
    """A wide spread hurts it; a slow gateway in iteration 25; it loses from 28 to 30."""
    steady = with_figures(
        seven_runs.calm,
        p95={25: 520.0, 26: 380.0},
        net={28: 1.0, 29: 1.0, 30: 1.0},
        adverse={6: 3.6, 7: 3.6},
    )

    def bot(number: int, values: Values) -> Figures:
        figures = steady(number, values)
        hurt = 0.9 if number > ROLLED_BACK_FROM and values["base_spread_bps"] > 0.59 else 0.0
        return {**figures, "net": figures["net"] - hurt if number < 28 else figures["net"]}

    return Scripted(lane, bot, EVENTFUL_EDITS)


def eventful_proposals(number: int) -> Mapping[str, Any] | None:
    """The proposals of the eventful run after iteration ``number``; None: the rules decide."""
    proposals: Mapping[int, Mapping[str, Any]] = {
        4: {"tail_age": 5.0, "min_interval_ms": 4.0},
        5: {"replace_rate_per_min": -400.0},
        ROLLED_BACK_FROM: {"base_spread_bps": {"delta": 0.1, "kpis": ["net_bps"], "rule": "WIDER"}},
        26: {"impact_cap_ratio": -0.01},
        27: {"impact_cap_ratio": 0.01},
    }
    return proposals.get(number)
