"""Does the tuner help a faulty system, and does it stop once the system is well? Recovery table.

    python benchmarks/recovery.py [--seeds 100] [--profile steady]
    python benchmarks/recovery.py --curves

A healthy synthetic target has a fault from iteration 13 on. Its parameters have the effects that
they have in the mock market (``MEASURED``); lanes are driven through the same decide and fold as a
session. Exit status 1 if an aim is not met. docs/tuning.md explains the columns. ``--curves``
measures the mock market again, and compares it with the sum of the curves where several parameters
have moved.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.driving import INTERVAL_S, Step, still
from benchmarks.synthetic import (
    KPIS,
    MEASURED,
    START,
    Fault,
    Plant,
    Signal,
    SyntheticTarget,
    Values,
    curves,
    healthy,
    lane_steps,
    quantile,
)
from benchmarks.tables import exit_code_of, options_of
from pytest_soak.loop.kpis import read_kpis
from pytest_soak.profile.conditions import leaves
from pytest_soak.profile.model import Profile
from pytest_soak.profile.resolve import resolve
from pytest_soak.store.sources import read_source

AT = 13
"""First iteration of the fault."""
WITHIN = 72
"""A KPI that is not back by this iteration counts as not back."""
STAYS = 8
"""Back means: inside its limit for this many iterations in a row, the window of the gate."""
AFTER = 24
"""Iterations after the recovery in which reversals are counted."""
ITERATIONS = WITHIN + AFTER
PHIS = (0.3, 0.6)
REVERSALS_AIM, BACK_AIM = 1, 0.90

SEEDS, LENGTH = 6, 4
JOINT: Mapping[str, Values] = {
    "MAKER_BOOST, 4 times": {
        "base_spread_bps": 0.56, "replace_rate_per_min": 209.0, "min_interval_ms": 150.0,
    },
    "MAKER_BOOST, 8 times": {
        "base_spread_bps": 0.62, "replace_rate_per_min": 109.0, "min_interval_ms": 250.0,
    },
    "steady_safe": {
        "base_spread_bps": 0.65, "replace_rate_per_min": 320.0, "min_interval_ms": 75.0,
        "concurrency_limit": 1.8, "tail_age_ms": 700.0, "impact_cap_ratio": 0.09,
        "max_delta_ratio": 0.14,
    },
    "LATENCY_HARD, 4 times": {"concurrency_limit": 1.04, "tail_age_ms": 900.0},
}  # fmt: skip
"""Values of several parameters at once, to compare the sum of the curves with the market."""


@dataclass(frozen=True)
class Sick:
    """A fault, and the limit within which the KPI is well again."""

    name: str
    fault: Fault
    limit: float
    worse: int
    """1 if a higher value is worse, -1 if a lower one is."""

    def inside(self, truth: Values) -> bool:
        return self.worse * truth[self.fault.kpi] <= self.worse * self.limit


def plant_of(profile: Profile) -> Plant:
    """The target before the fault: every KPI one standard deviation inside its limit."""
    signals = healthy(profile)
    # Parameters move this KPI too; at its limit, every wider quote would be a second fault.
    signals["min_interval_ratio"] = Signal(0.088, 0.007, 0.0, 1.0)
    start = {key: parameter.start for key, parameter in profile.parameters.items()}
    return Plant(signals, curves(), start=start)


def faults(profile: Profile) -> dict[str, Sick]:
    """The four faults, each with the limit of the gate, or else that of the verdict."""
    signals = healthy(profile)
    gate = {item.kpi: item.production.sides[0] for item in profile.gate.criteria}
    maker, risk = signals["maker_taker_ratio"].healthy, signals["risk_ratio"].healthy
    adverse = next(
        comparison.limit
        for condition, _ in leaves(profile.verdict.warn)
        if condition.kpi == "adverse_bps_p95"
        for comparison in condition.comparisons
    )
    p95, share, blocks = (
        gate[kpi].limit for kpi in ("p95_latency_ms", "maker_taker_ratio", "risk_ratio")
    )
    sick = (
        Sick("latency x1.3", Fault("p95_latency_ms", AT, factor=1.3), p95, 1),
        Sick("adverse x2", Fault("adverse_bps_p95", AT, factor=2.0), adverse, 1),
        Sick("maker to .60", Fault("maker_taker_ratio", AT, add=0.60 - maker), share, -1),
        Sick("risk to .55", Fault("risk_ratio", AT, add=0.55 - risk), blocks, 1),
    )
    return {item.name: item for item in sick}


def within_reach(plant: Plant, sick: Sick) -> bool:
    """Whether some values of the parameters bring the KPI back inside its limit."""
    best = dict(plant.start)
    for curve in plant.curves:
        if curve.kpi == sick.fault.kpi and not curve.times:
            value, _ = min(curve.points, key=lambda point: sick.worse * point[1])
            best[curve.key] = value
    return sick.inside(Plant(plant.signals, plant.curves, sick.fault, plant.start).truth(AT, best))


@cache
def profile_of(reference: str) -> Profile:
    return resolve(reference, read_source).profile


@dataclass(frozen=True)
class Run:
    back: int | None
    """Iterations from the fault until the truth stays inside; None: not by ``WITHIN``."""
    reversals: Mapping[str, int]
    """Number by parameter, in the iterations after the recovery; empty without one."""
    end: Values
    """The truth at iteration ``WITHIN``."""
    panics: int
    rollbacks: int


def run_of(reference: str, fault: str, phi: float, seed: int) -> Run:
    profile = profile_of(reference)
    sick, well = faults(profile)[fault], plant_of(profile)
    plant = Plant(well.signals, well.curves, sick.fault, well.start)
    steps = lane_steps(profile, SyntheticTarget(plant, profile, phi, seed), ITERATIONS)
    truths = [plant.truth(number, step.values) for number, step in enumerate(steps, 1)]
    inside = [sick.inside(truth) for truth in truths]
    back = recovered(inside)
    return Run(
        back=None if back is None else back - AT,
        reversals={}
        if back is None
        else {key: reversals(moves_of(steps, key), back) for key in profile.parameters},
        end=truths[WITHIN - 1],
        panics=sum(step.decision.panic is not None for step in steps[AT - 1 :]),
        rollbacks=sum(
            any(
                outcome.rule == "ROLLBACK" and outcome.applied for outcome in step.decision.outcomes
            )
            for step in steps[AT - 1 :]
        ),
    )


def recovered(inside: Sequence[bool]) -> int | None:
    """The first iteration, up to ``WITHIN``, from which the KPI stays inside; None: never."""
    starts = range(AT, WITHIN + 1)
    return next((at for at in starts if all(inside[at - 1 : at - 1 + STAYS])), None)


def moves_of(steps: Sequence[Step], key: str) -> list[float]:
    """The change of ``key`` by each decision, whatever its cause."""
    return [step.decision.values[key] - step.values[key] for step in steps]


def reversals(moves: Sequence[float], back: int) -> int:
    """How often a parameter turns round in the decisions of ``back`` … ``back + AFTER - 1``.

    ``moves`` begins with iteration 1; 0 is no move. The first direction is that of the last move
    between fault and recovery.
    """
    earlier = [move for move in moves[AT - 1 : back - 1] if move][-1:]
    after = [move for move in moves[back - 1 : back - 1 + AFTER] if move]
    return sum((a > 0) != (b > 0) for a, b in pairwise([*earlier, *after]))


@dataclass(frozen=True)
class Summary:
    fault: str
    phi: float
    runs: Sequence[Run]
    untuned: Values
    """The truth at iteration ``WITHIN`` without a tuner."""
    sick: Sick
    reachable: bool

    @property
    def back(self) -> float:
        return statistics.fmean(run.back is not None for run in self.runs)

    @property
    def most(self) -> tuple[int, str]:
        """The most reversals of a parameter in one run, and that parameter."""
        counts = [(n, key) for run in self.runs for key, n in run.reversals.items()]
        return max(counts, default=(0, ""))

    @property
    def hunting(self) -> float:
        """Share of the runs in which a parameter turns round more often than the aim."""
        return statistics.fmean(
            any(n > REVERSALS_AIM for n in run.reversals.values()) for run in self.runs
        )


def rows(summaries: Sequence[Summary]) -> Iterator[str]:
    yield (
        f"{'fault':<13}{'φ':>4} |{'back':>5}{'median':>7}{'95 %':>6}{'untuned':>8} |{'KPI':>6}"
        f"{'untuned':>8}{'net':>5} |{'turns':>6}{'runs':>6} |{'panic':>6}{'ROLLB.':>7}"
    )
    for row in summaries:
        times = [math.inf if run.back is None else run.back for run in row.runs]
        cells = [quantile(times, share) for share in (0.5, 0.95)]
        median, tail = ("never" if math.isinf(cell) else f"{cell:.0f}" for cell in cells)
        kpi = row.sick.fault.kpi
        digits = 0 if kpi == "p95_latency_ms" else 2
        tuned, net = (
            statistics.fmean(run.end[name] for run in row.runs) for name in (kpi, "net_bps")
        )
        untuned = "back" if row.sick.inside(row.untuned) else "never"
        turns, _ = row.most
        yield (
            f"{row.fault:<13}{row.phi:>4.1f} |{row.back:>5.0%}{median:>7}{tail:>6}{untuned:>8} |"
            f"{tuned:>6.{digits}f}{row.untuned[kpi]:>8.{digits}f}{net:>5.1f} |"
            f"{turns:>6}{row.hunting:>6.1%} |"
            f"{statistics.fmean(run.panics for run in row.runs):>6.2f}"
            f"{statistics.fmean(run.rollbacks for run in row.runs):>7.2f}"
        )


def aims(summaries: Sequence[Summary]) -> Iterator[tuple[bool, str]]:
    for row in summaries:
        text = f"{row.fault}, φ {row.phi:g}: back in {BACK_AIM:.0%} of the runs: {row.back:.0%}"
        if row.reachable:
            yield row.back >= BACK_AIM and not row.sick.inside(row.untuned), text
    worst = max(summaries, key=lambda row: row.most[0])
    turns, key = worst.most
    where = f" ({key}, {worst.fault})" if turns else ""
    share = max(row.hunting for row in summaries)
    yield (
        turns <= REVERSALS_AIM,
        f"at most {REVERSALS_AIM} reversal in {AFTER} iterations: worst {turns}{where}, more in"
        f" {share:.1%}",
    )


def mock_figures(moved: Values) -> list[float]:
    """Mean KPIs of the mock market with these parameters, as in benchmarks/response.py."""
    profile = profile_of("steady")
    columns: list[list[float]] = [[] for _ in KPIS]
    for seed in range(1, SEEDS + 1):
        for report in still(profile, seed, LENGTH, moved):
            readings = read_kpis(profile, report, None, interval_s=INTERVAL_S, mock=True)
            for kpi, column in zip(KPIS, columns, strict=True):
                value = readings[kpi].value
                if value is not None:
                    column.append(value)
    return [statistics.fmean(column) for column in columns]


def print_curves(pool: ProcessPoolExecutor) -> None:
    points = [(key, value) for key, rows in MEASURED.items() for value in rows]
    single = list(pool.map(mock_figures, [{key: value} for key, value in points]))
    joint = list(pool.map(mock_figures, JOINT.values()))
    print(" " * 9 + " ".join(f"{kpi[:9]:>10}" for kpi in KPIS))
    at = ""
    for (key, value), figures in zip(points, single, strict=True):
        if key != at:
            print(at := key)
        print(f"{value:9g}" + _cells(figures))
    signals = {
        kpi: Signal(figure, 0.0, -math.inf, ratios=kpi == "fills_per_hour")
        for kpi, figure in zip(KPIS, START, strict=True)
    }
    plant = Plant(signals, curves(), start=plant_of(profile_of("steady")).start)
    print("\nseveral parameters moved: the market, and the sum of the curves")
    for (name, moved), figures in zip(JOINT.items(), joint, strict=True):
        truth = plant.truth(1, {**plant.start, **moved})
        print(name)
        print(f"{'market':>9}" + _cells(figures))
        print(f"{'curves':>9}" + _cells([truth[kpi] for kpi in KPIS]))


def _cells(figures: Sequence[float]) -> str:
    digits = (4, 4, 3, 1, 3, 4, 4, 0)
    return " ".join(f"{figure:11.{n}f}"[1:] for figure, n in zip(figures, digits, strict=True))


def summaries_of(
    reference: str, seeds: int, first: int, pool: ProcessPoolExecutor
) -> list[Summary]:
    profile = profile_of(reference)
    well, kinds = plant_of(profile), faults(profile)
    cells = [(fault, phi) for fault in kinds for phi in PHIS]
    jobs = [
        (reference, fault, phi, seed)
        for fault, phi in cells
        for seed in range(first, first + seeds)
    ]
    results = iter(list(pool.map(run_of, *zip(*jobs, strict=True), chunksize=5)))
    summaries = []
    for fault, phi in cells:
        sick = kinds[fault]
        # Without a tuner no parameter moves, so the truth is known without a lane.
        plant = Plant(well.signals, well.curves, sick.fault, well.start)
        untuned = plant.truth(WITHIN, well.start)
        lanes = [next(results) for _ in range(seeds)]
        summaries.append(Summary(fault, phi, lanes, untuned, sick, within_reach(well, sick)))
    return summaries


def main() -> int:
    parser = options_of(__doc__, seeds=100)
    parser.add_argument("--curves", action="store_true", help="measure the mock market again")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.processes) as pool:
        if options.curves:
            print_curves(pool)
            return 0
        summaries = summaries_of(options.profile, options.seeds, options.first, pool)
    print(
        f"Iterations from the fault until the truth stays inside, {options.seeds} runs per row,"
        f" profile {profile_of(options.profile).name}"
    )
    print("\n".join(rows(summaries)))
    beyond = [row.fault for row in summaries if not row.reachable]
    for fault in dict.fromkeys(beyond):
        print(f"{fault}: no values of the parameters bring it back inside, so it has no aim")
    print()
    return exit_code_of(aims(summaries))


if __name__ == "__main__":
    sys.exit(main())
