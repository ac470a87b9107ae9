"""Verdicts of whole lanes: healed runs pass, decaying runs do not, the tuned mock passes strictly.

    python benchmarks/verdicts.py [--quick]

Every lane is driven in memory through the same decide, fold and judge as a session.

healed    a service whose p95 falls by 26 ms with every connection, 240 ms at 8 and 58 ms at best,
          noise sd 15; GROW adds connections above 75 ms, the limit is 120: seeds 1-20 at 24, 48
          and 72 iterations.
decaying  net 6 - .1 i, p95 220 + 4 i, fills 900 - 25 i, noise sd .3, 15, 40, over 24 iterations;
          and the same fall (net -.15, p95 +6, fills -37.5 an iteration) within the last 16 of 48.
          It stays inside the limits of the shipped gate, on its way to them.
mock      the shipped profile on the mock market under --soak-strict, seeds 1-20 at 24 and 72.

Exit status 1 if a row misses its aim.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.driving import drive, lane_of
from pytest_soak.gate.judge import LaneJudgement, judge_lane
from pytest_soak.loop.model import Verdict
from pytest_soak.profile.build import build
from pytest_soak.profile.model import Profile
from pytest_soak.profile.resolve import resolve
from pytest_soak.store.sources import read_source
from pytest_soak.targets.mock import make_mock

SEEDS = 20
DECAYING_SEEDS = 100

POOL = {
    "name": "pool",
    "parameters": {
        "pool_size": {
            "path": "service",
            "unit": "connections",
            "start": 8,
            "min": 2,
            "max": 64,
            "cap_per_hour": 12,
            "safer": "down",
        }
    },
    "kpis": {"p95_ms": {"read": "totals.p95_ms", "unit": "ms", "better": "down"}},
    "verdict": {"fail": {"p95_ms": "> 1000"}, "warn": {"p95_ms": "> 120"}},
    "rules": {
        "GROW": {
            "when": {"p95_ms": "> 75"},
            "evidence": {"over": 2},
            "moves": {"pool_size": {"add": 1}},
        }
    },
    "guards": {"hold_last": 1, "velocity_window_s": 3600, "clip_ratio": 0.5},
    "gate": {
        "window": 8,
        "pass_from": 24,
        "confidence": 0.95,
        "no_data_ratio": 0.25,
        "criteria": {"p95_ms": "<= 120"},
        "pass_count_slack": 2,
        "freeze_ready_pass_count": 6,
        "delta": {"full": 0.95, "relaxed": 0.90, "stuck_max": 1},
    },
}


class Service:
    """A service that gets faster with every connection, up to 15 of them."""

    def __init__(self, seed: int) -> None:
        self._noise = random.Random(seed)

    def run(self, iteration: int, runtime: Mapping[str, Any], /) -> Mapping[str, Any]:
        pool = runtime["service"]["pool_size"]
        level = max(58.0, 240.0 - 26.0 * (pool - 8.0))
        return {"totals": {"p95_ms": level + self._noise.gauss(0.0, 15.0)}}


class Decaying:
    """A bot that gets worse from ``start`` on, with any parameters."""

    def __init__(self, seed: int, phi: float, start: int, rate: float) -> None:
        self._random, self._phi, self._start, self._rate = random.Random(seed), phi, start, rate
        self._noise = [self._random.gauss(0.0, 1.0) for _ in range(3)]

    def run(self, iteration: int, runtime: Mapping[str, Any], /) -> Mapping[str, Any]:
        fresh = (1.0 - self._phi**2) ** 0.5
        self._noise = [self._phi * x + fresh * self._random.gauss(0.0, 1.0) for x in self._noise]
        net, p95, fills = self._noise
        gone = self._rate * max(0, iteration - self._start)
        count = max(0.0, 900.0 - 25.0 * gone + 40.0 * fills)
        return {
            "totals": {
                "net_bps": 6.0 - 0.1 * gone + 0.3 * net,
                "p95_latency_ms": 220.0 + 4.0 * gone + 15.0 * p95,
                "adverse_bps_p95": 2.0,
                "slippage_bps_p95": 1.0,
            },
            "fills": {
                "maker_count": 0.9 * count,
                "taker_count": 0.1 * count,
                "maker_volume": 0.9 * count,
                "taker_volume": 0.1 * count,
            },
            "block_reasons": {"risk": 30, "min_interval": 10, "concurrency": 40, "throttle": 20},
        }


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    judgements: list[LaneJudgement]
    least: int
    """At least this many lanes must PASS; if ``passes`` is false, must not PASS."""
    passes: bool = True
    most_freezable: int | None = None

    @property
    def met(self) -> int:
        passing = sum(lane.verdict is Verdict.PASS for lane in self.judgements)
        return passing if self.passes else len(self.judgements) - passing

    @property
    def freezable(self) -> int:
        return sum(lane.keepable for lane in self.judgements)

    @property
    def holds(self) -> bool:
        few = self.most_freezable is None or self.freezable <= self.most_freezable
        return self.met >= self.least and few

    def text(self) -> str:
        what = "PASS" if self.passes else "not PASS"
        total = len(self.judgements)
        least = f"at least {self.least}" if self.least else "shown"
        text = f"{self.name:<44} {what:<8} {self.met:>3} of {total:<3} {least:<12}"
        text += f" freezable {self.freezable:<3}"
        return f"{text} {'ok' if self.holds else 'MISSED'}"

    def because(self) -> str:
        """The most frequent reasons why lanes did not PASS."""
        reasons: Counter[str] = Counter()
        for lane in self.judgements:
            names = [item.name for item in lane.criteria if item.verdict is not Verdict.PASS]
            reasons[f"{lane.verdict} by {names[0]}" if names else "PASS"] += 1
        return ", ".join(f"{text} {count}" for text, count in reasons.most_common(4))


def healed(iterations: int, least: int) -> Row:
    profile = build(POOL)
    judgements = []
    for seed in range(1, SEEDS + 1):
        driven = drive(lane_of(profile, seed, iterations), profile, Service(seed))
        judgements.append(judge_lane(driven.history))
    return Row(f"healed, {iterations} iterations", judgements, least)


def decaying(phi: float, iterations: int, start: int, rate: float, least: int) -> Row:
    profile = shipped()
    judgements = []
    for seed in range(1, DECAYING_SEEDS + 1):
        target = Decaying(seed, phi, start, rate)
        judgements.append(
            judge_lane(drive(lane_of(profile, seed, iterations), profile, target).history)
        )
    where = "the whole run" if start == 0 else f"the last {iterations - start}"
    return Row(
        f"decaying over {where} of {iterations}, phi {phi:g}",
        judgements,
        least,
        passes=False,
        most_freezable=1 if start == 0 else None,
    )


def tuned_mock(iterations: int, least: int) -> Row:
    profile = shipped()
    judgements = []
    for seed in range(1, SEEDS + 1):
        lane = lane_of(profile, seed, iterations)
        driven = drive(lane, profile, make_mock(lane), mock=True)
        judgements.append(judge_lane(driven.history, strict=True))
    return Row(f"tuned mock, strict, {iterations} iterations", judgements, least)


def shipped() -> Profile:
    return resolve("steady", read_source).profile


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="without the mock at 72 iterations")
    quick = parser.parse_args().quick
    rows = [healed(24, 15), healed(48, 18), healed(72, 20)]
    rows += [decaying(phi, 24, 0, 1.0, 97) for phi in (0.0, 0.5)]
    rows += [decaying(0.0, 48, 32, 1.5, 97), decaying(0.5, 48, 32, 1.5, 85)]
    rows += [tuned_mock(24, 19)] + ([] if quick else [tuned_mock(72, 19)])
    for row in rows:
        print(row.text())
        print(f"    {row.because()}")
    example = next(item for item in rows[3].judgements[0].criteria if item.name == "drift:net_bps")
    print(f"\nreason of a decaying lane: {example.verdict} {example.reason}")
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
