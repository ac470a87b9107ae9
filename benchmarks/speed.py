"""How fast the mock market is: simulated seconds per second of one core, memory, a whole session.

    python benchmarks/speed.py [--iterations 864] [--rounds 5] [--dir DIR]

The figure of one iteration is the median over ``--rounds`` times 20 iterations. Plain Python and
the extra ``fast`` alternate on the same iterations, so that a slow moment of the machine affects
both. The best round is printed beside the median; it is the figure of a core without other work. If
numba or hftbacktest is not installed, its line says so.

hftbacktest replays a synthetic feed of trades and depth changes with an empty strategy. An event of
the mock market is a taker, a landing request, a decision of the bot, or a tick of 0.1 s. The two do
different work for each event, so their ratio is only an order of magnitude.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_soak.loop.entries import runtime_of
from pytest_soak.profile.resolve import resolve
from pytest_soak.protocol import Lane, Runtime
from pytest_soak.store.sources import read_source
from pytest_soak.targets.mock import make_mock
from pytest_soak.targets.mock.target import MockTarget

INTERVAL_S = 300.0
SWITCH = "PYTEST_SOAK_FAST"
BATCH = 20


def target(*, fast: bool) -> MockTarget:
    os.environ[SWITCH] = "1" if fast else "0"
    return make_mock(Lane("lane", "steady", "BTCUSDT", 1, INTERVAL_S, 24))


def start_runtime() -> Runtime:
    profile = resolve("steady", read_source).profile
    return runtime_of(
        profile, {key: parameter.start for key, parameter in profile.parameters.items()}
    )


def seconds_of(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def iteration_seconds(mock: MockTarget, first: int, runtime: Runtime) -> float:
    """Seconds of one ``run``, median over a batch."""
    return statistics.median(
        seconds_of(lambda number=number: mock.run(number, runtime))  # type: ignore[misc]
        for number in range(first, first + BATCH)
    )


def speeds(rounds: int) -> list[str]:
    runtime = start_runtime()
    plain, fast = target(fast=False), None
    lines = []
    warm = seconds_of(lambda: plain.run(1, runtime))
    if importlib.util.find_spec("numba"):
        fast = target(fast=True)
        compiling = seconds_of(lambda: fast.run(1, runtime))
        lines.append(f"first iteration: numpy alone {warm:.3f} s, with numba {compiling:.2f} s")
    by_plain, by_fast = [], []
    for turn in range(rounds):
        first = 2 + turn * BATCH
        by_plain.append(INTERVAL_S / iteration_seconds(plain, first, runtime))
        if fast is not None:
            by_fast.append(INTERVAL_S / iteration_seconds(fast, first, runtime))
    lines.append(shown("simulated / wall, numpy alone", by_plain, "at least 3,000"))
    if fast is None:
        return [*lines, "simulated / wall, fast: numba is not installed"]
    lines.append(shown("simulated / wall, fast, warmed up", by_fast, "at least 50,000"))
    ratio = [f / p for f, p in zip(by_fast, by_plain, strict=True)]
    lines.append(f"{'fast / numpy alone':<40} {statistics.median(ratio):10.1f}")
    same = fast.snapshot() == plain.snapshot()
    lines.append(f"{'same state after all of them':<40} {same!s:>10}")
    return lines


def shown(name: str, values: list[float], goal: str) -> str:
    middle, best = statistics.median(values), max(values)
    return f"{name:<40} {middle:10,.0f}   best {best:,.0f}   {goal}"


def memory(iterations: int, *, fast: bool) -> str:
    """Resident memory after 100 iterations and at the end, in this process, MB."""
    runtime = start_runtime()
    mock = target(fast=fast)
    early = 0.0
    for number in range(1, iterations + 1):
        mock.run(number, runtime)
        if number == min(100, iterations):
            early = resident_mb()
    name = "memory, " + ("fast" if fast else "numpy alone")
    return f"{name:<40} {early:10.1f} MB after 100, {resident_mb():.1f} at the end   flat"


def resident_mb() -> float:
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def session(iterations: int, mode: str, folder: Path) -> str:
    """A whole session with default settings in a separate process."""
    environment = {**os.environ, SWITCH: mode}
    for name in ("PYTEST_ADDOPTS", "SOAK_ITERATIONS", "SOAK_HOURS", "USE_MOCK", "MM_PROFILE"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--soak-mock"]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, f"--soak-iterations={iterations}"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    wall = time.perf_counter() - start
    if done.returncode not in (0, 1):
        raise SystemExit(f"the session exited {done.returncode}")
    name = f"session of {iterations}, " + ("numpy alone" if mode == "0" else "fast")
    return f"{name:<40} {wall:8.1f} s   at most 120 s with numpy alone"


def events_per_s(*, fast: bool) -> float:
    """Events of the mock's event loop a second; a second, instrumented run counts them."""
    from pytest_soak.targets.mock import bot, grid, market, order_state, trading
    from pytest_soak.targets.quoting import params_of

    os.environ[SWITCH] = "1" if fast else "0"
    event_loop = target(fast=fast)._event_loop
    state, params = market.first_state(1), params_of(start_runtime())
    orders, decisions = order_state.OrderState(), 0
    most_urgent = bot.most_urgent
    events = seconds = 0.0

    def counted(*arguments: Any) -> int:
        nonlocal decisions
        decisions += 1
        return most_urgent(*arguments)

    for number in range(1, 12):
        simulated, state = market.next_market(state, 1, number, INTERVAL_S)
        copied = order_state.OrderState.from_json(orders.to_json())
        decisions = 0
        bot.most_urgent = counted  # type: ignore[assignment]
        try:
            log = trading.trade(simulated, params, copied, trading.run_plainly)
        finally:
            bot.most_urgent = most_urgent
        start = time.perf_counter()
        trading.trade(simulated, params, orders, event_loop)
        if number > 1:  # the first one compiles
            seconds += time.perf_counter() - start
            events += simulated.ticks + len(simulated.taker_time) + len(log.latency) + decisions
        orders.shift(simulated.ticks * grid.DT)
    return events / seconds


