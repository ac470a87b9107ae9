"""A second implementation of the guards: a list of all events, and loops over it.

It imports nothing of the product and stores only the list: streaks, windows, pins and memories are
counted again for every decision. It is slow, but short enough to compare with docs/guards.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
            size = sum(abs(new - old) / self.span(key) for key, old, new, _ in event.moves)
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
        spent = sum(abs(new - old) for _, old, new, rule in moves if rule != "ROLLBACK")
        return max(0.0, self.n.cap[key] - spent)

    def last_change(self) -> Any:
        """All values before the last change, and its moves; equal for equal changes."""
        first = len(self.events) - len(self.since_panic())
        changes = [i for i, event in enumerate(self.events) if event.moves and i >= first]
        return self.change(self.events[changes[-1]].moves, changes[-1]) if changes else None

    def change(self, moves: Sequence[tuple[str, float, float, str]], upto: int | None) -> Any:
        return self.values(upto), sorted(move[:3] for move in moves)

    def span(self, key: str) -> float:
        return self.n.high[key] - self.n.low[key]

    def landing(self, key: str, value: float) -> float:
        """``value`` at 12 digits; on a bound if it is beyond it by at most the slack."""
        if key not in self.n.low or not math.isfinite(value):
            return math.nan
        rounded, slack = float(f"{value:.12g}") + 0.0, SLACK * self.span(key)
        inside = min(max(rounded, self.n.low[key]), self.n.high[key])
        return inside if abs(inside - rounded) <= slack else rounded

    # -- the expected outcomes -----------------------------------------------------------------

    def outcomes(self, proposals: Sequence[PlainProposal]) -> dict[str, ExpectedOutcome]:
        """The outcome of each proposed key."""
        chosen = {
            key: self.chosen([proposal for proposal in proposals if proposal.key == key])
            for key in {proposal.key for proposal in proposals}
        }
        outcomes = {
            key: self.outcome(proposal, duplicate=False) for key, proposal in chosen.items()
        }
        values = self.values()
        moves = [
            (key, values[key], outcome.after, "")
            for key, outcome in outcomes.items()
            if outcome.outcome != "SKIPPED" and outcome.after is not None
        ]
        if moves and self.change(moves, None) == self.last_change():
            outcomes |= {move[0]: self.outcome(chosen[move[0]], duplicate=True) for move in moves}
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

    def outcome(self, proposal: PlainProposal, duplicate: bool) -> ExpectedOutcome:
        key, delta, is_key = proposal.key, as_number(proposal.delta), proposal.key in self.n.low
        rolls_back = proposal.rule == "ROLLBACK"
        value = self.values().get(key, math.nan)
        slack = SLACK * self.span(key) if is_key else math.nan
        to = self.landing(key, value + delta)
        bound = (self.n.high if delta > 0 else self.n.low).get(key, math.nan)
        left = {"bounds": abs(bound - value)}
        left["velocity"] = self.left_of_cap(key) if is_key and not rolls_back else math.inf
        over = {name: part for name, part in left.items() if abs(delta) > part + slack}
        part = math.copysign(min(over.values()), delta) if over else delta
        cut = self.landing(key, value + part)
        exempt = rolls_back or proposal.rule in self.n.exempt
        past = None if exempt else self.came_from(key)
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
            "oscillation": past is not None and min(abs(to - past), abs(cut - past)) <= slack,
            "velocity": "velocity" in over,
            "bounds": "bounds" in over,
            "no_op": abs(to - value) <= slack,
        }
        reasons = tuple(name for name, applies in objections.items() if applies)
        worth = abs(cut - value) > slack and abs(part) >= self.n.clip * abs(delta) - slack
        if set(reasons) - set(over) or not worth:
            return ExpectedOutcome("SKIPPED", reasons, value if is_key else None)
        return ExpectedOutcome("CLIPPED" if reasons else "APPLIED", reasons, cut)


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
