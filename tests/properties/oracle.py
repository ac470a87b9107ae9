"""What the guards must answer, said a second time: a list of all that happened, and loops over it.

It imports nothing of the product and remembers nothing but the list: streaks, windows, pins and
memories are counted anew at every question. Slow, and short enough to be read against SPEC §10.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

ACTS = ("reverted", "safe already")  # what a panic does, other than "would"
SLACK = 1e-9  # share of a range by which bounds and caps may be missed
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
    pin_for: float
    freeze_after: int
    freeze_for: int
    large: float
    cooldown: int
    forget: int
    window_s: float
    clip: float
    once_in: int
    told_after: Mapping[str, int]  # rule to iterations after which its change is told of; "": else


@dataclass(frozen=True)
class Asked:
    """One proposal as it was made; ``delta`` may be anything."""

    key: str
    delta: Any
    rule: str = ""
    kpis: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What becomes of one key: the word, every reason in order, the value after."""

    word: str
    reasons: tuple[str, ...]
    after: float | None


@dataclass(frozen=True)
class Happened:
    """A decision in force, or (``kpis`` is None) an operator's edit after iteration ``at``."""

    at: int
    new: Mapping[str, float]
    kpis: Kpis | None = None
    moves: tuple[tuple[str, float, float, str], ...] = ()  # key, before, after, rule
    panic: str = ""


