"""Does the tuner keep still on a healthy system? The A/A table: false actions, panics, drift.

    python benchmarks/false_alarms.py [--seeds 200] [--profile steady]
    python benchmarks/false_alarms.py --noise

The true KPIs do not depend on the parameters. They lie inside every limit of the profile by one
standard deviation of one iteration; noise is AR(1), and independent between KPIs. So every action
is false. Each row is --seeds lanes of 72 iterations of 300 s, driven through the same decide and
fold as a session. For contrast the same lanes run with a naive tuner (every rule acts on a single
observation, without a pause) and with a raw panic (the gate's limits as FAIL). Exit status 1 if an
aim is not met. docs/tuning.md explains the columns; --noise prints the standard deviations of the
mock market that are used.
"""

from __future__ import annotations

import copy
import math
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.driving import still
from benchmarks.synthetic import (
    SD,
    Plant,
    Signal,
    SyntheticTarget,
    healthy,
    lane_steps,
    quantile,
)
from benchmarks.tables import exit_code_of, options_of
from pytest_soak.profile.build import build
from pytest_soak.profile.conditions import leaves
from pytest_soak.profile.model import Profile
from pytest_soak.profile.resolve import resolve
from pytest_soak.store.sources import read_source

ITERATIONS = 72
PHIS = (0.0, 0.3, 0.6, 0.8)
LATENCIES = (None, 320.0, 322.0)
"""True p95 latencies, ms: None is inside every limit; the others are inside the gate's limit."""
SICK_LATENCIES, SICK_PHIS = (345.0, 355.0, 370.0, 405.0), (0.3, 0.6)
CONTRAST_SEEDS = 25
PANIC_RUNS = 20_000
LATENCY_AIM, PANIC_AIM, DRIFT_AIM = 1.0, 0.01, 0.10

Tuner = Literal["profile", "naive", "raw panic"]
Floats = NDArray[np.float64]


def target_of(profile: Profile, p95: float | None = None) -> Plant:
    """The healthy target, with another true p95 latency if one is given."""
    signals = healthy(profile)
    if p95 is not None:
        signals["p95_latency_ms"] = Signal(p95, SD["p95_latency_ms"])
    return Plant(signals)


def naive(profile: Profile) -> Profile:
    """The same rules without their protection against noise: one observation is always enough."""
    document = _copy(profile)
    for rule in document["rules"].values():
        for protection in ("evidence", "hysteresis", "dwell"):
            rule.pop(protection, None)
    return build(document)


def raw_panic(profile: Profile) -> Profile:
    """The same profile, but an iteration beyond a limit of the gate is a FAIL."""
    document = _copy(profile)
    opposite = {">": "<=", "<": ">=", ">=": "<", "<=": ">"}
    limits = {item.kpi: item.production.sides[0] for item in profile.gate.criteria}
    fail = {kpi: f"{opposite[limit.op]} {limit.limit!r}" for kpi, limit in limits.items()}
    document["verdict"] = {"fail": fail}
    return build(document)


def _copy(profile: Profile) -> dict[str, Any]:
    return copy.deepcopy(dict(profile.document))


TUNERS: Mapping[Tuner, Callable[[Profile], Profile]] = {
    "profile": lambda profile: profile,
    "naive": naive,
    "raw panic": raw_panic,
}


@cache
def profile_of(reference: str, tuner: Tuner) -> Profile:
    return TUNERS[tuner](resolve(reference, read_source).profile)


@dataclass(frozen=True)
class Row:
    """One line of the tables: lanes that differ only in their seed."""

    profile: str
    tuner: Tuner
    p95: float | None
    phi: float

    @property
    def plant(self) -> Plant:
        # Healthy by the limits of the unchanged profile, also for the other tuners.
        return target_of(profile_of(self.profile, "profile"), self.p95)


