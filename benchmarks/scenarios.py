"""The effect of each scenario on the KPIs of the mock market, and the time of recovery.

    python benchmarks/scenarios.py [--seeds 8] [--iterations 24] [--profile steady]

For every seed there is one lane without a scenario and one with each, in the iteration in which
--soak-scenario begins it. The lanes use the same decide, fold and gate as a session, without a
disk. Up to the scenario both lanes are equal to the last bit, so the difference in its iteration is
its effect. Prints the table of docs/scenarios.md: mean differences over seeds, with t if it is
beyond 2.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.driving import drive, lane_of
from pytest_soak.gate.recovery import Recovery, recoveries
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import History
from pytest_soak.profile.resolve import Resolved, resolve
from pytest_soak.profile.scenarios import Scheduled, schedule
from pytest_soak.protocol import Scenario
from pytest_soak.store.sources import read_source
from pytest_soak.targets.mock import make_mock

KPIS = (
    ("net_bps", 2),
    ("risk_ratio", 3),
    ("maker_taker_ratio", 3),
    ("p95_latency_ms", 0),
    ("adverse_bps_p95", 2),
    ("slippage_bps_p95", 2),
    ("fills_per_hour", 0),
    ("concurrency_ratio", 3),
    ("throttle_ratio", 3),
)


def history_of(resolved: Resolved, seed: int, iterations: int, name: str | None) -> History:
    """One whole lane in memory; ``name`` is its scenario, None: it has none."""
    profile = resolved.profile
    lane = lane_of(profile, seed, iterations)
    planned: Sequence[Scheduled] = schedule(
        resolved.scenarios,
        [name] if name else [],
        iterations=iterations,
        interval_s=lane.interval_s,
        seed=seed,
    )
    target = make_mock(lane)
    target.scenarios(
        [Scenario(item.name, item.at, item.after_s, item.for_s, item.strength) for item in planned]
    )
    return drive(lane, profile, target, mock=True, scenarios=planned).history


def moved(pairs: Sequence[tuple[float, float]], digits: int) -> str:
    """The mean difference, with its t if that is beyond 2. A single pair has no t."""
    differences = [there - here for there, here in pairs]
    mean = statistics.fmean(differences)
    text = f"{mean:+.{digits}f}"
    if len(differences) < 2:
        return text
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    t = mean / error if error > 0.0 else math.inf
    return f"**{text}** ({t:+.1f})" if abs(t) > 2.0 else text


def value(history: History, number: int, kpi: str) -> float:
    reading = history.iterations[number - 1].readings[kpi].value
    return math.nan if reading is None else reading


def row(name: str, calm: Sequence[History], lanes: Sequence[History]) -> str:
    outcomes: list[Recovery] = [recoveries(LaneWindow(lane), mock=True)[0] for lane in lanes]
    cells = [
        moved(
            [
                (value(there, there.scenarios[0].at, kpi), value(here, there.scenarios[0].at, kpi))
                for there, here in zip(lanes, calm, strict=True)
            ],
            digits,
        )
        for kpi, digits in KPIS
    ]
    fired = sum(bool(outcome.fired) for outcome in outcomes)
    took = sorted({"-" if outcome.took is None else str(outcome.took) for outcome in outcomes})
    return f"| {name} | {fired} of {len(outcomes)} | {' | '.join(cells)} | {', '.join(took)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--iterations", type=int, default=24)
    parser.add_argument("--profile", default="steady")
    arguments = parser.parse_args()
    resolved = resolve(arguments.profile, read_source)
    seeds = range(1, arguments.seeds + 1)
    calm = [history_of(resolved, seed, arguments.iterations, None) for seed in seeds]
    print(f"| scenario | fired | {' | '.join(kpi for kpi, _ in KPIS)} | back after |")
    print("|---" * (len(KPIS) + 3) + "|")
    for name in resolved.scenarios:
        lanes = [history_of(resolved, seed, arguments.iterations, name) for seed in seeds]
        print(row(name, calm, lanes), flush=True)


if __name__ == "__main__":
    main()
