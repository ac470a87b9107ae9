"""A second implementation of the guards: a list of all events, and loops over it.

It imports nothing of the product and stores only the list: streaks, windows, pins and memories are
counted again for every decision. It is slow, but short enough to compare with docs/guards.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

ACTS = ("reverted", "safe already")  # the panics that act; "would" does not
SLACK = 1e-9  # share of a range by which a value may pass bounds and caps
Kpis = Mapping[str, float | None]


@dataclass(frozen=True)
class Numbers:
    """A profile as plain numbers: iterations, counts, shares of a range, seconds."""

    low: Mapping[str, float]
    high: Mapping[str, float]
    cap: Mapping[str, float]
    safer_up: Mapping[str, bool]
    safe: Mapping[str, float]
    frozen: Sequence[str]
    exempt: Sequence[str]
    rules: Sequence[str]
    """Names of the profile's own rules."""
    panic_after: int
    pause: int
    last: int
    warmup: int
    pin_for: float
    freeze_after: int
    freeze_for: int
    large: float
    cooldown: int
    forget: int
    window_s: float
    clip: float
    once_in: int
    effect_after: Mapping[str, int]  # rule to iterations until its effect is measured; "": others
    step: Mapping[str, float] = field(default_factory=dict)  # only of keys that have a grid
    ratio: Sequence[str] = ()  # keys whose moves and caps are logarithms of ratios
    cap_once: Mapping[str, float] = field(default_factory=dict)
    most: Sequence[tuple[str, float, str]] = ()  # key, factor, other: key <= factor * other


@dataclass(frozen=True)
class PlainProposal:
    """One proposal; ``delta`` may be any value."""

    key: str
    delta: Any
    rule: str = ""
    kpis: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExpectedOutcome:
    """The outcome of one key: outcome, every reason in order, and the value after."""

    outcome: str
    reasons: tuple[str, ...]
    after: float | None


@dataclass(frozen=True)
class Event:
    """A decision, or (``kpis`` is None) an operator's edit after iteration ``at``."""

    at: int
    new: Mapping[str, float]
    kpis: Kpis | None = None
    moves: tuple[tuple[str, float, float, str], ...] = ()  # key, before, after, rule
    panic: str = ""