@dataclass(frozen=True)
class Run:
    """The actions in one lane; all of them are false."""

    rules: Counter[str]
    """Rule to the number of iterations in which it fired."""
    panics: int
    drift: Mapping[str, float]
    """Parameter to its largest distance from the start, as a share of its range."""
    attributions: Counter[str]
    """Number of attributions by verdict."""
    rollbacks: int

    @property
    def latency(self) -> int:
        return sum(count for rule, count in self.rules.items() if rule.startswith("LATENCY_"))

    @property
    def farthest(self) -> str:
        return max(self.drift, key=lambda key: self.drift[key])


def run_of(row: Row, seed: int, iterations: int = ITERATIONS) -> Run:
    profile = profile_of(row.profile, row.tuner)
    target = SyntheticTarget(row.plant, profile, row.phi, seed)
    rules: Counter[str] = Counter()
    attributions: Counter[str] = Counter()
    drift = dict.fromkeys(profile.parameters, 0.0)
    panics = rollbacks = 0
    for step in lane_steps(profile, target, iterations):
        decision = step.decision
        rules.update(rule for rule in decision.rules if rule != "ROLLBACK")
        attributions.update(item.verdict for item in decision.attributed)
        panics += decision.panic is not None
        rollbacks += any(
            outcome.rule == "ROLLBACK" and outcome.applied for outcome in decision.outcomes
        )
        for key, parameter in profile.parameters.items():
            away = abs(decision.values[key] - parameter.start) / parameter.span
            drift[key] = max(drift[key], away)
    return Run(rules, panics, drift, attributions, rollbacks)


def panic_share(profile: Profile, plant: Plant, phi: float, runs: int, seed: int = 1) -> float:
    """Share of ``runs`` in which the profile's FAIL limits cause a panic, from the verdict alone.

    The tuner cannot change this target, so no lanes are driven.
    """
    guard = profile.guards.panic
    if guard is None:
        return 0.0
    rng = np.random.default_rng(seed)
    failed = np.zeros((runs, ITERATIONS), dtype=bool)
    for condition, _ in leaves(profile.verdict.fail):
        signal = plant.signals[condition.kpi]
        values: Any = signal.healthy + signal.sd * noise(rng, phi, runs)
        holds = np.ones_like(failed)
        for comparison in condition.comparisons:
            holds &= np.asarray(comparison.holds(values))
        failed |= holds
    streak, panicked = np.zeros(runs, dtype=int), np.zeros(runs, dtype=bool)
    for at in range(ITERATIONS):
        streak += 1
        streak *= failed[:, at]
        panicked |= streak >= guard.after
    return float(panicked.mean())


def noise(rng: np.random.Generator, phi: float, runs: int) -> Floats:
    """Stationary AR(1) series of mean 0 and standard deviation 1, one per row."""
    series = rng.standard_normal((runs, ITERATIONS))
    series[:, 1:] *= (1.0 - phi * phi) ** 0.5
    for at in range(1, ITERATIONS):
        series[:, at] += phi * series[:, at - 1]
    return series


@dataclass(frozen=True)
class Summary:
    """The runs of one row of both tables."""

    row: Row
    runs: tuple[Run, ...]
    panic: float
    """Share of the runs with a panic, from the verdict alone."""

    @property
    def latency(self) -> float:
        return statistics.fmean(run.latency for run in self.runs)

    @property
    def drifts(self) -> list[float]:
        """The largest drift of a parameter, for each run."""
        return [run.drift[run.farthest] for run in self.runs]

    def per_run(self, count: Callable[[Run], float]) -> float:
        return statistics.fmean(count(run) for run in self.runs)

    def group(self, name: str) -> float:
        return self.per_run(
            lambda run: sum(n for rule, n in run.rules.items() if _group(rule) == name)
        )


def _group(rule: str) -> str:
    return rule.split("_")[0]


def _label(row: Row) -> str:
    p95 = row.plant.signals["p95_latency_ms"].healthy
    return f"{row.tuner:<10}{p95:>5.0f}{row.phi:>5.1f}"


