"""The market: prices and takers on simulated time, drawn from a seed.

Prices are basis points of a fixed reference, sizes are lots, times are seconds of the market. The
same seed gives the same market, whatever a bot does in it; only the push of its own trades is
added to the price.
"""

from __future__ import annotations

import math
import random
from typing import NamedTuple

TICK_S = 0.2
"""The book is published so often."""
TURN_S = 2.0
"""The market advances by so much, then the bots answer, then their orders are matched."""
TICKS_PER_TURN = round(TURN_S / TICK_S)


class Tick(NamedTuple):
    """The book at one moment."""

    at: float
    mid: float
    fair: float
    """The mid without its bounce. It is not published."""
    spread: float
    depth: float
    """Size at the best prices, relative to a normal book."""
    flow: float
    """Recent takers: -1 (all sell) to +1 (all buy)."""


class Taker(NamedTuple):
    """An order of another participant that takes what rests in the book."""

    at: float
    side: int
    size: float
    reach: float
    """It takes quotes up to this distance from the mid."""
    informed: bool
    """The price follows it: what was sold to it was sold too early."""


class Mean:
    """A random figure that reverts to 0: an Ornstein-Uhlenbeck process."""

    def __init__(self, spread: float, time_s: float, step_s: float) -> None:
        self.value = 0.0
        self.keep = math.exp(-step_s / time_s)
        self.noise = spread * math.sqrt(1 - self.keep**2)

    def step(self, rng: random.Random, factor: float = 1.0) -> float:
        self.value = self.keep * self.value + self.noise * factor * rng.gauss(0, 1)
        return self.value


class Market:
    """Calls of :meth:`turn` give one piece of the market after another."""

    def __init__(self, seed: int) -> None:
        # One stream for each part: a change of one does not shift the draws of the others.
        self.prices, self.flows, self.moods = (
            random.Random(f"{seed}/{name}") for name in ("prices", "flows", "moods")
        )
        self.now = 0.0
        self.fair = 0.0
        self.push = 0.0
        self.flow = 0.0
        self.minutes = Mean(0.20, 60, TURN_S)
        self.hours = Mean(0.15, 2400, TURN_S)
        self.crowd = Mean(0.30, 10, TURN_S)
        self.bounce = Mean(0.51, 0.3, TICK_S)
        self.future: list[Taker] = []

    def pushed(self, bps: float) -> None:
        """A bot's own trade moves the price; part of that fades."""
        self.fair += 0.4 * bps
        self.push += 0.6 * bps

    def turn(self) -> tuple[list[Tick], list[Taker]]:
        volatility = math.exp(self.minutes.step(self.moods) + self.hours.step(self.moods) - 0.03)
        depth = math.exp(self.crowd.step(self.moods)) / math.sqrt(volatility)
        spread = 0.25 * volatility**0.7
        takers = self._takers(volatility, depth, spread)
        ticks: list[Tick] = []
        coming = iter(takers)
        taker = next(coming, None)
        for _ in range(TICKS_PER_TURN):
            self.fair += 0.87 * volatility * math.sqrt(TICK_S) * self.prices.gauss(0, 1)
            self.push *= math.exp(-TICK_S / 5)
            mid = self.fair + self.push + self.bounce.step(self.prices, volatility**0.5)
            ticks.append(Tick(self.now, mid, self.fair + self.push, spread, depth, self.flow))
            self.now += TICK_S
            while taker is not None and taker.at < self.now:
                # What the takers before it foretold is in the price; the surprise moves it.
                surprise = taker.side - 0.8 * self.flow
                weight = 3.0 if taker.informed else 0.4
                move = 0.3 * math.sqrt(volatility * taker.size / depth) * surprise * weight
                self.fair += move
                self.flow += 0.28 * (taker.side - self.flow)
                taker = next(coming, None)
        return ticks, takers

    def _takers(self, volatility: float, depth: float, spread: float) -> list[Taker]:
        """The takers of this turn. They come in clusters: most follow another on the same side."""
        rng, end = self.flows, self.now + TURN_S
        at = self.now + rng.expovariate(2.8)
        while at < end:
            time, side = at, rng.choice((-1, 1))
            while True:
                self.future.append(self._taker(time, side, volatility, depth, spread))
                if rng.random() > 0.83:
                    break
                time += rng.expovariate(4.0 if rng.random() < 0.8 else 0.33)
                side = side if rng.random() < 0.95 else -side
            at += rng.expovariate(2.8)
        self.future.sort()
        count = sum(taker.at < end for taker in self.future)
        takers, self.future = self.future[:count], self.future[count:]
        return takers

    def _taker(self, at: float, side: int, volatility: float, depth: float, spread: float) -> Taker:
        rng = self.flows
        sweep = rng.random() < 0.05
        size = math.exp(-4.5 + (0.4 if sweep else 1.3) * rng.gauss(0, 1)) * depth**0.7
        mean_reach = 19.0 if sweep else 0.91 * (0.6 + 0.4 * volatility)
        reach = rng.expovariate(1 / mean_reach) + spread / 2
        informed = rng.random() < 0.3
        return Taker(at, side, size * (300 if sweep else 1), reach, informed)