class Oracle:
    """One lane, with all events before the next decision and the KPIs of that decision."""

    def __init__(
        self, n: Numbers, start: Mapping[str, float], interval_s: float, planned: int, live: bool
    ) -> None:
        self.n, self.start, self.interval_s = n, dict(start), interval_s
        self.planned, self.live = planned, live
        self.events: list[Event] = []
        self.kpis: Kpis = {}

    # -- the state, counted from the events ---------------------------------------------------

    @property
    def now(self) -> int:
        return 1 + max((event.at for event in self.events if event.kpis is not None), default=0)

    def values(self, upto: int | None = None) -> dict[str, float]:
        values = dict(self.start)
        for event in self.events[:upto]:
            values.update(event.new)
        return values

    def since_panic(self) -> list[Event]:
        panics = [i for i, event in enumerate(self.events) if event.panic in ACTS]
        return self.events[panics[-1] + 1 :] if panics else self.events

    def panic(self) -> str:
        """The panic of the next decision; empty if there is none."""
        streak = 0
        for event in (*self.events, Event(self.now, {}, self.kpis)):
            word = verdict(event.kpis) if event.kpis is not None else "INCONCLUSIVE"
            streak = streak + 1 if word == "FAIL" else streak if word == "INCONCLUSIVE" else 0
            streak = 0 if event.panic else streak
        if streak < self.n.panic_after or verdict(self.kpis) != "FAIL":
            return ""
        would = "safe already" if self.values() == self.n.safe else "reverted"
        return would if self.live else "would"

    def paused_until(self) -> int:
        return max(
            (event.at + self.n.pause for event in self.events if event.panic == "reverted"),
            default=0,
        )

    def frozen_until(self) -> int:
        streak = until = 0
        for event in self.since_panic():
            if event.kpis is not None:
                counts = event.at > max(until, self.n.warmup) and is_stable(event.kpis)
                streak = streak + 1 if counts else 0
                if streak == self.n.freeze_after:
                    streak, until = 0, event.at + self.n.freeze_for
        return until

    def cooling_until(self) -> int:
        until = 0
        for event in self.since_panic():
            size = sum(
                self.size(key, old, new) / self.span(key) for key, old, new, _ in event.moves
            )
            until = event.at + self.n.cooldown if size > self.n.large + SLACK else until
        return until

    def is_pinned(self, key: str) -> bool:
        edits = [event.at for event in self.events if event.kpis is None and key in event.new]
        return any(self.now <= at + self.n.pin_for for at in edits)

    def effects_now(self) -> list[tuple[int, str]]:
        """Iteration and rule of the changes whose effect this decision must report."""
        due = []
        for i, event in enumerate(self.events):
            for rule in sorted({move[3] for move in event.moves}):
                keys = {move[0] for move in event.moves if move[3] == rule}
                window = self.n.effect_after.get(rule, self.n.effect_after[""])
                spoiled = [
                    later.at + 1
                    for later in self.events[i + 1 :]
                    if later.panic in ACTS or (later.kpis is None and keys & later.new.keys())
                ]
                if min([event.at + window, *spoiled]) == self.now:
                    due.append((event.at, rule))
        return due

    def came_from(self, key: str) -> float | None:
        """The value before the key's last move, while it is remembered."""
        past = None
        for event in self.since_panic():
            past = None if event.kpis is None and key in event.new else past
            for moved, old, _, _ in event.moves:
                if moved == key:
                    past = old if self.now - event.at <= self.n.forget else None
        return past

    def left_of_cap(self, key: str) -> float:
        recent = [
            event
            for event in self.events
            if (self.now - event.at) * self.interval_s < self.n.window_s
        ]
        moves = [move for event in recent for move in event.moves if move[0] == key]
        spent = sum(self.size(key, old, new) for _, old, new, rule in moves if rule != "ROLLBACK")
        return min(max(0.0, self.n.cap[key] - spent), self.n.cap_once.get(key, math.inf))

    def last_change(self) -> Any:
        """All values before the last change, and its moves; equal for equal changes."""
        first = len(self.events) - len(self.since_panic())
        changes = [i for i, event in enumerate(self.events) if event.moves and i >= first]
        return self.change(self.events[changes[-1]].moves, changes[-1]) if changes else None

    def change(self, moves: Sequence[tuple[str, float, float, str]], upto: int | None) -> Any:
        return self.values(upto), sorted(move[:3] for move in moves)

    # -- values ----------------------------------------------------------------------------------

    def size(self, key: str, a: float, b: float) -> float:
        if key not in self.n.ratio:
            return abs(a - b)
        return abs(math.log(a) - math.log(b)) if a > 0 and b > 0 else math.inf

    def reach(self, key: str, value: float, delta: float, size: float) -> float:
        """How far a move of this size goes from ``value`` in the direction of ``delta``."""
        ratio = math.exp(math.copysign(size, delta)) if key in self.n.ratio else 1.0
        return abs(value * ratio - value) if key in self.n.ratio else size

    def span(self, key: str) -> float:
        return self.size(key, self.n.low[key], self.n.high[key])

    def same(self, key: str, a: float, b: float) -> bool:
        return a == b or self.size(key, a, b) <= SLACK * self.span(key)

    def landing(self, key: str, value: float) -> float:
        """``value`` on the grid, or at 12 digits; on a bound if it is within the slack of it."""
        if key not in self.n.low or not math.isfinite(value):
            return math.nan
        low, high, step = self.n.low[key], self.n.high[key], self.n.step.get(key)
        if step is not None and abs(value) < 1e15:  # further out there is no grid
            value = low + round(digits((value - low) / step)) * step
        inside = min(max(digits(value), low), high)
        return inside if low <= value <= high or self.same(key, inside, value) else digits(value)

    def cut(self, key: str, value: float, part: float) -> float:
        """The value after ``part`` of a move; between two values of the grid, the one before."""
        step, low = self.n.step.get(key), self.n.low.get(key, math.nan)
        on_grid = self.landing(key, value + part)
        if step is None or self.same(key, on_grid, value + part):
            return on_grid
        steps = (value + part - low) / step
        end = low + (math.floor(steps) if part > 0 else math.ceil(steps)) * step
        return digits(end) if (end - value) * part > 0 else value

    def limits(self, key: str, values: Mapping[str, float]) -> tuple[float, float]:
        """The lowest and the highest value beside the ``values`` of the other keys."""
        lows = [values[a] / factor for a, factor, b in self.n.most if b == key]
        highs = [factor * values[b] for a, factor, b in self.n.most if a == key]
        return max([self.n.low[key], *lows]), min([self.n.high[key], *highs])

    def refuses(self, new: Mapping[str, float]) -> list[str]:
        """The keys whose new values an operator may not write."""
        values, bad = {**self.values(), **new}, []
        for key, value in new.items():
            low, high = self.n.low[key], self.n.high[key]
            on_grid = key not in self.n.step or self.same(key, self.landing(key, value), value)
            bad += [key] if not (low <= value <= high and on_grid) else []
        for a, factor, b in self.n.most:
            if values[a] > factor * values[b] and not self.same(a, values[a], factor * values[b]):
                bad += [a, b]
        return bad

    # -- the expected outcomes -----------------------------------------------------------------

    def outcomes(self, proposals: Sequence[PlainProposal]) -> dict[str, ExpectedOutcome]:
        """The outcome of each proposed key."""
        chosen = {
            key: self.chosen([proposal for proposal in proposals if proposal.key == key])
            for key in sorted({proposal.key for proposal in proposals})
        }
        before, values = self.values(), self.values()
        outcomes, again, moves = {}, {}, []
        for key, proposal in chosen.items():
            outcomes[key] = outcome = self.outcome(proposal, values, duplicate=False)
            again[key] = self.outcome(proposal, values, duplicate=True)
            if outcome.outcome != "SKIPPED" and outcome.after is not None:
                moves.append((key, before[key], outcome.after, ""))
                values[key] = outcome.after  # it limits the keys that come later
        if moves and self.change(moves, None) == self.last_change():
            outcomes |= {move[0]: again[move[0]] for move in moves}
        return outcomes

    def chosen(self, same_key: Sequence[PlainProposal]) -> PlainProposal:
        """The proposal that counts for a key, with the KPIs of all.

        It is the first whose delta is no number, else the safest.
        """
        ordered = sorted(same_key, key=lambda item: (item.rule, str(item.delta), item.kpis))
        up = self.n.safer_up.get(ordered[0].key, False)
        ordered.sort(key=lambda item: -as_number(item.delta) if up else as_number(item.delta))
        bad = [item for item in ordered if math.isnan(as_number(item.delta))]
        kpis = tuple(kpi for item in ordered for kpi in item.kpis)
        return replace((bad or ordered)[0], kpis=kpis)

    def outcome(
        self, proposal: PlainProposal, beside: Mapping[str, float], *, duplicate: bool
    ) -> ExpectedOutcome:
        """The outcome; the keys before it have the values ``beside``."""
        key, delta, is_key = proposal.key, as_number(proposal.delta), proposal.key in self.n.low
        rolls_back = proposal.rule == "ROLLBACK"
        value = self.values().get(key, math.nan)
        to = self.landing(key, value + delta)
        delta = to - value if key in self.n.step else delta
        end = value + delta
        left = {"velocity": math.inf, "bounds": math.inf}
        if is_key and not math.isnan(to):
            headroom = self.left_of_cap(key)
            if not rolls_back and self.size(key, value, end) > headroom + SLACK * self.span(key):
                left["velocity"] = self.reach(key, value, delta, headroom)
            low, high = self.limits(key, beside)
            bound = min(max(end, low), high)
            if not self.same(key, bound, end):
                left["bounds"] = max(0.0, (bound - value) * math.copysign(1.0, delta))
        over = {name: part for name, part in left.items() if part < math.inf}
        part = math.copysign(min(over.values()), delta) if over else delta
        cut = self.cut(key, value, part) if over else to
        part = cut - value if key in self.n.step else part
        exempt = rolls_back or proposal.rule in self.n.exempt
        past = None if exempt else self.came_from(key)
        back = past is not None and (self.same(key, to, past) or self.same(key, cut, past))
        still = not is_key or self.same(key, to, value)
        objections = {
            "panic": self.panic() != "" or self.now <= self.paused_until(),
            "nodata": any(self.kpis.get(kpi) is None for kpi in proposal.kpis),
            "invalid": math.isnan(to),
            "warmup": self.now <= self.n.warmup,
            "late": self.now > self.planned - self.n.last,
            "pin": self.is_pinned(key),
            "freeze": key in self.n.frozen and self.now <= self.frozen_until(),
            "cooldown": self.now <= self.cooling_until(),
            "duplicate": duplicate,
            "oscillation": back,
            "velocity": "velocity" in over,
            "bounds": "bounds" in over,
            "no_op": is_key and still,
        }
        reasons = tuple(name for name, applies in objections.items() if applies)
        if set(reasons) - set(over) or still or self.same(key, cut, value):
            return ExpectedOutcome("SKIPPED", reasons, value if is_key else None)
        least = self.n.clip * self.size(key, value, end) - SLACK * self.span(key)
        if self.size(key, value, value + part) < least:
            return ExpectedOutcome("SKIPPED", reasons, value if is_key else None)
        return ExpectedOutcome("CLIPPED" if reasons else "APPLIED", reasons, cut)


def digits(value: float) -> float:
    return float(f"{value:.12g}") + 0.0


def verdict(kpis: Kpis) -> str:
    risk, net, adverse = (kpis[kpi] for kpi in ("risk_ratio", "net_bps", "adverse_bps_p95"))
    if (risk is not None and risk > 0.50) or (net is not None and net < 2.0):
        return "FAIL"
    if risk is None or net is None or adverse is None:
        return "INCONCLUSIVE"
    return "WARN" if risk > 0.40 or adverse > 3.0 else "PASS"


def is_stable(kpis: Kpis) -> bool:
    risk, net = kpis["risk_ratio"], kpis["net_bps"]
    return risk is not None and net is not None and risk <= 0.35 and net >= 2.7


def as_number(value: Any) -> float:
    """``value`` as a float; NaN for what is no finite number. A bool is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**1024:
        return math.nan
    return float(value)