def actions_table(summaries: Sequence[Summary], profile: Profile) -> Iterator[str]:
    groups = [name for name in dict.fromkeys(map(_group, _names(profile))) if name != "LATENCY"]
    widths = {name: max(8, len(name) + 1) for name in groups}
    yield f"{'tuner':<10}{'p95':>5}{'φ':>5} | {'LATENCY':>8}{'>1':>6} |" + "".join(
        f"{name:>{widths[name]}}" for name in groups
    )
    for summary in summaries:
        more = summary.per_run(lambda run: float(run.latency > 1))
        cells = "".join(f"{summary.group(name):>{widths[name]}.2f}" for name in groups)
        yield f"{_label(summary.row)} | {summary.latency:>8.2f}{more:>6.0%} |{cells}"


def _names(profile: Profile) -> list[str]:
    return [rule.name for rule in profile.rules]


def harm_table(summaries: Sequence[Summary]) -> Iterator[str]:
    yield (
        f"{'tuner':<10}{'p95':>5}{'φ':>5} |{'panic':>7}{'lanes':>7} |{'drift':>6}{'95 %':>6}"
        f"{'worst':>6} {'most often':<21} |{'helped':>7}{'hurt':>5}{'ROLLB.':>7}"
    )
    for summary in summaries:
        drifts = summary.drifts
        key, _ = Counter(run.farthest for run in summary.runs).most_common(1)[0]
        lanes = summary.per_run(lambda run: float(run.panics > 0))
        counts = sum((run.attributions for run in summary.runs), Counter[str]())
        helped, hurt = (counts[word] / max(1, counts.total()) for word in ("helped", "hurt"))
        yield (
            f"{_label(summary.row)} |{summary.panic:>7.2%}{lanes:>7.1%} |"
            f"{statistics.fmean(drifts):>6.1%}"
            f"{quantile(drifts, 0.95):>6.1%}{max(drifts):>6.1%} {key:<21} |"
            f"{helped:>7.0%}{hurt:>5.0%}{summary.per_run(lambda run: run.rollbacks):>7.2f}"
        )


def aims(summaries: Sequence[Summary]) -> Iterator[tuple[bool, str]]:
    """The aims of the profile's own tuner: met or not, with a text."""
    own = [summary for summary in summaries if summary.row.tuner == "profile"]
    for p95 in dict.fromkeys(summary.row.p95 for summary in own):
        rows = [summary for summary in own if summary.row.p95 == p95]
        most = max(summary.latency for summary in rows)
        true = rows[0].row.plant.signals["p95_latency_ms"].healthy
        yield (
            most <= LATENCY_AIM,
            f"LATENCY_* at most {LATENCY_AIM:g} in 72 iterations, p95 {true:.0f}: {most:.2f}",
        )
    panic = max(summary.panic for summary in own)
    yield panic < PANIC_AIM, f"panics in less than {PANIC_AIM:.0%} of the runs: {panic:.2%}"
    drift = max(statistics.fmean(summary.drifts) for summary in own)
    tail, worst = (max(quantile(summary.drifts, share) for summary in own) for share in (0.95, 1.0))
    yield (
        drift <= DRIFT_AIM,
        f"drift at most {DRIFT_AIM:.0%} of a range, mean over runs: {drift:.1%}"
        f" (95 % of the runs: {tail:.1%}, worst: {worst:.1%})",
    )


def _untuned(seed: int) -> dict[str, list[float]]:
    """KPIs of one tuner-off lane of the mock market."""
    profile = profile_of("steady", "profile")
    series: dict[str, list[float]] = {}
    for report in still(profile, seed, ITERATIONS):
        blocks, fills = report["block_reasons"], report["fills"]
        kpis = {
            "adverse_bps_p95": report["totals"]["adverse_bps_p95"],
            "slippage_bps_p95": report["totals"]["slippage_bps_p95"],
            "min_interval_ratio": blocks["min_interval"] / sum(blocks.values()),
            "fills_per_hour": (fills["maker_count"] + fills["taker_count"]) * 12.0,
        }
        for kpi, value in kpis.items():
            series.setdefault(kpi, []).append(value)
    return series


