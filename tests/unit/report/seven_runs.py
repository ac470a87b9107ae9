"""Seven kinds of runs by a scripted bot, without sleeping, and the three files that each leaves.

``python -m tests.unit.report.seven_runs DIR`` writes the files of every run to ``DIR/NAME``.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from pytest_soak.gate.judge import LaneJudgement, RunJudgement, judge_lane, judge_run
from pytest_soak.loop.blocks import AuditCounts
from pytest_soak.loop.decide import decide
from pytest_soak.loop.entries import (
    Entry,
    Observation,
    Record,
    done_entry,
    record_of,
    start_entry,
)
from pytest_soak.loop.fold import advance, started
from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import History
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.protocol import Lane
from pytest_soak.report.audit import audit
from pytest_soak.report.failures import failures
from pytest_soak.report.recommend import recommendations
from tests.unit.loop.lanes import shipped

Values = Mapping[str, float]
Figures = Mapping[str, float]
Bot = Callable[[int, Values], Figures]
"""Iteration and parameters in force to what the bot would have without noise."""


AUDITED = AuditCounts(
    rows=800,
    unreadable=0,
    example="",
    events={"PLACE": 400, "CANCEL": 300, "FILL": 100},
    blocks={},
)


@dataclass(frozen=True, slots=True)
class Files:
    """The three files of a run, as one reads them who has only these."""

    audit: str
    recommendations: str
    failures: str


@dataclass(frozen=True)
class Run:
    """A run, its judgement and its files."""

    histories: tuple[History, ...]
    judgement: RunJudgement

    @classmethod
    def of(cls, *histories: History) -> Run:
        return cls(histories, judge_run([judge_lane(history) for history in histories]))

    @property
    def lane(self) -> LaneJudgement:
        return self.judgement.lanes[0]

    @property
    def files(self) -> Files:
        return Files(
            audit(self.histories, self.judgement),
            recommendations(self.histories, self.judgement),
            failures(self.histories, self.judgement),
        )


def calm(_: int, values: Values) -> Figures:
    """A bot inside every limit, whose figures follow from its parameters."""
    wider = values["base_spread_bps"] - 0.5
    return {
        "net": 3.4 + 0.8 * wider,
        "p95": 300.0 + 60.0 * (values["concurrency_limit"] - 2.0),
        "maker": 0.88 + 0.1 * wider,
        "risk": 0.33 - 0.05 * wider,
        "adverse": 2.0,
        "fills": 1000.0 * (1.0 - 0.4 * wider),
    }


def journal_of(
    bot: Bot = calm,
    n: int = 24,
    *,
    profile: str = "steady",
    symbol: str = "BTCUSDT",
    seed: int = 1,
    start: Values | None = None,
    tune: bool = True,
    dry_run: bool = False,
    scenarios: Sequence[Scheduled] = (),
) -> list[Record]:
    """The journal of one lane. Most of the noise follows from symbol, seed and iteration alone."""
    resolved = shipped(profile)
    lane = Lane(f"{profile}-{symbol}-{seed}", profile, symbol, seed, 300.0, n)
    values = {key: parameter.start for key, parameter in resolved.parameters.items()}
    values |= dict(start or {})
    first = start_entry(
        lane, resolved, "scripted", values, scenarios, mock=False, tune=tune, dry_run=dry_run
    )
    entries: list[Record] = [record_of(first)]
    state = started(first)

    def add(entry: Entry) -> None:
        nonlocal state
        entries.append({"seq": len(entries), **record_of(entry)})
        state = advance(state, entry)

    for number in range(1, n + 1):
        report = report_of(bot(number, state.values), random.Random(f"{symbol} {seed} {number}"))
        own = random.Random(f"{profile} {symbol} {seed} {number}")
        report["totals"]["net_bps"] += own.gauss(0.0, 0.02)
        report["totals"]["p95_latency_ms"] += own.gauss(0.0, 0.5)
        fired = [item for item in scenarios if item.at == number]
        if fired:
            report["scenarios"] = [
                {"name": item.name, "started_s": item.after_s, "ended_s": item.after_s + item.for_s}
                for item in fired
            ]
        add(Observation(number, report, AUDITED, None))
        decision = decide(state)
        add(decision)
        if decision.changes:
            add(done_entry(decision))
    return entries


def report_of(figures: Figures, rng: random.Random) -> dict[str, Any]:
    """The report of a bot with these figures and a little noise."""
    maker = figures["maker"] + rng.gauss(0.0, 0.003)
    risk = figures["risk"] + rng.gauss(0.0, 0.005)
    fills = figures["fills"] * (1.0 + rng.gauss(0.0, 0.02))
    return {
        "totals": {
            "net_bps": figures["net"] + rng.gauss(0.0, 0.08),
            "p95_latency_ms": figures["p95"] + rng.gauss(0.0, 2.0),
            "adverse_bps_p95": figures["adverse"] + rng.gauss(0.0, 0.05),
            "slippage_bps_p95": 1.5 + rng.gauss(0.0, 0.05),
        },
        "fills": {
            "maker_count": round(fills * maker),
            "taker_count": round(fills * (1.0 - maker)),
            "maker_volume": 10.0 * fills * maker,
            "taker_volume": 10.0 * fills * (1.0 - maker),
        },
        "block_reasons": {
            "risk": round(1000.0 * risk),
            "min_interval": 150,
            "concurrency": round(750.0 - 1000.0 * risk),
            "throttle": 100,
        },
    }


def history_of(bot: Bot = calm, n: int = 24, **options: Any) -> History:
    return read_history(journal_of(bot, n, **options))


def with_figures(bot: Bot, **figures: Mapping[int, float]) -> Bot:
    """``bot`` with other figures in some iterations: KPI to iteration to figure."""

    def run(number: int, values: Values) -> Figures:
        other = {name: given[number] for name, given in figures.items() if number in given}
        return {**bot(number, values), **other}

    return run


def declining(number: int, values: Values) -> Figures:
    """The edge falls from iteration to iteration, the flow too; the latency rises a little."""
    before = calm(number, values)
    return {
        **before,
        "net": 5.0 - 0.05 * number,
        "fills": before["fills"] * (1.0 - 0.008 * number),
        "p95": before["p95"] + 0.4 * number,
    }


def breaking(number: int, values: Values) -> Figures:
    """From iteration 10 on it loses, with the parameters of the safe profile too."""
    bad = {9: 2.4, 8: 2.6, 7: 2.9}
    net = 0.9 if number >= 10 else bad.get(number, 3.4)
    adverse = 3.6 if number >= 7 else 2.0
    return {**calm(number, values), "net": net, "adverse": adverse}


def risky(number: int, values: Values) -> Figures:
    """It loses with its own parameters from iteration 10 on, and not with those of steady_safe."""
    safe = values["base_spread_bps"] >= 0.62
    net = 3.4 if safe or number < 10 else 1.2
    return {**calm(number, values), "net": net}


def tight(number: int, values: Values) -> Figures:
    """Too few maker fills; with a wider spread it would have more of them."""
    return {**calm(number, values), "maker": 0.75 + 0.4 * (values["base_spread_bps"] - 0.5)}


def spiking(number: int, values: Values) -> Figures:
    """The gateway is slow in iteration 15, and a bit in the one after."""
    late = {15: 520.0, 16: 380.0}
    before = calm(number, values)
    return {**before, "p95": late.get(number, before["p95"])}


SPIKE = Scheduled("latency_spike", 15, 20.0, 120.0, 3.0, "exclude", 3)


def good() -> Run:
    return Run.of(history_of(n=36))


def healed() -> Run:
    return Run.of(history_of(n=72, start={"concurrency_limit": 3.5}))


def decaying() -> Run:
    return Run.of(history_of(declining, 48))


def panicking() -> Run:
    return Run.of(history_of(breaking, 30))


def tuner_off() -> Run:
    return Run.of(history_of(with_figures(tight, net={9: 1.0, 10: 1.0, 11: 1.0}), 30, tune=False))


def of_symbol(symbol: str) -> Bot:
    """On ETHUSDT a spread as narrow as that of steady gets too few maker fills."""

    def run(number: int, values: Values) -> Figures:
        narrow = symbol == "ETHUSDT" and values["base_spread_bps"] < 0.8
        return {**calm(number, values), **({"maker": 0.7} if narrow else {})}

    return run


def capped() -> Run:
    """Too few maker fills, whatever the tuner does about it."""
    return Run.of(history_of(without_answer, 36))


def without_answer(number: int, values: Values) -> Figures:
    return {**calm(number, values), "maker": 0.75}


def turning(number: int, values: Values) -> Figures:
    """Steady up to iteration 30, then the edge falls."""
    return {**calm(number, values), "net": 3.6 - 0.05 * max(0, number - 30)}


def late_decay() -> Run:
    return Run.of(history_of(turning, 60))


def lanes() -> Run:
    return Run.of(
        *(
            history_of(of_symbol(symbol), n=24, profile=profile, symbol=symbol, seed=seed)
            for profile, symbol, seed in product(
                ("steady", "S1", "ultra_safe"), ("BTCUSDT", "ETHUSDT"), (1, 2, 3)
            )
        )
    )


def disturbed() -> Run:
    return Run.of(history_of(spiking, 24, scenarios=(SPIKE,)))


def disturbed_late() -> Run:
    """The scenario is in the window that the gate judges."""
    late = replace(SPIKE, at=20)
    bot = with_figures(calm, p95={20: 520.0, 21: 380.0})
    return Run.of(history_of(bot, 26, scenarios=(late,)))


def reverted() -> Run:
    """A panic that helped: it loses no more with the safe profile."""
    return Run.of(history_of(risky, 36))


RUNS: Mapping[str, Callable[[], Run]] = {
    "good": good,
    "healed": healed,
    "decaying": decaying,
    "panicking": panicking,
    "tuner_off": tuner_off,
    "lanes": lanes,
    "scenario": disturbed,
    "scenario_late": disturbed_late,
    "reverted": reverted,
    "capped": capped,
    "late_decay": late_decay,
}


@cache
def run_of(name: str) -> Run:
    return RUNS[name]()


@cache
def files_of(name: str) -> Files:
    return run_of(name).files


def main(directory: str) -> None:
    """Write the files of every run to ``directory/NAME``."""
    for name in RUNS:
        folder, files = Path(directory) / name, files_of(name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "POST_SOAK_AUDIT.md").write_text(files.audit, "utf-8")
        (folder / "RECOMMENDATIONS.md").write_text(files.recommendations, "utf-8")
        (folder / "FAILURES.md").write_text(files.failures, "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