class Oracle:
    """One lane, asked about the decision on ``kpis``, which is due."""

    def __init__(
        self, n: Numbers, start: Mapping[str, float], interval_s: float, planned: int, live: bool
    ) -> None:
        self.n, self.start, self.interval_s = n, dict(start), interval_s
        self.planned, self.live = planned, live
        self.list: list[Happened] = []
        self.kpis: Kpis = {}

    # -- what there is to know, counted from the list ------------------------------------------

    @property
    def now(self) -> int:
        return 1 + max((one.at for one in self.list if one.kpis is not None), default=0)

    def values(self, upto: int | None = None) -> dict[str, float]:
        values = dict(self.start)
        for one in self.list[:upto]:
            values.update(one.new)
        return values

    def since_panic(self) -> list[Happened]:
        cut = [i for i, one in enumerate(self.list) if one.panic in ACTS]
        return self.list[cut[-1] + 1 :] if cut else self.list

    def panic(self) -> str:
        """What the decision that is due does about a row of FAILs."""
        row = 0
        for one in (*self.list, Happened(self.now, {}, self.kpis)):
            word = verdict(one.kpis) if one.kpis is not None else "INCONCLUSIVE"
            row = row + 1 if word == "FAIL" else row if word == "INCONCLUSIVE" else 0
            row = 0 if one.panic else row
        if row < self.n.panic_after or verdict(self.kpis) != "FAIL":
            return ""
        would = "safe already" if self.values() == self.n.safe else "reverted"
        return would if self.live else "would"

    def paused_until(self) -> int:
        return max(
            (one.at + self.n.pause for one in self.list if one.panic == "reverted"), default=0
        )

    def frozen_until(self) -> int:
        row = until = 0
        for one in self.since_panic():
            if one.kpis is not None:
                row = row + 1 if one.at > until and is_stable(one.kpis) else 0
                if row == self.n.freeze_after:
                    row, until = 0, one.at + self.n.freeze_for
        return until

    def cooling_until(self) -> int:
        until = 0
        for one in self.since_panic():
            size = sum(abs(new - old) / self.span(key) for key, old, new, _ in one.moves)
            until = one.at + self.n.cooldown if size > self.n.large + SLACK else until
        return until

    def is_pinned(self, key: str) -> bool:
        edits = [one.at for one in self.list if one.kpis is None and key in one.new]
        return any(self.now <= at + self.n.pin_for for at in edits)

    def told_now(self) -> list[tuple[int, str]]:
        """Iteration and rule of the changes that this decision must tell of."""
        told = []
        for i, one in enumerate(self.list):
            for rule in sorted({move[3] for move in one.moves}):
                keys = {move[0] for move in one.moves if move[3] == rule}
                window = self.n.told_after.get(rule, self.n.told_after[""])
                spoiled = [
                    late.at + 1
                    for late in self.list[i + 1 :]
                    if late.panic in ACTS or (late.kpis is None and keys & late.new.keys())
                ]
                if min([one.at + window, *spoiled]) == self.now:
                    told.append((one.at, rule))
        return told

    def came_from(self, key: str) -> float | None:
        """The value before the key's last move, while it is remembered."""
        past = None
        for one in self.since_panic():
            past = None if one.kpis is None and key in one.new else past
            for moved, old, _, _ in one.moves:
                if moved == key:
                    past = old if self.now - one.at <= self.n.forget else None
        return past

    def left_of_cap(self, key: str) -> float:
        recent = [
            one for one in self.list if (self.now - one.at) * self.interval_s < self.n.window_s
        ]
        moves = [move for one in recent for move in one.moves if move[0] == key]
        spent = sum(abs(new - old) for _, old, new, rule in moves if rule != "ROLLBACK")
        return max(0.0, self.n.cap[key] - spent)

    def last_change(self) -> Any:
        """All values before it, and the moves: what makes two changes the same one."""
        first = len(self.list) - len(self.since_panic())
        made = [i for i, one in enumerate(self.list) if one.moves and i >= first]
        return self.change(self.list[made[-1]].moves, made[-1]) if made else None

    def change(self, moves: Sequence[tuple[str, float, float, str]], upto: int | None) -> Any:
        return self.values(upto), sorted(move[:3] for move in moves)

    def span(self, key: str) -> float:
        return self.n.high[key] - self.n.low[key]

    def landing(self, key: str, value: float) -> float:
        """Twelve digits, and exactly on a bound that is missed by no more than the slack."""
        if key not in self.n.low or not math.isfinite(value):
            return math.nan
        rounded, slack = float(f"{value:.12g}") + 0.0, SLACK * self.span(key)
        inside = min(max(rounded, self.n.low[key]), self.n.high[key])
        return inside if abs(inside - rounded) <= slack else rounded

    # -- the answers ---------------------------------------------------------------------------

    def answers(self, asked: Sequence[Asked]) -> dict[str, Answer]:
        """What becomes of each proposed key."""
        chosen = {
            key: self.chosen([one for one in asked if one.key == key])
            for key in {one.key for one in asked}
        }
        found = {key: self.answer(one, duplicate=False) for key, one in chosen.items()}
        values = self.values()
        moves = [
            (key, values[key], one.after, "")
            for key, one in found.items()
            if one.word != "SKIPPED" and one.after is not None
        ]
        if moves and self.change(moves, None) == self.last_change():
            found |= {move[0]: self.answer(chosen[move[0]], duplicate=True) for move in moves}
        return found

    def chosen(self, same_key: Sequence[Asked]) -> Asked:
        """Of several for one key: one that is no number, else the safest; all that they rest on."""
        ordered = sorted(same_key, key=lambda one: (one.rule, str(one.delta), one.kpis))
        up = self.n.safer_up.get(ordered[0].key, False)
        ordered.sort(key=lambda one: -as_number(one.delta) if up else as_number(one.delta))
        bad = [one for one in ordered if math.isnan(as_number(one.delta))]
        return replace((bad or ordered)[0], kpis=tuple(kpi for one in ordered for kpi in one.kpis))

    def answer(self, asked: Asked, duplicate: bool) -> Answer:
        key, delta, known = asked.key, as_number(asked.delta), asked.key in self.n.low
        value = self.values().get(key, math.nan)
        slack = SLACK * self.span(key) if known else math.nan
        to = self.landing(key, value + delta)
        bound = (self.n.high if delta > 0 else self.n.low).get(key, math.nan)
        left = {"bounds": abs(bound - value)}
        left["velocity"] = self.left_of_cap(key) if known and asked.rule != "ROLLBACK" else math.inf
        over = {name: part for name, part in left.items() if abs(delta) > part + slack}
        part = math.copysign(min(over.values()), delta) if over else delta
        cut = self.landing(key, value + part)
        past = self.came_from(key) if asked.rule not in (*self.n.exempt, "ROLLBACK") else None
        objects = {
            "panic": self.panic() != "" or self.now <= self.paused_until(),
            "nodata": any(self.kpis.get(kpi) is None for kpi in asked.kpis),
            "invalid": math.isnan(to),
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
        reasons = tuple(name for name, yes in objects.items() if yes)
        worth = abs(cut - value) > slack and abs(part) >= self.n.clip * abs(delta) - slack
        if set(reasons) - set(over) or not worth:
            return Answer("SKIPPED", reasons, value if known else None)
        return Answer("CLIPPED" if reasons else "APPLIED", reasons, cut)


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


def as_number(said: Any) -> float:
    """NaN for whatever is no finite number; a bool is none."""
    if isinstance(said, bool) or not isinstance(said, int | float) or not abs(said) < 2**1024:
        return math.nan
    return float(said)