def print_noise(pool: ProcessPoolExecutor) -> None:
    lanes = list(pool.map(_untuned, range(1, 21)))
    print("one iteration of the mock market, tuner off: mean and sd within a lane, 20 seeds of 72")
    for kpi in lanes[0]:
        mean = statistics.fmean(statistics.fmean(lane[kpi]) for lane in lanes)
        pooled = statistics.fmean(statistics.variance(lane[kpi]) for lane in lanes) ** 0.5
        print(f"{kpi:<20} {mean:12.4f} {pooled:10.4f}")


def first_answer(row: Row, seed: int) -> float:
    """The iteration after which LATENCY_HARD or LATENCY_BUFFER first acts; infinite if never."""
    profile = profile_of(row.profile, row.tuner)
    target = SyntheticTarget(row.plant, profile, row.phi, seed)
    for number, step in enumerate(lane_steps(profile, target, ITERATIONS), 1):
        if {"LATENCY_HARD", "LATENCY_BUFFER"} & set(step.decision.rules):
            return float(number)
    return math.inf


def answers_table(reference: str, seeds: Sequence[int], pool: ProcessPoolExecutor) -> Iterator[str]:
    """How soon the tuner acts on a true fault; without this table, a dead tuner would look best."""
    yield f"{'true p95':<10}" + "".join(f"{f'φ {phi:g}':>14}" for phi in SICK_PHIS)
    for p95 in SICK_LATENCIES:
        rows = [Row(reference, "profile", p95, phi) for phi in SICK_PHIS]
        cells = []
        for row in rows:
            firsts = list(pool.map(first_answer, [row] * len(seeds), seeds, chunksize=5))
            cells.append(f"{quantile(firsts, 0.5):.0f} (95 %: {quantile(firsts, 0.95):.0f})")
        yield f"{p95:<10.0f}" + "".join(f"{cell:>14}" for cell in cells)


def jobs_of(rows: Sequence[Row], counts: Sequence[int], first: int) -> list[tuple[Row, int]]:
    """Every row with each of its seeds; in all rows the seeds begin at ``first``."""
    return [
        (row, seed)
        for row, count in zip(rows, counts, strict=True)
        for seed in range(first, first + count)
    ]


def summaries_of(
    reference: str, seeds: int, first: int, pool: ProcessPoolExecutor
) -> list[Summary]:
    rows = [Row(reference, "profile", p95, phi) for p95 in LATENCIES for phi in PHIS]
    others: tuple[Tuner, ...] = ("naive", "raw panic")
    rows += [Row(reference, tuner, None, phi) for tuner in others for phi in PHIS]
    counts = [seeds if row.tuner == "profile" else min(seeds, CONTRAST_SEEDS) for row in rows]
    jobs = jobs_of(rows, counts, first)
    runs = iter(list(pool.map(run_of, *zip(*jobs, strict=True), chunksize=10)))
    return [
        Summary(
            row,
            tuple(next(runs) for _ in range(count)),
            panic_share(profile_of(reference, row.tuner), row.plant, row.phi, PANIC_RUNS, first),
        )
        for row, count in zip(rows, counts, strict=True)
    ]


def main() -> int:
    parser = options_of(__doc__, seeds=200)
    parser.add_argument("--noise", action="store_true", help="measure the mock market's noise")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.processes) as pool:
        if options.noise:
            print_noise(pool)
            return 0
        summaries = summaries_of(options.profile, options.seeds, options.first, pool)
        some = range(options.first, options.first + min(options.seeds, CONTRAST_SEEDS))
        answers = list(answers_table(options.profile, some, pool))
    profile = profile_of(options.profile, "profile")
    few = min(options.seeds, CONTRAST_SEEDS)
    print(
        f"Actions in {ITERATIONS} iterations, profile {profile.name}, mean over {options.seeds}",
        end="",
    )
    print(f" runs ({few} of naive and raw panic)")
    print("\n".join(actions_table(summaries, profile)))
    print(f"\nHarm (panic: share of {PANIC_RUNS} runs of the verdict alone)")
    print("\n".join(harm_table(summaries)))
    print(f"\nIterations until LATENCY_HARD or LATENCY_BUFFER acts, median of {len(some)} runs")
    print("\n".join(answers))
    print()
    return exit_code_of(aims(summaries))


if __name__ == "__main__":
    sys.exit(main())