def replayed_events_per_s(events: int) -> float:
    """Events of a synthetic feed that hftbacktest handles in a second, jitted and warmed up."""
    import hftbacktest as hft
    from numba import njit

    data = synthetic_feed(events)

    @njit  # type: ignore[untyped-decorator]
    def through(engine: Any) -> None:
        while engine.elapse(100_000_000) == 0:
            pass

    durations = []
    for _ in range(3):
        asset = (
            hft.BacktestAsset()
            .data(data)
            .linear_asset(1.0)
            .constant_order_latency(1_000_000, 1_000_000)
            .risk_adverse_queue_model()
            .no_partial_fill_exchange()
            .trading_value_fee_model(0.0, 0.0)
            .tick_size(0.1)
            .lot_size(0.001)
        )
        engine = hft.HashMapMarketDepthBacktest([asset])
        durations.append(seconds_of(lambda engine=engine: through(engine)))  # type: ignore[misc]
        engine.close()
    return events / min(durations[1:])


def synthetic_feed(events: int) -> NDArray[np.void]:
    """Depth changes around a random walk of the mid, a trade in four events, 100 a second."""
    import hftbacktest as hft

    rng = np.random.default_rng(1)
    data = np.zeros(events, dtype=hft.event_dtype)
    side = rng.random(events) < 0.5
    trades = rng.random(events) < 0.25
    kind = np.where(trades, hft.TRADE_EVENT, hft.DEPTH_EVENT)
    flags = np.where(side, hft.BUY_EVENT, hft.SELL_EVENT)
    data["ev"] = kind | flags | hft.EXCH_EVENT | hft.LOCAL_EVENT
    data["exch_ts"] = np.arange(1, events + 1) * 10_000_000
    data["local_ts"] = data["exch_ts"] + 1_000_000
    mid = 600_000 + np.cumsum(rng.integers(-1, 2, events))
    away = rng.integers(1, 20, events) * np.where(side ^ trades, -1, 1)
    data["px"] = (mid + away) * 0.1
    data["qty"] = rng.integers(1, 1000, events) * 0.001
    return data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=864)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--dir", type=Path, default=Path.cwd())
    options = parser.parse_args()
    numba = importlib.util.find_spec("numba") is not None
    print(memory(options.iterations, fast=False), flush=True)
    for line in speeds(options.rounds):
        print(line, flush=True)
    if numba:
        print(memory(options.iterations, fast=True), flush=True)
    for mode in ("0", "1") if numba else ("0",):
        with tempfile.TemporaryDirectory(dir=options.dir, prefix="speed-") as name:
            print(session(options.iterations, mode, Path(name)), flush=True)
    ours = {"numpy alone": events_per_s(fast=False)}
    if numba:
        ours["fast"] = events_per_s(fast=True)
    for name, value in ours.items():
        print(f"{f'events / s, {name}':<40} {value:10,.0f}", flush=True)
    if importlib.util.find_spec("hftbacktest") is None:
        print("events / s, hftbacktest: it is not installed")
        return
    theirs = replayed_events_per_s(options.events)
    print(f"{'events / s, hftbacktest':<40} {theirs:10,.0f}")
    for name, value in ours.items():
        print(f"{f'{name} / hftbacktest':<40} {value / theirs:10.3f}")


if __name__ == "__main__":
    main()
