"""What each scenario does to the KPIs of the mock market, and how long recovery takes.

    python benchmarks/scenarios.py [--seeds 8] [--iterations 24] [--profile steady]

Every seed is one lane without and one lane with each scenario, where --soak-scenario puts it,
driven through the same decide, fold and gate as a session, without a disk. Up to the scenario both
lanes are the same to the last bit, so the difference within its iteration is its own. Prints the
table of docs/scenarios.md: mean difference over seeds, with t where it is beyond 2.
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
    """One lane from start to end, in memory; ``name`` is the scenario that it has."""
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
        [Scenario(one.name, one.at, one.after_s, one.for_s, one.strength) for one in planned]
    )
    return drive(lane, profile, target, mock=True, scenarios=planned).history


def moved(pairs: Sequence[tuple[float, float]], digits: int) -> str:
    """The mean difference, with its t where that is beyond 2; one pair has none."""
    differences = [there - here for there, here in pairs]
    mean = statistics.fmean(differences)
    text = f"{mean:+.{digits}f}"
    if len(differences) < 2:
        return text
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    t = mean / error if error > 0.0 else math.inf
    return f"**{text}** ({t:+.1f})" if abs(t) > 2.0 else text


def value(history: History, number: int, kpi: str) -> float:
    found = history.iterations[number - 1].readings[kpi].value
    return math.nan if found is None else found


def row(name: str, calm: Sequence[History], lanes: Sequence[History]) -> str:
    found: list[Recovery] = [recoveries(LaneWindow(lane), mock=True)[0] for lane in lanes]
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
    fired = sum(bool(one.fired) for one in found)
    took = sorted({"-" if one.took is None else str(one.took) for one in found})
    return f"| {name} | {fired} of {len(found)} | {' | '.join(cells)} | {', '.join(took)} |"


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
